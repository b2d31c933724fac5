//! A worker's part in the meta-tracker: what it passes on, what it was told, and answers that wait.

use std::collections::HashMap;
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::meta::{AGENT_PREFIX, Built, Extra, Millis, Present, Wish};
use crate::net::Ticket;
use crate::net::desk::Desk;
use crate::net::meta::policy::{Policy, Refusal, asks};
use crate::net::meta::{Message, Way, Word};
use crate::net::tcp;
use crate::stats::Count;
use crate::types::{
    Announce, Counts, Family, Figure, InfoHash, PeerAddr, Peers, Reply, Scraped, Seconds,
};

/// Answers that may wait at a time.
const HELD_MAX: usize = 256;

/// Torrents of which it is known that nothing will be known.
const REFUSED_MAX: usize = 1024;

/// Words heard in a turn.
const WORDS_A_TURN: usize = 64;

/// How long an answer may take that has to come from another worker.
const LOST_MILLIS: Millis = 10_000;

/// How often what is over is thrown away.
const TIDY_SECS: Seconds = 60;

/// An announce that may have to be passed on.
pub struct Calling<'a> {
    /// What it says.
    pub announce: &'a Announce,
    /// Where its answer goes.
    pub ticket: Ticket,
    /// Where it comes from.
    pub source: IpAddr,
    /// Whether it came in where all that comes in is meant to be passed on.
    pub opted: bool,
    /// Path and query of its URL.
    pub url: &'a [u8],
    /// What the program calls itself by HTTP.
    pub agent: Option<&'a [u8]>,
    /// What it calls the peer.
    pub peer_id: Option<[u8; 20]>,
    /// Its key.
    pub key: Option<u32>,
    /// Bytes uploaded, downloaded, and left if that is said.
    pub bytes: (u64, u64, Option<u64>),
}

/// An answer that may leave: where it goes, and what it tells.
pub type Settled = (Ticket, Counts, Peers);

/// The place of an answer that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// There is none without the room.
    _built: Built,
    place: u16,
    generation: u16,
}

/// One worker's part.
pub struct Relay {
    /// The room is there.
    built: Built,
    /// Without one nothing is passed on any more, and what waits still leaves.
    policy: Option<Present<Policy>>,
    way: Present<Way>,
    worker: usize,
    extras: HashMap<InfoHash, Arc<Extra>>,
    places: Vec<Place>,
    /// Whether messages were left since the thread was woken last.
    posted: bool,
    tidied: Seconds,
}

#[derive(Default)]
struct Place {
    generation: u16,
    held: Option<Held>,
}

/// An answer that waits: for what this tracker knows itself, or for what others do.
struct Held {
    to: Ticket,
    info_hash: InfoHash,
    asker: PeerAddr,
    numwant: usize,
    both: bool,
    deadline: Millis,
    local: Option<(Counts, Peers)>,
}

impl Desk {
    /// Whether all that comes in at this address of ours is meant to be passed on.
    pub fn opts_in(&self, addr: std::net::SocketAddr) -> bool {
        let policy = self.relay.as_ref().and_then(|relay| relay.policy.as_ref());
        policy.is_some_and(|policy| policy.listens_at(addr))
    }

    /// Whether a scrape is answered by what others know as well.
    pub fn widens_scrape(&self, source: IpAddr, opted: bool, url: &[u8]) -> bool {
        let policy = self.relay.as_ref().and_then(|relay| relay.policy.as_ref());
        policy.is_some_and(|policy| (opted || asks(url)) && policy.serves(source))
    }

    /// Passes an announce on, if it asks for that and may be. What is returned has to go with it to
    /// the swarm, instead of its own ticket, and its answer to [`complete`](Self::complete).
    pub fn call(&mut self, calling: &Calling<'_>) -> Option<Slot> {
        let relay = self.relay.as_mut()?;
        let policy = relay.policy.as_ref()?;
        let Announce {
            info_hash,
            peer,
            event,
            want,
            ..
        } = *calling.announce;
        if !calling.opted && !asks(calling.url) {
            return None;
        }
        let is_loop = |agent: &[u8]| agent.starts_with(AGENT_PREFIX);
        let ips = [calling.source, peer.ip()];
        let count = match policy.admit(ips, calling.url, &info_hash) {
            _ if calling.agent.is_some_and(is_loop) => Err(Count::MetaLoop),
            Err(Refusal::Stranger) => Err(Count::MetaStranger),
            Err(Refusal::Denied) => Err(Count::MetaDenied),
            Err(Refusal::Private) => Err(Count::MetaPrivate),
            Ok(allowed) => Ok(allowed),
        };
        let family = Family::of(calling.source);
        let allowed = match count {
            Ok(allowed) => allowed,
            Err(count) => {
                self.counters.count(family, count);
                return None;
            }
        };
        let hold = policy.hold;
        let (uploaded, downloaded, left) = calling.bytes;
        let wish = Wish {
            info_hash,
            peer,
            source: calling.source.to_canonical(),
            // Without one there is nobody others could be told of.
            peer_id: calling.peer_id?,
            key: calling.key,
            event,
            uploaded,
            downloaded,
            left,
            allowed,
        };
        let passed = relay.way.post(Message::Wish(wish));
        relay.posted |= passed;
        // If nobody was told, there is only what is known already.
        let (count, hold) = match passed {
            true => (Count::MetaWish, hold),
            false => (Count::MetaDropped, 0),
        };
        self.counters.count(family, count);
        if event == crate::types::Event::Stopped {
            return None;
        }
        let slot = relay.open(Held {
            to: calling.ticket,
            info_hash,
            asker: peer,
            numwant: want.numwant.into(),
            both: want.both,
            deadline: self.millis.saturating_add(hold),
            local: None,
        });
        if slot.is_none() {
            self.counters.count(family, Count::MetaUnheld);
        }
        slot
    }

    /// Takes what this tracker knows itself, to be answered together with what others know; `None`
    /// while it waits for that.
    pub fn complete<T>(
        &mut self,
        slot: Slot,
        reply: Reply<'_>,
        answer: impl FnOnce(&mut Desk, Ticket, Reply<'_>) -> T,
    ) -> Option<T> {
        let Reply::Announce(counts, peers) = reply else {
            let to = self.cancel(slot)?;
            return Some(answer(self, to, reply));
        };
        let (to, counts, peers) = self.settle(slot, counts, peers)?;
        Some(answer(self, to, Reply::Announce(counts, &peers)))
    }

    /// Takes what this tracker knows itself. What is returned may leave; otherwise it waits.
    fn settle(&mut self, slot: Slot, counts: Counts, peers: &Peers) -> Option<Settled> {
        let (now, millis) = (self.now, self.millis);
        let relay = self.relay.as_mut()?;
        let held = relay.at(slot)?;
        held.local = Some((counts, peers.clone()));
        let hash = held.info_hash;
        let is_full = held.numwant <= peers.len();
        let is_due = held.deadline <= millis;
        // What is known of some is not good enough while others are being asked.
        let is_settled = relay.extra(now, &hash).is_some_and(|extra| extra.settled);
        if is_full || is_due || is_settled {
            return relay.release(now, slot.place.into());
        }
        self.counters.count(Family::V4, Count::MetaHeld);
        None
    }

    /// Gives up an answer; whose it was.
    fn cancel(&mut self, slot: Slot) -> Option<Ticket> {
        let relay = self.relay.as_mut()?;
        relay.at(slot)?;
        let place = &mut relay.places[usize::from(slot.place)];
        place.leave().map(|held| held.to)
    }

    /// Has what others know of torrents go into the answer to a scrape, if something is known.
    pub fn widen(&self, scraped: &[Scraped]) -> Option<Vec<Scraped>> {
        let relay = self.relay.as_ref()?;
        let widen = |(hash, counts): &Scraped| {
            let extra = relay.extra(self.now, hash).map(|extra| extra.counts);
            let both = counts.zip(extra).map(|(a, b)| a.larger(b));
            (*hash, both.or(*counts).or(extra))
        };
        Some(scraped.iter().map(widen).collect())
    }

    /// Asks for a report; `false` if nothing is passed on, or the thread is too busy.
    pub fn ask_report(&mut self, to: tcp::Return) -> bool {
        let Some(relay) = &mut self.relay else {
            return false;
        };
        let asked = relay.way.post(Message::Report(relay.worker, to));
        relay.posted |= asked;
        asked
    }
}

impl Relay {
    /// The part of a worker under a policy, if there is a way to pass things on.
    pub fn new(policy: Present<Policy>, worker: usize) -> Option<Present<Relay>> {
        let built = policy.built;
        Some(built.brings(Relay {
            built,
            way: policy.way.clone()?,
            policy: Some(policy),
            worker,
            extras: HashMap::new(),
            places: Vec::new(),
            posted: false,
            tidied: 0,
        }))
    }

    /// How it goes, if something is passed on.
    pub fn figures(&self) -> Option<Vec<Figure>> {
        self.policy.as_ref().map(|_| self.way.figures())
    }

    /// Goes by another policy. Without one, or a way to pass things on, nothing is taken any more,
    /// and what waits leaves as soon as it can.
    pub fn obey(&mut self, policy: Option<Present<Policy>>, millis: Millis) {
        self.policy = policy.filter(|policy| policy.way.is_some());
        let way = self.policy.as_ref().and_then(|policy| policy.way.clone());
        match way {
            Some(way) if way.is(&self.way) => {}
            Some(way) => {
                self.way = way;
                self.extras.clear();
            }
            None => {
                let held = self.places.iter_mut().filter_map(|p| p.held.as_mut());
                held.for_each(|held| held.deadline = held.deadline.min(millis));
            }
        }
    }

    /// Whether there is nothing to be done any more.
    pub fn is_over(&self) -> bool {
        self.policy.is_none() && self.places.iter().all(|place| place.held.is_none())
    }

    /// Hears what there is to hear: what may leave now goes into `settled`, reports into `reports`.
    pub fn hear(
        &mut self,
        now: Seconds,
        millis: Millis,
        settled: &mut Vec<Settled>,
        reports: &mut Vec<(tcp::Return, Arc<str>)>,
    ) {
        for _ in 0..WORDS_A_TURN {
            let Ok(word) = self.way.words(self.worker).try_recv() else {
                break;
            };
            match word {
                Word::Report(to, text) => reports.push((to, text)),
                Word::Extra(extra) if extra.expires <= now => {
                    self.extras.remove(&extra.info_hash);
                }
                Word::Extra(extra) => {
                    let (hash, is_settled) = (extra.info_hash, extra.settled);
                    self.keep(extra);
                    if is_settled {
                        let is_his = |held: &Held| held.info_hash == hash;
                        self.release_all(now, is_his, settled);
                    }
                }
            }
        }
        self.release_all(now, |held| held.deadline <= millis, settled);
        // What has waited for its own worker for too long won't come any more.
        for place in &mut self.places {
            let is_lost = |held: &Held| held.deadline.saturating_add(LOST_MILLIS) <= millis;
            if place.held.as_ref().is_some_and(is_lost) {
                place.leave();
            }
        }
        if now.saturating_sub(self.tidied) > TIDY_SECS {
            self.tidied = now;
            self.extras.retain(|_, extra| extra.expires > now);
        }
    }

    /// Wakes the thread, if there are messages for it. How long until something has waited for long
    /// enough.
    pub fn flush(&mut self, millis: Millis) -> Option<Duration> {
        if mem::take(&mut self.posted) {
            self.way.wake();
        }
        let held = self.places.iter().filter_map(|place| place.held.as_ref());
        let due = held
            .filter(|held| held.local.is_some())
            .map(|held| held.deadline)
            .min();
        let more = !self.way.words(self.worker).is_empty();
        let due = due.map(|due| Duration::from_millis(due.saturating_sub(millis)));
        if more { Some(Duration::ZERO) } else { due }
    }

    /// After a panic: nobody waits any longer.
    pub fn rebuild(&mut self) {
        for place in &mut self.places {
            place.leave();
        }
    }

    fn open(&mut self, held: Held) -> Option<Slot> {
        let free = self.places.iter().position(|place| place.held.is_none());
        let at = match free {
            Some(at) => at,
            None if self.places.len() < HELD_MAX => {
                self.places.push(Place::default());
                self.places.len() - 1
            }
            None => return None,
        };
        let place = &mut self.places[at];
        place.held = Some(held);
        Some(Slot {
            _built: self.built,
            place: at as u16,
            generation: place.generation,
        })
    }

    fn at(&mut self, slot: Slot) -> Option<&mut Held> {
        let place = self.places.get_mut(usize::from(slot.place))?;
        let is_his = place.generation == slot.generation;
        place.held.as_mut().filter(|_| is_his)
    }

    /// Remembers what others know, if there is room: for all torrents that are passed on, and for
    /// some of which nothing will be known.
    fn keep(&mut self, extra: Arc<Extra>) {
        let passed_on = self.policy.as_ref().map_or(0, |policy| policy.swarms_max());
        let room = match extra.settled && extra.peers.is_empty() {
            true => REFUSED_MAX,
            false => REFUSED_MAX.saturating_add(passed_on),
        };
        if self.extras.len() < room || self.extras.contains_key(&extra.info_hash) {
            self.extras.insert(extra.info_hash, extra);
        }
    }

    fn extra(&self, now: Seconds, hash: &InfoHash) -> Option<&Arc<Extra>> {
        self.extras.get(hash).filter(|extra| extra.expires > now)
    }

    fn release_all(
        &mut self,
        now: Seconds,
        which: impl Fn(&Held) -> bool,
        settled: &mut Vec<Settled>,
    ) {
        for at in 0..self.places.len() {
            let held = self.places[at].held.as_ref();
            if held.is_some_and(|held| held.local.is_some() && which(held)) {
                settled.extend(self.release(now, at));
            }
        }
    }

    /// Puts what is known here and what others know together.
    fn release(&mut self, now: Seconds, at: usize) -> Option<Settled> {
        let held = self.places.get_mut(at)?.leave()?;
        let (counts, mut peers) = held.local?;
        let Some(extra) = self.extra(now, &held.info_hash) else {
            return Some((held.to, counts, peers));
        };
        add(
            &mut peers,
            &extra.peers,
            &held.asker,
            held.numwant,
            held.both,
        );
        Some((held.to, counts.larger(extra.counts), peers))
    }
}

impl Place {
    fn leave(&mut self) -> Option<Held> {
        self.generation = self.generation.wrapping_add(1);
        self.held.take()
    }
}

/// Adds peers of the families that are of use to the asker, none of them twice and not himself, as
/// far as he wants more.
fn add(peers: &mut Peers, more: &Peers, asker: &PeerAddr, numwant: usize, both: bool) {
    let families = [Family::V4, Family::V6];
    for family in families
        .into_iter()
        .filter(|family| both || *family == asker.family())
    {
        let len = family.peer_len();
        let at = peers.v4.len() / Family::V4.peer_len();
        let room = numwant.saturating_sub(peers.len());
        let known = peers.of(family).len();
        let (own, new) = match family {
            Family::V4 => (&mut peers.v4, &more.v4),
            Family::V6 => (&mut peers.v6, &more.v6),
        };
        let is_new = |peer: &&[u8]| {
            *peer != asker.bytes() && !own[..known].chunks_exact(len).any(|other| other == *peer)
        };
        let new: Vec<&[u8]> = new.chunks_exact(len).filter(is_new).take(room).collect();
        new.iter().for_each(|peer| own.extend_from_slice(peer));
        // Nobody knows what they call themselves.
        if !peers.ids.is_empty() && family == Family::V4 {
            let none = std::iter::repeat_n(None, new.len());
            peers.ids.splice(at..at, none);
        } else if !peers.ids.is_empty() {
            peers.ids.resize(peers.ids.len() + new.len(), None);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn refusals_are_remembered_as_far_as_there_is_room() {
        let (Some(built), Some((way, inbox))) = (Built::here(), Way::new(1, Arc::new(|| ())))
        else {
            return;
        };
        let mut relay = Relay {
            built,
            policy: None,
            way,
            worker: 0,
            extras: HashMap::new(),
            places: Vec::new(),
            posted: false,
            tidied: 0,
        };
        let mut tell = |number: u32, expires: Seconds, now: Seconds| {
            let mut info_hash = InfoHash([0; 20]);
            info_hash.0[..4].copy_from_slice(&number.to_be_bytes());
            let extra = Extra {
                info_hash,
                peers: Peers::default(),
                counts: Counts::default(),
                settled: true,
                expires,
            };
            inbox.words[0].send(Word::Extra(Arc::new(extra))).unwrap();
            relay.hear(now, 0, &mut Vec::new(), &mut Vec::new());
            relay.extras.len()
        };
        let most = (0..5000).map(|number| tell(number, 60, 0)).max();
        assert_eq!(most, Some(REFUSED_MAX));
        // What is over gives way, and what is known already takes no more room.
        assert_eq!(tell(3, 200, TIDY_SECS + 1), 1);
        assert_eq!(tell(3, 200, TIDY_SECS + 1), 1);
        assert_eq!(tell(3, 0, TIDY_SECS + 1), 0);
    }

    fn peers() -> impl Strategy<Value = Peers> {
        let v4 = prop::collection::btree_set((0..30_u8).prop_map(|n| [n; 6]), 0..25);
        let v6 = prop::collection::btree_set((0..30_u8).prop_map(|n| [n; 18]), 0..25);
        (v4, v6).prop_map(|(v4, v6)| Peers {
            v4: v4.into_iter().flatten().collect(),
            v6: v6.into_iter().flatten().collect(),
            ids: Vec::new(),
        })
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        /// What is known here first and all of it; then others, each once, as many as are wanted.
        #[test]
        fn what_others_know_comes_after_what_is_known_here(
            local in peers(), more in peers(), numwant in 0..80_usize, both: bool, ids: bool,
        ) {
            let asker = PeerAddr::V4([3; 6]);
            let mut local = local;
            if !both {
                local.v6.clear();
            }
            if ids {
                local.ids = (0..local.len()).map(|n| Some([n as u8; 20])).collect();
            }
            let mut all = local.clone();
            add(&mut all, &more, &asker, numwant, both);
            let here: Vec<_> = local.iter().collect();
            let there: Vec<_> = all.iter().collect();
            let set: BTreeSet<_> = there.iter().collect();
            prop_assert_eq!(set.len(), there.len());
            prop_assert!(here.iter().all(|peer| set.contains(peer)));
            let added = there.len() - here.len();
            prop_assert!(added == 0 || there.len() <= numwant);
            let fit = more.iter().filter(|p| both || p.family() == Family::V4);
            let fit = fit.filter(|p| !here.contains(p) && *p != asker).count();
            prop_assert_eq!(added, fit.min(numwant.saturating_sub(here.len())));
            if ids && !here.is_empty() {
                prop_assert_eq!(all.ids.len(), there.len());
                for (peer, id) in there.iter().zip(&all.ids) {
                    let known = here.iter().position(|other| other == peer);
                    prop_assert_eq!(*id, known.map(|n| [n as u8; 20]));
                }
            }
        }
    }
}

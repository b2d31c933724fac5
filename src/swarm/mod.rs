//! The store: who shares what, and since when.
//!
//! A [`Shard`] is a pure function of the requests so far, the time it is told and a seed. It
//! promises that
//! - every call is bounded: no request waits for a table to be rebuilt or a swarm to be aged,
//!   whatever their sizes, and [`Shard::sweep`] and [`Shard::walk`] do a little at a time;
//! - memory follows the peers, up and down, and is little more than the information itself;
//! - it never holds more than its [`Room`]: what finds no room, or no memory, is answered and not
//!   stored;
//! - strangers can't aim: where keys lie depends on the seed.
//!
//! It may not do IO, look at a clock, log, or know of other shards. Of requests it counts only what
//! nobody else can: downloads completed, and how long peers were silent before.
//!
//! ```text
//!   mod ─ store ─┬─ torrent    32 bytes: name, completed, where the peers are
//!                ├─ homes      one peer → a block → a crowd, and back
//!                ├─ block      some peers in a row          ─ pool   blocks of many sizes
//!                ├─ crowd      many peers in four tables    ─ table  ─ segment
//!                ├─ sample     which peers an answer lists
//!                ├─ sweep      expiry
//!                ├─ walk       everything, a little at a time
//!                ├─ save       the same for snapshots, and back
//!                └─ pressure   at the limit: who makes room for whom
//!   ids    what peers call themselves, if that is wanted
//!   peer   8 or 20 bytes       clock   ages in 13 bits       hash, dice   from the seed
//!   ledger   what memory comes to, and how much there may be
//! ```

mod block;
mod clock;
mod crowd;
mod dice;
mod hash;
mod homes;
mod ids;
mod ledger;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod model;
mod newcomers;
mod peer;
mod pool;
mod pressure;
mod sample;
mod save;
mod segment;
mod store;
mod sweep;
mod table;
#[cfg(test)]
mod tests;
mod torrent;
mod walk;

use std::mem;
use std::ops::{Range, RangeInclusive};

use crate::types::{Announce, Counts, Event, Family, InfoHash, PeerAddr, Peers, Seconds};

pub use clock::life_secs_max;
use clock::{Clock, Moment};
use dice::Dice;
use hash::Keys;
use ids::Ids;
use ledger::Full;
use newcomers::Newcomers;
pub use newcomers::{Curbs, Quota};
use peer::{COMPLETED, PAUSED, Peer, SEEDER, pack4, pack6};
use pressure::Evicted;
use sample::Question;
pub use store::Totals;
use store::{Known, Store};
pub use sweep::Sights;
use sweep::{Broom, END};
pub use walk::{Cursor, PeersCursor, Seen};

/// Passes of the sweep in a peer's life.
const PASSES_PER_LIFE: Seconds = 4;
/// The work of one call of [`Shard::sweep`], in slots of 8 bytes to look at: some 0.2 ms.
const SWEEP_BUDGET: usize = 50_000;

/// A peer that comes again after this part of its life, not in the same breath, has come to stay.
const RENEWAL_PART: Seconds = 16;

/// How many minutes [`Shard::renewals`] tells apart: a peer's life, as opentracker knows it.
pub const RENEWAL_MINUTES: usize = 45;

/// A peer that was heard so many minutes before is one of those that opentracker calls
/// woodpeckers (`WANT_SPOT_WOODPECKER`): the time it was told is longer. Within a minute much can
/// happen to a client that isn't its fault.
const WOODPECKER_MINUTES: Range<usize> = 1..20;

/// How long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long peers mostly may be silent. Each is kept for as long as its announce says, and a
    /// 64th part of this longer at most; what an announce says counts up to [`life_secs_max`].
    pub peer_secs: Seconds,
    /// A torrent without peers is remembered for so long if it was ever completed.
    pub memory_secs_max: Seconds,
}

/// What opentracker does: 45 minutes, and 24 hours.
impl Default for Limits {
    fn default() -> Limits {
        Limits {
            peer_secs: 45 * 60,
            memory_secs_max: 24 * 60 * 60,
        }
    }
}

impl Limits {
    /// Until when a torrent that loses its last peer now is remembered.
    fn keep(&self, now: Seconds) -> Seconds {
        now.saturating_add(self.memory_secs_max)
    }
}

/// How much a shard holds, or may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes of memory.
    pub bytes: usize,
    /// Torrents.
    pub torrents: u32,
    /// Peers, of both families.
    pub peers: u32,
}

impl Room {
    /// No limit.
    pub const UNLIMITED: Room = Room {
        bytes: usize::MAX,
        torrents: u32::MAX,
        peers: u32::MAX,
    };
}

/// One worker's part of all torrents.
pub struct Shard {
    limits: Limits,
    clock: Clock,
    dice: Dice,
    store: Store,
    ids: Ids,
    sweep: Pass,
    /// What the last announce may be silent for.
    peer_secs: Seconds,
    renewals: [u64; RENEWAL_MINUTES],
    news: bool,
    pecks: bool,
    /// Since the last sweep.
    evicted: Evicted,
    unstored: [u32; 2],
    /// Whether the last announce's peer may be in its swarm.
    joins: bool,
    quota: Quota,
    newcomers: Newcomers,
    curbs: [Curbs; 2],
}

/// How far the sweep has got.
struct Pass {
    number: u32,
    began: Seconds,
    /// The hash to go on at, or [`END`].
    at: u64,
    /// How long it is to take.
    secs: Seconds,
    sights: Sights,
}

/// What a call of [`Shard::sweep`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Peers that had been silent for too long.
    pub peers: u32,
    /// Torrents that went with them, or were remembered for long enough.
    pub torrents: u32,
    /// Torrents of one peer that had to make room since the last sweep, by the peer's family.
    pub evicted: [u32; 2],
    /// Announces since the last sweep that were answered, but for want of room not stored, by
    /// family.
    pub unstored: [u32; 2],
    /// Whether there is more to do now: call again soon.
    pub more: bool,
    /// What the pass came to that has ended with this call.
    pub pass: Option<Sights>,
}

impl Shard {
    /// An empty shard. `seed` must be secret and random wherever strangers may announce.
    pub fn new(seed: [u64; 2], limits: Limits, now: Seconds) -> Shard {
        Shard {
            limits,
            clock: Clock::new(limits.peer_secs, now),
            dice: Dice::new(seed[1]),
            store: Store::new(Keys::new(seed[0])),
            ids: Ids::new(seed[0].wrapping_add(seed[1])),
            sweep: Pass {
                number: 1,
                began: now,
                at: 0,
                secs: pass_secs(limits.peer_secs),
                sights: Sights::default(),
            },
            peer_secs: limits.peer_secs,
            renewals: [0; RENEWAL_MINUTES],
            news: false,
            pecks: false,
            evicted: Evicted::default(),
            unstored: [0; 2],
            joins: true,
            quota: Quota::default(),
            newcomers: Newcomers::new(false),
            curbs: Default::default(),
        }
    }

    /// An empty shard like this one.
    pub fn anew(&self, seed: [u64; 2], now: Seconds) -> Shard {
        let mut shard = Shard::new(seed, self.limits, now);
        shard.set_room(self.room());
        shard.restrict(self.quota);
        shard
    }

    /// What swarms and peers may have from now on; at first it is everything.
    pub fn restrict(&mut self, quota: Quota) {
        let is_on = |quota: &Quota| quota.address_peers_max > 0;
        if is_on(&quota) != is_on(&self.quota) {
            self.newcomers = Newcomers::new(is_on(&quota));
        }
        self.quota = quota;
    }

    /// How often peers of a family got less than they wanted.
    pub fn curbs(&self, family: Family) -> Curbs {
        self.curbs[family as usize]
    }

    /// Applies an announce, and fills `found` with the sample of peers it asks for: never the
    /// asker itself, nobody silent for too long, nobody twice, no seeders for a seeder or a paused
    /// peer. For others seeders and leechers come in proportion, but at least a quarter of each.
    /// Who stops gets no peers, nor does who comes too early ([`Shard::restrict`]), unless it has
    /// completed. Who may not join a swarm gets peers all the same.
    ///
    /// The id that an announce has for its peer is kept until the peer announces without or is
    /// gone, and told to who wants ids.
    ///
    /// Where there is no [`Room`] for the peer, new torrents of one peer make some. If that is not
    /// enough, the announce is answered all the same but not stored.
    ///
    /// Returns the counts of both families after the announce, without the paused. A completion is
    /// counted once per peer, as opentracker does: when it says so and has nothing left, and until
    /// it stops.
    pub fn announce(&mut self, now: Seconds, announce: &Announce, found: &mut Peers) -> Counts {
        found.clear();
        let moment = self.clock.read(now);
        self.peer_secs = announce.keep_secs;
        let state = self.clock.stamp(announce.keep_secs) | flags(announce);
        let counts = match announce.peer {
            PeerAddr::V4(bytes) => self.hear(now, moment, announce, pack4(bytes, state), found),
            PeerAddr::V6(bytes) => self.hear(now, moment, announce, pack6(bytes, state), found),
        };
        // Mostly ids are not kept.
        if announce.peer_id.is_some() || !self.ids.is_empty() {
            let id = announce
                .peer_id
                .filter(|_| announce.event != Event::Stopped && self.joins);
            self.ids.note(
                &mut self.store.ledger,
                &announce.info_hash,
                announce.peer,
                id,
                state,
            );
            if announce.want.ids {
                self.ids.tell(&announce.info_hash, found);
            }
        }
        counts
    }

    /// The counts of a torrent, both families together; `None` if it is not known.
    pub fn scrape(&mut self, now: Seconds, info_hash: &InfoHash) -> Option<Counts> {
        let moment = self.clock.read(now);
        let keep = self.limits.keep(now);
        let known = self.store.find_tidy(info_hash, moment, keep)?;
        Some(self.store.census(self.store.torrent(known)))
    }

    /// The counts of a torrent, and some of its peers: so many of either family, each with whether
    /// it is a seeder. What has expired since the last sweep may be among the counts still. `None`
    /// if the torrent is not known.
    pub fn look(
        &self,
        info_hash: &InfoHash,
        peers_max: usize,
    ) -> Option<(Counts, Vec<(PeerAddr, bool)>)> {
        self.store.look(info_hash, self.clock.moment(), peers_max)
    }

    /// Does the part of expiry that is due: a little each second, so that all peers are looked at
    /// a few times in the life of one, as the last announce has it. One call takes well under a
    /// millisecond; after a pause, or when very many are to go, it says that there is more.
    pub fn sweep(&mut self, now: Seconds) -> Swept {
        let moment = self.clock.read(now);
        let before = self.store.totals;
        let Pass {
            number,
            began,
            at,
            secs,
            sights,
        } = self.sweep;
        let elapsed = now.saturating_sub(began);
        let due = (END * u64::from(elapsed) / u64::from(secs)).min(END);
        let mut broom = Broom {
            now,
            keep: self.limits.keep(now),
            moment,
            pass: number,
            budget: SWEEP_BUDGET,
            sights,
        };
        let pieces = self.store.torrents.fullest() as u32;
        self.sweep.at = self.store.sweep(at, due, &mut broom);
        let ids_swept = (self.ids).sweep(&mut self.store.ledger, due, moment, &mut broom.budget);
        let mut more = self.sweep.at < due || !ids_swept;
        let after = self.store.totals;
        let peers = before.peers() - after.peers();
        let torrents = before.torrents - after.torrents;
        let sights = Sights {
            peers_gone: sights.peers_gone.saturating_add(peers),
            torrents_gone: sights.torrents_gone.saturating_add(torrents),
            piece_torrents_most: sights.piece_torrents_most.max(pieces),
            ..broom.sights
        };
        self.sweep.sights = sights;
        let ends = due == END && !more;
        if ends {
            self.sweep = Pass {
                number: number.wrapping_add(1),
                began: now,
                at: 0,
                secs: pass_secs(self.peer_secs),
                sights: Sights::default(),
            };
            self.clock.begin_pass();
            self.ids.begin_pass();
        }
        let (store, evicted) = (&mut self.store, &mut self.evicted);
        more |= store.relieve(moment, &mut self.dice, evicted);
        Swept {
            peers,
            torrents,
            evicted: mem::take(&mut self.evicted.0),
            unstored: mem::take(&mut self.unstored),
            more,
            pass: ends.then_some(sights),
        }
    }

    /// Looks at some torrents, about `step` at a time, shows those `among` these, and returns where
    /// to go on: `None` when all have been looked at. Begin with the default cursor. Each torrent
    /// that stays for the whole walk is shown once, whatever happens in between.
    pub fn walk(
        &self,
        now: Seconds,
        cursor: Cursor,
        step: usize,
        among: &RangeInclusive<InfoHash>,
        show: impl FnMut(&Seen<'_>),
    ) -> Option<Cursor> {
        let keep = self.limits.keep(now);
        self.store.walk(cursor, step, keep, among, show)
    }

    /// Appends some peers of all torrents to `found`: those of about `step` torrents, or about
    /// `step` peers of one large swarm. Whether there may be more. Peers that stay where they are
    /// for the whole walk are shown once, those of swarms that shrink meanwhile perhaps twice.
    pub fn walk_peers(&self, cursor: &mut PeersCursor, step: usize, found: &mut Peers) -> bool {
        self.store.walk_peers(cursor, step, found)
    }

    /// Takes note of a torrent that had no peers for `idle_secs` but was completed before; one that
    /// is known stays as it is. Whether it was taken: not if it would be forgotten at once.
    pub fn remember(
        &mut self,
        now: Seconds,
        info_hash: &InfoHash,
        completed: u32,
        idle_secs: Seconds,
    ) -> bool {
        let keeps = completed > 0 && idle_secs <= self.limits.memory_secs_max;
        keeps && {
            let until = self.limits.keep(now).saturating_sub(idle_secs);
            self.store.remember(info_hash, completed, until)
        }
    }

    /// Sets how much there may be. What exceeds it goes with the next sweeps, as far as it gives
    /// way to others.
    pub fn set_room(&mut self, room: Room) {
        self.store.ledger.set_max(room.bytes);
        self.store.torrents_max = room.torrents;
        self.store.peers_max = room.peers;
    }

    /// How much there may be.
    pub fn room(&self) -> Room {
        Room {
            bytes: self.store.ledger.max(),
            torrents: self.store.torrents_max,
            peers: self.store.peers_max,
        }
    }

    /// How much there is.
    pub fn held(&self) -> Room {
        Room {
            bytes: self.store.ledger.held(),
            torrents: self.store.totals.torrents,
            peers: self.store.totals.peers(),
        }
    }

    /// What the shard holds.
    pub fn totals(&self) -> Totals {
        self.store.totals
    }

    /// How often known peers were heard again, by the minutes since the time before; the last
    /// count is for all that were silent for longer. Where a peer may be silent for longer now than
    /// the time before, or less long, the minutes are off by the difference.
    pub fn renewals(&self) -> &[u64; RENEWAL_MINUTES] {
        &self.renewals
    }

    /// Whether the last announce told what other trackers of the same swarms should know, as
    /// opentracker sees it: the peer is new, has just completed or has left; or it goes on, and it
    /// is the first time in ten minutes, or in the quarter of a peer's life if that is less. And it
    /// is news that a peer has just started: where it was never missed it may have left elsewhere,
    /// which is still on its way.
    pub fn is_news(&self) -> bool {
        self.news
    }

    /// Whether the peer of the last announce, which was no stop, came much earlier than it was
    /// told.
    pub fn is_woodpecker(&self) -> bool {
        self.pecks
    }

    fn hear<P: Peer>(
        &mut self,
        now: Seconds,
        moment: Moment,
        announce: &Announce,
        peer: P,
        found: &mut Peers,
    ) -> Counts {
        let keep = self.limits.keep(now);
        let store = &mut self.store;
        let known = store.find_tidy(&announce.info_hash, moment, keep);
        if announce.event == Event::Stopped {
            let peers = |store: &Store| store.totals.v4 + store.totals.v6;
            let before = peers(store);
            let counts = known.map(|known| store.remove(known, peer, keep));
            self.news = peers(store) != before;
            if self.news && self.quota.address_peers_max > 0 {
                self.newcomers.leave(newcomers::key(&store.keys, announce));
            }
            return counts.unwrap_or_default();
        }
        self.joins = self.may_join(now, known, announce, &peer);
        if !self.joins {
            return self.answer(moment, announce, (&peer, false), known, found);
        }
        let store = &mut self.store;
        let (known, before) = match store.admit(&announce.info_hash, known, peer, moment) {
            Ok(admitted) => admitted,
            Err(full) => match self.press(moment, announce, peer, full) {
                Ok(admitted) => admitted,
                Err(known) => {
                    self.news = false;
                    return self.answer(moment, announce, (&peer, false), known, found);
                }
            },
        };
        let store = &mut self.store;
        let before = before.filter(|&state| !moment.is_stale(state));
        let mut is_early = false;
        self.pecks = false;
        if let Some(state) = before {
            let early_secs = self.quota.early_secs;
            let is_heard_within = self
                .clock
                .is_heard_within(state, announce.keep_secs, early_secs);
            is_early = is_heard_within && announce.event != Event::Completed;
            let silent_secs = self.clock.silent_secs(state, announce.keep_secs);
            if silent_secs > announce.keep_secs / RENEWAL_PART {
                store.establish(known);
            }
            let minutes = (silent_secs / 60) as usize;
            self.pecks = WOODPECKER_MINUTES.contains(&minutes);
            let count = &mut self.renewals[minutes.min(RENEWAL_MINUTES - 1)];
            *count = count.wrapping_add(1);
        }
        let is_first = |state| self.clock.is_first_in_window(state, announce.keep_secs);
        let starts = announce.event == Event::Started && !is_early;
        self.news = starts || before.is_none_or(is_first);
        if peer.state() & COMPLETED > before.unwrap_or(0) & COMPLETED {
            store.count_completed(known);
            self.news = true;
        }
        if is_early {
            self.curbs[P::FAMILY as usize].early += 1;
            return self.store.counts(self.store.torrent(known));
        }
        self.answer(moment, announce, (&peer, true), Some(known), found)
    }

    /// What an announce is told by a peer who is stored or not.
    fn answer<P: Peer>(
        &mut self,
        moment: Moment,
        announce: &Announce,
        (peer, stored): (&P, bool),
        known: Option<Known>,
        found: &mut Peers,
    ) -> Counts {
        let Some(known) = known else {
            return Counts::default();
        };
        if announce.want.numwant > 0 {
            let question = Question {
                asker: peer,
                stored,
                seeders: peer.state() & (SEEDER | PAUSED) == 0,
                want: announce.want,
                moment,
            };
            self.store.draw(known, &question, &mut self.dice, found);
        }
        self.store.counts(self.store.torrent(known))
    }

    /// Makes room for a peer that found the store full, and lets it in. If that can't be, the
    /// torrent, if there is one.
    #[cold]
    fn press<P: Peer>(
        &mut self,
        moment: Moment,
        announce: &Announce,
        peer: P,
        mut full: Full,
    ) -> Result<(Known, Option<u32>), Option<Known>> {
        let Shard {
            store,
            dice,
            evicted,
            ..
        } = self;
        let mut known = store.find(&announce.info_hash);
        let mut beside = known.is_none().then(|| store.hash(&announce.info_hash));
        if let Some(known) = known {
            // Lest it be itself that makes room.
            store.establish(known);
        }
        // Once a new torrent has its place, memory may be missing for the block of its peer.
        for _ in 0..2 {
            if !store.make_way(full, beside.take(), moment, dice, evicted) {
                break;
            }
            // What was known may have moved, or have made room itself.
            known = store.find(&announce.info_hash);
            match store.admit(&announce.info_hash, known, peer, moment) {
                Ok(admitted) => return Ok(admitted),
                Err(still) => full = still,
            }
        }
        let unstored = &mut self.unstored[P::FAMILY as usize];
        *unstored = unstored.saturating_add(1);
        Err(known)
    }

    /// Whether a peer may be in the swarm; one that is may stay.
    fn may_join<P: Peer>(
        &mut self,
        now: Seconds,
        known: Option<Known>,
        announce: &Announce,
        peer: &P,
    ) -> bool {
        let Quota {
            torrent_peers_max,
            address_peers_max,
            ..
        } = self.quota;
        let store = &self.store;
        if torrent_peers_max == 0 && address_peers_max == 0
            || known.is_some_and(|known| store.has(known, peer))
        {
            return true;
        }
        self.news = false;
        let curbs = &mut self.curbs[P::FAMILY as usize];
        if let Some(known) = known
            && torrent_peers_max > 0
        {
            let counts = store.counts(store.torrent(known));
            if counts.seeders.saturating_add(counts.leechers) >= torrent_peers_max {
                curbs.full += 1;
                return false;
            }
        }
        let key = newcomers::key(&store.keys, announce);
        let secs = self.limits.peer_secs;
        let lets = address_peers_max == 0 || self.newcomers.join(key, now, secs, address_peers_max);
        curbs.crowded += u64::from(!lets);
        lets
    }
}

fn pass_secs(peer_secs: Seconds) -> Seconds {
    (peer_secs / PASSES_PER_LIFE).max(1)
}

/// What an announce makes of a peer.
fn flags(announce: &Announce) -> u32 {
    match (announce.seeder, announce.event) {
        (true, Event::Completed) => SEEDER | COMPLETED,
        (true, _) => SEEDER,
        (false, Event::Paused) => PAUSED,
        (false, _) => 0,
    }
}

//! Words → owner shard → words.
//!
//! A [`Router`] stands between one worker's sockets and the shards of all workers. It promises
//! that every request reaches the shard that owns its info-hash and that the answer reaches its
//! ticket: at once when the shard is the worker's own, by letter when it is a neighbour's. It
//! never blocks, keeps no table of requests in flight but for questions to several shards, and
//! knows owners, not rules: who may ask was decided before.

mod gather;
mod mail;
mod owner;
mod page;
mod primitives;

use std::collections::VecDeque;
use std::net::IpAddr;

use smallvec::SmallVec;

pub use mail::{Mail, Wake};
pub use owner::Owners;
pub use page::Page;

use crate::swarm::{PeersCursor, Quota, Room, Shard, Swept};
use crate::types::{Announce, Counts, InfoHash, Kept, Peers, Reply, Scraped, Seconds};
use gather::{Gather, Slot};

/// Letters an inbox holds. They are read every turn, and a turn brings a few hundred requests.
pub const LETTERS_MAX: usize = 1024;

/// Questions to several shards that one worker has under way. A flood of them is shed here.
const GATHERED_MAX: usize = 1024;

/// Rounds that one worker has under way.
const ROUNDS_MAX: usize = 32;

/// Peer buffers kept for letters; more were in use at once only in a burst.
const SPARES_MAX: usize = 256;

/// Whether the answer to an announce has to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The connection is here, so the answer is needed here.
    Here,
    /// Whoever owns the info-hash can answer: its socket has the same address as ours.
    Anywhere,
}

/// Where answers go that were not known at once. `T` is the ticket that came with the request, `R`
/// what goes round all shards.
pub trait Lanes<T, R> {
    /// Takes the answer to a request.
    fn deliver(&mut self, ticket: T, reply: Reply<'_>);
    /// Takes from this worker and its shard what a round is for, as much as a turn allows: well
    /// under a millisecond's worth. Whether that was all.
    fn attend(&mut self, round: &mut R, shard: &Shard) -> bool;
    /// Takes a round that is over, as every worker has left it.
    fn deliver_round(&mut self, ticket: T, parts: Vec<R>);
}

/// A message between workers. The buffers of an announce travel with the question and come back
/// with the answer, so that announces allocate nothing in the long run.
#[doc(hidden)]
pub enum Letter<T, R> {
    /// Please announce, and answer to worker `back`, if any, or else to the client.
    Announce {
        announce: Announce,
        ticket: T,
        back: Option<usize>,
        room: Peers,
    },
    /// The answer to an announce.
    Announced {
        ticket: T,
        counts: Counts,
        found: Peers,
    },
    /// Please look these up for worker `back`.
    Scrape { slot: Slot, back: usize, part: Part },
    /// The answer to a scrape.
    Scraped { slot: Slot, part: Part },
    /// Please attend to this for worker `back`.
    Round {
        slot: Slot,
        back: usize,
        round: Box<R>,
    },
    /// It has been attended to.
    Attended { slot: Slot, round: Box<R> },
}

/// A round at this worker: for whom, and for which worker.
struct Visit<R> {
    slot: Slot,
    back: usize,
    round: Box<R>,
}

/// The info-hashes of a scrape that one worker owns, each with its place in the question.
type Part = Vec<(usize, Scraped)>;

/// One worker's shard, and the way to the others.
pub struct Router<T, R> {
    me: usize,
    owners: Owners,
    shard: Shard,
    mail: Mail<Letter<T, R>>,
    scrapes: Gather<(T, Vec<Scraped>)>,
    rounds: Gather<(T, Vec<R>)>,
    /// What to attend to, a step of one each turn.
    visits: VecDeque<Visit<R>>,
    found: Peers,
    scraped: Vec<Scraped>,
    spares: Vec<Peers>,
    notes: Notes,
}

/// What is kept of announces for those who want to know.
#[derive(Default)]
struct Notes {
    /// Announces that told something new.
    news: Option<Vec<Announce>>,
    /// Who came too early.
    woodpeckers: Option<Vec<IpAddr>>,
    /// Announces of downloads that were completed.
    completed: Option<Vec<Announce>>,
}

impl<T: Copy, R> Router<T, R> {
    /// The router of worker `me`.
    pub fn new(me: usize, owners: Owners, shard: Shard, mail: Mail<Letter<T, R>>) -> Router<T, R> {
        Router {
            me,
            owners,
            shard,
            mail,
            scrapes: Gather::new(GATHERED_MAX),
            rounds: Gather::new(ROUNDS_MAX),
            visits: VecDeque::new(),
            found: Peers::default(),
            scraped: Vec::new(),
            spares: Vec::new(),
            notes: Notes::default(),
        }
    }

    /// Announces to the owner shard. `None`: the answer follows by [`collect`](Self::collect),
    /// here or, if `home` allows, at the owner.
    pub fn announce(
        &mut self,
        now: Seconds,
        announce: &Announce,
        ticket: T,
        home: Home,
    ) -> Option<Reply<'_>> {
        let owner = self.owners.owner(&announce.info_hash);
        if owner == self.me {
            let found = &mut self.found;
            let counts = hear(&mut self.shard, &mut self.notes, now, announce, found);
            return Some(Reply::Announce(counts, found));
        }
        let (back, room) = match home {
            Home::Here => (Some(self.me), self.spares.pop().unwrap_or_default()),
            Home::Anywhere => (None, Peers::default()),
        };
        let letter = Letter::Announce {
            announce: *announce,
            ticket,
            back,
            room,
        };
        if self.mail.post(owner, letter) {
            None
        } else {
            Some(Reply::Busy)
        }
    }

    /// Scrapes the owner shards. `None`: the answer follows by [`collect`](Self::collect).
    pub fn scrape(
        &mut self,
        now: Seconds,
        info_hashes: impl IntoIterator<Item = InfoHash>,
        ticket: T,
    ) -> Option<Reply<'_>> {
        let mut parts: SmallVec<[(usize, Part); 8]> = SmallVec::new();
        self.scraped.clear();
        for (place, info_hash) in info_hashes.into_iter().enumerate() {
            let owner = self.owners.owner(&info_hash);
            let counts = if owner == self.me {
                self.shard.scrape(now, &info_hash)
            } else {
                None
            };
            self.scraped.push((info_hash, counts));
            if owner != self.me {
                let entry = (place, (info_hash, None));
                match parts.iter_mut().find(|(worker, _)| *worker == owner) {
                    Some((_, part)) => part.push(entry),
                    None => parts.push((owner, vec![entry])),
                }
            }
        }
        if parts.is_empty() {
            return Some(Reply::Scrape(&self.scraped));
        }
        let question = (ticket, std::mem::take(&mut self.scraped));
        let Some(slot) = self.scrapes.open(question, parts.len()) else {
            return Some(Reply::Busy);
        };
        for (owner, part) in parts {
            let back = self.me;
            if !self.mail.post(owner, Letter::Scrape { slot, back, part }) {
                self.scrapes.close(slot);
                return Some(Reply::Busy);
            }
        }
        None
    }

    /// How many workers there are, this one among them.
    pub fn workers(&self) -> usize {
        self.mail.boxes_total()
    }

    /// Sends what `make` makes round all workers. They follow, all together, by
    /// [`Lanes::deliver_round`]. `false`: too many rounds are under way, or an inbox is full.
    pub fn send_round(&mut self, ticket: T, mut make: impl FnMut() -> R) -> bool {
        let workers = self.workers();
        let question = (ticket, Vec::with_capacity(workers));
        let Some(slot) = self.rounds.open(question, workers) else {
            return false;
        };
        let back = self.me;
        for worker in (0..workers).filter(|worker| *worker != back) {
            let round = Box::new(make());
            if !self.mail.post(worker, Letter::Round { slot, back, round }) {
                self.rounds.close(slot);
                return false;
            }
        }
        let round = Box::new(make());
        self.visits.push_back(Visit { slot, back, round });
        true
    }

    /// Attends to one round for a turn. Whether there is more to attend to, so that the caller
    /// should come again without sleeping.
    pub fn attend(&mut self, lanes: &mut impl Lanes<T, R>) -> bool {
        let Some(mut visit) = self.visits.pop_front() else {
            return false;
        };
        if lanes.attend(&mut visit.round, &self.shard) {
            let Visit { slot, back, round } = visit;
            if back == self.me {
                self.attended(slot, *round, lanes);
            } else {
                self.mail.answer(back, Letter::Attended { slot, round });
            }
        } else {
            self.visits.push_back(visit);
        }
        !self.visits.is_empty()
    }

    /// Serves the letters that have come in, and hands late answers to their lanes. Whether there
    /// may be more of them, so that the caller should come again without sleeping.
    pub fn collect(&mut self, now: Seconds, lanes: &mut impl Lanes<T, R>) -> bool {
        self.mail.open();
        for _ in 0..LETTERS_MAX {
            match self.mail.take() {
                Some(letter) => self.serve(now, letter, lanes),
                None => return false,
            }
        }
        true
    }

    /// Expects no more answers of several workers that are under way: one of them has panicked, and
    /// may have lost its part. Returns who waits for them.
    pub fn give_up(&mut self) -> Vec<T> {
        let scrapes = self.scrapes.close_all().map(|(ticket, _)| ticket);
        let rounds = self.rounds.close_all().map(|(ticket, _)| ticket);
        scrapes.chain(rounds).collect()
    }

    /// Says what swarms and peers may have.
    pub fn restrict(&mut self, quota: Quota) {
        self.shard.restrict(quota);
    }

    /// Begins anew with an empty shard, after a panic of our own. Letters that have come in stay.
    pub fn rebuild(&mut self, seed: [u64; 2], now: Seconds) {
        self.shard = self.shard.anew(seed, now);
        self.visits.clear();
        (self.found, self.scraped, self.spares) = Default::default();
        self.notes.clear();
    }

    /// Wakes the neighbours that have mail from us; once a turn. Whether answers still wait for
    /// room in an inbox, so that the caller should come again soon.
    pub fn flush(&mut self) -> bool {
        self.mail.flush()
    }

    /// Keeps [`news`](Self::news) from here on.
    pub fn keep_news(&mut self) {
        self.notes.news.get_or_insert_default();
    }

    /// The announces that told other trackers' worth of news ([`Shard::is_news`]) since the last
    /// call, of this worker's torrents and whoever took them. To be called every turn.
    pub fn news(&mut self) -> impl Iterator<Item = Announce> {
        self.notes.news.iter_mut().flat_map(|news| news.drain(..))
    }

    /// Keeps [`woodpeckers`](Self::woodpeckers) from here on, or doesn't any longer.
    pub fn keep_woodpeckers(&mut self, keep: bool) {
        let woodpeckers = self.notes.woodpeckers.take().unwrap_or_default();
        self.notes.woodpeckers = keep.then_some(woodpeckers);
    }

    /// Who came too early ([`Shard::is_woodpecker`]) since the last call. To be called every turn.
    pub fn woodpeckers(&mut self) -> impl Iterator<Item = IpAddr> {
        let all = self.notes.woodpeckers.iter_mut();
        all.flat_map(|woodpeckers| woodpeckers.drain(..))
    }

    /// Keeps [`completed`](Self::completed) from here on, or doesn't any longer.
    pub fn keep_completed(&mut self, keep: bool) {
        let completed = self.notes.completed.take().unwrap_or_default();
        self.notes.completed = keep.then_some(completed);
    }

    /// Announces that counted as a completed download since the last call. To be called every turn.
    pub fn completed(&mut self) -> impl Iterator<Item = Announce> {
        let all = self.notes.completed.iter_mut();
        all.flat_map(|completed| completed.drain(..))
    }

    /// Whether this worker owns the torrent.
    pub fn owns(&self, info_hash: &InfoHash) -> bool {
        self.owners.owner(info_hash) == self.me
    }

    /// Applies what another tracker tells of a torrent that this worker [owns](Self::owns); it is
    /// news to nobody else.
    pub fn learn(&mut self, now: Seconds, announce: &Announce) {
        self.shard.announce(now, announce, &mut self.found);
    }

    /// Sets how much the shard may hold: see [`Shard::set_room`].
    pub fn set_room(&mut self, room: Room) {
        self.shard.set_room(room);
    }

    /// Shows some of it for a snapshot: see [`Shard::save`].
    pub fn save(
        &self,
        now: Seconds,
        cursor: &mut PeersCursor,
        step: usize,
        show: impl FnMut(&Kept),
    ) -> bool {
        self.shard.save(now, cursor, step, show)
    }

    /// How much it holds.
    pub fn held(&self) -> Room {
        self.shard.held()
    }

    /// Lets expired peers go, in bounded steps: see [`Shard::sweep`].
    pub fn sweep(&mut self, now: Seconds) -> Swept {
        self.shard.sweep(now)
    }

    fn serve(&mut self, now: Seconds, letter: Letter<T, R>, lanes: &mut impl Lanes<T, R>) {
        match letter {
            Letter::Announce {
                announce,
                ticket,
                back: Some(back),
                room: mut found,
            } => {
                let notes = &mut self.notes;
                let counts = hear(&mut self.shard, notes, now, &announce, &mut found);
                self.mail.answer(
                    back,
                    Letter::Announced {
                        ticket,
                        counts,
                        found,
                    },
                );
            }
            Letter::Announce {
                announce,
                ticket,
                back: None,
                ..
            } => {
                let found = &mut self.found;
                let counts = hear(&mut self.shard, &mut self.notes, now, &announce, found);
                lanes.deliver(ticket, Reply::Announce(counts, &self.found));
            }
            Letter::Announced {
                ticket,
                counts,
                found,
            } => {
                lanes.deliver(ticket, Reply::Announce(counts, &found));
                if self.spares.len() < SPARES_MAX {
                    self.spares.push(found);
                }
            }
            Letter::Scrape {
                slot,
                back,
                mut part,
            } => {
                for (_, (info_hash, counts)) in &mut part {
                    *counts = self.shard.scrape(now, info_hash);
                }
                self.mail.answer(back, Letter::Scraped { slot, part });
            }
            Letter::Scraped { slot, part } => {
                let done = self.scrapes.part(slot, |(_, scraped)| {
                    for (place, found) in part {
                        scraped[place] = found;
                    }
                });
                if let Some((ticket, scraped)) = done {
                    lanes.deliver(ticket, Reply::Scrape(&scraped));
                }
            }
            Letter::Round { slot, back, round } => {
                self.visits.push_back(Visit { slot, back, round });
            }
            Letter::Attended { slot, round } => self.attended(slot, *round, lanes),
        }
    }

    fn attended(&mut self, slot: Slot, round: R, lanes: &mut impl Lanes<T, R>) {
        let done = self.rounds.part(slot, |(_, parts)| parts.push(round));
        if let Some((ticket, parts)) = done {
            lanes.deliver_round(ticket, parts);
        }
    }
}

impl Notes {
    fn clear(&mut self) {
        self.news.iter_mut().for_each(Vec::clear);
        self.woodpeckers.iter_mut().for_each(Vec::clear);
        self.completed.iter_mut().for_each(Vec::clear);
    }
}

/// Announces to the shard, and keeps what somebody wants to know.
fn hear(
    shard: &mut Shard,
    notes: &mut Notes,
    now: Seconds,
    announce: &Announce,
    found: &mut Peers,
) -> Counts {
    let before = shard.totals().completed;
    let counts = shard.announce(now, announce, found);
    if let Some(news) = &mut notes.news
        && shard.is_news()
    {
        news.push(*announce);
    }
    if let Some(woodpeckers) = &mut notes.woodpeckers
        && shard.is_woodpecker()
    {
        woodpeckers.push(announce.peer.ip());
    }
    if let Some(completed) = &mut notes.completed
        && shard.totals().completed != before
    {
        completed.push(*announce);
    }
    counts
}

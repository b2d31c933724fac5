//! Expiry: a round of all torrents that begins anew a few times in a peer's life.

use crate::types::{Family, InfoHash, Seconds};

use super::block::Block;
use super::clock::Moment;
use super::store::{Known, Store};
use super::table::{Place, Slot};
use super::torrent::{Shape, Torrent};

/// Torrents, free slots included, that are swept before the budget is looked at again.
const SLOTS_PER_STEP: usize = 64;
/// In blocks with so many peers, requests look for silent ones in passing.
const TIDY_PEERS_MAX: usize = 16;
/// What it costs to look at a torrent, in IPv4 slots of a crowd.
const COST_OF_TORRENT: usize = 4;
/// What it costs to take a torrent or its peers out.
const COST_OF_REMOVAL: usize = 64;

/// Past the last hash.
pub const END: u64 = 1 << 32;

/// What the sweep goes by.
pub struct Broom {
    /// Torrents remembered until before this moment are forgotten.
    pub now: Seconds,
    /// Until when torrents that lose their last peer now are remembered.
    pub keep: Seconds,
    pub moment: Moment,
    /// The number of this pass.
    pub pass: u32,
    /// IPv4 slots of crowds, some nanoseconds each, that may still be looked at.
    pub budget: usize,
    /// What this pass has met so far.
    pub sights: Sights,
}

/// What a pass of the sweep has met and done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sights {
    /// Torrents with more than [`LARGE_PEERS`] peers.
    pub large: u32,
    /// The most peers that a torrent was left with.
    pub peers_most: u32,
    /// The most peers that were kept in one piece, before those went who had been silent.
    pub piece_peers_most: u32,
    /// The most torrents that were kept in one piece, before some of them went.
    pub piece_torrents_most: u32,
    /// Peers that went.
    pub peers_gone: u32,
    /// Torrents that went.
    pub torrents_gone: u32,
}

/// A torrent with more peers is a large one.
const LARGE_PEERS: usize = 256;

/// What sweeping a torrent came to.
enum Fate {
    Stays,
    Goes,
    Unfinished,
}

impl Store {
    /// Sweeps the torrents from one hash up to another, until the budget is used up. Returns the
    /// hash to go on at, or [`END`].
    pub fn sweep(&mut self, mut from: u64, to: u64, broom: &mut Broom) -> u64 {
        while broom.budget > 0 && from < to {
            let Some(stretch) = self.torrents.stretch(from as u32, SLOTS_PER_STEP) else {
                return END;
            };
            broom.budget = broom.budget.saturating_sub(SLOTS_PER_STEP);
            let mut next = stretch.next.map_or(END, u64::from);
            // Memory goes back at the end of a segment, also that of torrents gone by themselves.
            let (mut walk, mut goes) = (stretch, self.torrents.ends_segment(&stretch));
            while self.torrents.find_next(&mut walk) {
                let hash = self.torrents.at(walk.place).hash(&self.keys);
                let (_, piece) = self.peers_at(walk.place);
                let most = &mut broom.sights.piece_peers_most;
                *most = (*most).max(piece as u32);
                match self.expire(
                    Known {
                        place: walk.place,
                        hash,
                    },
                    broom,
                ) {
                    Fate::Stays => {}
                    Fate::Goes => goes = true,
                    Fate::Unfinished => {
                        next = u64::from(hash);
                        break;
                    }
                }
                // Those that lie here, but belong elsewhere, are met there too.
                if u64::from(hash) >= from && u64::from(hash) < next {
                    let (peers, _) = self.peers_at(walk.place);
                    broom.sights.large += u32::from(peers > LARGE_PEERS);
                    broom.sights.peers_most = broom.sights.peers_most.max(peers as u32);
                }
                self.torrents.advance(&mut walk);
            }
            if goes {
                let now = broom.now;
                let stays = |torrent: &Torrent| !torrent.is_forgotten(now);
                let dropped = (self.torrents).retain(&self.keys, &mut self.ledger, stretch, stays);
                self.totals.torrents -= dropped as u32;
            }
            from = next;
        }
        from
    }

    /// How many peers a torrent has, and how many of them are kept in one piece.
    fn peers_at(&self, place: Place) -> (usize, usize) {
        match self.torrents.at(place).shape() {
            Shape::One(_) => (1, 1),
            Shape::Block(_, lens) => (lens.peers(), lens.peers()),
            Shape::Crowd(number) => {
                let [crowd] = &*self.crowds[number as usize];
                (crowd.lens().peers(), crowd.fullest())
            }
            Shape::Memory(_) => (0, 0),
        }
    }

    /// Looks a torrent up for a request. In passing, it lets go who has been silent for too long
    /// in a small swarm, so that counts there are right to the tick.
    pub fn find_tidy(
        &mut self,
        info_hash: &InfoHash,
        moment: Moment,
        keep: Seconds,
    ) -> Option<Known> {
        let known = self.find(info_hash)?;
        let stays = match self.torrents.at(known.place).shape() {
            Shape::One(one) => !moment.is_stale(one[1]) || self.expire_one(known, keep),
            Shape::Block(_, lens) if lens.peers() <= TIDY_PEERS_MAX => {
                self.expire_block(known, moment, keep)
            }
            _ => true,
        };
        if !stays {
            self.close(known);
        }
        stays.then_some(known)
    }

    fn expire(&mut self, known: Known, broom: &mut Broom) -> Fate {
        let peers = self.totals.seeders + self.totals.leechers;
        let stays = match self.torrents.at(known.place).shape() {
            Shape::One(one) => !broom.moment.is_stale(one[1]) || self.expire_one(known, broom.keep),
            Shape::Block(_, lens) => {
                broom.budget = broom
                    .budget
                    .saturating_sub(COST_OF_TORRENT + lens.words() / 2);
                self.expire_block(known, broom.moment, broom.keep)
            }
            Shape::Crowd(number) => {
                let (crowd, totals) = (&mut self.crowds[number as usize][0], &mut self.totals);
                let Broom {
                    pass,
                    moment,
                    budget,
                    ..
                } = broom;
                let gone = |state, family| totals.uncount(state, family);
                if !crowd.expire(&self.keys, &mut self.ledger, *pass, *moment, budget, gone) {
                    return Fate::Unfinished;
                }
                self.refit(known, broom.keep)
            }
            Shape::Memory(_) => !self.torrents.at(known.place).is_forgotten(broom.now),
        };
        broom.budget = broom.budget.saturating_sub(COST_OF_TORRENT);
        if !stays || peers > self.totals.seeders + self.totals.leechers {
            broom.budget = broom.budget.saturating_sub(COST_OF_REMOVAL);
        }
        if stays { Fate::Stays } else { Fate::Goes }
    }

    /// Lets the only peer go; false if nothing is left to remember.
    fn expire_one(&mut self, known: Known, keep: Seconds) -> bool {
        if let Shape::One(one) = self.torrents.at(known.place).shape() {
            self.totals.uncount(one[1], Family::V4);
            self.set_shape(known, Shape::Memory(keep));
        }
        self.refit(known, keep)
    }

    /// Lets silent peers of a block go; false if nothing is left to remember.
    fn expire_block(&mut self, known: Known, moment: Moment, keep: Seconds) -> bool {
        let Shape::Block(handle, lens) = self.torrents.at(known.place).shape() else {
            return true;
        };
        let mut block = Block {
            words: self.pool.words_mut(handle),
            lens,
        };
        let totals = &mut self.totals;
        block.expire(moment, |state, family| totals.uncount(state, family));
        let left = block.lens;
        if left == lens {
            return true;
        }
        self.set_shape(known, Shape::Block(handle, left));
        self.refit(known, keep)
    }
}

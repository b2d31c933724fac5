//! At the limit: who makes room for whom.
//!
//! Room is made by torrents that [give way](Torrent::gives_way): those in which nobody has been but
//! one peer who came once, those with one peer who has been silent for too long, and those that
//! are remembered only. A torrent whose peer has come again at its interval stays, and so do
//! swarms. Which of those that give way has to go is left to chance, so that who floods the
//! tracker with invented torrents displaces his own for the most part, and nobody can aim.
//!
//! - A new torrent takes the place of another in the same segment, so no memory moves.
//! - A swarm that grows takes memory from the table of torrents, the better part of a segment's
//!   worth at a time, lest each peer cost a search. New torrents leave it a part of the limit.
//!
//! No announce does more than look at a few places, and, if it finds many that give way, rebuild
//! one segment. Where few give way it makes no room, and the announce is not stored.

use crate::types::Family;

use super::block;
use super::clock::Moment;
use super::dice::Dice;
use super::ledger::Full;
use super::peer::{Lists, Peer};
use super::store::{Known, Store};
use super::table::{Place, Slot};
use super::torrent::{Shape, Torrent};

/// Places, drawn one by one, that are looked at for one that gives way. Not in a row: who comes
/// after a gap would be met more often, and gaps would grow.
const PROBES: u32 = 32;
/// How many of them must give way before a segment is rebuilt for it.
const WORTH_IT: u32 = PROBES / 8;
/// The part of a segment's torrents that goes at once.
const PART: u32 = 4;
/// Steps of one call that brings a shard back within its limits.
const STEPS: usize = 4;

/// Torrents that had to go, by the family of their peer; those remembered only are IPv4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted(pub [u32; 2]);

impl Evicted {
    fn count(&mut self, family: Family) {
        self.0[family as usize] += 1;
    }
}

impl Store {
    /// Makes room where there was none. What a new torrent needs is a place `beside` others, those
    /// in the segment of its hash; peers and growing swarms are helped by any. Whether it is worth
    /// to try again.
    pub fn make_way(
        &mut self,
        full: Full,
        beside: Option<u32>,
        moment: Moment,
        dice: &mut Dice,
        evicted: &mut Evicted,
    ) -> bool {
        match (full, beside) {
            (Full::Bytes, None) => self.reclaim(moment, dice, evicted),
            (full, beside) => {
                let hash = beside.unwrap_or_else(|| dice.word());
                self.displace(hash, full == Full::Peers, moment, dice, evicted)
            }
        }
    }

    /// Brings the store nearer to its limits, if they are less than what it holds. Whether there
    /// is more to do, and a point in it.
    pub fn relieve(&mut self, moment: Moment, dice: &mut Dice, evicted: &mut Evicted) -> bool {
        for _ in 0..STEPS {
            let peers = self.totals.peers() > self.peers_max;
            let done = if self.ledger.is_over() {
                self.reclaim(moment, dice, evicted)
            } else if peers || self.totals.torrents > self.torrents_max {
                let anywhere = dice.word();
                self.displace(anywhere, peers, moment, dice, evicted)
            } else {
                false
            };
            if !done {
                return false;
            }
        }
        true
    }

    /// Takes out one torrent that gives way, of those in the same segment as this hash.
    fn displace(
        &mut self,
        hash: u32,
        with_peer: bool,
        moment: Moment,
        dice: &mut Dice,
        evicted: &mut Evicted,
    ) -> bool {
        for _ in 0..PROBES {
            let Some(place) = self.torrents.beside(hash, dice.word()) else {
                return false;
            };
            let torrent = self.torrents.at(place);
            let fits = !(with_peer && matches!(torrent.shape(), Shape::Memory(_)));
            if !torrent.is_empty() && torrent.gives_way(moment) && fits {
                self.vacate(place, evicted);
                let hash = self.torrents.at(place).hash(&self.keys);
                self.close(Known { place, hash });
                return true;
            }
        }
        false
    }

    /// Takes out many torrents that give way, all of one segment, and gives memory back.
    fn reclaim(&mut self, moment: Moment, dice: &mut Dice, evicted: &mut Evicted) -> bool {
        let hash = dice.word();
        let Some(mut place) = self.torrents.beside(hash, 0) else {
            return false;
        };
        let gives_way = |torrent: &Torrent| !torrent.is_empty() && torrent.gives_way(moment);
        let mut ready = 0;
        for _ in 0..PROBES {
            let drawn = self.torrents.beside(hash, dice.word()).unwrap_or(place);
            ready += u32::from(gives_way(self.torrents.at(drawn)));
        }
        if ready < WORTH_IT {
            return false;
        }
        // Of 2^32, as many as come to the part that shall go.
        let odds = (u64::from(PROBES) << 32) / u64::from(ready * PART);
        for _ in 0..self.torrents.capacity_beside(place) {
            if gives_way(self.torrents.at(place)) && u64::from(dice.word()) < odds {
                self.vacate(place, evicted);
            }
            place = self.torrents.next_beside(place);
        }
        let before = self.totals.torrents;
        if let Some(all) = self.torrents.all_beside(hash) {
            let stays = |torrent: &Torrent| !torrent.is_forgotten(0);
            let dropped = self
                .torrents
                .retain(&self.keys, &mut self.ledger, all, stays);
            self.totals.torrents -= dropped as u32;
            self.torrents.squeeze(&self.keys, &mut self.ledger, hash);
        }
        self.totals.torrents < before
    }

    /// Lets go whoever is in a torrent that gives way, and all it is remembered for.
    fn vacate(&mut self, place: Place, evicted: &mut Evicted) {
        let family = match self.torrents.at(place).shape() {
            Shape::One(one) => {
                self.totals.uncount(one.state(), Family::V4);
                Family::V4
            }
            Shape::Block(handle, lens) => {
                let Lists { v4, v6 } = block::lists(self.pool.words(handle), lens);
                let v4 = v4.first().map(|peer| (peer.state(), Family::V4));
                let peer = v4.or(v6.first().map(|peer| (peer.state(), Family::V6)));
                let (state, family) = peer.unwrap_or((0, Family::V4));
                self.totals.uncount(state, family);
                self.free_block(handle);
                family
            }
            Shape::Crowd(_) | Shape::Memory(_) => Family::V4,
        };
        evicted.count(family);
        self.torrents.at_mut(place).forget();
    }
}

//! All torrents of a shard and where their peers are.
//!
//! ```text
//!   one IPv4 peer         in the torrent's own slot of the table
//!        │ ▲
//!        ▼ │              a block of the pool; larger and smaller ones as peers come and go
//!   up to 511 peers
//!        │ ▲
//!        ▼ │ below 256    a crowd: tables of its own
//!   any number
//! ```

use crate::types::{Counts, Family, InfoHash, Peers, Seconds};

use super::block;
use super::clock::Moment;
use super::crowd::Crowd;
use super::dice::Dice;
use super::hash::Keys;
#[cfg(test)]
use super::ledger;
use super::ledger::{Full, Ledger};
use super::peer::{COMPLETED, Lists, PAUSED, Peer, SEEDER};
use super::pool::Pool;
use super::sample::{self, Groups, Question};
use super::table::{Place, Slot, Table};
use super::torrent::{Shape, Torrent};

/// Everything a shard knows.
pub struct Store {
    pub(super) keys: Keys,
    pub(super) ledger: Ledger,
    pub(super) torrents: Table<Torrent>,
    pub(super) pool: Pool,
    // Boxed, so that moving them to a larger vector takes no time.
    #[allow(clippy::vec_box)]
    pub(super) crowds: Vec<Box<[Crowd; 1]>>,
    pub totals: Totals,
    pub(super) torrents_max: u32,
    pub(super) peers_max: u32,
}

/// What a shard holds, peers counted until they are swept up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Torrents, those included that are remembered for their completed downloads only.
    pub torrents: u32,
    /// Peers with nothing left to download.
    pub seeders: u32,
    /// Peers still downloading.
    pub leechers: u32,
    /// IPv4 peers.
    pub v4: u32,
    /// IPv6 peers.
    pub v6: u32,
    /// Downloads finished since the shard began, also of torrents forgotten since.
    pub completed: u64,
}

/// A torrent that is known, until the store is changed.
#[derive(Clone, Copy)]
pub struct Known {
    pub(super) place: Place,
    pub(super) hash: u32,
}

impl Store {
    /// An empty store.
    pub fn new(keys: Keys) -> Store {
        let totals = Totals::default();
        Store {
            keys,
            ledger: Ledger::new(),
            torrents: Table::new(),
            pool: Pool::default(),
            crowds: Vec::new(),
            totals,
            torrents_max: u32::MAX,
            peers_max: u32::MAX,
        }
    }

    /// The hash of a torrent's name.
    pub fn hash(&self, info_hash: &InfoHash) -> u32 {
        Torrent::new(info_hash, Shape::Memory(0)).hash(&self.keys)
    }

    /// Lets a peer in, or takes note of what it says now, be the torrent known or new. Returns the
    /// peer's state until now.
    ///
    /// # Errors
    /// When there is no room.
    pub fn admit<P: Peer>(
        &mut self,
        info_hash: &InfoHash,
        known: Option<Known>,
        peer: P,
        moment: Moment,
    ) -> Result<(Known, Option<u32>), Full> {
        match known {
            Some(known) => Ok((known, self.put(known, peer, moment)?)),
            None => Ok((self.open(info_hash, peer)?, None)),
        }
    }

    /// The memory it takes, counted anew.
    #[cfg(test)]
    pub fn cost(&self) -> usize {
        let crowds = self.crowds.iter().map(|crowd| crowd[0].cost());
        let boxes = self.crowds.len() * ledger::cost::<Crowd>(1);
        let list = ledger::cost::<Box<[Crowd; 1]>>(self.crowds.capacity());
        self.torrents.cost() + self.pool.cost() + crowds.sum::<usize>() + boxes + list
    }

    /// Looks a torrent up.
    pub fn find(&self, info_hash: &InfoHash) -> Option<Known> {
        let key = Torrent::new(info_hash, Shape::Memory(0));
        let hash = key.hash(&self.keys);
        Some(Known {
            place: self.torrents.find(hash, &key)?,
            hash,
        })
    }

    /// A torrent that was found.
    pub fn torrent(&self, known: Known) -> &Torrent {
        self.torrents.at(known.place)
    }

    /// Lets a peer in, or takes note of what it says now. Returns the peer's state until now; that
    /// its completion was counted stays known.
    ///
    /// # Errors
    /// When there is no room for one more peer.
    fn put<P: Peer>(&mut self, known: Known, peer: P, moment: Moment) -> Result<Option<u32>, Full> {
        let room = self.room_for_peer();
        let mut new = peer;
        let mut renew = |before: u32| {
            let kept = if moment.is_stale(before) {
                0
            } else {
                before & COMPLETED
            };
            new.set_state(peer.state() | kept);
            new
        };
        let before = match self.torrents.at(known.place).shape() {
            Shape::One(one) if peer.alone().is_some_and(|peer| peer.is_same(&one)) => {
                let before = one.state();
                let body = renew(before).alone().unwrap_or(one);
                self.set_shape(known, Shape::One(body));
                Some(before)
            }
            Shape::One(one) => {
                room?;
                self.house_two(known, one, peer)?;
                None
            }
            Shape::Block(handle, lens) => {
                self.put_in_block(known, handle, lens, peer, room, renew)?
            }
            Shape::Crowd(number) => {
                let sets = P::sets_mut(&mut self.crowds[number as usize][0]);
                sets.put(&self.keys, &mut self.ledger, peer, room, renew)?
            }
            Shape::Memory(_) => {
                room?;
                self.house_first(known, peer)?;
                None
            }
        };
        if let Some(before) = before {
            self.totals.uncount(before, P::FAMILY);
        }
        self.totals.count(peer.state(), P::FAMILY);
        Ok(before)
    }

    /// Adds a torrent and its first peer.
    ///
    /// # Errors
    /// When there is no room for them.
    fn open<P: Peer>(&mut self, info_hash: &InfoHash, peer: P) -> Result<Known, Full> {
        self.room_for_peer()?;
        // A memory until the peer has found its place.
        let known = self.add(Torrent::new(info_hash, Shape::Memory(0)))?;
        if let Err(full) = self.house_first(known, peer) {
            self.close(known);
            return Err(full);
        }
        self.totals.count(peer.state(), P::FAMILY);
        Ok(known)
    }

    /// Adds a torrent, and leaves a little memory for swarms to grow.
    fn add(&mut self, torrent: Torrent) -> Result<Known, Full> {
        if self.totals.torrents >= self.torrents_max {
            return Err(Full::Torrents);
        }
        let hash = torrent.hash(&self.keys);
        let max = self.ledger.hold_back();
        let place = (self.torrents).insert(&self.keys, &mut self.ledger, hash, torrent);
        self.ledger.set_max(max);
        let place = place?;
        self.totals.torrents += 1;
        Ok(Known { place, hash })
    }

    fn room_for_peer(&self) -> Result<(), Full> {
        match self.totals.peers() < self.peers_max {
            true => Ok(()),
            false => Err(Full::Peers),
        }
    }

    /// Adds a torrent without peers that was completed before, if it is not known.
    pub fn remember(&mut self, info_hash: &InfoHash, completed: u32, until: Seconds) -> bool {
        if self.find(info_hash).is_none() {
            let mut torrent = Torrent::new(info_hash, Shape::Memory(until));
            torrent.set_completed(completed);
            return self.add(torrent).is_ok();
        }
        false
    }

    /// Takes a peer out, if it is in, and the torrent with it if nothing is left to remember.
    /// Returns the counts after that.
    pub fn remove<P: Peer>(&mut self, known: Known, peer: P, keep: Seconds) -> Counts {
        let before = match self.torrents.at(known.place).shape() {
            Shape::One(one) if peer.alone().is_some_and(|peer| peer.is_same(&one)) => {
                self.set_shape(known, Shape::Memory(keep));
                Some(one.state())
            }
            Shape::Block(handle, lens) => self.remove_from_block(known, handle, lens, &peer),
            Shape::Crowd(number) => {
                let sets = P::sets_mut(&mut self.crowds[number as usize][0]);
                sets.remove(&self.keys, &mut self.ledger, &peer)
            }
            Shape::One(_) | Shape::Memory(_) => None,
        };
        if let Some(state) = before {
            self.totals.uncount(state, P::FAMILY);
            if !self.refit(known, keep) {
                self.close(known);
                return Counts::default();
            }
        }
        self.counts(self.torrent(known))
    }

    /// What a scrape tells.
    pub fn census(&self, torrent: &Torrent) -> Counts {
        let paused = match torrent.shape() {
            Shape::One(peer) => u32::from(peer.state() & PAUSED != 0),
            Shape::Block(handle, lens) => {
                let lists = block::lists(self.pool.words(handle), lens);
                (block::paused(lists.v4) + block::paused(lists.v6)) as u32
            }
            Shape::Crowd(number) => {
                let Crowd { v4, v6, .. } = &self.crowds[number as usize][0];
                v4.paused + v6.paused
            }
            Shape::Memory(_) => 0,
        };
        Counts {
            paused,
            ..self.counts(torrent)
        }
    }

    /// The same without the paused, whom it takes longer to count.
    pub fn counts(&self, torrent: &Torrent) -> Counts {
        let count = |seeders: usize, all: usize| Counts {
            seeders: seeders as u32,
            leechers: (all - seeders) as u32,
            paused: 0,
            completed: torrent.completed(),
        };
        match torrent.shape() {
            Shape::One(peer) => count(usize::from(peer.is_seeder()), 1),
            Shape::Block(handle, lens) => {
                let lists = block::lists(self.pool.words(handle), lens);
                count(
                    block::seeders(lists.v4) + block::seeders(lists.v6),
                    lens.peers(),
                )
            }
            Shape::Crowd(number) => {
                let Crowd { v4, v6, .. } = &self.crowds[number as usize][0];
                count(
                    (v4.seeders.len() + v6.seeders.len()) as usize,
                    v4.len() + v6.len(),
                )
            }
            Shape::Memory(_) => count(0, 0),
        }
    }

    /// Fills `found` with a sample of the peers.
    pub fn draw<P: Peer>(
        &self,
        known: Known,
        question: &Question<'_, P>,
        dice: &mut Dice,
        found: &mut Peers,
    ) {
        let mut single = [[0; 2]];
        let lists = match self.torrents.at(known.place).shape() {
            Shape::One(one) => {
                single[0] = one;
                Lists {
                    v4: &single,
                    v6: &[],
                }
            }
            Shape::Block(handle, lens) => block::lists(self.pool.words(handle), lens),
            Shape::Memory(_) => return,
            Shape::Crowd(number) => {
                let crowd = &self.crowds[number as usize][0];
                let (own, other) = (P::sets(crowd), P::Other::sets(crowd));
                let own = Groups {
                    seeders: &own.seeders,
                    leechers: &own.leechers,
                };
                let other = Groups {
                    seeders: &other.seeders,
                    leechers: &other.leechers,
                };
                return sample::draw(question, own, other, dice, found);
            }
        };
        let (own, other) = (P::list(&lists), P::Other::list(&lists));
        sample::draw(question, groups(own), groups(other), dice, found);
    }

    /// Takes note that the peer of this torrent, if there is but one, has come again.
    pub fn establish(&mut self, known: Known) {
        match self.torrents.at(known.place).shape() {
            // Known to be swarms already; not to touch their torrents saves time.
            Shape::Block(_, lens) if lens.peers() > 1 => {}
            Shape::Crowd(_) => {}
            Shape::Block(..) | Shape::One(_) | Shape::Memory(_) => {
                self.torrents.at_mut(known.place).establish()
            }
        }
    }

    /// Counts one more completed download.
    pub fn count_completed(&mut self, known: Known) {
        self.torrents.at_mut(known.place).count_completed();
        self.totals.completed += 1;
    }

    /// Takes a torrent out which has neither peers nor memories.
    pub fn close(&mut self, known: Known) {
        self.torrents
            .remove(&self.keys, &mut self.ledger, known.place);
        self.totals.torrents -= 1;
    }
}

impl Totals {
    /// Peers of both families.
    pub fn peers(&self) -> u32 {
        self.v4 + self.v6
    }

    /// One more peer of this state.
    pub fn count(&mut self, state: u32, family: Family) {
        let [role, family] = self.of(state, family);
        *role += 1;
        *family += 1;
    }

    /// One peer less.
    pub fn uncount(&mut self, state: u32, family: Family) {
        let [role, family] = self.of(state, family);
        *role -= 1;
        *family -= 1;
    }

    fn of(&mut self, state: u32, family: Family) -> [&mut u32; 2] {
        let role = if state & SEEDER != 0 {
            &mut self.seeders
        } else {
            &mut self.leechers
        };
        let family = match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        };
        [role, family]
    }
}

fn groups<P>(list: &[P]) -> Groups<'_, [P]>
where
    P: Peer,
{
    let (seeders, leechers) = list.split_at(block::seeders(list));
    Groups { seeders, leechers }
}

//! A swarm too large to be scanned: tables, seeders and leechers apart, each family apart.

use crate::types::Family;

use super::block::Lens;
use super::clock::Moment;
use super::hash::Keys;
use super::ledger::{Full, Ledger};
use super::peer::{Lists, PAUSED, Peer, Peer4, Peer6, STAMP};
use super::table::Table;

/// A large swarm.
pub struct Crowd {
    /// The hash of its torrent.
    pub owner: u32,
    /// How far the sweep has got in it.
    sweep: Progress,
    pub v4: Sets<Peer4>,
    pub v6: Sets<Peer6>,
}

/// The peers of one family.
pub struct Sets<P> {
    pub seeders: Table<P>,
    pub leechers: Table<P>,
    /// How many of the leechers want nothing more.
    pub paused: u32,
}

/// The pass of the sweep that was last in a crowd, and how far it got.
#[derive(Clone, Copy, Default)]
struct Progress {
    pass: u32,
    /// Which of the four tables; 4 when all are done.
    table: u8,
    hash: u32,
}

/// Slots of a table that are swept before the budget is looked at again.
const SLOTS_PER_STEP: usize = 512;

impl Crowd {
    /// A crowd of nobody yet.
    pub fn new(owner: u32) -> Crowd {
        let sweep = Progress::default();
        Crowd {
            owner,
            sweep,
            v4: Sets::new(),
            v6: Sets::new(),
        }
    }

    /// Lets the peers of a block in.
    pub fn fill(&mut self, keys: &Keys, ledger: &mut Ledger, peers: Lists<'_>) -> Result<(), Full> {
        let (v4, v6) = (&mut self.v4, &mut self.v6);
        let mut first = peers.v4.iter();
        first.try_for_each(|&peer| v4.insert(keys, ledger, peer))?;
        let mut second = peers.v6.iter();
        second.try_for_each(|&peer| v6.insert(keys, ledger, peer))
    }

    /// How many peers there are.
    pub fn lens(&self) -> Lens {
        Lens {
            v4: self.v4.len(),
            v6: self.v6.len(),
        }
    }

    /// How many peers the fullest part holds that is kept in one piece.
    pub fn fullest(&self) -> usize {
        let (v4, v6) = (&self.v4, &self.v6);
        let v4 = v4.seeders.fullest().max(v4.leechers.fullest());
        v4.max(v6.seeders.fullest()).max(v6.leechers.fullest())
    }

    /// Whether all peers can be moved elsewhere in one step.
    pub fn is_small(&self) -> bool {
        self.v4.is_small() && self.v6.is_small()
    }

    /// Gives all its memory back.
    pub fn clear(&mut self, ledger: &mut Ledger) {
        self.v4.clear(ledger);
        self.v6.clear(ledger);
    }

    /// The memory its tables take.
    #[cfg(test)]
    pub fn cost(&self) -> usize {
        self.v4.cost() + self.v6.cost()
    }

    /// Takes out, in steps, those who have been silent for too long, and shows them to `gone`.
    /// True when pass number `pass` is done with this crowd, false when the budget is used up.
    pub fn expire(
        &mut self,
        keys: &Keys,
        ledger: &mut Ledger,
        pass: u32,
        moment: Moment,
        budget: &mut usize,
        mut gone: impl FnMut(u32, Family),
    ) -> bool {
        if self.sweep.pass != pass {
            self.sweep = Progress {
                pass,
                table: 0,
                hash: 0,
            };
        }
        while self.sweep.table < 4 {
            let from = self.sweep.hash;
            let (v4, v6) = (&mut self.v4, &mut self.v6);
            let next = match self.sweep.table {
                0 => expire(
                    &mut v4.seeders,
                    keys,
                    ledger,
                    from,
                    moment,
                    budget,
                    &mut gone,
                ),
                1 => v4.expire_leechers(keys, ledger, from, moment, budget, &mut gone),
                2 => expire(
                    &mut v6.seeders,
                    keys,
                    ledger,
                    from,
                    moment,
                    budget,
                    &mut gone,
                ),
                _ => v6.expire_leechers(keys, ledger, from, moment, budget, &mut gone),
            };
            self.sweep.hash = next.unwrap_or(0);
            self.sweep.table += u8::from(next.is_none());
            // Only now, so that every call gets on.
            if *budget == 0 {
                break;
            }
        }
        self.sweep.table == 4
    }
}

impl<P: Peer> Sets<P> {
    fn new() -> Sets<P> {
        Sets {
            seeders: Table::new(),
            leechers: Table::new(),
            paused: 0,
        }
    }

    fn is_small(&self) -> bool {
        self.seeders.is_small() && self.leechers.is_small()
    }

    /// Seeders and leechers.
    pub fn len(&self) -> usize {
        self.seeders.len() as usize + self.leechers.len() as usize
    }

    /// Seeders and leechers.
    pub fn iter(&self) -> impl Iterator<Item = &P> {
        self.seeders.iter().chain(self.leechers.iter())
    }

    fn clear(&mut self, ledger: &mut Ledger) {
        self.seeders.clear(ledger);
        self.leechers.clear(ledger);
    }

    #[cfg(test)]
    fn cost(&self) -> usize {
        self.seeders.cost() + self.leechers.cost()
    }

    /// Lets a peer in, if there is `room` for one, or takes note of what it says now. Returns its
    /// state until now; `renew` makes of this and the new state what is kept.
    ///
    /// # Errors
    /// When there is no room. A peer that is in and can't change sides stays where it is, heard.
    pub fn put(
        &mut self,
        keys: &Keys,
        ledger: &mut Ledger,
        peer: P,
        room: Result<(), Full>,
        renew: impl FnOnce(u32) -> P,
    ) -> Result<Option<u32>, Full> {
        let before = self.replace(keys, ledger, peer, room, renew)?;
        self.paused += is_paused(peer.state());
        self.paused -= before.map_or(0, is_paused);
        Ok(before)
    }

    /// Lets in a peer who is not in.
    pub fn insert(&mut self, keys: &Keys, ledger: &mut Ledger, peer: P) -> Result<(), Full> {
        let table = if peer.is_seeder() {
            &mut self.seeders
        } else {
            &mut self.leechers
        };
        table.insert(keys, ledger, peer.hash(keys), peer)?;
        self.paused += is_paused(peer.state());
        Ok(())
    }

    /// Takes a peer out, and returns its state.
    pub fn remove(&mut self, keys: &Keys, ledger: &mut Ledger, peer: &P) -> Option<u32> {
        let hash = peer.hash(keys);
        let before = [&mut self.seeders, &mut self.leechers]
            .into_iter()
            .find_map(|table| {
                let place = table.find(hash, peer)?;
                Some(table.remove(keys, ledger, place).state())
            });
        self.paused -= before.map_or(0, is_paused);
        before
    }

    fn replace(
        &mut self,
        keys: &Keys,
        ledger: &mut Ledger,
        peer: P,
        room: Result<(), Full>,
        renew: impl FnOnce(u32) -> P,
    ) -> Result<Option<u32>, Full> {
        let hash = peer.hash(keys);
        let (own, other) = match peer.is_seeder() {
            true => (&mut self.seeders, &mut self.leechers),
            false => (&mut self.leechers, &mut self.seeders),
        };
        if let Some(place) = own.find(hash, &peer) {
            let known = own.at_mut(place);
            let state = known.state();
            *known = renew(state);
            return Ok(Some(state));
        }
        let Some(place) = other.find(hash, &peer) else {
            room?;
            own.insert(keys, ledger, hash, peer)?;
            return Ok(None);
        };
        let known = other.at_mut(place);
        let state = known.state();
        if let Err(full) = own.insert(keys, ledger, hash, renew(state)) {
            known.set_state(state & !STAMP | peer.state() & STAMP);
            return Err(full);
        }
        other.remove(keys, ledger, place);
        Ok(Some(state))
    }

    fn expire_leechers(
        &mut self,
        keys: &Keys,
        ledger: &mut Ledger,
        from: u32,
        moment: Moment,
        budget: &mut usize,
        mut gone: impl FnMut(u32, Family),
    ) -> Option<u32> {
        let Sets {
            leechers, paused, ..
        } = self;
        expire(
            leechers,
            keys,
            ledger,
            from,
            moment,
            budget,
            |state, family| {
                *paused -= is_paused(state);
                gone(state, family);
            },
        )
    }
}

fn is_paused(state: u32) -> u32 {
    u32::from(state & PAUSED != 0)
}

/// Sweeps a few slots of one table; returns where to go on.
fn expire<P: Peer>(
    table: &mut Table<P>,
    keys: &Keys,
    ledger: &mut Ledger,
    from: u32,
    moment: Moment,
    budget: &mut usize,
    mut gone: impl FnMut(u32, Family),
) -> Option<u32> {
    let stretch = table.stretch(from, SLOTS_PER_STEP)?;
    let dropped = table.retain(keys, ledger, stretch, |peer| {
        let stays = !moment.is_stale(peer.state());
        if !stays {
            gone(peer.state(), P::FAMILY);
        }
        stays
    });
    *budget = budget.saturating_sub(SLOTS_PER_STEP * P::WORDS / 2 + dropped * COST_OF_REMOVAL);
    stretch.next
}

/// What taking out a peer costs, in IPv4 slots looked at.
const COST_OF_REMOVAL: usize = 4;

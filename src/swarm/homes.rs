//! Moving peers from one home to another as their swarm grows and shrinks.
//!
//! Every move leaves the table of torrents as it is but for the shapes, so that a [`Known`]
//! torrent stays where it is.

use std::mem;

use crate::types::Seconds;

use super::block::{self, Block, Lens};
use super::crowd::Crowd;
use super::ledger::Full;
use super::peer::{Peer, Peer4};
use super::pool::{Handle, Moved, Pool};
use super::store::{Known, Store};
use super::torrent::Shape;

/// A crowd with fewer words of peers becomes a block again.
const CROWD_WORDS_MIN: usize = 512;

impl Store {
    pub(super) fn set_shape(&mut self, known: Known, shape: Shape) {
        self.torrents.at_mut(known.place).set_shape(shape);
    }

    /// A home for the only peer.
    pub(super) fn house_first<P: Peer>(&mut self, known: Known, peer: P) -> Result<(), Full> {
        match peer.alone() {
            Some(one) => {
                self.set_shape(known, Shape::One(one));
                Ok(())
            }
            None => self.house(known, P::ONE, |block| peer.insert(block)),
        }
    }

    /// A block for two, of whom one had been alone.
    pub(super) fn house_two<P: Peer>(
        &mut self,
        known: Known,
        one: Peer4,
        peer: P,
    ) -> Result<(), Full> {
        self.house(known, Peer4::ONE.and_one::<P>(), |block| {
            one.insert(block);
            peer.insert(block);
        })?;
        self.torrents.at_mut(known.place).establish();
        Ok(())
    }

    /// Puts a peer into a block, or into what the block must become to take it, if there is room
    /// for one.
    pub(super) fn put_in_block<P: Peer>(
        &mut self,
        known: Known,
        handle: Handle,
        lens: Lens,
        peer: P,
        room: Result<(), Full>,
        renew: impl FnOnce(u32) -> P,
    ) -> Result<Option<u32>, Full> {
        let mut block = Block {
            words: self.pool.words_mut(handle),
            lens,
        };
        let list = P::list_mut(&mut block);
        if let Some(number) = block::find(list, &peer) {
            let before = list[number].state();
            block::replace(list, number, renew(before));
            return Ok(Some(before));
        }
        room?;
        let grown = lens.and_one::<P>();
        if grown.words() <= Pool::room(handle.class()) && grown.class().is_some() {
            peer.insert(&mut block);
            self.set_shape(known, Shape::Block(handle, grown));
        } else if let Some(class) = grown.class() {
            let (handle, moved) = self.pool.resize(&mut self.ledger, handle, class)?;
            peer.insert(&mut Block {
                words: self.pool.words_mut(handle),
                lens,
            });
            self.set_shape(known, Shape::Block(handle, grown));
            self.follow_block(moved);
        } else {
            self.found_crowd(known, handle, lens, peer)?;
        }
        if grown.peers() == 2 {
            self.torrents.at_mut(known.place).establish();
        }
        Ok(None)
    }

    /// Makes a crowd of a block and one peer more.
    fn found_crowd<P: Peer>(
        &mut self,
        known: Known,
        handle: Handle,
        lens: Lens,
        peer: P,
    ) -> Result<(), Full> {
        self.ledger.reserve(&mut self.crowds)?;
        // Boxed by way of a vector, which can fail.
        let mut crowd = self.ledger.take(1, 0)?;
        crowd.push(Crowd::new(known.hash));
        let lists = block::lists(self.pool.words(handle), lens);
        let filled = crowd[0]
            .fill(&self.keys, &mut self.ledger, lists)
            .and_then(|()| {
                let sets = P::sets_mut(&mut crowd[0]);
                sets.insert(&self.keys, &mut self.ledger, peer)
            });
        if filled.is_err() {
            crowd[0].clear(&mut self.ledger);
        }
        match (filled, crowd.try_into()) {
            (Ok(()), Ok(crowd)) => {
                self.set_shape(known, Shape::Crowd(self.crowds.len() as u32));
                self.crowds.push(crowd);
                self.free_block(handle);
                Ok(())
            }
            _ => {
                self.ledger.give::<Crowd>(1);
                Err(Full::Bytes)
            }
        }
    }

    /// Takes a peer out of its block.
    pub(super) fn remove_from_block<P: Peer>(
        &mut self,
        known: Known,
        handle: Handle,
        lens: Lens,
        peer: &P,
    ) -> Option<u32> {
        let mut block = Block {
            words: self.pool.words_mut(handle),
            lens,
        };
        let list = P::list_mut(&mut block);
        let number = block::find(list, peer)?;
        let before = list[number].state();
        P::remove(&mut block, number);
        let lens = block.lens;
        self.set_shape(known, Shape::Block(handle, lens));
        Some(before)
    }

    /// Moves peers to a smaller home if there are few now. False if there are none, and nothing
    /// to remember either; then the torrent must be taken out.
    pub(super) fn refit(&mut self, known: Known, keep: Seconds) -> bool {
        match self.torrents.at(known.place).shape() {
            Shape::Block(handle, lens) => self.refit_block(known, handle, lens, keep),
            Shape::Crowd(number) => self.refit_crowd(known, number as usize, keep),
            Shape::One(_) => {}
            Shape::Memory(_) => return self.torrents.at(known.place).completed() > 0,
        }
        let torrent = self.torrents.at(known.place);
        torrent.completed() > 0 || !matches!(torrent.shape(), Shape::Memory(_))
    }

    fn refit_block(&mut self, known: Known, handle: Handle, lens: Lens, keep: Seconds) {
        match (lens.v4, lens.v6) {
            (0, 0) => {
                self.set_shape(known, Shape::Memory(keep));
                self.free_block(handle);
            }
            (1, 0) => {
                let one = block::lists(self.pool.words(handle), lens).v4[0];
                self.set_shape(known, Shape::One(one));
                self.free_block(handle);
            }
            // Two classes down at least, so that one peer who comes and goes moves nobody. Where
            // there is no memory for it, the block stays.
            _ => {
                let class = lens.class().filter(|class| class + 2 <= handle.class());
                let resize = |class| self.pool.resize(&mut self.ledger, handle, class).ok();
                if let Some((handle, moved)) = class.and_then(resize) {
                    self.set_shape(known, Shape::Block(handle, lens));
                    self.follow_block(moved);
                }
            }
        }
    }

    /// Gives a block back whose owner has another home.
    pub(super) fn free_block(&mut self, handle: Handle) {
        let moved = self.pool.free(&mut self.ledger, handle);
        self.follow_block(moved);
    }

    fn refit_crowd(&mut self, known: Known, number: usize, keep: Seconds) {
        let lens = self.crowds[number][0].lens();
        let is_few = lens.words() < CROWD_WORDS_MIN && lens.class().is_some();
        // Tables that many have just left at once are for the sweep to shrink first.
        if !is_few || !self.crowds[number][0].is_small() {
            return;
        }
        let owner = known.hash;
        let Ok(handle) = (self.pool).alloc(&mut self.ledger, lens.class().unwrap_or(0), owner)
        else {
            return;
        };
        let mut crowd = self.crowds.swap_remove(number);
        if let Some(moved) = self.crowds.get(number) {
            let was = Shape::Crowd(self.crowds.len() as u32);
            if let Some(place) = self.torrents.find_by(moved[0].owner, |t| t.shape() == was) {
                self.torrents
                    .at_mut(place)
                    .set_shape(Shape::Crowd(number as u32));
            }
        }
        let mut block = Block {
            words: self.pool.words_mut(handle),
            lens: Lens::default(),
        };
        crowd[0].v4.iter().for_each(|peer| peer.insert(&mut block));
        crowd[0].v6.iter().for_each(|peer| peer.insert(&mut block));
        self.set_shape(known, Shape::Block(handle, lens));
        crowd[0].clear(&mut self.ledger);
        self.ledger.give::<Crowd>(1);
        if self.crowds.is_empty() {
            let capacity = mem::take(&mut self.crowds).capacity();
            self.ledger.give::<Box<[Crowd; 1]>>(capacity);
        }
        self.refit_block(known, handle, lens, keep);
    }

    /// A new block for so many peers, whom `fill` puts in.
    fn house(
        &mut self,
        known: Known,
        lens: Lens,
        fill: impl FnOnce(&mut Block<'_>),
    ) -> Result<(), Full> {
        let class = lens.class().unwrap_or(0);
        let handle = self.pool.alloc(&mut self.ledger, class, known.hash)?;
        fill(&mut Block {
            words: self.pool.words_mut(handle),
            lens: Lens::default(),
        });
        self.set_shape(known, Shape::Block(handle, lens));
        Ok(())
    }

    /// Tells a torrent that its block has another name.
    fn follow_block(&mut self, moved: Option<Moved>) {
        let Some(Moved { owner, from, to }) = moved else {
            return;
        };
        let is_owner = |shape| matches!(shape, Shape::Block(handle, _) if handle == from);
        if let Some(place) = self
            .torrents
            .find_by(owner, |torrent| is_owner(torrent.shape()))
        {
            let torrent = self.torrents.at_mut(place);
            if let Shape::Block(_, lens) = torrent.shape() {
                torrent.set_shape(Shape::Block(to, lens));
            }
        }
    }
}

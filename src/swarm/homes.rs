//! Moving peers from one home to another as their swarm grows and shrinks.
//!
//! Every move leaves the table of torrents as it is but for the shapes, so that a [`Known`]
//! torrent stays where it is.

use crate::types::Seconds;

use super::block::{self, Block, Lens};
use super::crowd::Crowd;
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
    pub(super) fn house_first<P: Peer>(&mut self, known: Known, peer: P) {
        match peer.alone() {
            Some(one) => self.set_shape(known, Shape::One(one)),
            None => self.house(known, P::ONE, |block| peer.insert(block)),
        }
    }

    /// A block for two, of whom one had been alone.
    pub(super) fn house_two<P: Peer>(&mut self, known: Known, one: Peer4, peer: P) {
        self.house(known, Peer4::ONE.and_one::<P>(), |block| {
            one.insert(block);
            peer.insert(block);
        });
    }

    /// Puts a peer into a block, or into what the block must become to take it.
    pub(super) fn put_in_block<P: Peer>(
        &mut self,
        known: Known,
        handle: Handle,
        lens: Lens,
        peer: P,
        renew: impl FnOnce(u32) -> P,
    ) -> Option<u32> {
        let mut block = Block {
            words: self.pool.words_mut(handle),
            lens,
        };
        let list = P::list_mut(&mut block);
        if let Some(number) = block::find(list, &peer) {
            let before = list[number].state();
            block::replace(list, number, renew(before));
            return Some(before);
        }
        let grown = lens.and_one::<P>();
        if grown.words() <= Pool::room(handle.class()) && grown.class().is_some() {
            peer.insert(&mut block);
            self.set_shape(known, Shape::Block(handle, grown));
        } else if let Some(class) = grown.class() {
            let (handle, moved) = self.pool.resize(handle, class);
            peer.insert(&mut Block {
                words: self.pool.words_mut(handle),
                lens,
            });
            self.set_shape(known, Shape::Block(handle, grown));
            self.follow_block(moved);
        } else {
            let mut crowd = Box::new(Crowd::new(known.hash));
            let lists = block::lists(self.pool.words(handle), lens);
            lists
                .v4
                .iter()
                .for_each(|&peer| crowd.v4.insert(&self.keys, peer));
            lists
                .v6
                .iter()
                .for_each(|&peer| crowd.v6.insert(&self.keys, peer));
            P::sets_mut(&mut crowd).insert(&self.keys, peer);
            self.set_shape(known, Shape::Crowd(self.crowds.len() as u32));
            self.crowds.push(crowd);
            let moved = self.pool.free(handle);
            self.follow_block(moved);
        }
        None
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
            Shape::Memory(_) => return self.torrents.at(known.place).completed > 0,
        }
        let torrent = self.torrents.at(known.place);
        torrent.completed > 0 || !matches!(torrent.shape(), Shape::Memory(_))
    }

    fn refit_block(&mut self, known: Known, handle: Handle, lens: Lens, keep: Seconds) {
        let moved = match (lens.v4, lens.v6) {
            (0, 0) => {
                self.set_shape(known, Shape::Memory(keep));
                self.pool.free(handle)
            }
            (1, 0) => {
                let one = block::lists(self.pool.words(handle), lens).v4[0];
                self.set_shape(known, Shape::One(one));
                self.pool.free(handle)
            }
            // Two classes down at least, so that one peer who comes and goes moves nobody.
            _ => match lens.class().filter(|class| class + 2 <= handle.class()) {
                Some(class) => {
                    let (handle, moved) = self.pool.resize(handle, class);
                    self.set_shape(known, Shape::Block(handle, lens));
                    moved
                }
                None => None,
            },
        };
        self.follow_block(moved);
    }

    fn refit_crowd(&mut self, known: Known, number: usize, keep: Seconds) {
        let lens = self.crowds[number].lens();
        let is_few = lens.words() < CROWD_WORDS_MIN && lens.class().is_some();
        // Tables that many have just left at once are for the sweep to shrink first.
        if !is_few || !self.crowds[number].is_small() {
            return;
        }
        let crowd = self.crowds.swap_remove(number);
        if let Some(moved) = self.crowds.get(number) {
            let was = Shape::Crowd(self.crowds.len() as u32);
            if let Some(place) = self.torrents.find_by(moved.owner, |t| t.shape() == was) {
                self.torrents
                    .at_mut(place)
                    .set_shape(Shape::Crowd(number as u32));
            }
        }
        self.house(known, lens, |block| {
            crowd.v4.iter().for_each(|peer| peer.insert(block));
            crowd.v6.iter().for_each(|peer| peer.insert(block));
        });
        if let Shape::Block(handle, lens) = self.torrents.at(known.place).shape() {
            self.refit_block(known, handle, lens, keep);
        }
        if self.crowds.is_empty() {
            self.crowds = Vec::new();
        }
    }

    /// A new block for so many peers, whom `fill` puts in.
    fn house(&mut self, known: Known, lens: Lens, fill: impl FnOnce(&mut Block<'_>)) {
        let class = lens.class().unwrap_or(0);
        let handle = self.pool.alloc(class, known.hash);
        fill(&mut Block {
            words: self.pool.words_mut(handle),
            lens: Lens::default(),
        });
        self.set_shape(known, Shape::Block(handle, lens));
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

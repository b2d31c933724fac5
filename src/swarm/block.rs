//! The peers of a small swarm, packed into one block of the pool and scanned from end to end.
//!
//! ```text
//!   │ 4 S │ 4 S │ 4 L │ 4 L │ 4 L │ 6 S    │ 6 L    │ 6 L    │ free … │
//!     IPv4: seeders, leechers       IPv6: seeders, leechers
//! ```
//!
//! Where the seeders end is found by halving, so nothing is stored besides the two lengths.

use crate::types::Family;

use super::clock::Moment;
use super::peer::{Lists, PAUSED, Peer, Peer4, Peer6};
use super::pool::Pool;

/// The most IPv4 peers in a block.
pub const V4_MAX: usize = 511;
/// The most IPv6 peers in a block.
pub const V6_MAX: usize = 127;

/// How many peers of each family are in a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lens {
    pub v4: usize,
    pub v6: usize,
}

impl Lens {
    /// The words these peers take.
    pub fn words(self) -> usize {
        self.v4 * Peer4::WORDS + self.v6 * Peer6::WORDS
    }

    /// Both families.
    pub fn peers(self) -> usize {
        self.v4 + self.v6
    }

    /// With one more peer.
    pub fn and_one<P: Peer>(self) -> Lens {
        Lens {
            v4: self.v4 + P::ONE.v4,
            v6: self.v6 + P::ONE.v6,
        }
    }

    /// The class of pool block for these peers; `None` if they are too many.
    pub fn class(self) -> Option<usize> {
        let is_small = self.v4 <= V4_MAX && self.v6 <= V6_MAX;
        Pool::class_for(self.words()).filter(|_| is_small)
    }
}

/// The peers in a block.
pub fn lists(words: &[u32], lens: Lens) -> Lists<'_> {
    let (v4, rest) = words.split_at(lens.v4 * Peer4::WORDS);
    let v6 = &rest[..lens.v6 * Peer6::WORDS];
    Lists {
        v4: v4.as_chunks().0,
        v6: v6.as_chunks().0,
    }
}

/// A block whose peers may be changed. The caller keeps what becomes of `lens`.
pub struct Block<'a> {
    pub words: &'a mut [u32],
    pub lens: Lens,
}

impl Block<'_> {
    /// The peers of one family.
    pub fn v4(&mut self) -> &mut [Peer4] {
        self.words[..self.lens.v4 * Peer4::WORDS].as_chunks_mut().0
    }

    /// The peers of the other.
    pub fn v6(&mut self) -> &mut [Peer6] {
        let start = self.lens.v4 * Peer4::WORDS;
        self.words[start..start + self.lens.v6 * Peer6::WORDS]
            .as_chunks_mut()
            .0
    }

    /// Makes room at the end of the IPv4 peers; the block must have it.
    pub fn insert4(&mut self, peer: Peer4) {
        let (start, end) = (self.lens.v4 * Peer4::WORDS, self.lens.words());
        self.words.copy_within(start..end, start + Peer4::WORDS);
        self.lens.v4 += 1;
        insert(self.v4(), peer);
    }

    /// Makes room at the end of the IPv6 peers; the block must have it.
    pub fn insert6(&mut self, peer: Peer6) {
        self.lens.v6 += 1;
        insert(self.v6(), peer);
    }

    /// Takes out the IPv4 peer with this number.
    pub fn remove4(&mut self, number: usize) {
        remove(self.v4(), number);
        let (start, end) = (self.lens.v4 * Peer4::WORDS, self.lens.words());
        self.words.copy_within(start..end, start - Peer4::WORDS);
        self.lens.v4 -= 1;
    }

    /// Takes out the IPv6 peer with this number.
    pub fn remove6(&mut self, number: usize) {
        remove(self.v6(), number);
        self.lens.v6 -= 1;
    }

    /// Takes out everybody who has been silent for too long, and shows them to `gone`.
    pub fn expire(&mut self, moment: Moment, mut gone: impl FnMut(u32, Family)) {
        for number in (0..self.lens.v4).rev() {
            let state = self.v4()[number].state();
            if moment.is_stale(state) {
                self.remove4(number);
                gone(state, Family::V4);
            }
        }
        for number in (0..self.lens.v6).rev() {
            let state = self.v6()[number].state();
            if moment.is_stale(state) {
                self.remove6(number);
                gone(state, Family::V6);
            }
        }
    }
}

/// Where in the list this peer is.
pub fn find<P: Peer>(list: &[P], peer: &P) -> Option<usize> {
    list.iter().position(|other| other.is_same(peer))
}

/// How many of the list are seeders: they come first.
pub fn seeders<P: Peer>(list: &[P]) -> usize {
    list.partition_point(P::is_seeder)
}

/// How many of the list want nothing more, which only looking at every leecher tells.
pub fn paused<P: Peer>(list: &[P]) -> usize {
    let leechers = &list[seeders(list)..];
    let paused = leechers.iter().filter(|peer| peer.state() & PAUSED != 0);
    paused.count()
}

/// Replaces a peer by what it says of itself now.
pub fn replace<P: Peer>(list: &mut [P], number: usize, peer: P) {
    let seeders = seeders(list);
    let to = match (number < seeders, peer.is_seeder()) {
        (true, false) => seeders - 1,
        (false, true) => seeders,
        _ => number,
    };
    list.swap(number, to);
    list[to] = peer;
}

/// Puts a peer into a list whose last place is free.
fn insert<P: Peer>(list: &mut [P], peer: P) {
    if let Some((last, rest)) = list.split_last_mut() {
        *last = peer;
        let seeders = seeders(rest);
        if peer.is_seeder() {
            list.swap(seeders, list.len() - 1);
        }
    }
}

/// Takes a peer out of a list; the last place is free then.
fn remove<P: Peer>(list: &mut [P], mut number: usize) {
    let seeders = seeders(list);
    if number < seeders {
        list.swap(number, seeders - 1);
        number = seeders - 1;
    }
    list.swap(number, list.len() - 1);
}

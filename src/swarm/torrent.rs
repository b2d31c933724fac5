//! One torrent in 32 bytes.
//!
//! ```text
//!   │ info-hash 20 │ established 1 bit · completed 31 bits │ body 8 │
//!
//!   body   │ address │ port · flags · stamp │   a single IPv4 peer
//!          │ handle  │ 0 · lengths 9 + 7    │   a block of the pool
//!          │ number  │ 0 · 0xffff           │   a crowd
//!          │ seconds │ 0 · 0xfffe           │   a memory: completed downloads and no peers
//!          │ 0       │ 0                    │   a free slot of the table
//! ```
//!
//! A peer's port is never 0, which tells a single peer from the others.

use crate::types::{InfoHash, Seconds};

use super::block::{Lens, V4_MAX, V6_MAX};
use super::clock::Moment;
use super::hash::Keys;
use super::peer::Peer4;
use super::pool::Handle;
use super::table::Slot;

/// What the table of torrents holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torrent {
    name: [u32; 5],
    notes: u32,
    body: [u32; 2],
}

/// Where a torrent's peers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Here.
    One(Peer4),
    /// In a block.
    Block(Handle, Lens),
    /// In the crowd with this number.
    Crowd(u32),
    /// Nowhere, and remembered until this moment.
    Memory(Seconds),
}

/// Of the notes: there has been more to the torrent than one peer who came once.
const ESTABLISHED: u32 = 1 << 31;
const CROWD: u32 = 0xffff;
// As lengths these would be more than a block holds.
const MEMORY: u32 = 0xfffe;
const V6_BITS: u32 = 7;
const _: () = assert!(V4_MAX < 1 << 9 && V6_MAX < 1 << V6_BITS);

impl Torrent {
    /// A torrent nobody has completed.
    pub fn new(info_hash: &InfoHash, shape: Shape) -> Torrent {
        let mut name = [0; 5];
        let (chunks, _) = info_hash.0.as_chunks::<4>();
        name.iter_mut()
            .zip(chunks)
            .for_each(|(word, bytes)| *word = u32::from_be_bytes(*bytes));
        let mut torrent = Torrent {
            name,
            notes: 0,
            body: [0; 2],
        };
        torrent.set_shape(shape);
        torrent
    }

    /// Its name.
    pub fn info_hash(&self) -> InfoHash {
        let mut bytes = [0; 20];
        let (chunks, _) = bytes.as_chunks_mut::<4>();
        chunks
            .iter_mut()
            .zip(self.name)
            .for_each(|(bytes, word)| *bytes = word.to_be_bytes());
        InfoHash(bytes)
    }

    /// The first of its name, by which most can be told apart; in the order of info-hashes.
    pub fn first_word(&self) -> u32 {
        self.name[0]
    }

    /// Where its peers are.
    pub fn shape(&self) -> Shape {
        match self.body {
            [number, CROWD] => Shape::Crowd(number),
            [until, MEMORY] => Shape::Memory(until),
            [handle, lens] if lens >> 16 == 0 => {
                let v4 = (lens >> V6_BITS) as usize;
                let v6 = (lens & ((1 << V6_BITS) - 1)) as usize;
                Shape::Block(Handle(handle), Lens { v4, v6 })
            }
            peer => Shape::One(peer),
        }
    }

    /// Downloads finished since the torrent is known.
    pub fn completed(&self) -> u32 {
        self.notes & !ESTABLISHED
    }

    /// Says how many there were.
    pub fn set_completed(&mut self, completed: u32) {
        self.notes = self.notes & ESTABLISHED | completed.min(!ESTABLISHED);
    }

    /// Counts one more of them, as far as there is room.
    pub fn count_completed(&mut self) {
        self.set_completed(self.completed() + 1);
    }

    /// Takes note that a peer has come again, or another one.
    pub fn establish(&mut self) {
        self.notes |= ESTABLISHED;
    }

    /// Whether that has happened.
    pub fn is_established(&self) -> bool {
        self.notes & ESTABLISHED != 0
    }

    /// Whether it makes room for others: nobody has been here but one peer, once, or the only one
    /// has been silent for too long, or all have gone.
    pub fn gives_way(&self, moment: Moment) -> bool {
        let is_new = !self.is_established();
        match self.shape() {
            Shape::Memory(_) => true,
            Shape::One(one) => is_new || moment.is_stale(one[1]),
            Shape::Block(_, lens) => is_new && lens.peers() == 1,
            Shape::Crowd(_) => false,
        }
    }

    /// Forgets everything but the name, for the sweep to take it out.
    pub fn forget(&mut self) {
        self.notes = 0;
        self.set_shape(Shape::Memory(0));
    }

    /// Whether it has no peers and nothing to remember, or has been remembered for long enough.
    pub fn is_forgotten(&self, now: Seconds) -> bool {
        matches!(self.shape(), Shape::Memory(until) if self.completed() == 0 || until < now)
    }

    /// Says where its peers are.
    pub fn set_shape(&mut self, shape: Shape) {
        self.body = match shape {
            Shape::One(peer) => peer,
            Shape::Block(handle, lens) => [handle.0, (lens.v4 << V6_BITS | lens.v6) as u32],
            Shape::Crowd(number) => [number, CROWD],
            Shape::Memory(until) => [until, MEMORY],
        };
    }
}

impl Slot for Torrent {
    const EMPTY: Self = Torrent {
        name: [0; 5],
        notes: 0,
        body: [0; 2],
    };
    const FULL: usize = 116;
    const ROOMY: usize = 107;

    fn is_empty(&self) -> bool {
        self.body[1] == 0
    }

    fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
    }

    fn hash(&self, keys: &Keys) -> u32 {
        keys.hash(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::clock::Clock;

    #[test]
    fn shapes_round_trip() {
        let shapes = [
            Shape::One([0, 1 << 16]),
            Shape::One([u32::MAX, u32::MAX]),
            Shape::Block(Handle(0), Lens { v4: 0, v6: 1 }),
            Shape::Block(Handle(u32::MAX), Lens { v4: V4_MAX, v6: 0 }),
            Shape::Block(
                Handle(7),
                Lens {
                    v4: 194,
                    v6: V6_MAX,
                },
            ),
            Shape::Crowd(0),
            Shape::Memory(0),
        ];
        for shape in shapes {
            let torrent = Torrent::new(&InfoHash([0; 20]), shape);
            assert_eq!(torrent.shape(), shape);
            assert!(!torrent.is_empty());
        }
        assert!(Torrent::EMPTY.is_empty());
    }

    #[test]
    fn completed_downloads_leave_the_other_note_alone() {
        let mut torrent = Torrent::new(&InfoHash([0; 20]), Shape::One([1, 1 << 16]));
        torrent.count_completed();
        let moment = Clock::new(100, 0).read(0);
        assert!(torrent.gives_way(moment));
        torrent.establish();
        torrent.count_completed();
        assert!(!torrent.gives_way(moment));
        assert_eq!(torrent.completed(), 2);
        torrent.notes = u32::MAX;
        torrent.count_completed();
        assert_eq!(torrent.completed(), !ESTABLISHED);
        torrent.forget();
        assert!(torrent.is_forgotten(0) && torrent.gives_way(moment));
    }

    #[test]
    fn names_round_trip() {
        let name = InfoHash(std::array::from_fn(|n| n as u8 * 13));
        assert_eq!(Torrent::new(&name, Shape::Memory(0)).info_hash(), name);
        assert_eq!(size_of::<Torrent>(), 32);
    }
}

//! One peer in a few 32-bit words.
//!
//! ```text
//!   IPv4   │ address │ port 16 · flags 3 · stamp 13 │               8 bytes
//!   IPv6   │ address · · · · · · │ port · flags · stamp │           20 bytes
//! ```
//!
//! Address and port are the identity. The last word's lower half is the state: what the peer is,
//! and the tick it was last heard in (see [`clock`](super::clock)). Port 0 never arrives, so a
//! last word with port 0 marks an empty place.

use crate::types::{Family, Peers};

use super::block::{Block, Lens};
use super::crowd::{Crowd, Sets};
use super::hash::Keys;
use super::table::Slot;

/// Has nothing left to download.
pub const SEEDER: u32 = 0x8000;
/// Its completion was counted.
pub const COMPLETED: u32 = 0x4000;
/// Incomplete, and wants nothing more (BEP 21).
pub const PAUSED: u32 = 0x2000;
/// The bits of the tick it was last heard in.
pub const STAMP: u32 = 0x1fff;

const PORT_SHIFT: u32 = 16;

/// An IPv4 peer.
pub type Peer4 = [u32; 2];
/// An IPv6 peer.
pub type Peer6 = [u32; 5];

/// What the two families have in common.
pub trait Peer: Slot + 'static {
    /// The other family.
    type Other: Peer<Other = Self>;
    /// This family.
    const FAMILY: Family;
    /// 32-bit words of a peer.
    const WORDS: usize;
    /// One such peer.
    const ONE: Lens;

    /// Port, flags and stamp.
    fn state(&self) -> u32;
    /// Changes flags and stamp; the port stays.
    fn set_state(&mut self, state: u32);
    /// The peer as the store's only shape for single peers, if it can be.
    fn alone(self) -> Option<Peer4>;
    /// Of the peers of both families, this one's, in a list.
    fn list<'a>(lists: &Lists<'a>) -> &'a [Self];
    /// The same in a block, to change them.
    fn list_mut<'a>(block: &'a mut Block<'_>) -> &'a mut [Self];
    /// Puts a new peer into a block that has room for it.
    fn insert(self, block: &mut Block<'_>);
    /// Takes the peer with this number in its list out of a block.
    fn remove(block: &mut Block<'_>, number: usize);
    /// The same in a crowd.
    fn sets(crowd: &Crowd) -> &Sets<Self>;
    /// The same, to change it.
    fn sets_mut(crowd: &mut Crowd) -> &mut Sets<Self>;
    /// Writes the compact form (BEP 23, BEP 7) to the family's buffer.
    fn append(&self, found: &mut Peers);

    /// Whether it has nothing left to download.
    fn is_seeder(&self) -> bool {
        self.state() & SEEDER != 0
    }
}

/// The peers of both families of a torrent that is no crowd, each seeders first.
#[derive(Clone, Copy, Default)]
pub struct Lists<'a> {
    pub v4: &'a [Peer4],
    pub v6: &'a [Peer6],
}

/// Packs the compact form of an IPv4 peer.
pub fn pack4(bytes: [u8; 6], state: u32) -> Peer4 {
    let [a, b, c, d, e, f] = bytes;
    [
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([0, 0, e, f]) << PORT_SHIFT | state,
    ]
}

/// Packs the compact form of an IPv6 peer.
pub fn pack6(bytes: [u8; 18], state: u32) -> Peer6 {
    let (words, _) = bytes.as_chunks::<4>();
    let port = u32::from_be_bytes([0, 0, bytes[16], bytes[17]]);
    let mut peer = [port << PORT_SHIFT | state; 5];
    peer.iter_mut()
        .zip(words)
        .for_each(|(word, bytes)| *word = u32::from_be_bytes(*bytes));
    peer
}

impl<const WORDS: usize> Slot for [u32; WORDS] {
    const EMPTY: Self = [0; WORDS];
    // A probe is a few words on one cache line or two, so these tables may be fuller than others.
    const FULL: usize = 121;
    const ROOMY: usize = 114;

    fn is_empty(&self) -> bool {
        self[WORDS - 1] == 0
    }

    fn is_same(&self, other: &Self) -> bool {
        self[WORDS - 1] >> PORT_SHIFT == other[WORDS - 1] >> PORT_SHIFT
            && self[..WORDS - 1] == other[..WORDS - 1]
    }

    fn hash(&self, keys: &Keys) -> u32 {
        let mut words = *self;
        words[WORDS - 1] >>= PORT_SHIFT;
        keys.hash(words)
    }
}

impl Peer for Peer4 {
    type Other = Peer6;
    const FAMILY: Family = Family::V4;
    const WORDS: usize = 2;
    const ONE: Lens = Lens { v4: 1, v6: 0 };

    fn state(&self) -> u32 {
        self[1]
    }

    fn set_state(&mut self, state: u32) {
        self[1] = self[1] >> PORT_SHIFT << PORT_SHIFT | state & 0xffff;
    }

    fn alone(self) -> Option<Peer4> {
        Some(self)
    }

    fn list<'a>(lists: &Lists<'a>) -> &'a [Self] {
        lists.v4
    }

    fn list_mut<'a>(block: &'a mut Block<'_>) -> &'a mut [Self] {
        block.v4()
    }

    fn insert(self, block: &mut Block<'_>) {
        block.insert4(self);
    }

    fn remove(block: &mut Block<'_>, number: usize) {
        block.remove4(number);
    }

    fn sets(crowd: &Crowd) -> &Sets<Self> {
        &crowd.v4
    }

    fn sets_mut(crowd: &mut Crowd) -> &mut Sets<Self> {
        &mut crowd.v4
    }

    fn append(&self, found: &mut Peers) {
        let [a, b, c, d] = self[0].to_be_bytes();
        let [e, f, _, _] = self[1].to_be_bytes();
        found.v4.extend_from_slice(&[a, b, c, d, e, f]);
    }
}

impl Peer for Peer6 {
    type Other = Peer4;
    const FAMILY: Family = Family::V6;
    const WORDS: usize = 5;
    const ONE: Lens = Lens { v4: 0, v6: 1 };

    fn state(&self) -> u32 {
        self[4]
    }

    fn set_state(&mut self, state: u32) {
        self[4] = self[4] >> PORT_SHIFT << PORT_SHIFT | state & 0xffff;
    }

    fn alone(self) -> Option<Peer4> {
        None
    }

    fn list<'a>(lists: &Lists<'a>) -> &'a [Self] {
        lists.v6
    }

    fn list_mut<'a>(block: &'a mut Block<'_>) -> &'a mut [Self] {
        block.v6()
    }

    fn insert(self, block: &mut Block<'_>) {
        block.insert6(self);
    }

    fn remove(block: &mut Block<'_>, number: usize) {
        block.remove6(number);
    }

    fn sets(crowd: &Crowd) -> &Sets<Self> {
        &crowd.v6
    }

    fn sets_mut(crowd: &mut Crowd) -> &mut Sets<Self> {
        &mut crowd.v6
    }

    fn append(&self, found: &mut Peers) {
        let mut bytes = [0; 20];
        let (chunks, _) = bytes.as_chunks_mut::<4>();
        chunks
            .iter_mut()
            .zip(self)
            .for_each(|(bytes, word)| *bytes = word.to_be_bytes());
        found.v6.extend_from_slice(&bytes[..18]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_bytes_round_trip() {
        let v4 = [1, 2, 3, 4, 0x1a, 0xe1];
        let v6: [u8; 18] = std::array::from_fn(|n| n as u8 + 1);
        let mut found = Peers::default();
        pack4(v4, SEEDER | 5).append(&mut found);
        pack6(v6, PAUSED | 6).append(&mut found);
        assert_eq!((&found.v4[..], &found.v6[..]), (&v4[..], &v6[..]));
    }

    #[test]
    fn identity_is_address_and_port() {
        let mut peer = pack6([7; 18], 1);
        let other = pack6([7; 18], SEEDER | STAMP);
        let keys = Keys::new(1);
        assert!(peer.is_same(&other) && peer.hash(&keys) == other.hash(&keys));
        peer.set_state(SEEDER | COMPLETED | 9);
        assert!(peer.is_same(&other) && peer.is_seeder());
        assert!(!peer.is_same(&pack6([8; 18], 1)));
        let mut bytes = [7; 18];
        bytes[17] = 6;
        assert!(!peer.is_same(&pack6(bytes, 1)));
        assert!(!peer.is_empty() && Peer4::EMPTY.is_empty());
    }
}

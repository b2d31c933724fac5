//! The peers of an answer.

use super::Family;

/// Compact peers of one answer, by family; the buffers are reused from answer to answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// 6 bytes each.
    pub v4: Vec<u8>,
    /// 18 bytes each.
    pub v6: Vec<u8>,
}

impl Peers {
    /// Forgets the peers and keeps the room.
    pub fn clear(&mut self) {
        self.v4.clear();
        self.v6.clear();
    }

    /// The peers of one family, compact.
    pub fn of(&self, family: Family) -> &[u8] {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// How many peers there are in all.
    pub fn len(&self) -> usize {
        self.v4.len() / Family::V4.peer_len() + self.v6.len() / Family::V6.peer_len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

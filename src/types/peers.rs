//! The peers of an answer.

use super::{Family, PeerAddr};

/// What a peer calls itself (BEP 3); says which client software it is, but identifies nobody.
pub type PeerId = [u8; 20];

/// Compact peers of one answer, by family; the buffers are reused from answer to answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// 6 bytes each.
    pub v4: Vec<u8>,
    /// 18 bytes each.
    pub v6: Vec<u8>,
    /// The ids of all of them, in the order of [`Peers::iter`], as far as they are known; empty if
    /// nobody wants them.
    pub ids: Vec<Option<PeerId>>,
}

impl Peers {
    /// Forgets the peers and keeps the room.
    pub fn clear(&mut self) {
        self.v4.clear();
        self.v6.clear();
        self.ids.clear();
    }

    /// The peers of one family, compact.
    pub fn of(&self, family: Family) -> &[u8] {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// All peers, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = PeerAddr> {
        let v4 = self.v4.as_chunks().0.iter().copied().map(PeerAddr::V4);
        let v6 = self.v6.as_chunks().0.iter().copied().map(PeerAddr::V6);
        v4.chain(v6)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn order_and_values_are_kept() {
        let peers = Peers {
            v4: vec![1, 2, 3, 4, 0, 80, 5, 6, 7, 8, 255, 255],
            v6: [[0xfd; 16].as_slice(), &[1, 0]].concat(),
            ids: Vec::new(),
        };
        let at = |ip: &str, port| PeerAddr::new(ip.parse().unwrap(), port);
        let six = "fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd";
        let all = [at("1.2.3.4", 80), at("5.6.7.8", 65535), at(six, 256)];
        assert!(peers.iter().eq(all));
        assert_eq!(peers.len(), 3);
    }
}

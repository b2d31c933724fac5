//! Compact peers: 6 bytes each for IPv4 (BEP 23), 18 for IPv6 (BEP 7), the same in UDP replies.

use crate::types::{Family, PeerAddr};

/// The bytes of a compact list; `None` unless they are whole peers.
pub fn whole(family: Family, bytes: &[u8]) -> Option<&[u8]> {
    bytes
        .len()
        .is_multiple_of(family.peer_len())
        .then_some(bytes)
}

/// The peers of a compact list; a part of one at the end is left out.
pub fn peers(family: Family, bytes: &[u8]) -> impl Iterator<Item = PeerAddr> {
    bytes
        .chunks_exact(family.peer_len())
        .filter_map(PeerAddr::from_bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn whole_peers_only() {
        for family in [Family::V4, Family::V6] {
            let len = family.peer_len();
            for (extra, fine) in [(0, true), (1, false), (len - 1, false)] {
                let bytes = vec![1; 3 * len + extra];
                assert_eq!(whole(family, &bytes).is_some(), fine);
                assert_eq!(peers(family, &bytes).count(), 3);
            }
            assert_eq!(whole(family, &[]), Some(&[][..]));
            assert_eq!(peers(family, &[]).count(), 0);
        }
    }

    #[test]
    fn order_and_values_are_kept() {
        let bytes = [1, 2, 3, 4, 0, 80, 5, 6, 7, 8, 255, 255];
        let listed: Vec<_> = peers(Family::V4, &bytes).collect();
        assert_eq!(listed[0], PeerAddr::new("1.2.3.4".parse().unwrap(), 80));
        assert_eq!(listed[1], PeerAddr::new("5.6.7.8".parse().unwrap(), 65535));
        let joined: Vec<u8> = listed
            .iter()
            .flat_map(|peer| peer.bytes().to_vec())
            .collect();
        assert_eq!(joined, bytes);
    }
}

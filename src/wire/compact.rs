//! Compact peers: 6 bytes each for IPv4 (BEP 23), 18 for IPv6 (BEP 7), the same in UDP replies.

use crate::types::Family;

/// The bytes of a compact list; `None` unless they are whole peers.
pub fn whole(family: Family, bytes: &[u8]) -> Option<&[u8]> {
    bytes
        .len()
        .is_multiple_of(family.peer_len())
        .then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_peers_only() {
        for family in [Family::V4, Family::V6] {
            let len = family.peer_len();
            for (extra, fine) in [(0, true), (1, false), (len - 1, false)] {
                let bytes = vec![1; 3 * len + extra];
                assert_eq!(whole(family, &bytes).is_some(), fine);
            }
            assert_eq!(whole(family, &[]), Some(&[][..]));
        }
    }
}

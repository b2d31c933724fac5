//! What was last heard of peers, and when: what is older comes too late.

use std::hash::{BuildHasher, RandomState};

use crate::types::{InfoHash, PeerAddr};

/// Places: 1 MB in all. A place holds one peer, the newest of those that hash to it.
const PLACES: usize = 1 << 16;

/// Remembers when something was told of a peer of a torrent, for as many as there is room.
///
/// Frames may come late and in any order, from several nodes. A stop that is older than the start
/// after it must not end the peer, nor an old start bring back who has left. For whom there is no
/// room any more, the order of arrival counts; the peer's next announce puts it right.
pub struct Recent {
    hasher: RandomState,
    /// Prints and times.
    places: Box<[(u64, u64)]>,
}

impl Default for Recent {
    fn default() -> Recent {
        Recent {
            hasher: RandomState::new(),
            places: vec![(0, 0); PLACES].into_boxed_slice(),
        }
    }
}

impl Recent {
    /// Takes note of what was told at `millis`; whether it is as new as all that is known.
    pub fn note(&mut self, info_hash: &InfoHash, peer: &PeerAddr, millis: u64) -> bool {
        let print = self.hasher.hash_one((info_hash, peer));
        let place = &mut self.places[print as usize % PLACES];
        let is_known = place.0 == print;
        if millis < place.1 {
            return !is_known;
        }
        *place = (print, millis);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_comes_too_late() {
        let mut recent = Recent::default();
        let (hash, other) = (InfoHash([1; 20]), InfoHash([2; 20]));
        let peer = PeerAddr::V4([1; 6]);
        assert!(recent.note(&hash, &peer, 1000));
        assert!(recent.note(&hash, &peer, 1000));
        assert!(!recent.note(&hash, &peer, 999));
        assert!(recent.note(&hash, &peer, 1001));
        assert!(recent.note(&other, &peer, 1));
        assert!(recent.note(&hash, &PeerAddr::V4([2; 6]), 1));
    }

    #[test]
    fn who_finds_no_room_is_taken_as_he_comes() {
        let mut recent = Recent::default();
        let peer = |n: u32| PeerAddr::new(n.to_be_bytes().into(), 1);
        let hash = InfoHash([1; 20]);
        assert!((0..4 * PLACES as u32).all(|n| recent.note(&hash, &peer(n), 1000)));
        let late = (0..4 * PLACES as u32).filter(|n| !recent.note(&hash, &peer(*n), 999));
        // Each place knows one.
        assert!((1..=PLACES).contains(&late.count()));
    }
}

//! What several sources tell of one torrent, made one: every peer once, those confirmed last in
//! front.

use crate::meta::Millis;
use crate::types::{PeerAddr, Peers, is_global};

/// The most peers of each family that are kept.
pub const V4_MAX: usize = 200;
/// See [`V4_MAX`].
pub const V6_MAX: usize = 100;

/// Peers of one torrent.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    v4: Vec<([u8; 6], Stamp)>,
    v6: Vec<([u8; 18], Stamp)>,
}

/// When a peer was told of last, in seconds.
type Stamp = u32;

impl Pool {
    /// Whether a peer is one to be told of.
    pub fn takes(peer: &PeerAddr, allow_private: bool) -> bool {
        let ip = peer.ip();
        let possible = !ip.is_unspecified() && !ip.is_multicast();
        peer.port() != 0 && possible && (allow_private || is_global(ip))
    }

    /// Takes a peer that a source told of; whether it is new.
    pub fn put(&mut self, now: Millis, peer: PeerAddr) -> bool {
        let stamp = (now / 1000) as Stamp;
        match peer {
            PeerAddr::V4(bytes) => put(&mut self.v4, V4_MAX, bytes, stamp),
            PeerAddr::V6(bytes) => put(&mut self.v6, V6_MAX, bytes, stamp),
        }
    }

    /// Forgets those that nobody told of for `ttl`; whether there were some.
    pub fn expire(&mut self, now: Millis, ttl: Millis) -> bool {
        let oldest = (now.saturating_sub(ttl) / 1000) as Stamp;
        let before = self.len();
        self.v4.retain(|(_, stamp)| *stamp >= oldest);
        self.v6.retain(|(_, stamp)| *stamp >= oldest);
        self.len() != before
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Those whom `keep` lets pass, the freshest first.
    pub fn peers(&self, keep: impl Fn(&PeerAddr) -> bool) -> Peers {
        let mut peers = Peers::default();
        for bytes in freshest(&self.v4) {
            if keep(&PeerAddr::V4(bytes)) {
                peers.v4.extend_from_slice(&bytes);
            }
        }
        for bytes in freshest(&self.v6) {
            if keep(&PeerAddr::V6(bytes)) {
                peers.v6.extend_from_slice(&bytes);
            }
        }
        peers
    }
}

/// A full pool lets go of the peer that was confirmed the longest ago.
fn put<const N: usize>(
    pool: &mut Vec<([u8; N], Stamp)>,
    max: usize,
    peer: [u8; N],
    stamp: Stamp,
) -> bool {
    if let Some((_, known)) = pool.iter_mut().find(|(bytes, _)| *bytes == peer) {
        *known = stamp;
        return false;
    }
    if pool.len() >= max {
        let oldest = pool.iter().enumerate().min_by_key(|(_, (_, stamp))| *stamp);
        if let Some((at, _)) = oldest {
            pool.swap_remove(at);
        }
    }
    pool.push((peer, stamp));
    true
}

fn freshest<const N: usize>(pool: &[([u8; N], Stamp)]) -> impl Iterator<Item = [u8; N]> {
    let mut sorted = pool.to_vec();
    sorted.sort_by_key(|(_, stamp)| std::cmp::Reverse(*stamp));
    sorted.into_iter().map(|(bytes, _)| bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn peer() -> impl Strategy<Value = PeerAddr> {
        prop_oneof![
            (0..400_u16).prop_map(|n| {
                let [a, b] = n.to_be_bytes();
                PeerAddr::V4([9, 9, a, b, 1, 1])
            }),
            (0..200_u8).prop_map(|n| {
                let mut bytes = [n; 18];
                bytes[0] = 0x20;
                PeerAddr::V6(bytes)
            }),
        ]
    }

    proptest! {
        #![proptest_config(crate::seeded(64))]

        /// Against a map of when each peer was told of last.
        #[test]
        fn each_once_and_none_that_is_old(
            told in prop::collection::vec((0..20_u64, peer()), 0..1500), ttl in 1..100_u64,
        ) {
            let (mut pool, mut now) = (Pool::default(), 1_000_000);
            let mut model: BTreeMap<PeerAddr, u64> = BTreeMap::new();
            for (gap, peer) in told {
                now += gap * 100;
                pool.put(now, peer);
                model.insert(peer, now / 1000);
            }
            pool.expire(now, ttl * 1000);
            let peers = pool.peers(|_| true);
            prop_assert!(peers.v4.len() <= V4_MAX * 6 && peers.v6.len() <= V6_MAX * 18);
            let listed: Vec<_> = peers.iter().collect();
            prop_assert_eq!(listed.len(), pool.len());
            let mut sorted = listed.clone();
            sorted.sort();
            sorted.dedup();
            prop_assert_eq!(sorted.len(), listed.len(), "one is there twice");
            let oldest = now.saturating_sub(ttl * 1000) / 1000;
            prop_assert!(listed.iter().all(|peer| model[peer] >= oldest));
            // Whoever is left out was told of no later than all those of his family that are in.
            for (peer, at) in model.iter().filter(|(peer, _)| !listed.contains(peer)) {
                let family = listed.iter().filter(|other| other.family() == peer.family());
                let latest = family.map(|other| model[other]).min();
                prop_assert!(*at < oldest || latest.is_some_and(|latest| *at <= latest));
            }
            let ages: Vec<_> = listed.iter().filter(|p| matches!(p, PeerAddr::V4(_))).collect();
            prop_assert!(ages.windows(2).all(|two| model[two[0]] >= model[two[1]]));
        }
    }

    #[test]
    fn bogons_are_not_taken() {
        let addr = |text: &str| PeerAddr::from(text.parse::<std::net::SocketAddr>().unwrap());
        for (text, global, private) in [
            ("9.9.9.9:1", true, true),
            ("9.9.9.9:0", false, false),
            ("10.0.0.1:1", false, true),
            ("127.0.0.1:1", false, true),
            ("0.0.0.0:1", false, false),
            ("224.0.0.1:1", false, false),
            ("[2a00::1]:1", true, true),
            ("[fe80::1]:1", false, true),
            ("[ff02::1]:1", false, false),
            ("[::ffff:10.0.0.1]:1", false, true),
        ] {
            assert_eq!(Pool::takes(&addr(text), false), global, "{text}");
            assert_eq!(Pool::takes(&addr(text), true), private, "{text}");
        }
    }
}

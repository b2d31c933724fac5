//! What swarms and peers may have: who may join, and who is told of others.

use crate::types::{Announce, PeerAddr, Seconds};

use super::block;
use super::hash::Keys;
use super::peer::Peer;
use super::store::{Known, Store};
use super::table::Slot;
use super::torrent::Shape;

/// Addresses in swarms that are remembered for [`Quota::address_peers_max`].
const JOINED_MAX: usize = 4096;

/// Entries among which an address in a swarm finds its place.
const WAYS: usize = 4;

/// What may be had; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// A peer that comes back within so many seconds gets no peers.
    pub early_secs: Seconds,
    /// A swarm of so many peers takes no more of them in.
    pub torrent_peers_max: u32,
    /// Of one IPv4 address, or one /64 of IPv6, a swarm takes in so many peers in the time that
    /// one may be silent.
    pub address_peers_max: u32,
}

/// How often a quota was used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Curbs {
    /// Announces that came too early.
    pub early: u64,
    /// Peers that found their swarm full.
    pub full: u64,
    /// Peers of an address that had enough of them in the swarm.
    pub crowded: u64,
}

/// How many peers of an address have lately joined a swarm. What is forgotten is the oldest.
pub struct Newcomers(Vec<[Joined; WAYS]>);

#[derive(Clone, Copy, Default)]
struct Joined {
    /// Swarm and address; 0 when it is free.
    key: u64,
    since: Seconds,
    peers: u32,
}

impl Newcomers {
    /// Remembers, or if not `is_on` takes no memory.
    pub fn new(is_on: bool) -> Newcomers {
        let sets = if is_on { JOINED_MAX / WAYS } else { 0 };
        Newcomers(vec![Default::default(); sets])
    }

    /// Lets one more peer join, if there were fewer than `max` in the last `secs`.
    pub fn join(&mut self, key: u64, now: Seconds, secs: Seconds, max: u32) -> bool {
        let Some(set) = self.set(key) else {
            return true;
        };
        let worth = |joined: &Joined| (joined.key == key, joined.key != 0, joined.since);
        let place = match set.iter().position(|joined| joined.key == key) {
            Some(place) => place,
            None => (0..WAYS).min_by_key(|&at| worth(&set[at])).unwrap_or(0),
        };
        let joined = &mut set[place];
        if joined.key != key || now.saturating_sub(joined.since) >= secs {
            *joined = Joined {
                key,
                since: now,
                peers: 0,
            };
        }
        let lets = joined.peers < max;
        joined.peers += u32::from(lets);
        lets
    }

    /// One that joined has left.
    pub fn leave(&mut self, key: u64) {
        let set = self.set(key).map(|set| set.iter_mut());
        if let Some(joined) = set.into_iter().flatten().find(|joined| joined.key == key) {
            joined.peers = joined.peers.saturating_sub(1);
        }
    }

    fn set(&mut self, key: u64) -> Option<&mut [Joined; WAYS]> {
        let place = ((key >> 32) * self.0.len() as u64) >> 32;
        self.0.get_mut(place as usize)
    }
}

/// Names the address of a peer in a swarm, as only this shard does.
pub fn key(keys: &Keys, announce: &Announce) -> u64 {
    let word = |bytes: &[u8]| bytes.iter().fold(0, |word, &b| word << 8 | u32::from(b));
    let hash = announce.info_hash.0.as_chunks::<4>().0;
    let torrent = keys.hash::<5>(std::array::from_fn(|n| word(&hash[n])));
    let address = match &announce.peer {
        PeerAddr::V4(bytes) => keys.hash([word(&bytes[..4])]),
        PeerAddr::V6(bytes) => keys.hash([word(&bytes[..4]), word(&bytes[4..8])]),
    };
    (u64::from(torrent ^ address.rotate_left(16)) << 32 | u64::from(address)).max(1)
}

impl Store {
    /// Whether a peer is in the swarm, perhaps silent for too long.
    pub fn has<P: Peer>(&self, known: Known, peer: &P) -> bool {
        match self.torrents.at(known.place).shape() {
            Shape::One(one) => peer.alone().is_some_and(|peer| peer.is_same(&one)),
            Shape::Block(handle, lens) => {
                let lists = block::lists(self.pool.words(handle), lens);
                block::find(P::list(&lists), peer).is_some()
            }
            Shape::Crowd(number) => {
                let sets = P::sets(&self.crowds[number as usize][0]);
                let hash = peer.hash(&self.keys);
                sets.seeders.find(hash, peer).is_some() || sets.leechers.find(hash, peer).is_some()
            }
            Shape::Memory(_) => false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::swarm::{Limits, Shard};
    use crate::types::{Event, Family, InfoHash, Peers, Want};

    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::net::{IpAddr, Ipv4Addr};

    const PEER_SECS: Seconds = 1280;

    fn shard(quota: Quota) -> Shard {
        let limits = Limits {
            peer_secs: PEER_SECS,
            ..Limits::default()
        };
        let mut shard = Shard::new([1, 2], limits, 0);
        shard.restrict(quota);
        shard
    }

    fn announce(torrent: u8, address: u8, port: u16) -> Announce {
        let ip = IpAddr::from(Ipv4Addr::new(192, 0, 2, address));
        Announce {
            info_hash: InfoHash([torrent; 20]),
            peer: PeerAddr::new(ip, port),
            event: Event::None,
            seeder: false,
            peer_id: None,
            want: Want {
                numwant: 50,
                both: false,
                ids: false,
            },
            keep_secs: PEER_SECS,
        }
    }

    #[test]
    fn who_comes_too_early_is_told_of_nobody_and_stays() {
        let mut shard = shard(Quota {
            early_secs: 300,
            ..Quota::default()
        });
        let mut found = Peers::default();
        let mut hear = |now: Seconds, announce: &Announce| {
            let counts = shard.announce(now, announce, &mut found);
            (counts.leechers, counts.seeders, found.len())
        };
        hear(0, &announce(1, 1, 1));
        assert_eq!(hear(0, &announce(1, 1, 2)), (2, 0, 1), "a first time");
        assert_eq!(hear(100, &announce(1, 1, 2)), (2, 0, 0), "too early");
        // What it says is heeded, and renews it.
        assert_eq!(hear(420, &announce(1, 1, 2)), (2, 0, 1), "early enough");
        assert_eq!(hear(430, &announce(1, 1, 2)), (2, 0, 0));
        let seeding = Announce {
            seeder: true,
            ..announce(1, 1, 2)
        };
        assert_eq!(hear(440, &seeding), (1, 1, 0));
        let completed = Announce {
            event: Event::Completed,
            ..seeding
        };
        assert_eq!(hear(450, &completed), (1, 1, 1), "completed is a reason");
        let stopped = Announce {
            event: Event::Stopped,
            ..completed
        };
        assert_eq!(hear(460, &stopped), (1, 0, 0));
        assert_eq!(hear(470, &announce(1, 1, 2)), (2, 0, 1), "anew");
        // In another torrent it is another.
        assert_eq!(hear(480, &announce(2, 1, 2)), (1, 0, 0));
        assert_eq!(shard.curbs(Family::V4).early, 3);
    }

    /// Never told to come later than it did: whoever keeps to the interval is never early.
    #[test]
    fn who_was_promised_a_longer_life_before_is_not_early() {
        let mut shard = shard(Quota {
            early_secs: 300,
            ..Quota::default()
        });
        let mut found = Peers::default();
        shard.announce(0, &announce(1, 1, 1), &mut found);
        shard.announce(0, &announce(1, 1, 2), &mut found);
        let shorter = Announce {
            keep_secs: PEER_SECS / 4,
            ..announce(1, 1, 2)
        };
        shard.announce(900, &shorter, &mut found);
        assert_eq!((found.len(), shard.curbs(Family::V4).early), (1, 0));
    }

    #[test]
    fn a_quota_lasts_for_a_shard_made_anew() {
        let mut shard = shard(Quota {
            torrent_peers_max: 1,
            ..Quota::default()
        });
        shard = shard.anew([3, 4], 5);
        let mut found = Peers::default();
        (1..4).for_each(|port| {
            shard.announce(9, &announce(1, 1, port), &mut found);
        });
        assert_eq!(
            (shard.totals().leechers, shard.curbs(Family::V4).full),
            (1, 2)
        );
        assert_eq!(found.len(), 1, "who is not taken in is told of others");
    }

    #[test]
    fn without_a_size_nobody_is_remembered() {
        let mut newcomers = Newcomers::new(false);
        assert!((0..100).all(|_| newcomers.join(7, 0, 100, 1)));
        newcomers.leave(7);
    }

    proptest! {
        #![proptest_config(crate::seeded(64))]

        #[test]
        fn agrees_with_sets_of_peers(
            steps in prop::collection::vec(
                (0u32..40, 0u8..3, 0u8..3, 1u16..30, prop::bool::weighted(0.2)), 1..400,
            ),
            torrent_peers_max in 0u32..40, address_peers_max in 0u32..8,
        ) {
            let mut shard = shard(Quota {
                torrent_peers_max,
                address_peers_max,
                ..Quota::default()
            });
            let mut swarms: BTreeMap<u8, BTreeSet<(u8, u16)>> = BTreeMap::new();
            let mut joined: BTreeMap<(u8, u8), (Seconds, u32)> = BTreeMap::new();
            let (mut now, mut found) = (0, Peers::default());
            for (wait, torrent, address, port, stops) in steps {
                // Within the time in which no peer is forgotten, and one window of joining.
                now = (now + wait / 10).min(PEER_SECS / 2);
                let swarm = swarms.entry(torrent).or_default();
                let (_, count) = joined.entry((torrent, address)).or_insert((now, 0));
                let mut event = Event::None;
                if stops {
                    event = Event::Stopped;
                    *count -= u32::from(swarm.remove(&(address, port)));
                } else if !swarm.contains(&(address, port)) {
                    let (len, max) = (swarm.len(), torrent_peers_max as usize);
                    let is_full = max > 0 && len >= max;
                    let is_crowded = address_peers_max > 0 && *count >= address_peers_max;
                    if !is_full && !is_crowded {
                        *count += 1;
                        swarm.insert((address, port));
                    }
                }
                let a = Announce { event, ..announce(torrent, address, port) };
                let counts = shard.announce(now, &a, &mut found);
                prop_assert_eq!(counts.leechers as usize, swarm.len());
            }
        }

        #[test]
        fn large_swarms_know_their_own(peers in 520u16..1200) {
            let mut shard = shard(Quota {
                torrent_peers_max: peers.into(),
                ..Quota::default()
            });
            let mut found = Peers::default();
            for round in 0..2 {
                for port in 1..=peers + 5 {
                    shard.announce(round, &announce(1, 1, port), &mut found);
                }
            }
            prop_assert_eq!(shard.totals().leechers, u32::from(peers));
            prop_assert_eq!(shard.curbs(Family::V4).full, 10);
        }
    }
}

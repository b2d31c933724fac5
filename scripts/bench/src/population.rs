//! Who is in which swarm: the same torrents and peers in every run, computed from their numbers.
//!
//! Peers are numbered through, swarm after swarm. Peer `p` announces from socket `p % sockets`;
//! its announced port keeps it apart from the other peers of its swarm at that address, so that
//! trackers that know peers by address and port count as many as those that go by peer id.

use crate::random::mix;

/// Ports that peers listen on.
const PORT_FIRST: u64 = 1024;
const PORTS: u64 = 64_512;

/// One peer in this many is a seeder.
const SEEDERS: u64 = 4;

/// How big the swarms are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// All alike.
    Even,
    /// The size falls with the rank of the torrent, down to one peer.
    Zipf,
}

/// A set of torrents and their peers.
pub struct Population {
    seed: u64,
    /// Peers of each torrent, if all have as many.
    each: u64,
    /// The torrent of each peer, otherwise.
    torrent_of: Vec<u32>,
}

impl Population {
    /// So many peers in so many torrents, whose info-hashes follow from the seed.
    pub fn new(shape: Shape, torrents: u64, peers: u64, seed: u64) -> Population {
        Population {
            seed,
            each: peers.div_ceil(torrents).max(1),
            torrent_of: match shape {
                Shape::Even => Vec::new(),
                Shape::Zipf => zipf(torrents, peers),
            },
        }
    }

    /// The info-hash of the peer's torrent.
    pub fn info_hash(&self, peer: u64) -> [u8; 20] {
        let torrent = match self.torrent_of.is_empty() {
            true => peer / self.each,
            false => u64::from(self.torrent_of[peer as usize]),
        };
        info_hash(self.seed, torrent)
    }
}

/// The info-hash of a torrent.
pub fn info_hash(seed: u64, torrent: u64) -> [u8; 20] {
    let mut hash = [0; 20];
    let word = |i| mix(mix(seed ^ i) ^ torrent).to_be_bytes();
    hash[..8].copy_from_slice(&word(1));
    hash[8..16].copy_from_slice(&word(2));
    hash[16..].copy_from_slice(&word(3)[..4]);
    hash
}

/// The peer id of a peer.
pub fn peer_id(peer: u64) -> [u8; 20] {
    let mut id = *b"-BN0001-000000000000";
    id[8..16].copy_from_slice(&mix(peer).to_be_bytes());
    id
}

/// The port a peer listens on, if peers have `addresses` addresses.
pub fn port(peer: u64, addresses: u64) -> u16 {
    (PORT_FIRST + peer / addresses % PORTS) as u16
}

/// Whether the peer has everything.
pub fn seeder(peer: u64) -> bool {
    mix(!peer).is_multiple_of(SEEDERS)
}

/// The torrent of each peer, when torrent number `r` has `c / (r + 1)` of them, but one at least.
fn zipf(torrents: u64, peers: u64) -> Vec<u32> {
    let size = |c: u64, torrent: u64| (c / (torrent + 1)).max(1);
    let total = |c: u64| (0..torrents).map(|torrent| size(c, torrent)).sum::<u64>();
    let (mut low, mut high) = (1, peers + 1);
    while high - low > 1 {
        let middle = (low + high) / 2;
        match total(middle) <= peers {
            true => low = middle,
            false => high = middle,
        }
    }
    let sizes = (0..torrents).map(|torrent| (torrent as u32, size(low, torrent) as usize));
    let mut torrent_of: Vec<u32> = sizes
        .flat_map(|(torrent, size)| std::iter::repeat_n(torrent, size))
        .collect();
    torrent_of.resize(peers as usize, torrents as u32 - 1);
    torrent_of
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_peer_is_another_in_its_swarm() {
        for (shape, torrents, peers) in [
            (Shape::Even, 1, 200_000),
            (Shape::Even, 1000, 100_000),
            (Shape::Zipf, 10_000, 35_000),
        ] {
            let population = Population::new(shape, torrents, peers, 1);
            let all: HashSet<_> = (0..peers)
                .map(|p| (population.info_hash(p), p % 64, port(p, 64)))
                .collect();
            assert_eq!(all.len() as u64, peers);
            let hashes: HashSet<_> = (0..peers).map(|p| population.info_hash(p)).collect();
            assert_eq!(hashes.len() as u64, torrents);
        }
    }

    #[test]
    fn zipf_swarms_are_mostly_small() {
        let torrent_of = zipf(20_000, 70_000);
        let mut sizes = vec![0u32; 20_000];
        torrent_of.iter().for_each(|t| sizes[*t as usize] += 1);
        assert!(sizes[0] > 1000);
        assert!(sizes.iter().filter(|size| **size == 1).count() > 12_000);
    }
}

//! The busiest IPv4 networks, counted in bounded memory.
//!
//! Counts are exact while there are few networks. Past that, those who would not make it onto the
//! list anyway are dropped (Misra and Gries 1982, in the manner of Anderson and others 2017): what
//! half of the counts exceed is taken from all, and is the most by which any count is too low.

use std::cmp::Reverse;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

/// Networks that are told apart.
const NETWORKS_MAX: usize = 8192;

/// Addresses that are counted before they are sorted; with the networks 96 KB at most.
const FRESH_MAX: usize = 4096;

/// Networks of a list.
const PLACES: usize = 128;

/// Bits that don't count in a network of the longest prefix, /28.
const HOST_BITS: u32 = 4;

/// How often each /28 was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// Network and count: each network once and in order, and after these what was not sorted yet.
    counts: Vec<(u32, u32)>,
    /// By how much counts may be too low.
    missing: u32,
}

impl Networks {
    /// Counts an address, if it is of IPv4.
    pub fn count(&mut self, ip: IpAddr) {
        if let IpAddr::V4(ip) = ip {
            self.counts.push((ip.to_bits() >> HOST_BITS, 1));
            if self.counts.len() >= NETWORKS_MAX + FRESH_MAX {
                self.settle();
            }
        }
    }

    /// Adds what somebody else has counted.
    pub fn merge(&mut self, other: &Networks) {
        self.counts.extend(&other.counts);
        self.missing = self.missing.saturating_add(other.missing);
        self.settle();
    }

    /// Halves all counts, so that what is long ago weighs less.
    pub fn fade(&mut self) {
        self.settle();
        self.missing /= 2;
        self.counts.retain_mut(|(_, n)| {
            *n /= 2;
            *n > 0
        });
    }

    /// The busiest networks of 28 bits and of 24, as opentracker lists them.
    pub fn text(&self) -> String {
        [28, 24].map(|bits| self.list(bits)).concat()
    }

    /// The busiest networks of so many bits.
    pub fn list(&self, bits: u32) -> String {
        let wider = |net| net >> (32 - HOST_BITS - bits);
        let mut settled = self.clone();
        settled.settle();
        let groups = settled.counts.chunk_by(|a, b| wider(a.0) == wider(b.0));
        let sum = |group: &[(u32, u32)]| {
            let n = group
                .iter()
                .fold(0_u32, |sum, &(_, n)| sum.saturating_add(n));
            (Reverse(n), wider(group[0].0))
        };
        let mut places: Vec<_> = groups.map(sum).collect();
        places.sort_unstable();
        let mut text = format!("Networks, limit /{bits}:\n");
        for (Reverse(n), net) in places.into_iter().take(PLACES) {
            // Writing to a String can't fail.
            let _ = writeln!(text, "{n:08}: {}", Ipv4Addr::from(net << (32 - bits)));
        }
        text.push('\n');
        text
    }

    /// Sorts what is fresh, and joins what is counted of one network.
    fn settle(&mut self) {
        self.counts.sort_unstable();
        self.counts.dedup_by(|again, first| {
            let is_same = again.0 == first.0;
            if is_same {
                first.1 = first.1.saturating_add(again.1);
            }
            is_same
        });
        self.drop_some();
    }

    /// Makes room where there are too many.
    fn drop_some(&mut self) {
        while self.counts.len() > NETWORKS_MAX {
            let mut counts: Vec<_> = self.counts.iter().map(|count| count.1).collect();
            let half = counts.len() / 2;
            let (_, median, _) = counts.select_nth_unstable(half);
            let median = *median;
            self.counts.retain_mut(|(_, n)| {
                *n = n.saturating_sub(median);
                *n > 0
            });
            self.missing = self.missing.saturating_add(median);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(networks: &mut Networks, ip: [u8; 4], n: u32) {
        (0..n).for_each(|_| networks.count(ip.into()));
    }

    #[test]
    fn lists_are_those_of_opentracker() {
        let (mut one, mut two) = (Networks::default(), Networks::default());
        count(&mut one, [127, 0, 0, 1], 3);
        count(&mut one, [127, 0, 0, 15], 2);
        count(&mut two, [127, 0, 0, 1], 3);
        count(&mut two, [127, 0, 0, 16], 1);
        count(&mut two, [10, 1, 2, 3], 8);
        one.merge(&two);
        assert_eq!(
            one.text(),
            "Networks, limit /28:\n00000008: 10.1.2.0\n00000008: 127.0.0.0\n\
             00000001: 127.0.0.16\n\nNetworks, limit /24:\n00000009: 127.0.0.0\n\
             00000008: 10.1.2.0\n\n"
        );
        one.fade();
        assert_eq!(
            one.list(28),
            "Networks, limit /28:\n00000004: 10.1.2.0\n00000004: 127.0.0.0\n\n"
        );
        assert_eq!(Networks::default().list(28), "Networks, limit /28:\n\n");
    }

    #[test]
    fn the_busiest_are_found_among_very_many() {
        let mut networks = Networks::default();
        for n in 0..200_000_u32 {
            networks.count(Ipv4Addr::from(0x0b00_0000 + n * 16).into());
            if n % 20 == 0 {
                count(&mut networks, [10, 0, 0, 1], 1);
            }
        }
        assert!(networks.counts.len() < NETWORKS_MAX + FRESH_MAX);
        networks.settle();
        assert!(networks.counts.len() <= NETWORKS_MAX);
        assert!(networks.missing < 100, "{}", networks.missing);
        let text = networks.list(28);
        let busiest = text.lines().nth(1).unwrap_or_default();
        assert!(busiest.ends_with(": 10.0.0.0"), "{busiest}");
        let n: u32 = busiest[..8].parse().unwrap_or_default();
        assert!((10_000 - networks.missing..=10_000).contains(&n), "{n}");
    }
}

//! What is remembered of sources: tables of a fixed size, chosen once, that forget the oldest.
//!
//! Strangers choose their addresses, and over UDP they forge them. So a table never grows, where an
//! entry lies depends on a secret, and whoever fills the table with forged addresses only makes it
//! forget, which is no worse than if it had not looked.

use crate::types::Seconds;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Entries among which a source finds its place: as many as lie on a few cache lines.
const WAYS: usize = 4;

/// The most sources that one table remembers.
pub const SOURCES_MAX: usize = 1 << 20;

/// Who is told apart: an IPv4 address, or the /64 that one IPv6 subscriber has to himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source(u64);

impl Source {
    /// The source that an address belongs to.
    pub fn of(ip: IpAddr) -> Source {
        match ip.to_canonical() {
            // Among multicast addresses, from which nothing comes.
            IpAddr::V4(ip) => Source(0xffff << 48 | u64::from(ip.to_bits())),
            // 0 is nobody; 0:0:0:1::/64 isn't either.
            IpAddr::V6(ip) => Source(((ip.to_bits() >> 64) as u64).max(1)),
        }
    }
}

/// The addresses of a source: an IPv4 address, or the first of the /64.
impl From<Source> for IpAddr {
    fn from(source: Source) -> IpAddr {
        match source.0 >> 48 {
            0xffff => Ipv4Addr::from_bits(source.0 as u32).into(),
            _ => Ipv6Addr::from_bits(u128::from(source.0) << 64).into(),
        }
    }
}

/// What a table keeps of a source.
pub trait Memory: Default + Clone {
    /// Whether others shall rather be forgotten.
    fn is_dear(&self, now: Seconds) -> bool;
}

/// Remembers a number of sources.
#[derive(Clone)]
pub struct Sources<T> {
    secret: [u64; 3],
    sets: Vec<[Entry<T>; WAYS]>,
}

#[derive(Clone, Default)]
struct Entry<T> {
    /// 0 when it is free.
    source: u64,
    touched: Seconds,
    memory: T,
}

impl<T: Memory> Sources<T> {
    /// A table that remembers nobody; see [`Sources::resize`].
    pub fn new(secret: [u64; 3]) -> Sources<T> {
        let sets = Vec::new();
        Sources { secret, sets }
    }

    /// Makes room for about `len` sources. If that is another size, all are forgotten.
    pub fn resize(&mut self, len: usize) {
        let sets = len.min(SOURCES_MAX).div_ceil(WAYS);
        if sets != self.sets.len() {
            self.sets = Vec::new();
            self.sets.resize_with(sets, Default::default);
        }
    }

    /// What is remembered of a source, if anything.
    pub fn find(&mut self, now: Seconds, source: Source) -> Option<&mut T> {
        let set = self.set(source)?;
        let entry = set.iter_mut().find(|entry| entry.source == source.0)?;
        entry.touched = now;
        Some(&mut entry.memory)
    }

    /// The memory of a source, an empty one if there is none: then the oldest of the set makes
    /// room. `None` if the table has no size.
    pub fn entry(&mut self, now: Seconds, source: Source) -> Option<&mut T> {
        let set = self.set(source)?;
        let place = match set.iter().position(|entry| entry.source == source.0) {
            Some(place) => place,
            None => {
                let worth = |entry: &Entry<T>| match entry.source {
                    0 => (false, 0, 0),
                    _ => (entry.memory.is_dear(now), 1, entry.touched),
                };
                let places = 0..set.len();
                let place = places.min_by_key(|&place| worth(&set[place]))?;
                set[place].source = source.0;
                set[place].memory = T::default();
                place
            }
        };
        set[place].touched = now;
        Some(&mut set[place].memory)
    }

    /// Shows what some sets remember, about `step` sources from `place` on, and returns where to go
    /// on; `None` when all have been shown.
    pub fn walk(
        &self,
        place: usize,
        step: usize,
        mut show: impl FnMut(Source, &T),
    ) -> Option<usize> {
        let end = self
            .sets
            .len()
            .min(place.saturating_add(step.div_ceil(WAYS)));
        let known = self
            .sets
            .get(place..end)
            .unwrap_or_default()
            .iter()
            .flatten();
        known
            .filter(|entry| entry.source != 0)
            .for_each(|entry| show(Source(entry.source), &entry.memory));
        (end < self.sets.len()).then_some(end)
    }

    fn set(&mut self, source: Source) -> Option<&mut [Entry<T>; WAYS]> {
        // Multilinear hashing, as for the tables of the store: even, whatever addresses somebody
        // chooses who does not know the secret.
        let [start, high, low] = self.secret;
        let (a, b) = (source.0 >> 32, source.0 & u64::from(u32::MAX));
        let sum = start
            .wrapping_add(high.wrapping_mul(a))
            .wrapping_add(low.wrapping_mul(b));
        let place = (u64::from(mixed((sum >> 32) as u32)) * self.sets.len() as u64) >> 32;
        self.sets.get_mut(place as usize)
    }
}

/// Breaks up rows of sources that differ by a constant, which are in step otherwise (the finish of
/// MurmurHash3).
fn mixed(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SECRET: [u64; 3] = [
        0x9e37_79b9_7f4a_7c15,
        0xbf58_476d_1ce4_e5b9,
        0x94d0_49bb_1331_11eb,
    ];

    #[derive(Clone, Default)]
    struct Word(u32);

    impl Memory for Word {
        fn is_dear(&self, _: Seconds) -> bool {
            self.0 == 7
        }
    }

    fn table(len: usize) -> Sources<Word> {
        let mut table = Sources::new(SECRET);
        table.resize(len);
        table
    }

    fn v4(n: u32) -> Source {
        Source::of(Ipv4Addr::from_bits(n).into())
    }

    #[test]
    fn an_ipv6_subscriber_is_one_source_and_an_ipv4_address_another() {
        let of = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1:2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_ne!(of("::1").0, 0);
    }

    #[test]
    fn the_oldest_is_forgotten_but_not_who_is_dear() {
        let mut table = table(WAYS);
        table.entry(0, v4(0)).unwrap().0 = 7;
        (1..4).for_each(|n| table.entry(n, v4(n)).unwrap().0 = n);
        assert_eq!(table.find(4, v4(1)).unwrap().0, 1);
        assert_eq!(table.entry(5, v4(100)).unwrap().0, 0);
        let left: Vec<_> = (0..4).map(|n| table.find(6, v4(n)).is_some()).collect();
        assert_eq!(left, [true, true, false, true]);
    }

    #[test]
    fn a_walk_shows_everybody_once() {
        let mut table = table(4096);
        let ips: Vec<IpAddr> = (0..100)
            .map(|n| Ipv4Addr::from_bits(n << 20).into())
            .chain((1..100).map(|n| Ipv6Addr::from_bits(n << 90).into()))
            .collect();
        for ip in &ips {
            table.entry(0, Source::of(*ip)).unwrap().0 = 1;
        }
        let (mut seen, mut place) = (Vec::new(), Some(0));
        while let Some(at) = place {
            let before = seen.len();
            place = table.walk(at, 8, |source, _| seen.push(IpAddr::from(source)));
            assert!(seen.len() <= before + 8);
        }
        seen.sort();
        assert_eq!(seen, ips);
        assert_eq!(table.walk(5000, 8, |_, _| panic!("nobody is there")), None);
    }

    #[test]
    fn without_a_size_it_remembers_nobody() {
        let mut table = Sources::<Word>::new(SECRET);
        assert!(table.entry(0, v4(1)).is_none() && table.find(0, v4(1)).is_none());
        table.resize(1000);
        table.entry(0, v4(1)).unwrap().0 = 1;
        table.resize(1000);
        assert!(table.find(0, v4(1)).is_some());
        table.resize(0);
        assert!(table.entry(0, v4(1)).is_none());
    }

    #[test]
    fn rows_of_addresses_spread_evenly() {
        let most = |sources: &dyn Fn(u32) -> Source| {
            let mut table = table(4096);
            (0..2048).for_each(|n| table.entry(0, sources(n)).unwrap().0 = 1);
            let set = |n: &u32| table.clone().find(0, sources(*n)).is_some();
            (0..2048).step_by(16).filter(set).count()
        };
        // Half full, sets of four overflow seldom; if the addresses met in few sets, most would.
        assert!(most(&v4) > 112);
        assert!(most(&|n| v4(n << 16)) > 112);
        assert!(most(&|n| Source::of(Ipv6Addr::from_bits(u128::from(n) << 64).into())) > 112);
        assert!(most(&|n| Source::of(Ipv6Addr::from_bits(u128::from(n) << 96).into())) > 112);
    }
}

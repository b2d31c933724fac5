//! Sets of very many networks, such as those of a published block list.

use super::lines::{self, BadLines};
use crate::types::Net;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str;

/// Networks joined and sorted: a look-up halves them, however many there are. An IPv4 range takes
/// 8 bytes, an IPv6 range 32.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

/// The IPv4-mapped addresses.
const MAPPED: (u128, u128) = (0xffff_0000_0000, 0xffff_ffff_ffff);

impl Ranges {
    /// Reads a list: one address or network a line, and what follows it after a blank, `#` or `;`
    /// is a comment, as is a line that begins with one; any other line is skipped and told of.
    pub fn parse(text: &[u8]) -> (Vec<Net>, BadLines) {
        let (nets, bad) = lines::read(text, 0, |line| {
            let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"#;".contains(byte);
            match line.trim_ascii().split(is_end).next().unwrap_or_default() {
                [] => Some(None),
                word => str::from_utf8(word).ok()?.parse().ok().map(Some),
            }
        });
        (nets.into_iter().flatten().collect(), bad)
    }

    /// These networks and one more.
    pub fn with(&self, net: &Net) -> Ranges {
        let Ranges { v4, v6 } = Ranges::from_iter([*net]);
        Ranges {
            v4: joined([&self.v4[..], &v4].concat(), |last| last.checked_add(1)),
            v6: joined([&self.v6[..], &v6].concat(), |last| last.checked_add(1)),
        }
    }

    /// These networks, but for the addresses of one.
    pub fn without(&self, net: &Net) -> Ranges {
        let gone = Ranges::from_iter([*net]);
        let below = |n: u32| n.checked_sub(1);
        let above = |n: u32| n.checked_add(1);
        let v4 = gone.v4.iter().fold(self.v4.to_vec(), |ranges, gone| {
            apart(&ranges, *gone, below, above)
        });
        let below = |n: u128| n.checked_sub(1);
        let above = |n: u128| n.checked_add(1);
        let v6 = gone.v6.iter().fold(self.v6.to_vec(), |ranges, gone| {
            apart(&ranges, *gone, below, above)
        });
        Ranges {
            v4: v4.into(),
            v6: v6.into(),
        }
    }

    /// Whether all addresses of `net` are held.
    pub fn covers(&self, net: &Net) -> bool {
        self.with(net) == *self
    }

    /// First address and bits of the networks that all this comes to, IPv4 first and each family in
    /// its order: those that begin beyond the end of `after`.
    pub fn nets(&self, after: Option<Net>) -> impl Iterator<Item = (IpAddr, u8)> {
        let end = after.map(|net| net.ends().1);
        let is_mapped = |n: &u128| (MAPPED.0..=MAPPED.1).contains(n);
        let begin4 = match end {
            None => MAPPED.0,
            Some(end) if is_mapped(&end) => end + 1,
            Some(_) => MAPPED.1 + 1,
        };
        let begin6 = match end.filter(|end| !is_mapped(end)) {
            None => Some(0),
            Some(end) => end.checked_add(1),
        };
        let mapped = |n: u32| MAPPED.0 | u128::from(n);
        let v4 = self.v4.iter();
        let v4 = nets(
            v4.map(move |range| (mapped(range.0), mapped(range.1))),
            begin4,
        );
        let v6 = begin6.into_iter();
        let v6 = v6.flat_map(|begin| nets(self.v6.iter().copied(), begin));
        v4.map(|(ip, bits)| (Ipv6Addr::from_bits(ip).to_canonical(), bits - 96))
            .chain(v6.map(|(ip, bits)| (Ipv6Addr::from_bits(ip).into(), bits)))
    }

    /// Whether one of the networks holds `ip`, in either of an IPv4 address's two guises.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match ip.to_canonical() {
            IpAddr::V4(ip) => holds(&self.v4, ip.to_bits()),
            IpAddr::V6(ip) => holds(&self.v6, ip.to_bits()),
        }
    }

    /// Whether there is no network at all.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

impl FromIterator<Net> for Ranges {
    fn from_iter<I: IntoIterator<Item = Net>>(nets: I) -> Ranges {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (first, last) in nets.into_iter().map(|net| net.ends()) {
            let low = |number: u128| (number & u128::from(u32::MAX)) as u32;
            if first <= MAPPED.1 && last >= MAPPED.0 {
                v4.push((low(first.max(MAPPED.0)), low(last.min(MAPPED.1))));
            }
            if first < MAPPED.0 || last > MAPPED.1 {
                v6.push((first, last));
            }
        }
        let v4 = joined(v4, |last: u32| last.checked_add(1));
        let v6 = joined(v6, |last: u128| last.checked_add(1));
        Ranges { v4, v6 }
    }
}

/// Ranges without those in one.
fn apart<T: Ord + Copy>(
    ranges: &[(T, T)],
    gone: (T, T),
    below: impl Fn(T) -> Option<T>,
    above: impl Fn(T) -> Option<T>,
) -> Vec<(T, T)> {
    let parts = ranges.iter().flat_map(|&(first, last)| {
        let before = below(gone.0).map(|end| (first, last.min(end)));
        let after = above(gone.1).map(|begin| (first.max(begin), last));
        let whole = gone.1 < first || gone.0 > last;
        let parts = match whole {
            true => [Some((first, last)), None],
            false => [before, after],
        };
        parts
            .into_iter()
            .flatten()
            .filter(|(first, last)| first <= last)
    });
    parts.collect()
}

/// The fewest networks that hold what these ranges hold from `begin` on: first address and bits.
fn nets(
    ranges: impl Iterator<Item = (u128, u128)>,
    begin: u128,
) -> impl Iterator<Item = (u128, u8)> {
    ranges
        .filter(move |range| range.1 >= begin)
        .flat_map(move |(first, last)| {
            let mut next = Some(first.max(begin));
            std::iter::from_fn(move || {
                let at = next.filter(|at| *at <= last)?;
                // As many bits as it is aligned to, and as there is room for.
                let left = last - at;
                let room = left.checked_add(1).map_or(128, |len| len.ilog2());
                let host_bits = at.trailing_zeros().min(room);
                let len = 1_u128.checked_shl(host_bits);
                next = len.and_then(|len| at.checked_add(len));
                Some((at, (128 - host_bits) as u8))
            })
        })
}

/// Sorts ranges, and makes one of those that overlap or touch.
fn joined<T: Ord + Copy>(mut ranges: Vec<(T, T)>, next: fn(T) -> Option<T>) -> Box<[(T, T)]> {
    ranges.sort_unstable();
    ranges.dedup_by(|later, earlier| {
        let meet = next(earlier.1).is_none_or(|next| later.0 <= next);
        if meet {
            earlier.1 = earlier.1.max(later.1);
        }
        meet
    });
    ranges.into_boxed_slice()
}

fn holds<T: Ord>(ranges: &[(T, T)], number: T) -> bool {
    let after = ranges.partition_point(|range| range.0 <= number);
    after
        .checked_sub(1)
        .is_some_and(|at| number <= ranges[at].1)
}

/// Who is by default no stranger: this machine, private networks (RFC 1918, RFC 4193) and those
/// of one link (RFC 3927, RFC 4291).
pub fn neighbourhood() -> impl Iterator<Item = Net> {
    let v4 = [
        ([127, 0, 0, 0], 8),
        ([10, 0, 0, 0], 8),
        ([172, 16, 0, 0], 12),
        ([192, 168, 0, 0], 16),
        ([169, 254, 0, 0], 16),
    ];
    let v4 = v4.map(|(ip, bits)| Net::new(Ipv4Addr::from(ip).into(), bits));
    let v6 = [(1, 128), (0xfc00 << 112, 7), (0xfe80 << 112, 10)];
    let v6 = v6.map(|(ip, bits)| Net::new(Ipv6Addr::from_bits(ip).into(), bits));
    v4.into_iter().chain(v6).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::Nets;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_list_is_read_line_by_line() {
        let text = "# bad people\r\n\r\n192.0.2.0/24\r\n 198.51.100.7 ; one\n2001:db8::/32#x\n\
            192.0.2\n::ffff:203.0.113.0/120\n1.2.3.4/33\n1.2.3.4/+8\n\u{fc}\n[::2]";
        let (nets, bad) = Ranges::parse(text.as_bytes());
        assert_eq!((nets.len(), bad.first), (5, vec![6, 8, 9, 10]));
        let ranges: Ranges = nets.into_iter().collect();
        for inside in [
            "192.0.2.255",
            "198.51.100.7",
            "2001:db8::7",
            "203.0.113.9",
            "::2",
        ] {
            assert!(ranges.contains(ip(inside)), "{inside}");
        }
        for outside in ["192.0.3.0", "198.51.100.8", "2001:db9::", "1.2.3.4", "::1"] {
            assert!(!ranges.contains(ip(outside)), "{outside}");
        }
    }

    #[test]
    fn what_touches_is_joined() {
        let net = |text: &str| text.parse::<Net>().unwrap();
        let nets = ["10.0.1.0/24", "10.0.0.0/24", "10.0.0.7", "10.0.3.0/24"].map(net);
        let ranges = Ranges::from_iter(nets);
        assert_eq!((ranges.v4.len(), ranges.v6.len()), (2, 0));
        let all = Ranges::from_iter([net("::/0"), net("255.255.255.255")]);
        assert_eq!((all.v4.len(), all.v6.len()), (1, 1));
        assert!(all.contains(ip("1.2.3.4")) && all.contains(ip("2001:db8::1")));
        assert!(!Ranges::from_iter([net("0.0.0.0/0")]).contains(ip("::1")));
        assert!(Ranges::default().is_empty() && !Ranges::default().contains(ip("::1")));
    }

    #[test]
    fn the_neighbourhood_is_this_machine_and_what_is_private() {
        let nets: Nets = neighbourhood().collect();
        for near in
            "127.0.0.1 10.1.2.3 172.31.0.1 192.168.1.1 169.254.0.1 ::1 fd00::1 fe80::1".split(' ')
        {
            assert!(nets.contains(ip(near)), "{near}");
        }
        for far in "128.0.0.1 11.0.0.1 172.32.0.1 192.169.1.1 ::2 fe00::1 2001:db8::1".split(' ') {
            assert!(!nets.contains(ip(far)), "{far}");
        }
    }

    /// One of a few addresses of a family.
    fn place(is_v4: bool, number: usize) -> IpAddr {
        match is_v4 {
            true => Ipv4Addr::from_bits(number as u32).into(),
            false => Ipv6Addr::from_bits(0x2001_0db8 << 96 | number as u128).into(),
        }
    }

    #[test]
    fn everything_there_is_can_be_told() {
        let all = Ranges::from_iter([Net::new(ip("::"), 0).unwrap()]);
        let told: Vec<_> = all.nets(None).collect();
        assert_eq!(told, [(ip("0.0.0.0"), 0), (ip("::"), 0)]);
        let after = Net::new(ip("0.0.0.0"), 0);
        assert_eq!(all.nets(after).collect::<Vec<_>>(), [(ip("::"), 0)]);
        assert_eq!(all.nets(Net::new(ip("::"), 0)).count(), 0);
        let rest = all.without(&Net::host(ip("255.255.255.255")));
        assert_eq!(rest.nets(None).count(), 32 + 1);
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn agrees_with_looking_at_each(
            nets in prop::collection::vec((any::<bool>(), any::<u128>(), 0u8..=128), 0..30),
            asked in prop::collection::vec((any::<bool>(), any::<u128>(), 0usize..30), 1..30),
        ) {
            let address = |is_v4: bool, bits: u128| -> IpAddr {
                match is_v4 {
                    true => Ipv4Addr::from_bits(bits as u32).into(),
                    false => Ipv6Addr::from_bits(bits).into(),
                }
            };
            let nets: Vec<_> = nets
                .into_iter()
                .map(|(v4, ip, bits)| {
                    let bits = if v4 { bits % 33 } else { bits };
                    (address(v4, ip), Net::new(address(v4, ip), bits).unwrap())
                })
                .collect();
            let ranges: Ranges = nets.iter().map(|(_, net)| *net).collect();
            let naive: Nets = nets.iter().map(|(_, net)| *net).collect();
            for (v4, bits, near) in asked {
                let ip = nets.get(near).map_or(address(v4, bits), |(ip, _)| *ip);
                prop_assert_eq!(ranges.contains(ip), naive.contains(ip), "{}", ip);
            }
        }

        #[test]
        fn sets_grow_and_shrink_and_are_told(
            changes in prop::collection::vec(
                (any::<bool>(), any::<bool>(), 0u8..4, 0u8..=8),
                0..20,
            ),
            limit in 1usize..5,
        ) {
            let mut ranges = Ranges::default();
            let mut naive = [[false; 256]; 2];
            for (add, v4, top, bits) in changes {
                let number = (top << 6 | 5) as usize;
                let net = Net::new(place(v4, number), if v4 { 24 + bits } else { 120 + bits });
                let net = net.unwrap();
                ranges = if add { ranges.with(&net) } else { ranges.without(&net) };
                prop_assert_eq!(ranges.covers(&net), add);
                for (number, held) in naive[usize::from(v4)].iter_mut().enumerate() {
                    if net.contains(place(v4, number)) {
                        *held = add;
                    }
                }
            }
            for (v4, naive) in [false, true].into_iter().zip(naive) {
                for (number, held) in naive.into_iter().enumerate() {
                    prop_assert_eq!(ranges.contains(place(v4, number)), held);
                }
            }
            let (mut told, mut after) = (Vec::new(), None);
            loop {
                let page: Vec<_> = ranges.nets(after).take(limit).collect();
                let page = page.into_iter().map(|(ip, bits)| Net::new(ip, bits).unwrap());
                told.extend(page);
                if after == told.last().copied() {
                    break;
                }
                after = told.last().copied();
            }
            prop_assert_eq!(told.len(), ranges.nets(None).count());
            prop_assert_eq!(told.into_iter().collect::<Ranges>(), ranges);
        }

        #[test]
        fn takes_any_bytes(text: Vec<u8>) {
            Ranges::parse(&text);
        }
    }
}

//! Sets of very many networks, such as those of a published block list.

use super::lines::{self, BadLines};
use crate::types::Net;
use std::net::{IpAddr, Ipv4Addr};
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
    let v6 = v6.map(|(ip, bits)| Net::new(std::net::Ipv6Addr::from_bits(ip).into(), bits));
    v4.into_iter().chain(v6).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::Nets;
    use proptest::prelude::*;
    use std::net::Ipv6Addr;

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
        fn takes_any_bytes(text: Vec<u8>) {
            Ranges::parse(&text);
        }
    }
}

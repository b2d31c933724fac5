//! Sets of networks, such as those that may read statistics.

use crate::types::Net;
use std::net::IpAddr;

/// A few networks, looked through one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nets(Box<[Net]>);

impl Nets {
    /// Whether one of the networks holds `ip`, in either of an IPv4 address's two guises.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(ip))
    }

    /// Whether there is no network at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Net> for Nets {
    fn from_iter<I: IntoIterator<Item = Net>>(nets: I) -> Nets {
        Nets(nets.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn net(ip: &str, bits: u8) -> Net {
        Net::new(ip.parse().unwrap(), bits).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn holds_what_is_inside_and_nothing_else() {
        let nets: Nets = [net("10.0.0.77", 8), net("2001:db8::", 32)]
            .into_iter()
            .collect();
        for inside in [
            "10.0.0.0",
            "10.255.255.255",
            "::ffff:10.1.2.3",
            "2001:db8:ffff::1",
        ] {
            assert!(nets.contains(ip(inside)), "{inside}");
        }
        for outside in [
            "9.255.255.255",
            "11.0.0.0",
            "::10.0.0.1",
            "2001:db9::",
            "::1",
        ] {
            assert!(!nets.contains(ip(outside)), "{outside}");
        }
        assert!(!Nets::default().contains(ip("10.0.0.1")));
    }

    #[test]
    fn the_widest_and_the_narrowest() {
        assert!(net("0.0.0.0", 0).contains(ip("255.1.2.3")));
        assert!(!net("0.0.0.0", 0).contains(ip("2001:db8::1")));
        assert!(net("::", 0).contains(ip("1.2.3.4")) && net("::", 0).contains(ip("::1")));
        assert!(net("1.2.3.4", 32).contains(ip("1.2.3.4")));
        assert_eq!(net("1.2.3.4", 32), Net::host(ip("::ffff:1.2.3.4")));
        assert_eq!(Net::new(ip("1.2.3.4"), 33), None);
        assert_eq!(Net::new(ip("::1"), 129), None);
    }

    /// The first `bits` bits compared one by one.
    fn naive(a: &[u8], b: &[u8], bits: u8) -> bool {
        let bit = |of: &[u8], i: usize| of[i / 8] >> (7 - i % 8) & 1;
        (0..usize::from(bits)).all(|i| bit(a, i) == bit(b, i))
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn agrees_with_comparing_bits(
            a: [u8; 16], flip in 0u32..128, bits in 0u8..=128, bits4 in 0u8..=32,
        ) {
            let b = (u128::from_be_bytes(a) ^ (1 << flip)).to_be_bytes();
            let (v6a, v6b) = (Ipv6Addr::from(a), Ipv6Addr::from(b));
            let wide = Net::new(v6a.into(), bits).unwrap();
            prop_assert_eq!(wide.contains(v6b.into()), naive(&a, &b, bits));

            let (a4, b4): ([u8; 4], [u8; 4]) =
                (a[12..].try_into().unwrap(), b[12..].try_into().unwrap());
            let narrow = Net::new(Ipv4Addr::from(a4).into(), bits4).unwrap();
            prop_assert_eq!(narrow.contains(Ipv4Addr::from(b4).into()), naive(&a4, &b4, bits4));
        }
    }
}

//! How often an address may have everything: opentracker's `WANT_MODEST_FULLSCRAPES`.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::types::{Net, Seconds, is_global};

/// Addresses that are remembered. Past that the oldest are forgotten early: a list of everything
/// takes time, so that few can be had in any period.
const ADDRESSES_MAX: usize = 512;

/// The leading bits of an IPv6 address that count: whoever has one has all with these.
const V6_BITS: u8 = 64;

/// Who had everything lately.
#[derive(Debug, Default)]
pub struct Modest {
    /// In the order of time.
    seen: VecDeque<(Net, Seconds)>,
}

impl Modest {
    /// Whether this address may have everything once more, and if so, that it does. Addresses of
    /// this host and of private networks always may.
    pub fn admit(&mut self, now: Seconds, ip: IpAddr, period: Seconds) -> bool {
        let ip = ip.to_canonical();
        if period == 0 || !is_global(ip) {
            return true;
        }
        let is_over = |then: Seconds| now.saturating_sub(then) >= period;
        while self.seen.front().is_some_and(|(_, then)| is_over(*then)) {
            self.seen.pop_front();
        }
        if self.seen.iter().any(|(net, _)| net.contains(ip)) {
            return false;
        }
        if self.seen.len() == ADDRESSES_MAX {
            self.seen.pop_front();
        }
        let net = match ip {
            IpAddr::V4(_) => None,
            IpAddr::V6(_) => Net::new(ip, V6_BITS),
        };
        self.seen.push_back((net.unwrap_or(Net::host(ip)), now));
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn everything_is_had_once_a_period() {
        let mut modest = Modest::default();
        for (now, who, may) in [
            (10, "9.9.9.1", true),
            (11, "9.9.9.1", false),
            (11, "::ffff:9.9.9.1", false),
            (11, "9.9.9.2", true),
            (12, "2001:67c::1", true),
            (13, "2001:67c::2", false),
            (13, "2001:67c:0:1::2", true),
            (309, "9.9.9.1", false),
            (310, "9.9.9.1", true),
            (310, "9.9.9.2", false),
            (311, "9.9.9.2", true),
        ] {
            assert_eq!(modest.admit(now, ip(who), 300), may, "{who} at {now}");
        }
        assert!(modest.admit(312, ip("9.9.9.1"), 0), "not limited");
    }

    #[test]
    fn neighbours_may_always() {
        let mut modest = Modest::default();
        for who in [
            "127.0.0.1",
            "::1",
            "192.168.1.1",
            "10.0.0.1",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(
                modest.admit(0, ip(who), 300) && modest.admit(0, ip(who), 300),
                "{who}"
            );
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "too much of the same for Miri")]
    fn memory_is_bounded() {
        let mut modest = Modest::default();
        for n in 0..10_000 {
            assert!(modest.admit(n / 100, Ipv4Addr::from(0x0b00_0000 + n).into(), 300));
        }
        assert_eq!(modest.seen.len(), ADDRESSES_MAX);
    }
}

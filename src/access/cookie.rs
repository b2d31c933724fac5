//! Connection ids of the UDP protocol (BEP 15) that need no table.
//!
//! A connect request may carry a forged source address; only who receives the answer can send
//! back the id in it. The id is a keyed hash of the address and the time, so every thread,
//! family and port can check it with nothing but the secret they share.

use super::siphash::{siphash, word};
use crate::types::Seconds;
use std::net::IpAddr;

/// An id lives from its epoch to the end of the next. BEP 15 wants two minutes at least; some
/// clients go on using one for longer, so the epoch is not shorter than that.
const EPOCH_SECS: Seconds = 120;

/// Issues connection ids and recognises them.
///
/// An id is good for the address it was issued to (whatever the port: NAT changes it), for 120
/// seconds at least and less than 240.
#[derive(Clone)]
pub struct Cookie {
    key: [u64; 2],
}

impl Cookie {
    /// Ids only this secret can make: draw it at random, once, for all threads.
    pub fn new(secret: [u8; 16]) -> Cookie {
        let (low, high) = secret.split_at(8);
        Cookie {
            key: [word(low), word(high)],
        }
    }

    /// The id for a client at `ip`; never 0, which some clients take for none.
    pub fn issue(&self, now: Seconds, ip: IpAddr) -> u64 {
        self.id(now / EPOCH_SECS, ip)
    }

    /// Whether `id` was issued to `ip`, lately. Costs one hash, whatever `id` is.
    pub fn check(&self, now: Seconds, ip: IpAddr, id: u64) -> bool {
        let current = now / EPOCH_SECS;
        let age = (u64::from(current) ^ id) & PARITY;
        // Before the first epoch comes one that no clock reaches.
        let epoch = current.wrapping_sub(age as u32);
        // The difference of two words takes the same time to find wherever they differ.
        self.id(epoch, ip) ^ id == 0
    }

    fn id(&self, epoch: u32, ip: IpAddr) -> u64 {
        let ip = match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let mut message = [0; 20];
        message[..16].copy_from_slice(&ip.octets());
        message[16..].copy_from_slice(&epoch.to_le_bytes());
        siphash(self.key, &message) & !PARITY | NEVER_ZERO | u64::from(epoch) & PARITY
    }
}

/// Tells this epoch's ids from those of the last, so that only one of them must be hashed.
const PARITY: u64 = 1;
/// Set in every id.
const NEVER_ZERO: u64 = 2;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn cookie() -> Cookie {
        Cookie::new(*b"0123456789abcdef")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn lives_two_minutes_and_less_than_four() {
        for issued in [0, 1, 119, 120, 121, 12_345, Seconds::MAX - 240] {
            let id = cookie().issue(issued, ip("192.0.2.1"));
            let good = |age: Seconds| cookie().check(issued + age, ip("192.0.2.1"), id);
            assert!((0..=120).all(good), "issued at {issued}");
            assert!(!good(240), "issued at {issued}");
        }
    }

    #[test]
    fn an_ipv4_client_is_the_same_on_either_kind_of_socket() {
        let id = cookie().issue(500, ip("192.0.2.1"));
        assert!(cookie().check(500, ip("::ffff:192.0.2.1"), id));
    }

    #[test]
    fn another_secret_makes_other_ids() {
        let id = Cookie::new([7; 16]).issue(500, ip("192.0.2.1"));
        assert!(!cookie().check(500, ip("192.0.2.1"), id));
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn good_for_its_address_and_time_only(
            secret: [u8; 16], mine: [u8; 16], other: [u8; 16], guess: u64,
            now in 0..Seconds::MAX / 2, later in 240..Seconds::MAX / 2,
        ) {
            let cookie = Cookie::new(secret);
            let (mine, other) = (IpAddr::from(mine), IpAddr::from(other));
            let id = cookie.issue(now, mine);
            prop_assert_ne!(id, 0);
            prop_assert!(cookie.check(now, mine, id));
            prop_assert!(!cookie.check(now + later, mine, id));
            prop_assert_eq!(cookie.check(now, other, id), mine == other);
            prop_assert_eq!(cookie.check(now, mine, guess), guess == id);
            // Not yet issued in any epoch of the past.
            prop_assert!(now < 240 || !cookie.check(now - 240, mine, id));
        }
    }
}

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

/// As short as a shared secret may be, in bytes: what `openssl rand -hex 16` says.
const SECRET_LEN_MIN: usize = 32;

/// Issues connection ids and recognises them.
///
/// An id is good for the address it was issued to (whatever the port: NAT changes it), for 120
/// seconds at least and less than 240. Where several nodes share a secret it is good on all of
/// them, as far as their clocks agree within an epoch.
#[derive(Clone)]
pub struct Cookie {
    key: [u64; 2],
    is_shared: bool,
    /// What to add to `now` to have the time that all who share the secret have.
    ahead: Seconds,
}

impl Cookie {
    /// Ids only this secret can make: draw it at random, once, for all threads.
    pub fn new(secret: [u8; 16]) -> Cookie {
        let (low, high) = secret.split_at(8);
        Cookie {
            key: [word(low), word(high)],
            is_shared: false,
            ahead: 0,
        }
    }

    /// Ids of all who have this secret, if it is long enough to be one, blanks around it aside.
    pub fn shared(secret: &[u8]) -> Option<Cookie> {
        let secret = secret.trim_ascii();
        (secret.len() >= SECRET_LEN_MIN).then(|| Cookie {
            // The secret is the message: who doesn't know it, doesn't know its hash.
            key: [siphash([0, 1], secret), siphash([0, 2], secret)],
            is_shared: true,
            ahead: 0,
        })
    }

    /// Goes by the time of day, in seconds, from here on if the secret is shared: it is the only
    /// time that nodes share.
    pub fn keep_time(&mut self, now: Seconds, wall: u64) {
        if self.is_shared {
            self.ahead = (wall as Seconds).wrapping_sub(now);
        }
    }

    /// The id for a client at `ip`; never 0, which some clients take for none.
    pub fn issue(&self, now: Seconds, ip: IpAddr) -> u64 {
        self.id(self.epoch(now), ip)
    }

    /// Whether `id` was issued to `ip`, lately. Costs one hash, whatever `id` is.
    pub fn check(&self, now: Seconds, ip: IpAddr, id: u64) -> bool {
        let current = self.epoch(now);
        let epoch = match (id as u32).wrapping_sub(current) & MARK as u32 {
            // Of the last epoch; before the first comes one that no clock reaches.
            3 => current.wrapping_sub(1),
            // Of the next: who shares the secret has a clock that is ahead.
            1 => current.wrapping_add(1),
            // Of this one, or of none, which the mark in the id gives away.
            _ => current,
        };
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
        siphash(self.key, &message) & !MARK | NEVER_ZERO | u64::from(epoch) & MARK
    }

    fn epoch(&self, now: Seconds) -> u32 {
        now.wrapping_add(self.ahead) / EPOCH_SECS
    }
}

/// Nobody's business.
impl std::fmt::Debug for Cookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cookie")
    }
}

/// Tells the ids of this epoch from those of its neighbours, so that only one has to be hashed.
const MARK: u64 = 3;
/// Set in every id.
const NEVER_ZERO: u64 = 4;

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

    #[test]
    fn who_shares_a_secret_shares_ids() {
        let shared = |text: &str| Cookie::shared(text.as_bytes());
        let secret = "0123456789abcdef0123456789abcdef";
        let mut one = shared(secret).unwrap();
        let mut other = shared(&format!(" {secret}\n")).unwrap();
        let mut stranger = shared(&secret.replace('0', "1")).unwrap();
        assert!(shared(&secret[1..]).is_none());
        // They started at different times, and their clocks differ by up to a minute.
        let wall = 1_795_000_000_u64;
        for (started, skew) in [(0, 0), (1000, 60), (5, -60), (0, 59)] {
            for second in (0..600).step_by(7) {
                let theirs = wall.wrapping_add_signed(skew) + u64::from(second);
                one.keep_time(second, wall + u64::from(second));
                other.keep_time(started + second, theirs);
                stranger.keep_time(second, theirs);
                let id = one.issue(second, ip("192.0.2.1"));
                assert!(other.check(started + second, ip("192.0.2.1"), id));
                assert!(!other.check(started + second, ip("192.0.2.2"), id));
                assert!(!stranger.check(second, ip("192.0.2.1"), id));
                assert!(!other.check(started + second + 301, ip("192.0.2.1"), id));
            }
        }
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

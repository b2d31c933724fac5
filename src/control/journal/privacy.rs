//! How much is told of where clients are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU8, Ordering};

/// How much is written of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Privacy {
    /// All of it.
    Full,
    /// The network: a /24 of IPv4, a /48 of IPv6.
    Prefix,
    /// Nothing.
    None,
}

/// That of the whole process, as a number.
static IN_FORCE: AtomicU8 = AtomicU8::new(Privacy::Full as u8);

/// How much is written at present.
pub fn privacy() -> Privacy {
    match IN_FORCE.load(Ordering::Relaxed) {
        0 => Privacy::Full,
        1 => Privacy::Prefix,
        _ => Privacy::None,
    }
}

/// Writes as much as this word says from now on.
pub fn keep_to(word: &str) {
    let privacy = match word {
        "none" => Privacy::None,
        "prefix" => Privacy::Prefix,
        _ => Privacy::Full,
    };
    IN_FORCE.store(privacy as u8, Ordering::Relaxed);
}

impl Privacy {
    /// What is written of an address, if anything is.
    pub fn show(self, ip: IpAddr) -> Option<String> {
        match (self, ip.to_canonical()) {
            (Privacy::Full, ip) => Some(ip.to_string()),
            (Privacy::Prefix, IpAddr::V4(ip)) => {
                let [a, b, c, _] = ip.octets();
                Some(format!("{}/24", Ipv4Addr::new(a, b, c, 0)))
            }
            (Privacy::Prefix, IpAddr::V6(ip)) => {
                let [a, b, c, ..] = ip.segments();
                Some(format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)))
            }
            (Privacy::None, _) => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::types::Net;
    use proptest::prelude::*;

    #[test]
    fn no_more_is_told_than_is_wanted() {
        for (ip, full, prefix) in [
            ("203.0.113.7", "203.0.113.7", "203.0.113.0/24"),
            ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.0/24"),
            ("2001:db8:1:2::3", "2001:db8:1:2::3", "2001:db8:1::/48"),
        ] {
            let ip = ip.parse().unwrap();
            assert_eq!(Privacy::Full.show(ip).as_deref(), Some(full));
            assert_eq!(Privacy::Prefix.show(ip).as_deref(), Some(prefix));
            assert_eq!(Privacy::None.show(ip), None);
        }
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn a_prefix_is_the_network_of_all_that_share_it(ip: IpAddr, other: IpAddr) {
            let prefix = Privacy::Prefix.show(ip).unwrap();
            let net: Net = prefix.parse().unwrap();
            prop_assert!(net.contains(ip));
            let same = Privacy::Prefix.show(other).as_ref() == Some(&prefix);
            prop_assert_eq!(net.contains(other), same);
        }
    }
}

//! Networks, as configured.

use std::net::IpAddr;

/// A network: an address and how many of its leading bits count.
///
/// Kept in the 128 bits of IPv6 with IPv4 as IPv4-mapped addresses, so `10.0.0.0/8` also holds
/// `::ffff:10.1.2.3`, and `::/0` holds everybody of either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    prefix: u128,
    mask: u128,
}

impl Net {
    /// The network of `bits` leading bits around `ip`; bits of `ip` beyond them don't matter.
    /// `None` if the family has fewer bits than that.
    pub fn new(ip: IpAddr, bits: u8) -> Option<Net> {
        let host_bits = match ip {
            IpAddr::V4(_) => 32u32.checked_sub(bits.into())?,
            IpAddr::V6(_) => 128u32.checked_sub(bits.into())?,
        };
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Some(Net {
            prefix: mapped(ip) & mask,
            mask,
        })
    }

    /// The network of one address.
    pub fn host(ip: IpAddr) -> Net {
        Net {
            prefix: mapped(ip),
            mask: u128::MAX,
        }
    }

    /// Whether `ip` is part of this network.
    pub fn contains(&self, ip: IpAddr) -> bool {
        mapped(ip) & self.mask == self.prefix
    }
}

fn mapped(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

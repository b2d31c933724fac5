//! Networks, as configured.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

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

    /// The first and the last address, as numbers; those of IPv4 as IPv4-mapped ones.
    pub fn ends(&self) -> (u128, u128) {
        (self.prefix, self.prefix | !self.mask)
    }
}

/// Whether an address is one that anybody on the internet may have, by the registries of special
/// purposes that RFC 6890 began: not private, shared by a provider, local to a link, for examples,
/// or for groups.
pub fn is_global(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_global4(ip),
        IpAddr::V6(ip) => is_global6(ip),
    }
}

fn is_global4(ip: Ipv4Addr) -> bool {
    !matches!(
        ip.octets(),
        [0 | 10 | 127 | 224.., ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 0, 0 | 2, _]
            | [192, 168, ..]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    )
}

/// Of IPv6, no more than 2000::/3 is given out.
fn is_global6(ip: Ipv6Addr) -> bool {
    !matches!(
        ip.segments(),
        [..=0x1fff | 0x4000.., ..] | [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..]
    )
}

/// `IP` or `IP/BITS`; the address may be in brackets if it is alone, an IPv4-mapped one is IPv4.
impl FromStr for Net {
    type Err = NotANet;

    fn from_str(text: &str) -> Result<Net, NotANet> {
        let Some((ip, bits)) = text.split_once('/') else {
            let bare = text
                .strip_prefix('[')
                .and_then(|text| text.strip_suffix(']'));
            let ip: IpAddr = bare.unwrap_or(text).parse().map_err(|_| NotANet)?;
            return Ok(Net::host(ip));
        };
        let ip: IpAddr = ip.parse().map_err(|_| NotANet)?;
        let digits = bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = bits.parse().ok().filter(|_| digits).ok_or(NotANet)?;
        Net::new(ip, bits).ok_or(NotANet)
    }
}

/// A text is neither an address nor a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANet;

fn mapped(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_given_out_are_global() {
        for (ips, global) in [
            (
                "1.0.0.1 9.9.9.9 100.63.0.1 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1",
                true,
            ),
            (
                "192.167.1.1 198.17.0.1 198.20.0.1 223.255.255.255 ::ffff:8.8.8.8",
                true,
            ),
            (
                "2001:200::1 2001:db9::1 2002::1 2a00:1450::1 3ffe::1 3fff:1000::1",
                true,
            ),
            (
                "0.0.0.0 10.1.2.3 127.0.0.1 100.64.0.1 100.127.9.9 169.254.1.1 172.16.0.1",
                false,
            ),
            (
                "172.31.9.9 192.0.0.1 192.0.2.1 192.168.0.1 198.18.0.1 198.19.0.1",
                false,
            ),
            (
                "198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255",
                false,
            ),
            (
                "::ffff:10.0.0.1 :: ::1 64:ff9b::1 2001::1 2001:1ff::1 2001:db8::1",
                false,
            ),
            ("3fff:fff::1 4000::1 fc00::1 fd00::1 fe80::1 ff02::1", false),
        ] {
            for ip in ips.split(' ') {
                assert_eq!(is_global(ip.parse().unwrap()), global, "{ip}");
            }
        }
    }
}

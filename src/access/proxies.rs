//! Reverse proxies, and for whom they speak.

use super::Nets;
use smallvec::SmallVec;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The proxies that are believed, and the header in which they are.
///
/// Each proxy appends the address it was asked from (X-Forwarded-For, in common use; RFC 7239,
/// 7.4), so the list reads client, proxy, proxy, and only its end is written by somebody known.
/// opentracker believes its beginning, which is the client's to invent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Where they are; empty if there is none.
    pub trusted: Nets,
    /// The name of the header, in any case.
    pub header: String,
    /// Whether they say it ahead of each connection too, by the PROXY protocol.
    pub preface: bool,
}

impl Proxies {
    /// Whether a connection from `source` has to begin with a preface.
    pub fn expect_preface(&self, source: IpAddr) -> bool {
        self.preface && self.trusted.contains(source)
    }

    /// Who asks, when `source` is the other end of the connection and `forwarded` the values of
    /// the header, in the order they came: the last address that is no proxy's. If all are, it is
    /// the first; an entry that is no address ends the list there. What `source` says counts for
    /// nothing, and is not even looked at, unless it is a proxy itself.
    ///
    /// The list is read from its end to the first stranger and no further.
    pub fn client<'a>(&self, source: IpAddr, forwarded: impl Iterator<Item = &'a [u8]>) -> IpAddr {
        let source = source.to_canonical();
        if !self.trusted.contains(source) {
            return source;
        }
        let lines: SmallVec<[&[u8]; 4]> = forwarded.collect();
        let entries = lines
            .iter()
            .rev()
            .flat_map(|line| line.rsplit(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
            // Lists of HTTP may have empty elements, which say nothing (RFC 9110, 5.6.1).
            .filter(|entry| !entry.is_empty());
        let mut client = source;
        for entry in entries {
            let Some(hop) = address(entry) else { break };
            client = hop;
            if !self.trusted.contains(hop) {
                break;
            }
        }
        client
    }
}

/// An address as proxies write it: with a port or not, IPv6 in brackets or not and perhaps with a
/// zone, which means nothing here. The unspecified addresses are nobody's.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?;
    let ip = if let Some(rest) = text.strip_prefix('[') {
        let (ip, rest) = rest.split_once(']')?;
        let port = rest.strip_prefix(':');
        if !(rest.is_empty() || port.is_some_and(is_port)) {
            return None;
        }
        ipv6(ip)?
    } else {
        match text.split_once(':') {
            None => ipv4(text)?,
            Some((ip, port)) if is_port(port) => ipv4(ip)?,
            Some(_) => ipv6(text)?,
        }
    };
    (!ip.is_unspecified()).then_some(ip)
}

fn ipv4(text: &str) -> Option<IpAddr> {
    text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

fn ipv6(text: &str) -> Option<IpAddr> {
    let ip = text.split_once('%').map_or(text, |(ip, _zone)| ip);
    let ip = ip.parse::<Ipv6Addr>().ok()?;
    Some(IpAddr::V6(ip).to_canonical())
}

fn is_port(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::types::Net;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Trusts 10.0.0.0/8, 127.0.0.2 and fd00::/8.
    fn proxies() -> Proxies {
        let nets = [("10.0.0.0", 8), ("127.0.0.2", 32), ("fd00::", 8)];
        let nets = nets.map(|(ip, bits)| Net::new(self::ip(ip), bits).unwrap());
        Proxies {
            trusted: nets.into_iter().collect(),
            ..Proxies::default()
        }
    }

    fn client(source: &str, lines: &[&str]) -> IpAddr {
        proxies().client(ip(source), lines.iter().map(|line| line.as_bytes()))
    }

    #[test]
    fn the_last_stranger_is_the_client() {
        for case in "\
=> 127.0.0.2
1.2.3.4 => 1.2.3.4
5.6.7.8, 1.2.3.4 => 1.2.3.4
5.6.7.8, 1.2.3.4, 10.1.2.3 => 1.2.3.4
5.6.7.8|1.2.3.4|10.1.2.3, fd00::1 => 1.2.3.4
1.2.3.4|  |10.1.2.3 => 1.2.3.4
10.0.0.3, 10.0.0.2, 10.0.0.1 => 10.0.0.3
2001:db8::1, ::ffff:10.0.0.1 => 2001:db8::1
10.0.0.3, ::ffff:1.2.3.4 => 1.2.3.4"
            .lines()
        {
            let (lines, expected) = case.split_once("=> ").unwrap();
            let lines: Vec<_> = lines.split('|').collect();
            assert_eq!(client("127.0.0.2", &lines), ip(expected), "{case}");
            assert_eq!(client("::ffff:127.0.0.2", &lines), ip(expected), "{case}");
            assert_eq!(client("127.0.0.3", &lines), ip("127.0.0.3"), "{case}");
        }
        assert_eq!(client("::ffff:1.2.3.4", &[]), ip("1.2.3.4"));
    }

    #[test]
    fn what_is_no_address_ends_the_list() {
        for wrong in "unknown _hidden 1.2.3 1.2.3.4.5 1.2.3.04 1.2.3.4: 1.2.3.4:x 1.2.3.4:65536 \
            1.2.3.4:+1 1.2.3.4%eth0 [1.2.3.4] [::1 ::1] [::1]x [::1]: [::1]:65536 []:80 :80 ::1:: \
            1.2.3.4/32 0.0.0.0 :: ::ffff:0.0.0.0 \u{fc} \" ; [%eth0] %"
            .split_ascii_whitespace()
        {
            let line = format!("5.6.7.8, {wrong}, 10.0.0.2, 10.0.0.1");
            assert_eq!(client("127.0.0.2", &[&line]), ip("10.0.0.2"), "{wrong}");
            let line = format!("5.6.7.8, {wrong}");
            assert_eq!(client("127.0.0.2", &[&line]), ip("127.0.0.2"), "{wrong}");
        }
    }

    #[test]
    fn addresses_come_in_many_forms() {
        for case in "\
1.2.3.4:80 => 1.2.3.4
\t 1.2.3.4\t => 1.2.3.4
2001:db8::1:80 => 2001:db8::1:80
[2001:DB8::1] => 2001:db8::1
[2001:db8::1]:80 => 2001:db8::1
fe80::1%eth0 => fe80::1
[fe80::1%25eth0]:65535 => fe80::1
[::ffff:1.2.3.4]:80 => 1.2.3.4
::ffff:1.2.3.4 => 1.2.3.4
,, 1.2.3.4 ,, , => 1.2.3.4"
            .lines()
        {
            let (line, expected) = case.split_once(" => ").unwrap();
            assert_eq!(client("10.0.0.1", &[line]), ip(expected), "{case}");
        }
    }

    #[test]
    fn of_a_long_list_only_the_end_is_read() {
        let forged = "1.2.3.4,".repeat(100_000);
        let lines = vec![forged.as_str(); 10];
        assert_eq!(client("10.0.0.1", &lines), ip("1.2.3.4"));
        let chain = "10.0.0.2,".repeat(1000);
        assert_eq!(client("10.0.0.1", &["5.6.7.8", &chain]), ip("5.6.7.8"));
    }

    #[test]
    fn prefaces_are_for_proxies_to_send_where_they_are_wanted() {
        let proxies = |preface| Proxies {
            preface,
            ..proxies()
        };
        assert!(proxies(true).expect_preface(ip("::ffff:10.0.0.1")));
        assert!(!proxies(true).expect_preface(ip("127.0.0.1")));
        assert!(!proxies(false).expect_preface(ip("10.0.0.1")));
    }

    /// The rule read from left to right: a stranger settles it until another comes, a proxy only
    /// if nobody has.
    fn naive(source: IpAddr, entries: &[Option<IpAddr>]) -> IpAddr {
        let trusted = proxies().trusted;
        let fold = entries.iter().fold(None, |client, entry| match entry {
            None => None,
            Some(hop) if !trusted.contains(*hop) => Some(*hop),
            Some(hop) => client.or(Some(*hop)),
        });
        fold.unwrap_or(source)
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn agrees_with_reading_from_the_left(
            picks in prop::collection::vec((0usize..5, any::<bool>()), 0..12),
        ) {
            let words = ["1.2.3.4", "10.0.0.9:1", "fd00::1", "[2001:db8::1]:5", "unknown"];
            let found = ["1.2.3.4", "10.0.0.9", "fd00::1", "2001:db8::1"].map(ip);
            let entries: Vec<_> = picks.iter().map(|pick| found.get(pick.0).copied()).collect();
            let mut lines = vec![String::new()];
            for (word, new_line) in picks {
                if new_line {
                    lines.push(String::new());
                }
                let line = lines.last_mut().unwrap();
                *line += words[word];
                *line += " ,";
            }
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            prop_assert_eq!(client("10.0.0.1", &lines), naive(ip("10.0.0.1"), &entries));
        }

        #[test]
        fn any_bytes_give_an_address(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
            texts in prop::collection::vec("[]\\[0-9a-f:.,% ]{0,40}", 0..6),
        ) {
            let values = lines.iter().map(Vec::as_slice);
            let values = values.chain(texts.iter().map(String::as_bytes));
            let client = proxies().client(ip("10.0.0.1"), values);
            prop_assert!(!client.is_unspecified());
            prop_assert_eq!(client, client.to_canonical());
        }
    }
}

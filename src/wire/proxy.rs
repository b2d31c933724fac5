//! What a proxy sends ahead of a connection that it passes on: HAProxy's PROXY protocol, both
//! versions. It can't be told from what clients send, so it is only to be looked for where it is
//! expected, and nothing else is to be taken there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::decimal;
use super::scan::position;

/// The longest of version 1, line end included (2.1).
const V1_LEN_MAX: usize = 107;

/// What every preface of version 2 begins with (2.2).
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, command, family and length.
const V2_HEAD_LEN: usize = 16;

/// More than addresses and what proxies add to them, names and certificates, need.
const V2_LEN_MAX: usize = 4096;

/// The form of a preface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary, with extensions, which are skipped unread.
    V2,
}

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preface {
    /// How it is written.
    pub version: Version,
    /// Source and destination of the connection to the proxy, of one family; `None` if it is the
    /// proxy's own, such as one that checks our health, or not of TCP.
    pub ends: Option<(SocketAddr, SocketAddr)>,
}

/// Not a preface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Preface {
    /// Reads the preface at the front of `bytes` and says how many bytes it took; `None` when more
    /// are needed. How the bytes were cut makes no difference.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Preface, usize)>, Malformed> {
        let is_like = |start: &[u8]| bytes.iter().zip(start).all(|(byte, other)| byte == other);
        if is_like(V2_SIGNATURE) {
            parse_v2(bytes)
        } else if is_like(b"PROXY ") {
            parse_v1(bytes)
        } else {
            Err(Malformed)
        }
    }

    /// Appends it; ends of two families are left out.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match self.version {
            Version::V1 => self.emit_v1(out),
            Version::V2 => self.emit_v2(out),
        }
    }

    fn emit_v1(&self, out: &mut Vec<u8>) {
        let line = match self.ends {
            Some((from, to)) if from.is_ipv4() == to.is_ipv4() => {
                let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
                let ((from, from_port), (to, to_port)) =
                    ((from.ip(), from.port()), (to.ip(), to.port()));
                format!("PROXY {family} {from} {to} {from_port} {to_port}\r\n")
            }
            _ => "PROXY UNKNOWN\r\n".to_owned(),
        };
        out.extend_from_slice(line.as_bytes());
    }

    fn emit_v2(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(V2_SIGNATURE);
        let ports = match self.ends {
            Some((SocketAddr::V4(from), SocketAddr::V4(to))) => {
                out.extend_from_slice(&[0x21, 0x11, 0, 12]);
                out.extend_from_slice(&from.ip().octets());
                out.extend_from_slice(&to.ip().octets());
                [from.port(), to.port()]
            }
            Some((SocketAddr::V6(from), SocketAddr::V6(to))) => {
                out.extend_from_slice(&[0x21, 0x21, 0, 36]);
                out.extend_from_slice(&from.ip().octets());
                out.extend_from_slice(&to.ip().octets());
                [from.port(), to.port()]
            }
            _ => return out.extend_from_slice(&[0x20, 0, 0, 0]),
        };
        out.extend_from_slice(ports.map(u16::to_be_bytes).as_flattened());
    }
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443`, or `PROXY UNKNOWN` and whatever.
fn parse_v1(bytes: &[u8]) -> Result<Option<(Preface, usize)>, Malformed> {
    let Some(end) = position(b'\n', &bytes[..bytes.len().min(V1_LEN_MAX)]) else {
        return if bytes.len() < V1_LEN_MAX {
            Ok(None)
        } else {
            Err(Malformed)
        };
    };
    let line = bytes[..end].strip_suffix(b"\r").ok_or(Malformed)?;
    let mut words = line.split(|&byte| byte == b' ').skip(1);
    let ends = match words.next() {
        Some(b"UNKNOWN") => None,
        Some(b"TCP4") => Some(ends_v1(words, ip::<Ipv4Addr>).ok_or(Malformed)?),
        Some(b"TCP6") => Some(ends_v1(words, ip::<Ipv6Addr>).ok_or(Malformed)?),
        _ => return Err(Malformed),
    };
    let version = Version::V1;
    Ok(Some((Preface { version, ends }, end + 1)))
}

fn ends_v1<'a>(
    mut words: impl Iterator<Item = &'a [u8]>,
    ip: fn(&[u8]) -> Option<IpAddr>,
) -> Option<(SocketAddr, SocketAddr)> {
    let (from, to) = (ip(words.next()?)?, ip(words.next()?)?);
    let mut port = || u16::try_from(decimal::parse(words.next()?)?).ok();
    let ports = (port()?, port()?);
    let ends = (SocketAddr::new(from, ports.0), SocketAddr::new(to, ports.1));
    words.next().is_none().then_some(ends)
}

fn ip<Ip: std::str::FromStr + Into<IpAddr>>(word: &[u8]) -> Option<IpAddr> {
    let ip: Ip = str::from_utf8(word).ok()?.parse().ok()?;
    Some(ip.into())
}

fn parse_v2(bytes: &[u8]) -> Result<Option<(Preface, usize)>, Malformed> {
    // What is wrong with the command is said at once, whatever its length claims.
    let is_proxied = match bytes.get(V2_SIGNATURE.len()) {
        None => return Ok(None),
        Some(0x20) => false,
        Some(0x21) => true,
        Some(_) => return Err(Malformed),
    };
    let Some(&[_, family, high, low]) = bytes.get(V2_SIGNATURE.len()..V2_HEAD_LEN) else {
        return Ok(None);
    };
    let len = V2_HEAD_LEN + usize::from(u16::from_be_bytes([high, low]));
    if len > V2_LEN_MAX {
        return Err(Malformed);
    }
    let Some(rest) = bytes.get(V2_HEAD_LEN..len) else {
        return Ok(None);
    };
    let ends = match family {
        0x11 if is_proxied => Some(ends_v2::<4>(rest).ok_or(Malformed)?),
        0x21 if is_proxied => Some(ends_v2::<16>(rest).ok_or(Malformed)?),
        _ => None,
    };
    let version = Version::V2;
    Ok(Some((Preface { version, ends }, len)))
}

/// Two addresses and two ports.
fn ends_v2<const LEN: usize>(rest: &[u8]) -> Option<(SocketAddr, SocketAddr)>
where
    IpAddr: From<[u8; LEN]>,
{
    let (from, rest) = rest.split_first_chunk::<LEN>()?;
    let (to, rest) = rest.split_first_chunk::<LEN>()?;
    let (from_port, rest) = rest.split_first_chunk()?;
    let (to_port, _) = rest.split_first_chunk()?;
    let end = |ip: &[u8; LEN], port| SocketAddr::new((*ip).into(), u16::from_be_bytes(port));
    Some((end(from, *from_port), end(to, *to_port)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    type Ends = Option<(SocketAddr, SocketAddr)>;

    fn ends(from: &str, to: &str) -> Ends {
        Some((from.parse().unwrap(), to.parse().unwrap()))
    }

    /// Version 2 of command, family and what follows the length.
    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [V2_SIGNATURE, &[command, family][..], &len, rest].concat()
    }

    const ENDS4: [u8; 12] = [192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 4, 1, 0xbb];

    /// Bytes, what they mean, and whether they are how we would say it.
    fn golden() -> Vec<(Vec<u8>, Version, Ends, bool)> {
        let known4 = ends("192.0.2.1:56324", "192.0.2.2:443");
        let known6 = ends("[2001:db8::1]:56324", "[2001:db8::2]:443");
        let ends6 = b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\
            \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\xdc\x04\x01\xbb";
        let text = |text: &str| text.as_bytes().to_vec();
        let longest = "ffff:f:f:f:f:f:f:f ffff:f:f:f:f:f:f:f 65535 65535";
        let (one, two) = (Version::V1, Version::V2);
        vec![
            (
                text("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"),
                one,
                known4,
                true,
            ),
            (
                text("PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n"),
                one,
                known6,
                true,
            ),
            (text("PROXY UNKNOWN\r\n"), one, None, true),
            (
                text(&format!("PROXY UNKNOWN {longest}\r\n")),
                one,
                None,
                false,
            ),
            (v2(0x21, 0x11, &ENDS4), two, known4, true),
            (v2(0x21, 0x21, ends6), two, known6, true),
            (v2(0x20, 0, b""), two, None, true),
            // Extensions (2.2.1), a connection of the proxy's own, a datagram, a Unix socket.
            (
                v2(0x21, 0x11, &[&ENDS4[..], b"\x04\0\x01x"].concat()),
                two,
                known4,
                false,
            ),
            (v2(0x20, 0x11, &ENDS4), two, None, false),
            (v2(0x21, 0x12, &ENDS4), two, None, false),
            (v2(0x21, 0x31, &[b'/'; 216]), two, None, false),
        ]
    }

    #[test]
    fn golden_bytes_both_ways_and_however_cut() {
        for (bytes, version, ends, ours) in golden() {
            let preface = Preface { version, ends };
            let whole = Ok(Some((preface, bytes.len())));
            assert_eq!(Preface::parse(&bytes), whole, "{}", bytes.escape_ascii());
            let more = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(Preface::parse(&more), whole);
            for cut in 0..bytes.len() {
                assert_eq!(Preface::parse(&bytes[..cut]), Ok(None), "{cut}");
            }
            let mut emitted = Vec::new();
            preface.emit(&mut emitted);
            assert_eq!(emitted == bytes, ours, "{}", emitted.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_preface_is_refused_as_soon_as_it_shows() {
        for text in "\
GET
proxy
PROXY\tTCP4
PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\\n
PROXY TCP4 192.0.2.1 192.0.2.2 56324\\r\\n
PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 1\\r\\n
PROXY TCP4 192.0.2.1 192.0.2.2 56324 65536\\r\\n
PROXY TCP4 192.0.2.1 192.0.2.2 56324 -1\\r\\n
PROXY TCP4 192.0.2.1  192.0.2.2 56324 443\\r\\n
PROXY TCP4 2001:db8::1 2001:db8::2 56324 443\\r\\n
PROXY TCP6 192.0.2.1 192.0.2.2 56324 443\\r\\n
PROXY UDP4 192.0.2.1 192.0.2.2 56324 443\\r\\n
PROXY \\r\\n
\\r\\n\\r\\nGET"
            .lines()
        {
            let bytes = text.replace("\\r", "\r").replace("\\n", "\n");
            assert_eq!(Preface::parse(bytes.as_bytes()), Err(Malformed), "{text}");
        }
        let endless = [b"PROXY UNKNOWN ", &[b'x'; 93][..]].concat();
        assert_eq!(Preface::parse(&endless), Err(Malformed));
        assert_eq!(Preface::parse(&endless[..106]), Ok(None));
        for bytes in [
            v2(0x11, 0x11, &ENDS4),
            v2(0x22, 0x11, &ENDS4),
            v2(0x21, 0x11, &ENDS4[..11]),
            v2(0x21, 0x21, &ENDS4),
            v2(0x21, 0x11, &[0; 4081])[..16].to_vec(),
        ] {
            assert_eq!(Preface::parse(&bytes), Err(Malformed), "{bytes:?}");
        }
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn prefaces_round_trip(
            from: SocketAddr, to: SocketAddr, known: bool, is_text: bool,
        ) {
            // Flow and scope don't travel.
            let plain = |end: SocketAddr| SocketAddr::new(end.ip(), end.port());
            let ends = (known && from.is_ipv4() == to.is_ipv4()).then(|| (plain(from), plain(to)));
            let version = if is_text { Version::V1 } else { Version::V2 };
            let preface = Preface { version, ends };
            let mut bytes = Vec::new();
            preface.emit(&mut bytes);
            prop_assert_eq!(Preface::parse(&bytes), Ok(Some((preface, bytes.len()))));
        }
    }
}

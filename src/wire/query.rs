//! Targets and query strings of HTTP announces (BEP 3) and scrapes (BEP 48).
//!
//! Pairs in any order, of which the first of a name wins; unknown names, names without `=` and
//! empty pairs are skipped unread. `+` is a plus, a `;` is part of a value, and any byte may
//! stand as it is. What a client can do without is read with patience, what would be stored is
//! not: a wrong length or a port of 0 is refused with a text for the user.

use std::net::IpAddr;

use super::{decimal, http};
use crate::types::{Event, InfoHash};

/// The most hashes that one scrape can hold, by the shortest way to write them.
pub const SCRAPE_HASHES_MAX: usize = http::HEAD_LEN_MAX / (b"info_hash=&".len() + InfoHash::LEN);

/// Longer keys identify nobody.
const KEY_LEN_MAX: usize = 64;

/// The longest IP address in text, an IPv4-mapped one.
const IP_LEN_MAX: usize = 45;

/// Splits a target into path and query; the query is `None` without a `?`. Spaces before the
/// `?`, which [`http::Head::parse`] lets pass, belong to neither.
pub fn split(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match target.iter().position(|&b| b == b'?') {
        Some(at) => (target[..at].trim_ascii_end(), Some(&target[at + 1..])),
        None => (target, None),
    }
}

/// Why a query is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no `info_hash`.
    NoInfoHash,
    /// An `info_hash` is not 20 bytes long.
    InfoHash,
    /// The `peer_id` is not 20 bytes long.
    PeerId,
    /// The `port` is missing, 0, or no port.
    Port,
    /// `uploaded`, `downloaded` or `left` is no number.
    Number,
    /// A `%` without two hexadecimal digits.
    Escape,
}

impl Refusal {
    /// The `failure reason` for the client's user; for a missing info-hash as in opentracker.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::NoInfoHash => {
                "Your client forgot to send your torrent's info_hash. Please upgrade your client."
            }
            Refusal::InfoHash => "info_hash must be 20 bytes",
            Refusal::PeerId => "peer_id must be 20 bytes",
            Refusal::Port => "port must be a number from 1 to 65535",
            Refusal::Number => "uploaded, downloaded and left must be numbers",
            Refusal::Escape => "bad percent-encoding",
        }
    }
}

/// An announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Opaque; some clients do without.
    pub peer_id: Option<[u8; 20]>,
    /// Where the peer listens; never 0.
    pub port: u16,
    /// Bytes uploaded since `started`; 0 when not said or negative.
    pub uploaded: u64,
    /// Bytes downloaded since `started`; 0 when not said or negative.
    pub downloaded: u64,
    /// Bytes still to download; `None` when not said or negative.
    pub left: Option<u64>,
    /// What happened; unknown events are none.
    pub event: Event,
    /// How many peers are wanted; `None` when not said, negative or no number.
    pub numwant: Option<u32>,
    /// Whether peers may be listed in 6 or 18 bytes each (BEP 23); only `compact=0` says no.
    pub compact: bool,
    /// Whether dictionaries of peers may leave out the `peer id`.
    pub no_peer_id: bool,
    /// Proves identity when the address changes. Up to 8 hexadecimal digits are the number that
    /// the same client sends over UDP; everything else is hashed.
    pub key: Option<u32>,
    /// The address to register instead of the sender's, when it is an address.
    pub ip: Option<IpAddr>,
}

impl Announce {
    /// Reads the query of an announce, without the `?`.
    pub fn parse(query: &[u8]) -> Result<Announce, Refusal> {
        let raw = Raw::parse(query)?;
        Ok(Announce {
            info_hash: InfoHash(twenty(
                raw.info_hash.ok_or(Refusal::NoInfoHash)?,
                Refusal::InfoHash,
            )?),
            peer_id: raw
                .peer_id
                .map(|value| twenty(value, Refusal::PeerId))
                .transpose()?,
            port: port(raw.port.ok_or(Refusal::Port)?)?,
            uploaded: amount(raw.uploaded)?.unwrap_or(0),
            downloaded: amount(raw.downloaded)?.unwrap_or(0),
            left: amount(raw.left)?,
            event: event(raw.event)?,
            numwant: numwant(raw.numwant)?,
            compact: !is(raw.compact, b"0")?,
            no_peer_id: is(raw.no_peer_id, b"1")?,
            key: key(raw.key)?,
            ip: ip(raw.ip)?,
        })
    }

    /// Appends the query of an announce, without the `?`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        pair("info_hash", &self.info_hash.0, out);
        if let Some(peer_id) = &self.peer_id {
            pair("&peer_id", peer_id, out);
        }
        number("&port", self.port.into(), out);
        number("&uploaded", self.uploaded, out);
        number("&downloaded", self.downloaded, out);
        if let Some(left) = self.left {
            number("&left", left, out);
        }
        if let Some(name) = event_name(self.event) {
            pair("&event", name, out);
        }
        if let Some(numwant) = self.numwant {
            number("&numwant", numwant.into(), out);
        }
        number("&compact", self.compact.into(), out);
        if self.no_peer_id {
            number("&no_peer_id", 1, out);
        }
        if let Some(key) = self.key {
            pair("&key", format!("{key:08X}").as_bytes(), out);
        }
        if let Some(ip) = self.ip {
            pair("&ip", ip.to_string().as_bytes(), out);
        }
    }

    /// Whether nothing is left to download.
    pub fn seeder(&self) -> bool {
        self.left == Some(0)
    }
}

/// Reads the query of a scrape, without the `?`, and appends its info-hashes in the order they
/// are named; perhaps there is none. Those past [`SCRAPE_HASHES_MAX`] are left out.
pub fn parse_scrape(query: &[u8], hashes: &mut Vec<InfoHash>) -> Result<(), Refusal> {
    let mut room = SCRAPE_HASHES_MAX;
    for (name, value) in Pairs(query) {
        if room > 0 && is(Some(name), b"info_hash")? {
            hashes.push(InfoHash(twenty(value, Refusal::InfoHash)?));
            room -= 1;
        }
    }
    Ok(())
}

/// Appends the query of a scrape, without the `?`.
pub fn emit_scrape(hashes: &[InfoHash], out: &mut Vec<u8>) {
    for (index, hash) in hashes.iter().enumerate() {
        pair(
            if index == 0 {
                "info_hash"
            } else {
                "&info_hash"
            },
            &hash.0,
            out,
        );
    }
}

/// The first value of every name we know, still percent-encoded.
#[derive(Default)]
struct Raw<'q> {
    info_hash: Option<&'q [u8]>,
    peer_id: Option<&'q [u8]>,
    port: Option<&'q [u8]>,
    uploaded: Option<&'q [u8]>,
    downloaded: Option<&'q [u8]>,
    left: Option<&'q [u8]>,
    event: Option<&'q [u8]>,
    numwant: Option<&'q [u8]>,
    compact: Option<&'q [u8]>,
    no_peer_id: Option<&'q [u8]>,
    key: Option<&'q [u8]>,
    ip: Option<&'q [u8]>,
}

impl<'q> Raw<'q> {
    fn parse(query: &'q [u8]) -> Result<Raw<'q>, Refusal> {
        let mut raw = Raw::default();
        for (name, value) in Pairs(query) {
            let mut room = [0; 16];
            let slot = match decoded(name, &mut room)? {
                Some(b"info_hash") => &mut raw.info_hash,
                Some(b"peer_id") => &mut raw.peer_id,
                Some(b"port") => &mut raw.port,
                Some(b"uploaded") => &mut raw.uploaded,
                Some(b"downloaded") => &mut raw.downloaded,
                Some(b"left") => &mut raw.left,
                Some(b"event") => &mut raw.event,
                Some(b"numwant") => &mut raw.numwant,
                Some(b"compact") => &mut raw.compact,
                Some(b"no_peer_id") => &mut raw.no_peer_id,
                Some(b"key") => &mut raw.key,
                Some(b"ip") => &mut raw.ip,
                _ => continue,
            };
            slot.get_or_insert(value);
        }
        Ok(raw)
    }
}

/// Names and values, still percent-encoded; names without `=` are left out.
struct Pairs<'q>(&'q [u8]);

impl<'q> Iterator for Pairs<'q> {
    type Item = (&'q [u8], &'q [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.0.is_empty() {
            let len = self
                .0
                .iter()
                .position(|&b| b == b'&')
                .unwrap_or(self.0.len());
            let pair = &self.0[..len];
            self.0 = self.0.get(len + 1..).unwrap_or_default();
            if let Some(at) = pair.iter().position(|&b| b == b'=') {
                return Some((&pair[..at], &pair[at + 1..]));
            }
        }
        None
    }
}

fn twenty(value: &[u8], refusal: Refusal) -> Result<[u8; 20], Refusal> {
    let mut bytes = [0; 20];
    if decode(value, &mut bytes)? == bytes.len() {
        Ok(bytes)
    } else {
        Err(refusal)
    }
}

fn port(value: &[u8]) -> Result<u16, Refusal> {
    let number = digits(value)?.and_then(|n| u16::try_from(n).ok());
    number.filter(|&port| port != 0).ok_or(Refusal::Port)
}

/// Negative amounts are unknown ones, and those past 64 bits the largest there is.
fn amount(value: Option<&[u8]>) -> Result<Option<u64>, Refusal> {
    let Some(value) = value else {
        return Ok(None);
    };
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(value) => (true, value),
        None => (false, value),
    };
    let number = digits(value)?.ok_or(Refusal::Number)?;
    Ok((!negative).then_some(number))
}

fn numwant(value: Option<&[u8]>) -> Result<Option<u32>, Refusal> {
    let number = value.map(digits).transpose()?.flatten();
    Ok(number.map(|n| u32::try_from(n).unwrap_or(u32::MAX)))
}

fn digits(value: &[u8]) -> Result<Option<u64>, Refusal> {
    let mut room = [0; 32];
    Ok(decoded(value, &mut room)?.and_then(decimal::parse))
}

fn event(value: Option<&[u8]>) -> Result<Event, Refusal> {
    let mut room = [0; 16];
    Ok(
        match value
            .map(|value| decoded(value, &mut room))
            .transpose()?
            .flatten()
        {
            Some(b"started") => Event::Started,
            Some(b"completed") => Event::Completed,
            Some(b"stopped") => Event::Stopped,
            Some(b"paused") => Event::Paused,
            _ => Event::None,
        },
    )
}

fn event_name(event: Event) -> Option<&'static [u8]> {
    match event {
        Event::None => None,
        Event::Started => Some(b"started"),
        Event::Completed => Some(b"completed"),
        Event::Stopped => Some(b"stopped"),
        Event::Paused => Some(b"paused"),
    }
}

fn key(value: Option<&[u8]>) -> Result<Option<u32>, Refusal> {
    let Some(value) = value else {
        return Ok(None);
    };
    let mut room = [0; KEY_LEN_MAX];
    Ok(decoded(value, &mut room)?
        .filter(|key| key.len() <= KEY_LEN_MAX)
        .map(|key| {
            let digits = key
                .iter()
                .try_fold(0u32, |n, &b| Some(n << 4 | u32::from(hex(b)?)));
            match digits {
                Some(number) if (1..=8).contains(&key.len()) => number,
                // FNV-1a.
                _ => key.iter().fold(0x811c_9dc5, |n: u32, &b| {
                    (n ^ u32::from(b)).wrapping_mul(0x0100_0193)
                }),
            }
        }))
}

fn ip(value: Option<&[u8]>) -> Result<Option<IpAddr>, Refusal> {
    let mut room = [0; IP_LEN_MAX];
    let text = value
        .map(|value| decoded(value, &mut room))
        .transpose()?
        .flatten();
    Ok(text.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()))
}

fn is(value: Option<&[u8]>, expected: &[u8]) -> Result<bool, Refusal> {
    let mut room = [0; 16];
    let value = value
        .map(|value| decoded(value, &mut room))
        .transpose()?
        .flatten();
    Ok(value == Some(expected))
}

/// The value without its percent-encoding, in `room` if it has any; `None` when that is too
/// small.
fn decoded<'b>(value: &'b [u8], room: &'b mut [u8]) -> Result<Option<&'b [u8]>, Refusal> {
    if !value.contains(&b'%') {
        return Ok(Some(value));
    }
    let len = decode(value, room)?;
    Ok(room.get(..len))
}

/// Decodes into `room` what fits there, and says how long the whole is.
fn decode(value: &[u8], room: &mut [u8]) -> Result<usize, Refusal> {
    let mut rest = value;
    let mut len = 0;
    loop {
        let byte = match *rest {
            [] => return Ok(len),
            [b'%', high, low, ref after @ ..] => {
                rest = after;
                let digits = hex(high).zip(hex(low)).ok_or(Refusal::Escape)?;
                digits.0 << 4 | digits.1
            }
            [b'%', ..] => return Err(Refusal::Escape),
            [byte, ref after @ ..] => {
                rest = after;
                byte
            }
        };
        if let Some(slot) = room.get_mut(len) {
            *slot = byte;
        }
        len += 1;
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn number(name: &str, value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    decimal::emit(value, out);
}

/// Everything but RFC 3986's unreserved characters is percent-encoded.
fn pair(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    for &byte in value {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            let digit = |n: u8| b"0123456789ABCDEF"[usize::from(n & 15)];
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte)]);
        }
    }
}

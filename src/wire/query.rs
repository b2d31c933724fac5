//! Targets and query strings of HTTP announces (BEP 3) and scrapes (BEP 48).
//!
//! Pairs in any order, of which the first of a name wins; unknown names, names without `=` and
//! empty pairs are skipped unread. `+` is a plus, a `;` is part of a value, and any byte may
//! stand as it is. What a client can do without is read with patience, what would be stored is
//! not: a wrong length or a port of 0 is refused with a text for the user.

use std::net::IpAddr;

use super::scan::position;
use super::{decimal, http};
use crate::types::{Event, InfoHash, hex};

/// By what names private trackers take keys, in letters of either case.
const KEYS: [&[u8]; 7] = [
    b"passkey",
    b"authkey",
    b"pk",
    b"pid",
    b"auth",
    b"torrent_pass",
    b"secure",
];

/// The most hashes that one scrape can hold, by the shortest way to write them.
pub const SCRAPE_HASHES_MAX: usize = http::HEAD_LEN_MAX / (b"info_hash=&".len() + InfoHash::LEN);

/// Longer keys identify nobody.
const KEY_LEN_MAX: usize = 64;

/// The longest IP address in text, an IPv4-mapped one.
const IP_LEN_MAX: usize = 45;

/// Splits a target into path and query; the query is `None` without a `?`. Spaces before the
/// `?`, which [`http::Head::parse`] lets pass, belong to neither.
pub fn split(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match position(b'?', target) {
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

/// The first value of this name, as it is; name and value are not decoded.
pub fn first<'q>(query: &'q [u8], name: &[u8]) -> Option<&'q [u8]> {
    let mut pairs = Pairs(query).filter(|(found, _)| *found == name);
    pairs.next().map(|(_, value)| value)
}

/// Whether somebody's key to a private tracker is in a query, by one of the names that such
/// trackers have for it. `key` is none of them: clients send one of their own.
pub fn has_key(query: &[u8]) -> bool {
    let is_key = |name: &[u8]| KEYS.iter().any(|key| name.eq_ignore_ascii_case(key));
    Pairs(query).any(|(name, _)| is_key(name))
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
            // Names are short, values may be long.
            let mut bytes = self.0.iter();
            let len = bytes.position(|&b| matches!(b, b'=' | b'&'))?;
            let (name, rest) = (&self.0[..len], &self.0[len + 1..]);
            if self.0[len] == b'&' {
                self.0 = rest;
                continue;
            }
            let len = position(b'&', rest).unwrap_or(rest.len());
            self.0 = rest.get(len + 1..).unwrap_or_default();
            return Some((name, &rest[..len]));
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
                .try_fold(0u32, |n, &b| Some(n << 4 | u32::from(hex::digit(b)?)));
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
    if position(b'%', value).is_none() {
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
                let digits = hex::digit(high).zip(hex::digit(low));
                let (high, low) = digits.ok_or(Refusal::Escape)?;
                high << 4 | low
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

    /// An announce to which more is added.
    const PLAIN: &str = "info_hash=aaaaaaaaaaaaaaaaaaaa&port=6881";

    fn with(more: &str) -> Result<Announce, Refusal> {
        let parsed = Announce::parse(format!("{PLAIN}&{more}").as_bytes());
        assert_eq!(
            parsed,
            Announce::parse(format!("{more}&{PLAIN}").as_bytes()),
            "order: {more}"
        );
        parsed
    }

    #[test]
    fn the_least_that_is_needed() {
        let announce = Announce::parse(PLAIN.as_bytes()).unwrap();
        let expected = Announce {
            info_hash: InfoHash([b'a'; 20]),
            peer_id: None,
            port: 6881,
            uploaded: 0,
            downloaded: 0,
            left: None,
            event: Event::None,
            numwant: None,
            compact: true,
            no_peer_id: false,
            key: None,
            ip: None,
        };
        assert_eq!(announce, expected);
        assert!(!announce.seeder());
    }

    #[test]
    fn refused() {
        use Refusal::*;
        let hash = "info_hash=aaaaaaaaaaaaaaaaaaaa";
        for (query, refusal) in [
            ("", NoInfoHash),
            ("port=1", NoInfoHash),
            ("info_hash&port=1", NoInfoHash),
            ("Info_Hash=aaaaaaaaaaaaaaaaaaaa&port=1", NoInfoHash),
            ("sha_ih=aaaaaaaaaaaaaaaaaaaa&port=1", NoInfoHash),
            ("info_hash=&port=1", InfoHash),
            ("info_hash=aaaaaaaaaaaaaaaaaaa&port=1", InfoHash),
            ("info_hash=aaaaaaaaaaaaaaaaaaaaa&port=1", InfoHash),
            (
                "info_hash=%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61%61&port=1",
                InfoHash,
            ),
            (
                "info_hash=a&info_hash=aaaaaaaaaaaaaaaaaaaa&port=1",
                InfoHash,
            ),
            ("info_hash=aaaaaaaaaaaaaaaaaa%zz&port=1", Escape),
            ("info_hash=aaaaaaaaaaaaaaaaaaa%6&port=1", Escape),
            ("info_hash=aaaaaaaaaaaaaaaaaaaa%&port=1", Escape),
            (hash, Port),
            (&format!("{hash}&port"), Port),
            (&format!("{hash}&port="), Port),
            (&format!("{hash}&port=0"), Port),
            (&format!("{hash}&port=-1"), Port),
            (&format!("{hash}&port=+1"), Port),
            (&format!("{hash}&port=65536"), Port),
            (&format!("{hash}&port=1x"), Port),
            (&format!("{hash}&port=99999999999999999999"), Port),
            (&format!("{PLAIN}&peer_id=short"), PeerId),
            (&format!("{PLAIN}&peer_id="), PeerId),
            (&format!("{PLAIN}&left="), Number),
            (&format!("{PLAIN}&left=abc"), Number),
            (&format!("{PLAIN}&left=-"), Number),
            (&format!("{PLAIN}&left=1e9"), Number),
            (&format!("{PLAIN}&left=0%00"), Number),
            (&format!("{PLAIN}&uploaded=x"), Number),
            (&format!("{PLAIN}&downloaded="), Number),
            (&format!("{PLAIN}&%zz=1"), Escape),
            (&format!("{PLAIN}&event=%"), Escape),
        ] {
            assert_eq!(Announce::parse(query.as_bytes()), Err(refusal), "{query}");
            assert!(!refusal.reason().is_empty());
        }
    }

    #[test]
    fn left_makes_the_seeder() {
        for (value, left) in [
            ("0", Some(0)),
            ("000", Some(0)),
            ("%30", Some(0)),
            ("1", Some(1)),
            ("4294967296", Some(1 << 32)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", Some(u64::MAX)),
            ("-1", None),
            ("-0", None),
        ] {
            let announce = with(&format!("left={value}")).unwrap();
            assert_eq!(announce.left, left, "{value}");
            assert_eq!(announce.seeder(), left == Some(0), "{value}");
        }
        assert_eq!(with("left").unwrap().left, None);
        assert_eq!(with("left=0&left=5").unwrap().left, Some(0));
    }

    #[test]
    fn numwant_never_refuses() {
        for (value, numwant) in [
            ("0", Some(0)),
            ("50", Some(50)),
            ("99999999999999999999", Some(u32::MAX)),
            ("-1", None),
            ("", None),
            ("many", None),
        ] {
            assert_eq!(
                with(&format!("numwant={value}")).unwrap().numwant,
                numwant,
                "{value}"
            );
        }
    }

    #[test]
    fn events_and_forms() {
        for (value, event) in [
            ("started", Event::Started),
            ("completed", Event::Completed),
            ("stopped", Event::Stopped),
            ("paused", Event::Paused),
            ("st%6Fpped", Event::Stopped),
            ("", Event::None),
            ("empty", Event::None),
            ("Started", Event::None),
            ("startedstartedstartedstarted%20", Event::None),
        ] {
            assert_eq!(
                with(&format!("event={value}")).unwrap().event,
                event,
                "{value}"
            );
        }
        for (value, compact) in [("0", false), ("1", true), ("", true), ("-5", true)] {
            assert_eq!(
                with(&format!("compact={value}")).unwrap().compact,
                compact,
                "{value}"
            );
        }
        assert!(with("no_peer_id=1").unwrap().no_peer_id);
        assert!(!with("no_peer_id=0").unwrap().no_peer_id);
    }

    #[test]
    fn untidy_queries_are_read() {
        let tidy = with("left=5").unwrap();
        for more in [
            "&&left=5&",
            "left=5&foo&=&=x&a=b=c&corrupt=%zz",
            "l%65f%74=5",
            "trackerid=%ff&supportcrypto=1&left=5&a_name_longer_than_any_we_know%20=1",
        ] {
            assert_eq!(with(more), Ok(tidy), "{more}");
        }
        assert_eq!(with("left=5;event=stopped"), Err(Refusal::Number));
    }

    #[test]
    fn pluses_and_raw_bytes_stand_for_themselves() {
        let query = b"port=1&info_hash=+ \xff\x80!'()*;=?/:@,$[]|";
        let announce = Announce::parse(query).unwrap();
        assert_eq!(announce.info_hash.0[..4], *b"+ \xff\x80");
        assert_eq!(announce.info_hash.0[9..12], *b";=?");
    }

    #[test]
    fn keys_are_numbers_or_hashes() {
        for (value, key) in [
            ("955D8F55", Some(0x955d_8f55)),
            ("955d8f55", Some(0x955d_8f55)),
            ("1", Some(1)),
            ("+1", Some(0x18dc_1b01)),
            ("O21E1G1E", Some(0xcf58_0898)),
            ("", Some(0x811c_9dc5)),
            (&"x".repeat(65), None),
            (&"%78".repeat(65), None),
        ] {
            assert_eq!(with(&format!("key={value}")).unwrap().key, key, "{value}");
        }
    }

    #[test]
    fn addresses_or_nothing() {
        for (value, ip) in [
            ("10.0.0.1", Some("10.0.0.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("2001%3Adb8%3a%3a1", Some("2001:db8::1")),
            ("example.org", None),
            ("10.0.0.1:80", None),
            ("", None),
            ("%ff", None),
        ] {
            let ip = ip.map(|ip| ip.parse().unwrap());
            assert_eq!(with(&format!("ip={value}")).unwrap().ip, ip, "{value}");
        }
    }

    #[test]
    fn targets_split_at_the_first_question_mark() {
        assert_eq!(
            split(b"/announce?a?b"),
            (&b"/announce"[..], Some(&b"a?b"[..]))
        );
        assert_eq!(
            split(b"/announce  ?a"),
            (&b"/announce"[..], Some(&b"a"[..]))
        );
        assert_eq!(split(b"/announce?"), (&b"/announce"[..], Some(&b""[..])));
        assert_eq!(split(b"/"), (&b"/"[..], None));
    }

    #[test]
    fn scrapes() {
        let mut hashes = Vec::new();
        let query =
            b"x=1&info_hash=bbbbbbbbbbbbbbbbbbbb&&info%5fhash=%61aaaaaaaaaaaaaaaaaaa&info_hash";
        assert_eq!(parse_scrape(query, &mut hashes), Ok(()));
        assert_eq!(hashes, [InfoHash([b'b'; 20]), InfoHash([b'a'; 20])]);
        hashes.clear();
        assert_eq!(parse_scrape(b"", &mut hashes), Ok(()));
        assert_eq!(hashes, []);
        for bad in [
            &b"info_hash=a"[..],
            b"info_hash=aaaaaaaaaaaaaaaaaaaa&info_hash=",
        ] {
            assert_eq!(parse_scrape(bad, &mut hashes), Err(Refusal::InfoHash));
        }
    }

    #[test]
    fn scrapes_are_bounded() {
        let query = b"info_hash=aaaaaaaaaaaaaaaaaaaa&".repeat(2 * SCRAPE_HASHES_MAX);
        let mut hashes = Vec::new();
        assert_eq!(parse_scrape(&query, &mut hashes), Ok(()));
        assert_eq!(hashes.len(), SCRAPE_HASHES_MAX);
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn announces_round_trip(
            hash: [u8; 20],
            peer_id: Option<[u8; 20]>,
            port in 1u16..,
            amounts: (u64, u64, Option<u64>),
            event in select(vec![
                Event::None, Event::Started, Event::Completed, Event::Stopped, Event::Paused,
            ]),
            numwant: Option<u32>,
            forms: (bool, bool),
            key: Option<u32>,
            ip: Option<IpAddr>,
        ) {
            let announce = Announce {
                info_hash: InfoHash(hash),
                peer_id,
                port,
                uploaded: amounts.0,
                downloaded: amounts.1,
                left: amounts.2,
                event,
                numwant,
                compact: forms.0,
                no_peer_id: forms.1,
                key,
                ip,
            };
            let mut query = Vec::new();
            announce.emit(&mut query);
            prop_assert_eq!(Announce::parse(&query), Ok(announce));
        }

        #[test]
        fn scrapes_round_trip(hashes in proptest::collection::vec(any::<[u8; 20]>(), 0..80)) {
            let hashes: Vec<_> = hashes.into_iter().map(InfoHash).collect();
            let mut query = Vec::new();
            emit_scrape(&hashes, &mut query);
            let mut parsed = Vec::new();
            prop_assert_eq!(parse_scrape(&query, &mut parsed), Ok(()));
            prop_assert_eq!(parsed, hashes);
        }
    }
}

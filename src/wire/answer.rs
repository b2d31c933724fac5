//! The bencoded bodies of HTTP answers: announce (BEP 3, 7, 23, 24), failure (BEP 31), scrape
//! (BEP 48). They go with status 200, failures too: clients do not read the body of another.

use std::io::Write;
use std::net::IpAddr;

use super::bencode::{Dict, List, Value, Writer};
use super::compact;
use crate::types::{Counts, Family, InfoHash, PeerAddr, PeerId, Peers, Scraped, Seconds};

/// The answer to an announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announce<'a> {
    /// Of the whole swarm.
    pub counts: Counts,
    /// The asker's address as we see it (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// How long to wait before the next announce.
    pub interval: Seconds,
    /// How long to wait at least, even when peers are few.
    pub min_interval: Option<Seconds>,
    /// The peers, of both families.
    pub peers: &'a Peers,
    /// To be sent back as `trackerid`.
    pub tracker_id: Option<&'a [u8]>,
    /// A text for the user, beside the answer.
    pub warning: Option<&'a [u8]>,
}

impl<'a> Announce<'a> {
    /// Appends the compact form. `peers` is always there, even if empty; `peers6` when there are
    /// any, and always for an asker of that family.
    pub fn emit_compact(&self, asker: Family, out: &mut Vec<u8>) {
        let mut dict = self.emit_front(out);
        dict.bytes(b"peers", &self.peers.v4);
        if asker == Family::V6 || !self.peers.v6.is_empty() {
            dict.bytes(b"peers6", &self.peers.v6);
        }
        self.emit_back(dict);
    }

    /// Appends the form of `compact=0`: a dictionary for each peer, of both families in one list.
    pub fn emit_dictionaries(&self, out: &mut Vec<u8>) {
        let mut dict = self.emit_front(out);
        // Where there are no ids, none is known.
        let ids = self.peers.ids.iter().chain(std::iter::repeat(&None));
        dict.list(b"peers", self.peers.iter().zip(ids), |dict, (peer, id)| {
            emit_ip(peer.ip(), dict);
            dict.bytes_if(b"peer id", id.as_ref().map(|id| &id[..]));
            dict.int(b"port", peer.port().into());
        });
        self.emit_back(dict);
    }

    /// Reads either form; the peers go into `peers`, which is cleared first. `None` is no answer
    /// to an announce; a failure is one for [`Failure::parse`]. Counts that are missing are 0,
    /// and peers that are named instead of numbered are left out.
    pub fn parse(bytes: &'a [u8], peers: &'a mut Peers) -> Option<Announce<'a>> {
        let dict = body(bytes)?;
        if dict.value(b"failure reason").is_some() {
            return None;
        }
        peers.clear();
        match dict.value(b"peers") {
            Some(Value::Bytes(bytes)) => {
                peers
                    .v4
                    .extend_from_slice(compact::whole(Family::V4, bytes)?);
            }
            Some(Value::List(list)) => parse_dictionaries(list, peers),
            _ => {}
        }
        if let Some(bytes) = dict.value(b"peers6").and_then(Value::bytes) {
            peers
                .v6
                .extend_from_slice(compact::whole(Family::V6, bytes)?);
        }
        Some(Announce {
            // How many of the leechers download is for scrapes to tell (BEP 21).
            counts: Counts {
                paused: 0,
                ..parse_counts(dict)
            },
            external_ip: dict
                .value(b"external ip")
                .and_then(Value::bytes)
                .and_then(parse_ip),
            interval: dict.value(b"interval")?.int()?,
            min_interval: dict.value(b"min interval").and_then(Value::int),
            peers,
            tracker_id: dict.value(b"tracker id").and_then(Value::bytes),
            warning: dict.value(b"warning message").and_then(Value::bytes),
        })
    }

    /// What stands before the peers.
    fn emit_front<'o>(&self, out: &'o mut Vec<u8>) -> Writer<'o> {
        let mut dict = Writer::begin(out);
        dict.int(b"complete", self.counts.seeders.into());
        dict.int(b"downloaded", self.counts.completed.into());
        match self.external_ip {
            Some(IpAddr::V4(ip)) => dict.bytes(b"external ip", &ip.octets()),
            Some(IpAddr::V6(ip)) => dict.bytes(b"external ip", &ip.octets()),
            None => {}
        }
        dict.int(b"incomplete", self.counts.leechers.into());
        dict.int(b"interval", self.interval.into());
        dict.int_if(b"min interval", self.min_interval);
        dict
    }

    fn emit_back(&self, mut dict: Writer<'_>) {
        dict.bytes_if(b"tracker id", self.tracker_id);
        dict.bytes_if(b"warning message", self.warning);
        dict.end();
    }
}

/// When to come back after a failure (BEP 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryIn {
    /// After so many minutes.
    Minutes(u32),
    /// The answer will stay the same.
    Never,
}

/// The answer to a request that is refused. The intervals serve clients that know no `retry in`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    /// A text for the user.
    pub reason: &'a [u8],
    /// How long to wait before the next try.
    pub interval: Option<Seconds>,
    /// How long to wait at least.
    pub min_interval: Option<Seconds>,
    /// When to come back.
    pub retry_in: Option<RetryIn>,
}

impl<'a> Failure<'a> {
    /// A failure of which nothing but the reason is said.
    pub fn new(reason: &'a str) -> Failure<'a> {
        let reason = reason.as_bytes();
        Failure {
            reason,
            interval: None,
            min_interval: None,
            retry_in: None,
        }
    }

    /// Appends the body.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let mut dict = Writer::begin(out);
        dict.bytes(b"failure reason", self.reason);
        dict.int_if(b"interval", self.interval);
        dict.int_if(b"min interval", self.min_interval);
        match self.retry_in {
            Some(RetryIn::Minutes(minutes)) => dict.int(b"retry in", minutes.into()),
            Some(RetryIn::Never) => dict.bytes(b"retry in", b"never"),
            None => {}
        }
        dict.end();
    }

    /// Reads a body; `None` when it is no failure.
    pub fn parse(bytes: &'a [u8]) -> Option<Failure<'a>> {
        let dict = body(bytes)?;
        Some(Failure {
            reason: dict.value(b"failure reason")?.bytes()?,
            interval: dict.value(b"interval").and_then(Value::int),
            min_interval: dict.value(b"min interval").and_then(Value::int),
            retry_in: dict.value(b"retry in").and_then(parse_retry),
        })
    }
}

/// The answer to a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrape<'a> {
    /// The torrents, in any order; unknown and repeated ones are left out of the answer.
    pub files: &'a [Scraped],
    /// How long to wait before the next scrape (unofficial, `flags`).
    pub min_request_interval: Option<Seconds>,
}

impl<'a> Scrape<'a> {
    /// Appends the body.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let mut dict = Writer::begin(out);
        let mut files = dict.dict(b"files");
        if self.files.is_sorted_by(|a, b| a.0 < b.0) {
            emit_files(self.files, &mut files);
        } else {
            let mut sorted = self.files.to_vec();
            sorted.sort_by_key(|file| file.0);
            sorted.dedup_by_key(|file| file.0);
            emit_files(&sorted, &mut files);
        }
        files.end();
        if let Some(interval) = self.min_request_interval {
            let mut flags = dict.dict(b"flags");
            flags.int(b"min_request_interval", interval.into());
            flags.end();
        }
        dict.end();
    }

    /// Reads a body; the torrents go into `files`, which is cleared first. `None` when it is no
    /// answer to a scrape.
    pub fn parse(bytes: &'a [u8], files: &'a mut Vec<Scraped>) -> Option<Scrape<'a>> {
        let dict = body(bytes)?;
        files.clear();
        for (key, value) in dict.value(b"files")?.dict()?.iter() {
            let info_hash = InfoHash(key.try_into().ok()?);
            files.push((info_hash, Some(parse_counts(value.dict()?))));
        }
        let flags = dict.value(b"flags").and_then(Value::dict);
        let interval = flags.and_then(|flags| flags.value(b"min_request_interval"));
        Some(Scrape {
            files,
            min_request_interval: interval.and_then(Value::int),
        })
    }
}

/// Expects ascending info-hashes.
fn emit_files(files: &[Scraped], dict: &mut Writer<'_>) {
    for (info_hash, counts) in files {
        if let Some(counts) = counts {
            let mut file = dict.dict(&info_hash.0);
            file.int(b"complete", counts.seeders.into());
            file.int(b"downloaded", counts.completed.into());
            // BEP 21: who is still downloading.
            let downloaders = counts.leechers.saturating_sub(counts.paused);
            file.int(b"downloaders", downloaders.into());
            file.int(b"incomplete", counts.leechers.into());
            file.end();
        }
    }
}

fn emit_ip(ip: IpAddr, dict: &mut Writer<'_>) {
    let mut text = [0; 48];
    let mut rest = &mut text[..];
    // Can't fail: no address is longer.
    let _ = write!(rest, "{ip}");
    let len = 48 - rest.len();
    dict.bytes(b"ip", &text[..len]);
}

/// A body is one dictionary; some trackers end it with a line end.
fn body(bytes: &[u8]) -> Option<Dict<'_>> {
    let (value, rest) = Value::parse(bytes)?;
    value.dict().filter(|_| rest.trim_ascii().is_empty())
}

fn parse_counts(dict: Dict<'_>) -> Counts {
    let count = |key: &[u8]| dict.value(key).and_then(Value::int).unwrap_or(0);
    let leechers = count(b"incomplete");
    let downloaders = dict.value(b"downloaders").and_then(Value::int);
    Counts {
        seeders: count(b"complete"),
        leechers,
        paused: leechers.saturating_sub(downloaders.unwrap_or(leechers)),
        completed: count(b"downloaded"),
    }
}

fn parse_dictionaries(list: List<'_>, peers: &mut Peers) {
    let mut ids6 = Vec::new();
    for (peer, id) in list.iter().filter_map(Value::dict).filter_map(parse_peer) {
        match peer {
            PeerAddr::V4(bytes) => {
                peers.v4.extend_from_slice(&bytes);
                peers.ids.push(id);
            }
            PeerAddr::V6(bytes) => {
                peers.v6.extend_from_slice(&bytes);
                ids6.push(id);
            }
        }
    }
    peers.ids.append(&mut ids6);
    if peers.ids.iter().all(Option::is_none) {
        peers.ids.clear();
    }
}

fn parse_peer(peer: Dict<'_>) -> Option<(PeerAddr, Option<PeerId>)> {
    let ip = std::str::from_utf8(peer.value(b"ip")?.bytes()?).ok()?;
    let id = peer.value(b"peer id").and_then(Value::bytes);
    let addr = PeerAddr::new(ip.parse().ok()?, peer.value(b"port")?.int()?);
    Some((addr, id.and_then(|id| id.try_into().ok())))
}

fn parse_ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// BEP 31 writes the minutes as a string, its users as a number.
fn parse_retry(value: Value<'_>) -> Option<RetryIn> {
    match value {
        Value::Bytes(b"never") => Some(RetryIn::Never),
        Value::Bytes(digits) => std::str::from_utf8(digits)
            .ok()?
            .parse()
            .ok()
            .map(RetryIn::Minutes),
        number => number.int().map(RetryIn::Minutes),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn who_downloads_is_told_by_scrapes_alone() {
        let body = b"d10:incompletei3e11:downloadersi0e8:intervali18e5:peers0:e";
        let counts = Announce::parse(body, &mut Peers::default()).map(|answer| answer.counts);
        let leechers = Counts {
            leechers: 3,
            ..Counts::default()
        };
        assert_eq!(counts, Some(leechers));
    }

    #[test]
    fn peers6_is_for_those_who_can_use_it() {
        let v4 = Peers {
            v4: vec![1; 6],
            ..Peers::default()
        };
        let v6 = Peers {
            v6: vec![1; 18],
            ..Peers::default()
        };
        for (asker, peers, there) in [
            (Family::V4, &Peers::default(), false),
            (Family::V4, &v4, false),
            (Family::V4, &v6, true),
            (Family::V6, &Peers::default(), true),
            (Family::V6, &v4, true),
        ] {
            let mut out = Vec::new();
            answer(peers).emit_compact(asker, &mut out);
            let dict = body(&out).unwrap();
            assert_eq!(
                dict.value(b"peers").and_then(Value::bytes),
                Some(&peers.v4[..])
            );
            assert_eq!(
                dict.value(b"peers6").is_some(),
                there,
                "{asker:?} {peers:?}"
            );
        }
    }

    #[test]
    fn scrapes_are_sorted_unique_and_known() {
        let counts = |seeders| {
            Some(Counts {
                seeders,
                leechers: 0,
                paused: 0,
                completed: 0,
            })
        };
        let file = |byte, counts| (InfoHash([byte; 20]), counts);
        let asked = [
            file(9, counts(1)),
            file(b'a', None),
            file(0xff, counts(2)),
            file(0, counts(3)),
            file(9, counts(1)),
        ];
        let mut out = Vec::new();
        Scrape {
            files: &asked,
            min_request_interval: None,
        }
        .emit(&mut out);
        let mut files = Vec::new();
        Scrape::parse(&out, &mut files).unwrap();
        assert_eq!(
            files,
            [
                file(0, counts(3)),
                file(9, counts(1)),
                file(0xff, counts(2))
            ]
        );
    }

    #[test]
    fn the_buffer_of_peers_is_cleared_first() {
        let mut peers = Peers {
            v4: vec![1; 6],
            v6: vec![1; 18],
            ids: vec![Some([1; 20]), None],
        };
        Announce::parse(b"d8:intervali1ee", &mut peers).unwrap();
        assert_eq!(peers, Peers::default());
    }

    fn answer(peers: &Peers) -> Announce<'_> {
        Announce {
            counts: Counts::default(),
            external_ip: None,
            interval: 1800,
            min_interval: None,
            peers,
            tracker_id: None,
            warning: None,
        }
    }

    fn counts() -> impl Strategy<Value = Counts> {
        any::<(u32, u32, u32)>().prop_map(|(seeders, leechers, completed)| Counts {
            seeders,
            leechers,
            paused: 0,
            completed,
        })
    }

    /// Counts as in a scrape.
    fn census() -> impl Strategy<Value = Counts> {
        (counts(), any::<u32>()).prop_map(|(counts, paused)| Counts {
            paused: paused.min(counts.leechers),
            ..counts
        })
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn announces_round_trip(
            counts in counts(),
            external_ip: Option<IpAddr>,
            intervals: (u32, Option<u32>),
            v4 in vec(any::<([u8; 4], u16)>(), 0..20),
            v6 in vec(any::<([u8; 16], u16)>(), 0..20),
            ids in vec(any::<Option<[u8; 20]>>(), 40),
            known: bool,
            tracker_id in proptest::option::of(vec(any::<u8>(), 0..20)),
            warning in proptest::option::of("[a-z ]{0,20}"),
        ) {
            let v4 = v4.iter().map(|&(ip, port)| PeerAddr::new(ip.into(), port));
            let v6 = v6.iter().map(|&(ip, port)| PeerAddr::new(ip.into(), port));
            let v6 = v6.filter(|peer| peer.family() == Family::V6);
            let mut peers = Peers {
                v4: v4.flat_map(|peer| peer.bytes().to_vec()).collect(),
                v6: v6.flat_map(|peer| peer.bytes().to_vec()).collect(),
                ids: Vec::new(),
            };
            let anonymous = peers.clone();
            let some = ids[..peers.len()].iter().any(Option::is_some);
            peers.ids.extend(&ids[..if known && some { peers.len() } else { 0 }]);
            let answer = Announce {
                counts,
                external_ip,
                interval: intervals.0,
                min_interval: intervals.1,
                peers: &peers,
                tracker_id: tracker_id.as_deref(),
                warning: warning.as_deref().map(str::as_bytes),
            };
            let (mut v4, mut v6, mut dictionaries) = (Vec::new(), Vec::new(), Vec::new());
            answer.emit_compact(Family::V4, &mut v4);
            answer.emit_compact(Family::V6, &mut v6);
            answer.emit_dictionaries(&mut dictionaries);
            let bare = Announce { peers: &anonymous, ..answer };
            for (body, answer) in [(v4, bare), (v6, bare), (dictionaries, answer)] {
                let mut peers = Peers::default();
                prop_assert_eq!(Announce::parse(&body, &mut peers), Some(answer));
                prop_assert_eq!(Failure::parse(&body), None);
            }
        }

        #[test]
        fn failures_round_trip(
            reason in vec(any::<u8>(), 0..100),
            interval: Option<u32>,
            min_interval: Option<u32>,
            retry_in in prop_oneof![
                Just(None),
                Just(Some(RetryIn::Never)),
                any::<u32>().prop_map(|minutes| Some(RetryIn::Minutes(minutes))),
            ],
        ) {
            let failure = Failure { reason: &reason, interval, min_interval, retry_in };
            let mut body = Vec::new();
            failure.emit(&mut body);
            prop_assert_eq!(Failure::parse(&body), Some(failure));
            prop_assert!(Announce::parse(&body, &mut Peers::default()).is_none());
        }

        #[test]
        fn scrapes_round_trip(
            files in proptest::collection::btree_map(any::<[u8; 20]>(), census(), 0..20),
            min_request_interval: Option<u32>,
        ) {
            let files: Vec<Scraped> =
                files.into_iter().map(|(hash, counts)| (InfoHash(hash), Some(counts))).collect();
            let scrape = Scrape { files: &files, min_request_interval };
            let mut body = Vec::new();
            scrape.emit(&mut body);
            let mut files = Vec::new();
            prop_assert_eq!(Scrape::parse(&body, &mut files), Some(scrape));
        }
    }
}

//! The golden packets under `tests/wire`, both ways: the bytes mean what the file says, and what
//! the file says makes the bytes.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use trackerd::types::{Counts, Event, Family, InfoHash, PeerAddr, Peers};
use trackerd::wire::answer::{self, Failure, RetryIn};
use trackerd::wire::http::{self, Head, Response, Status, Version};
use trackerd::wire::{bus, livesync, query, udp};

use packet::{Packet, packets};
use wire::from_hex;

#[path = "wire/packet.rs"]
mod packet;
mod wire;

/// Checks all packets of one kind, and that there are as many as expected at least.
fn check(kind: &str, at_least: usize, each: impl Fn(&mut Packet)) {
    let packets: Vec<_> = packets().filter(|p| p.kind == kind).collect();
    assert!(packets.len() >= at_least, "{} of {kind}", packets.len());
    for mut packet in packets {
        each(&mut packet);
        packet.finish();
    }
}

#[test]
fn every_kind_is_checked() {
    let kinds = [
        "udp request",
        "udp options",
        "udp reply",
        "http head",
        "http announce",
        "http scrape",
        "response",
        "announce answer",
        "failure",
        "scrape answer",
        "livesync packet",
        "bus frame",
    ];
    for packet in packets() {
        assert!(kinds.contains(&packet.kind.as_str()), "{}", packet.at);
    }
}

#[test]
fn all_captured_requests_are_there() {
    let captured = packets()
        .filter(|p| p.at.starts_with("clients.txt"))
        .count();
    assert_eq!(captured, 44);
}

#[test]
fn udp_requests() {
    check("udp request", 36, |packet| {
        let one_way = packet.maybe("one_way").is_some();
        let bytes = packet.bytes.clone();
        let parsed = udp::Request::parse(&bytes);
        let message = packet.text("message");
        if message == "malformed" {
            assert_eq!(parsed, None, "{}", packet.at);
            return;
        }
        let transaction = packet.hex("transaction") as u32;
        let hashes = info_hashes(packet);
        let options = packet.bytes_of("options");
        let url_data = packet.maybe("url_data").unwrap_or_default();
        let expected = match message.as_str() {
            "connect" => udp::Request::Connect { transaction },
            "scrape" => udp::Request::Scrape(udp::Scrape {
                connection: packet.hex("connection"),
                transaction,
                hashes: &hashes,
            }),
            "announce" => udp::Request::Announce(announce(packet, transaction, &options)),
            other => panic!("{}: {other}", packet.at),
        };
        assert_eq!(parsed, Some(expected), "{}", packet.at);
        if let udp::Request::Announce(announce) = expected {
            assert_eq!(*announce.url_data(), *url_data.as_bytes(), "{}", packet.at);
        }
        let mut emitted = Vec::new();
        expected.emit(&mut emitted);
        assert_eq!(emitted == bytes, !one_way, "{}", packet.at);
    });
}

fn announce<'a>(packet: &mut Packet, transaction: u32, options: &'a [u8]) -> udp::Announce<'a> {
    udp::Announce {
        connection: packet.hex("connection"),
        transaction,
        info_hash: InfoHash(packet.bytes_of("info_hash").try_into().unwrap()),
        peer_id: packet.bytes_of("peer_id").try_into().unwrap(),
        downloaded: packet.number("downloaded"),
        left: packet.number("left"),
        uploaded: packet.number("uploaded"),
        event: event(&packet.text("event")),
        ip: packet.number::<Ipv4Addr>("ip").octets(),
        key: packet.hex("key") as u32,
        numwant: packet.maybe_number("numwant"),
        port: packet.number("port"),
        options,
    }
}

#[test]
fn udp_options() {
    check("udp options", 7, |packet| {
        let mut bytes = vec![0; 98];
        bytes[11] = 1;
        bytes.extend(&packet.bytes);
        let Some(udp::Request::Announce(announce)) = udp::Request::parse(&bytes) else {
            panic!("{}: no announce", packet.at);
        };
        let expected = packet.maybe("url_data").unwrap_or_default();
        assert_eq!(
            announce.url_data(),
            expected.as_bytes().to_vec(),
            "{}",
            packet.at
        );
    });
}

#[test]
fn udp_replies() {
    check("udp reply", 8, |packet| {
        let bytes = packet.bytes.clone();
        let parsed = udp::Reply::parse(&bytes);
        let message = packet.text("message");
        if message == "malformed" {
            assert_eq!(parsed, None, "{}", packet.at);
            return;
        }
        let transaction = packet.hex("transaction") as u32;
        let mut emitted = Vec::new();
        if message == "scrape" {
            let counts = packet.maybe("counts").unwrap_or_default();
            let counts: Vec<_> = counts.split_whitespace().map(counts_of).collect();
            udp::emit_scrape(transaction, counts.iter().copied(), &mut emitted);
            let Some(udp::Reply::Scrape { counts: parsed, .. }) = parsed else {
                panic!("{}: {parsed:?}", packet.at);
            };
            assert!(parsed.iter().eq(counts), "{}", packet.at);
            assert_eq!(emitted, bytes, "{}", packet.at);
            return;
        }
        let peers = packet.bytes_of("peers");
        let error = packet.maybe("error").unwrap_or_default();
        let expected = match message.as_str() {
            "connect" => udp::Reply::Connect {
                transaction,
                connection: packet.hex("connection"),
            },
            "announce" => udp::Reply::Announce {
                transaction,
                interval: packet.number("interval"),
                leechers: packet.number("leechers"),
                seeders: packet.number("seeders"),
                peers: &peers,
            },
            "error" => udp::Reply::Error {
                transaction,
                message: error.as_bytes(),
            },
            other => panic!("{}: {other}", packet.at),
        };
        assert_eq!(parsed, Some(expected), "{}", packet.at);
        expected.emit(&mut emitted);
        assert_eq!(emitted, bytes, "{}", packet.at);
    });
}

#[test]
fn http_heads() {
    check("http head", 70, |packet| {
        let bytes = packet.bytes.clone();
        let parsed = Head::parse(&bytes, 0);
        let outcome = packet.text("outcome");
        match outcome.as_str() {
            "more" => assert_eq!(parsed, Ok(None), "{}", packet.at),
            "head" => {
                let Ok(Some((head, consumed))) = parsed else {
                    panic!("{}: {parsed:?}", packet.at);
                };
                let whole = packet.maybe_number("consumed").unwrap_or(bytes.len());
                assert_eq!(consumed, whole, "{}", packet.at);
                check_head(packet, &head);
            }
            code => {
                let status = Status(code.parse().unwrap());
                assert_eq!(parsed, Err(status), "{}", packet.at);
                assert_ne!(status.reason(), "", "{}", packet.at);
            }
        }
    });
}

fn check_head(packet: &mut Packet, head: &Head<'_>) {
    let (path, query) = query::split(head.target);
    match packet.maybe_number("path_len") {
        Some(len) => assert_eq!(path.len(), len, "{}", packet.at),
        None => assert_eq!(path, packet.text("path").as_bytes(), "{}", packet.at),
    }
    let expected = match packet.maybe("query_hex") {
        Some(hex) => Some(from_hex(&hex)),
        None => packet.maybe("query").map(String::into_bytes),
    };
    assert_eq!(query, expected.as_deref(), "{}", packet.at);
    check_connection(packet, head);
}

fn check_connection(packet: &mut Packet, head: &Head<'_>) {
    assert_eq!(
        head.version,
        version(&packet.text("version")),
        "{}",
        packet.at
    );
    assert_eq!(head.keep_alive, packet.flag("keep_alive"), "{}", packet.at);
}

/// Reads a captured request, and puts it together again from what was read.
fn with_query(packet: &mut Packet, each: impl Fn(&mut Packet, &[u8])) {
    let bytes = packet.bytes.clone();
    let Ok(Some((head, consumed))) = Head::parse(&bytes, 0) else {
        panic!("{}: no head", packet.at);
    };
    assert_eq!(consumed, bytes.len(), "{}", packet.at);
    check_connection(packet, &head);
    let (path, query) = query::split(head.target);
    assert_eq!(path, packet.text("path").as_bytes(), "{}", packet.at);
    let headers: Vec<_> = head.headers.iter().collect();
    let headers: Vec<_> = headers
        .iter()
        .map(|(n, v)| (str::from_utf8(n).unwrap(), *v))
        .collect();
    let mut emitted = Vec::new();
    http::emit_request(head.target, head.version, &headers, &mut emitted);
    assert_eq!(emitted, bytes, "{}", packet.at);
    each(packet, query.unwrap());
}

#[test]
fn http_announces() {
    check("http announce", 19, |packet| {
        with_query(packet, |packet, query| {
            let expected = query::Announce {
                info_hash: InfoHash(packet.bytes_of("info_hash").try_into().unwrap()),
                peer_id: Some(packet.bytes_of("peer_id").try_into().unwrap()),
                port: packet.number("port"),
                uploaded: packet.number("uploaded"),
                downloaded: packet.number("downloaded"),
                left: packet.maybe_number("left"),
                event: event(&packet.text("event")),
                numwant: packet.maybe_number("numwant"),
                compact: packet.flag("compact"),
                no_peer_id: packet.flag("no_peer_id"),
                key: Some(packet.hex("key") as u32),
                ip: packet.maybe_number::<IpAddr>("ip"),
            };
            assert_eq!(query::Announce::parse(query), Ok(expected), "{}", packet.at);
            let mut emitted = Vec::new();
            expected.emit(&mut emitted);
            assert_eq!(
                query::Announce::parse(&emitted),
                Ok(expected),
                "{}",
                packet.at
            );
        });
    });
}

#[test]
fn http_scrapes() {
    check("http scrape", 2, |packet| {
        with_query(packet, |packet, query| {
            let expected: Vec<_> = info_hashes(packet).into_iter().map(InfoHash).collect();
            let mut hashes = Vec::new();
            assert_eq!(query::parse_scrape(query, &mut hashes), Ok(()));
            assert_eq!(hashes, expected, "{}", packet.at);
            let mut emitted = Vec::new();
            query::emit_scrape(&hashes, &mut emitted);
            hashes.clear();
            assert_eq!(query::parse_scrape(&emitted, &mut hashes), Ok(()));
            assert_eq!(hashes, expected, "{}", packet.at);
        });
    });
}

#[test]
fn responses() {
    check("response", 9, |packet| {
        let bytes = packet.bytes.clone();
        let parsed = Response::parse(&bytes, 0);
        if packet.maybe("malformed").is_some() {
            assert_eq!(parsed, Err(http::Malformed), "{}", packet.at);
            return;
        }
        let one_way = packet.maybe("one_way").is_some();
        let content_type = packet.maybe("content_type").unwrap_or_default();
        let encoding = packet.maybe("encoding").unwrap_or_default();
        let location = packet.maybe("location");
        let expected = Response {
            status: Status(packet.number("status")),
            version: Version::V11,
            keep_alive: packet.flag("keep_alive"),
            content_type: content_type.as_bytes(),
            content_length: packet.maybe_number("content_length"),
            chunked: false,
            encoding: encoding.as_bytes(),
            location: location.as_deref().map(str::as_bytes),
        };
        assert_eq!(parsed, Ok(Some((expected, bytes.len()))), "{}", packet.at);
        let to = packet
            .maybe("to_version")
            .map_or(Version::V11, |text| version(&text));
        let mut emitted = Vec::new();
        Response {
            version: to,
            ..expected
        }
        .emit(&mut emitted);
        assert_eq!(emitted == bytes, !one_way, "{}", packet.at);
    });
}

#[test]
fn announce_answers() {
    check("announce answer", 17, |packet| {
        let bytes = packet.bytes.clone();
        let mut room = Peers::default();
        let parsed = answer::Announce::parse(&bytes, &mut room);
        if packet.maybe("malformed").is_some() {
            assert_eq!(parsed, None, "{}", packet.at);
            return;
        }
        let one_way = packet.maybe("one_way").is_some();
        let mut peers = Peers::default();
        for text in packet.maybe("peers").unwrap_or_default().split_whitespace() {
            match PeerAddr::from(text.parse::<SocketAddr>().unwrap()) {
                PeerAddr::V4(bytes) => peers.v4.extend(bytes),
                PeerAddr::V6(bytes) => peers.v6.extend(bytes),
            }
        }
        let ids = packet.maybe("ids").unwrap_or_default();
        let id = |text: &str| (text != "-").then(|| from_hex(text).try_into().unwrap());
        peers.ids.extend(ids.split_whitespace().map(id));
        let tracker_id = packet.maybe("tracker_id").map(|hex| from_hex(&hex));
        let warning = packet.maybe("warning");
        let expected = answer::Announce {
            counts: Counts {
                seeders: packet.number("complete"),
                leechers: packet.number("incomplete"),
                paused: 0,
                completed: packet.number("downloaded"),
            },
            external_ip: packet.maybe_number("external_ip"),
            interval: packet.number("interval"),
            min_interval: packet.maybe_number("min_interval"),
            peers: &peers,
            tracker_id: tracker_id.as_deref(),
            warning: warning.as_deref().map(str::as_bytes),
        };
        assert_eq!(parsed, Some(expected), "{}", packet.at);
        let mut emitted = Vec::new();
        match packet.maybe("asker").as_deref() {
            Some("v4") => expected.emit_compact(Family::V4, &mut emitted),
            Some("v6") => expected.emit_compact(Family::V6, &mut emitted),
            _ => {
                assert!(!packet.flag("compact"));
                expected.emit_dictionaries(&mut emitted);
            }
        }
        assert_eq!(emitted == bytes, !one_way, "{}", packet.at);
    });
}

#[test]
fn failures() {
    check("failure", 5, |packet| {
        let bytes = packet.bytes.clone();
        let parsed = Failure::parse(&bytes);
        if packet.maybe("malformed").is_some() {
            assert_eq!(parsed, None, "{}", packet.at);
            return;
        }
        let one_way = packet.maybe("one_way").is_some();
        let reason = packet.text("reason");
        let expected = Failure {
            interval: packet.maybe_number("interval"),
            min_interval: packet.maybe_number("min_interval"),
            retry_in: packet.maybe("retry_in").map(|text| match text.as_str() {
                "never" => RetryIn::Never,
                minutes => RetryIn::Minutes(minutes.parse().unwrap()),
            }),
            ..Failure::new(&reason)
        };
        assert_eq!(parsed, Some(expected), "{}", packet.at);
        let mut emitted = Vec::new();
        expected.emit(&mut emitted);
        assert_eq!(emitted == bytes, !one_way, "{}", packet.at);
    });
}

#[test]
fn scrape_answers() {
    check("scrape answer", 5, |packet| {
        let bytes = packet.bytes.clone();
        let mut room = Vec::new();
        let parsed = answer::Scrape::parse(&bytes, &mut room);
        if packet.maybe("malformed").is_some() {
            assert_eq!(parsed, None, "{}", packet.at);
            return;
        }
        let one_way = packet.maybe("one_way").is_some();
        let files = packet.maybe("file").unwrap_or_default();
        let files = files.split_whitespace().map(|file| {
            let (info_hash, counts) = file.split_once(':').unwrap();
            let info_hash = InfoHash(from_hex(info_hash).try_into().unwrap());
            (info_hash, Some(counts_of(counts)))
        });
        let expected = answer::Scrape {
            files: &files.collect::<Vec<_>>(),
            min_request_interval: packet.maybe_number("min_request_interval"),
        };
        assert_eq!(parsed, Some(expected), "{}", packet.at);
        let mut emitted = Vec::new();
        expected.emit(&mut emitted);
        assert_eq!(emitted == bytes, !one_way, "{}", packet.at);
    });
}

#[test]
fn livesync_packets() {
    check("livesync packet", 12, |packet| {
        let bytes = packet.bytes.clone();
        let parsed = livesync::Packet::parse(&bytes);
        if packet.maybe("malformed").is_some() {
            assert_eq!(parsed, None, "{}", packet.at);
            return;
        }
        let one_way = packet.maybe("one_way").is_some();
        let parsed = parsed.unwrap_or_else(|| panic!("{}: malformed", packet.at));
        let family = match packet.text("family").as_str() {
            "ipv4" => Family::V4,
            "ipv6" => Family::V6,
            other => panic!("{}: {other}", packet.at),
        };
        let tracker_id = packet.bytes_of("tracker_id").try_into().unwrap();
        assert_eq!((parsed.tracker_id, parsed.family), (tracker_id, family));
        let times = packet.maybe_number("times").unwrap_or(1);
        let records: Vec<_> = packet.text("records").split(", ").map(record).collect();
        let records = records.repeat(times);
        assert!(
            parsed.records().eq(records.iter().copied()),
            "{}",
            packet.at
        );
        let mut emitted = Vec::new();
        livesync::emit_header(tracker_id, family, &mut emitted);
        let records = records.iter().flatten();
        records.for_each(|record| record.emit(&mut emitted));
        assert_eq!(emitted == bytes, !one_way, "{}", packet.at);
    });
}

#[test]
fn bus_frames() {
    check("bus frame", 13, |packet| {
        let bytes = packet.bytes.clone();
        let parsed = bus::Frame::parse(&bytes, crc32fast::hash);
        if packet.maybe("malformed").is_some() {
            assert_eq!(parsed, None, "{}", packet.at);
            return;
        }
        let parsed = parsed.unwrap_or_else(|| panic!("{}: malformed", packet.at));
        let mut number = |key: &str| packet.text(key).parse().unwrap();
        let head = bus::Head {
            node: number("node"),
            sequence: number("sequence"),
            millis: number("millis"),
        };
        let key = packet.maybe("key");
        assert_eq!(parsed.head, head, "{}", packet.at);
        let records = packet.maybe("records").unwrap_or_default();
        let records = records.split(", ").filter(|record| !record.is_empty());
        let records: Vec<_> = records.map(bus_record).collect();
        assert!(parsed.records().eq(records.clone()), "{}", packet.at);
        assert_eq!(parsed.len, records.len(), "{}", packet.at);
        let mut emitted = Vec::new();
        bus::begin(&head, key.is_some(), &mut emitted);
        records.iter().for_each(|record| record.emit(&mut emitted));
        bus::close(records.len(), crc32fast::hash, &mut emitted);
        if let Some(key) = key {
            let tag = tag(key.as_bytes(), &emitted);
            assert_eq!(parsed.signature, Some((&emitted[..], &tag)));
            emitted.extend(tag);
        }
        assert_eq!(emitted, bytes, "{}", packet.at);
    });
}

#[cfg(feature = "bus")]
fn tag(key: &[u8], bytes: &[u8]) -> [u8; bus::TAG_LEN] {
    trackerd::bus::Signer::new(key).unwrap().sign(bytes)
}

/// As recorded: this build can't sign.
#[cfg(not(feature = "bus"))]
fn tag(_: &[u8], bytes: &[u8]) -> [u8; bus::TAG_LEN] {
    let packets: Vec<_> = packets().collect();
    let signed = packets.iter().find(|packet| {
        packet.bytes.len() == bytes.len() + bus::TAG_LEN && packet.bytes.starts_with(bytes)
    });
    *signed.unwrap().bytes.last_chunk().unwrap()
}

/// Info-hash, peer, event, and perhaps `seeder`.
fn bus_record(text: &str) -> bus::Record {
    let mut words = text.split(' ');
    let info_hash = from_hex(words.next().unwrap());
    let peer: SocketAddr = words.next().unwrap().parse().unwrap();
    bus::Record {
        info_hash: InfoHash(info_hash.try_into().unwrap()),
        peer: peer.into(),
        event: event(words.next().unwrap()),
        seeder: words.next() == Some("seeder"),
    }
}

/// `malformed`, or info-hash, peer and flags.
fn record(text: &str) -> Option<livesync::Record> {
    let mut words = text.split(' ');
    let info_hash = words.next().filter(|word| *word != "malformed")?;
    let peer: SocketAddr = words.next().unwrap().parse().unwrap();
    let flags: Vec<_> = words.collect();
    let known = ["seeder", "completed", "stopped", "synced"];
    assert!(flags.iter().all(|flag| known.contains(flag)), "{text}");
    let [seeder, completed, stopped, synced] = known.map(|flag| flags.contains(&flag));
    Some(livesync::Record {
        info_hash: InfoHash(from_hex(info_hash).try_into().unwrap()),
        peer: peer.into(),
        seeder,
        completed,
        stopped,
        synced,
    })
}

/// `seeders/leechers/completed`, and `/paused` if there are any.
fn counts_of(text: &str) -> Counts {
    let numbers: Vec<u32> = text.split('/').map(|n| n.parse().unwrap()).collect();
    let (&[seeders, leechers, completed], paused) = numbers.split_first_chunk().unwrap();
    Counts {
        seeders,
        leechers,
        paused: paused.first().copied().unwrap_or(0),
        completed,
    }
}

fn info_hashes(packet: &mut Packet) -> Vec<[u8; 20]> {
    let text = packet.maybe("info_hashes").unwrap_or_default();
    text.split_whitespace()
        .map(|hash| from_hex(hash).try_into().unwrap())
        .collect()
}

fn event(text: &str) -> Event {
    match text {
        "none" => Event::None,
        "started" => Event::Started,
        "completed" => Event::Completed,
        "stopped" => Event::Stopped,
        "paused" => Event::Paused,
        other => panic!("no event: {other}"),
    }
}

fn version(text: &str) -> Version {
    match text {
        "1.0" => Version::V10,
        "1.1" => Version::V11,
        other => panic!("no version: {other}"),
    }
}

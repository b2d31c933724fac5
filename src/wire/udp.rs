//! The UDP tracker protocol (BEP 15) and its announce options (BEP 41); all numbers big endian.
//!
//! Lengths are minimums, because clients append bytes of their own.

use std::borrow::Cow;

use crate::types::{Counts, Event, Family, InfoHash, Seconds};

/// What every connect request begins with, in the place of a connection id.
pub const MAGIC: u64 = 0x0417_2710_1980;

/// The most hashes of one scrape that are answered: BEP 15's own figure, and with it the
/// request fits 1500 bytes.
pub const HASHES_MAX: usize = 74;

/// The longest reply to an IPv4 client: what passes 1500 bytes less the usual tunnels.
const REPLY_LEN_MAX: usize = 1452;

/// The longest reply to an IPv6 client: what any IPv6 path carries unfragmented, 1280 bytes
/// less 40 of IP and 8 of UDP.
const REPLY6_LEN_MAX: usize = 1232;

const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;

/// Length of the header of a request: connection id, action, transaction.
const HEADER_LEN: usize = 16;
/// Length of an announce without options.
const ANNOUNCE_LEN: usize = 98;
/// Length of an announce reply before its peers.
const PEERS_AT: usize = 20;

const _: () = assert!(8 + 12 * HASHES_MAX <= REPLY6_LEN_MAX);

/// The most peers that fit a reply to a client of this family.
pub const fn peers_max(family: Family) -> usize {
    let len_max = match family {
        Family::V4 => REPLY_LEN_MAX,
        Family::V6 => REPLY6_LEN_MAX,
    };
    (len_max - PEERS_AT) / family.peer_len()
}

/// A datagram from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Asks for a connection id.
    Connect {
        /// To be repeated in the reply.
        transaction: u32,
    },
    /// Joins, stays in or leaves a swarm.
    Announce(Announce<'a>),
    /// Asks for the counts of torrents.
    Scrape(Scrape<'a>),
}

/// An announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announce<'a> {
    /// The connection id, not checked here.
    pub connection: u64,
    /// To be repeated in the reply.
    pub transaction: u32,
    /// The torrent.
    pub info_hash: InfoHash,
    /// Opaque; says which client software it is, but identifies nobody.
    pub peer_id: [u8; 20],
    /// Bytes downloaded since `started`.
    pub downloaded: u64,
    /// Bytes still to download; 0 makes a seeder.
    pub left: u64,
    /// Bytes uploaded since `started`.
    pub uploaded: u64,
    /// What happened; unknown events are none.
    pub event: Event,
    /// The address to register instead of the sender's; 0.0.0.0 for the sender's.
    pub ip: [u8; 4],
    /// Opaque; proves identity when the address changes.
    pub key: u32,
    /// How many peers are wanted, at most `i32::MAX`; `None` when not said (negative).
    pub numwant: Option<u32>,
    /// Where the peer listens; 0 is as sent, and for the caller to refuse.
    pub port: u16,
    /// What follows the 98 bytes, unread (BEP 41).
    pub options: &'a [u8],
}

/// A scrape of at most [`HASHES_MAX`] torrents, perhaps none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrape<'a> {
    /// The connection id, not checked here.
    pub connection: u64,
    /// To be repeated in the reply.
    pub transaction: u32,
    /// The torrents, in the order of the answer.
    pub hashes: &'a [[u8; InfoHash::LEN]],
}

impl<'a> Request<'a> {
    /// Reads a datagram. `None` is malformed: too short, an unknown action, a connect without
    /// the magic. Nobody can be told, for the sender is unproven.
    // On the road it costs less in its place than called, and it has a caller beside the road.
    #[inline(always)]
    pub fn parse(bytes: &'a [u8]) -> Option<Request<'a>> {
        let mut fields = Fields(bytes);
        let connection = fields.u64()?;
        let action = fields.u32()?;
        let transaction = fields.u32()?;
        match action {
            CONNECT if connection == MAGIC => Some(Request::Connect { transaction }),
            ANNOUNCE => Announce::parse(connection, transaction, fields).map(Request::Announce),
            SCRAPE => {
                let (hashes, _) = fields.0.as_chunks();
                let hashes = hashes.get(..HASHES_MAX).unwrap_or(hashes);
                Some(Request::Scrape(Scrape {
                    connection,
                    transaction,
                    hashes,
                }))
            }
            _ => None,
        }
    }

    /// Appends the datagram.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Request::Connect { transaction } => header(MAGIC, CONNECT, *transaction, out),
            Request::Announce(announce) => announce.emit(out),
            Request::Scrape(scrape) => {
                header(scrape.connection, SCRAPE, scrape.transaction, out);
                out.extend_from_slice(scrape.hashes.as_flattened());
            }
        }
    }
}

impl<'a> Announce<'a> {
    /// Whether nothing is left to download.
    pub fn seeder(&self) -> bool {
        self.left == 0
    }

    /// Path and query of the tracker's URL, as the client's options give them in pieces
    /// (BEP 41); empty when they give none. Reading stops at the first option that is cut off,
    /// and what came before counts.
    pub fn url_data(&self) -> Cow<'a, [u8]> {
        let mut pieces = Options(self.options).filter(|(kind, _)| *kind == URL_DATA);
        let mut url = Cow::Borrowed(pieces.next().map_or(&[][..], |(_, data)| data));
        for (_, data) in pieces {
            url.to_mut().extend_from_slice(data);
        }
        url
    }

    fn parse(connection: u64, transaction: u32, mut fields: Fields<'a>) -> Option<Announce<'a>> {
        Some(Announce {
            connection,
            transaction,
            info_hash: InfoHash(fields.array()?),
            peer_id: fields.array()?,
            downloaded: fields.u64()?,
            left: fields.u64()?,
            uploaded: fields.u64()?,
            event: event(fields.u32()?),
            ip: fields.array()?,
            key: fields.u32()?,
            numwant: Some(fields.u32()?).filter(|&n| n <= NUMWANT_MAX),
            port: u16::from_be_bytes(fields.array()?),
            options: fields.0,
        })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.reserve(ANNOUNCE_LEN + self.options.len());
        header(self.connection, ANNOUNCE, self.transaction, out);
        out.extend_from_slice(&self.info_hash.0);
        out.extend_from_slice(&self.peer_id);
        out.extend_from_slice(&self.downloaded.to_be_bytes());
        out.extend_from_slice(&self.left.to_be_bytes());
        out.extend_from_slice(&self.uploaded.to_be_bytes());
        out.extend_from_slice(&event_number(self.event).to_be_bytes());
        out.extend_from_slice(&self.ip);
        out.extend_from_slice(&self.key.to_be_bytes());
        let numwant = self.numwant.map_or(u32::MAX, |n| n.min(NUMWANT_MAX));
        out.extend_from_slice(&numwant.to_be_bytes());
        out.extend_from_slice(&self.port.to_be_bytes());
        out.extend_from_slice(self.options);
    }
}

impl<'a> Scrape<'a> {
    /// The torrents, in the order of the answer.
    pub fn hashes(&self) -> impl ExactSizeIterator<Item = InfoHash> + 'a {
        self.hashes.iter().copied().map(InfoHash)
    }
}

/// A datagram from a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Grants a connection id. Always 16 bytes: some clients insist.
    Connect {
        /// As in the request.
        transaction: u32,
        /// To be sent with every other request; never 0, which some clients take for an error.
        connection: u64,
    },
    /// Answers an announce.
    Announce {
        /// As in the request.
        transaction: u32,
        /// How long to wait before the next announce.
        interval: Seconds,
        /// Peers still downloading.
        leechers: u32,
        /// Peers with nothing left to download.
        seeders: u32,
        /// Compact peers of the asker's family.
        peers: &'a [u8],
    },
    /// Answers a scrape.
    Scrape {
        /// As in the request.
        transaction: u32,
        /// In the order of the request.
        counts: ScrapeCounts<'a>,
    },
    /// Refuses whatever was asked.
    Error {
        /// As in the request.
        transaction: u32,
        /// A text for people.
        message: &'a [u8],
    },
}

impl<'a> Reply<'a> {
    /// Reads a datagram; `None` when it is too short or of an unknown kind. A count that is cut
    /// off is left out.
    pub fn parse(bytes: &'a [u8]) -> Option<Reply<'a>> {
        let mut fields = Fields(bytes);
        let action = fields.u32()?;
        let transaction = fields.u32()?;
        match action {
            CONNECT => Some(Reply::Connect {
                transaction,
                connection: fields.u64()?,
            }),
            ANNOUNCE => Some(Reply::Announce {
                transaction,
                interval: fields.u32()?,
                leechers: fields.u32()?,
                seeders: fields.u32()?,
                peers: fields.0,
            }),
            SCRAPE => {
                let counts = ScrapeCounts(fields.0.as_chunks().0);
                Some(Reply::Scrape {
                    transaction,
                    counts,
                })
            }
            ERROR => Some(Reply::Error {
                transaction,
                message: fields.0,
            }),
            _ => None,
        }
    }

    /// Appends the datagram. For a scrape that is being answered there is [`emit_scrape`].
    pub fn emit(&self, out: &mut Vec<u8>) {
        match *self {
            Reply::Connect {
                transaction,
                connection,
            } => {
                reply_header(CONNECT, transaction, out);
                out.extend_from_slice(&connection.to_be_bytes());
            }
            Reply::Announce {
                transaction,
                interval,
                leechers,
                seeders,
                peers,
            } => {
                out.reserve(PEERS_AT + peers.len());
                reply_header(ANNOUNCE, transaction, out);
                for number in [interval, leechers, seeders] {
                    out.extend_from_slice(&number.to_be_bytes());
                }
                out.extend_from_slice(peers);
            }
            Reply::Scrape {
                transaction,
                counts,
            } => emit_scrape(transaction, counts.iter(), out),
            Reply::Error {
                transaction,
                message,
            } => {
                reply_header(ERROR, transaction, out);
                out.extend_from_slice(message);
            }
        }
    }
}

/// Appends the reply to a scrape: one [`Counts`] per hash asked for, in the order of the
/// request; torrents that are not known are all zeros.
pub fn emit_scrape(transaction: u32, counts: impl Iterator<Item = Counts>, out: &mut Vec<u8>) {
    reply_header(SCRAPE, transaction, out);
    for counts in counts {
        for number in [counts.seeders, counts.completed, counts.leechers] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// The counts of a scrape's reply, 12 bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrapeCounts<'a>(&'a [[u8; 12]]);

impl<'a> ScrapeCounts<'a> {
    /// The counts in the order of the request.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Counts> + 'a {
        self.0
            .iter()
            .map(|&[a, b, c, d, e, f, g, h, i, j, k, l]| Counts {
                seeders: u32::from_be_bytes([a, b, c, d]),
                completed: u32::from_be_bytes([e, f, g, h]),
                leechers: u32::from_be_bytes([i, j, k, l]),
                paused: 0,
            })
    }
}

/// Larger ones are negative: the field is signed, and -1 says "as many as you like".
const NUMWANT_MAX: u32 = i32::MAX as u32;

/// Options of BEP 41: type, and except for the first two, length and data.
const END_OF_OPTIONS: u8 = 0;
const NOP: u8 = 1;
const URL_DATA: u8 = 2;

/// The options of an announce that tell this path and query of the tracker's URL (BEP 41); none
/// where there is no path.
pub fn url_data(path: &[u8]) -> Vec<u8> {
    let mut options = Vec::new();
    for piece in path.chunks(u8::MAX.into()) {
        options.extend_from_slice(&[URL_DATA, piece.len() as u8]);
        options.extend_from_slice(piece);
    }
    options
}

/// The options of an announce that have data; ends at the first that is cut off.
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match *self.0 {
                [] | [END_OF_OPTIONS, ..] => return None,
                [NOP, ref rest @ ..] => self.0 = rest,
                [kind, len, ref rest @ ..] => {
                    let (data, rest) = rest.split_at_checked(len.into())?;
                    self.0 = rest;
                    return Some((kind, data));
                }
                [_] => return None,
            }
        }
    }
}

/// A datagram being read from the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}

fn header(connection: u64, action: u32, transaction: u32, out: &mut Vec<u8>) {
    out.reserve(HEADER_LEN);
    out.extend_from_slice(&connection.to_be_bytes());
    out.extend_from_slice(&action.to_be_bytes());
    out.extend_from_slice(&transaction.to_be_bytes());
}

fn reply_header(action: u32, transaction: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&action.to_be_bytes());
    out.extend_from_slice(&transaction.to_be_bytes());
}

fn event(number: u32) -> Event {
    match number {
        1 => Event::Completed,
        2 => Event::Started,
        3 => Event::Stopped,
        // Not in BEP 15, but libtorrent numbers BEP 21's event so.
        4 => Event::Paused,
        _ => Event::None,
    }
}

fn event_number(event: Event) -> u32 {
    match event {
        Event::None => 0,
        Event::Completed => 1,
        Event::Started => 2,
        Event::Stopped => 3,
        Event::Paused => 4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn replies_stay_below_the_path_limit() {
        assert_eq!(peers_max(Family::V4), 238);
        assert_eq!(peers_max(Family::V6), 67);
        for (family, len_max) in [(Family::V4, REPLY_LEN_MAX), (Family::V6, REPLY6_LEN_MAX)] {
            let peers = vec![1; peers_max(family) * family.peer_len()];
            let mut out = Vec::new();
            Reply::Announce {
                transaction: 1,
                interval: 2,
                leechers: 3,
                seeders: 4,
                peers: &peers,
            }
            .emit(&mut out);
            assert!(out.len() <= len_max && out.len() + family.peer_len() > len_max);
        }
    }

    #[test]
    fn scrapes_of_more_than_74_are_answered_for_74() {
        for (asked, answered) in [(0, 0), (1, 1), (74, 74), (75, 74), (3000, 74)] {
            let hashes: Vec<[u8; 20]> = (0..asked).map(|n| [n as u8; 20]).collect();
            let mut bytes = Vec::new();
            Request::Scrape(Scrape {
                connection: 1,
                transaction: 2,
                hashes: &hashes,
            })
            .emit(&mut bytes);
            let Some(Request::Scrape(scrape)) = Request::parse(&bytes) else {
                panic!("{asked} hashes");
            };
            assert_eq!(scrape.hashes().len(), answered);
            assert_eq!(scrape.hashes, &hashes[..answered]);
        }
    }

    #[test]
    fn every_shorter_announce_is_malformed() {
        let mut bytes = Vec::new();
        Request::Announce(announce(b"")).emit(&mut bytes);
        assert_eq!(bytes.len(), ANNOUNCE_LEN);
        for len in 0..ANNOUNCE_LEN {
            assert_eq!(Request::parse(&bytes[..len]), None, "{len}");
        }
        assert!(Request::parse(&bytes).is_some());
    }

    #[test]
    fn url_data_is_borrowed_from_one_piece() {
        let one = announce(b"\x02\x09/announce").url_data();
        assert!(matches!(one, Cow::Borrowed(b"/announce")));
        let two = announce(b"\x02\x01/\x02\x01a\x02\x02bc").url_data();
        assert_eq!(*two, *b"/abc");
    }

    #[test]
    fn long_paths_go_in_pieces() {
        assert_eq!(url_data(b""), []);
        assert_eq!(url_data(b"/announce"), b"\x02\x09/announce");
        let long = [b'x'; 600];
        assert_eq!(url_data(&long).len(), 606);
        assert_eq!(*announce(&url_data(&long)).url_data(), long);
    }

    fn announce(options: &[u8]) -> Announce<'_> {
        Announce {
            connection: 1,
            transaction: 2,
            info_hash: InfoHash([3; 20]),
            peer_id: [4; 20],
            downloaded: 5,
            left: 6,
            uploaded: 7,
            event: Event::None,
            ip: [0; 4],
            key: 8,
            numwant: None,
            port: 9,
            options,
        }
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn announces_round_trip(
            ids: (u64, u32, [u8; 20], [u8; 20]),
            amounts: (u64, u64, u64),
            event in 0u32..5,
            rest: ([u8; 4], u32, u16),
            numwant in proptest::option::of(0..=NUMWANT_MAX),
            options in vec(any::<u8>(), 0..40),
        ) {
            let request = Request::Announce(Announce {
                connection: ids.0,
                transaction: ids.1,
                info_hash: InfoHash(ids.2),
                peer_id: ids.3,
                downloaded: amounts.0,
                left: amounts.1,
                uploaded: amounts.2,
                event: super::event(event),
                ip: rest.0,
                key: rest.1,
                numwant,
                port: rest.2,
                options: &options,
            });
            let mut bytes = Vec::new();
            request.emit(&mut bytes);
            prop_assert_eq!(Request::parse(&bytes), Some(request));
        }

        #[test]
        fn other_requests_round_trip(
            connection: u64,
            transaction: u32,
            hashes in vec(any::<[u8; 20]>(), 0..=HASHES_MAX),
        ) {
            let scrape = Scrape { connection, transaction, hashes: &hashes };
            for request in [Request::Connect { transaction }, Request::Scrape(scrape)] {
                let mut bytes = Vec::new();
                request.emit(&mut bytes);
                prop_assert_eq!(Request::parse(&bytes), Some(request));
            }
        }

        #[test]
        fn replies_round_trip(
            connection: u64,
            numbers: (u32, u32, u32, u32),
            tail in vec(any::<u8>(), 0..100),
            counts in vec(any::<[u8; 12]>(), 0..5),
        ) {
            let (transaction, interval, leechers, seeders) = numbers;
            for reply in [
                Reply::Connect { transaction, connection },
                Reply::Announce { transaction, interval, leechers, seeders, peers: &tail },
                Reply::Scrape { transaction, counts: ScrapeCounts(&counts) },
                Reply::Error { transaction, message: &tail },
            ] {
                let mut bytes = Vec::new();
                reply.emit(&mut bytes);
                prop_assert_eq!(Reply::parse(&bytes), Some(reply));
            }
        }

        #[test]
        fn any_options_end(options in vec(0u8..5, 0..300)) {
            prop_assert!(announce(&options).url_data().len() <= options.len());
        }
    }
}

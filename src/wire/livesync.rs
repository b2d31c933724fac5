//! opentracker's live sync: by multicast, a tracker tells others of its peers.
//!
//! ```text
//!   packet   tracker id 4 │ type 4 │ records, at most 1480 bytes in all
//!   record   info-hash 20 │ address 4 or 16 │ port 2 │ flags 1 │ age 1
//! ```
//!
//! Type 0 holds IPv4 peers, 28 bytes each, type 1 IPv6 peers, 40 bytes each, which opentracker
//! knows since 2024. Flags are 80 for a seeder, 40 if it has just completed, 20 if it has left, 10
//! if the sender has it from a packet itself. The tracker id is drawn at start and means something
//! to its owner only. The age is sent as 0 and not read: who is told of has just been heard.

use std::net::Ipv4Addr;

use crate::types::{Family, InfoHash, PeerAddr};

/// The group that packets of both types go to.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 23, 5);

/// The longest packet there is.
pub const PACKET_LEN_MAX: usize = 1480;

/// Tracker id and type.
const HEADER_LEN: usize = 8;

const TYPE_V4: u32 = 0;
const TYPE_V6: u32 = 1;

const SEEDER: u8 = 0x80;
const COMPLETED: u8 = 0x40;
const STOPPED: u8 = 0x20;
const SYNCED: u8 = 0x10;

const _: () = assert!(records_max(Family::V4) == 52 && records_max(Family::V6) == 36);

/// Bytes of one record.
pub const fn record_len(family: Family) -> usize {
    InfoHash::LEN + family.peer_len() + 2
}

/// How many records fit into a packet.
pub const fn records_max(family: Family) -> usize {
    (PACKET_LEN_MAX - HEADER_LEN) / record_len(family)
}

/// What is told of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The peer; its port is never 0.
    pub peer: PeerAddr,
    /// Whether it has nothing left to download.
    pub seeder: bool,
    /// Whether it says that its download has just finished.
    pub completed: bool,
    /// Whether it has left.
    pub stopped: bool,
    /// Whether the sender has it from a packet itself. Nobody sends this.
    pub synced: bool,
}

/// A packet of one record or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Whose it is.
    pub tracker_id: [u8; 4],
    /// Of which family its peers are, as sent.
    pub family: Family,
    records: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram. `None` is malformed: an unknown type, or not one whole record.
    pub fn parse(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let (tracker_id, rest) = bytes.split_first_chunk()?;
        let (kind, records) = rest.split_first_chunk()?;
        let family = match u32::from_be_bytes(*kind) {
            TYPE_V4 => Family::V4,
            TYPE_V6 => Family::V6,
            _ => return None,
        };
        (records.len() >= record_len(family)).then_some(Packet {
            tracker_id: *tracker_id,
            family,
            records,
        })
    }

    /// The records in their order; `None` for one that is cut off, or whose port is 0.
    pub fn records(&self) -> impl Iterator<Item = Option<Record>> + use<'a> {
        let len = record_len(self.family);
        self.records
            .chunks(len)
            .map(move |bytes| Record::parse(bytes).filter(|_| bytes.len() == len))
    }
}

/// Appends what a packet begins with.
pub fn emit_header(tracker_id: [u8; 4], family: Family, out: &mut Vec<u8>) {
    let kind = match family {
        Family::V4 => TYPE_V4,
        Family::V6 => TYPE_V6,
    };
    out.extend_from_slice(&tracker_id);
    out.extend_from_slice(&kind.to_be_bytes());
}

impl Record {
    /// Appends the record; it belongs into a packet of the peer's family.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.info_hash.0);
        out.extend_from_slice(self.peer.bytes());
        let flags = [
            (self.seeder, SEEDER),
            (self.completed, COMPLETED),
            (self.stopped, STOPPED),
            (self.synced, SYNCED),
        ];
        let flags = flags.iter().filter(|(set, _)| *set).map(|(_, bit)| bit);
        out.extend_from_slice(&[flags.sum(), 0]);
    }

    fn parse(bytes: &[u8]) -> Option<Record> {
        let (info_hash, rest) = bytes.split_first_chunk()?;
        let (peer, &[flags, _]) = rest.split_last_chunk()?;
        let peer = PeerAddr::from_bytes(peer)?;
        (peer.port() != 0).then_some(Record {
            info_hash: InfoHash(*info_hash),
            // An IPv4-mapped address among those of IPv6 is IPv4.
            peer: PeerAddr::new(peer.ip(), peer.port()),
            seeder: flags & SEEDER != 0,
            completed: flags & COMPLETED != 0,
            stopped: flags & STOPPED != 0,
            synced: flags & SYNCED != 0,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(family: Family) -> impl Strategy<Value = Record> {
        any::<([u8; 20], [u8; 16], u16, [bool; 4])>().prop_map(move |(hash, ip, port, flags)| {
            let ip = match family {
                Family::V4 => <[u8; 4]>::try_from(&ip[..4]).unwrap().into(),
                Family::V6 => ip.into(),
            };
            let [seeder, completed, stopped, synced] = flags;
            Record {
                info_hash: InfoHash(hash),
                peer: PeerAddr::new(ip, port.max(1)),
                seeder,
                completed,
                stopped,
                synced,
            }
        })
    }

    fn packet(family: Family) -> impl Strategy<Value = (Family, Vec<Record>)> {
        prop::collection::vec(record(family), 1..=records_max(family))
            .prop_map(move |records| (family, records))
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn packets_round_trip(
            tracker_id: [u8; 4],
            (family, records) in prop_oneof![packet(Family::V4), packet(Family::V6)],
            cut in 1usize..28,
        ) {
            let mut bytes = Vec::new();
            emit_header(tracker_id, family, &mut bytes);
            records.iter().for_each(|record| record.emit(&mut bytes));
            prop_assert!(bytes.len() <= PACKET_LEN_MAX);
            let packet = Packet::parse(&bytes).unwrap();
            prop_assert_eq!((packet.tracker_id, packet.family), (tracker_id, family));
            prop_assert!(packet.records().eq(records.iter().copied().map(Some)));

            // Cut off, it lacks its last record.
            bytes.truncate(bytes.len() - cut);
            match Packet::parse(&bytes) {
                None => prop_assert_eq!(records.len(), 1),
                Some(packet) => {
                    let (_, whole) = records.split_last().unwrap();
                    let expected = whole.iter().copied().map(Some).chain([None]);
                    prop_assert!(packet.records().eq(expected));
                }
            }
        }

        #[test]
        fn takes_any_bytes(bytes: Vec<u8>) {
            if let Some(packet) = Packet::parse(&bytes) {
                prop_assert!(packet.records().count() <= bytes.len() / 28);
            }
        }
    }
}

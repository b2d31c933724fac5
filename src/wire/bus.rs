//! Frames by which the nodes of one tracker tell each other of their peers.
//!
//! ```text
//!   frame    "tb" 2 │ version 1 │ flags 1 │ count 2 │ node 8 │ sequence 8 │ time 8
//!            │ records │ checksum 4 │ tag 32, if it is signed
//!   record   flags 1 │ info-hash 20 │ address 4 or 16 │ port 2
//! ```
//!
//! Our own; all numbers are big endian. A node draws its number at start. Its frames are numbered
//! from 1 on; one without records, a heartbeat, has the number of the frame before it. The time is
//! that of the day, in milliseconds since 1970. The checksum is CRC-32 (IEEE) of all before it, the
//! tag HMAC-SHA-256 of all before that. Flags of a frame: 01 signed. Flags of a record: 80 seeder,
//! 40 has just completed, 20 has left, 10 wants nothing more (BEP 21), 01 IPv6.

use crate::types::{Announce, Event, Family, InfoHash, PeerAddr, Seconds, Want};

/// The longest frame there is; Redis takes more.
pub const FRAME_LEN_MAX: usize = 64 << 10;

/// Bytes before the records.
pub const HEAD_LEN: usize = 30;

/// Bytes of a signature.
pub const TAG_LEN: usize = 32;

/// The most records of a frame, whatever their families.
pub const RECORDS_MAX: usize =
    (FRAME_LEN_MAX - HEAD_LEN - SUM_LEN - TAG_LEN) / (record_len(Family::V6));

const MAGIC: [u8; 2] = *b"tb";
const VERSION: u8 = 1;
const SIGNED: u8 = 1;
const SUM_LEN: usize = 4;

const SEEDER: u8 = 0x80;
const COMPLETED: u8 = 0x40;
const STOPPED: u8 = 0x20;
const PAUSED: u8 = 0x10;
const V6: u8 = 0x01;

const _: () = assert!(RECORDS_MAX <= u16::MAX as usize && RECORDS_MAX > 1000);

/// Bytes of one record.
pub const fn record_len(family: Family) -> usize {
    1 + InfoHash::LEN + family.peer_len()
}

/// Whose frame it is, and when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The node, as drawn at its start.
    pub node: u64,
    /// The number of the frame; of a heartbeat that of the frame before.
    pub sequence: u64,
    /// Milliseconds since 1970 began.
    pub millis: u64,
}

/// What is told of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The peer; its port is never 0.
    pub peer: PeerAddr,
    /// What happened.
    pub event: Event,
    /// Whether it has nothing left to download.
    pub seeder: bool,
}

impl Record {
    /// What others should know of an announce.
    pub fn of(news: &Announce) -> Record {
        Record {
            info_hash: news.info_hash,
            peer: news.peer,
            event: news.event,
            seeder: news.seeder,
        }
    }

    /// The same as an announce, of which nobody wants an answer; the peer may be silent for so
    /// long from now on. What it calls itself is not told.
    pub fn announce(&self, keep_secs: Seconds) -> Announce {
        Announce {
            info_hash: self.info_hash,
            peer: self.peer,
            peer_id: None,
            event: self.event,
            seeder: self.seeder,
            want: Want {
                numwant: 0,
                both: false,
                ids: false,
            },
            keep_secs,
        }
    }
}

/// A frame whose checksum is right and whose records make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Whose it is.
    pub head: Head,
    /// What is signed and the tag, if it is.
    pub signature: Option<(&'a [u8], &'a [u8; TAG_LEN])>,
    /// How many records it has; a heartbeat has none.
    pub len: usize,
    records: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads a frame; `sum` makes the checksum of bytes. `None` is none, or one of another version.
    pub fn parse(bytes: &'a [u8], sum: impl FnOnce(&[u8]) -> u32) -> Option<Frame<'a>> {
        if bytes.len() > FRAME_LEN_MAX {
            return None;
        }
        let (head, _) = bytes.split_first_chunk::<HEAD_LEN>()?;
        let [m0, m1, version, flags, len @ ..] = head;
        let signed = flags & SIGNED != 0;
        if [*m0, *m1] != MAGIC || *version != VERSION || flags & !SIGNED != 0 {
            return None;
        }
        let (before, signature) = if signed {
            let (before, tag) = bytes.split_last_chunk::<TAG_LEN>()?;
            (before, Some((before, tag)))
        } else {
            (bytes, None)
        };
        let (summed, expected) = before.split_last_chunk::<SUM_LEN>()?;
        let records = summed.get(HEAD_LEN..)?;
        if sum(summed) != u32::from_be_bytes(*expected) {
            return None;
        }
        let (len, words) = len.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_be_bytes(*len));
        let (words, _) = words.as_chunks::<8>();
        let &[node, sequence, millis] = words else {
            return None;
        };
        let frame = Frame {
            head: Head {
                node: u64::from_be_bytes(node),
                sequence: u64::from_be_bytes(sequence),
                millis: u64::from_be_bytes(millis),
            },
            signature,
            len,
            records,
        };
        frame.makes_sense().then_some(frame)
    }

    /// The records in their order.
    pub fn records(&self) -> impl Iterator<Item = Record> + use<'a> {
        let mut rest = self.records;
        std::iter::from_fn(move || {
            let (record, after) = Record::parse(rest)?;
            rest = after;
            Some(record)
        })
    }

    /// Whether there are as many records as it says, and nothing else.
    fn makes_sense(&self) -> bool {
        let mut rest = self.records;
        for _ in 0..self.len {
            match Record::parse(rest) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }
}

/// Writes what a frame begins with in the place of what is in `out`; the records follow, then
/// [`close`].
pub fn begin(head: &Head, signed: bool, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, if signed { SIGNED } else { 0 }, 0, 0]);
    for word in [head.node, head.sequence, head.millis] {
        out.extend_from_slice(&word.to_be_bytes());
    }
}

/// Completes a frame of so many records, but for the tag, which is made of all that is there then.
pub fn close(records: usize, sum: impl FnOnce(&[u8]) -> u32, out: &mut Vec<u8>) {
    let records = u16::try_from(records).unwrap_or(u16::MAX);
    if let Some(place) = out.get_mut(4..6) {
        place.copy_from_slice(&records.to_be_bytes());
    }
    let sum = sum(out);
    out.extend_from_slice(&sum.to_be_bytes());
}

impl Record {
    /// Appends the record.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let event = match self.event {
            Event::Completed => COMPLETED,
            Event::Stopped => STOPPED,
            Event::Paused => PAUSED,
            Event::None | Event::Started => 0,
        };
        let family = match self.peer.family() {
            Family::V4 => 0,
            Family::V6 => V6,
        };
        out.push(event | family | if self.seeder { SEEDER } else { 0 });
        out.extend_from_slice(&self.info_hash.0);
        out.extend_from_slice(self.peer.bytes());
    }

    /// The record that `bytes` begin with, and what follows it.
    fn parse(bytes: &[u8]) -> Option<(Record, &[u8])> {
        let (&flags, rest) = bytes.split_first()?;
        let (info_hash, rest) = rest.split_first_chunk()?;
        let family = if flags & V6 == 0 {
            Family::V4
        } else {
            Family::V6
        };
        let (peer, rest) = rest.split_at_checked(family.peer_len())?;
        let peer = PeerAddr::from_bytes(peer)?;
        let event = match flags & !(SEEDER | V6) {
            0 => Event::None,
            COMPLETED => Event::Completed,
            STOPPED => Event::Stopped,
            PAUSED => Event::Paused,
            _ => return None,
        };
        let record = Record {
            info_hash: InfoHash(*info_hash),
            // An IPv4-mapped address among those of IPv6 is IPv4.
            peer: PeerAddr::new(peer.ip(), peer.port()),
            event,
            seeder: flags & SEEDER != 0,
        };
        (peer.port() != 0).then_some((record, rest))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any function of the bytes will do here.
    fn sum(bytes: &[u8]) -> u32 {
        let step = |sum: u32, byte: &u8| sum.wrapping_mul(31).wrapping_add(u32::from(*byte));
        bytes.iter().fold(7, step)
    }

    fn record() -> impl Strategy<Value = Record> {
        let events = [Event::None, Event::Completed, Event::Stopped, Event::Paused];
        let event = prop::sample::select(events.to_vec());
        let ip = prop_oneof![
            any::<[u8; 4]>().prop_map(Into::into),
            any::<[u8; 16]>().prop_map(Into::into)
        ];
        (any::<[u8; 20]>(), ip, 1..=u16::MAX, event, any::<bool>()).prop_map(
            |(hash, ip, port, event, seeder)| Record {
                info_hash: InfoHash(hash),
                peer: PeerAddr::new(ip, port),
                event,
                seeder,
            },
        )
    }

    fn frame(head: &Head, records: &[Record], tag: Option<[u8; TAG_LEN]>) -> Vec<u8> {
        let mut bytes = vec![9; 5];
        begin(head, tag.is_some(), &mut bytes);
        records.iter().for_each(|record| record.emit(&mut bytes));
        close(records.len(), sum, &mut bytes);
        bytes.extend(tag.into_iter().flatten());
        bytes
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn frames_round_trip(
            (node, sequence, millis) in any::<(u64, u64, u64)>(),
            records in prop::collection::vec(record(), 0..40),
            tag: Option<[u8; TAG_LEN]>,
            (at, bit, cut) in any::<(prop::sample::Index, u8, prop::sample::Index)>(),
        ) {
            let head = Head { node, sequence, millis };
            let mut bytes = frame(&head, &records, tag);
            let read = Frame::parse(&bytes, sum).unwrap();
            prop_assert_eq!((read.head, read.len), (head, records.len()));
            prop_assert!(read.records().eq(records.iter().copied()));
            let signed = bytes.len() - tag.map_or(0, |tag| tag.len());
            let signature = read.signature.map(|(signed, tag)| (signed.len(), *tag));
            prop_assert_eq!(signature, tag.map(|tag| (signed, tag)));

            // Cut off, it is none; with a wrong bit before the tag it isn't either.
            prop_assert_eq!(Frame::parse(&bytes[..cut.index(bytes.len())], sum), None);
            bytes[at.index(signed)] ^= 1 << (bit % 8);
            prop_assert_eq!(Frame::parse(&bytes, sum), None);
        }

        #[test]
        fn takes_any_bytes(bytes: Vec<u8>, records: Vec<u8>) {
            Frame::parse(&bytes, sum);
            // Past the checksum as well.
            let mut framed = Vec::new();
            begin(&Head { node: 1, sequence: 2, millis: 3 }, false, &mut framed);
            framed.extend(&records);
            close(records.len() / 27, sum, &mut framed);
            if let Some(frame) = Frame::parse(&framed, sum) {
                prop_assert_eq!(frame.records().count(), frame.len);
            }
        }
    }

    #[test]
    fn the_longest_frame_is_one() {
        let record = Record {
            info_hash: InfoHash([7; 20]),
            peer: PeerAddr::V6([8; 18]),
            event: Event::None,
            seeder: true,
        };
        let head = Head {
            node: 1,
            sequence: 2,
            millis: 3,
        };
        let bytes = frame(&head, &vec![record; RECORDS_MAX], Some([1; TAG_LEN]));
        assert!(bytes.len() <= FRAME_LEN_MAX);
        assert_eq!(Frame::parse(&bytes, sum).unwrap().len, RECORDS_MAX);
    }

    #[test]
    fn what_makes_no_sense_is_no_frame() {
        let head = Head {
            node: 1,
            sequence: 2,
            millis: 3,
        };
        let stopped = Record {
            info_hash: InfoHash([7; 20]),
            peer: PeerAddr::V4([8; 6]),
            event: Event::Stopped,
            seeder: false,
        };
        let whole = |edit: fn(&mut Vec<u8>), records| {
            let mut bytes = Vec::new();
            begin(&head, false, &mut bytes);
            stopped.emit(&mut bytes);
            edit(&mut bytes);
            close(records, sum, &mut bytes);
            Frame::parse(&bytes, sum).is_some()
        };
        assert!(whole(|_| {}, 1));
        // Too few records, too many, two events, a flag that nobody knows, port 0, a new version.
        assert!(!whole(|_| {}, 2));
        assert!(!whole(|_| {}, 0));
        assert!(!whole(|bytes| bytes[HEAD_LEN] |= COMPLETED, 1));
        assert!(!whole(|bytes| bytes[HEAD_LEN] |= 2, 1));
        assert!(!whole(
            |bytes| bytes[HEAD_LEN + 25..].copy_from_slice(&[0, 0]),
            1
        ));
        assert!(!whole(|bytes| bytes[2] = 2, 1));
        assert!(!whole(|bytes| bytes[3] = 2, 1));
    }
}

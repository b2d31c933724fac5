//! Snapshots: the file in which swarms outlive the process.
//!
//! ```text
//!   head    │ magic 8 │ version 4 │ written 8 │ sum 4 │
//!   frame   │ length 4 │ taken 4 │ items … │ sum 4 │               as often as needed
//!   end     │ 0 · · · │ torrents 8 │ peers 8 │ sum 4 │ whole 4 │
//!
//!   items   │ 0e i0 0000 │ info-hash 20 │ completed 4 │ idle 4 if i │
//!           │ 1 f s c p n 00 │ left 3 │ address and port 6 or 18 │ id 20 if n │
//! ```
//!
//! All numbers are big endian. `written` is the time of day in seconds, `taken` how much later the
//! frame was filled, `left` the seconds that the peer may still be silent then, and `idle` those
//! that the torrent has been without peers. The bits are: e established, i idle; f IPv6, s seeder,
//! c counted, p paused, n named. Peers belong to the torrent before them; a torrent may come again,
//! with more of its peers. A sum is that of everything before it in its part, `whole` that of all
//! parts before it, the end's own fields included; which sum it is, is its maker's affair.

use crate::types::{Family, InfoHash, Kept, KeptPeer, KeptTorrent, PeerAddr, Seconds};

/// What a file begins with: no text, and damaged by whoever takes it for one.
const MAGIC: [u8; 8] = *b"\x89TSNAP\r\n";

/// The version that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// Bytes of the head.
pub const HEAD_LEN: usize = 24;

/// Bytes of a sum.
pub const SUM_LEN: usize = 4;

/// Bytes of what every later part begins with: its length.
pub const LENGTH_LEN: usize = 4;

/// Bytes of the end, behind its length of 0.
pub const END_LEN: usize = 16 + 2 * SUM_LEN;

/// The most bytes of a frame behind its length and before its sum.
pub const FRAME_LEN_MAX: usize = 4 << 20;

/// The longest that a peer may be silent, as it is written.
pub const LEFT_SECS_MAX: Seconds = (1 << 24) - 1;

const PEER: u8 = 0x80;
const V6: u8 = 0x40;
const SEEDER: u8 = 0x20;
const COUNTED: u8 = 0x10;
const PAUSED: u8 = 0x08;
const NAMED: u8 = 0x04;
const PEER_BITS: u8 = PEER | V6 | SEEDER | COUNTED | PAUSED | NAMED;

const ESTABLISHED: u8 = 0x40;
const IDLE: u8 = 0x20;
const TORRENT_BITS: u8 = ESTABLISHED | IDLE;

/// What is no snapshot of this version, or none that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is something else.
    Foreign,
    /// It has another version.
    Version(u32),
    /// It is not what was written.
    Damaged,
}

/// Appends a head, but for its sum.
pub fn emit_head(written: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&written.to_be_bytes());
}

/// Reads a head without its sum: when it was written.
///
/// # Errors
/// When it is none.
pub fn parse_head(bytes: &[u8; HEAD_LEN - SUM_LEN]) -> Result<u64, Flaw> {
    let (magic, rest) = bytes.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(Flaw::Foreign);
    }
    let mut rest = Bytes(rest);
    let fields = rest.word().zip(rest.long());
    match fields {
        Some((VERSION, written)) => Ok(written),
        Some((version, _)) => Err(Flaw::Version(version)),
        None => Err(Flaw::Damaged),
    }
}

/// Appends the end, but for its sums.
pub fn emit_end(torrents: u64, peers: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; LENGTH_LEN]);
    out.extend_from_slice(&torrents.to_be_bytes());
    out.extend_from_slice(&peers.to_be_bytes());
}

/// Reads what follows the end's length, without its sums: torrents and peers there were, a torrent
/// counted as often as it comes.
pub fn parse_end(bytes: &[u8; END_LEN - 2 * SUM_LEN]) -> (u64, u64) {
    let mut bytes = Bytes(bytes);
    let (torrents, peers) = (bytes.long(), bytes.long());
    (torrents.unwrap_or(0), peers.unwrap_or(0))
}

/// Begins a frame in an empty buffer.
pub fn begin_frame(taken: Seconds, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; LENGTH_LEN]);
    out.extend_from_slice(&taken.to_be_bytes());
}

/// Ends the frame that is all of `out`, but for its sum.
pub fn end_frame(out: &mut [u8]) {
    let len = out.len().saturating_sub(LENGTH_LEN);
    if let Some(room) = out.first_chunk_mut() {
        *room = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    }
}

/// Appends an item.
pub fn emit(kept: &Kept, out: &mut Vec<u8>) {
    match kept {
        Kept::Torrent(torrent) => {
            let idle = torrent.idle_secs;
            let established = if torrent.established { ESTABLISHED } else { 0 };
            out.push(established | if idle.is_some() { IDLE } else { 0 });
            out.extend_from_slice(&torrent.info_hash.0);
            out.extend_from_slice(&torrent.completed.to_be_bytes());
            idle.iter()
                .for_each(|secs| out.extend_from_slice(&secs.to_be_bytes()));
        }
        Kept::Peer(peer) => {
            let bit = |set, bit| if set { bit } else { 0 };
            out.push(
                PEER | bit(peer.addr.family() == Family::V6, V6)
                    | bit(peer.seeder, SEEDER)
                    | bit(peer.counted, COUNTED)
                    | bit(peer.paused, PAUSED)
                    | bit(peer.id.is_some(), NAMED),
            );
            let left = peer.left_secs.min(LEFT_SECS_MAX).to_be_bytes();
            out.extend_from_slice(&left[1..]);
            out.extend_from_slice(peer.addr.bytes());
            peer.id.iter().for_each(|id| out.extend_from_slice(id));
        }
    }
}

/// A frame, without its length and sum.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// How many seconds after the beginning it was filled.
    pub taken: Seconds,
    items: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads when it was taken; what is in it is looked at item by item.
    ///
    /// # Errors
    /// When it is too short.
    pub fn parse(bytes: &'a [u8]) -> Result<Frame<'a>, Flaw> {
        let mut rest = Bytes(bytes);
        let taken = rest.word().ok_or(Flaw::Damaged)?;
        Ok(Frame {
            taken,
            items: rest.0,
        })
    }

    /// What is in it. After a flaw there is nothing more.
    pub fn items(&self) -> impl Iterator<Item = Result<Kept, Flaw>> + use<'a> {
        let mut rest = Bytes(self.items);
        let mut has_torrent = false;
        std::iter::from_fn(move || {
            if rest.0.is_empty() {
                return None;
            }
            let item = parse_item(&mut rest).filter(|item| {
                has_torrent |= matches!(item, Kept::Torrent(_));
                has_torrent
            });
            if item.is_none() {
                rest.0 = &[];
            }
            Some(item.ok_or(Flaw::Damaged))
        })
    }
}

fn parse_item(bytes: &mut Bytes<'_>) -> Option<Kept> {
    let [bits] = *bytes.take::<1>()?;
    if bits & PEER == 0 {
        let info_hash = InfoHash(*bytes.take()?);
        let completed = bytes.word()?;
        let idle_secs = match bits & IDLE {
            0 => None,
            _ => Some(bytes.word()?),
        };
        let makes_sense = bits & !TORRENT_BITS == 0 && completed >> 31 == 0;
        return makes_sense.then_some(Kept::Torrent(KeptTorrent {
            info_hash,
            completed,
            established: bits & ESTABLISHED != 0,
            idle_secs,
        }));
    }
    let [a, b, c] = *bytes.take()?;
    let addr = match bits & V6 {
        0 => PeerAddr::V4(*bytes.take()?),
        _ => PeerAddr::V6(*bytes.take()?),
    };
    let id = match bits & NAMED {
        0 => None,
        _ => Some(*bytes.take()?),
    };
    let peer = KeptPeer {
        addr,
        id,
        seeder: bits & SEEDER != 0,
        counted: bits & COUNTED != 0,
        paused: bits & PAUSED != 0,
        left_secs: u32::from_be_bytes([0, a, b, c]),
    };
    let makes_sense = bits & !PEER_BITS == 0 && addr.port() != 0;
    makes_sense.then_some(Kept::Peer(peer))
}

/// What is still to be read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take<const LEN: usize>(&mut self) -> Option<&'a [u8; LEN]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    fn word(&mut self) -> Option<u32> {
        self.take().copied().map(u32::from_be_bytes)
    }

    fn long(&mut self) -> Option<u64> {
        self.take().copied().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept() -> impl Strategy<Value = Kept> {
        let torrent = (any::<[u8; 20]>(), 0u32..1 << 31, any::<bool>());
        let torrent = (torrent, any::<Option<u32>>()).prop_map(|(torrent, idle_secs)| {
            let (info_hash, completed, established) = torrent;
            Kept::Torrent(KeptTorrent {
                info_hash: InfoHash(info_hash),
                completed,
                established,
                idle_secs,
            })
        });
        let addr = prop_oneof![
            any::<[u8; 6]>().prop_map(PeerAddr::V4),
            any::<[u8; 18]>().prop_map(PeerAddr::V6),
        ];
        let addr = addr.prop_filter("a port", |addr| addr.port() != 0);
        let flags = any::<[bool; 3]>();
        let peer = (addr, any::<Option<[u8; 20]>>(), flags, 0..=LEFT_SECS_MAX);
        let peer = peer.prop_map(|(addr, id, [seeder, counted, paused], left_secs)| {
            Kept::Peer(KeptPeer {
                addr,
                id,
                seeder,
                counted,
                paused,
                left_secs,
            })
        });
        prop_oneof![torrent, peer]
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn items_round_trip(
            all in prop::collection::vec(kept(), 0..40), taken: u32, cut in 0..200_usize,
        ) {
            let first = Kept::Torrent(KeptTorrent::default());
            let all = [vec![first], all].concat();
            let mut out = Vec::new();
            begin_frame(taken, &mut out);
            all.iter().for_each(|kept| emit(kept, &mut out));
            end_frame(&mut out);
            let (length, bytes) = out.split_first_chunk().unwrap();
            prop_assert_eq!(u32::from_be_bytes(*length) as usize, bytes.len());
            let frame = Frame::parse(bytes).unwrap();
            prop_assert_eq!(frame.taken, taken);
            prop_assert_eq!(&frame.items().collect::<Result<Vec<_>, _>>().unwrap(), &all);
            // Of a frame that was cut, all that is read was written.
            if let Ok(frame) = Frame::parse(&bytes[..cut.min(bytes.len())]) {
                let read: Vec<_> = frame.items().collect();
                let whole = read.iter().map_while(|item| item.ok());
                let whole: Vec<_> = whole.collect();
                prop_assert!(read.len() - whole.len() <= 1);
                prop_assert!(all.starts_with(&whole));
            }
        }

        #[test]
        fn heads_and_ends_round_trip(written: u64, torrents: u64, peers: u64) {
            let mut out = Vec::new();
            emit_head(written, &mut out);
            let head = out.as_slice().try_into().unwrap();
            prop_assert_eq!(parse_head(head), Ok(written));
            out.clear();
            emit_end(torrents, peers, &mut out);
            let (length, end) = out.split_first_chunk().unwrap();
            prop_assert_eq!(*length, [0; LENGTH_LEN]);
            prop_assert_eq!(parse_end(end.try_into().unwrap()), (torrents, peers));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let mut head = Vec::new();
        emit_head(7, &mut head);
        let parse = |head: &[u8]| parse_head(head.try_into().unwrap());
        head[11] = 9;
        assert_eq!(parse(&head), Err(Flaw::Version(9)));
        head[0] = b't';
        assert_eq!(parse(&head), Err(Flaw::Foreign));
        let is_refused = |items: &[u8]| {
            let bytes = [&[0; 4], items].concat();
            let frame = Frame::parse(&bytes).unwrap();
            frame.items().any(|item| item.is_err())
        };
        let torrent = [&[0_u8; 21][..], &[0, 0, 0, 1]].concat();
        let peer = [PEER, 0, 0, 9, 192, 0, 2, 1, 0, 80];
        let both = |torrent: &[u8], peer: &[u8]| [torrent, peer].concat();
        assert!(!is_refused(&both(&torrent, &peer)));
        assert!(is_refused(&peer), "a peer of no torrent");
        for at in [0, 9] {
            let mut peer = peer;
            peer[at] = if at == 0 { PEER | 1 } else { 0 };
            assert!(is_refused(&both(&torrent, &peer)), "{at}");
        }
        for (at, value) in [(0, 1), (21, 0x80)] {
            let mut torrent = torrent.clone();
            torrent[at] = value;
            assert!(is_refused(&torrent), "{at}");
        }
    }
}

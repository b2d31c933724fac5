//! From records to frames, which wait until they are sent.

use std::collections::VecDeque;

use super::Signer;
use super::signer::sum;
use crate::wire::bus::{self, Head, RECORDS_MAX, Record};

/// The frames of this node.
pub struct Outbox {
    node: u64,
    /// The number of the last frame.
    sequence: u64,
    signer: Option<Signer>,
    /// Frames that have not been sent, the oldest first, each with its number of records.
    waiting: VecDeque<(Vec<u8>, usize)>,
    /// Bytes of them, and the most there may be.
    bytes: usize,
    bytes_max: usize,
    /// Records that had to make room, not yet told of.
    dropped: u64,
}

impl Outbox {
    /// Frames of `node`, a number that no other has, of which no more than `bytes_max` may wait.
    pub fn new(node: u64, signer: Option<Signer>, bytes_max: usize) -> Outbox {
        Outbox {
            node,
            sequence: 0,
            signer,
            waiting: VecDeque::new(),
            bytes: 0,
            bytes_max,
            dropped: 0,
        }
    }

    /// Makes frames of what peers told until `millis`.
    pub fn tell(&mut self, millis: u64, records: &[Record]) {
        for records in records.chunks(RECORDS_MAX) {
            self.sequence += 1;
            let frame = self.frame(millis, records);
            self.bytes += frame.len();
            self.waiting.push_back((frame, records.len()));
        }
        while self.bytes > self.bytes_max {
            let Some((frame, records)) = self.waiting.pop_front() else {
                break;
            };
            self.bytes -= frame.len();
            self.dropped += records as u64;
        }
    }

    /// A frame that tells of nothing but that this node is there, and which frame was its last. To
    /// be sent when no others wait.
    pub fn heartbeat(&self, millis: u64) -> Vec<u8> {
        self.frame(millis, &[])
    }

    /// The frames to be sent next, so many at most.
    pub fn next(&self, frames_max: usize) -> impl Iterator<Item = &[u8]> {
        let frames = self.waiting.iter().take(frames_max);
        frames.map(|(frame, _)| frame.as_slice())
    }

    /// Takes note that the next frames were sent, so many, and of how many records that were.
    pub fn sent(&mut self, frames: usize) -> u64 {
        let frames = self.waiting.drain(..frames.min(self.waiting.len()));
        let (bytes, records) = frames.fold((0, 0), |(bytes, all), (frame, records)| {
            (bytes + frame.len(), all + records as u64)
        });
        self.bytes -= bytes;
        records
    }

    /// Records that were dropped for want of room since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    fn frame(&self, millis: u64, records: &[Record]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let head = Head {
            node: self.node,
            sequence: self.sequence,
            millis,
        };
        bus::begin(&head, self.signer.is_some(), &mut bytes);
        records.iter().for_each(|record| record.emit(&mut bytes));
        bus::close(records.len(), sum, &mut bytes);
        let tag = self.signer.as_ref().map(|signer| signer.sign(&bytes));
        bytes.extend(tag.into_iter().flatten());
        bytes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::types::{Event, Family, InfoHash, PeerAddr};
    use crate::wire::bus::Frame;

    fn record(n: usize) -> Record {
        Record {
            info_hash: InfoHash([n as u8; 20]),
            peer: PeerAddr::V4([1, 2, 3, 4, (n >> 8) as u8 | 1, n as u8]),
            event: Event::None,
            seeder: false,
        }
    }

    #[test]
    fn frames_are_numbered_and_the_oldest_make_room() {
        let all: Vec<_> = (0..RECORDS_MAX + 10).map(record).collect();
        let frame_len = bus::HEAD_LEN + RECORDS_MAX * bus::record_len(Family::V4) + 4;
        let mut outbox = Outbox::new(7, None, 3 * frame_len);
        outbox.tell(1000, &[]);
        assert_eq!(outbox.next(9).count(), 0);
        outbox.tell(1000, &all);
        let frames: Vec<_> = outbox
            .next(9)
            .map(|f| Frame::parse(f, sum).unwrap())
            .collect();
        let numbers: Vec<_> = frames.iter().map(|f| f.head.sequence).collect();
        assert_eq!(numbers, [1, 2]);
        assert!(frames.iter().flat_map(Frame::records).eq(all.clone()));

        // What has been sent doesn't count.
        assert_eq!(outbox.sent(1), RECORDS_MAX as u64);
        (0..3).for_each(|_| outbox.tell(1001, &all[..RECORDS_MAX]));
        assert_eq!(outbox.take_dropped(), 10);
        assert_eq!(outbox.take_dropped(), 0);
        outbox.tell(1002, &all[..RECORDS_MAX]);
        assert_eq!(outbox.take_dropped(), RECORDS_MAX as u64);
        let heartbeat = outbox.heartbeat(1003);
        let heartbeat = Frame::parse(&heartbeat, sum).unwrap();
        assert_eq!((heartbeat.head.sequence, heartbeat.len), (6, 0));
        assert_eq!(outbox.sent(9), 3 * RECORDS_MAX as u64);
        assert_eq!(outbox.bytes, 0);
    }
}

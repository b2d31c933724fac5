//! From records to frames, which wait until they are sent.

use std::collections::VecDeque;

use super::Signer;
use super::signer::sum;
use crate::wire::bus::{self, Head, RECORDS_MAX, Record};

/// How long frames are kept when they have been sent. A server that loses its memory may have told
/// them to nobody; who listens to it is back within the longest wait between two tries, six
/// seconds, and a few more.
const KEPT_MILLIS: u64 = 15_000;

/// The frames of this node.
pub struct Outbox {
    node: u64,
    /// The number of the last frame.
    sequence: u64,
    signer: Option<Signer>,
    /// Frames that have not been sent, the oldest first, each with its number of records.
    waiting: VecDeque<(Vec<u8>, usize)>,
    /// Frames that were sent lately, the oldest first, each with when that was.
    kept: VecDeque<(Vec<u8>, u64)>,
    /// Bytes of all these, and the most there may be.
    bytes: usize,
    bytes_max: usize,
    /// Records that had to make room, not yet told of.
    dropped: u64,
}

impl Outbox {
    /// Frames of `node`, a number that no other has, of which no more than `bytes_max` may wait, or
    /// be kept.
    pub fn new(node: u64, signer: Option<Signer>, bytes_max: usize) -> Outbox {
        Outbox {
            node,
            sequence: 0,
            signer,
            waiting: VecDeque::new(),
            kept: VecDeque::new(),
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
            if let Some((frame, _)) = self.kept.pop_front() {
                self.bytes -= frame.len();
            } else if let Some((frame, records)) = self.waiting.pop_front() {
                self.bytes -= frame.len();
                self.dropped += records as u64;
            } else {
                break;
            }
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

    /// Takes note that the next frames were sent at `millis`, so many, and of how many records that
    /// were sent for the first time.
    pub fn sent(&mut self, frames: usize, millis: u64) -> u64 {
        let frames = self.waiting.drain(..frames.min(self.waiting.len()));
        let mut all = 0;
        for (frame, records) in frames {
            all += records as u64;
            self.kept.push_back((frame, millis));
        }
        all
    }

    /// Forgets what was sent long enough ago, as the server is there still.
    pub fn forget(&mut self, millis: u64) {
        let is_over = |sent: u64| sent.saturating_add(KEPT_MILLIS) < millis;
        let count = self.kept.iter().take_while(|(_, sent)| is_over(*sent));
        let count = count.count();
        for (frame, _) in self.kept.drain(..count) {
            self.bytes -= frame.len();
        }
    }

    /// Has what is kept sent once more, first: the server was away. Whoever has heard it already
    /// takes no notice.
    pub fn repeat(&mut self) {
        while let Some((frame, _)) = self.kept.pop_back() {
            self.waiting.push_front((frame, 0));
        }
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

        // What has been sent makes room first, and doesn't count.
        assert_eq!(outbox.sent(1, 1000), RECORDS_MAX as u64);
        (0..3).for_each(|_| outbox.tell(1001, &all[..RECORDS_MAX]));
        assert_eq!(outbox.take_dropped(), 10);
        assert_eq!(outbox.take_dropped(), 0);
        outbox.tell(1002, &all[..RECORDS_MAX]);
        assert_eq!(outbox.take_dropped(), RECORDS_MAX as u64);
        let heartbeat = outbox.heartbeat(1003);
        let heartbeat = Frame::parse(&heartbeat, sum).unwrap();
        assert_eq!((heartbeat.head.sequence, heartbeat.len), (6, 0));
        assert_eq!(outbox.sent(9, 1003), 3 * RECORDS_MAX as u64);
        outbox.forget(1003 + KEPT_MILLIS);
        assert_eq!(outbox.bytes, 3 * frame_len);
        outbox.forget(1004 + KEPT_MILLIS);
        assert_eq!(outbox.bytes, 0);
    }

    #[test]
    fn what_was_sent_lately_can_be_sent_once_more() {
        let sequences = |outbox: &Outbox| -> Vec<_> {
            let frames = outbox.next(99).map(|f| Frame::parse(f, sum).unwrap());
            frames.map(|frame| frame.head.sequence).collect()
        };
        let mut outbox = Outbox::new(7, None, 10_000);
        for number in 1..=4 {
            outbox.tell(number * 1000, &[record(number as usize)]);
            if number < 4 {
                assert_eq!(outbox.sent(1, number * 1000), 1);
            }
        }
        outbox.forget(1500 + KEPT_MILLIS);
        assert_eq!(sequences(&outbox), [4]);
        outbox.repeat();
        assert_eq!(sequences(&outbox), [2, 3, 4]);
        // These two are told and sent already.
        assert_eq!(outbox.sent(9, 9000), 1);
        outbox.repeat();
        assert_eq!(sequences(&outbox), [2, 3, 4]);
        assert_eq!(outbox.sent(2, 9000), 0);
        assert_eq!(outbox.take_dropped(), 0);
    }
}

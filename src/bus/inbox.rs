//! From frames to records: whose they are, whether they are new, and whether some are missing.

use std::collections::HashMap;

use super::signer::sum;
use super::{Refusal, Signer};
use crate::wire::bus::Frame;

/// Nodes that are remembered; of more, who has been silent for the longest is forgotten. Each start
/// of a node makes a new one.
const NODES_MAX: usize = 1024;

/// How far behind the newest frame of its node a frame may come.
const WINDOW: usize = 4096;
const WORD_BITS: usize = 64;

/// What was heard of all other nodes.
pub struct Inbox {
    own: u64,
    signer: Option<Signer>,
    nodes: HashMap<u64, Node>,
}

/// One node.
struct Node {
    /// Its newest frame.
    newest: u64,
    /// Which of the frames up to there came, the newest in bit 0.
    came: [u64; WINDOW / WORD_BITS],
    /// When it was last heard, by the order of frames.
    heard: u64,
}

/// A frame that is of use.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// What it says.
    pub frame: Frame<'a>,
    /// How many frames of its node, from before it, have not come.
    pub missing: u64,
}

impl Inbox {
    /// Of node `own`. With a key, only frames that are signed are of use.
    pub fn new(own: u64, signer: Option<Signer>) -> Inbox {
        Inbox {
            own,
            signer,
            nodes: HashMap::new(),
        }
    }

    /// Reads a frame, and says how many are missing before it. It counts as come only when it is
    /// [taken](Self::take), so that those that are missing can come first.
    ///
    /// # Errors
    /// When it is of no use.
    pub fn read<'a>(&self, bytes: &'a [u8]) -> Result<Heard<'a>, Refusal> {
        let frame = Frame::parse(bytes, sum).ok_or(Refusal::Malformed)?;
        if let Some(signer) = &self.signer {
            let (signed, tag) = frame.signature.ok_or(Refusal::Forged)?;
            if !signer.check(signed, tag) {
                return Err(Refusal::Forged);
            }
        }
        if frame.head.node == self.own {
            return Err(Refusal::Own);
        }
        let Some(node) = self.nodes.get(&frame.head.node) else {
            // Of a node that is new here, what was before comes from the stream.
            return Ok(Heard { frame, missing: 0 });
        };
        let is_heartbeat = frame.len == 0;
        if !is_heartbeat && node.has(frame.head.sequence) {
            return Err(Refusal::Duplicate);
        }
        let before = frame.head.sequence.saturating_sub(u64::from(!is_heartbeat));
        let missing = before.saturating_sub(node.newest);
        Ok(Heard { frame, missing })
    }

    /// Takes note that a frame that was [read](Self::read) has come.
    pub fn take(&mut self, heard: &Heard<'_>) {
        let head = heard.frame.head;
        if self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(&head.node) {
            let silent = self.nodes.iter().min_by_key(|(_, node)| node.heard);
            if let Some(silent) = silent.map(|(number, _)| *number) {
                self.nodes.remove(&silent);
            }
        }
        let last = self.nodes.values().map(|node| node.heard).max();
        let node = self.nodes.entry(head.node).or_insert(Node {
            newest: head.sequence,
            came: [0; WINDOW / WORD_BITS],
            heard: 0,
        });
        // Nothing else is needed of the time.
        node.heard = last.unwrap_or(0) + 1;
        if heard.frame.len > 0 {
            node.come(head.sequence);
        } else {
            node.reach(head.sequence);
        }
    }

    /// How many other nodes are known.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }
}

impl Node {
    /// Whether this frame came, or is from so long ago that it counts as come.
    fn has(&self, sequence: u64) -> bool {
        let Some(behind) = self.newest.checked_sub(sequence) else {
            return false;
        };
        let behind = usize::try_from(behind).unwrap_or(usize::MAX);
        match self.came.get(behind / WORD_BITS) {
            Some(word) => word >> (behind % WORD_BITS) & 1 == 1,
            None => true,
        }
    }

    fn come(&mut self, sequence: u64) {
        self.reach(sequence);
        let behind = usize::try_from(self.newest - sequence).unwrap_or(usize::MAX);
        if let Some(word) = self.came.get_mut(behind / WORD_BITS) {
            *word |= 1 << (behind % WORD_BITS);
        }
    }

    /// Moves on, so that `sequence` is the newest if it is newer.
    fn reach(&mut self, sequence: u64) {
        let ahead = sequence.saturating_sub(self.newest);
        self.newest += ahead;
        let ahead = usize::try_from(ahead).unwrap_or(usize::MAX);
        let (words, bits) = (ahead / WORD_BITS, ahead % WORD_BITS);
        let came = self.came;
        for (at, word) in self.came.iter_mut().enumerate() {
            let from = |at: Option<usize>| at.and_then(|at| came.get(at)).copied().unwrap_or(0);
            let high = from(at.checked_sub(words));
            let low = from(at.checked_sub(words.saturating_add(1)));
            *word = match bits {
                0 => high,
                _ => high << bits | low >> (WORD_BITS - bits),
            };
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::bus::Outbox;
    use crate::types::{Event, InfoHash, PeerAddr};
    use crate::wire::bus::{self, Head, Record};
    use proptest::prelude::*;

    fn record() -> Record {
        Record {
            info_hash: InfoHash([1; 20]),
            peer: PeerAddr::V4([1; 6]),
            event: Event::None,
            seeder: false,
        }
    }

    /// So many frames of a node.
    fn frames(node: u64, key: Option<&[u8]>, count: usize) -> Vec<Vec<u8>> {
        let signer = key.and_then(Signer::new);
        let mut outbox = Outbox::new(node, signer, usize::MAX);
        (0..count).for_each(|_| outbox.tell(1000, &[record()]));
        outbox.next(count).map(<[u8]>::to_vec).collect()
    }

    /// One frame, of whatever number.
    fn frame(node: u64, sequence: u64) -> Vec<u8> {
        let head = Head {
            node,
            sequence,
            millis: 1000,
        };
        let mut bytes = Vec::new();
        bus::begin(&head, false, &mut bytes);
        record().emit(&mut bytes);
        bus::close(1, sum, &mut bytes);
        bytes
    }

    fn missing(inbox: &mut Inbox, bytes: &[u8]) -> Result<u64, Refusal> {
        let heard = inbox.read(bytes)?;
        inbox.take(&heard);
        Ok(heard.missing)
    }

    #[test]
    fn own_frames_garbage_and_forgeries_come_to_nothing() {
        let mut inbox = Inbox::new(7, Signer::new(b"key"));
        let refusal = |bytes: &[u8]| inbox.read(bytes).err();
        assert_eq!(refusal(&frames(7, Some(b"key"), 1)[0]), Some(Refusal::Own));
        assert_eq!(refusal(b"tb garbage"), Some(Refusal::Malformed));
        let unsigned = frames(8, None, 1);
        assert_eq!(refusal(&unsigned[0]), Some(Refusal::Forged));
        let other = frames(8, Some(b"kez"), 1);
        assert_eq!(refusal(&other[0]), Some(Refusal::Forged));
        let good = frames(8, Some(b"key"), 1);
        assert_eq!(missing(&mut inbox, &good[0]), Ok(0));
        assert_eq!(missing(&mut inbox, &good[0]), Err(Refusal::Duplicate));
        // Without a key a signature is nobody's business.
        let mut open = Inbox::new(7, None);
        assert_eq!(missing(&mut open, &good[0]), Ok(0));
    }

    #[test]
    fn heartbeats_tell_of_what_is_missing() {
        let mut outbox = Outbox::new(8, None, usize::MAX);
        let mut inbox = Inbox::new(7, None);
        outbox.tell(1, &[record()]);
        let first = outbox.next(1).next().unwrap().to_vec();
        assert_eq!(missing(&mut inbox, &first), Ok(0));
        assert_eq!(missing(&mut inbox, &outbox.heartbeat(2)), Ok(0));
        outbox.tell(3, &[record()]);
        assert_eq!(missing(&mut inbox, &outbox.heartbeat(4)), Ok(1));
        // It is told once, and the frame is welcome still.
        assert_eq!(missing(&mut inbox, &outbox.heartbeat(5)), Ok(0));
        let late = outbox.next(2).last().unwrap().to_vec();
        assert_eq!(missing(&mut inbox, &late), Ok(0));
        assert_eq!(missing(&mut inbox, &late), Err(Refusal::Duplicate));
    }

    #[test]
    fn nodes_without_end_are_forgotten() {
        let mut inbox = Inbox::new(0, None);
        for node in 1..=2 * NODES_MAX as u64 {
            assert_eq!(missing(&mut inbox, &frames(node, None, 1)[0]), Ok(0));
        }
        assert_eq!(inbox.nodes(), NODES_MAX);
        assert!(inbox.nodes.contains_key(&(2 * NODES_MAX as u64)));
    }

    proptest! {
        #![proptest_config(crate::seeded(64))]

        /// In whatever order frames come, and however often, each counts once, unless it is older
        /// than the window.
        #[test]
        fn each_frame_counts_once(order in prop::collection::vec(0..9000_usize, 0..200)) {
            let mut inbox = Inbox::new(7, None);
            let (mut came, mut newest) = (BTreeSet::new(), None);
            for number in order {
                let taken = missing(&mut inbox, &frame(8, number as u64 + 1));
                let is_old = newest.is_some_and(|newest| number + WINDOW <= newest);
                let expected = !is_old && came.insert(number);
                prop_assert_eq!(taken.is_ok(), expected, "{}", number);
                if let (Ok(missing), Some(newest)) = (taken, newest) {
                    prop_assert_eq!(missing as usize, number.saturating_sub(newest + 1));
                }
                newest = newest.max(Some(number));
            }
        }
    }
}

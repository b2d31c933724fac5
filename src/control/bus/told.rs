//! What workers have told and nobody has sent yet; and since when what is known of whom.

use std::mem;

use crate::bus::Recent;
use crate::net::bus::Ring;
use crate::types::{InfoHash, PeerAddr};
use crate::wire::bus::Record;

/// After so many milliseconds without it, somebody else gathers in the publisher's place: it waits
/// for a server that does not answer.
const LATE_MILLIS: u64 = 300;

/// The ends of all rings, shared by the publisher and the listener: what a peer told here must be
/// known before it is said whether news of others come too late.
pub struct Told {
    rings: Vec<Ring<Record>>,
    recent: Recent,
    /// What was gathered, with when that was, and how many records it is.
    batches: Vec<(u64, Vec<Record>)>,
    waiting: usize,
    waiting_max: usize,
    gathered: u64,
}

impl Told {
    /// Of these rings; while the publisher is late no more than `waiting_max` records are taken out
    /// of them.
    pub fn new(rings: Vec<Ring<Record>>, waiting_max: usize) -> Told {
        Told {
            rings,
            recent: Recent::default(),
            batches: Vec::new(),
            waiting: 0,
            waiting_max,
            gathered: 0,
        }
    }

    /// All that was told until `millis`, in batches with when each was gathered.
    pub fn take(&mut self, millis: u64) -> Vec<(u64, Vec<Record>)> {
        self.gather(millis);
        self.waiting = 0;
        mem::take(&mut self.batches)
    }

    /// Takes note of what was told until `millis`, if that has not been done for a while.
    pub fn gather_if_late(&mut self, millis: u64) {
        let is_late = millis.saturating_sub(self.gathered) >= LATE_MILLIS;
        if is_late && self.waiting < self.waiting_max {
            self.gather(millis);
        }
    }

    /// Takes note of what another node told at `millis`; whether it is news: see [`Recent::note`].
    pub fn note(&mut self, info_hash: &InfoHash, peer: &PeerAddr, millis: u64) -> bool {
        self.recent.note(info_hash, peer, millis)
    }

    fn gather(&mut self, millis: u64) {
        self.gathered = millis;
        let mut records = Vec::new();
        for ring in &self.rings {
            records.extend(std::iter::from_fn(|| ring.pop()));
        }
        if records.is_empty() {
            return;
        }
        for record in &records {
            self.recent.note(&record.info_hash, &record.peer, millis);
        }
        self.waiting += records.len();
        self.batches.push((millis, records));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Event;

    fn record(port: u16) -> Record {
        Record {
            info_hash: InfoHash([7; 20]),
            peer: PeerAddr::from(std::net::SocketAddr::from(([192, 0, 2, 1], port))),
            event: Event::Started,
            seeder: false,
        }
    }

    #[test]
    fn what_was_told_here_counts_while_the_publisher_waits_for_its_server() {
        let ring = Ring::new(10);
        let mut told = Told::new(vec![ring.clone()], 2);
        assert!(told.take(1000).is_empty());
        let [one, two, three] = [1, 2, 3].map(record);
        ring.push(one);
        // The publisher has only just been there, and will be again.
        told.gather_if_late(1100);
        assert!(told.note(&one.info_hash, &one.peer, 1050));
        ring.push(two);
        told.gather_if_late(1400);
        assert!(!told.note(&two.info_hash, &two.peer, 1350), "too late");
        // There is no room for more: the ring keeps it, or drops it.
        ring.push(three);
        told.gather_if_late(1800);
        assert!(told.note(&three.info_hash, &three.peer, 1750));
        let batches = told.take(2000);
        assert_eq!(batches, [(1400, vec![one, two]), (2000, vec![three])]);
        assert!(told.take(2001).is_empty());
    }
}

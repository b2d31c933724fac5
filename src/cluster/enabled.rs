//! The engine of live sync.

use std::mem;
use std::net::IpAddr;
use std::sync::Arc;

use super::{DELAY_SECS, Refusal};
use crate::types::{Announce, Event, Family, Net, Seconds, Want};
use crate::wire::livesync::{self, Packet, Record};

/// One worker's share of live sync.
pub struct Cluster {
    tracker_id: [u8; 4],
    /// Whom to believe.
    nodes: Arc<[Net]>,
    /// What is to be told, of each family.
    batches: [Batch; 2],
}

/// A packet that is being filled.
struct Batch {
    family: Family,
    /// Header and records.
    bytes: Vec<u8>,
    records: usize,
    /// When the first record came.
    began: Seconds,
    /// Whether it has waited for long enough.
    late: bool,
}

impl Cluster {
    /// An engine that tells in the name of `tracker_id`, which no other tracker shall have, and
    /// believes `nodes`.
    pub fn new(tracker_id: [u8; 4], nodes: Arc<[Net]>) -> Option<Cluster> {
        Some(Cluster {
            tracker_id,
            nodes,
            batches: [Family::V4, Family::V6].map(|family| Batch::new(tracker_id, family)),
        })
    }

    /// Believes others from here on.
    pub fn set_nodes(&mut self, nodes: Arc<[Net]>) {
        self.nodes = nodes;
    }

    /// Throws away what is waiting to be told.
    pub fn rebuild(&mut self) {
        self.batches = [Family::V4, Family::V6].map(|family| Batch::new(self.tracker_id, family));
    }

    /// Takes a packet; the announces it stands for, which ask for no peers and let theirs be silent
    /// for `keep_secs`, and `None` for a record that makes no sense.
    ///
    /// # Errors
    /// When the packet as a whole is of no use.
    pub fn handle<'a>(
        &self,
        from: IpAddr,
        bytes: &'a [u8],
        keep_secs: Seconds,
    ) -> Result<impl Iterator<Item = Option<Announce>> + use<'a>, Refusal> {
        if !self.nodes.iter().any(|node| node.contains(from)) {
            return Err(Refusal::Stranger);
        }
        let packet = Packet::parse(bytes).ok_or(Refusal::Malformed)?;
        if packet.tracker_id == self.tracker_id {
            return Err(Refusal::Own);
        }
        let announce = move |record: Option<Record>| Some(announce(&record?, keep_secs));
        Ok(packet.records().map(announce))
    }

    /// Notes what the others should know. A packet that is due afterwards has to be taken by
    /// [`poll_transmit`](Self::poll_transmit) before the next is told, or that is lost.
    pub fn tell(&mut self, now: Seconds, news: &Announce) {
        let batch = &mut self.batches[news.peer.family() as usize];
        if batch.is_full() {
            return;
        }
        if batch.records == 0 {
            batch.began = now;
        }
        record(news).emit(&mut batch.bytes);
        batch.records += 1;
    }

    /// Writes the next packet that is due, if one is, in the place of what is in `packet`.
    pub fn poll_transmit(&mut self, packet: &mut Vec<u8>) -> bool {
        let mut batches = self.batches.iter_mut();
        let Some(batch) = batches.find(|batch| batch.is_full() || batch.late) else {
            return false;
        };
        mem::swap(packet, &mut batch.bytes);
        batch.begin(self.tracker_id);
        true
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Seconds> {
        let filled = self.batches.iter().filter(|batch| batch.records > 0);
        filled.map(Batch::deadline).min()
    }

    /// Makes due what has waited for long enough.
    pub fn handle_timeout(&mut self, now: Seconds) {
        for batch in &mut self.batches {
            batch.late = batch.records > 0 && batch.deadline() <= now;
        }
    }
}

impl Batch {
    fn new(tracker_id: [u8; 4], family: Family) -> Batch {
        let mut batch = Batch {
            family,
            bytes: Vec::new(),
            records: 0,
            began: 0,
            late: false,
        };
        batch.begin(tracker_id);
        batch
    }

    fn begin(&mut self, tracker_id: [u8; 4]) {
        self.bytes.clear();
        livesync::emit_header(tracker_id, self.family, &mut self.bytes);
        self.records = 0;
        self.late = false;
    }

    fn is_full(&self) -> bool {
        self.records == livesync::records_max(self.family)
    }

    fn deadline(&self) -> Seconds {
        self.began.saturating_add(DELAY_SECS)
    }
}

fn record(news: &Announce) -> Record {
    Record {
        info_hash: news.info_hash,
        peer: news.peer,
        seeder: news.seeder,
        completed: news.seeder && news.event == Event::Completed,
        stopped: news.event == Event::Stopped,
        synced: false,
    }
}

fn announce(record: &Record, keep_secs: Seconds) -> Announce {
    let event = match (record.stopped, record.completed) {
        (true, _) => Event::Stopped,
        (false, true) => Event::Completed,
        (false, false) => Event::None,
    };
    Announce {
        info_hash: record.info_hash,
        peer: record.peer,
        // Other trackers don't tell it.
        peer_id: None,
        event,
        seeder: record.seeder,
        want: Want {
            numwant: 0,
            both: false,
            ids: false,
        },
        keep_secs,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::types::{InfoHash, PeerAddr};
    use proptest::prelude::*;

    const ID: [u8; 4] = [0xd6, 0xa7, 0x85, 0x40];
    const KEEP: Seconds = 2700;
    const NODE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 77, 0, 2));

    fn nodes() -> Arc<[Net]> {
        [Net::new(NODE, 24).unwrap()].into()
    }

    fn engine(tracker_id: [u8; 4]) -> Cluster {
        Cluster::new(tracker_id, nodes()).unwrap()
    }

    fn peer(family: Family, number: u16) -> PeerAddr {
        let ip = match family {
            Family::V4 => IpAddr::from([10, 0, 0, 7]),
            Family::V6 => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7]),
        };
        PeerAddr::new(ip, number + 1)
    }

    fn news(family: Family, number: u16, event: Event, seeder: bool) -> Announce {
        Announce {
            info_hash: InfoHash([number as u8; 20]),
            peer: peer(family, number),
            peer_id: None,
            event,
            seeder,
            want: Want {
                numwant: 0,
                both: false,
                ids: false,
            },
            keep_secs: KEEP,
        }
    }

    fn taken(engine: &mut Cluster) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        let mut packet = vec![7; 3];
        while engine.poll_transmit(&mut packet) {
            packets.push(packet.clone());
        }
        packets
    }

    fn heard(engine: &Cluster, bytes: &[u8]) -> Vec<Option<Announce>> {
        engine.handle(NODE, bytes, KEEP).unwrap().collect()
    }

    #[test]
    fn a_full_packet_leaves_at_once() {
        for (family, records, len) in [(Family::V4, 52, 1464), (Family::V6, 36, 1448)] {
            let mut engine = engine(ID);
            for round in 0..3 {
                for number in 1..records {
                    engine.tell(round, &news(family, number, Event::None, true));
                    assert!(taken(&mut engine).is_empty(), "{number}");
                }
                engine.tell(round, &news(family, 0, Event::None, true));
                let packets = taken(&mut engine);
                assert_eq!((packets.len(), packets[0].len()), (1, len));
                assert_eq!(engine.poll_timeout(), None);
            }
        }
    }

    #[test]
    fn a_packet_that_is_not_full_waits_for_fifteen_seconds() {
        let mut engine = engine(ID);
        assert_eq!(engine.poll_timeout(), None);
        engine.tell(100, &news(Family::V6, 1, Event::None, false));
        engine.tell(105, &news(Family::V4, 2, Event::None, false));
        engine.tell(110, &news(Family::V6, 3, Event::None, false));
        assert_eq!(engine.poll_timeout(), Some(115));
        engine.handle_timeout(114);
        assert!(taken(&mut engine).is_empty());
        engine.handle_timeout(115);
        let packets = taken(&mut engine);
        assert_eq!(packets.iter().map(Vec::len).collect::<Vec<_>>(), [88]);
        assert_eq!(engine.poll_timeout(), Some(120));
        engine.handle_timeout(119);
        assert!(taken(&mut engine).is_empty());
        engine.handle_timeout(500);
        assert_eq!(taken(&mut engine).len(), 1);
        assert_eq!(engine.poll_timeout(), None);
        engine.handle_timeout(1000);
        assert!(taken(&mut engine).is_empty(), "nothing is told of nothing");
        engine.tell(1000, &news(Family::V4, 1, Event::None, false));
        engine.rebuild();
        assert_eq!(engine.poll_timeout(), None);
        engine.tell(1001, &news(Family::V4, 1, Event::None, false));
        engine.handle_timeout(1016);
        assert_eq!(taken(&mut engine).concat().len(), 36);
    }

    #[test]
    fn packets_are_those_of_opentracker() {
        let mut engine = engine(ID);
        let info_hash = InfoHash([1; 20]);
        let peer = PeerAddr::V4([127, 0, 0, 1, 0x1a, 0xe1]);
        let seeder = Announce {
            info_hash,
            peer,
            ..news(Family::V4, 0, Event::Completed, true)
        };
        for news in [
            seeder,
            Announce {
                event: Event::Stopped,
                ..seeder
            },
            // Who has not got all of it can't have completed.
            Announce {
                seeder: false,
                ..seeder
            },
        ] {
            engine.tell(0, &news);
        }
        engine.handle_timeout(15);
        let record = |flags| [&[1; 20][..], peer.bytes(), &[flags, 0]].concat();
        let expected = [
            &ID[..],
            &[0; 4],
            &record(0xc0),
            &record(0xa0),
            &record(0x00),
        ];
        assert_eq!(taken(&mut engine), [expected.concat()]);
    }

    #[test]
    fn strangers_and_own_packets_are_refused() {
        let (mut here, there) = (engine(ID), engine([1; 4]));
        here.tell(0, &news(Family::V4, 1, Event::None, true));
        here.handle_timeout(15);
        let packet = taken(&mut here).remove(0);
        let refusal = |engine: &Cluster, from: &str, bytes: &[u8]| {
            engine.handle(from.parse().unwrap(), bytes, KEEP).err()
        };
        assert_eq!(refusal(&there, "10.77.0.200", &packet), None);
        assert_eq!(refusal(&there, "::ffff:10.77.0.200", &packet), None);
        assert_eq!(
            refusal(&there, "10.77.1.2", &packet),
            Some(Refusal::Stranger)
        );
        assert_eq!(refusal(&here, "10.77.0.2", &packet), Some(Refusal::Own));
        for len in [0, 7, 8, packet.len() - 1] {
            let refusal = refusal(&there, "10.77.0.2", &packet[..len]);
            assert_eq!(refusal, Some(Refusal::Malformed), "{len}");
        }
        let mut there = there;
        there.set_nodes(Arc::default());
        assert_eq!(
            refusal(&there, "10.77.0.2", &packet),
            Some(Refusal::Stranger)
        );
    }

    fn told() -> impl Strategy<Value = (Seconds, Announce)> {
        let event = prop::sample::select(vec![
            Event::None,
            Event::Completed,
            Event::Started,
            Event::Stopped,
            Event::Paused,
        ]);
        let gap = prop_oneof![9 => Just(0), 2 => 0..3u32, 1 => 0..40u32];
        let parts = (gap, any::<bool>(), 0..500u16, event, any::<bool>());
        parts.prop_map(|(gap, v6, number, event, seeder)| {
            let family = if v6 { Family::V6 } else { Family::V4 };
            (gap, news(family, number, event, seeder))
        })
    }

    proptest! {
        #![proptest_config(crate::seeded(128))]

        /// All that is told arrives, once, in order and in time.
        #[test]
        fn others_hear_what_is_told(told in prop::collection::vec(told(), 1..400)) {
            let (mut here, there) = (engine(ID), engine([1; 4]));
            let mut now = 0;
            let mut waiting: [Vec<(Seconds, Announce)>; 2] = Default::default();
            let arrive = |here: &mut Cluster, now: Seconds, waiting: &mut [Vec<_>; 2]| {
                for packet in taken(here) {
                    assert!(packet.len() <= livesync::PACKET_LEN_MAX);
                    let heard = heard(&there, &packet);
                    let family = heard[0].unwrap().peer.family();
                    let told: Vec<(Seconds, Announce)> = mem::take(&mut waiting[family as usize]);
                    assert!(now <= told[0].0 + DELAY_SECS);
                    let told = told.iter().map(|(_, news)| Some(announce(&record(news), KEEP)));
                    assert!(told.eq(heard));
                }
            };
            for (gap, news) in told {
                for _ in 0..gap {
                    now += 1;
                    here.handle_timeout(now);
                    arrive(&mut here, now, &mut waiting);
                }
                here.tell(now, &news);
                waiting[news.peer.family() as usize].push((now, news));
                arrive(&mut here, now, &mut waiting);
                let oldest = waiting.iter().filter_map(|family| family.first());
                let due = oldest.map(|(at, _)| at + DELAY_SECS).min();
                prop_assert_eq!(here.poll_timeout(), due);
            }
            here.handle_timeout(now + DELAY_SECS);
            arrive(&mut here, now, &mut waiting);
            prop_assert!(waiting.iter().all(Vec::is_empty), "it never arrived");
        }
    }
}

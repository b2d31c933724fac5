//! What a snapshot keeps of a shard, shown a little at a time, and taken back.

use crate::types::{Kept, KeptPeer, KeptTorrent, PeerAddr, Peers, Seconds};

use super::Shard;
use super::ledger::Full;
use super::peer::{COMPLETED, PAUSED, Peer, SEEDER, pack4, pack6};
use super::store::Store;
use super::torrent::{Shape, Torrent};
use super::walk::{PeersCursor, Visitor};

/// Torrents that are walked through before it is looked at how much they came to: if all have
/// blocks as large as there may be, it is some 16000 peers.
const TORRENTS_A_STRIDE: usize = 32;

/// The same for peers of a crowd.
const PEERS_A_STRIDE: usize = 512;

impl Shard {
    /// Shows some torrents and their peers, about `step` of both together, as they are at the last
    /// reading of the clock; those who have been silent for too long are left out. Whether there
    /// may be more. As with [`Shard::walk_peers`], what stays where it is for the whole walk is
    /// shown, and some perhaps twice.
    pub fn save(
        &self,
        now: Seconds,
        cursor: &mut PeersCursor,
        step: usize,
        show: impl FnMut(&Kept),
    ) -> bool {
        let mut saver = Saver {
            shard: self,
            keep: self.limits.keep(now),
            torrent: KeptTorrent::default(),
            addr: Peers::default(),
            shown: 0,
            show,
        };
        while saver.shown < step {
            let stride = if cursor.is_in_crowd() {
                PEERS_A_STRIDE
            } else {
                TORRENTS_A_STRIDE
            };
            if !self.store.walk_peers(cursor, stride, &mut saver) {
                return false;
            }
            // Empty places take time as well.
            saver.shown += stride / 16;
        }
        true
    }

    /// Says whether peers will be [restored](Shard::restore), swarm after swarm: it is faster if
    /// that is known.
    pub fn expect_restore(&mut self, is_expected: bool) {
        let Store { pool, ledger, .. } = &mut self.store;
        pool.hoard(ledger, is_expected);
    }

    /// Takes a peer back into its torrent, which need not be known. Whether there was room.
    pub fn restore(&mut self, now: Seconds, torrent: &KeptTorrent, peer: &KeptPeer) -> bool {
        let moment = self.clock.read(now);
        let bit = |set, bit| if set { bit } else { 0 };
        let state = self.clock.stamp(peer.left_secs)
            | bit(peer.seeder, SEEDER)
            | bit(peer.counted, COMPLETED)
            // As an announce has it: who seeds is not paused.
            | bit(peer.paused && !peer.seeder, PAUSED);
        let known = self.store.find(&torrent.info_hash);
        let admitted = match peer.addr {
            PeerAddr::V4(bytes) => {
                (self.store).admit(&torrent.info_hash, known, pack4(bytes, state), moment)
            }
            PeerAddr::V6(bytes) => {
                (self.store).admit(&torrent.info_hash, known, pack6(bytes, state), moment)
            }
        };
        let known = match admitted {
            Ok((known, _)) => known,
            Err(Full::Torrents | Full::Peers | Full::Bytes) => return false,
        };
        if torrent.established {
            self.store.establish(known);
        }
        self.store.remember_completed(known, torrent.completed);
        if peer.id.is_some() {
            let ledger = &mut self.store.ledger;
            self.ids
                .note(ledger, &torrent.info_hash, peer.addr, peer.id, state);
        }
        true
    }
}

impl PeersCursor {
    /// Whether the next peers are those of one large swarm.
    fn is_in_crowd(&self) -> bool {
        !self.crowds.is_empty()
    }
}

impl Store {
    /// Says how often a torrent was completed at least.
    fn remember_completed(&mut self, known: super::store::Known, completed: u32) {
        if self.torrent(known).completed() < completed {
            self.torrents.at_mut(known.place).set_completed(completed);
        }
    }
}

/// Turns what a walk meets into what is kept.
struct Saver<'a, F> {
    shard: &'a Shard,
    /// Until when a torrent that loses its last peer now is remembered.
    keep: Seconds,
    torrent: KeptTorrent,
    /// Room for one peer.
    addr: Peers,
    shown: usize,
    show: F,
}

impl<F: FnMut(&Kept)> Visitor for Saver<'_, F> {
    fn torrent(&mut self, torrent: &Torrent) {
        self.torrent = KeptTorrent {
            info_hash: torrent.info_hash(),
            completed: torrent.completed(),
            established: torrent.is_established(),
            idle_secs: match torrent.shape() {
                Shape::Memory(until) => Some(self.keep.saturating_sub(until)),
                _ => None,
            },
        };
        self.shown += 1;
        (self.show)(&Kept::Torrent(self.torrent));
    }

    fn peer<P: Peer>(&mut self, peer: &P) {
        self.shown += 1;
        let state = peer.state();
        let Some(left_secs) = self.shard.clock.left_secs(state) else {
            return;
        };
        self.addr.clear();
        peer.append(&mut self.addr);
        let Some(addr) = self.addr.iter().next() else {
            return;
        };
        let ids = &self.shard.ids;
        let id = (!ids.is_empty()).then(|| ids.id(&self.torrent.info_hash, addr));
        (self.show)(&Kept::Peer(KeptPeer {
            addr,
            id: id.flatten(),
            seeder: state & SEEDER != 0,
            counted: state & COMPLETED != 0,
            paused: state & PAUSED != 0,
            left_secs,
        }));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::swarm::tests::{LIMITS, TICK_SECS, announce, peer, torrent};
    use crate::types::{Announce, Event, Family, InfoHash};

    type Swarms = BTreeMap<(InfoHash, PeerAddr), KeptPeer>;
    type Torrents = BTreeMap<InfoHash, KeptTorrent>;

    /// All that a walk shows; a torrent or a peer that comes twice is the same both times.
    fn saved(shard: &Shard, now: Seconds, step: usize) -> (Torrents, Swarms) {
        let (mut torrents, mut swarms) = (Torrents::new(), Swarms::new());
        let (mut cursor, mut last) = (PeersCursor::default(), InfoHash::default());
        let mut more = true;
        while more {
            let mut begun = false;
            more = shard.save(now, &mut cursor, step, |kept| match kept {
                Kept::Torrent(torrent) => {
                    (begun, last) = (true, torrent.info_hash);
                    let before = torrents.insert(last, *torrent);
                    assert!(before.is_none_or(|before| before == *torrent));
                }
                Kept::Peer(peer) => {
                    assert!(begun, "each step names the torrent");
                    let before = swarms.insert((last, peer.addr), *peer);
                    assert!(before.is_none_or(|before| before == *peer));
                }
            });
        }
        (torrents, swarms)
    }

    /// The same in other shards, later by `age`, each with the torrents that are its own.
    fn restored(
        torrents: &Torrents,
        swarms: &Swarms,
        (now, age): (Seconds, Seconds),
        shards: usize,
    ) -> (Torrents, Swarms) {
        let of = |info_hash: &InfoHash| info_hash.0[11] as usize % shards;
        let mut all = (Torrents::new(), Swarms::new());
        for me in 0..shards {
            let mut shard = Shard::new([me as u64 + 9, 3], LIMITS, now);
            shard.expect_restore(true);
            for ((info_hash, _), peer) in swarms.iter().filter(|((hash, _), _)| of(hash) == me) {
                if let Some(left_secs) = peer.left_secs.checked_sub(age) {
                    let peer = KeptPeer { left_secs, ..*peer };
                    assert!(shard.restore(now, &torrents[info_hash], &peer));
                }
            }
            for torrent in torrents.values().filter(|t| of(&t.info_hash) == me) {
                let idle = torrent.idle_secs.unwrap_or(0) + age;
                shard.remember(now, &torrent.info_hash, torrent.completed, idle);
            }
            shard.expect_restore(false);
            let ids = shard.ids.cost();
            assert_eq!(shard.held().bytes, shard.store.cost() + ids);
            let (torrents, swarms) = saved(&shard, now, 7);
            assert_eq!(shard.totals().peers() as usize, swarms.len());
            assert_eq!(shard.totals().completed, 0, "none in this run");
            all.0.extend(torrents);
            all.1.extend(swarms);
        }
        all
    }

    proptest! {
        #![proptest_config(crate::seeded(96))]

        #[test]
        fn what_is_saved_is_what_was_announced_and_comes_back(
            steps in prop::collection::vec(
                (0..400_u32, 0..6_u32, any::<bool>(), 0..60_u32, 0..8_u8, 1..2700_u32), 1..300,
            ),
            step in 1..200_usize, age in 0..3000_u32, shards in 1..4_usize, start in 0..5000_u32,
        ) {
            let mut shard = Shard::new([1, 2], LIMITS, 0);
            let mut model: BTreeMap<(InfoHash, PeerAddr), (Announce, Seconds)> = BTreeMap::new();
            let (mut now, mut found) = (0, Peers::default());
            for (wait, number, is_v6, peer_number, kind, keep_secs) in steps {
                now += wait / 20;
                let family = if is_v6 { Family::V6 } else { Family::V4 };
                let addr = peer(family, peer_number);
                let event = [Event::Stopped, Event::Completed, Event::Paused, Event::None];
                let event = event[usize::from(kind).min(3)];
                let seeder = kind == 1 || kind > 5;
                let peer_id = (kind % 3 == 0).then_some([kind; 20]);
                let heard = Announce {
                    event, keep_secs, peer_id, ..announce(number, addr, seeder)
                };
                shard.announce(now, &heard, &mut found);
                match event {
                    Event::Stopped => drop(model.remove(&(torrent(number), addr))),
                    _ => drop(model.insert((torrent(number), addr), (heard, now))),
                }
                shard.sweep(now);
            }
            let (torrents, swarms) = saved(&shard, now, step);
            for (key, (heard, when)) in &model {
                let silent = now - when;
                let Some(kept) = swarms.get(key) else {
                    prop_assert!(silent >= heard.keep_secs, "{:?} is missing", key);
                    continue;
                };
                let left = (heard.keep_secs + 2 * TICK_SECS).checked_sub(silent);
                let off = left.map(|left| kept.left_secs.abs_diff(left));
                prop_assert!(off.is_some_and(|secs| secs <= 3 * TICK_SECS));
                prop_assert_eq!(kept.seeder, heard.seeder);
                prop_assert_eq!(kept.paused, heard.event == Event::Paused);
                prop_assert_eq!(kept.id, heard.peer_id);
            }
            prop_assert!(swarms.keys().all(|key| model.contains_key(key)));
            for (info_hash, kept) in &torrents {
                let counts = shard.scrape(now, info_hash).unwrap_or_default();
                prop_assert_eq!(kept.completed, counts.completed);
            }

            let (torrents_then, then) = restored(&torrents, &swarms, (start, age), shards);
            for (key, kept) in &swarms {
                let Some(left_secs) = kept.left_secs.checked_sub(age) else {
                    prop_assert!(!then.contains_key(key));
                    continue;
                };
                let back = then[key];
                prop_assert!(back.left_secs.abs_diff(left_secs) <= TICK_SECS);
                let ageless = |peer: KeptPeer| KeptPeer { left_secs: 0, ..peer };
                prop_assert_eq!(ageless(back), ageless(*kept));
                prop_assert!(torrents_then[&key.0].established >= torrents[&key.0].established);
            }
            prop_assert!(then.keys().all(|key| swarms.contains_key(key)));
            for (info_hash, kept) in torrents.iter().filter(|(_, kept)| kept.completed > 0) {
                prop_assert_eq!(torrents_then[info_hash].completed, kept.completed);
            }
        }
    }

    #[test]
    fn large_swarms_come_piece_by_piece_and_whole() {
        let mut shard = Shard::new([1, 2], LIMITS, 0);
        let mut found = Peers::default();
        for number in 0..3000 {
            let family = if number % 3 == 0 {
                Family::V6
            } else {
                Family::V4
            };
            let heard = announce(1 + number % 2, peer(family, number), number % 5 == 0);
            shard.announce(number / 100, &heard, &mut found);
        }
        for step in [1, 100, 100_000] {
            let (torrents, swarms) = saved(&shard, 30, step);
            assert_eq!((torrents.len(), swarms.len()), (2, 3000));
            let (_, again) = restored(&torrents, &swarms, (7, 60), 2);
            assert_eq!(again.len(), 3000);
        }
    }

    #[test]
    fn what_finds_no_room_is_left_out() {
        let mut shard = Shard::new([1, 2], LIMITS, 0);
        shard.set_room(crate::swarm::Room {
            peers: 3,
            ..crate::swarm::Room::UNLIMITED
        });
        let kept = |port| KeptPeer {
            addr: peer(Family::V4, port),
            id: None,
            seeder: false,
            counted: false,
            paused: false,
            left_secs: 100,
        };
        let torrent = KeptTorrent::default();
        let taken = (0..9).filter(|port| shard.restore(0, &torrent, &kept(*port)));
        assert_eq!(taken.count(), 3);
        assert_eq!(shard.totals().leechers, 3);
    }
}

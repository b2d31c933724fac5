//! The shard at its limits, against a naive model of what was stored.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::tests::{LIMITS, START, announce, listed, peer, torrent};
use super::*;
use crate::types::{Family, Want};

/// A peer counts as coming again after so long: more than a 16th of its life.
const RENEWAL_SECS: Seconds = 200;

#[derive(Default)]
struct Known {
    /// Whether a peer is a seeder, and when it was heard.
    peers: BTreeMap<PeerAddr, (bool, Seconds)>,
    established: bool,
}

impl Known {
    fn check_gave_way(&self) {
        assert!(self.peers.len() == 1 && !self.established);
    }
}

struct Limited {
    shard: Shard,
    room: Room,
    now: Seconds,
    found: Peers,
    torrents: HashMap<InfoHash, Known>,
    /// Torrents evicted until the last sweep.
    evicted: usize,
    /// Those the model knows of.
    gone: usize,
    unstored: u32,
}

impl Limited {
    fn new(seed: u64, room: Room) -> Limited {
        let mut shard = Shard::new([seed, seed ^ 1], LIMITS, START);
        shard.set_room(room);
        Limited {
            shard,
            room,
            now: START,
            found: Peers::default(),
            torrents: HashMap::new(),
            evicted: 0,
            gone: 0,
            unstored: 0,
        }
    }

    fn announce(&mut self, a: &Announce) {
        if self.shard.store.find(&a.info_hash).is_none()
            && let Some(gone) = self.torrents.remove(&a.info_hash)
        {
            gone.check_gave_way();
            self.gone += 1;
        }
        let counts = self.shard.announce(self.now, a, &mut self.found);
        let unstored = self.shard.unstored.iter().sum::<u32>();
        let is_stored = mem::replace(&mut self.unstored, unstored) == unstored;
        let now = self.now;
        let known = self.torrents.entry(a.info_hash).or_default();
        let before = known.peers.get(&a.peer).copied();
        match (before, is_stored) {
            _ if a.event == Event::Stopped => {
                known.peers.remove(&a.peer);
            }
            (Some((_, heard)), true) => {
                known.peers.insert(a.peer, (a.seeder, now));
                known.established |= now - heard > RENEWAL_SECS;
            }
            (None, true) => {
                known.peers.insert(a.peer, (a.seeder, now));
            }
            // It could not become what it says it is, and stays what it was.
            (Some((seeder, _)), false) => {
                assert_ne!(seeder, a.seeder);
                known.peers.insert(a.peer, (seeder, now));
            }
            (None, false) => self.check_refusal(),
        }
        let known = self.torrents.get_mut(&a.info_hash).unwrap();
        known.established |= known.peers.len() > 1;
        let seeders = known.peers.values().filter(|(seeder, _)| *seeder).count();
        let all = (counts.seeders + counts.leechers) as usize;
        assert_eq!((counts.seeders as usize, all), (seeders, known.peers.len()));
        assert!(
            listed(&self.found)
                .iter()
                .all(|peer| known.peers.contains_key(peer))
        );
        if known.peers.is_empty() {
            self.torrents.remove(&a.info_hash);
        }
        let held = self.shard.held();
        assert!(held.bytes <= self.room.bytes, "{held:?}");
        assert!(held.torrents <= self.room.torrents && held.peers <= self.room.peers);
    }

    /// Nobody is turned away without need.
    fn check_refusal(&self) {
        let (held, room) = (self.shard.held(), self.room);
        // What was missing is one step of growth at most.
        let is_full = held.bytes + room.bytes / 32 + (16 << 10) > room.bytes
            || held.bytes > room.bytes / 8 * 7;
        assert!(
            is_full || held.torrents == room.torrents || held.peers == room.peers,
            "{held:?} of {room:?}"
        );
    }

    /// Takes out what has been evicted: new torrents of one peer, and nothing else.
    fn reconcile(&mut self) {
        let before = self.torrents.len();
        let store = &self.shard.store;
        self.torrents.retain(|info_hash, known| {
            let stays = store.find(info_hash).is_some();
            if !stays {
                known.check_gave_way();
            }
            stays
        });
        self.gone += before - self.torrents.len();
        assert_eq!(
            self.gone,
            self.evicted + self.shard.evicted.0.iter().sum::<u32>() as usize
        );
    }

    fn sweep(&mut self) {
        let Swept {
            peers,
            torrents,
            evicted,
            ..
        } = self.shard.sweep(self.now);
        assert_eq!((peers, torrents), (0, 0));
        self.evicted += evicted.iter().sum::<u32>() as usize;
        self.unstored = 0;
    }

    /// Compares all there is.
    fn check(&mut self) {
        self.reconcile();
        assert_eq!(self.shard.held().bytes, self.shard.store.cost());
        assert_eq!(self.shard.totals().torrents as usize, self.torrents.len());
        let peers: usize = self.torrents.values().map(|known| known.peers.len()).sum();
        assert_eq!(self.shard.totals().peers() as usize, peers);
        for (info_hash, known) in &self.torrents {
            let counts = self.shard.scrape(self.now, info_hash).unwrap();
            assert_eq!(
                (counts.seeders + counts.leechers) as usize,
                known.peers.len()
            );
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Some peers of one torrent.
    Swarm(u32, u32, u32, Family, Event, bool),
    /// So many torrents nobody has heard of, with one peer each.
    Flood(u32, Family),
    /// So many torrents again, from a number on, the same peers.
    Again(u32, u32),
    Wait,
    Sweep,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let family = || prop_oneof![2 => Just(Family::V4), 1 => Just(Family::V6)];
    let event = prop_oneof![5 => Just(Event::None), 1 => Just(Event::Stopped)];
    let swarm = (
        0..20_u32,
        0..300_u32,
        1..700_u32,
        family(),
        event,
        any::<bool>(),
    );
    let step = prop_oneof![
        5 => swarm.prop_map(|(t, p, n, f, e, s)| Step::Swarm(t, p, n, f, e, s)),
        4 => (1..1500_u32, family()).prop_map(|(n, f)| Step::Flood(n, f)),
        2 => (0..3000_u32, 1..300_u32).prop_map(|(first, n)| Step::Again(first, n)),
        1 => Just(Step::Wait),
        1 => Just(Step::Sweep),
    ];
    prop::collection::vec(step, 1..24)
}

fn room() -> impl Strategy<Value = Room> {
    let any = |limit: std::ops::Range<u32>| prop_oneof![Just(u32::MAX), limit];
    let bytes = prop_oneof![1 => 0..300_usize, 6 => 4096..200_000_usize, 1 => Just(usize::MAX)];
    (bytes, any(1..3000), any(1..4000)).prop_map(|(bytes, torrents, peers)| Room {
        bytes,
        torrents,
        peers,
    })
}

proptest! {
    #![proptest_config(crate::seeded(24))]

    #[test]
    fn limits_hold_and_only_new_torrents_of_one_peer_go(
        seed: u64,
        room in room(),
        steps in steps(),
    ) {
        let mut limited = Limited::new(seed, room);
        let mut fresh = 1000;
        for step in steps {
            match step {
                Step::Swarm(t, first, count, family, event, seeder) => {
                    let (numwant, both) = ((count % 60) as u16, first % 2 == 0);
                    let want = Want { numwant, both, ids: false };
                    for p in first..first + count {
                        let a = announce(t, peer(family, p), seeder ^ (p % 5 == 0));
                        limited.announce(&Announce { event, want, ..a });
                    }
                }
                Step::Flood(count, family) => {
                    for number in fresh..fresh + count {
                        limited.announce(&announce(number, peer(family, number), false));
                    }
                    fresh += count;
                }
                Step::Again(first, count) => {
                    for number in (1000 + first..1000 + first + count).filter(|n| *n < fresh) {
                        limited.announce(&announce(number, peer(Family::V4, number), false));
                    }
                }
                // In all less than a life.
                Step::Wait if limited.now < START + 2000 => limited.now += 250,
                Step::Wait => {}
                Step::Sweep => limited.sweep(),
            }
            limited.check();
        }
    }
}

fn limited(room: Room) -> Limited {
    Limited::new(7, room)
}

#[test]
fn swarms_and_torrents_of_old_survive_a_flood() {
    let bytes = 400 << 10;
    let mut limited = limited(Room {
        bytes,
        ..Room::UNLIMITED
    });
    let says = |limited: &mut Limited, number: u32, peers: u32| {
        for p in 0..peers {
            limited.announce(&announce(number, peer(Family::V4, number * 100 + p), false));
        }
    };
    (0..500).for_each(|number| says(&mut limited, number, 1 + number % 3));
    limited.now += RENEWAL_SECS * 2;
    (0..500).for_each(|number| says(&mut limited, number, 1 + number % 3));
    (1000..40_000).for_each(|number| says(&mut limited, number, 1));
    assert_eq!(limited.unstored, 0);
    limited.check();
    assert!(limited.gone > 20_000, "{}", limited.gone);
    for number in 0..500 {
        let known = &limited.torrents[&torrent(number)];
        assert_eq!(known.peers.len() as u32, 1 + number % 3);
    }
    // Memory is used, and swarms still find room to grow.
    assert!(limited.shard.held().bytes > bytes / 10 * 9);
    says(&mut limited, 3, 5000);
    assert_eq!(limited.unstored, 0);
    (50_000..60_000).for_each(|number| says(&mut limited, number, 1));
    assert_eq!(limited.torrents[&torrent(3)].peers.len(), 5000);
    limited.check();
}

/// Who invents torrents displaces his own: others' new torrents are as likely to stay as his.
#[test]
fn chance_decides_who_goes() {
    let torrents = 2000;
    let mut limited = limited(Room {
        torrents,
        ..Room::UNLIMITED
    });
    let says = |limited: &mut Limited, number: u32| {
        limited.announce(&announce(number, peer(Family::V4, number), false));
    };
    (0..torrents).for_each(|number| says(&mut limited, number));
    // One after the other takes the place of one of them, on average once.
    (torrents..2 * torrents).for_each(|number| says(&mut limited, number));
    limited.check();
    let old = (0..torrents).filter(|&number| limited.torrents.contains_key(&torrent(number)));
    // 1/e of them.
    let old = old.count();
    assert!((600..880).contains(&old), "{old}");
    assert_eq!(limited.gone, torrents as usize);
}

#[test]
#[cfg_attr(miri, ignore = "too much of the same for Miri")]
fn lower_limits_are_met_by_and_by() {
    let mut limited = limited(Room::UNLIMITED);
    (0..20_000).for_each(|n| limited.announce(&announce(n, peer(Family::V4, n), false)));
    (0..1000).for_each(|n| limited.announce(&announce(1, peer(Family::V4, n), false)));
    let room = Room {
        bytes: 300 << 10,
        torrents: 9000,
        peers: 5000,
    };
    limited.shard.set_room(room);
    let mut evicted = 0;
    let exceeds = |held: Room| {
        held.bytes > room.bytes || held.torrents > room.torrents || held.peers > room.peers
    };
    for _ in 0..10_000 {
        if exceeds(limited.shard.held()) {
            evicted += limited.shard.sweep(limited.now).evicted[0];
        }
    }
    let held = limited.shard.held();
    assert!(!exceeds(held) && held.peers == room.peers, "{held:?}");
    assert_eq!(20_000 - evicted, held.torrents);
    let crowd = limited.shard.scrape(limited.now, &torrent(1)).unwrap();
    assert!(crowd.leechers >= 1000);
}

//! The shard against a naive model, under a virtual clock.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::types::{Family, Want};

const LIMITS: Limits = Limits {
    peer_secs_max: 2700,
    memory_secs_max: 86_400,
};
const TICK_SECS: Seconds = 22;
const LIFE: Seconds = 2700_u32.div_ceil(TICK_SECS);
const START: Seconds = 1000;

fn torrent(number: u32) -> InfoHash {
    let mut bytes = [0xaa; 20];
    bytes[8..12].copy_from_slice(&number.to_be_bytes());
    InfoHash(bytes)
}

fn peer(family: Family, number: u32) -> PeerAddr {
    let port = 1 + (number % 7) as u16;
    let ip: IpAddr = match family {
        Family::V4 => Ipv4Addr::from(0x0a00_0000 + number / 7).into(),
        Family::V6 => Ipv6Addr::from((0x2001_0db8 << 96) + u128::from(number / 7)).into(),
    };
    PeerAddr::new(ip, port)
}

fn announce(torrent_number: u32, peer: PeerAddr, seeder: bool) -> Announce {
    Announce {
        info_hash: torrent(torrent_number),
        peer,
        event: Event::None,
        seeder,
        want: Want {
            numwant: 0,
            both: false,
        },
    }
}

fn listed(found: &Peers) -> Vec<PeerAddr> {
    let v4 = found.v4.chunks(6);
    v4.chain(found.v6.chunks(18))
        .map(|bytes| PeerAddr::from_bytes(bytes).unwrap())
        .collect()
}

/// Sweeps until everybody silent for too long is gone; time goes on by half a life.
fn sweep_all(shard: &mut Shard, now: &mut Seconds) {
    for _ in 0..2 {
        *now += LIMITS.peer_secs_max / PASSES_PER_LIFE + 1;
        while shard.sweep(*now).more {}
    }
}

fn walk_all(shard: &Shard, step: usize) -> BTreeMap<InfoHash, Counts> {
    let mut seen = BTreeMap::new();
    let mut cursor = Some(Cursor::default());
    while let Some(at) = cursor {
        cursor = shard.walk(at, step, |info_hash, counts| {
            assert_eq!(seen.insert(info_hash, counts), None, "shown twice");
        });
    }
    seen
}

#[derive(Clone, Copy, Debug)]
struct ModelPeer {
    seeder: bool,
    completed: bool,
    tick: Seconds,
}

#[derive(Default)]
struct ModelTorrent {
    peers: BTreeMap<PeerAddr, ModelPeer>,
    completed: u32,
    /// The last moment at which there may have been peers.
    idle: Seconds,
}

struct Model {
    torrents: HashMap<InfoHash, ModelTorrent>,
    shard: Shard,
    now: Seconds,
    found: Peers,
}

impl Model {
    fn new(seed: u64) -> Model {
        let shard = Shard::new([seed, seed ^ 1], LIMITS, START);
        Model {
            torrents: HashMap::new(),
            shard,
            now: START,
            found: Peers::default(),
        }
    }

    fn tick(&self) -> Seconds {
        (self.now - START) / TICK_SECS
    }

    fn is_live(&self, peer: &ModelPeer) -> bool {
        self.tick() - peer.tick <= LIFE
    }

    fn announce(&mut self, a: &Announce) {
        let counts = self.shard.announce(self.now, a, &mut self.found);
        let (now, tick) = (self.now, self.tick());
        let torrent = self.torrents.entry(a.info_hash).or_default();
        let is_small = torrent.peers.len() <= 16;
        let before = torrent
            .peers
            .remove(&a.peer)
            .filter(|peer| tick - peer.tick <= LIFE);
        self.check_memory(
            a.info_hash,
            counts.completed,
            a.event == Event::Completed && a.seeder,
        );
        let torrent = self.torrents.get_mut(&a.info_hash).unwrap();
        if a.event != Event::Stopped {
            torrent.idle = now;
            let known = before.is_some_and(|peer| peer.completed);
            let completes = a.seeder && a.event == Event::Completed;
            torrent.completed += u32::from(completes && !known);
            let peer = ModelPeer {
                seeder: a.seeder,
                completed: known || completes,
                tick,
            };
            torrent.peers.insert(a.peer, peer);
        }
        self.check_counts(a.info_hash, counts, is_small);
        self.check_sample(a);
    }

    /// A torrent without peers may have been forgotten after a day.
    fn check_memory(&mut self, info_hash: InfoHash, completed: u32, one_more: bool) {
        let now = self.now;
        let torrent = self.torrents.get_mut(&info_hash).unwrap();
        let has_live = torrent
            .peers
            .values()
            .any(|peer| (now - START) / TICK_SECS - peer.tick <= LIFE);
        let silent = now - torrent.idle;
        if !has_live && silent > LIMITS.memory_secs_max && completed <= u32::from(one_more) {
            torrent.completed = 0;
        }
    }

    fn check_counts(&self, info_hash: InfoHash, counts: Counts, exact: bool) {
        let torrent = &self.torrents[&info_hash];
        let count = |seeder, all: bool| {
            let fit = |peer: &&ModelPeer| peer.seeder == seeder && (all || self.is_live(peer));
            torrent.peers.values().filter(fit).count() as u32
        };
        // Those not yet swept up may be counted.
        let (seeders, leechers) = (count(true, false), count(false, false));
        assert!(
            counts.seeders >= seeders && counts.leechers >= leechers,
            "{counts:?}"
        );
        assert!(counts.seeders <= count(true, true) && counts.leechers <= count(false, true));
        if exact {
            assert_eq!((counts.seeders, counts.leechers), (seeders, leechers));
        }
        assert_eq!(counts.completed, torrent.completed);
    }

    fn check_sample(&self, a: &Announce) {
        let peers = &self.torrents[&a.info_hash].peers;
        let drawn = listed(&self.found);
        let leechers_only = a.seeder || a.event == Event::Paused;
        let unique: BTreeSet<_> = drawn.iter().collect();
        assert_eq!(unique.len(), drawn.len(), "drawn twice");
        assert_eq!(drawn.len(), self.found.len());
        for peer in &drawn {
            let model = peers.get(peer).expect("not in the swarm");
            assert!(self.is_live(model), "silent for too long");
            assert!(*peer != a.peer, "the asker itself");
            assert!(!(leechers_only && model.seeder), "a seeder for a seeder");
            assert!(
                a.want.both || peer.family() == a.peer.family(),
                "wrong family"
            );
        }
        if a.event == Event::Stopped {
            assert!(drawn.is_empty());
            return;
        }
        let numwant = usize::from(a.want.numwant);
        assert!(drawn.len() <= numwant);
        if peers.values().all(|peer| self.is_live(peer)) {
            let fit = |own: bool| {
                let fit = |(addr, peer): &(&PeerAddr, &ModelPeer)| {
                    let is_own = addr.family() == a.peer.family();
                    **addr != a.peer && !(leechers_only && peer.seeder) && is_own == own
                };
                peers.iter().filter(fit).count()
            };
            let (own, other) = (fit(true), if a.want.both { fit(false) } else { 0 });
            assert_eq!(drawn.len(), numwant.min(own + other));
            let others = drawn
                .iter()
                .filter(|p| p.family() != a.peer.family())
                .count();
            assert!(
                others >= other.min(numwant / 4),
                "too few of the other family"
            );
            self.check_roles(a, &drawn, leechers_only, other > 0);
        }
    }

    /// A quarter of each role, when one family is asked for.
    fn check_roles(&self, a: &Announce, drawn: &[PeerAddr], leechers_only: bool, both: bool) {
        if leechers_only || both {
            return;
        }
        let peers = &self.torrents[&a.info_hash].peers;
        let own = peers
            .iter()
            .filter(|(addr, _)| addr.family() == a.peer.family());
        let all = own.clone().filter(|(addr, _)| **addr != a.peer);
        for seeder in [true, false] {
            let there = all
                .clone()
                .filter(|(_, peer)| peer.seeder == seeder)
                .count();
            let here = drawn
                .iter()
                .filter(|addr| peers[addr].seeder == seeder)
                .count();
            let quarter = usize::from(a.want.numwant).min(all.clone().count()) / 4;
            assert!(
                here >= quarter.min(there),
                "{here} of {there}, seeder: {seeder}"
            );
        }
    }

    fn scrape(&mut self, info_hash: InfoHash) {
        let counts = self.shard.scrape(self.now, &info_hash);
        let Some(torrent) = self.torrents.get(&info_hash) else {
            return assert_eq!(counts, None);
        };
        match counts {
            Some(counts) => self.check_counts(info_hash, counts, torrent.peers.len() <= 16),
            None => {
                assert!(!torrent.peers.values().any(|peer| self.is_live(peer)));
                let silent = self.now - torrent.idle;
                assert!(torrent.completed == 0 || silent > LIMITS.memory_secs_max);
                self.torrents.remove(&info_hash);
            }
        }
    }

    /// Sweeps, and compares all there is.
    fn settle(&mut self) {
        sweep_all(&mut self.shard, &mut self.now);
        let tick = self.tick();
        let hashes: Vec<_> = self.torrents.keys().copied().collect();
        hashes
            .into_iter()
            .for_each(|info_hash| self.scrape(info_hash));
        for torrent in self.torrents.values_mut() {
            torrent.peers.retain(|_, peer| tick - peer.tick <= LIFE);
        }
        let count = |fit: &dyn Fn(&PeerAddr, &ModelPeer) -> bool| {
            let peers = self.torrents.values().flat_map(|torrent| &torrent.peers);
            peers.filter(|(addr, peer)| fit(addr, peer)).count() as u32
        };
        let totals = self.shard.totals();
        assert_eq!(totals.seeders, count(&|_, peer| peer.seeder));
        assert_eq!(totals.leechers, count(&|_, peer| !peer.seeder));
        assert_eq!(totals.v4, count(&|addr, _| addr.family() == Family::V4));
        assert_eq!(totals.v6, count(&|addr, _| addr.family() == Family::V6));
        let walked = walk_all(&self.shard, 3);
        assert_eq!(walked.len(), totals.torrents as usize);
        for (info_hash, counts) in walked {
            self.check_counts(info_hash, counts, true);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Announce(u32, u32, Family, Event, bool, Want),
    /// So many peers, from a number on, all with the same event.
    Wave(u32, u32, u32, Family, Event, bool),
    Scrape(u32),
    Wait(Seconds),
    Sweep,
    Settle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let family = || prop_oneof![3 => Just(Family::V4), 2 => Just(Family::V6)];
    let event = || {
        prop_oneof![
            4 => Just(Event::None),
            1 => Just(Event::Started),
            2 => Just(Event::Completed),
            2 => Just(Event::Stopped),
            1 => Just(Event::Paused),
        ]
    };
    let numwant = prop_oneof![0..5_u16, Just(30), Just(50), Just(200)];
    let want = (numwant, any::<bool>()).prop_map(|(numwant, both)| Want { numwant, both });
    let one = (0..6_u32, 0..40_u32, family(), event(), any::<bool>(), want);
    let wave = (
        0..3_u32,
        0..500_u32,
        1..700_u32,
        family(),
        event(),
        any::<bool>(),
    );
    let step = prop_oneof![
        20 => one.prop_map(|(t, p, f, e, s, w)| Step::Announce(t, p, f, e, s, w)),
        3 => wave.prop_map(|(t, p, n, f, e, s)| Step::Wave(t, p, n, f, e, s)),
        3 => (0..7_u32).prop_map(Step::Scrape),
        4 => prop_oneof![0..60_u32, 0..1500_u32, 2000..9000_u32].prop_map(Step::Wait),
        1 => (80_000..200_000_u32).prop_map(Step::Wait),
        4 => Just(Step::Sweep),
        1 => Just(Step::Settle),
    ];
    prop::collection::vec(step, 1..60)
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn answers_as_the_model(seed: u64, steps in steps()) {
        let mut model = Model::new(seed);
        for step in steps {
            match step {
                Step::Announce(t, p, family, event, seeder, want) => {
                    let a = announce(t, peer(family, p), seeder);
                    model.announce(&Announce { event, want, ..a });
                }
                Step::Wave(t, first, count, family, event, seeder) => {
                    let want = Want { numwant: (count % 60) as u16, both: first % 2 == 0 };
                    for p in first..first + count {
                        let a = announce(t, peer(family, p), seeder ^ (p % 5 == 0));
                        model.announce(&Announce { event, want, ..a });
                    }
                }
                Step::Scrape(t) => model.scrape(torrent(t)),
                Step::Wait(secs) => model.now += secs,
                Step::Sweep => { model.shard.sweep(model.now); }
                Step::Settle => model.settle(),
            }
        }
        model.settle();
    }
}

/// How often each of `count` peers is drawn by strangers who come and go.
fn tally(count: u32, seeders: u32, numwant: u16, rounds: u32) -> Vec<u32> {
    let mut shard = Shard::new([11, 12], LIMITS, START);
    let mut found = Peers::default();
    let mut numbers = HashMap::new();
    for number in 0..count {
        let address = peer(Family::V4, number);
        numbers.insert(address, number as usize);
        shard.announce(START, &announce(0, address, number < seeders), &mut found);
    }
    let mut drawn = vec![0; count as usize];
    let want = Want {
        numwant,
        both: false,
    };
    let asker = announce(0, peer(Family::V4, 1_000_000), false);
    for _ in 0..rounds {
        shard.announce(START, &Announce { want, ..asker }, &mut found);
        assert_eq!(found.len(), usize::from(numwant.min(count as u16)));
        listed(&found)
            .iter()
            .for_each(|peer| drawn[numbers[peer]] += 1);
    }
    drawn
}

#[test]
fn everybody_is_as_likely_to_be_drawn() {
    // A block, a small crowd, a larger one; one role, then both in proportion.
    for (count, seeders) in [(3, 0), (20, 5), (300, 90), (700, 0), (2000, 600)] {
        for numwant in [1, 2, 30] {
            if u32::from(numwant) >= count {
                continue;
            }
            let rounds = 200 * count / u32::from(numwant);
            let drawn = tally(count, seeders, numwant, rounds);
            // 200 are expected, give or take 14; seven times as much is too much.
            let (least, most) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
            assert!(
                *least > 100 && *most < 300,
                "{count} {numwant}: {least}..{most}"
            );
        }
    }
}

#[test]
fn few_seeders_get_their_quarter() {
    let drawn = tally(1000, 10, 40, 100);
    assert_eq!(drawn[..10], [100; 10]);
}

#[test]
fn completions_are_counted_once() {
    let mut shard = Shard::new([1, 2], LIMITS, START);
    let mut found = Peers::default();
    let mut says = |event, seeder| {
        let a = Announce {
            event,
            ..announce(0, peer(Family::V4, 1), seeder)
        };
        shard.announce(START, &a, &mut found).completed
    };
    assert_eq!(says(Event::Completed, false), 0);
    assert_eq!(says(Event::None, true), 0);
    assert_eq!(says(Event::Completed, true), 1);
    assert_eq!(says(Event::None, true), 1);
    assert_eq!(says(Event::Completed, true), 1);
    assert_eq!(says(Event::Stopped, true), 1);
    assert_eq!(says(Event::Completed, true), 2);
}

#[test]
fn a_crowd_that_leaves_at_once_leaves_no_memory() {
    let mut shard = Shard::new([3, 4], LIMITS, START);
    let mut found = Peers::default();
    for event in [Event::Started, Event::Stopped] {
        for number in 0..60_000 {
            let a = announce(0, peer(Family::V4, number), number % 2 == 0);
            shard.announce(START, &Announce { event, ..a }, &mut found);
        }
    }
    sweep_all(&mut shard, &mut START.clone());
    assert_eq!(shard.totals(), Totals::default());
    assert_eq!(shard.scrape(START, &torrent(0)), None);
}

#[test]
fn a_stop_creates_nothing() {
    let mut shard = Shard::new([1, 2], LIMITS, START);
    let a = Announce {
        event: Event::Stopped,
        ..announce(0, peer(Family::V6, 1), true)
    };
    assert_eq!(
        shard.announce(START, &a, &mut Peers::default()),
        Counts::default()
    );
    assert_eq!(shard.scrape(START, &a.info_hash), None);
    assert_eq!(shard.totals(), Totals::default());
}

#[test]
fn completed_torrents_are_remembered_for_a_day() {
    let mut shard = Shard::new([1, 2], LIMITS, START);
    let mut found = Peers::default();
    let a = Announce {
        event: Event::Completed,
        ..announce(0, peer(Family::V4, 1), true)
    };
    shard.announce(START, &a, &mut found);
    shard.announce(
        START,
        &Announce {
            event: Event::Stopped,
            ..a
        },
        &mut found,
    );
    let mut now = START + 80_000;
    sweep_all(&mut shard, &mut now);
    let remembered = Counts {
        completed: 1,
        ..Counts::default()
    };
    assert_eq!(shard.scrape(now, &a.info_hash), Some(remembered));
    now = START + 87_000;
    sweep_all(&mut shard, &mut now);
    assert_eq!(shard.scrape(now, &a.info_hash), None);
    assert_eq!(
        shard.totals(),
        Totals {
            completed: 1,
            ..Totals::default()
        }
    );
}

#[test]
fn sweeping_each_second_or_hardly_ever_comes_to_the_same() {
    for pause in [1, 100, 5000, 1_000_000] {
        let mut shard = Shard::new([5, 6], LIMITS, START);
        let mut found = Peers::default();
        for number in 0..20_000 {
            let a = announce(number % 3000, peer(Family::V4, number), number % 2 == 0);
            shard.announce(START, &a, &mut found);
        }
        let mut now = START;
        let mut swept = 0;
        while shard.totals().torrents > 0 {
            assert!(swept == 0 || now > START + LIMITS.peer_secs_max);
            assert!(now < START + 2 * LIMITS.peer_secs_max + 2 * pause);
            now += pause;
            loop {
                let Swept { peers, more, .. } = shard.sweep(now);
                swept += peers;
                if !more {
                    break;
                }
            }
        }
        assert_eq!(swept, 20_000);
        assert_eq!(shard.totals(), Totals::default());
    }
}

#[test]
fn walks_meet_all_that_stay() {
    let mut shard = Shard::new([5, 6], LIMITS, START);
    let mut found = Peers::default();
    let mut add = |shard: &mut Shard, number| {
        shard.announce(
            START,
            &announce(number, peer(Family::V4, 1), true),
            &mut found,
        );
    };
    (0..20_000).for_each(|number| add(&mut shard, number));
    let (mut seen, mut next) = (BTreeSet::new(), 20_000);
    let mut cursor = Some(Cursor::default());
    while let Some(at) = cursor {
        cursor = shard.walk(at, 100, |info_hash, _| assert!(seen.insert(info_hash)));
        // Meanwhile the table grows to twice its size.
        (next..next + 200).for_each(|number| add(&mut shard, number));
        next += 200;
    }
    assert!((0..20_000).all(|number| seen.contains(&torrent(number))));
}

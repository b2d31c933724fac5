//! The shard against a naive model, under a virtual clock.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::model::Model;
use super::*;
use crate::types::{Family, PeerId, Want};

pub(super) const LIMITS: Limits = Limits {
    peer_secs: 2700,
    memory_secs_max: 86_400,
};
pub(super) const TICK_SECS: Seconds = 22;
/// What announces are promised, and no longer.
const LIVES: [Seconds; 5] = [90, 360, 1500, LIMITS.peer_secs, LONGEST];
const LONGEST: Seconds = 10_000;
pub(super) const START: Seconds = 1000;

pub(super) fn torrent(number: u32) -> InfoHash {
    let mut bytes = [0xaa; 20];
    bytes[8..12].copy_from_slice(&number.to_be_bytes());
    InfoHash(bytes)
}

pub(super) fn peer(family: Family, number: u32) -> PeerAddr {
    let port = 1 + (number % 7) as u16;
    let ip: IpAddr = match family {
        Family::V4 => Ipv4Addr::from(0x0a00_0000 + number / 7).into(),
        Family::V6 => Ipv6Addr::from((0x2001_0db8 << 96) + u128::from(number / 7)).into(),
    };
    PeerAddr::new(ip, port)
}

/// A third of the peers have no id, and those who have change it from time to time.
fn id(number: u32, salt: u32) -> Option<PeerId> {
    (!salt.is_multiple_of(3)).then_some([(number ^ salt) as u8; 20])
}

pub(super) fn announce(torrent_number: u32, peer: PeerAddr, seeder: bool) -> Announce {
    Announce {
        info_hash: torrent(torrent_number),
        peer,
        peer_id: None,
        event: Event::None,
        seeder,
        want: Want {
            numwant: 0,
            both: false,
            ids: false,
        },
        keep_secs: LIMITS.peer_secs,
    }
}

pub(super) fn listed(found: &Peers) -> Vec<PeerAddr> {
    let v4 = found.v4.chunks(6);
    v4.chain(found.v6.chunks(18))
        .map(|bytes| PeerAddr::from_bytes(bytes).unwrap())
        .collect()
}

/// Sweeps until everybody silent for too long is gone; time goes on by half the longest life.
pub(super) fn sweep_all(shard: &mut Shard, now: &mut Seconds) {
    for _ in 0..2 {
        *now += LONGEST / PASSES_PER_LIFE + 1;
        while shard.sweep(*now).more {}
    }
}

pub(super) fn walk_all(shard: &Shard, step: usize) -> BTreeMap<InfoHash, Counts> {
    let mut seen = BTreeMap::new();
    let mut cursor = Some(Cursor::default());
    while let Some(at) = cursor {
        cursor = shard.walk(START, at, step, &InfoHash::ALL, |torrent| {
            let before = seen.insert(torrent.info_hash(), torrent.counts());
            assert_eq!(before, None, "shown twice");
        });
    }
    seen
}

#[derive(Clone, Debug)]
enum Step {
    Announce(u32, u32, Family, Event, bool, Want, Seconds),
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
    let want = (numwant, any::<bool>(), any::<bool>());
    let want = want.prop_map(|(numwant, both, ids)| Want { numwant, both, ids });
    let life = prop_oneof![2 => Just(LIMITS.peer_secs), 3 => prop::sample::select(&LIVES[..])];
    let one = (
        0..6_u32,
        0..40_u32,
        family(),
        event(),
        any::<bool>(),
        want,
        life,
    );
    let wave = (
        0..3_u32,
        0..500_u32,
        1..700_u32,
        family(),
        event(),
        any::<bool>(),
    );
    let step = prop_oneof![
        20 => one.prop_map(|(t, p, f, e, s, w, l)| Step::Announce(t, p, f, e, s, w, l)),
        3 => wave.prop_map(|(t, p, n, f, e, s)| Step::Wave(t, p, n, f, e, s)),
        3 => (0..7_u32).prop_map(Step::Scrape),
        4 => prop_oneof![0..60_u32, 0..1500_u32, 2000..9000_u32].prop_map(Step::Wait),
        1 => (80_000..200_000_u32).prop_map(Step::Wait),
        4 => Just(Step::Sweep),
        1 => Just(Step::Settle),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(crate::seeded(64))]

    #[test]
    fn answers_as_the_model(seed: u64, steps in steps()) {
        let mut model = Model::new(seed);
        for step in steps {
            match step {
                Step::Announce(t, p, family, event, seeder, want, keep_secs) => {
                    let a = announce(t, peer(family, p), seeder);
                    let peer_id = id(p, keep_secs + t);
                    model.announce(&Announce { event, want, keep_secs, peer_id, ..a });
                }
                Step::Wave(t, first, count, family, event, seeder) => {
                    let (both, ids) = (first % 2 == 0, first % 3 == 0);
                    let want = Want { numwant: (count % 60) as u16, both, ids };
                    let keep_secs = LIVES[(first % 5) as usize];
                    for p in first..first + count {
                        let a = announce(t, peer(family, p), seeder ^ (p % 5 == 0));
                        let peer_id = id(p, count);
                        model.announce(&Announce { event, want, keep_secs, peer_id, ..a });
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
        ids: false,
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
fn renewals_tell_how_long_peers_were_silent() {
    let mut shard = Shard::new([1, 2], LIMITS, START);
    let mut found = Peers::default();
    let mut now = START;
    let mut hear = |wait: Seconds, event| {
        now += wait;
        for (number, family) in [(0, Family::V4), (1, Family::V6), (2, Family::V4)] {
            let announce = Announce {
                event,
                ..announce(0, peer(family, number), false)
            };
            shard.announce(now, &announce, &mut found);
        }
        *shard.renewals()
    };
    let mut expected = [0; RENEWAL_MINUTES];
    // Who comes for the first time renews nothing.
    assert_eq!(hear(0, Event::Started), expected);
    for (wait, minutes) in [(30, 0), (30 * 60 + 40, 30), (44 * 60 + 40, 44)] {
        expected[minutes] += 3;
        assert_eq!(hear(wait, Event::None), expected);
    }
    // Nor who was silent for too long, or goes, or has gone.
    for (wait, event) in [(2800, Event::None), (60, Event::Stopped), (60, Event::None)] {
        assert_eq!(hear(wait, event), expected);
    }
}

#[test]
#[cfg_attr(miri, ignore = "too much of the same for Miri")]
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
#[cfg_attr(miri, ignore = "too much of the same for Miri")]
fn torrents_that_stop_give_their_memory_back() {
    let mut shard = Shard::new([3, 4], LIMITS, START);
    let mut found = Peers::default();
    let name = |number: u32| {
        let mut hash = [7; 20];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        InfoHash(hash)
    };
    for event in [Event::Started, Event::Stopped] {
        // One stays, so that the table does.
        for number in 0..50_000 {
            let info_hash = name(number);
            let a = announce(0, peer(Family::V4, 1), false);
            let event = if number == 0 { Event::None } else { event };
            shard.announce(
                START,
                &Announce {
                    info_hash,
                    event,
                    ..a
                },
                &mut found,
            );
        }
    }
    assert_eq!(shard.totals().torrents, 1);
    assert!(shard.store.torrents.capacity() > 50_000);
    // Short of expiry, the passes of a life.
    for now in START..START + LIMITS.peer_secs {
        while shard.sweep(now).more {}
    }
    assert_eq!(shard.totals().torrents, 1);
    let capacity = shard.store.torrents.capacity();
    assert!(capacity < 5000, "{capacity}");
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
#[cfg_attr(miri, ignore = "too much of the same for Miri")]
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
            assert!(swept == 0 || now > START + LIMITS.peer_secs);
            assert!(now < START + 2 * LIMITS.peer_secs + 2 * pause);
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
        cursor = shard.walk(START, at, 100, &InfoHash::ALL, |torrent| {
            assert!(seen.insert(torrent.info_hash()));
        });
        // Meanwhile the table grows to twice its size.
        (next..next + 200).for_each(|number| add(&mut shard, number));
        next += 200;
    }
    assert!((0..20_000).all(|number| seen.contains(&torrent(number))));
}

#[test]
#[cfg_attr(miri, ignore = "too much of the same for Miri")]
fn a_walk_shows_all_peers_once() {
    let mut shard = Shard::new([5, 6], LIMITS, START);
    let mut expected = BTreeSet::new();
    let mut found = Peers::default();
    for (number, count) in [1, 2, 40, 511, 513, 3000].into_iter().enumerate() {
        for (family, count) in [(Family::V4, count), (Family::V6, count / 3)] {
            for p in (0..count).map(|p| p + 10_000 * number as u32) {
                let peer = peer(family, p);
                shard.announce(
                    START,
                    &announce(number as u32, peer, p % 3 == 0),
                    &mut found,
                );
                expected.insert(peer);
            }
        }
    }
    found.clear();
    let mut cursor = PeersCursor::default();
    let mut steps = 0;
    let mut before = 0;
    while shard.walk_peers(&mut cursor, 16, &mut found) {
        steps += 1;
        assert!(found.len() - before <= 16 * 700, "a step is bounded");
        before = found.len();
    }
    let shown = listed(&found);
    assert_eq!(shown.len(), expected.len());
    assert_eq!(BTreeSet::from_iter(shown), expected);
    assert!(steps > 200);
}

#[test]
fn a_look_shows_a_swarm_whatever_its_shape() {
    let mut shard = Shard::new([5, 6], LIMITS, START);
    let mut found = Peers::default();
    for (number, count) in (0..).zip([1_u32, 2, 40, 600, 3000]) {
        let mut expected = BTreeSet::new();
        for (family, count) in [(Family::V4, count), (Family::V6, count / 3)] {
            for p in 0..count {
                let peer = peer(family, p);
                shard.announce(START, &announce(number, peer, p % 3 == 0), &mut found);
                expected.insert((peer, p % 3 == 0));
            }
        }
        let (counts, peers) = shard.look(&torrent(number), usize::MAX).unwrap();
        assert_eq!(Some(counts), shard.scrape(START, &torrent(number)));
        assert_eq!(peers.len(), expected.len());
        assert_eq!(BTreeSet::from_iter(peers), expected);
        let (_, few) = shard.look(&torrent(number), 10).unwrap();
        assert_eq!(few.len(), (count.min(10) + (count / 3).min(10)) as usize);
    }
    assert_eq!(shard.look(&torrent(99), 10), None);
    // Who is silent for too long is shown no more, whether the sweep has come by or not.
    let later = START + 2 * LIMITS.peer_secs;
    shard.announce(later, &announce(7, peer(Family::V4, 1), true), &mut found);
    assert_eq!(shard.look(&torrent(2), 10).unwrap().1, []);
}

#[test]
fn memories_from_before_last_as_long_as_others() {
    let mut shard = Shard::new([5, 6], LIMITS, 0);
    let day = LIMITS.memory_secs_max;
    assert!(!shard.remember(0, &torrent(1), 0, 0), "nothing to remember");
    assert!(!shard.remember(0, &torrent(1), 7, day + 1));
    assert!(shard.remember(0, &torrent(1), 7, day - 3000));
    assert!(shard.remember(0, &torrent(2), 8, 0));
    assert!(!shard.remember(0, &torrent(2), 9, 0), "known");
    let idle = |shard: &Shard, now| {
        let mut idle = BTreeMap::new();
        shard.walk(now, Cursor::default(), 100, &InfoHash::ALL, |torrent| {
            idle.insert(torrent.info_hash(), torrent.idle_secs());
        });
        idle
    };
    let both = BTreeMap::from([(torrent(1), day - 2900), (torrent(2), 100)]);
    assert_eq!(idle(&shard, 100), both);
    let mut now = 3000;
    sweep_all(&mut shard, &mut now);
    assert_eq!(idle(&shard, now), BTreeMap::from([(torrent(2), now)]));
    let completed = shard.scrape(now, &torrent(2)).unwrap().completed;
    assert_eq!((completed, shard.totals().torrents), (8, 1));
}

#[test]
fn a_pass_tells_what_it_has_met() {
    let mut shard = Shard::new([5, 6], LIMITS, START);
    let mut found = Peers::default();
    for (number, peers) in [(1, 1), (2, 200), (3, 300), (4, 5000)] {
        for n in 0..peers {
            let keep_secs = if n < 20 { LONGEST } else { 90 };
            let a = Announce {
                keep_secs,
                ..announce(number, peer(Family::V4, n), false)
            };
            shard.announce(START, &a, &mut found);
        }
    }
    // The usual pass, then one after which the short lives are over.
    let mut passes = Vec::new();
    for now in START..START + 2000 {
        loop {
            let swept = shard.sweep(now);
            passes.extend(swept.pass);
            if !swept.more {
                break;
            }
        }
    }
    let first = passes[0];
    assert!(first.piece_peers_most > 300, "{first:?}");
    assert_eq!(first.piece_torrents_most, 4);
    let gone: u32 = passes.iter().map(|pass| pass.peers_gone).sum();
    assert_eq!(gone, 180 + 280 + 4980);
    assert!(passes.iter().all(|pass| pass.torrents_gone <= 1));
    let last = passes[passes.len() - 1];
    assert_eq!(
        (last.peers_gone, last.peers_most, last.piece_peers_most),
        (0, 20, 20)
    );
}

#[test]
fn woodpeckers_come_again_after_a_minute_and_before_twenty() {
    let mut shard = Shard::new([5, 6], LIMITS, START);
    let mut found = Peers::default();
    let mut now = START;
    for (secs, is_woodpecker) in [
        (0, false),
        (30, false),
        (300, true),
        (1000, true),
        (1300, false),
        (LIMITS.peer_secs + 100, false),
    ] {
        now += secs;
        shard.announce(now, &announce(1, peer(Family::V4, 1), false), &mut found);
        assert_eq!(shard.is_woodpecker(), is_woodpecker, "after {secs} s");
    }
}

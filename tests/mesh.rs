//! Meshes of 1, 2, 4 and 8 routers, simulated in one thread, give the answers of a single one.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use trackerd::router::{Home, Lanes, Letter, Mail, Owners, Router, Wake};
use trackerd::swarm::{Limits, Shard};
use trackerd::types::{Announce, Counts, Event, InfoHash, PeerAddr, Peers, Reply, Scraped, Want};

type Ticket = u32;

/// An answer in a form that can be kept and compared: peers sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Announce(Counts, Vec<PeerAddr>),
    Scrape(Vec<Scraped>),
    Round(Vec<u32>),
    Busy,
}

impl From<Reply<'_>> for Answer {
    fn from(reply: Reply<'_>) -> Answer {
        match reply {
            Reply::Announce(counts, peers) => Answer::Announce(counts, sorted(peers)),
            Reply::Scrape(scraped) => Answer::Scrape(scraped.to_vec()),
            Reply::Busy => Answer::Busy,
        }
    }
}

fn sorted(peers: &Peers) -> Vec<PeerAddr> {
    let all = peers.v4.chunks(6).chain(peers.v6.chunks(18));
    let mut all: Vec<_> = all
        .map(|bytes| PeerAddr::from_bytes(bytes).unwrap())
        .collect();
    all.sort_unstable();
    all
}

/// What arrived at one worker.
#[derive(Default)]
struct Arrived(Vec<(Ticket, Answer)>);

impl Lanes<Ticket, Round> for Arrived {
    fn deliver(&mut self, ticket: Ticket, reply: Reply<'_>) {
        self.0.push((ticket, reply.into()));
    }

    fn attend(&mut self, round: &mut Round, shard: &Shard) -> bool {
        round.torrents = shard.totals().torrents;
        round.steps_left -= 1;
        round.steps_left == 0
    }

    fn deliver_round(&mut self, ticket: Ticket, parts: Vec<Round>) {
        let torrents = parts.iter().map(|part| part.torrents);
        self.0.push((ticket, Answer::Round(torrents.collect())));
    }
}

/// Takes a few steps to count the torrents of a worker.
struct Round {
    steps_left: u32,
    torrents: u32,
}

struct Mesh {
    routers: Vec<(Router<Ticket, Round>, Arrived)>,
    wakes: Arc<AtomicUsize>,
}

impl Mesh {
    fn new(workers: usize, letters_max: usize) -> Mesh {
        let wakes = Arc::new(AtomicUsize::new(0));
        let wake: Vec<Wake> = (0..workers)
            .map(|_| {
                let wakes = Arc::clone(&wakes);
                Arc::new(move || {
                    wakes.fetch_add(1, Ordering::Relaxed);
                }) as Wake
            })
            .collect();
        let boxes: Vec<Mail<Letter<Ticket, Round>>> = Mail::boxes(&wake, letters_max);
        let owners = Owners::new(workers, 0x1234_5677);
        let routers = boxes.into_iter().enumerate().map(|(me, mail)| {
            let shard = Shard::new([me as u64, 7], Limits::default(), 0);
            (Router::new(me, owners, shard, mail), Arrived::default())
        });
        Mesh {
            routers: routers.collect(),
            wakes,
        }
    }

    /// Lets letters travel until nothing moves; what arrived, wherever.
    fn settle(&mut self) -> Vec<(Ticket, Answer)> {
        let mut arrived = Vec::new();
        for _ in 0..4 {
            for (router, lanes) in &mut self.routers {
                router.collect(0, lanes);
                while router.attend(lanes) {}
                router.flush();
                arrived.append(&mut lanes.0);
            }
        }
        arrived
    }

    fn announce(&mut self, at: usize, announce: &Announce, home: Home) -> Answer {
        let at = at % self.routers.len();
        if let Some(reply) = self.routers[at].0.announce(0, announce, 1, home) {
            return reply.into();
        }
        self.only(1)
    }

    fn scrape(&mut self, at: usize, hashes: &[InfoHash]) -> Answer {
        let at = at % self.routers.len();
        if let Some(reply) = self.routers[at].0.scrape(0, hashes.iter().copied(), 2) {
            return reply.into();
        }
        self.only(2)
    }

    fn only(&mut self, expected: Ticket) -> Answer {
        let mut arrived = self.settle();
        assert_eq!(arrived.len(), 1, "one request, one answer");
        let (ticket, answer) = arrived.pop().unwrap();
        assert_eq!(ticket, expected);
        answer
    }
}

#[derive(Clone, Debug)]
enum Step {
    Announce(usize, Announce, bool),
    Scrape(usize, Vec<InfoHash>),
}

fn info_hash() -> impl Strategy<Value = InfoHash> {
    (0..40u8).prop_map(|n| InfoHash([n.wrapping_mul(37); 20]))
}

fn step() -> impl Strategy<Value = Step> {
    let event = prop::sample::select(vec![
        Event::None,
        Event::Started,
        Event::Completed,
        Event::Stopped,
        Event::Paused,
    ]);
    let announce = (info_hash(), 0..30u8, event, any::<bool>(), any::<bool>());
    let announce = announce.prop_map(|(info_hash, peer, event, seeder, v6)| {
        let ip: std::net::IpAddr = if v6 {
            [0xfd00, 0, 0, 0, 0, 0, 0, u16::from(peer)].into()
        } else {
            [10, 0, 0, peer].into()
        };
        let want = Want {
            numwant: 200,
            both: true,
            ids: false,
        };
        Announce {
            info_hash,
            peer: PeerAddr::new(ip, 6881),
            peer_id: None,
            event,
            seeder,
            want,
            keep_secs: 2700,
        }
    });
    let announce = (0..8usize, announce, any::<bool>());
    let announce = announce.prop_map(|(at, announce, here)| Step::Announce(at, announce, here));
    let scrape = (0..8usize, prop::collection::vec(info_hash(), 1..20));
    let scrape = scrape.prop_map(|(at, hashes)| Step::Scrape(at, hashes));
    prop_oneof![4 => announce, 1 => scrape]
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn meshes_answer_as_one(steps in prop::collection::vec(step(), 1..150)) {
        let mut one = Mesh::new(1, 64);
        for workers in [2, 4, 8] {
            let mut mesh = Mesh::new(workers, 64);
            let mut single = Mesh::new(1, 64);
            for step in &steps {
                match step {
                    Step::Announce(at, announce, here) => {
                        let home = if *here { Home::Here } else { Home::Anywhere };
                        let expected = single.announce(0, announce, home);
                        prop_assert_eq!(mesh.announce(*at, announce, home), expected);
                    }
                    Step::Scrape(at, hashes) => {
                        prop_assert_eq!(mesh.scrape(*at, hashes), single.scrape(0, hashes));
                    }
                }
            }
            one = single;
        }
        prop_assert_eq!(one.wakes.load(Ordering::Relaxed), 0, "one worker writes no letters");
    }
}

fn announce_of(n: u16) -> Announce {
    let mut hash = [0; 20];
    hash[..2].copy_from_slice(&n.to_be_bytes());
    Announce {
        info_hash: InfoHash(hash),
        peer: PeerAddr::V4([10, 0, 0, 1, 1, 1]),
        peer_id: None,
        event: Event::Started,
        seeder: true,
        want: Want {
            numwant: 50,
            both: false,
            ids: false,
        },
        keep_secs: 2700,
    }
}

#[test]
fn every_torrent_has_one_owner() {
    let mut mesh = Mesh::new(4, 1024);
    for n in 0..400 {
        mesh.announce(usize::from(n), &announce_of(n), Home::Anywhere);
    }
    let (router, _) = &mut mesh.routers[1];
    let round = || Round {
        steps_left: 3,
        torrents: 0,
    };
    assert!(router.send_round(9, round));
    let Answer::Round(sheets) = mesh.only(9) else {
        panic!("not a round")
    };
    assert_eq!(sheets.len(), 4);
    assert_eq!(sheets.iter().sum::<u32>(), 400);
    assert!(sheets.iter().all(|torrents| *torrents > 50), "{sheets:?}");
}

#[test]
fn full_inboxes_refuse_and_recover() {
    let mut mesh = Mesh::new(2, 4);
    let mut answers = Vec::new();
    for n in 0..64 {
        let (router, _) = &mut mesh.routers[0];
        let announce = announce_of(n);
        answers.extend(
            router
                .announce(0, &announce, u32::from(n), Home::Here)
                .map(Answer::from),
        );
    }
    let busy = answers
        .iter()
        .filter(|answer| **answer == Answer::Busy)
        .count();
    assert!(busy > 10, "{busy}");
    let late = mesh.settle();
    assert_eq!(late.len(), 4, "what was posted is answered");
    assert_eq!(answers.len() + late.len(), 64);
    // A scrape that can't be posted whole is given up, and its slot is free again.
    let hashes: Vec<_> = (0..64).map(|n| announce_of(n).info_hash).collect();
    for _ in 0..3000 {
        assert!(matches!(mesh.scrape(0, &hashes), Answer::Scrape(all) if all.len() == 64));
        for n in 0..64 {
            let (router, _) = &mut mesh.routers[0];
            router.announce(0, &announce_of(n), 0, Home::Here);
        }
        let (router, _) = &mut mesh.routers[0];
        assert_eq!(
            router.scrape(0, hashes.iter().copied(), 3),
            Some(Reply::Busy)
        );
        mesh.settle();
    }
    // So is a round; and there are only so many.
    let round = || Round {
        steps_left: 1,
        torrents: 0,
    };
    for _ in 0..100 {
        for n in 0..64 {
            let (router, _) = &mut mesh.routers[0];
            router.announce(0, &announce_of(n), 0, Home::Here);
        }
        assert!(!mesh.routers[0].0.send_round(9, round));
        mesh.settle();
        assert!(mesh.routers[0].0.send_round(9, round));
        assert!(matches!(mesh.only(9), Answer::Round(parts) if parts.len() == 2));
    }
}

#[test]
fn news_are_with_the_owner_and_told_once() {
    let mut mesh = Mesh::new(4, 1024);
    for n in 0..40 {
        mesh.announce(usize::from(n), &announce_of(n), Home::Anywhere);
    }
    let news = |mesh: &mut Mesh| {
        let mut all = Vec::new();
        for (router, _) in &mut mesh.routers {
            router.keep_news();
            let told: Vec<_> = router.news().collect();
            assert!(told.iter().all(|news| router.owns(&news.info_hash)));
            all.extend(told);
        }
        all.sort_by_key(|announce| announce.info_hash);
        all
    };
    assert!(news(&mut mesh).is_empty(), "nobody wanted to know");
    let goes_on = |n| Announce {
        event: Event::None,
        ..announce_of(n)
    };
    let new: Vec<_> = (100..140).map(goes_on).collect();
    for (n, announce) in new.iter().enumerate() {
        let home = [Home::Here, Home::Anywhere][n % 2];
        mesh.announce(n, announce, home);
        mesh.announce(n + 1, announce, home);
    }
    assert_eq!(news(&mut mesh), new);
    assert!(news(&mut mesh).is_empty(), "told once");
    // What others told is no news, nor is what they told already.
    for announce in (200..240).map(goes_on) {
        for (router, _) in &mut mesh.routers {
            if router.owns(&announce.info_hash) {
                router.learn(0, &announce);
            }
        }
        let Answer::Announce(counts, _) = mesh.announce(1, &announce, Home::Here) else {
            panic!("no answer")
        };
        assert_eq!(counts.seeders, 1);
    }
    assert!(news(&mut mesh).is_empty());
    // Who starts may have left elsewhere meanwhile.
    mesh.announce(0, &announce_of(110), Home::Here);
    assert_eq!(news(&mut mesh), [announce_of(110)]);
}

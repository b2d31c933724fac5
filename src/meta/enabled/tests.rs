//! The engine in a world of its own: trackers, jobs and time are made up.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use proptest::prelude::*;

use super::engine::Engine;
use super::job::{Failure, Found, Job, Proof};
use crate::client::answer::Answer;
use crate::meta::{Dht, Extra, Millis, Publish, Select, Settings, Wish};
use crate::types::{Counts, Event, Family, InfoHash, PeerAddr};
use crate::wire::udp::{self, Reply, Request};

const HASH: InfoHash = InfoHash([7; 20]);

/// The peer who knows others.
const TELLER: PeerAddr = PeerAddr::V4([9, 9, 0, 1, 0x1a, 0xe1]);

/// How long everything takes that is answered.
const LATENCY: Millis = 30;

pub(super) fn settings(lines: &[&str]) -> Settings {
    Settings {
        own: Vec::new(),
        texts: vec![lines.join("\n").into_bytes()],
        list_urls: Vec::new(),
        k: 8,
        select: Select::Score,
        refresh: 1800,
        public_proof: true,
        never_first: true,
        publish: Publish::Nat,
        dht: Dht::Off,
        dht_port: 0,
        dht_bootstrap: Vec::new(),
        pex: false,
        swarms_max: 256,
        client_swarms: 128,
        pps: 20,
        tcp: 8,
        allow_private: false,
    }
}

fn wish(client: &str, event: Event) -> Wish {
    Wish {
        info_hash: HASH,
        peer: client.parse::<SocketAddr>().unwrap().into(),
        source: client.parse::<SocketAddr>().unwrap().ip(),
        peer_id: *b"-XX0000-abcdefghijkl",
        key: None,
        event,
        uploaded: 1,
        downloaded: 2,
        left: Some(3),
        allowed: false,
    }
}

/// A tracker by UDP.
#[derive(Default)]
struct Tracker {
    /// Whom it knows from elsewhere, in every torrent.
    peers: Vec<PeerAddr>,
    interval: u32,
    /// How it behaves.
    dead: bool,
    refuses: bool,
    short: bool,
    /// Announces: when, of which torrent and port, and what.
    heard: Vec<(Millis, InfoHash, u16, Event)>,
    scrapes: usize,
    connects: usize,
    keys: BTreeSet<u32>,
    numwants: Vec<u32>,
}

impl Tracker {
    fn answer(&mut self, now: Millis, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let request = Request::parse(bytes).unwrap();
        match request {
            Request::Connect { .. } => self.connects += 1,
            Request::Announce(a) => {
                self.heard.push((now, a.info_hash, a.port, a.event));
                self.keys.insert(a.key);
                self.numwants.push(a.numwant.unwrap());
            }
            Request::Scrape(_) => self.scrapes += 1,
        }
        if self.dead {
            return None;
        }
        match request {
            Request::Connect { transaction } => Reply::Connect {
                transaction,
                connection: 77,
            }
            .emit(&mut out),
            Request::Announce(a) => {
                assert_eq!(a.connection, 77);
                let v4 = self.peers.iter().filter(|peer| peer.family() == Family::V4);
                let peers: Vec<u8> = v4.flat_map(|peer| peer.bytes().to_vec()).collect();
                match (self.refuses, self.short) {
                    (true, _) => Reply::Error {
                        transaction: a.transaction,
                        message: b"not here",
                    }
                    .emit(&mut out),
                    (_, true) => {
                        out.extend([0, 0, 0, 1]);
                        out.extend(a.transaction.to_be_bytes());
                    }
                    _ => Reply::Announce {
                        transaction: a.transaction,
                        interval: self.interval,
                        leechers: 3,
                        seeders: self.peers.len() as u32,
                        peers: &peers,
                    }
                    .emit(&mut out),
                }
            }
            Request::Scrape(scrape) => {
                let counts = Counts {
                    seeders: self.peers.len() as u32,
                    ..Counts::default()
                };
                let counts = scrape.hashes().map(|_| counts);
                udp::emit_scrape(scrape.transaction, counts, &mut out);
            }
        }
        Some(out)
    }
}

enum Mail {
    Datagram(SocketAddr, Vec<u8>),
    Done(u32, Result<Found, Failure>),
}

struct World {
    engine: Engine,
    now: Millis,
    trackers: BTreeMap<SocketAddr, Tracker>,
    /// What the client proves.
    proof: Proof,
    dht: Vec<PeerAddr>,
    /// What one peer tells of others.
    pex: Vec<PeerAddr>,
    mail: VecDeque<(Millis, Mail)>,
    jobs: Vec<(Millis, Job)>,
    sent: Vec<Millis>,
    extras: BTreeMap<InfoHash, Extra>,
    /// How many peers were known when answers had to wait no longer.
    settled: BTreeMap<InfoHash, usize>,
}

fn peer(n: u16) -> PeerAddr {
    let [a, b] = n.to_be_bytes();
    PeerAddr::V4([9, 9, a, b, 0x1a, 0xe1])
}

impl World {
    /// Trackers `t0.example`, `t1.example` and so on, each with peers of its own.
    fn new(trackers: usize, change: impl FnOnce(&mut Settings)) -> World {
        let lines: Vec<_> = (0..trackers)
            .map(|n| format!("udp://t{n}.example:80"))
            .collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let mut settings = settings(&lines);
        change(&mut settings);
        let trackers = (0..trackers).map(|n| {
            let tracker = Tracker {
                peers: (0..3).map(|i| peer(100 * n as u16 + i)).collect(),
                interval: 1800,
                ..Tracker::default()
            };
            (World::addr(n), tracker)
        });
        World {
            engine: Engine::new(0, 1_700_000_000, settings, b"").unwrap().0,
            now: 0,
            trackers: trackers.collect(),
            proof: Proof::Public,
            dht: Vec::new(),
            pex: Vec::new(),
            mail: VecDeque::new(),
            jobs: Vec::new(),
            sent: Vec::new(),
            extras: BTreeMap::new(),
            settled: BTreeMap::new(),
        }
    }

    fn addr(n: usize) -> SocketAddr {
        SocketAddr::from(([8, 8, 0, n as u8], 80))
    }

    fn tracker(&mut self, n: usize) -> &mut Tracker {
        self.trackers.get_mut(&World::addr(n)).unwrap()
    }

    fn wish(&mut self, wish: &Wish) {
        self.engine.wish(self.now, wish);
        self.turn();
    }

    fn result(&self, job: &Job) -> Result<Found, Failure> {
        match job {
            Job::Resolve(url) => {
                let n = url.host[1..].split('.').next().unwrap().parse().unwrap();
                Ok(Found::Addresses {
                    addrs: vec![World::addr(n)],
                    ttl: 3600,
                })
            }
            Job::Probe { peer, pex, .. } => Ok(Found::Probed {
                proof: self.proof,
                peers: match *pex && PeerAddr::from(*peer) == TELLER {
                    true => self.pex.clone(),
                    false => Vec::new(),
                },
            }),
            Job::Lookup(_) => Ok(Found::Peers(self.dht.clone())),
            Job::Publish(..) => Ok(Found::Published),
            Job::Announce(..) => Ok(Found::Answer(Answer {
                interval: 900,
                min_interval: Some(900),
                peers: vec![peer(5000)],
                ..Answer::default()
            })),
            Job::Scrape(_, hashes) => {
                let counts = Counts {
                    seeders: 9,
                    ..Counts::default()
                };
                Ok(Found::Counts(hashes.iter().map(|h| (*h, counts)).collect()))
            }
            Job::List(_) => Err(Failure::Unreachable),
        }
    }

    /// Takes what the engine gives out.
    fn turn(&mut self) {
        let mut bytes = Vec::new();
        while let Some(to) = self.engine.poll_transmit(self.now, &mut bytes) {
            self.sent.push(self.now);
            let tracker = self.trackers.get_mut(&to).unwrap();
            if let Some(answer) = tracker.answer(self.now, &bytes) {
                self.mail
                    .push_back((self.now + LATENCY, Mail::Datagram(to, answer)));
            }
        }
        while let Some((ticket, job)) = self.engine.poll_job(self.now) {
            let result = self.result(&job);
            self.jobs.push((self.now, job));
            self.mail
                .push_back((self.now + LATENCY, Mail::Done(ticket, result)));
        }
        while let Some(extra) = self.engine.poll_extra() {
            let peers: Vec<_> = extra.peers.iter().collect();
            let set: BTreeSet<_> = peers.iter().collect();
            assert!(peers.len() == set.len() && peers.len() <= 300);
            if extra.settled {
                self.settled.entry(extra.info_hash).or_insert(peers.len());
            }
            self.extras.insert(extra.info_hash, extra);
        }
    }

    /// Lets time pass.
    fn run(&mut self, secs: u64) {
        let end = self.now + secs * 1000;
        let mut turns = 0;
        loop {
            let mail = self.mail.front().map(|(at, _)| *at);
            let next = self.engine.poll_timeout().into_iter().chain(mail).min();
            let next = next.unwrap_or(end).max(self.now);
            if next > end {
                break;
            }
            turns += usize::from(next == self.now);
            assert!(turns < 100_000, "it turns round and round");
            self.now = next;
            if mail.is_some_and(|at| at <= self.now) {
                match self.mail.pop_front().unwrap().1 {
                    Mail::Datagram(from, bytes) => self.engine.handle(self.now, from, &bytes),
                    Mail::Done(ticket, result) => {
                        self.engine.done(self.now, ticket, result, LATENCY);
                    }
                }
            }
            self.engine.handle_timeout(self.now);
            self.turn();
            if next == end {
                break;
            }
        }
        self.now = end;
    }

    fn events(&mut self, n: usize) -> Vec<Event> {
        self.tracker(n)
            .heard
            .iter()
            .map(|(.., event)| *event)
            .collect()
    }

    fn peers(&self) -> Vec<PeerAddr> {
        self.extras
            .get(&HASH)
            .map(|extra| extra.peers.iter().collect())
            .unwrap_or_default()
    }
}

#[test]
fn what_all_trackers_know_comes_together() {
    let mut world = World::new(4, |_| {});
    world.wish(&wish("192.168.1.5:6881", Event::Started));
    world.run(2);
    let extra = &world.extras[&HASH];
    assert!(extra.settled);
    assert_eq!((extra.peers.len(), extra.counts.seeders), (12, 3));
    assert_eq!(extra.counts.leechers, 3);
    for n in 0..4 {
        assert_eq!(world.events(n), [Event::Started]);
        let tracker = world.tracker(n);
        // It was asked whether it knew the torrent first, by the same connection id.
        assert_eq!((tracker.connects, tracker.scrapes), (1, 1));
        assert_eq!(tracker.numwants, [200]);
    }
}

#[test]
fn a_torrent_that_may_be_private_causes_no_packet() {
    let mut world = World::new(4, |settings| {
        settings.dht = Dht::Announce;
        settings.pex = true;
    });
    world.proof = Proof::Unproven;
    world.dht = vec![peer(901)];
    for _ in 0..20 {
        world.wish(&wish("192.168.1.5:6881", Event::None));
        world.run(400);
        // Nobody waits for what won't come.
        let told = &world.extras[&HASH];
        assert!(told.settled && Millis::from(told.expires) * 1000 > world.now);
    }
    assert!(world.sent.is_empty());
    let is_own = |job: &Job| match job {
        Job::Probe { peer, .. } => *peer == "192.168.1.5:6881".parse().unwrap(),
        _ => false,
    };
    assert!(world.jobs.iter().all(|(_, job)| is_own(job)));
    assert!(world.extras[&HASH].settled && world.peers().is_empty());
    // It learns what the torrent is, and so do we.
    world.proof = Proof::Public;
    world.wish(&wish("192.168.1.5:6881", Event::None));
    world.run(900);
    assert_eq!(world.peers().len(), 13);
}

#[test]
fn clients_who_are_silent_hold_up_nobody_else() {
    let mut engine = Engine::new(0, 1, settings(&["http://h.example/announce"]), b"");
    let (engine, _) = engine.as_mut().unwrap();
    let mut started = Vec::new();
    let mut turn = |engine: &mut Engine| {
        while let Some((_, job)) = engine.poll_job(0) {
            started.push(job);
        }
        let is_at = |ip: &'static str| {
            move |job: &&Job| match job {
                Job::Probe { peer, .. } => peer.ip().to_string() == ip,
                _ => false,
            }
        };
        let at = |ip| started.iter().filter(is_at(ip)).count();
        (
            at("10.0.0.5"),
            at("10.0.0.6"),
            at("10.0.0.7"),
            started.len(),
        )
    };
    let mut wish_of = |client: &str, n: u8| {
        engine.wish(
            0,
            &Wish {
                info_hash: InfoHash([n; 20]),
                ..wish(client, Event::Started)
            },
        );
    };
    (0..100).for_each(|n| wish_of("10.0.0.5:6881", n));
    wish_of("10.0.0.6:6881", 101);
    (102..106).for_each(|n| wish_of("10.0.0.7:6881", n));
    engine.wish(
        0,
        &Wish {
            info_hash: InfoHash([110; 20]),
            allowed: true,
            ..wish("10.0.0.8:6881", Event::Started)
        },
    );
    // Half of all places are theirs, and two each; the announce is under way.
    assert_eq!(turn(engine), (1, 1, 2, 5));
}

#[test]
fn a_client_is_asked_for_proof_where_it_speaks_from_and_seldom() {
    let mut world = World::new(1, |_| {});
    world.proof = Proof::Unproven;
    for _ in 0..100 {
        world.wish(&Wish {
            peer: "127.0.0.1:6379".parse::<SocketAddr>().unwrap().into(),
            ..wish("192.168.1.5:6881", Event::None)
        });
        world.run(9);
    }
    // After 0, 10, 30, 70, 150, 310 and 630 seconds.
    let expected = Job::Probe {
        info_hash: HASH,
        peer: "192.168.1.5:6379".parse().unwrap(),
        pex: false,
    };
    let jobs: Vec<_> = world.jobs.iter().map(|(_, job)| job).collect();
    assert_eq!(jobs, vec![&expected; 7]);
}

#[test]
fn nothing_is_done_where_all_have_left() {
    for proof in [Proof::Public, Proof::Unproven] {
        let mut world = World::new(1, |settings| settings.pex = true);
        world.proof = proof;
        world.wish(&wish("10.0.0.5:6881", Event::Started));
        world.run(30);
        world.wish(&wish("10.0.0.5:6881", Event::Stopped));
        world.run(30);
        // What is known is kept for an hour.
        let (end, mut turns) = (world.now + 3_500_000, 0);
        while let Some(due) = world.engine.poll_timeout().filter(|due| *due < end) {
            world.now = due.max(world.now);
            world.engine.handle_timeout(world.now);
            world.turn();
            turns += 1;
            assert!(turns < 200);
        }
    }
}

#[test]
fn nobody_hears_of_a_torrent_from_us_first() {
    let mut world = World::new(3, |_| {});
    world.tracker(0).peers.clear();
    world.wish(&wish("10.0.0.5:6881", Event::Started));
    world.run(3600);
    assert_eq!(world.events(0), []);
    assert!(world.tracker(0).scrapes > 0);
    assert_eq!(world.events(1)[0], Event::Started);
    // What the operator allows may begin with us.
    let mut world = World::new(1, |_| {});
    world.proof = Proof::Unproven;
    world.tracker(0).peers.clear();
    world.wish(&Wish {
        allowed: true,
        ..wish("10.0.0.5:6881", Event::Started)
    });
    world.run(10);
    assert_eq!(world.events(0), [Event::Started]);
}

#[test]
fn who_heard_of_the_beginning_hears_of_the_end() {
    let mut world = World::new(6, |settings| settings.k = 3);
    world.wish(&wish("10.0.0.5:6881", Event::Started));
    world.run(30);
    let told: Vec<_> = (0..6).filter(|n| !world.events(*n).is_empty()).collect();
    assert_eq!(told.len(), 3);
    world.wish(&wish("10.0.0.5:6881", Event::Completed));
    world.run(30);
    world.wish(&wish("10.0.0.5:6881", Event::Stopped));
    world.run(6000);
    for n in 0..6 {
        let expected: &[Event] = match told.contains(&n) {
            true => &[Event::Started, Event::Completed, Event::Stopped],
            false => &[],
        };
        assert_eq!(world.events(n), expected, "{n}");
    }
}

#[test]
fn intervals_are_kept() {
    let mut world = World::new(2, |settings| settings.refresh = 600);
    world.tracker(0).interval = 3000;
    for _ in 0..24 {
        world.wish(&wish("10.0.0.5:6881", Event::None));
        world.run(1000);
    }
    for (n, most, least) in [(0, 8, 3000), (1, 14, 1800)] {
        let heard = &world.tracker(n).heard;
        assert!(
            (heard.len() as u64) <= most && heard.len() > 3,
            "{}",
            heard.len()
        );
        let gaps = heard.windows(2).map(|two| two[1].0 - two[0].0);
        assert!(gaps.min().unwrap() >= least * 1000);
    }
}

#[test]
fn several_clients_are_announced_each_and_one_asks_for_peers() {
    let mut world = World::new(1, |_| {});
    for client in ["10.0.0.5:6881", "10.0.0.6:6882", "10.0.0.7:6883"] {
        world.wish(&wish(client, Event::Started));
        world.run(5);
    }
    let tracker = world.tracker(0);
    assert_eq!(tracker.numwants, [200, 0, 0]);
    assert_eq!(tracker.keys.len(), 3);
}

#[test]
fn no_answer_of_all_leaves_what_is_known() {
    let mut world = World::new(3, |_| {});
    world.wish(&wish("10.0.0.5:6881", Event::Started));
    world.run(5);
    assert_eq!(world.peers().len(), 9);
    (0..3).for_each(|n| world.tracker(n).dead = true);
    let sent = world.sent.len();
    world.run(3000);
    assert_eq!(world.peers().len(), 9);
    // They are asked less and less.
    for _ in 0..24 {
        world.wish(&wish("10.0.0.5:6881", Event::None));
        world.run(3600);
    }
    let sent = world.sent.len() - sent;
    assert!(sent < 3 * 2 * 30, "{sent}");
    assert!(world.peers().is_empty());
}

#[test]
fn short_and_refusing_trackers_are_of_no_use_and_do_no_harm() {
    let mut world = World::new(3, |settings| settings.never_first = false);
    world.tracker(0).short = true;
    world.tracker(1).refuses = true;
    world.wish(&wish("10.0.0.5:6881", Event::Started));
    world.run(20);
    assert_eq!(world.peers().len(), 3);
    assert!(world.extras[&HASH].settled);
}

#[test]
fn what_was_not_heard_is_told_again() {
    let mut world = World::new(1, |_| {});
    world.wish(&wish("10.0.0.5:6881", Event::Started));
    world.run(5);
    let told = world.extras.remove(&HASH).unwrap();
    world.engine.repeat(world.now, HASH);
    world.engine.repeat(world.now, InfoHash([8; 20]));
    world.run(1);
    assert_eq!(world.extras[&HASH].peers, told.peers);
    assert_eq!(world.extras.len(), 1);
}

#[test]
fn our_own_echo_goes_no_further() {
    let mut world = World::new(1, |_| {});
    world.wish(&wish("10.0.0.5:6881", Event::Started));
    world.run(5);
    let key = *world.tracker(0).keys.first().unwrap();
    let mut second = World::new(1, |settings| settings.public_proof = false);
    std::mem::swap(&mut second.engine, &mut world.engine);
    let sent = second.sent.len();
    second.wish(&Wish {
        key: Some(key),
        ..wish("10.9.9.9:6881", Event::None)
    });
    second.run(100);
    assert_eq!(second.sent.len(), sent);
    assert_eq!(second.engine.tally.echoes, 1);
}

#[test]
fn clients_nobody_can_speak_for_are_only_asked_for() {
    for (client, publish) in [
        ("[fd00::5]:6881", Publish::Always),
        ("81.2.3.4:6881", Publish::Nat),
        ("10.0.0.5:6881", Publish::Never),
    ] {
        let mut world = World::new(2, |settings| settings.publish = publish);
        world.wish(&wish(client, Event::Started));
        world.run(4000);
        assert!(world.events(0).is_empty() && world.events(1).is_empty());
        assert!(world.tracker(0).scrapes >= 2);
        assert_eq!(world.extras[&HASH].counts.seeders, 3);
    }
}

#[test]
fn one_client_has_so_many_torrents_and_all_together_too() {
    let mut world = World::new(1, |settings| {
        settings.client_swarms = 10;
        settings.swarms_max = 15;
    });
    for n in 0..20 {
        world.wish(&Wish {
            info_hash: InfoHash([n; 20]),
            ..wish("10.0.0.9:6881", Event::Started)
        });
    }
    assert_eq!(
        (world.engine.swarms.len(), world.engine.tally.over_quota),
        (10, 10)
    );
    // Whoever says that he is others is still one.
    for n in 0..20 {
        world.wish(&Wish {
            info_hash: InfoHash([100 + n; 20]),
            source: [10, 0, 0, 9].into(),
            ..wish(&format!("10.1.0.{n}:6881"), Event::Started)
        });
    }
    assert_eq!(
        (world.engine.swarms.len(), world.engine.tally.over_quota),
        (10, 30)
    );
    // Where he goes, his torrents go with him.
    world.wish(&Wish {
        info_hash: InfoHash([0; 20]),
        source: [10, 0, 0, 10].into(),
        ..wish("10.0.0.9:6881", Event::None)
    });
    for n in 0..2 {
        world.wish(&Wish {
            info_hash: InfoHash([50 + n; 20]),
            ..wish("10.0.0.9:6881", Event::Started)
        });
    }
    assert_eq!(
        (world.engine.swarms.len(), world.engine.tally.over_quota),
        (11, 31)
    );
    for n in 0..2000_u16 {
        let [a, b] = n.to_be_bytes();
        for client in 5..8 {
            let mut info_hash = InfoHash([client; 20]);
            info_hash.0[..2].copy_from_slice(&[a, b]);
            world.wish(&Wish {
                info_hash,
                ..wish(&format!("10.0.0.{client}:6881"), Event::Started)
            });
        }
    }
    assert!(world.engine.swarms.len() <= 15);
    assert!(world.engine.tally.evicted > 0);
    world.run(20);
    let secs = world.now / 1000 + 1;
    assert!(world.sent.len() as u64 <= 20 * (secs + 1));
}

#[test]
fn the_hash_table_is_told_of_what_it_knows() {
    let mut world = World::new(0, |settings| settings.dht = Dht::Announce);
    world.wish(&wish("10.0.0.5:6881", Event::Started));
    world.run(10);
    let publishes = |world: &World| {
        let is_publish = |(_, job): &&(Millis, Job)| matches!(job, Job::Publish(..));
        world.jobs.iter().filter(is_publish).count()
    };
    assert_eq!(publishes(&world), 0);
    world.dht = vec![peer(3), peer(4)];
    world.run(2200);
    assert_eq!((publishes(&world), world.peers().len()), (1, 2));
}

#[test]
fn peers_tell_of_peers_where_few_are_known() {
    let own: SocketAddr = "9.8.7.6:6881".parse().unwrap();
    let mut world = World::new(1, |settings| {
        settings.pex = true;
        settings.own = vec![SocketAddr::new(own.ip(), 6969)];
    });
    world.pex = (0..4).map(|n| peer(2000 + n)).collect();
    // It knows our own client as well, at our address.
    world.tracker(0).peers.insert(0, own.into());
    world.wish(&wish("10.0.0.5:6881", Event::Started));
    world.run(10);
    assert_eq!(world.peers().len(), 7);
    // Answers wait for all who are asked.
    assert_eq!(world.settled[&HASH], 7);
    let asked = world.jobs.iter().filter_map(|(_, job)| match job {
        Job::Probe { pex, peer, .. } => Some((*pex, peer.ip().to_string())),
        _ => None,
    });
    let expected = [(false, "10.0.0.5"), (true, "9.9.0.0"), (true, "9.9.0.1")];
    let expected = expected.map(|(pex, ip)| (pex, ip.to_owned()));
    assert_eq!(asked.collect::<Vec<_>>(), expected);
}

#[test]
fn lists_are_fetched_again_when_they_are_others() {
    let mut world = World::new(1, |settings| {
        settings.list_urls = vec!["http://l.example".into()]
    });
    let fetched = |world: &World| {
        let is_list = |(_, job): &&(Millis, Job)| matches!(job, Job::List(_));
        world.jobs.iter().filter(is_list).count()
    };
    world.run(10);
    assert_eq!(fetched(&world), 1);
    let mut others = settings(&["udp://t0.example:80"]);
    others.list_urls = vec!["http://l.example".into()];
    world.engine.obey(world.now, others.clone());
    world.run(10);
    assert_eq!(fetched(&world), 1);
    others.list_urls.push("http://m.example".into());
    world.engine.obey(world.now, others);
    world.run(10);
    assert_eq!(fetched(&world), 3);
}

#[test]
fn trackers_by_http_are_asked_at_a_modest_pace() {
    let mut world = World::new(0, |settings| {
        let urls: Vec<_> = (0..40)
            .map(|n| format!("https://h{n}.example/announce"))
            .collect();
        settings.texts = vec![urls.join("\n").into_bytes()];
        settings.k = 40;
    });
    world.wish(&wish("10.0.0.5:6881", Event::Started));
    world.run(10);
    let http = world
        .jobs
        .iter()
        .filter(|(_, job)| !matches!(job, Job::Probe { .. }));
    let http = http.count();
    assert!((20..=28).contains(&http), "{http}");
    world.run(100);
    assert_eq!(world.peers(), [peer(5000)]);
}

#[test]
fn health_is_kept_over_a_restart() {
    let mut world = World::new(3, |_| {});
    world.tracker(1).dead = true;
    world.wish(&wish("10.0.0.5:6881", Event::Started));
    world.run(600);
    let state = world.engine.save(&[World::addr(9)]);
    let lines = settings(&["udp://t0.example:80"]);
    let (engine, nodes) = Engine::new(0, 1_700_000_600, lines, state.as_bytes()).unwrap();
    assert_eq!((engine.save(&nodes), nodes.len()), (state, 1));
}

fn steps() -> impl Strategy<Value = Vec<(u8, u8, u8, u16)>> {
    prop::collection::vec((0..6_u8, 0..4_u8, 0..5_u8, 0..2000_u16), 1..60)
}

proptest! {
    #![proptest_config(crate::seeded(24))]

    /// Whatever clients do and trackers suffer: every tracker hears of each peer's beginning
    /// first, of its end after that, once; and no more is sent than may be.
    #[test]
    fn trackers_hear_a_sensible_story(steps in steps(), never_first: bool, k in 1..4_usize) {
        let mut world = World::new(4, |settings| {
            settings.never_first = never_first;
            settings.k = k;
            settings.refresh = 300;
            settings.swarms_max = 3;
        });
        for (hash, client, what, secs) in steps {
            let event = [Event::None, Event::Started, Event::Stopped, Event::Completed];
            match event.get(usize::from(what)) {
                Some(event) => world.wish(&Wish {
                    info_hash: InfoHash([hash; 20]),
                    ..wish(&format!("10.0.0.{client}:{}", 1000 + u16::from(client)), *event)
                }),
                None => {
                    let tracker = world.tracker(usize::from(client));
                    tracker.dead = !tracker.dead;
                }
            }
            world.run(secs.into());
        }
        prop_assert!(world.engine.swarms.len() <= 3);
        for tracker in world.trackers.values() {
            let mut here = BTreeSet::new();
            for (_, hash, port, event) in &tracker.heard {
                match event {
                    Event::Started => { here.insert((hash.0, *port)); }
                    Event::Stopped => {
                        prop_assert!(here.remove(&(hash.0, *port)), "an end without beginning");
                    }
                    _ => prop_assert!(here.contains(&(hash.0, *port)), "{event:?} of a stranger"),
                }
            }
        }
        for from in &world.sent {
            let second = world.sent.iter().filter(|at| (*from..from + 1000).contains(*at)).count();
            prop_assert!(second <= 40, "{second} datagrams in a second");
        }
    }
}

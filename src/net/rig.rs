//! A worker with one connection, for those who try what comes of bytes: tests, and a fuzzer.
#![allow(clippy::unwrap_used)]

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use mio::net::TcpStream;

use crate::access::{Cookie, Gate, Pace, Paces, Penalties, Torrents, neighbourhood};
use crate::net::conn::{Conn, Next};
use crate::net::desk::{Desk, Terms};
use crate::net::rounds::{self, Quest, Round};
use crate::net::rules::Rules;
use crate::net::shares::Budget;
use crate::net::workspace::Workspace;
use crate::net::{Office, Router, Ticket};
use crate::router::{Lanes, Mail, Owners, Wake};
use crate::stats::traffic::Fate;
use crate::swarm::{Limits, Quota, Room, Shard};
use crate::types::{Intervals, Net, Reply};

/// Turns in which everything is served and read.
const TURNS_MAX: usize = 10_000;

/// Where the client is, and who reads statistics.
const FROM: &str = "192.0.2.7:5000";
const READERS: &str = "0.0.0.0/0";

/// A desk at which everything is as if nobody had said anything.
pub fn desk(random: u32) -> Desk {
    let (pace, cookie) = (Pace::new([1; 3]), Cookie::new([7; 16]));
    Desk::new(rules(), pace, cookie, Arc::default(), 1, random)
}

fn rules() -> Rules {
    Rules {
        terms: terms(),
        gate: Gate {
            torrents: Torrents::All,
            keys: None,
            stats_readers: None,
            full_scrapers: None,
            watched: Arc::default(),
            proxies: Arc::default(),
            ip_from_query: Arc::default(),
            denied: Arc::default(),
            clients: Arc::default(),
        },
        paces: Paces {
            connects_per_sec: 200,
            announces_per_sec: 200,
            scrapes_per_sec: 100,
            connections_per_sec: 200,
            burst_secs: 60,
            penalties: Penalties::default(),
            sources: 2048,
            exempt: Arc::new(neighbourhood().collect()),
        },
        nodes: Arc::default(),
        quota: Quota::default(),
        meta: None,
        cookie: None,
        api_token: None,
        tls: None,
    }
}

fn terms() -> Terms {
    Terms {
        interval: 1800,
        intervals: Intervals {
            interval: 1800,
            jitter: None,
            min_interval: 900,
            peer_timeout: None,
            load: None,
        },
        min_interval: 900,
        numwant_default: 50,
        numwant_max: 200,
        external_ip: false,
        peer_ids: false,
        scrape_interval: None,
        id: None,
        warning: None,
        keep_alive: true,
        redirect_url: None,
        stats_path: "stats".into(),
        metrics_path: "metrics".into(),
        page_type: "text/plain".into(),
        separator: None,
        status: "off",
        failed: 0,
        connections_max: 900,
        log_access: false,
        log_completed: false,
        woodpeckers: false,
        full_scrape_interval: 300,
        hang_secs_max: 60,
        budget: Budget {
            room: Room::UNLIMITED,
            held_bytes_max: 4 << 20,
        },
        idle_secs_max: 30,
        request_secs_max: 10,
    }
}

/// A worker that is alone.
pub fn router() -> Router {
    let wake: Wake = Arc::new(|| ());
    let mail = Mail::boxes(&[wake], 16).pop().unwrap();
    let shard = Shard::new([1, 2], Limits::default(), 0);
    Router::new(0, Owners::new(1, 1), shard, mail)
}

/// How the bytes come, and what goes on meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// Behind how many bytes there is a cut, modulo those there are.
    pub cuts: Vec<u32>,
    /// After which pieces the answers under way arrive, by turns.
    pub home: Vec<bool>,
    /// After which pieces the client reads, by turns.
    pub reads: Vec<bool>,
}

/// A worker with one connection, and the client at its other end.
pub struct Rig {
    pub desk: Desk,
    pub router: Router,
    pub with: Workspace,
    pub conn: Option<Conn>,
    quest: Option<Quest>,
    pub client: UnixStream,
    /// What the client has read.
    pub read: Vec<u8>,
}

/// Who attends to rounds.
struct Visitors<'a>(&'a mut Desk, Option<Vec<Round>>);

impl Lanes<Ticket, Round> for Visitors<'_> {
    fn deliver(&mut self, _: Ticket, _: Reply<'_>) {
        panic!("one worker writes no letters");
    }

    fn attend(&mut self, round: &mut Round, shard: &Shard) -> bool {
        round.attend(shard, self.0)
    }

    fn deliver_round(&mut self, _: Ticket, parts: Vec<Round>) {
        self.1 = Some(parts);
    }
}

impl Rig {
    /// Nothing is sent yet; `prefaced` if a proxy has to say first whose connection it is.
    pub fn new(prefaced: bool) -> Rig {
        let (client, server) = UnixStream::pair().unwrap();
        client.set_nonblocking(true).unwrap();
        server.set_nonblocking(true).unwrap();
        let server = std::net::TcpStream::from(OwnedFd::from(server));
        let from = FROM.parse().unwrap();
        let mut desk = desk(5);
        let readers: Net = READERS.parse().unwrap();
        desk.gate.stats_readers = Some(Arc::new([readers].into_iter().collect()));
        Rig {
            desk,
            router: router(),
            with: Workspace::new(),
            conn: Some(Conn::new(TcpStream::from_std(server), from, prefaced, 0)),
            quest: None,
            client,
            read: Vec::new(),
        }
    }

    /// All that comes back for these bytes.
    pub fn play(mut self, bytes: &[u8], course: &Course) -> Vec<u8> {
        let place = |cut: &u32| *cut as usize % (bytes.len() + 1);
        let mut cuts: Vec<_> = course.cuts.iter().map(place).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        for (turn, cut) in cuts.windows(2).enumerate() {
            let due = |turns: &[bool]| turns.get(turn % turns.len().max(1)).is_none_or(|due| *due);
            let mut piece = &bytes[cut[0]..cut[1]];
            while !piece.is_empty() && self.conn.is_some() {
                let taken = self.send(piece);
                piece = &piece[taken..];
                self.work(false);
                if due(&course.home) || taken == 0 {
                    self.bring_home();
                }
                if due(&course.reads) || taken == 0 {
                    self.read();
                }
            }
        }
        self.client.shutdown(Shutdown::Write).unwrap();
        for turn in 0.. {
            if self.conn.is_none() {
                break;
            }
            assert!(turn < TURNS_MAX, "it never ends");
            self.work(true);
            self.bring_home();
            self.read();
        }
        self.read();
        assert_eq!(self.with.traffic.fate(Fate::Unanswered), [0, 0]);
        let [asked, answered] = [Fate::Asked, Fate::Answered].map(|f| self.with.traffic.fate(f));
        assert_eq!(asked, answered);
        self.read
    }

    fn send(&mut self, piece: &[u8]) -> usize {
        match self.client.write(piece) {
            Ok(taken) => taken,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        }
    }

    /// Has the client read what is there.
    pub fn read(&mut self) {
        match self.client.read_to_end(&mut self.read) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
            _ => {}
        }
    }

    /// Has the connection served, as after an event.
    pub fn work(&mut self, ended: bool) {
        if let Some(conn) = &mut self.conn {
            let (router, desk) = (&mut self.router, &mut self.desk);
            let office = &mut Office { router, desk };
            let next = conn.work(ended, Ticket::Survey, office, &mut self.with);
            self.heed(next);
        }
    }

    /// Does what a connection is good for next.
    pub fn heed(&mut self, mut next: Next) {
        while let (Next::Again, Some(conn)) = (next, &mut self.conn) {
            let (router, desk) = (&mut self.router, &mut self.desk);
            next = conn.resume(Ticket::Survey, &mut Office { router, desk }, &mut self.with);
        }
        match next {
            Next::Ask(quest) => assert_eq!(self.quest.replace(quest), None, "one at a time"),
            Next::Close => self.conn.take().unwrap().close(&mut self.with.traffic),
            Next::Rest | Next::Again => {}
        }
    }

    /// Lets the answer arrive that is waited for, if any, and those that follow it.
    pub fn bring_home(&mut self) {
        while let Some(quest) = self.quest.take() {
            let (router, desk, with) = (&mut self.router, &mut self.desk, &mut self.with);
            assert!(router.send_round(Ticket::Survey, || quest.begin(1)));
            let mut visitors = Visitors(desk, None);
            while visitors.1.is_none() {
                router.attend(&mut visitors);
            }
            let parts = visitors.1.unwrap();
            let Some(conn) = &mut self.conn else {
                return;
            };
            let next = match quest {
                Quest::Sheet => conn.answer(0, with, |pending, http, out| {
                    http.finish_sheet(pending, &rounds::sheets(&parts), desk, out)
                }),
                _ => conn.take_round(parts, desk, with),
            };
            self.heed(next);
        }
    }
}

/// Whatever the bytes, they get the same answers however they are cut: here as a sum of them says.
#[cfg(fuzzing)]
pub fn whole_connection(bytes: &[u8]) {
    let sum = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let mut random = bytes.iter().fold(0xcbf2_9ce4_8422_2325, sum) | 1;
    let mut draw = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 32) as u32
    };
    let prefaced = bytes.starts_with(b"PROXY ") || draw() % 16 == 0;
    let course = Course {
        cuts: (0..draw() % 12).map(|_| draw()).collect(),
        home: (0..4).map(|_| draw() % 2 == 0).collect(),
        reads: (0..4).map(|_| draw() % 2 == 0).collect(),
    };
    let whole = Rig::new(prefaced).play(bytes, &Course::default());
    assert!(
        whole == Rig::new(prefaced).play(bytes, &course),
        "{course:?}"
    );
}

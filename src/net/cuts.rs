//! Whole connections: however a stream of bytes is cut, and whenever answers come and are read,
//! what comes back is the same.
#![allow(clippy::unwrap_used)]

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;

use mio::net::TcpStream;

use crate::access::{Cookie, Pace};
use crate::config::{self, Command};
use crate::net::conn::{Conn, Next, Workspace};
use crate::net::desk::Desk;
use crate::net::http::Http;
use crate::net::memory::Means;
use crate::net::rounds::{self, Quest, Round};
use crate::net::rules::{Grants, Occasion, Rules};
use crate::net::{Office, Router, Ticket};
use crate::router::{Home, Lanes, Mail, Owners, Wake};
use crate::stats::traffic::{Fate, Traffic};
use crate::swarm::{Limits, Shard};
use crate::types::{Announce, Event, InfoHash, PeerAddr, Reply, Seconds, Want};
use crate::wire::http::{HEAD_LEN_MAX, Head};

/// Turns in which everything is served and read.
const TURNS_MAX: usize = 10_000;

const FROM: &str = "192.0.2.7:5000";

/// What nobody but a test sends.
const ODD: [&str; 13] = [
    "GET /scrape HTTP/1.1\r\n\r\n",
    "GET /scrape HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "GET /scrape?info_hash=aaaaaaaaaaaaaaaaaaaa&info_hash=bbbbbbbbbbbbbbbbbbbb HTTP/1.1\r\n\r\n",
    "GET /stats HTTP/1.1\r\n\r\n",
    "GET /stats?mode=top10 HTTP/1.1\nAccept-Encoding: gzip\n\n",
    "GET /stats?mode=counters HTTP/1.1\r\n\r\n",
    "GET /stats?mode=nonsense HTTP/1.1\r\n\r\n",
    "GET /announce HTTP/1.1\r\n\r\n",
    "\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n",
    "POST /announce HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    "\x16\x03\x01\x02\0\x01\0\n\n",
];

/// What clients send, captured, and [`ODD`]. Most are of the former.
fn pool() -> Vec<Vec<u8>> {
    let text = include_str!("../../tests/wire/clients.txt");
    let packets = text
        .split("\n[")
        .filter(|packet| packet.contains("kind = http "));
    let bytes = packets.map(|packet| {
        let lines = packet
            .lines()
            .filter_map(|line| line.strip_prefix("text = "));
        let text: String = lines.collect();
        let text = text.replace("\\r", "\r").replace("\\n", "\n");
        assert!(text.starts_with("GET /") && !text.contains('\\'), "{text}");
        text.into_bytes()
    });
    let mut pool: Vec<_> = bytes.collect();
    assert!(pool.len() > ODD.len(), "{} captured requests", pool.len());
    pool.extend(ODD.iter().map(|text| text.as_bytes().to_vec()));
    pool
}

/// A desk as this command line has it.
pub fn desk(args: &[&str], random: u32) -> Desk {
    let Ok(Command::Run(config)) = config::parse(args) else {
        panic!("{args:?}");
    };
    let grants = Grants {
        descriptors: 1000,
        used: 10,
        means: Means::new(None, 1),
        keep_secs_max: Seconds::MAX,
    };
    let rules = Rules::new(&config, grants, Occasion::Start).unwrap();
    let (pace, cookie) = (Pace::new([1; 3]), Cookie::new([7; 16]));
    Desk::new(rules, pace, cookie, Arc::default(), 1, random)
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
struct Course {
    cuts: Vec<Index>,
    /// After which pieces the answers under way arrive, by turns.
    home: Vec<bool>,
    /// After which pieces the client reads, by turns.
    reads: Vec<bool>,
}

/// A worker with one connection, and the client at its other end.
struct Rig {
    desk: Desk,
    router: Router,
    with: Workspace,
    conn: Option<Conn>,
    quest: Option<Quest>,
    client: UnixStream,
    read: Vec<u8>,
}

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
    fn new(prefaced: bool) -> Rig {
        let (client, server) = UnixStream::pair().unwrap();
        client.set_nonblocking(true).unwrap();
        server.set_nonblocking(true).unwrap();
        let server = std::net::TcpStream::from(OwnedFd::from(server));
        let from = FROM.parse().unwrap();
        Rig {
            desk: desk(&["--access.stats=0.0.0.0/0", "--access.full_scrape=yes"], 5),
            router: router(),
            with: Workspace {
                scratch: vec![0; HEAD_LEN_MAX].into(),
                out: Vec::new(),
                http: Http::default(),
                traffic: Traffic::default(),
            },
            conn: Some(Conn::new(TcpStream::from_std(server), from, prefaced, 0)),
            quest: None,
            client,
            read: Vec::new(),
        }
    }

    /// All that comes back for these bytes.
    fn play(mut self, bytes: &[u8], course: &Course) -> Vec<u8> {
        let mut cuts: Vec<_> = course
            .cuts
            .iter()
            .map(|cut| cut.index(bytes.len() + 1))
            .collect();
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

    fn read(&mut self) {
        match self.client.read_to_end(&mut self.read) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
            _ => {}
        }
    }

    /// Reads so many bytes, as far as they are there.
    fn read_some(&mut self, bytes_max: u64) {
        match (&self.client).take(bytes_max).read_to_end(&mut self.read) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
            _ => {}
        }
    }

    /// A second passes.
    fn tick(&mut self) {
        let Rig {
            desk, with, conn, ..
        } = self;
        desk.now += 1;
        if let Some(conn) = conn {
            let next = conn.tick(desk, with);
            self.heed(next);
        }
    }

    /// How long a list of all torrents takes a reader of so many bytes a second, and what comes of
    /// it.
    fn scrape(mut self, rate: u64) -> (Seconds, Vec<u8>) {
        for number in 0..20_000_u32 {
            let mut info_hash = [0; 20];
            info_hash[..4].copy_from_slice(&number.to_be_bytes());
            let announce = Announce {
                info_hash: InfoHash(info_hash),
                peer: PeerAddr::new([192, 0, 2, 1].into(), 1),
                peer_id: None,
                event: Event::None,
                seeder: false,
                want: Want {
                    numwant: 0,
                    both: false,
                    ids: false,
                },
                keep_secs: Seconds::MAX,
            };
            self.router
                .announce(0, &announce, Ticket::Survey, Home::Here);
        }
        self.client
            .write_all(b"GET /scrape HTTP/1.1\r\nConnection: close\r\n\r\n")
            .unwrap();
        while self.conn.is_some() {
            self.work(false);
            self.bring_home();
            self.read_some(rate);
            self.tick();
        }
        self.read();
        (self.desk.now, self.read)
    }

    fn work(&mut self, ended: bool) {
        let Rig {
            desk,
            router,
            with,
            conn,
            ..
        } = self;
        if let Some(conn) = conn {
            let next = conn.work(ended, Ticket::Survey, &mut Office { router, desk }, with);
            self.heed(next);
        }
    }

    fn heed(&mut self, mut next: Next) {
        let Rig {
            desk,
            router,
            with,
            conn,
            ..
        } = self;
        while let (Next::Again, Some(conn)) = (next, conn.as_mut()) {
            next = conn.resume(Ticket::Survey, &mut Office { router, desk }, with);
        }
        match next {
            Next::Ask(quest) => assert_eq!(self.quest.replace(quest), None, "one at a time"),
            Next::Close => self.conn.take().unwrap().close(&mut with.traffic),
            Next::Rest | Next::Again => {}
        }
    }

    /// Lets the answer arrive that is waited for, if any, and those that follow it.
    fn bring_home(&mut self) {
        while let Some(quest) = self.quest.take() {
            let Rig {
                desk,
                router,
                with,
                conn,
                ..
            } = self;
            assert!(router.send_round(Ticket::Survey, || quest.begin(1)));
            let mut visitors = Visitors(desk, None);
            while visitors.1.is_none() {
                router.attend(&mut visitors);
            }
            let parts = visitors.1.unwrap();
            let Some(conn) = conn else {
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

fn courses() -> impl Strategy<Value = Course> {
    let turns = || prop::collection::vec(any::<bool>(), 1..5);
    let cuts = prop::collection::vec(any::<Index>(), 0..40);
    (cuts, turns(), turns()).prop_map(|(cuts, home, reads)| Course { cuts, home, reads })
}

/// A list is for two readers at a time: who only pretends to read may not keep it from others.
#[test]
fn slow_readers_of_lists_are_given_up() {
    let (secs, list) = Rig::new(false).scrape(40_000);
    assert!(list.ends_with(b"ee\r\n0\r\n\r\n") && secs > 30, "{secs} s");
    let (secs, cut) = Rig::new(false).scrape(8_000);
    assert!(
        cut.len() < list.len() / 2 && secs < 60,
        "{} in {secs} s",
        cut.len()
    );
}

proptest! {
    #![proptest_config(crate::seeded(200))]

    /// Requests of all kinds in a row, some of them with a wrong byte.
    #[test]
    fn cuts_change_no_answer(
        picks in prop::collection::vec(any::<Index>(), 1..60),
        wrong in prop::option::of((any::<Index>(), any::<u8>())),
        prefaced: bool, course in courses(),
    ) {
        let pool = pool();
        let preface = b"PROXY TCP4 198.51.100.1 10.0.0.2 56324 443\r\n".to_vec();
        let picks = picks.iter().map(|pick| pick.get(&pool).clone());
        let mut bytes: Vec<u8> = prefaced.then_some(preface).into_iter().chain(picks).flatten()
            .collect();
        if let Some((at, byte)) = wrong {
            *at.get_mut(&mut bytes) = byte;
        }
        let whole = Rig::new(prefaced).play(&bytes, &Course::default());
        let cut = Rig::new(prefaced).play(&bytes, &course);
        prop_assert!(cut == whole, "{}\n\nuncut:\n{}\n\ncut:\n{}", bytes.escape_ascii(),
            whole.escape_ascii(), cut.escape_ascii());
    }
}

proptest! {
    #![proptest_config(crate::seeded(8))]

    /// The same of captured requests alone, more than a socket takes in answers, read late.
    #[test]
    fn readers_who_read_late_miss_nothing(
        picks in prop::collection::vec(any::<Index>(), 600..900), course in courses(),
    ) {
        let pool = pool();
let captured = &pool[..pool.len() - ODD.len()];
        let stays = |bytes: &&Vec<u8>| Head::parse(bytes, 0).unwrap().unwrap().0.keep_alive;
        let captured: Vec<_> = captured.iter().filter(stays).cloned().collect();
        let bytes: Vec<u8> = picks.iter().flat_map(|pick| pick.get(&captured).clone()).collect();
        let whole = Rig::new(false).play(&bytes, &Course::default());
        prop_assert!(whole.len() > 50_000);
        let late = Course { reads: vec![false], ..course };
        prop_assert!(Rig::new(false).play(&bytes, &late) == whole);
    }
}

//! Whole connections: however a stream of bytes is cut, and whenever answers come and are read,
//! what comes back is the same.
#![allow(clippy::unwrap_used)]

use std::io::{ErrorKind, Read, Write};

use proptest::prelude::*;
use proptest::sample::Index;

use crate::net::Ticket;
use crate::net::rig::{Course, Rig};
use crate::router::Home;
use crate::types::{Announce, Event, InfoHash, PeerAddr, Seconds, Want};
use crate::wire::http::Head;

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

impl Rig {
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
}

fn courses() -> impl Strategy<Value = Course> {
    let turns = || prop::collection::vec(any::<bool>(), 1..5);
    let cuts = prop::collection::vec(any::<u32>(), 0..40);
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

//! Strangers who send much: the log stays short, memory stays flat, others are served.

use std::io::{self, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::Random;
use crate::harness::http::{Http, request};
use crate::harness::peer::{Announce, torrent};
use crate::harness::tracker::Setup;
use crate::harness::udp::Udp;

/// For two seconds nobody who asks now and then has to wait for long; then it has been `enough`.
#[track_caller]
fn check_patience(enough: &AtomicBool, mut ask: impl FnMut()) {
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    while start.elapsed() < Duration::from_secs(2) {
        let asked = Instant::now();
        ask();
        slowest = slowest.max(asked.elapsed());
    }
    enough.store(true, Ordering::Relaxed);
    assert!(
        slowest < Duration::from_secs(1),
        "one had to wait for {slowest:?}"
    );
}

#[test]
fn strangers_do_not_fill_the_log() {
    let tracker = Setup::new().workers(2).start();
    let said = tracker.log();
    let mut random = Random::new(3);
    let udp = Udp::stranger("127.0.0.1".parse().unwrap(), tracker.udp());
    for _ in 0..50 {
        for _ in 0..20 {
            let len = random.next() as usize % 200;
            udp.told(&random.bytes(len));
        }
        let mut http = Http::connect(tracker.tcp());
        http.send(random.bytes(300));
        http.try_answer();
        drop(Http::connect(tracker.tcp()));
        let mut http = Http::connect(tracker.tcp());
        http.get("/announce?info_hash=%zz");
        http.send("GET / HTTP");
    }
    tracker.stop_and(|log| assert_eq!(log, said));
}

/// One who sends requests as fast as they are taken, and reads the answers, gets no more than a
/// turn before others do.
#[test]
fn a_hungry_client_does_not_starve_others() {
    let tracker = Setup::new().workers(1).start();
    let enough = AtomicBool::new(false);
    let announce = Announce::leecher(torrent(1), 7000);
    let hungry = Http::connect(tracker.tcp());
    let (mut reads, mut writes) = (&hungry.stream, &hungry.stream);
    thread::scope(|scope| {
        scope.spawn(move || io::copy(&mut reads, &mut io::sink()));
        let enough = &enough;
        scope.spawn(move || {
            let requests = request(&announce.target()).repeat(500);
            while !enough.load(Ordering::Relaxed) {
                writes.write_all(requests.as_bytes()).unwrap();
            }
            writes.shutdown(Shutdown::Both).unwrap();
        });
        let udp = Udp::connect(tracker.udp());
        let mut http = Http::connect(tracker.tcp());
        check_patience(enough, || {
            udp.announce(&announce);
            http.announce(&announce);
        });
    });
}

/// However much comes by UDP, connections get their turn.
#[test]
fn a_flood_by_udp_does_not_starve_http() {
    let tracker = Setup::new().workers(1).start();
    let enough = AtomicBool::new(false);
    let announce = Announce::leecher(torrent(1), 7000);
    let before = tracker.rss_kib();
    thread::scope(|scope| {
        // Neither could get an id through the flood of the other.
        for udp in [(); 2].map(|()| Udp::connect(tracker.udp())) {
            let (announce, enough) = (&announce, &enough);
            scope.spawn(move || {
                let request = announce.datagram(udp.id, 1);
                while !enough.load(Ordering::Relaxed) {
                    udp.send(&request);
                }
            });
        }
        let mut http = Http::connect(tracker.tcp());
        check_patience(&enough, || drop(http.announce(&announce)));
    });
    let grown = tracker.rss_kib().saturating_sub(before);
    assert!(grown < 4096, "{grown} KiB");
}

//! What slow, greedy and numerous HTTP clients can do: nothing to others.

use std::io::{ErrorKind, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::http::{Http, request};
use crate::harness::peer::{Announce, scrape_target, torrent};
use crate::harness::tracker::{Setup, Tracker};
use crate::harness::udp::Udp;
use crate::harness::{PATIENCE, eventually, shout};
use crate::{for_workers, for_workers_at_once};

/// More than this nobody should have to wait because of others.
const SOON: Duration = Duration::from_secs(2);

for_workers!(who_never_reads_harms_nobody);

fn who_never_reads_harms_nobody(workers: usize) {
    let tracker = Setup::new().workers(workers).start();
    let mut other = Http::connect(tracker.tcp());
    other.announce(&Announce::seeder(torrent(0), 7000));
    let before = tracker.rss_kib();
    let mut greedy: Vec<_> = (0..4).map(|_| Http::connect(tracker.tcp())).collect();
    for (n, http) in greedy.iter_mut().enumerate() {
        let scrape = request(&scrape_target(&[torrent(n as u64), torrent(n as u64 + 1)]));
        let announce = request(&Announce::leecher(torrent(n as u64), 7001).target());
        let requests = (scrape + &announce).repeat(10_000);
        let mut rest = requests.as_bytes();
        while let Some(len) = written(http, rest) {
            rest = &rest[len..];
            let asked = Instant::now();
            other.announce(&Announce::seeder(torrent(0), 7000));
            assert!(asked.elapsed() < SOON, "others had to wait");
        }
    }
    let grown = tracker.rss_kib().saturating_sub(before);
    assert!(grown < 4096, "{grown} KiB for four that never read");
    assert_eq!(
        other.announce(&Announce::seeder(torrent(0), 7000)).seeders,
        1
    );
}

/// Sends what is taken; `None` when all is sent, or no more is taken.
fn written(http: &mut Http, bytes: &[u8]) -> Option<usize> {
    let wait = Duration::from_millis(200);
    http.stream.set_write_timeout(Some(wait)).unwrap();
    match http.stream.write(bytes) {
        Ok(0) => None,
        Ok(len) => Some(len),
        Err(_) => None,
    }
}

#[test]
fn who_never_reads_is_given_up() {
    let tracker = Setup::new().setting("http.request_secs_max 1").start();
    let mut http = Http::connect_narrow(tracker.tcp());
    // Long answers to short requests: else what is asked fills the way before what is answered.
    let requests = request("/stats?mode=everything").repeat(1000);
    while written(&mut http, requests.as_bytes()).is_some() {}
    eventually("it is given up", || {
        let written = http.stream.write(b"x");
        written.is_err_and(|error| error.kind() != ErrorKind::WouldBlock)
    });
}

#[test]
fn slow_heads_are_timed_out() {
    for_workers_at_once(|workers| {
        let setup = Setup::new().workers(workers);
        let tracker = setup.setting("http.request_secs_max 1").start();
        let start = Instant::now();
        let mut slow: Vec<_> = (0..8).map(|_| Http::connect(tracker.tcp())).collect();
        let halves = [
            "G",
            "GET /announce?info_hash=",
            "GET / HTTP/1.1\r\nHost: x\r\n",
        ];
        for (http, half) in slow.iter_mut().zip(halves.iter().cycle()) {
            http.send(half);
        }
        assert_eq!(Http::connect(tracker.tcp()).get("/stats").status, 200);
        for http in &mut slow {
            let answer = http.answer();
            assert_eq!(answer.status, 408);
            assert_eq!(answer.header("Connection"), Some("close"));
            http.closed();
        }
        assert!(
            start.elapsed() >= Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(Http::connect(tracker.tcp()).get("/stats").status, 200);
    });
}

#[test]
fn idle_connections_close_without_a_word() {
    for_workers_at_once(|workers| {
        let setup = Setup::new().workers(workers);
        let setup = setup.setting("http.request_secs_max 9");
        let tracker = setup.setting("http.idle_secs_max 1").start();
        let start = Instant::now();
        let mut idle: Vec<_> = (0..8).map(|_| Http::connect(tracker.tcp())).collect();
        for http in &mut idle[4..] {
            assert_eq!(http.get("/stats").status, 200);
        }
        // A line end too many begins no request.
        idle[3].send("\r\n");
        idle[4].send("\r\n");
        assert_eq!(
            idle[5].ask(request("/stats").to_owned() + "\r\n").status,
            200
        );
        idle.iter_mut().for_each(Http::closed);
        let took = start.elapsed();
        let allowed = Duration::from_secs(1)..Duration::from_secs(8);
        assert!(allowed.contains(&took), "{took:?}");
    });
}

/// Whenever within a second of the tracker's clock a wait begins, it is not cut short.
#[test]
fn time_limits_are_no_shorter_than_said() {
    let setup = Setup::new().setting("http.request_secs_max 1");
    let tracker = setup.setting("http.idle_secs_max 1").start();
    let mut pause = Http::connect(tracker.tcp());
    thread::scope(|scope| {
        for n in 0..14 {
            pause.stays_silent(Duration::from_millis(90));
            let mut http = Http::connect(tracker.tcp());
            let start = Instant::now();
            http.send(if n % 2 == 0 { "" } else { "GET /" });
            scope.spawn(move || {
                assert_eq!(http.try_answer().is_some(), n % 2 == 1);
                assert!(
                    start.elapsed() >= Duration::from_secs(1),
                    "{:?}",
                    start.elapsed()
                );
            });
        }
    });
}

/// A head that comes drop by drop has no more time than one that stops.
#[test]
fn drops_do_not_buy_time() {
    let tracker = Setup::new().setting("http.request_secs_max 1").start();
    let mut http = Http::connect(tracker.tcp());
    let start = Instant::now();
    http.send("GET /");
    while http.stays_silent(Duration::from_millis(50)) {
        assert!(start.elapsed() < PATIENCE, "still waited for");
        http.send("x");
    }
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "too early: {:?}",
        start.elapsed()
    );
}

#[test]
fn the_number_of_connections_is_limited() {
    for_workers_at_once(|workers| {
        let setup = Setup::new().workers(workers);
        let setup = setup.setting("http.connections_max 8");
        let tracker = setup.setting("http.request_secs_max 2").start();
        // Half a request each, so that none is idle.
        let half = &request("/stats")[..20];
        let mut many: Vec<_> = (0..60).map(|_| Http::connect(tracker.tcp())).collect();
        for http in &mut many {
            // Those already turned away may not take it.
            let _ = http.stream.write_all(half.as_bytes());
        }
        let answers = many.iter_mut().filter_map(Http::try_answer);
        let statuses: Vec<_> = answers.map(|answer| answer.status).collect();
        let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
        assert!((1..=8).contains(&count(408)), "{} were let in", count(408));
        assert!(count(503) >= 40, "{} were turned away in order", count(503));
        assert!(Udp::connect(tracker.udp()).is_answered(PATIENCE));
        // Those that only wait make room.
        let idle: Vec<_> = (0..60).map(|_| Http::connect(tracker.tcp())).collect();
        serves_again(&tracker);
        drop(idle);
    });
}

/// The kernel gives each worker as many as it likes.
#[test]
fn a_limit_of_connections_is_one_for_all_workers() {
    let setup = Setup::new().workers(4).setting("http.connections_max 9");
    let tracker = setup.start();
    for _ in 0..4 {
        let files = tracker.open_files();
        let mut inside: Vec<_> = (0..9).map(|_| Http::connect(tracker.tcp())).collect();
        for http in &mut inside {
            assert_eq!(http.get("/stats").status, 200);
            http.send("GET /stats HTTP/1.1\r\n");
        }
        assert_eq!(tracker.open_files(), files + 9);
        let mut other = Http::connect(tracker.tcp());
        other.send(request("/stats"));
        assert_eq!(other.answer().status, 503);
        other.closed();
        for http in &mut inside {
            http.send("\r\n");
            assert_eq!(http.answer().status, 200);
        }
        drop(inside);
        eventually("all have left", || tracker.open_files() == files);
    }
    tracker.stop();
}

fn serves_again(tracker: &Tracker) {
    eventually("HTTP is served", || {
        let mut http = Http::connect(tracker.tcp());
        let sent = http.stream.write_all(request("/stats").as_bytes());
        sent.is_ok() && http.try_answer().is_some_and(|answer| answer.status == 200)
    });
}

#[test]
fn running_out_of_files_is_survived() {
    for_workers_at_once(|workers| {
        // As whom we are, or we may not change its limits.
        let setup = Setup::new().workers(workers).arg("-u").arg("root");
        let tracker = setup.start();
        let mut early = Http::connect(tracker.tcp());
        assert_eq!(early.get("/stats").status, 200);
        if !tracker.limit_open_files(tracker.open_files() + 6) {
            return shout("SKIPPED: running out of files: there is no prlimit(1)");
        }
        let mut many: Vec<_> = (0..100).map(|_| Http::connect(tracker.tcp())).collect();
        let close = "GET /stats HTTP/1.1\r\nConnection: close\r\n\r\n";
        many[50..].iter_mut().for_each(|http| http.send(close));
        spends_little_on_nothing(&tracker, &mut early);
        // Those who are in are served, by UDP too.
        assert_eq!(early.get("/stats").status, 200);
        for n in 0..16 {
            let udp = Udp::connect(tracker.udp());
            assert_eq!(udp.announce(&Announce::leecher(torrent(n), 1)).leechers, 1);
        }
        // The others get their turn as some leave.
        let waiting = many.split_off(50);
        drop(many);
        for mut http in waiting {
            assert_eq!(http.answer().status, 200);
            http.closed();
        }
        tracker.stop();
    });
}

/// Watches for a while in which there is nothing that could be done.
fn spends_little_on_nothing(tracker: &Tracker, waiting: &mut Http) {
    let (start, cpu) = (Instant::now(), tracker.cpu());
    waiting.stays_silent(Duration::from_millis(1500));
    let spent = tracker.cpu() - cpu;
    assert!(
        spent < start.elapsed() / 2,
        "{spent:?} of {:?}",
        start.elapsed()
    );
}

#[test]
fn few_files_from_the_start_are_enough() {
    let setup = Setup::new().workers(2).open_files_max(40);
    let tracker = setup.start();
    tracker.wait_for_line("open files");
    let mut many: Vec<_> = (0..100).map(|_| Http::connect(tracker.tcp())).collect();
    for http in &mut many {
        let _ = http.stream.write_all(request("/stats").as_bytes());
    }
    let udp = Udp::connect(tracker.udp());
    assert_eq!(udp.announce(&Announce::leecher(torrent(1), 1)).leechers, 1);
    drop(many);
    serves_again(&tracker);
    tracker.stop();
}

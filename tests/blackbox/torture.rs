//! What becomes of a tracker to which things happen that should not: workers that panic or hang.
//! Takes a build with the feature `torture`, in which announces of some torrents bring that about.

use std::io::Write;
use std::thread;
use std::time::Duration;

use crate::harness::http::{Http, request};
use crate::harness::peer::{Announce, torrent};
use crate::harness::tracker::{Setup, Tracker};
use crate::harness::udp::Udp;
use crate::harness::{PATIENCE, eventually};

/// The torrent that makes its worker panic.
const PANIC: [u8; 20] = [0xdd; 20];

/// The one that makes it hang.
const HANG: [u8; 20] = [0xee; 20];

const TORRENTS: u64 = 64;

#[track_caller]
fn number(tracker: &Tracker, name: &str) -> u64 {
    let text = Http::connect(tracker.tcp())
        .get("/stats?mode=counters")
        .text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap().split(' ').next().unwrap().parse().unwrap()
}

#[track_caller]
fn torrents(tracker: &Tracker) -> u64 {
    let text = Http::connect(tracker.tcp()).get("/stats?mode=torr").text();
    text.lines().next().unwrap().parse().unwrap()
}

/// Everything works, whichever worker has to do with it.
#[track_caller]
fn serves_all(tracker: &Tracker) {
    for n in 0..TORRENTS {
        let announce = Announce::leecher(torrent(n), 7000);
        assert_eq!(Udp::connect(tracker.udp()).announce(&announce).leechers, 1);
        assert_eq!(Http::connect(tracker.tcp()).announce(&announce).leechers, 1);
    }
    assert_eq!(torrents(tracker), TORRENTS);
    let all: Vec<_> = (0..TORRENTS).map(torrent).collect();
    let counts = Udp::connect(tracker.udp()).scrape(&all);
    assert!(counts.iter().all(|counts| counts.leechers == 1));
}

fn panic_by_udp(tracker: &Tracker) {
    let udp = Udp::connect(tracker.udp());
    udp.send(&Announce::leecher(PANIC, 7000).datagram(udp.id, 1));
}

#[test]
fn a_worker_that_panics_starts_anew_while_the_others_serve_on() {
    for workers in [1, 2, 4] {
        let tracker = Setup::new().workers(workers).start();
        serves_all(&tracker);
        let files = tracker.open_files();
        let mut idle: Vec<_> = (0..32).map(|_| Http::connect(tracker.tcp())).collect();
        idle.iter_mut()
            .for_each(|http| assert_eq!(http.get("/stats").status, 200));
        panic_by_udp(&tracker);
        tracker.wait_for_line("a worker has panicked");
        eventually("it is counted", || number(&tracker, "worker panics") == 1);
        // The connections of that worker are closed, those of the others stay.
        let stay = idle
            .iter_mut()
            .filter_map(|http| {
                let _ = http.stream.write_all(request("/stats").as_bytes());
                http.try_answer()
            })
            .count();
        assert!(
            stay < 32 && (stay > 0) == (workers > 1),
            "{stay} of 32 stay"
        );
        // The torrents too.
        let kept = torrents(&tracker);
        assert!(
            kept < TORRENTS && (kept > 0) == (workers > 1),
            "{kept} are kept"
        );
        serves_all(&tracker);
        // By HTTP it is whoever accepted the connection.
        let mut http = Http::connect(tracker.tcp());
        http.send(request(&Announce::leecher(PANIC, 7000).target()));
        assert!(http.try_answer().is_none());
        eventually("it is counted", || number(&tracker, "worker panics") == 2);
        serves_all(&tracker);
        drop(idle);
        eventually("no file is left open", || tracker.open_files() <= files + 1);
        tracker.stop();
    }
}

#[test]
fn what_is_asked_while_a_worker_panics_is_answered_or_given_up() {
    let setup = Setup::new().workers(2);
    let tracker = setup.setting("http.request_secs_max 2").start();
    thread::scope(|scope| {
        for n in 0..4 {
            let tracker = &tracker;
            scope.spawn(move || {
                for round in 0..40 {
                    let mut http = Http::connect(tracker.tcp());
                    let targets = [
                        "/stats".into(),
                        Announce::leecher(torrent(n), 7000).target(),
                    ];
                    http.send(request(&targets[round % 2]));
                    // Nothing keeps anybody waiting for ever.
                    http.try_answer();
                }
            });
        }
        for _ in 0..5 {
            panic_by_udp(&tracker);
            thread::park_timeout(Duration::from_millis(100));
        }
    });
    serves_all(&tracker);
    tracker.stop();
}

#[test]
fn who_panics_again_and_again_ends() {
    let tracker = Setup::new().workers(1).start();
    let udp = Udp::connect(tracker.udp());
    let fatal = Announce::leecher(PANIC, 7000).datagram(udp.id, 1);
    for n in 1..=9 {
        udp.send(&fatal);
        eventually("it panics", || {
            tracker.log().matches("as was asked for").count() >= n
        });
    }
    assert_eq!(tracker.ended(), Some(71));
}

#[test]
fn a_worker_that_hangs_is_noticed_and_the_process_ends() {
    let setup = Setup::new().workers(2).setting("tracker.hang_secs_max 3");
    let tracker = setup.start();
    let udp = Udp::connect(tracker.udp());
    udp.send(&Announce::leecher(HANG, 7000).datagram(udp.id, 1));
    tracker.wait_for_line("does not move");
    tracker.wait_for_line("has not moved for 3 seconds");
    assert_eq!(tracker.ended(), Some(71));
}

#[test]
fn who_is_stopped_for_a_while_does_not_hang() {
    let setup = Setup::new().workers(2).setting("tracker.hang_secs_max 3");
    let tracker = setup.start();
    tracker.signal("STOP");
    thread::sleep(Duration::from_secs(10));
    tracker.signal("CONT");
    assert!(Udp::connect(tracker.udp()).is_answered(PATIENCE));
    thread::sleep(Duration::from_secs(3));
    serves_all(&tracker);
    tracker.stop_and(|log| assert!(!log.contains("move"), "{log}"));
}

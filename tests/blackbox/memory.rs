//! Memory that is limited: by the operator, and by the system.

use std::collections::HashMap;

use crate::harness::http::Http;
use crate::harness::peer::{Announce, torrent};
use crate::harness::tracker::{Setup, Tracker, is_emulated};
use crate::harness::udp::Udp;
use crate::harness::{eventually, shout};

/// Datagrams under way at a time: few enough for any socket's buffer.
const WINDOW: u64 = 32;

/// A torrent that others flood.
const SWARM: u64 = 1 << 40;

/// The least limit, in megabytes, that the tracker agrees to, as it says itself.
fn least(workers: usize) -> u64 {
    let setup = Setup::new().workers(workers);
    let ended = setup.setting("tracker.memory_limit 100K").run();
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    let (_, least) = ended.stderr.split_once("at least ").unwrap();
    least.split_once('M').unwrap().0.parse().unwrap()
}

/// Announces torrents that nobody has heard of, each with one peer.
fn flood(udp: &Udp, numbers: std::ops::Range<u64>) {
    for first in numbers.clone().step_by(WINDOW as usize) {
        let last = numbers.end.min(first + WINDOW);
        for number in first..last {
            udp.send(&Announce::leecher(torrent(number), 7000).datagram(udp.id, 5));
        }
        (first..last).for_each(|_| drop(udp.announced(&udp.reply(), 5)));
    }
}

fn found_swarm(tracker: &Tracker) {
    let udp = Udp::connect(tracker.udp());
    (1..=5).for_each(|port| drop(udp.announce(&Announce::seeder(torrent(SWARM), port))));
}

#[track_caller]
fn check_swarm(tracker: &Tracker) {
    let udp = Udp::connect(tracker.udp());
    let told = udp.announce(&Announce::leecher(torrent(SWARM), 9));
    assert_eq!((told.seeders, told.leechers, told.peers.len()), (5, 1, 5));
}

/// The counters by name, both families together.
fn counters(tracker: &Tracker) -> HashMap<String, u64> {
    let text = Http::connect(tracker.tcp())
        .get("/stats?mode=counters")
        .text();
    let lines = text.lines().map(|line| {
        let (name, counts) = line.split_once(": ").unwrap();
        let sum = counts.split(' ').map(|n| n.parse::<u64>().unwrap()).sum();
        (name.to_owned(), sum)
    });
    lines.collect()
}

fn a_flood_stays_within_the_limit(workers: usize) {
    let limit = least(workers);
    let tracker = Setup::new()
        .workers(workers)
        .setting(&format!("tracker.memory_limit {limit}M"))
        .start();
    found_swarm(&tracker);
    let udp = Udp::connect(tracker.udp());
    flood(&udp, 0..60_000 + 40_000 * workers as u64);
    let rss = tracker.rss_kib();
    assert!(
        rss <= limit * 1024 * 11 / 10,
        "{rss} KiB, limit {limit} MiB"
    );
    shout(&format!(
        "a flood under a limit of {limit} MiB: {} MiB",
        rss / 1024
    ));
    check_swarm(&tracker);
    eventually("evictions are counted", || {
        counters(&tracker)["torrents evicted"] > 5000
    });
    // Swarms find room all the same.
    (10..1000).for_each(|port| drop(udp.announce(&Announce::leecher(torrent(SWARM), port))));
    let told = udp.announce(&Announce::leecher(torrent(SWARM), 1));
    assert_eq!(told.seeders + told.leechers, 5 + 991);
    tracker.stop();
}

#[test]
fn a_flood_stays_within_the_limit_of_one() {
    a_flood_stays_within_the_limit(1);
}

#[test]
fn a_flood_stays_within_the_limit_of_two() {
    a_flood_stays_within_the_limit(2);
}

/// What the system refuses is not stored, and nothing dies of it.
#[test]
fn memory_that_the_system_refuses_is_done_without() {
    if is_emulated() {
        return shout("SKIPPED: memory that is refused: it would be the emulator's");
    }
    // Not even root may change the limits of others everywhere.
    let setup = Setup::new().setting("tracker.user root");
    // With one heap nothing is reserved for later.
    let setup = setup.setting("tracker.memory_limit 1G");
    let tracker = setup.workers(1).start();
    found_swarm(&tracker);
    let udp = Udp::connect(tracker.udp());
    flood(&udp, 0..1000);
    if !tracker.limit_address_space(1 << 20) {
        return shout("SKIPPED: memory that is refused: there is no prlimit");
    }
    flood(&udp, 1000..60_000);
    check_swarm(&tracker);
    eventually("evictions are counted", || {
        counters(&tracker)["torrents evicted"] > 5000
    });
    tracker.stop();
}

#[test]
fn limits_of_the_system_are_kept_to() {
    if is_emulated() {
        return shout("SKIPPED: limits of the system: they would be the emulator's");
    }
    let tracker = Setup::new().workers(1).address_space_kib(300 << 10).start();
    let line = tracker.wait_for_line("memory: keeping to");
    assert!(line.contains("ulimit -v"), "{line}");
    found_swarm(&tracker);
    check_swarm(&tracker);
    tracker.stop();
}

#[test]
fn the_number_of_torrents_and_peers_can_be_limited_and_changed() {
    let settings = "listen.tcp_udp 127.0.0.1:0\n";
    let tracker = Setup::bare()
        .workers(1)
        .setting(settings)
        .setting("tracker.max_torrents 50")
        .setting("tracker.max_peers 40")
        .start();
    found_swarm(&tracker);
    let udp = Udp::connect(tracker.udp());
    flood(&udp, 0..200);
    let peers = || Http::connect(tracker.tcp()).get("/stats?mode=peer").text();
    assert!(
        peers().starts_with("40\n5\nopentracker serving 36 torrents"),
        "{}",
        peers()
    );
    tracker.configure(&format!("{settings}tracker.max_torrents 20\n"));
    tracker.reload("reload: done");
    eventually("it keeps to the lower limit", || {
        peers().starts_with("24\n5\n")
    });
    // Too little memory leaves all as it is.
    tracker.configure(&format!("{settings}tracker.memory_limit 100K\n"));
    tracker.reload("tracker.memory_limit: 100 KiB are too little");
    check_swarm(&tracker);
    // Swarms give way to nobody: who finds no room is answered.
    tracker.configure(&format!(
        "{settings}tracker.max_torrents 1\ntracker.max_peers 6\n"
    ));
    tracker.reload("reload: done");
    eventually("the swarm alone stays", || {
        peers().starts_with("6\n5\nopentracker serving 1 ")
    });
    let told = udp.announce(&Announce::leecher(torrent(SWARM), 11));
    assert_eq!((told.seeders, told.leechers, told.peers.len()), (5, 1, 6));
    udp.announce(&Announce::leecher(torrent(1), 11));
    eventually("it is counted", || {
        counters(&tracker)["announces not stored"] == 2
    });
    tracker.stop();
}

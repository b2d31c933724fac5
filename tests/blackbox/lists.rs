//! Whitelists and blacklists, and their reload.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::for_workers;
use crate::harness::eventually;
use crate::harness::http::Http;
use crate::harness::peer::{Announce, Event, InfoHash, percent, scrape_target, torrent};
use crate::harness::tracker::{Setup, Tracker};
use crate::harness::udp::{Refusal, Udp};

for_workers!(
    a_whitelist_lets_in_what_it_names,
    a_list_is_read_again_when_told,
    reloads_lose_nothing,
);

const REFUSAL: &str = "Requested download is not authorized for use with this tracker.";

fn list(torrents: &[InfoHash]) -> String {
    let lines = torrents
        .iter()
        .map(|hash| percent(hash).replace('%', "") + " a name\n");
    "# a list\n".to_owned() + &lines.collect::<String>()
}

fn start(workers: usize, option: &str, torrents: &[InfoHash]) -> Tracker {
    let setup = Setup::new().workers(workers).file("list", &list(torrents));
    let path = setup.path("list");
    setup.arg(option).arg(path).start()
}

/// Asserts that both protocols agree on whether a torrent is served.
#[track_caller]
fn served(tracker: &Tracker, info_hash: InfoHash) -> bool {
    let announce = Announce::leecher(info_hash, 7000);
    let answer = Http::connect(tracker.tcp())
        .get(&announce.target())
        .bencoded();
    let udp = Udp::connect(tracker.udp());
    let reply = udp.ask(&announce.datagram(udp.id, 11));
    match answer.find("failure reason") {
        None => {
            assert_eq!(udp.announced(&reply, 11).leechers, 1);
            true
        }
        Some(_) => {
            assert_eq!(answer.text("failure reason"), REFUSAL);
            let text = REFUSAL.to_owned();
            let refusal = Refusal {
                transaction: 11,
                text,
            };
            assert_eq!(Refusal::parse(&reply), Some(refusal));
            false
        }
    }
}

/// Waits until every worker serves a torrent, or none does.
#[track_caller]
fn eventually_served(tracker: &Tracker, info_hash: InfoHash, wanted: bool) {
    let target = Announce::leecher(info_hash, 7000).target();
    eventually("the list is in force everywhere", || {
        (0..8).all(|_| {
            let answer = Http::connect(tracker.tcp()).get(&target).bencoded();
            let udp = Udp::connect(tracker.udp());
            answer.find("failure reason").is_none() == wanted
                && udp.announce_is_accepted(info_hash) == wanted
        })
    });
}

fn a_whitelist_lets_in_what_it_names(workers: usize) {
    let listed: Vec<_> = (0..10).map(torrent).collect();
    let tracker = start(workers, "-w", &listed);
    for info_hash in listed {
        assert!(served(&tracker, info_hash));
    }
    for n in 10..20 {
        assert!(!served(&tracker, torrent(n)));
    }
    let gone = Announce::leecher(torrent(15), 7000).event(Event::Stopped);
    assert_eq!(Udp::connect(tracker.udp()).announce(&gone).leechers, 0);
    let files = Http::connect(tracker.tcp()).get(&scrape_target(&[torrent(15)]));
    assert_eq!(files.text(), "d5:filesdee");
}

fn a_list_is_read_again_when_told(workers: usize) {
    let tracker = start(workers, "-w", &[torrent(1)]);
    assert!(served(&tracker, torrent(1)) && !served(&tracker, torrent(2)));
    tracker.replace("list", &list(&[torrent(2)]));
    tracker.signal("HUP");
    eventually("the new list is in force everywhere", || {
        // Connections are spread over the workers, each of which has its own copy.
        let udp = Udp::connect(tracker.udp());
        let refused = |info_hash| {
            let target = Announce::leecher(info_hash, 7000).target();
            let http = || Http::connect(tracker.tcp()).get(&target).bencoded();
            (0..4 * workers).all(|_| http().find("failure reason").is_some())
        };
        refused(torrent(1)) && udp.announce_is_accepted(torrent(2))
    });
    eventually("the other one is served everywhere", || {
        (0..8).all(|_| {
            let target = Announce::leecher(torrent(2), 7000).target();
            let answer = Http::connect(tracker.tcp()).get(&target).bencoded();
            answer.find("failure reason").is_none()
        })
    });
    // One that is gone leaves the old one in force, and is told of.
    std::fs::remove_file(tracker.path("list")).unwrap();
    tracker.signal("HUP");
    tracker.wait_for_line("the list in force stays");
    assert!(served(&tracker, torrent(2)) && !served(&tracker, torrent(3)));
}

fn reloads_lose_nothing(workers: usize) {
    let tracker = start(workers, "--access.whitelist", &[torrent(1), torrent(2)]);
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        let by_udp = scope.spawn(|| {
            let udp = Udp::connect(tracker.udp());
            let mut answered = 0;
            while !enough.load(Ordering::Relaxed) {
                udp.announce(&Announce::leecher(torrent(1), 7000));
                answered += 1;
            }
            answered
        });
        let by_http = scope.spawn(|| {
            let mut http = Http::connect(tracker.tcp());
            let mut answered = 0;
            while !enough.load(Ordering::Relaxed) {
                http.announce(&Announce::leecher(torrent(2), 7000));
                answered += 1;
            }
            answered
        });
        for _ in 0..50 {
            tracker.reload("reload: done");
        }
        enough.store(true, Ordering::Relaxed);
        assert!(by_udp.join().unwrap() > 20);
        assert!(by_http.join().unwrap() > 20);
    });
    tracker.stop();
}

#[test]
fn a_blacklist_keeps_out_what_it_names() {
    let tracker = start(2, "-b", &[torrent(1), torrent(3)]);
    for n in 0..8 {
        assert_eq!(served(&tracker, torrent(n)), n != 1 && n != 3);
    }
    tracker.replace("list", &list(&[torrent(5)]));
    tracker.signal("HUP");
    eventually("the new list is in force", || {
        let udp = Udp::connect(tracker.udp());
        !udp.announce_is_accepted(torrent(5)) && udp.announce_is_accepted(torrent(1))
    });
}

#[test]
fn a_missing_whitelist_lets_nobody_in() {
    let setup = Setup::new();
    let path = setup.path("list");
    let tracker = setup.arg("-w").arg(&path).start();
    let said = tracker.wait_for_line("no torrent is served");
    assert!(said.contains(path.to_str().unwrap()), "{said}");
    for n in 0..4 {
        assert!(!served(&tracker, torrent(n)));
    }
    tracker.replace("list", &list(&[torrent(1)]));
    tracker.signal("HUP");
    eventually("the list came into force", || {
        Udp::connect(tracker.udp()).announce_is_accepted(torrent(1))
    });
}

#[test]
fn a_missing_blacklist_keeps_the_door_shut() {
    let setup = Setup::new();
    let path = setup.path("list");
    let ended = setup.arg("-b").arg(&path).run();
    assert_eq!(ended.code, Some(66), "{ended:?}");
    assert!(ended.stderr.contains(path.to_str().unwrap()), "{ended:?}");
}

#[test]
fn a_list_without_sense_leaves_the_old_one_in_force() {
    let tracker = start(2, "-w", &[torrent(1)]);
    for (content, message) in [
        ("", "the file is empty"),
        ("what is this?\nno hash\n", "there is no info-hash in it"),
    ] {
        tracker.replace("list", content);
        tracker.reload(message);
        assert!(served(&tracker, torrent(1)) && !served(&tracker, torrent(2)));
    }
    // A directory is no list either, and a fifo must not keep anybody waiting.
    std::fs::remove_file(tracker.path("list")).unwrap();
    std::fs::create_dir(tracker.path("list")).unwrap();
    tracker.reload("not a regular file");
    assert!(served(&tracker, torrent(1)));
    std::fs::remove_dir(tracker.path("list")).unwrap();
    // Comments alone are a list of nothing.
    tracker.replace("list", "# nobody\n\n");
    tracker.reload("reload: done");
    eventually_served(&tracker, torrent(1), false);
    tracker.stop();
}

#[test]
fn fifos_change_the_list_until_the_next_reload() {
    let setup = Setup::new().workers(2).open_folder();
    let setup = setup.file("list", &list(&[torrent(1)]));
    let (path, add, delete) = (setup.path("list"), setup.path("add"), setup.path("delete"));
    let setup = setup.arg("--access.fifo_add").arg(&add);
    let setup = setup.arg("--access.fifo_delete").arg(&delete);
    let tracker = setup.arg("-w").arg(path).start();
    let hex = |n| percent(&torrent(n)).replace('%', "");
    let everywhere = |n, wanted| eventually_served(&tracker, torrent(n), wanted);
    // Rubbish, half a line, a comment, and a last hash without an end of line.
    let text = format!(
        "rubbish\n{}\n# x\n\n{} x\n{}",
        "x".repeat(3000),
        hex(2),
        hex(3)
    );
    std::fs::write(&add, text).unwrap();
    tracker.wait_for_line("2 lines skipped");
    tracker.wait_for_line("2 info-hashes added, 3 in all");
    (1..=3).for_each(|n| everywhere(n, true));
    assert!(!served(&tracker, torrent(4)));
    std::fs::write(&delete, hex(1) + "\r\n").unwrap();
    everywhere(1, false);
    everywhere(2, true);
    // The file counts again.
    tracker.reload("reload: done");
    everywhere(1, true);
    everywhere(2, false);
    std::fs::write(&add, hex(5)).unwrap();
    everywhere(5, true);
    tracker.stop();
}

#[test]
fn what_is_no_fifo_is_refused() {
    let setup = Setup::new().file("add", "precious");
    let path = setup.path("add");
    let ended = setup.arg("--access.fifo_add").arg(&path).run();
    assert!(ended.stderr.contains("no fifo"), "{ended:?}");
    assert_ne!(ended.code, Some(0));
}

#[test]
fn a_whitelist_of_rubbish_lets_nobody_in() {
    let setup = Setup::new().file("list", "what is this?\n");
    let path = setup.path("list");
    let tracker = setup.arg("-w").arg(&path).start();
    tracker.wait_for_line("no torrent is served");
    assert!(!served(&tracker, torrent(1)));
}

#[test]
fn a_blacklist_of_rubbish_keeps_the_door_shut() {
    let setup = Setup::new().file("list", "what is this?\n");
    let path = setup.path("list");
    let ended = setup.arg("-b").arg(&path).run();
    assert_eq!(ended.code, Some(66), "{ended:?}");
}

//! The configuration, read again while the tracker serves.

use crate::harness::eventually;
use crate::harness::http::Http;
use crate::harness::peer::{Announce, torrent};
use crate::harness::tracker::{Setup, Tracker, is_emulated};
use crate::harness::udp::Udp;

const LISTEN: &str = "listen.tcp_udp 127.0.0.1:0\n";

#[track_caller]
fn eventually_everywhere(what: &str, mut happened: impl FnMut() -> bool) {
    // Connections are spread over the workers.
    eventually(what, || (0..12).all(|_| happened()));
}

fn min_interval(tracker: &Tracker) -> i64 {
    let target = Announce::leecher(torrent(1), 7000).target();
    let answer = Http::connect(tracker.tcp()).get(&target).bencoded();
    answer.int("min interval")
}

fn status(tracker: &Tracker, target: &str) -> u16 {
    Http::connect(tracker.tcp()).get(target).status
}

#[test]
fn what_can_change_changes() {
    let tracker = Setup::new().workers(2).start();
    assert_eq!(min_interval(&tracker), 900);
    assert_eq!(status(&tracker, "/"), 404);
    let list = tracker.path("list");
    let hash = crate::harness::peer::percent(&torrent(1)).replace('%', "");
    tracker.replace("list", &hash);
    tracker.configure(&format!(
        "{LISTEN}tracker.min_interval 300\ntracker.redirect_url http://a/\n\
         access.stats_path counts\naccess.whitelist {}\nlog.level debug\n\
         tracker.numwant_default 0\n",
        list.display()
    ));
    tracker.reload("reload: done");
    eventually_everywhere("the interval", || min_interval(&tracker) == 300);
    eventually_everywhere("the front page", || status(&tracker, "/") == 302);
    eventually_everywhere("the path", || status(&tracker, "/counts") == 200);
    assert_eq!(status(&tracker, "/stats"), 404);
    let udp = Udp::connect(tracker.udp());
    assert!(udp.announce_is_accepted(torrent(1)) && !udp.announce_is_accepted(torrent(2)));

    // And back again, statistics closed.
    tracker.configure(&format!("{LISTEN}access.stats 192.0.2.1\n"));
    tracker.reload("reload: done");
    eventually_everywhere("the interval", || min_interval(&tracker) == 900);
    eventually_everywhere("the statistics", || status(&tracker, "/stats") == 403);
    let udp = Udp::connect(tracker.udp());
    assert!(udp.announce_is_accepted(torrent(2)));
    tracker.stop();
}

#[test]
fn the_log_says_as_much_as_it_is_told_to() {
    let tracker = Setup::new().setting("log.level error").start();
    assert!(!tracker.log().contains("INFO"), "{}", tracker.log());
    tracker.configure(&format!("{LISTEN}log.level info\n"));
    tracker.reload("reload: done");
    tracker.configure(&format!("{LISTEN}log.level error\nx\n"));
    tracker.reload("trackerd.conf:3: ");
    tracker.stop();
}

#[test]
fn what_can_not_change_is_named() {
    let tracker = Setup::new().start();
    let address = tracker.tcp();
    tracker.configure(
        "listen.tcp 127.0.0.9:0\ntracker.workers 3\ntracker.user games\n\
         tracker.rootdir /nowhere\ntracker.pin_workers yes\n\
         listen.udp.receive_buffer 8192\ntracker.min_interval 300\n",
    );
    tracker.reload("reload: done");
    for key in [
        "listen.*",
        "tracker.workers",
        "tracker.user",
        "tracker.rootdir",
        "tracker.pin_workers",
        "listen.udp.receive_buffer",
    ] {
        tracker.wait_for_line(&format!("{key}: the change takes effect at the next start"));
    }
    assert_eq!(tracker.tcp(), address);
    eventually_everywhere("the interval", || min_interval(&tracker) == 300);
    // Peers that would have to be remembered for longer than this run of the tracker can.
    tracker.configure(&format!("{LISTEN}tracker.interval 43200\n"));
    tracker.reload("the configuration in force stays");
    tracker.wait_for_line("remembered for 45034 seconds at most, not for 64800");
    assert_eq!(min_interval(&tracker), 300);
    tracker.stop();
}

#[test]
fn what_is_wrong_changes_nothing() {
    let tracker = Setup::new().setting("tracker.min_interval 300").start();
    tracker.configure(&format!(
        "{LISTEN}tracker.min_interval 200\ntracker.intervall 5\n"
    ));
    tracker.reload("the configuration in force stays");
    tracker.wait_for_line("trackerd.conf:3: tracker.intervall");
    assert_eq!(min_interval(&tracker), 300);
    // A list that is not there takes the other changes down with it.
    tracker.configure(&format!(
        "{LISTEN}tracker.min_interval 200\naccess.whitelist /no/list\n"
    ));
    tracker.reload("the list in force stays, and so do the settings");
    assert_eq!(min_interval(&tracker), 300);
    // An empty file is one that is just being written.
    tracker.configure("");
    tracker.reload("the settings in force stay");
    assert_eq!(min_interval(&tracker), 300);
    std::fs::remove_file(tracker.path("trackerd.conf")).unwrap();
    tracker.reload("the settings in force stay");
    assert_eq!(min_interval(&tracker), 300);
    tracker.stop();
}

/// A large list takes a moment, during which signals are heard.
#[test]
fn it_ends_in_time_though_it_reads() {
    let lines = if is_emulated() { 40_000 } else { 400_000 };
    let lines = (0..lines).map(|n| format!("{n:040x}\n"));
    let setup = Setup::new().file("list", &lines.collect::<String>());
    let path = setup.path("list");
    let tracker = setup.arg("-b").arg(path).start();
    for _ in 0..20 {
        tracker.signal("HUP");
    }
    tracker.stop();
}

#[test]
fn connections_that_wait_are_held_to_the_new_limits() {
    let tracker = Setup::new().start();
    let mut idle = Http::connect(tracker.tcp());
    assert_eq!(idle.get("/stats").status, 200);
    tracker.configure(&format!("{LISTEN}http.idle_secs_max 1\n"));
    tracker.reload("reload: done");
    idle.closed();
    tracker.configure(&format!("{LISTEN}http.connections_max 1\n"));
    tracker.reload("reload: done");
    let mut first = Http::connect(tracker.tcp());
    assert_eq!(first.get("/stats").status, 200);
    // Half a request is not idle, so that it doesn't make room.
    first.send("GET /stats HTTP/1.1\r\nHost: a\r\n");
    eventually("others are turned away", || {
        let mut other = Http::connect(tracker.tcp());
        other.send("GET /stats HTTP/1.1\r\nHost: a\r\n\r\n");
        other
            .try_answer()
            .is_some_and(|answer| answer.status == 503)
    });
    first.send("\r\n");
    assert_eq!(first.answer().status, 200);
    tracker.stop();
}

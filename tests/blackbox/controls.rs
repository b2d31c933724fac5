//! etracker's options, each seen by what it does.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::for_workers;
use crate::harness::http::{Http, request};
use crate::harness::peer::{Announce, torrent};
use crate::harness::tracker::{Setup, Tracker};
use crate::harness::udp::Udp;
use crate::harness::{PATIENCE, eventually};

const LISTEN: &str = "listen.tcp_udp 127.0.0.1:0\n";

fn schemes(tracker: &Tracker) -> Vec<&str> {
    let addresses = tracker.addresses().iter();
    addresses.map(|(scheme, _)| scheme.as_str()).collect()
}

fn interval(tracker: &Tracker) -> i64 {
    let target = Announce::leecher(torrent(1), 7000).target();
    let answer = Http::connect(tracker.tcp()).get(&target).bencoded();
    answer.int("interval")
}

#[test]
fn one_port_for_both_or_for_one_alone() {
    let tracker = |args: &[&str]| {
        let setup = Setup::bare().arg("-i").arg("127.0.0.1").arg("--port=0");
        args.iter().fold(setup, Setup::arg).start()
    };
    let both = tracker(&[]);
    assert_eq!(both.udp().port(), both.tcp().port());
    assert_eq!(schemes(&tracker(&["--no-tcp"])), ["udp"]);
    assert_eq!(schemes(&tracker(&["--no-udp"])), ["tcp"]);
    let ended = Setup::new().arg("--no-udp").arg("--no-tcp").run();
    assert_eq!(ended.code, Some(64));
    assert!(ended.stderr.contains("nothing would be left to listen on"));
}

#[test]
fn connections_stay_or_do_not() {
    let tracker = Setup::new().arg("--keep-alive=off").start();
    let mut http = Http::connect(tracker.tcp());
    let answer = http.get("/stats");
    assert_eq!(answer.header("Connection"), Some("close"));
    http.closed();
    // Nor does one on which the next request is there already.
    let mut http = Http::connect(tracker.tcp());
    http.send(request("/stats").repeat(2));
    assert_eq!(http.answer().status, 200);
    http.closed();
    tracker.stop();

    let tracker = Setup::new().setting("http.keep_alive off").start();
    tracker.configure(&format!("{LISTEN}http.keep_alive 1\n"));
    tracker.reload("reload: done");
    eventually("connections stay", || {
        let mut http = Http::connect(tracker.tcp());
        http.get("/stats").header("Connection").is_none()
    });
    let mut http = Http::connect(tracker.tcp());
    (0..3).for_each(|_| assert_eq!(http.get("/stats").status, 200));
    http.closed();
    tracker.stop();
}

#[test]
fn requests_have_their_time() {
    let tracker = Setup::new().arg("--socket-timeout").arg("1").start();
    let mut http = Http::connect(tracker.tcp());
    http.send("GET /stats HTTP/1.1\r\n");
    assert_eq!(http.answer().status, 408);
    http.closed();
}

#[test]
fn answers_list_so_many_peers() {
    let setup = Setup::new().arg("--max-peers-per-response").arg("3");
    let tracker = setup.start();
    let mut http = Http::connect(tracker.tcp());
    for port in 7000..7010 {
        let peers = http
            .announce(&Announce::leecher(torrent(1), port))
            .peers
            .len();
        assert_eq!(peers, usize::from(port - 7000).min(3));
    }
}

#[test]
fn proxies_say_who_asks_in_the_header_of_choice() {
    let setup = Setup::new().setting("access.proxy 127.0.0.1");
    let tracker = setup.arg("--x-forwarded-for").arg("X-Real-IP").start();
    let target = Announce::leecher(torrent(1), 7000).target();
    let ask = |header: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{header}: 192.0.2.7\r\n\r\n");
        Http::connect(tracker.tcp()).ask(head).announced()
    };
    ask("X-Real-IP");
    let peers = ask("X-Forwarded-For").peers;
    assert_eq!(peers, ["192.0.2.7:7000".parse().unwrap()]);
}

#[test]
fn limits_are_raised_and_said() {
    let setup = Setup::new().open_files_max(500);
    let tracker = setup.arg("--nofile=400").arg("--core=0").start();
    tracker.wait_for_line("limit of open files: 500 (at most 500) until now, 400 (at most 500)");
    tracker.wait_for_line("limit of core bytes: ");
    let limits = fs::read_to_string(format!("/proc/{}/limits", tracker.pid())).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let words: Vec<_> = line[name.len()..].split_whitespace().collect();
        words[0].to_owned()
    };
    assert_eq!(limit("Max open files"), "400");
    assert_eq!(limit("Max core file size"), "0");
    tracker.configure(&format!("{LISTEN}tracker.nofile 500\ntracker.core max\n"));
    // The command line has the last word.
    tracker.reload("reload: done");
    assert!(!tracker.log().contains("takes effect at the next start"));
    tracker.stop();

    let tracker = Setup::new().open_files_max(500).start();
    tracker.wait_for_line("500 (at most 500) from now on");
    tracker.configure(&format!("{LISTEN}tracker.nofile 400\ntracker.core max\n"));
    tracker.reload("reload: done");
    for key in ["tracker.nofile", "tracker.core"] {
        tracker.wait_for_line(&format!("{key}: the change takes effect at the next start"));
    }
    tracker.stop();
}

/// With a limit that no machine reaches, the interval can only become shorter.
fn the_interval_follows_the_load(workers: usize) {
    let setup = Setup::new().workers(workers);
    let setup = setup.setting("tracker.interval_jitter 0");
    let args = ["--max-load-avg", "1000", "--min-interval", "60"];
    let setup = args.iter().fold(setup, Setup::arg);
    let tracker = setup.arg("--max-interval").arg("120").start();
    let first = interval(&tracker);
    assert!((100..=120).contains(&first), "{first}");
    eventually("it has become shorter by seconds", || {
        (60..first - 2).contains(&interval(&tracker))
    });
    let udp = Udp::connect(tracker.udp());
    let told = udp.announce(&Announce::leecher(torrent(1), 7000)).interval;
    assert!((60..120).contains(&told), "{told}");
    tracker.stop();
}

for_workers!(the_interval_follows_the_load);

#[test]
fn its_bounds_are_read_again() {
    let setup = Setup::new().workers(2).setting("load.interval_max 120");
    let setup = setup
        .setting("load.limit 1000")
        .setting("tracker.interval_jitter 0");
    let tracker = setup.start();
    let settled = |what: &str, wanted: std::ops::RangeInclusive<i64>| {
        eventually(what, || {
            (0..8).all(|_| wanted.contains(&interval(&tracker)))
        });
    };
    settled("as it began", 100..=120);
    for (lines, wanted) in [
        (
            "load.interval_min 500\nload.interval_max 600\nload.limit 1000\n",
            500..=500,
        ),
        (
            "load.interval_min 60\nload.interval_max 90\nload.limit 1000\n",
            60..=90,
        ),
        // One that stays as it is, and one that follows again from where it was.
        ("tracker.interval 333\n", 333..=333),
        ("load.interval_max 700\nload.limit 1000\n", 640..=700),
    ] {
        tracker.configure(&format!("{LISTEN}tracker.interval_jitter 0\n{lines}"));
        tracker.reload("reload: done");
        settled(lines, wanted);
    }
    tracker.configure(&format!(
        "{LISTEN}load.interval_min 700\nload.interval_max 600\n"
    ));
    tracker.reload("the configuration in force stays");
    settled("as it was", 600..=700);
    tracker.stop();
}

/// Who was promised a long interval is remembered for as long, though it is short by now.
#[test]
fn promises_outlive_the_interval_they_were_made_for() {
    let short = "tracker.interval 60\ntracker.interval_jitter 0\ntracker.peer_timeout 61\n";
    let tracker = Setup::new().setting(short.trim_end()).start();
    tracker.configure(&format!("{LISTEN}tracker.interval 600\n"));
    tracker.reload("reload: done");
    eventually("the interval is long", || interval(&tracker) > 500);
    let mut http = Http::connect(tracker.tcp());
    http.announce(&Announce::leecher(torrent(2), 7001));
    tracker.configure(&format!("{LISTEN}{short}"));
    tracker.reload("reload: done");
    eventually("the interval is short", || interval(&tracker) == 60);
    let udp = Udp::connect(tracker.udp());
    udp.announce(&Announce::leecher(torrent(2), 7002));
    let start = Instant::now();
    while udp.scrape(&[torrent(2)])[0].leechers == 2 {
        assert!(start.elapsed() < Duration::from_secs(61) + PATIENCE);
        thread::park_timeout(Duration::from_millis(200));
    }
    assert!(start.elapsed() > Duration::from_secs(60));
    let there = udp.announce(&Announce::leecher(torrent(2), 7002)).peers;
    assert_eq!(there, ["127.0.0.1:7001".parse().unwrap()]);
    tracker.stop();
}

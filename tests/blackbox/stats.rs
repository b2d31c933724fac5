//! The statistics: what they count, and who may read them.

use std::net::SocketAddr;

use crate::for_workers;
use crate::harness::http::Http;
use crate::harness::peer::{Announce, Event, percent, scrape_target, torrent};
use crate::harness::tracker::{Setup, Tracker};
use crate::harness::udp::{self, Udp};
use crate::harness::xml;

for_workers!(
    everything_is_counted_once,
    announces_are_sorted,
    errors_are_told_apart,
);

/// The two numbers of a mode, and the rest of its text.
fn numbers(http: &mut Http, mode: &str) -> (u64, u64, String) {
    let answer = http.get(&format!("/stats?mode={mode}"));
    assert_eq!(answer.status, 200, "{mode}");
    assert_eq!(answer.header("Content-Type"), Some("text/plain"));
    let text = answer.text();
    let mut lines = text.splitn(3, '\n');
    let mut number = || lines.next().unwrap().parse().unwrap();
    (number(), number(), lines.next().unwrap().to_owned())
}

fn everything_is_counted_once(workers: usize) {
    let tracker = Setup::new().workers(workers).start();
    let mut http = Http::connect(tracker.tcp());
    for n in 0..30 {
        // A connection of its own each, to get to all workers; the seeder by UDP.
        let mut own = Http::connect(tracker.tcp());
        own.announce(&Announce::leecher(torrent(n), 7000));
        own.announce(&Announce::leecher(torrent(n), 7001));
        own.get(&scrape_target(&[torrent(n), torrent(n + 1)]));
        let udp = Udp::connect(tracker.udp());
        udp.announce(&Announce::seeder(torrent(n), 7002));
        udp.scrape(&[torrent(n), torrent(n + 1)]);
        udp.scrape(&[]);
    }
    let (peers, seeders, text) = numbers(&mut http, "peer");
    assert_eq!(text, "opentracker serving 30 torrents\nopentracker");
    assert_eq!((peers, seeders), (90, 30));
    assert_eq!(
        http.get("/stats").text(),
        http.get("/stats?mode=peer").text()
    );
    assert_eq!(numbers(&mut http, "torr").0, 30);
    // Connections and announces; datagrams, and announces with connects.
    let (accepted, announces, _) = numbers(&mut http, "tcp4");
    assert_eq!((accepted, announces), (31, 60));
    let (datagrams, good, _) = numbers(&mut http, "udp4");
    assert_eq!((datagrams, good), (120, 60));
    let (all, good, text) = numbers(&mut http, "conn");
    assert_eq!((all, good), (151, 120));
    assert!(text.contains("opentracker connections, "), "{text}");
    let (by_http, by_udp, _) = numbers(&mut http, "scrp");
    assert_eq!((by_http, by_udp), (30, 60));
    let (announces, crossed, _) = numbers(&mut http, "letters");
    assert_eq!(announces, 30);
    if workers == 1 || tracker.log().contains("the kernel steers") {
        assert_eq!(crossed, 0, "datagrams came to the wrong worker");
    }
    assert!(
        http.get("/stats?mode=version")
            .text()
            .starts_with("trackerd ")
    );
    assert_eq!(http.get("/stats?mode=nonsense").status, 400);
}

/// Some count of `mode=everything`, at the end of which path.
#[track_caller]
fn count(http: &mut Http, paths: &[&str]) -> Vec<u64> {
    let leaves = xml::leaves(&http.get("/stats?mode=everything").text());
    let paths = paths.iter().map(|path| {
        let mut found = leaves.iter().filter(|(name, _)| name.ends_with(path));
        let (_, value) = found.next().unwrap_or_else(|| panic!("no {path}"));
        assert_eq!(found.next(), None, "{path} is not one");
        value.parse().unwrap()
    });
    paths.collect()
}

fn announces_are_sorted(workers: usize) {
    let tracker = Setup::new().workers(workers).start();
    let mut http = Http::connect(tracker.tcp());
    for n in 0..20 {
        let mut own = Http::connect(tracker.tcp());
        own.announce(&Announce::leecher(torrent(n), 7000).numwant(7));
        own.announce(&Announce::leecher(torrent(n), 7000).numwant(1000));
        let udp = Udp::connect(tracker.udp());
        let seeder = Announce::seeder(torrent(n), 7000).numwant(0);
        udp.announce(&seeder.event(Event::Completed));
        // Its connection id is nobody's.
        Udp::connect(tracker.udp()).ask(&udp::scrape(1, 1, &[torrent(n)]));
    }
    let lines = |http: &mut Http, mode: &str| -> Vec<String> {
        let text = http.get(&format!("/stats?mode={mode}")).text();
        text.lines().map(str::to_owned).collect()
    };
    // Twice each, by the second and the third announce.
    let renewed = lines(&mut http, "renew");
    assert_eq!((renewed.len(), renewed[0].as_str()), (45, "00 40"));
    let numwants = lines(&mut http, "numwants");
    assert_eq!(numwants.len(), 201);
    for (at, line) in [(0, "000 => 20"), (7, "007 => 20"), (200, "200 => 20")] {
        assert_eq!(numwants[at], line);
    }
    let (completed, zero, text) = numbers(&mut http, "completed");
    assert_eq!((completed, zero), (20, 0));
    assert!(
        text.ends_with(" hours)\nopentracker, 20 completed/h."),
        "{text}"
    );
    for (mode, says) in [
        ("fscr", "full scrape stats, 0 conns"),
        ("syncs", "connections,"),
    ] {
        let (first, second, text) = numbers(&mut http, mode);
        assert_eq!((first, second), (0, 0));
        assert!(text.contains(&format!("\nopentracker {says}")), "{text}");
    }
    for (element, paths, expected) in [
        ("torrents", ["count_mutex", "count_iterator"], [20, 20]),
        ("peers, seeds", ["peers/count", "seeds/count"], [20, 20]),
        ("tcp", ["tcp/accept", "tcp/announce"], [21, 40]),
        ("udp", ["udp/connect", "udp/announce"], [40, 20]),
        ("mismatches", ["udp/missmatch", "udp/scrape"], [20, 0]),
        ("debug", ["completed/count", "interval=\"00\""], [20, 40]),
    ] {
        assert_eq!(count(&mut http, &paths), expected, "{element}");
    }
}

fn errors_are_told_apart(workers: usize) {
    let list = percent(&torrent(99)).replace('%', "") + "\n";
    let setup = Setup::new().workers(workers).file("list", &list);
    let path = setup.path("list");
    let setup = setup.setting(&format!("access.blacklist {}", path.display()));
    let setup = setup.setting("access.stats 127.0.0.1");
    let tracker = setup
        .setting("tracker.redirect_url http://x.example/")
        .start();
    for _ in 0..10 {
        let mut http = Http::connect(tracker.tcp());
        for (target, status) in [
            ("/", 302),
            ("/announce?port=1", 200),
            ("/scrape?info_hash=short", 200),
            ("/scrape?x=1", 200),
            ("/stats?mode=nonsense", 400),
            ("/nowhere", 404),
            ("/nowhere", 404),
            ("/stats?mode=busy", 500),
            (&Announce::leecher(torrent(99), 7000).target(), 200),
        ] {
            assert_eq!(http.get(target).status, status, "{target}");
        }
        let mut posting = Http::connect(tracker.tcp());
        assert_eq!(posting.ask("POST /announce HTTP/1.1\r\n\r\n").status, 405);
        let mut stranger = Http::connect_from([127, 0, 0, 2].into(), tracker.tcp());
        assert_eq!(stranger.get("/stats").status, 403);
    }
    let mut http = Http::connect(tracker.tcp());
    let text = http.get("/stats?mode=herr").text();
    let lines = [
        "302 RED 10",
        "400 ... 10",
        "400 PAR 40",
        "400 COM 0",
        "403 IP  10",
        "404 INV 20",
        "500 SRV 10",
    ];
    assert_eq!(text, lines.join("\n") + "\n");
    let codes = [
        "302 Redirect",
        "400 Parse Error",
        "400 Invalid Parameter",
        "404 Not found",
    ];
    let paths = codes.map(|code| format!("http_error/count code=\"{code}\""));
    let paths = paths.each_ref().map(String::as_str);
    assert_eq!(count(&mut http, &paths), [10, 10, 40, 20]);
    // What is understood and denied is no error, but an announce.
    let all = http.get("/stats?mode=counters").text();
    assert!(all.contains("http denied: 10 0\n"), "{all}");
    assert_eq!(count(&mut http, &["tcp/announce", "tcp/scrape"]), [10, 0]);
}

#[test]
fn the_document_tells_runs_apart() {
    let id = |tracker: &Tracker| {
        let mut http = Http::connect(tracker.tcp());
        let first = count(&mut http, &["tracker_id"]);
        let mut other = Http::connect(tracker.tcp());
        assert_eq!(count(&mut other, &["tracker_id"]), first);
        first
    };
    let trackers = [2, 2].map(|workers| Setup::new().workers(workers).start());
    let [one, two] = trackers.each_ref().map(id);
    assert_ne!(one, two);
}

#[test]
fn readers_are_those_of_the_configuration() {
    let setup = Setup::new().workers(2).setting("access.stats 127.0.0.2");
    let tracker = setup.setting("access.stats 127.5.0.0/16").start();
    for (from, status) in [
        ("127.0.0.1", 403),
        ("127.0.0.2", 200),
        ("127.0.0.3", 403),
        ("127.5.1.9", 200),
        ("127.6.0.1", 403),
    ] {
        let mut http = Http::connect_from(from.parse().unwrap(), tracker.tcp());
        assert_eq!(http.get("/stats?mode=peer").status, status, "{from}");
        assert_eq!(
            http.announce(&Announce::leecher(torrent(1), 7000)).seeders,
            0
        );
    }
}

#[test]
fn their_place_can_be_chosen() {
    let setup = Setup::new().setting("access.stats_path hidden/numbers");
    let tracker = setup.start();
    let mut http = Http::connect(tracker.tcp());
    assert_eq!(http.get("/hidden/numbers?mode=torr").status, 200);
    for path in ["/stats", "/hidden", "/hidden/numbers/", "/hidden/number"] {
        assert_eq!(http.get(path).status, 404, "{path}");
    }
    let peers = http.announce(&Announce::leecher(torrent(1), 7000)).peers;
    assert_eq!(peers, Vec::<SocketAddr>::new());
}

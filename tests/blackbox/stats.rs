//! The statistics: what they count, and who may read them.

use std::net::SocketAddr;

use crate::for_workers;
use crate::harness::http::Http;
use crate::harness::peer::{Announce, scrape_target, torrent};
use crate::harness::tracker::Setup;
use crate::harness::udp::Udp;

for_workers!(everything_is_counted_once);

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

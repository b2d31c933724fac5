//! The page of statistics, `/stats.txt`.

use std::collections::BTreeMap;

use crate::for_workers;
use crate::harness::eventually;
use crate::harness::http::{Answer, Http};
use crate::harness::peer::{Announce, Event, percent, torrent};
use crate::harness::tracker::{Setup, Tracker};
use crate::harness::udp::Udp;

fn ask(tracker: &Tracker) -> Answer {
    Http::connect(tracker.tcp()).get("/stats.txt")
}

/// The page's lines by name.
fn page(tracker: &Tracker) -> BTreeMap<String, String> {
    let answer = ask(tracker);
    assert_eq!(answer.status, 200);
    let text = answer.text();
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("trackerd "));
    let pairs = lines.map(|line| line.split_once(": ").unwrap());
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[track_caller]
fn count(page: &BTreeMap<String, String>, name: &str) -> u64 {
    let value = &page[name];
    value.parse().unwrap_or_else(|_| panic!("{name}: {value}"))
}

fn what_happens_is_counted(workers: usize) {
    let tracker = Setup::new().workers(workers).start();
    let before = page(&tracker);
    let mut http = Http::connect(tracker.tcp());
    (0..3).for_each(|_| drop(http.announce(&Announce::leecher(torrent(1), 7000))));
    assert_eq!(http.get("/nowhere").status, 404);
    assert_eq!(http.ask("POST / HTTP/1.1\r\n\r\n").status, 405);
    let mut cut = Http::connect(tracker.tcp());
    cut.send("GET /half");
    cut.end();
    cut.closed();
    let udp = Udp::connect(tracker.udp());
    udp.announce(&Announce::leecher(torrent(1), 7001));
    udp.scrape(&[torrent(1)]);
    let after = page(&tracker);
    let more = |name| count(&after, name) - count(&before, name);
    let known = [
        "http_404",
        "http_405",
        "announce",
        "recv_failed_read_not_equal",
    ];
    assert_eq!(known.map(more), [1, 1, 3, 1]);
    // The page before is an answer too, and this one is not written yet.
    assert_eq!((more("http_200"), more("recv_pass")), (4, 5));
    assert_eq!((more("keep_alive"), more("no_keep_alive")), (5, 0));
    assert_eq!(
        (
            more("connect_udp"),
            more("announce_udp"),
            more("scrape_udp")
        ),
        (1, 1, 1)
    );
    assert_eq!((more("recv_pass_udp"), more("send_pass_udp")), (3, 3));
    assert_eq!(
        (more("recv_bytes_udp"), more("sent_bytes_udp")),
        (16 + 98 + 36, 16 + 26 + 20)
    );
    assert_eq!((count(&after, "torrents"), count(&after, "peers")), (1, 2));
    assert!(more("recv_bytes") > 500 && more("sent_bytes") > 500);
    assert_eq!(more("accept_pass"), 3);
    assert!(count(&after, "ru_maxrss") > 500);
    assert!(
        after["load_avg"]
            .split(' ')
            .all(|load| load.parse::<f64>().is_ok())
    );
    assert_eq!(after["interval"], "1800 (1800->1800)");
    assert!(
        after["start_time"].ends_with("Z (0d) (0f)"),
        "{}",
        after["start_time"]
    );
    // All connections but the one that asks are closed in the end.
    drop(http);
    eventually("the others are closed", || {
        let page = page(&tracker);
        page["active_sockets"].starts_with("1 (") && count(&page, "recv_failed_read_0") > 0
    });
    eventually("the most in a second", || {
        let page = page(&tracker);
        page["rps_udp_max"] != "0 ipv4, 0 ipv6" && page["rps_tcp_max"] != "0 ipv4, 0 ipv6"
    });
    tracker.stop();
}

for_workers!(what_happens_is_counted);

#[test]
fn it_is_for_the_readers_and_at_the_place_of_statistics() {
    let setup = Setup::new().setting("access.stats 127.0.0.2");
    let tracker = setup.setting("access.stats_path hidden").start();
    assert_eq!(Http::connect(tracker.tcp()).get("/hidden.txt").status, 403);
    let reader = [127, 0, 0, 2].into();
    for (target, status) in [
        ("/hidden.txt", 200),
        ("/stats.txt", 404),
        ("/hidden.html", 404),
    ] {
        let answer = Http::connect_from(reader, tracker.tcp()).get(target);
        assert_eq!(answer.status, status, "{target}");
    }
}

#[test]
fn it_speaks_as_it_is_told_to() {
    let args = [
        "--charset",
        "utf-8",
        "--locale",
        "en_US.UTF-8",
        "--failed",
        "1234567",
    ];
    let tracker = args.iter().fold(Setup::new(), Setup::arg).start();
    let answer = ask(&tracker);
    assert_eq!(
        answer.header("Content-Type"),
        Some("text/plain; charset=utf-8")
    );
    let lines = page(&tracker);
    assert!(lines["ru_maxrss"].contains(','), "{}", lines["ru_maxrss"]);
    assert!(lines["start_time"].ends_with("(1234567f)"));
    tracker.stop();

    let tracker = Setup::new().setting("stats.locale de").start();
    assert_eq!(ask(&tracker).header("Content-Type"), Some("text/plain"));
    assert!(page(&tracker)["ru_maxrss"].contains('.'));
    tracker.configure("listen.tcp_udp 127.0.0.1:0\ntracker.failed 7\nstats.charset latin1\n");
    tracker.reload("reload: done");
    eventually("other words", || {
        page(&tracker)["start_time"].ends_with("(7f)")
    });
    eventually("another name", || {
        ask(&tracker).header("Content-Type") == Some("text/plain; charset=latin1")
    });
    tracker.stop();
}

#[test]
fn status_lines_go_to_the_standard_output() {
    for (workers, kind) in [(1, "line"), (2, "line"), (1, "json"), (2, "json")] {
        let setup = Setup::new().workers(workers).setting("load.limit 1.5");
        let mut tracker = setup.setting(&format!("log.status {kind}")).start();
        let line = tracker.first_line();
        let parts = match kind {
            "line" => [
                "       0 TP       0 TT       0 TL ",
                " ML: 1.50  I: ",
                " RPS: 0/0/0/0\n",
            ],
            _ => [
                "\"TP\":0,\"TT\":0,\"TL\":0,",
                "\"ML\":1.50,\"I\":[",
                "\"RPS\":[0,0,0,0]}\n",
            ],
        };
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
        tracker.stop();
    }
}

#[test]
fn completed_downloads_go_to_the_standard_output() {
    for ids in ["no", "yes"] {
        let setup = Setup::new().setting("log.completed yes");
        let mut tracker = setup.setting(&format!("tracker.peer_ids {ids}")).start();
        let mut http = Http::connect(tracker.tcp());
        http.announce(&Announce::seeder(torrent(1), 7000));
        http.announce(&Announce::seeder(torrent(1), 7001).event(Event::Completed));
        let line = tracker.first_line();
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.starts_with("time=20") && time.ends_with('Z'), "{line}");
        let hex = |bytes: &[u8]| percent(bytes).replace('%', "");
        let hash = hex(&torrent(1));
        let id = match ids {
            "yes" => format!(" peer_id={}", hex(b"-XX0001-abcdefghijkl")),
            _ => String::new(),
        };
        let expected = format!("event=completed info_hash={hash}{id} ip=127.0.0.1\n");
        assert_eq!(rest.to_uppercase(), expected.to_uppercase());
        tracker.stop();
    }
}

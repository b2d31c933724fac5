//! Private mode (BEP 27): who has a key is served, over HTTP and, by the URL that clients append
//! (BEP 41), over UDP.

use crate::for_workers;
use crate::harness::bencode::Value;
use crate::harness::http::Http;
use crate::harness::peer::{Announce, Event, percent, scrape_target, torrent};
use crate::harness::tracker::{Setup, Tracker};
use crate::harness::udp::{Refusal, Udp, scrape};
use crate::harness::{Random, eventually};

for_workers!(
    a_key_opens_the_tracker_in_every_form,
    without_a_key_nothing_is_told,
    the_key_comes_with_announces_by_udp,
    swarms_do_not_know_of_keys,
);

const KEYS: &str = "# ours\r\nabc-DEF_123\nsecond  of somebody\n";
const REFUSAL: &str =
    "This tracker is private: its URL must have a key in it that the tracker knows.";

fn start(workers: usize) -> Tracker {
    let setup = Setup::new().workers(workers).file("keys", KEYS);
    let path = setup.path("keys");
    let setup = setup.setting("tracker.interval_jitter 0");
    setup.arg("--access.keys").arg(path).start()
}

/// An announce's target with another path, perhaps with the beginning of a query.
fn with_path(announce: &Announce, path: &str) -> String {
    let front = match path.contains('?') {
        true => format!("{path}&"),
        false => format!("{path}?"),
    };
    announce.target().replacen("/announce?", &front, 1)
}

/// One option of BEP 41 for each piece of the URL.
fn options(pieces: &[&str]) -> Vec<u8> {
    let option = |piece: &&str| [&[2, piece.len() as u8], piece.as_bytes()].concat();
    pieces.iter().flat_map(option).collect()
}

fn a_key_opens_the_tracker_in_every_form(workers: usize) {
    let tracker = start(workers);
    let mut http = Http::connect(tracker.tcp());
    for (n, path) in [
        "/announce/abc-DEF_123",
        "/abc-DEF_123/announce",
        "//abc-DEF_123//announce.php",
        "/announce.php/second/",
        "/here/second/announce",
        "/announce?passkey=second",
        "/announce.php?x=y&passkey=abc-DEF_123",
    ]
    .into_iter()
    .enumerate()
    {
        let info_hash = torrent(n as u64);
        let target = with_path(&Announce::leecher(info_hash, 7000), path);
        assert_eq!(http.get(&target).announced().leechers, 1, "{path}");
        let hashes = scrape_target(&[info_hash]).replacen("/scrape?", "", 1);
        for path in [
            "/scrape/second?",
            "/second/scrape?",
            "/scrape?passkey=second&",
        ] {
            let files = http.get(&format!("{path}{hashes}")).bencoded();
            let Value::Dict(files) = files.at("files") else {
                panic!("{files:?}");
            };
            assert_eq!(files[&info_hash[..]].int("incomplete"), 1, "{path}");
        }
    }
}

fn without_a_key_nothing_is_told(workers: usize) {
    let tracker = start(workers);
    let (mut http, udp) = (Http::connect(tracker.tcp()), Udp::connect(tracker.udp()));
    let known = Announce::seeder(torrent(1), 7000);
    let target = with_path(&known, "/second/announce");
    assert_eq!(http.get(&target).announced().seeders, 1);
    let long = format!("/{}/announce", "k".repeat(4000));
    for path in [
        "/announce",
        "/announce/",
        "/announce/secon",
        "/announce/seconds",
        "/announce/SECOND",
        "/announce/second%20",
        "/%73econd/announce",
        "/announce?passkey=",
        "/announce?passkey=secon%64",
        "/announce?key=second",
        "/announce/wrong?passkey=second",
        "/#/announce",
        "/of/announce",
        &long,
    ] {
        for event in [
            Event::None,
            Event::Started,
            Event::Completed,
            Event::Stopped,
        ] {
            let answer = http.get(&with_path(&known.event(event), path));
            assert_eq!(answer.failure(), REFUSAL, "{path}");
            let body = answer.bencoded();
            assert_eq!(
                (body.text("retry in"), body.int("interval")),
                ("never", 1800)
            );
            assert_eq!(body.find("complete"), None);
        }
    }
    let bare = scrape_target(&[torrent(1)]);
    for target in [bare.clone(), bare.replacen("/scrape", "/wrong/scrape", 1)] {
        let answer = http.get(&target);
        assert_eq!(answer.failure(), REFUSAL);
        assert_eq!(answer.bencoded().text("retry in"), "never");
    }
    // Scrapes by UDP have no place for a key.
    let refusal = Refusal::parse(&udp.ask(&scrape(udp.id, 6, &[torrent(1)])));
    assert_eq!(refusal.unwrap().text, REFUSAL);
    // Nor has anybody stopped another, or counted.
    let target = with_path(&Announce::leecher(torrent(1), 7001), "/second/announce");
    let told = http.get(&target).announced();
    assert_eq!((told.seeders, told.leechers, told.completed), (1, 1, 0));
    let counters = http.get("/stats?mode=counters").text();
    let denied = counters.lines().find(|line| line.contains("http denied"));
    // 14 paths with 4 events each, and 2 scrapes.
    assert!(denied.unwrap().contains("58"), "{counters}");
    tracker.stop_and(|log| {
        for part in ["abc-DEF_123", "second", "somebody", "wrong"] {
            assert!(!log.contains(part), "{part} in the log:\n{log}");
        }
        assert!(log.contains("keys: 2 keys"), "{log}");
    });
}

fn the_key_comes_with_announces_by_udp(workers: usize) {
    let tracker = start(workers);
    let udp = Udp::connect(tracker.udp());
    let long = format!("/announce/second?x={}", "y".repeat(200));
    for (n, (options, known)) in [
        (options(&["/second/announce"]), true),
        (options(&["/announce/second"]), true),
        (options(&["/announce?passkey=second"]), true),
        (options(&["/announce/", "sec", "", "ond", "?a=b"]), true),
        (options(&["/ann", "ounce?pass", "key=sec", "ond"]), true),
        (options(&[&long, &long[..0]]), true),
        (
            [b"\x01\x01\x63\x02ab", &options(&["/announce/second"])[..]].concat(),
            true,
        ),
        (
            [options(&["/announce/second"]), b"\x00/more".to_vec()].concat(),
            true,
        ),
        (
            [options(&["/announce/second"]), b"\x02\xffshort".to_vec()].concat(),
            true,
        ),
        (options(&[]), false),
        (options(&["/announce"]), false),
        (options(&["/announce/secon"]), false),
        (options(&["/announce/second", "s"]), false),
        (
            [b"\x00", &options(&["/announce/second"])[..]].concat(),
            false,
        ),
        (b"/announce/second".to_vec(), false),
        (b"\x02\x20/announce/second".to_vec(), false),
    ]
    .into_iter()
    .enumerate()
    {
        let announce = Announce::leecher(torrent(n as u64), 7000);
        let mut request = announce.datagram(udp.id, 5);
        request.extend(&options);
        let reply = udp.ask(&request);
        match known {
            true => assert_eq!(udp.announced(&reply, 5).leechers, 1, "{n}"),
            false => {
                let refusal = Refusal::parse(&reply).expect("a refusal");
                assert_eq!(
                    (refusal.transaction, &refusal.text[..]),
                    (5, REFUSAL),
                    "{n}"
                );
            }
        }
    }
    // As many options as a datagram holds, of all kinds.
    let mut random = Random::new(3);
    for len in [500, 1400, 9000, 60_000] {
        let mut request = Announce::leecher(torrent(99), 7000).datagram(udp.id, 5);
        let noise = random.bytes(len);
        request.extend(noise.iter().map(|byte| byte % 4));
        assert!(udp.told(&request).len() <= 1);
    }
    assert!(!udp.announce_is_accepted(torrent(99)));
}

fn swarms_do_not_know_of_keys(workers: usize) {
    let tracker = start(workers);
    let mut http = Http::connect(tracker.tcp());
    for info_hash in (0..8).map(torrent) {
        let mut announce = |key: &str, port| {
            let announce = Announce::leecher(info_hash, port);
            http.get(&with_path(&announce, &format!("/{key}/announce")))
                .announced()
        };
        announce("second", 1001);
        let told = announce("abc-DEF_123", 1002);
        assert_eq!(told.leechers, 2);
        assert_eq!(told.peers, ["127.0.0.1:1001".parse().unwrap()]);
        // The same peer with another key is the same peer.
        assert_eq!(announce("abc-DEF_123", 1001).leechers, 2);
    }
}

fn has_access(tracker: &Tracker, key: &str) -> bool {
    let target = with_path(
        &Announce::leecher(torrent(1), 7000),
        &format!("/{key}/announce"),
    );
    let answer = Http::connect(tracker.tcp()).get(&target).bencoded();
    answer.find("failure reason").is_none()
}

#[track_caller]
fn eventually_everywhere(what: &str, mut happened: impl FnMut() -> bool) {
    // Connections are spread over the workers.
    eventually(what, || (0..12).all(|_| happened()));
}

#[test]
fn keys_come_and_go_while_it_serves() {
    let tracker = start(2);
    assert!(has_access(&tracker, "second") && !has_access(&tracker, "third"));
    tracker.replace("keys", "third\nno/key\nfourth\n");
    tracker.reload("reload: done");
    eventually_everywhere("the new keys", || has_access(&tracker, "third"));
    assert!(has_access(&tracker, "fourth") && !has_access(&tracker, "second"));
    assert!(
        tracker.log().contains("keys:2: no key, skipped"),
        "{}",
        tracker.log()
    );
    // What can't be read, is empty or has nothing to be understood leaves them as they are.
    for (keys, why) in [
        ("", "the file is empty"),
        ("a/b\n", "there is no key in it"),
    ] {
        tracker.replace("keys", keys);
        tracker.reload(why);
        assert!((0..12).all(|_| has_access(&tracker, "third")));
    }
    std::fs::remove_file(tracker.path("keys")).unwrap();
    tracker.reload("No such file");
    assert!((0..12).all(|_| has_access(&tracker, "third")));
    // A list of nothing is one.
    tracker.replace("keys", "# nobody\n");
    tracker.reload("reload: done");
    eventually_everywhere("nobody is let in", || !has_access(&tracker, "third"));
    tracker.stop();
}

#[test]
fn keys_that_can_not_be_read_let_nobody_in() {
    let setup = Setup::new().setting("access.keys /nonexistent/keys");
    let tracker = setup.start();
    assert!(!has_access(&tracker, "second"));
    let mut http = Http::connect(tracker.tcp());
    assert_eq!(
        http.get(&Announce::leecher(torrent(1), 1).target())
            .failure(),
        REFUSAL
    );
    assert!(tracker.log().contains("/nonexistent/keys") && tracker.log().contains("nobody"));
    tracker.stop();
}

#[test]
fn a_whitelist_holds_for_those_with_a_key_too() {
    let setup = Setup::new().file("keys", KEYS);
    let setup = setup.file("list", &percent(&torrent(1)).replace('%', ""));
    let (keys, list) = (setup.path("keys"), setup.path("list"));
    let tracker = setup
        .arg("-w")
        .arg(list)
        .arg("--access.keys")
        .arg(keys)
        .start();
    let mut http = Http::connect(tracker.tcp());
    let mut failure = |n, path| {
        let answer = http.get(&with_path(&Announce::leecher(torrent(n), 7000), path));
        let body = answer.bencoded();
        body.find("failure reason")
            .map(|_| body.text("failure reason").to_owned())
    };
    assert_eq!(failure(1, "/second/announce"), None);
    assert_eq!(failure(1, "/announce").unwrap(), REFUSAL);
    assert_eq!(failure(2, "/announce").unwrap(), REFUSAL);
    assert!(
        failure(2, "/second/announce")
            .unwrap()
            .contains("not authorized")
    );
}

#[test]
fn an_open_tracker_takes_any_key() {
    let tracker = Setup::new().start();
    let (mut http, udp) = (Http::connect(tracker.tcp()), Udp::connect(tracker.udp()));
    for path in ["/announce/x", "/x/announce", "/announce?passkey=x"] {
        let target = with_path(&Announce::leecher(torrent(1), 7000), path);
        assert_eq!(http.get(&target).announced().leechers, 1, "{path}");
    }
    let mut request = Announce::leecher(torrent(1), 7000).datagram(udp.id, 5);
    request.extend(options(&["/x/announce"]));
    assert_eq!(udp.announced(&udp.ask(&request), 5).leechers, 1);
}

//! Proxies and others who speak for somebody else: whose word counts, and whose doesn't.

use std::net::{IpAddr, SocketAddr};

use crate::for_workers;
use crate::harness::has_ipv6;
use crate::harness::http::{Announced, Http};
use crate::harness::peer::{Announce, InfoHash, torrent};
use crate::harness::tracker::{Setup, Tracker};

for_workers!(
    only_a_proxy_is_believed,
    requests_of_one_connection_have_clients_of_their_own,
    proxies_over_ipv6_speak_for_both_families,
    only_some_may_name_another_address,
    prefaces_say_whose_a_connection_is,
);

const PROXY: &str = "127.0.0.2";
const STRANGER: &str = "127.0.0.3";

/// A tracker of both families, if the system has them, that believes [`PROXY`], ::1 and 10/8.
fn start(workers: usize, settings: &[&str]) -> Tracker {
    let setup = if has_ipv6() {
        Setup::both_families()
    } else {
        Setup::new()
    };
    let setup = setup.workers(workers).setting("access.proxy 127.0.0.2");
    let setup = setup.setting("access.proxy 10.0.0.0/8");
    let setup = setup.setting("access.proxy ::1");
    let with = |setup: Setup, line: &&str| setup.setting(line);
    settings.iter().fold(setup, with).start()
}

fn connect(from: &str, tracker: &Tracker) -> Http {
    let from: IpAddr = from.parse().unwrap();
    let to = if from.is_ipv4() {
        tracker.tcp()
    } else {
        tracker.tcp6()
    };
    Http::connect_from(from, to)
}

/// A request with more headers: whole lines.
fn request(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: tracker\r\n{headers}\r\n")
}

fn announce(http: &mut Http, info_hash: InfoHash, port: u16, headers: &str) -> Announced {
    let target = Announce::leecher(info_hash, port).target();
    http.ask(request(&target, headers)).announced()
}

/// The one peer of a torrent, as seen by a stranger of its family.
#[track_caller]
fn registered(tracker: &Tracker, info_hash: InfoHash, ipv6: bool) -> SocketAddr {
    // Who looks becomes the second of two, and is not told of itself.
    let from = if ipv6 { "::1" } else { STRANGER };
    let mut http = connect(from, tracker);
    let told = announce(&mut http, info_hash, 9999, "");
    let peers = if ipv6 {
        told.peers6.unwrap()
    } else {
        told.peers
    };
    assert_eq!((told.leechers, peers.len()), (2, 1), "{peers:?}");
    peers[0]
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn only_a_proxy_is_believed(workers: usize) {
    let tracker = start(workers, &[]);
    for (n, (headers, from_proxy)) in [
        ("", "127.0.0.2:1001"),
        ("X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4:1001"),
        ("x-forwarded-for:5.6.7.8 ,1.2.3.4\r\n", "1.2.3.4:1001"),
        (
            "X-Forwarded-For: 5.6.7.8, 1.2.3.4:555, 10.0.0.1\r\n",
            "1.2.3.4:1001",
        ),
        (
            "X-Forwarded-For: 1.2.3.4\r\nA: b\r\nX-FORWARDED-FOR: 10.0.0.1\r\n",
            "1.2.3.4:1001",
        ),
        (
            "X-Forwarded-For: 1.2.3.4, nobody, 10.0.0.7, 10.0.0.1\r\n",
            "10.0.0.7:1001",
        ),
        ("X-Forwarded-For: 1.2.3.4, nobody\r\n", "127.0.0.2:1001"),
        ("X-Forwarded-For:\r\n", "127.0.0.2:1001"),
        ("X-Real-IP: 1.2.3.4\r\n", "127.0.0.2:1001"),
    ]
    .into_iter()
    .enumerate()
    {
        let (believed, ignored) = (torrent(2 * n as u64), torrent(2 * n as u64 + 1));
        announce(&mut connect(PROXY, &tracker), believed, 1001, headers);
        let told = registered(&tracker, believed, false);
        assert_eq!(told, at(from_proxy), "{headers}");
        announce(&mut connect("127.0.0.4", &tracker), ignored, 1001, headers);
        let told = registered(&tracker, ignored, false);
        assert_eq!(told, at("127.0.0.4:1001"), "{headers}");
    }
}

fn requests_of_one_connection_have_clients_of_their_own(workers: usize) {
    let tracker = start(workers, &["access.proxy_header X-Real-IP"]);
    let mut http = connect(PROXY, &tracker);
    let clients: Vec<_> = (1..30).map(|n| format!("192.0.2.{n}")).collect();
    for client in &clients {
        let forged = format!("X-Forwarded-For: 5.6.7.8\r\nX-Real-IP: {client}\r\n");
        let told = announce(&mut http, torrent(1), 1001, &forged);
        assert!(
            !told
                .peers
                .iter()
                .any(|peer| peer.ip().to_string() == *client)
        );
    }
    let mut peers = announce(&mut http, torrent(1), 1001, "").peers;
    peers.sort();
    let expected: Vec<_> = clients.iter().map(|ip| at(&format!("{ip}:1001"))).collect();
    assert_eq!(peers, expected);
}

fn proxies_over_ipv6_speak_for_both_families(workers: usize) {
    if !has_ipv6() {
        return;
    }
    let tracker = start(workers, &[]);
    let mut http = connect("::1", &tracker);
    let old = announce(&mut http, torrent(1), 1001, "X-Forwarded-For: 1.2.3.4\r\n");
    assert_eq!(old.peers6, None, "the answer is for IPv4");
    assert_eq!(registered(&tracker, torrent(1), false), at("1.2.3.4:1001"));

    let new = "X-Forwarded-For: [2001:db8::7%eth0]:444, ::ffff:10.0.0.1\r\n";
    let told = announce(&mut connect(PROXY, &tracker), torrent(2), 1001, new);
    assert_eq!(told.peers6, Some(Vec::new()), "the answer is for IPv6");
    let seen = registered(&tracker, torrent(2), true);
    assert_eq!(seen, at("[2001:db8::7]:1001"));
}

fn only_some_may_name_another_address(workers: usize) {
    let tracker = start(
        workers,
        &[
            "tracker.ip_from_query 127.0.0.5",
            "tracker.ip_from_query 192.0.2.0/24",
        ],
    );
    let forwarded = |client: &str| format!("X-Forwarded-For: {client}\r\n");
    for (n, (from, headers, ip, expected)) in [
        ("127.0.0.5", String::new(), "1.2.3.4", "1.2.3.4:1001"),
        ("127.0.0.5", String::new(), "1.2.3", "127.0.0.5:1001"),
        ("127.0.0.5", String::new(), "0.0.0.0", "127.0.0.5:1001"),
        ("127.0.0.6", String::new(), "1.2.3.4", "127.0.0.6:1001"),
        (PROXY, String::new(), "1.2.3.4", "127.0.0.2:1001"),
        (PROXY, forwarded("192.0.2.7"), "1.2.3.4", "1.2.3.4:1001"),
        (PROXY, forwarded("5.6.7.8"), "1.2.3.4", "5.6.7.8:1001"),
    ]
    .into_iter()
    .enumerate()
    {
        let info_hash = torrent(n as u64);
        let target = Announce::leecher(info_hash, 1001).target() + "&ip=" + ip;
        let answer = connect(from, &tracker).ask(request(&target, &headers));
        assert_eq!(answer.announced().leechers, 1);
        let told = registered(&tracker, info_hash, false);
        assert_eq!(told, at(expected), "ip={ip} from {from}, {headers}");
    }
    if has_ipv6() {
        let target = Announce::leecher(torrent(99), 1001).target() + "&ip=2001%3adb8%3a%3a7";
        let answer = connect("127.0.0.5", &tracker).get(&target);
        assert_eq!(answer.announced().leechers, 1);
        let seen = registered(&tracker, torrent(99), true);
        assert_eq!(seen, at("[2001:db8::7]:1001"));
    }
}

/// A preface of version 2 for a client at 1.2.3.4, as the protocol's document has it.
const PREFACE_V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x01\x02\x03\x04\x7f\x00\x00\x01\xdc\x04\x1b\x39";

fn prefaces_say_whose_a_connection_is(workers: usize) {
    let tracker = start(workers, &["access.proxy_protocol yes"]);
    let forwarded = "X-Forwarded-For: 5.6.7.8\r\n";
    for (n, (preface, headers, expected)) in [
        (PREFACE_V2, "", "1.2.3.4:1001"),
        (PREFACE_V2, forwarded, "1.2.3.4:1001"),
        (
            b"PROXY TCP4 1.2.3.4 127.0.0.1 56324 6969\r\n",
            "",
            "1.2.3.4:1001",
        ),
        (
            b"PROXY TCP4 10.0.0.1 127.0.0.1 56324 6969\r\n",
            forwarded,
            "5.6.7.8:1001",
        ),
        (b"PROXY UNKNOWN\r\n", "", "127.0.0.2:1001"),
    ]
    .into_iter()
    .enumerate()
    {
        let info_hash = torrent(n as u64);
        let target = Announce::leecher(info_hash, 1001).target();
        let mut http = connect(PROXY, &tracker);
        // In two parts, and then a second request on the same connection.
        http.send(&preface[..n + 3]);
        let rest = [&preface[n + 3..], request(&target, headers).as_bytes()].concat();
        assert_eq!(http.ask(rest).announced().leechers, 1);
        assert_eq!(registered(&tracker, info_hash, false), at(expected), "{n}");
        assert_eq!(http.ask(request(&target, headers)).announced().leechers, 2);
    }
    let mut http = connect(PROXY, &tracker);
    assert_eq!(http.get("/stats").status, 400, "a proxy without a preface");
    http.closed();
    for preface in [PREFACE_V2, b"PROXY TCP4 1.2.3.4 127.0.0.1 56324 6969\r\n"] {
        let mut http = connect(STRANGER, &tracker);
        let bytes = [preface, request("/stats", "").as_bytes()].concat();
        assert!(
            (400..500).contains(&http.ask(bytes).status),
            "a stranger with one"
        );
        http.closed();
    }
}

#[test]
fn prefaces_are_not_understood_unasked() {
    let tracker = start(1, &[]);
    let mut http = connect(PROXY, &tracker);
    assert_eq!(http.ask(PREFACE_V2).status, 400);
    http.closed();
}

#[test]
fn statistics_are_for_readers_behind_the_proxy_too() {
    let tracker = start(1, &["access.stats 192.0.2.1"]);
    for (from, headers, status) in [
        (PROXY, "", 403),
        (PROXY, "X-Forwarded-For: 192.0.2.1\r\n", 200),
        (PROXY, "X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\n", 403),
        (STRANGER, "X-Forwarded-For: 192.0.2.1\r\n", 403),
    ] {
        let mut http = connect(from, &tracker);
        let answer = http.ask(request("/stats?mode=peer", headers));
        assert_eq!(answer.status, status, "{from} {headers}");
    }
}

#[test]
fn lists_of_any_length_are_answered() {
    let tracker = start(1, &[]);
    let strangers = "X-Forwarded-For: ".to_owned() + &"1.2.3.4,".repeat(1000) + "\r\n";
    let proxies = "X-Forwarded-For: 1.2.3.4".to_owned() + &",10.0.0.1".repeat(1000) + "\r\n";
    let lines = "X-Forwarded-For: 1.2.3.4\r\n".repeat(300);
    for (n, headers) in (0..).zip([strangers, proxies, lines]) {
        announce(&mut connect(PROXY, &tracker), torrent(n), 1001, &headers);
        assert_eq!(registered(&tracker, torrent(n), false), at("1.2.3.4:1001"));
    }
}

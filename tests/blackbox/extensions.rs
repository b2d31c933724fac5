//! What BEPs after the first add to announces and scrapes.

use std::net::SocketAddr;

use crate::for_workers;
use crate::harness::bencode::Value;
use crate::harness::http::Http;
use crate::harness::peer::{Announce, Event, InfoHash, percent, scrape_target, torrent};
use crate::harness::tracker::Setup;
use crate::harness::udp::Udp;
use crate::harness::{eventually, has_ipv6};

for_workers!(
    partial_seeds_are_leechers_that_want_nothing,
    hybrid_torrents_are_two_swarms,
    peers_are_told_by_their_ids_where_these_are_kept,
);

/// Torrents enough to have some on every worker.
const TORRENTS: u64 = 8;

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// What a scrape says of one torrent, by name.
#[track_caller]
fn scraped(http: &mut Http, info_hash: &InfoHash) -> Value {
    let answer = http.get(&scrape_target(&[*info_hash])).bencoded();
    match answer.at("files") {
        Value::Dict(files) => files[&info_hash[..]].clone(),
        other => panic!("{other:?}"),
    }
}

/// BEP 21.
fn partial_seeds_are_leechers_that_want_nothing(workers: usize) {
    let tracker = Setup::new().workers(workers).start();
    let (mut http, udp) = (Http::connect(tracker.tcp()), Udp::connect(tracker.udp()));
    for info_hash in (0..TORRENTS).map(torrent) {
        http.announce(&Announce::seeder(info_hash, 1001));
        http.announce(&Announce::leecher(info_hash, 1002));
        let paused = Announce::leecher(info_hash, 1003).event(Event::Paused);
        let told = http.announce(&paused);
        assert_eq!((told.seeders, told.leechers), (1, 2));
        assert_eq!(told.peers, [at(1002)], "a seeder is of no use");
        let also = Announce::leecher(info_hash, 1004).event(Event::Paused);
        let told = udp.announce(&also);
        assert_eq!((told.seeders, told.leechers), (1, 3));
        assert_eq!(told.peers, [at(1002), at(1003)]);
        let counts = |http: &mut Http| {
            let file = scraped(http, &info_hash);
            ["complete", "incomplete", "downloaders"].map(|key| file.int(key))
        };
        assert_eq!(counts(&mut http), [1, 3, 1]);
        assert_eq!(udp.scrape(&[info_hash])[0].leechers, 3);
        // Others are told of them, for they have something to give.
        let told = udp.announce(&Announce::leecher(info_hash, 1002));
        assert_eq!(told.peers, [1001, 1003, 1004].map(at));
        // It has to be said each time.
        http.announce(&Announce::leecher(info_hash, 1003));
        assert_eq!(counts(&mut http), [1, 3, 2]);
        udp.announce(&also.event(Event::Stopped));
        assert_eq!(counts(&mut http), [1, 2, 2]);
    }
}

/// BEP 52: the SHA-1 of the first version and the truncated SHA-256 of the second.
fn hybrid_torrents_are_two_swarms(workers: usize) {
    let tracker = Setup::new().workers(workers).start();
    let (mut http, udp) = (Http::connect(tracker.tcp()), Udp::connect(tracker.udp()));
    for n in 0..TORRENTS {
        let (v1, v2) = (torrent(n), torrent(100 + n));
        // One client, with the same port, peer id and key, in both.
        for event in [Event::Started, Event::None] {
            assert_eq!(
                http.announce(&Announce::seeder(v1, 1001).event(event))
                    .seeders,
                1
            );
            assert_eq!(
                udp.announce(&Announce::seeder(v2, 1001).event(event))
                    .seeders,
                1
            );
        }
        // Another knows the second version only.
        assert_eq!(
            http.announce(&Announce::leecher(v2, 1002)).peers,
            [at(1001)]
        );
        let stop = Announce::seeder(v1, 1001).event(Event::Stopped);
        assert_eq!(udp.announce(&stop).seeders, 0);
        let counts = udp.scrape(&[v1, v2]);
        assert_eq!((counts[0].seeders, counts[1].seeders), (0, 1));
        let whole = format!("{}{}", percent(&v2), "%00".repeat(12));
        let target = Announce::leecher(v2, 1003).target();
        let answer = http.get(&target.replacen(&percent(&v2), &whole, 1));
        assert_eq!(
            answer.failure(),
            "info_hash must be 20 bytes",
            "all 32 are none"
        );
    }
}

/// BEP 24.
#[test]
fn clients_are_told_the_global_address_they_are_seen_at() {
    let setup = Setup::new().setting("access.proxy 127.0.0.0/8");
    let tracker = setup.setting("tracker.external_ip yes").workers(2).start();
    let mut http = Http::connect(tracker.tcp());
    for n in 0..TORRENTS {
        for (from, told) in [
            ("1.2.3.4", Some(&[1, 2, 3, 4][..])),
            (
                "2a00:0102::3",
                Some(&[0x2a, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]),
            ),
            ("::ffff:5.6.7.8", Some(&[5, 6, 7, 8])),
            ("192.168.1.1", None),
            ("100.64.0.1", None),
            ("fd00::1", None),
            ("fe80::1", None),
        ] {
            for compact in ["&compact=1", "&compact=0"] {
                let target = Announce::leecher(torrent(n), 7000).target();
                let target = target.replacen("&compact=1", compact, 1);
                let answer = http.ask(format!(
                    "GET {target} HTTP/1.1\r\nX-Forwarded-For: {from}\r\n\r\n"
                ));
                let body = answer.bencoded();
                let found = body.find("external ip").map(|_| body.bytes("external ip"));
                assert_eq!(found, told, "{from}");
            }
        }
    }
    let tracker = Setup::new().setting("access.proxy 127.0.0.0/8").start();
    let target = Announce::leecher(torrent(1), 7000).target();
    let request = format!("GET {target} HTTP/1.1\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n");
    let body = Http::connect(tracker.tcp()).ask(request).bencoded();
    assert_eq!(
        body.find("external ip"),
        None,
        "only if the operator says so"
    );
}

#[test]
fn what_else_the_operator_says_is_said() {
    let settings = [
        "tracker.warning Closed in May: see https://example.org/",
        "tracker.id east-1",
        "tracker.scrape_interval 600",
    ];
    let setup = Setup::new().workers(2);
    let tracker = settings.into_iter().fold(setup, Setup::setting).start();
    let mut http = Http::connect(tracker.tcp());
    for n in 0..TORRENTS {
        for compact in ["&compact=1", "&compact=0"] {
            let target = Announce::leecher(torrent(n), 7000).target();
            let target = target.replacen("&compact=1", compact, 1);
            let body = http.get(&format!("{target}&trackerid=east-1")).bencoded();
            assert_eq!(body.text("tracker id"), "east-1");
            let warning = "Closed in May: see https://example.org/";
            assert_eq!(body.text("warning message"), warning);
            assert_eq!(body.int("incomplete"), 1);
        }
        // Flags are there whether anything is known or not.
        for asked in [&[torrent(n)][..], &[torrent(200), torrent(201)]] {
            let body = http.get(&scrape_target(asked)).bencoded();
            assert_eq!(body.at("flags").int("min_request_interval"), 600);
            assert!(body.find("files").is_some());
        }
    }
}

/// BEP 31, and for clients that don't know it the intervals.
#[test]
fn every_refusal_says_when_to_come_back() {
    let setup = Setup::new().setting("tracker.interval_jitter 0");
    let setup = setup.file("list", &percent(&torrent(1)).replace('%', ""));
    let list = setup.path("list");
    let tracker = setup.arg("-w").arg(list).start();
    let mut http = Http::connect(tracker.tcp());
    let good = Announce::leecher(torrent(1), 7000).target();
    for (target, retry_in) in [
        ("/announce".to_owned(), Value::Bytes(b"never".into())),
        (
            good.replacen("port=7000", "port=0", 1),
            Value::Bytes(b"never".into()),
        ),
        (
            good.replacen("left=1000", "left=x", 1),
            Value::Bytes(b"never".into()),
        ),
        ("/scrape?x=y".to_owned(), Value::Bytes(b"never".into())),
        (
            "/scrape?info_hash=x".to_owned(),
            Value::Bytes(b"never".into()),
        ),
        (Announce::leecher(torrent(2), 7000).target(), Value::Int(60)),
    ] {
        let body = http.get(&target).bencoded();
        assert!(!body.text("failure reason").is_empty());
        assert_eq!(body.at("retry in"), &retry_in, "{target}");
        assert_eq!(
            (body.int("interval"), body.int("min interval")),
            (1800, 900)
        );
        assert_eq!(body.find("peers"), None);
    }
}

const ID: &str = "-XX0001-abcdefghijkl";

/// Which ids an asker is told, by port, with this in the place of `compact=1`.
fn ids(http: &mut Http, info_hash: InfoHash, form: &str) -> Vec<(i64, Option<String>)> {
    let target = Announce::leecher(info_hash, 1999).target();
    let body = http.get(&target.replacen("compact=1", form, 1)).bencoded();
    let Value::List(peers) = body.at("peers") else {
        panic!("no dictionaries: {body:?}");
    };
    let id = |peer: &Value| {
        peer.find("peer id")
            .map(|_| peer.text("peer id").to_owned())
    };
    let mut ids: Vec<_> = peers
        .iter()
        .map(|peer| (peer.int("port"), id(peer)))
        .collect();
    ids.sort();
    ids
}

fn peers_are_told_by_their_ids_where_these_are_kept(workers: usize) {
    let setup = Setup::both_families().workers(workers);
    let tracker = setup.setting("tracker.peer_ids yes").start();
    let (mut http, udp) = (Http::connect(tracker.tcp()), Udp::connect(tracker.udp()));
    let mut asker = match has_ipv6() {
        true => Http::connect(tracker.tcp6()),
        false => Http::connect(tracker.tcp()),
    };
    for info_hash in (0..TORRENTS).map(torrent) {
        let named = |port, id: &str| {
            Announce::seeder(info_hash, port)
                .target()
                .replacen(ID, id, 1)
        };
        http.get(&named(1001, "AAAAAAAAAAAAAAAAAAAA"));
        udp.announce(&Announce::leecher(info_hash, 1002));
        http.get(&named(1003, "").replacen("peer_id=&", "", 1));
        let some = |port, id: &str| (port, Some(id.to_owned()));
        let told = [
            some(1001, "AAAAAAAAAAAAAAAAAAAA"),
            some(1002, ID),
            (1003, None),
        ];
        assert_eq!(ids(&mut asker, info_hash, "compact=0"), told);
        // Who says so, or asks for compact peers, is not told.
        let told = [1001, 1002, 1003].map(|port| (port, None));
        assert_eq!(ids(&mut asker, info_hash, "compact=0&no_peer_id=1"), told);
        let peers = asker.announce(&Announce::leecher(info_hash, 1999)).peers;
        assert_eq!(peers, [1001, 1002, 1003].map(at));
        // The last id counts, and goes with the peer.
        http.get(&named(1001, "BBBBBBBBBBBBBBBBBBBB"));
        udp.announce(&Announce::leecher(info_hash, 1002).event(Event::Stopped));
        let target = Announce::leecher(info_hash, 1002).target();
        http.get(&target.replacen(&format!("peer_id={ID}&"), "", 1));
        let told = [
            some(1001, "BBBBBBBBBBBBBBBBBBBB"),
            (1002, None),
            (1003, None),
        ];
        assert_eq!(ids(&mut asker, info_hash, "compact=0&no_peer_id=0"), told);
    }
}

#[test]
fn ids_are_kept_and_told_only_while_that_is_wanted() {
    let tracker = Setup::new().workers(2).start();
    let mut http = Http::connect(tracker.tcp());
    let hears = |http: &mut Http| {
        http.announce(&Announce::seeder(torrent(1), 1001));
        ids(http, torrent(1), "compact=0")
    };
    let (with, without) = ([(1001, Some(ID.to_owned()))], [(1001, None)]);
    assert_eq!(hears(&mut http), without);
    let listen = "listen.tcp_udp 127.0.0.1:0\n";
    tracker.configure(&format!("{listen}tracker.peer_ids yes\n"));
    tracker.reload("reload: done");
    eventually("ids are kept", || hears(&mut http) == with);
    tracker.configure(listen);
    tracker.reload("reload: done");
    eventually("they are not", || hears(&mut http) == without);
}

/// BEP 7: a client announces from each of its addresses. What it says of others it could say of
/// anybody's, so it is not heeded, not even from who may name another by `ip`.
#[test]
fn addresses_of_the_other_family_count_only_if_announced_from() {
    for settings in [
        "tracker.interval_jitter 0",
        "tracker.ip_from_query 127.0.0.1",
    ] {
        let tracker = Setup::both_families().workers(2).setting(settings).start();
        let mut http = Http::connect(tracker.tcp());
        for n in 0..TORRENTS {
            let target = Announce::leecher(torrent(n), 1001).target();
            for more in [
                "&ipv4=1.2.3.4&ipv6=2001:db8::1",
                "&ipv6=%5b2001:db8::1%5d:80&ipv4=x",
            ] {
                let told = http.get(&format!("{target}{more}")).announced();
                assert_eq!((told.leechers, told.peers6), (1, None), "{more}");
            }
            let told = http.announce(&Announce::leecher(torrent(n), 1002));
            assert_eq!((told.leechers, told.peers), (2, vec![at(1001)]));
            if has_ipv6() {
                let mut six = Http::connect(tracker.tcp6());
                let told = six.announce(&Announce::leecher(torrent(n), 1001));
                assert_eq!((told.leechers, told.peers), (3, vec![at(1001), at(1002)]));
            }
        }
    }
}

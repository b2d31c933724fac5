//! HTTP: requests in all their forms, and the literal answers.

use std::net::SocketAddr;

use crate::for_workers;
use crate::harness::bencode::Value;
use crate::harness::http::{Answer, Http, request};
use crate::harness::peer::{Announce, Event, InfoHash, percent, scrape_target, torrent};
use crate::harness::tracker::{Setup, Tracker};
use crate::harness::{has_ipv6, udp};

for_workers!(
    answers_are_literal,
    a_connection_serves_many_requests,
    pipelined_requests_are_answered_in_order,
    a_head_may_come_byte_by_byte,
    a_client_that_has_sent_all_is_answered,
    a_scrape_asks_all_workers,
    statistics_and_pages_between_announces_keep_their_order,
);

fn tracker(workers: usize) -> Tracker {
    let setup = Setup::new().setting("tracker.interval_jitter 0");
    setup.workers(workers).start()
}

fn body(answer: &Answer) -> String {
    answer.body.escape_ascii().to_string()
}

fn answers_are_literal(workers: usize) {
    let tracker = tracker(workers);
    let mut http = Http::connect(tracker.tcp());
    for n in 0..8 {
        let info_hash = torrent(n);
        let answer = http.get(&Announce::seeder(info_hash, 0x0102).target());
        assert_eq!(
            answer.head,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 92\r\n"
        );
        assert_eq!(
            body(&answer),
            "d8:completei1e10:downloadedi0e10:incompletei0e\
             8:intervali1800e12:min intervali900e5:peers0:e"
        );
        let answer = http.get(&Announce::leecher(info_hash, 0x0304).target());
        assert_eq!(
            body(&answer),
            "d8:completei1e10:downloadedi0e10:incompletei1e\
             8:intervali1800e12:min intervali900e5:peers6:\\x7f\\x00\\x00\\x01\\x01\\x02e"
        );
        let target = format!(
            "{}&compact=0",
            Announce::leecher(info_hash, 0x0304).target()
        );
        let answer = http.get(&target.replacen("&compact=1", "", 1));
        assert_eq!(
            body(&answer),
            "d8:completei1e10:downloadedi0e10:incompletei1e8:intervali1800e\
             12:min intervali900e5:peersld2:ip9:127.0.0.14:porti258eeee"
        );
        let answer = http.get(&scrape_target(&[info_hash]));
        assert_eq!(
            body(&answer),
            format!(
                "d5:filesd20:{}d8:completei1e10:downloadedi0e11:downloadersi1e10:incompletei1eeee",
                info_hash.escape_ascii()
            )
        );
    }
    let answer = http.get(&scrape_target(&[torrent(99)]));
    assert_eq!(body(&answer), "d5:filesdee");
}

fn a_connection_serves_many_requests(workers: usize) {
    let tracker = tracker(workers);
    let mut http = Http::connect(tracker.tcp());
    for n in 0..200 {
        let answer = http.get(&Announce::leecher(torrent(n), 7000).target());
        assert_eq!(answer.announced().leechers, 1);
        assert_eq!(answer.header("Connection"), None);
        assert_eq!(http.get("/nothing").status, 404);
        let files = http.get(&scrape_target(&[torrent(n)])).bencoded();
        assert!(matches!(files.at("files"), Value::Dict(files) if files.len() == 1));
    }
}

/// Requests that can be told apart by their answers, and what the answers contain.
fn distinct(announces: usize) -> (Vec<u8>, Vec<String>) {
    let (mut requests, mut parts) = (String::new(), Vec::new());
    for n in 0..announces {
        let info_hash = torrent(n as u64 % 16);
        // Each torrent has one more peer every time it comes round.
        requests += &request(&Announce::leecher(info_hash, 1000 + n as u16).target());
        parts.push(format!("10:incompletei{}e", n / 16 + 1));
        requests += &request(&scrape_target(&[info_hash]));
        parts.push(format!("d5:filesd20:{}d", info_hash.escape_ascii()));
        if n % 5 == 0 {
            requests += &request(&format!("/{n}"));
            parts.push("<title>Not Found</title>".to_owned());
        }
    }
    (requests.into_bytes(), parts)
}

fn pipelined_requests_are_answered_in_order(workers: usize) {
    let tracker = tracker(workers);
    let (requests, parts) = distinct(160);
    let mut http = Http::connect(tracker.tcp());
    http.send(&requests);
    for (n, part) in parts.iter().enumerate() {
        let body = body(&http.answer());
        assert!(body.contains(part), "answer {n}: {body}, not {part}");
    }
    http.send(request("/stats").repeat(20));
    http.end();
    for _ in 0..20 {
        assert!(http.answer().text().contains("serving 16 torrents"));
    }
    http.closed();
}

fn a_head_may_come_byte_by_byte(workers: usize) {
    let tracker = tracker(workers);
    let (requests, parts) = distinct(6);
    let mut http = Http::connect(tracker.tcp());
    for byte in requests {
        http.send([byte]);
    }
    for part in parts {
        assert!(body(&http.answer()).contains(&part));
    }
}

fn a_client_that_has_sent_all_is_answered(workers: usize) {
    let tracker = tracker(workers);
    for n in 0..16 {
        let info_hash = torrent(n);
        let asked = [
            (Announce::leecher(info_hash, 7000).target(), "10:incomplete"),
            (scrape_target(&[info_hash, torrent(n + 1)]), "d5:files"),
            ("/stats?mode=torr".to_owned(), "serving"),
        ];
        for (target, part) in asked {
            let mut http = Http::connect(tracker.tcp());
            http.send(request(&target).repeat(3));
            http.end();
            for _ in 0..3 {
                assert!(http.answer().text().contains(part), "{target}");
            }
            http.closed();
        }
    }
}

fn a_scrape_asks_all_workers(workers: usize) {
    let tracker = tracker(workers);
    let mut http = Http::connect(tracker.tcp());
    let hashes: Vec<InfoHash> = (0..120).map(torrent).collect();
    // Every other one is known, with as many peers as its number, up to 7.
    for (n, info_hash) in hashes.iter().enumerate().step_by(2) {
        for port in 0..n % 8 + 1 {
            http.announce(&Announce::leecher(*info_hash, 5000 + port as u16));
        }
    }
    for asked in [&hashes[..], &hashes[..74], &hashes[..1], &hashes[1..2]] {
        let answer = http.get(&scrape_target(asked)).bencoded();
        let Value::Dict(files) = answer.at("files") else {
            panic!("{answer:?}");
        };
        let known: Vec<_> = asked
            .iter()
            .filter(|hash| files.contains_key(&hash[..]))
            .collect();
        assert_eq!(known.len(), files.len());
        assert_eq!(
            files.len(),
            asked.len() / 2 + usize::from(asked == &hashes[..1])
        );
        for (info_hash, counts) in files {
            let n = hashes
                .iter()
                .position(|hash| hash[..] == info_hash[..])
                .unwrap();
            assert_eq!(counts.int("incomplete"), n as i64 % 8 + 1);
            assert_eq!((counts.int("complete"), counts.int("downloaded")), (0, 0));
        }
    }
    let twice = http.get(&scrape_target(&[hashes[0], hashes[2], hashes[0]]));
    assert!(matches!(twice.bencoded().at("files"), Value::Dict(files) if files.len() == 2));
}

fn statistics_and_pages_between_announces_keep_their_order(workers: usize) {
    let tracker = tracker(workers);
    let mut http = Http::connect(tracker.tcp());
    let mut requests = String::new();
    for n in 0..40 {
        requests += &request(&Announce::leecher(torrent(n), 7000).target());
        requests += &request("/stats?mode=torr");
        requests += &request("/");
    }
    http.send(requests);
    for n in 1..=40 {
        assert_eq!(http.answer().announced().leechers, 1);
        let text = http.answer().text();
        assert!(text.contains(&format!("serving {n} torrents")), "{text}");
        assert_eq!(http.answer().status, 404);
    }
}

#[test]
fn connections_stay_or_close_as_asked() {
    let tracker = tracker(2);
    for (version, header, said, stays) in [
        ("1.1", "", None, true),
        ("1.1", "Connection: keep-alive\r\n", None, true),
        ("1.1", "connection: Close\r\n", Some("close"), false),
        (
            "1.1",
            "Connection: keep-alive, close\r\n",
            Some("close"),
            false,
        ),
        ("1.0", "", Some("close"), false),
        (
            "1.0",
            "Connection: Keep-Alive\r\n",
            Some("keep-alive"),
            true,
        ),
        ("1.0", "Connection: close\r\n", Some("close"), false),
    ] {
        for target in [
            Announce::leecher(torrent(1), 1).target(),
            Announce::leecher(torrent(2), 1).target(),
            scrape_target(&[torrent(1), torrent(2)]),
            "/stats".to_owned(),
            "/nothing".to_owned(),
            "/announce".to_owned(),
        ] {
            let mut http = Http::connect(tracker.tcp());
            let head = format!("GET {target} HTTP/{version}\r\n{header}\r\n");
            let answer = http.ask(&head);
            assert_eq!(answer.header("Connection"), said, "{head}{answer:?}");
            assert_eq!(answer.header("Transfer-Encoding"), None);
            if stays {
                assert_eq!(http.ask(&head).status, answer.status);
            } else {
                http.closed();
            }
        }
    }
}

#[test]
fn faults_of_http_are_told_by_status() {
    let tracker = tracker(1);
    let long = "x".repeat(17_000);
    for (request, status) in [
        (
            "POST /announce HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc".to_owned(),
            405,
        ),
        ("HEAD /announce HTTP/1.1\r\n\r\n".to_owned(), 405),
        ("OPTIONS * HTTP/1.1\r\n\r\n".to_owned(), 405),
        ("PUT / HTTP/1.0\r\n\r\n".to_owned(), 405),
        ("get / HTTP/1.1\r\n\r\n".to_owned(), 405),
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\x03".to_owned(), 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400),
        ("GET /\r\n\r\n".to_owned(), 400),
        ("GET  HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET announce HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /a b HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /\0 HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n".to_owned(), 400),
        (
            "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n".to_owned(),
            400,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
            400,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
            400,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc".to_owned(),
            413,
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
            413,
        ),
        ("GET / HTTP/2.0\r\n\r\n".to_owned(), 505),
        (format!("GET /{long} HTTP/1.1\r\n\r\n"), 414),
        (format!("GET / HTTP/1.1\r\nCookie: {long}\r\n\r\n"), 431),
    ] {
        let mut http = Http::connect(tracker.tcp());
        let answer = http.ask(&request);
        let front = request.chars().take(60).collect::<String>();
        assert_eq!(answer.status, status, "{front:?}");
        assert_eq!(answer.header("Connection"), Some("close"), "{front:?}");
        let allowed = (status == 405).then_some("GET");
        assert_eq!(answer.header("Allow"), allowed, "{front:?}");
        assert_eq!(answer.header("Content-Type"), Some("text/html"));
        http.closed();
    }
    assert_eq!(Http::connect(tracker.tcp()).get("/stats").status, 200);
}

/// The end of a connection must not tear the answer away, however much is still under way.
#[test]
fn the_answer_to_an_endless_request_arrives() {
    let tracker = tracker(1);
    for _ in 0..20 {
        let mut http = Http::connect(tracker.tcp());
        http.send("POST /announce HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n");
        http.send(vec![b'x'; 1_000_000]);
        assert_eq!(http.answer().status, 405);
        http.end();
        http.closed();
    }
}

#[test]
fn unusual_forms_are_understood() {
    let tracker = tracker(1);
    let mut http = Http::connect(tracker.tcp());
    let target = Announce::leecher(torrent(1), 7000).target();
    for head in [
        format!("GET {target} HTTP/1.1\n\n"),
        format!("GET {target} HTTP/1.1\nHost: a\n\n"),
        format!("\r\nGET {target} HTTP/1.1\r\n\r\n"),
        format!("GET http://tracker:6969{target} HTTP/1.1\r\n\r\n"),
        format!("GET HTTP://tracker{target} HTTP/1.1\r\n\r\n"),
        format!("GET //{target} HTTP/1.1\r\n\r\n"),
        format!("GET {} HTTP/1.1\r\n\r\n", target.replacen('?', " ?", 1)),
        format!(
            "GET {} HTTP/1.1\r\n\r\n",
            target.replacen("/announce", "/announce.php", 1)
        ),
        format!(
            "GET {} HTTP/1.1\r\n\r\n",
            target.replacen("&port", "&&x&y=z&port", 1)
        ),
        format!("GET {target}&port=9&left=0 HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let announced = http.ask(&head).announced();
        assert_eq!((announced.leechers, announced.seeders), (1, 0), "{head}");
    }
    assert_eq!(http.ask("GET http://tracker HTTP/1.1\r\n\r\n").status, 404);
}

#[test]
fn failures_are_told_in_the_body() {
    let tracker = tracker(2);
    let mut http = Http::connect(tracker.tcp());
    let good = Announce::leecher(torrent(1), 7000).target();
    let hash = format!("info_hash={}", percent(&torrent(1)));
    for (target, part) in [
        ("/announce".to_owned(), "info_hash"),
        ("/announce?port=1".to_owned(), "info_hash"),
        (good.replacen(&hash, "info_hash=abc", 1), "20 bytes"),
        (good.replacen("&port=7000", "", 1), "port"),
        (good.replacen("&port=7000", "&port=0", 1), "port"),
        (good.replacen("&port=7000", "&port=65536", 1), "port"),
        (good.replacen("-abcdefghijkl", "-short", 1), "peer_id"),
        (good.replacen("info_hash=%", "info_hash=%x", 1), "encoding"),
        ("/scrape?x=1".to_owned(), "scrape"),
        ("/scrape?info_hash=abc".to_owned(), "20 bytes"),
    ] {
        let answer = http.get(&target);
        assert!(
            answer.failure().contains(part),
            "{target}: {}",
            answer.text()
        );
    }
    let files = http.get(&scrape_target(&[torrent(1)])).bencoded();
    assert_eq!(files.at("files"), &Value::Dict(Default::default()));
}

#[test]
fn the_front_page_leads_where_the_operator_said() {
    let tracker = tracker(1);
    let mut http = Http::connect(tracker.tcp());
    for target in [
        "/",
        "/?x=1",
        "/index.html",
        "/favicon.ico",
        "/s",
        "/stats/x",
    ] {
        assert_eq!(http.get(target).status, 404, "{target}");
    }
    let setup = Setup::new().setting("tracker.redirect_url https://example.org/tracker");
    let tracker = setup.start();
    let mut http = Http::connect(tracker.tcp());
    let answer = http.get("/");
    assert_eq!(answer.status, 302);
    assert_eq!(
        answer.header("Location"),
        Some("https://example.org/tracker")
    );
    assert_eq!(http.get("/index.html").status, 404);
}

#[test]
fn extremes_of_numwant_have_defined_answers() {
    let tracker = tracker(2);
    let mut http = Http::connect(tracker.tcp());
    for port in 1..=300 {
        http.announce(&Announce::leecher(torrent(1), port).numwant(0));
    }
    let me = Announce::leecher(torrent(1), 1000);
    for (numwant, listed) in [
        (0, 0),
        (1, 1),
        (7, 7),
        (200, 200),
        (i32::MAX, 200),
        (-1, 50),
    ] {
        assert_eq!(
            http.announce(&me.numwant(numwant)).peers.len(),
            listed,
            "{numwant}"
        );
    }
    assert_eq!(http.announce(&me).peers.len(), 50);
    for numwant in ["4294967296", "99999999999999999999", "1e9", "", "%00"] {
        let answer = http.get(&format!("{}&numwant={numwant}", me.target()));
        assert!(answer.announced().peers.len() <= 200, "{numwant}");
    }
}

#[test]
fn an_ipv6_client_is_told_of_both_families() {
    if !has_ipv6() {
        return;
    }
    let tracker = Setup::both_families().workers(2).start();
    let (mut old, mut new) = (Http::connect(tracker.tcp()), Http::connect(tracker.tcp6()));
    for n in 0..8 {
        let info_hash = torrent(n);
        old.announce(&Announce::seeder(info_hash, 4001));
        let told = new.announce(&Announce::leecher(info_hash, 6001));
        assert_eq!((told.seeders, told.leechers), (1, 1));
        assert_eq!(
            told.peers,
            ["127.0.0.1:4001".parse::<SocketAddr>().unwrap()]
        );
        assert_eq!(told.peers6, Some(vec![]));
        let told = new.announce(&Announce::leecher(info_hash, 6002));
        assert_eq!(told.peers6, Some(vec!["[::1]:6001".parse().unwrap()]));
        let told = old.announce(&Announce::leecher(info_hash, 4002));
        assert_eq!((told.seeders, told.leechers), (1, 3));
        assert_eq!(
            told.peers,
            ["127.0.0.1:4001".parse::<SocketAddr>().unwrap()]
        );
        assert_eq!(told.peers6, None);
        let told = old.announce(&Announce::leecher(info_hash, 4002).event(Event::Stopped));
        assert_eq!((told.seeders, told.leechers), (1, 2));
    }
    let udp = udp::Udp::connect(tracker.udp6());
    assert_eq!(udp.scrape(&[torrent(0)])[0].leechers, 2);
}

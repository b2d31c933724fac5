//! The program as a client: of its own trackers, of dead ones, and of those that lie.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::harness::json::Json;
use crate::harness::tracker::{Ended, Setup, Tracker};
use crate::harness::{has_ipv6, uninterrupted};

const HASH: &str = "abababababababababababababababababababab";

fn run(words: &[&str]) -> Ended {
    words
        .iter()
        .fold(Setup::bare(), |setup, word| setup.arg(word))
        .run()
}

/// It says nothing of a fault.
#[track_caller]
fn fine(words: &[&str]) -> String {
    let ended = run(words);
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{ended:?}"
    );
    ended.stdout
}

/// It says this of a fault, and these parts of its report.
#[track_caller]
fn faulty(words: &[&str], parts: &[&str]) -> Ended {
    let ended = run(words);
    assert_eq!(ended.code, Some(1), "{words:?}: {ended:?}");
    for part in parts {
        let all = format!("{}{}", ended.stdout, ended.stderr);
        assert!(all.contains(part), "no `{part}` in {all}");
    }
    ended
}

fn url(scheme: &str, addr: SocketAddr) -> String {
    format!("{scheme}://{addr}/announce")
}

fn both(tracker: &Tracker) -> [String; 2] {
    [url("udp", tracker.udp()), url("http", tracker.tcp())]
}

/// What pretends to be a tracker, until it is dropped.
struct Fake {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(ended.is_none_or(|ended| ended.is_ok()) || thread::panicking());
    }
}

impl Fake {
    fn start(addr: SocketAddr, mut serve: impl FnMut() + Send + 'static) -> Fake {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                serve();
            }
        });
        Fake {
            addr,
            stop,
            thread: Some(thread),
        }
    }

    /// Answers each datagram, from here or from another port.
    fn udp(elsewhere: bool, answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Fake {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = socket.local_addr().unwrap();
        let wait = Some(Duration::from_millis(20));
        socket.set_read_timeout(wait).unwrap();
        Fake::start(addr, move || {
            let mut room = [0; 2048];
            if let Ok((len, from)) = socket.recv_from(&mut room) {
                let by = if elsewhere { &other } else { &socket };
                let _ = by.send_to(&answer(&room[..len]), from);
            }
        })
    }

    /// Answers each request, by its first line, and hangs up.
    fn http(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        Fake::start(addr, move || match listener.accept() {
            Ok((stream, _)) => serve(stream, &answer),
            Err(_) => thread::park_timeout(Duration::from_millis(10)),
        })
    }
}

fn serve(mut stream: TcpStream, answer: &impl Fn(&str) -> Vec<u8>) {
    stream.set_nonblocking(false).unwrap();
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match uninterrupted(|| stream.read(&mut byte)) {
            Ok(1) => asked.push(byte[0]),
            _ => return,
        }
    }
    let asked = String::from_utf8(asked).unwrap();
    let _ = stream.write_all(&answer(asked.lines().next().unwrap()));
}

fn page(status: &str, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A proper answer to a connect, and this to everything else.
fn connected(asked: &[u8], otherwise: (u32, &[u8])) -> Vec<u8> {
    let transaction = &asked[12..16];
    match asked[8..12] {
        [0, 0, 0, 0] => [&[0; 4][..], transaction, &[7; 8]].concat(),
        _ => [&otherwise.0.to_be_bytes()[..], transaction, otherwise.1].concat(),
    }
}

#[test]
fn our_own_tracker_is_well() {
    let tracker = Setup::new().start();
    let text = fine(&["check", &tracker.udp().to_string(), "--timeout", "10"]);
    for part in [
        format!("udp {}: up\n", tracker.udp()),
        format!("http {}: up\n", tracker.tcp()),
        "from the address that was asked".into(),
        "peers       are told of each other; it sees us as 127.0.0.1".into(),
        "scrape      yes".into(),
        "connections may stay".into(),
        "BEP         15, 41\n".into(),
        "BEP         3, 21, 23, 48\n".into(),
    ] {
        assert!(text.contains(&part), "no `{part}` in {text}");
    }
    tracker.stop();
}

#[test]
fn programs_are_told_the_same() {
    let tracker = Setup::new()
        .setting("tracker.interval 1000")
        .setting("tracker.interval_jitter 0")
        .setting("tracker.min_interval 500")
        .start();
    for (protocol, url) in ["udp", "http"].iter().zip(both(&tracker)) {
        let report = Json::parse(&fine(&["check", "--json", &url]));
        assert!(report.truth("ok"));
        assert_eq!(report.text("tracker"), url);
        let [place] = report.list("addresses") else {
            panic!("{report:?}");
        };
        assert_eq!(place.text("protocol"), *protocol);
        assert_eq!(place.text("family"), "ipv4");
        assert_eq!(place.text("address"), tracker.udp().to_string());
        assert_eq!(
            (place.text("state"), place.number("interval")),
            ("up", 1000.0)
        );
        assert_eq!(place.text("sees_us_as"), "127.0.0.1");
        assert!(place.truth("tells_peers") && place.truth("scrape"));
        let is_http = *protocol == "http";
        assert_eq!(place.find("keep_alive").is_some(), is_http);
        assert_eq!(place.find("min_interval").is_some(), is_http);
        assert!(!place.list("beps").is_empty());
    }
    tracker.stop();
}

#[test]
fn both_families_are_asked_or_one() {
    if !has_ipv6() {
        return;
    }
    let tracker = Setup::both_families().start();
    let url = url("udp", tracker.udp6());
    let report = Json::parse(&fine(&["check", "--json", "-6", &url]));
    let place = &report.list("addresses")[0];
    assert_eq!(
        (place.text("family"), place.text("sees_us_as")),
        ("ipv6", "::1")
    );
    assert!(place.list("beps").contains(&Json::Number(7.0)));
    let ended = faulty(&["check", "--json", "-4", &url], &["not well: udp"]);
    let report = Json::parse(&ended.stdout);
    assert!(!report.truth("ok"));
    let place = &report.list("addresses")[0];
    assert_eq!(place.text("state"), "down");
    assert_eq!(place.text("why"), "it has no address of that family");
    let named = format!("http://localhost:{}/announce", tracker.tcp().port());
    fine(&["check", "-4", &named]);
    tracker.stop();
}

#[test]
fn swarms_are_joined_looked_at_and_left() {
    let tracker = Setup::new().start();
    for (place, url) in both(&tracker).iter().enumerate() {
        let hash = format!("{place}{}", &HASH[1..]);
        let stays = ["announce", url, &hash, "-p", "7001"];
        let text = fine(&stays);
        assert!(
            text.contains(": 0 seeders, 1 leechers; again in "),
            "{text}"
        );
        // Who is not to be reached is gone again.
        for _ in 0..2 {
            let text = fine(&["announce", url, &hash]);
            assert!(text.contains(": 0 seeders, 2 leechers; "), "{text}");
            assert!(text.ends_with("\n127.0.0.1:7001\n"), "{text}");
        }
        let seeder = [
            "announce", url, &hash, "--port", "7002", "--left", "0", "--json",
        ];
        let answer = Json::parse(&fine(&seeder));
        assert_eq!(
            (answer.number("seeders"), answer.number("leechers")),
            (1.0, 1.0)
        );
        assert_eq!(answer.list("peers"), [Json::Text("127.0.0.1:7001".into())]);
        let none = ["announce", url, &hash, "--numwant", "0", "--json"];
        assert_eq!(Json::parse(&fine(&none)).list("peers"), []);
        fine(&[
            "announce",
            url,
            &hash,
            "-p",
            "7001",
            "--event",
            "completed",
            "--left",
            "0",
        ]);
        let other = HASH.replace('a', "c");
        let text = fine(&["scrape", url, &hash, &other]);
        assert!(
            text.starts_with(&format!("{hash} 2 seeders, 0 leechers, 1 completed\n")),
            "{text}"
        );
        let counts = Json::parse(&fine(&["scrape", "--json", url, &hash]));
        let torrent = &counts.list("torrents")[0];
        assert_eq!(
            (torrent.text("info_hash"), torrent.number("completed")),
            (&*hash, 1.0)
        );
        fine(&[
            "announce", url, &hash, "-p", "7002", "--event", "stopped", "--left", "0",
        ]);
        let text = fine(&["scrape", url, &hash]);
        assert_eq!(text, format!("{hash} 1 seeders, 0 leechers, 1 completed\n"));
    }
    // By BEP 52 names are longer.
    let long = format!("0{}{}", &HASH[1..], "9".repeat(24));
    let text = fine(&["scrape", &both(&tracker)[0], &long]);
    assert!(text.contains(" 1 seeders"), "{text}");
    tracker.stop();
}

#[test]
fn keys_are_told_by_every_protocol() {
    let setup = Setup::new().file("keys", "sesame\n");
    let line = format!("access.keys {}", setup.path("keys").display());
    let tracker = setup.setting(&line).start();
    for (scheme, addr) in [("udp", tracker.udp()), ("http", tracker.tcp())] {
        fine(&[
            "announce",
            &format!("{scheme}://{addr}/sesame/announce"),
            HASH,
        ]);
        let url = url(scheme, addr);
        faulty(&["announce", &url, HASH], &["it refuses: "]);
        // It is up, whatever it makes of strangers.
        let text = fine(&["check", &url]);
        assert!(text.contains(": up, and refuses: "), "{text}");
    }
    tracker.stop();
}

#[test]
fn a_refusal_is_a_fault_where_the_torrent_was_named() {
    let setup = Setup::new().file("white", "1234567890123456789012345678901234567890\n");
    let line = format!("access.whitelist {}", setup.path("white").display());
    let tracker = setup.setting(&line).start();
    for url in both(&tracker) {
        fine(&["check", &url]);
        faulty(&["check", &url, HASH], &["up, and refuses: ", "not well: "]);
        let ended = faulty(&["check", "--json", &url, HASH], &[]);
        let report = Json::parse(&ended.stdout);
        assert_eq!(report.list("addresses")[0].text("state"), "refuses");
        let ended = faulty(&["announce", "--json", &url, HASH], &["it refuses: "]);
        let report = Json::parse(&ended.stdout);
        assert!(!report.truth("ok") && report.truth("refused"));
    }
    tracker.stop();
}

#[test]
fn where_nobody_is_nothing_is_well() {
    let tracker = Setup::new().start();
    let [udp, http] = both(&tracker);
    let bare = tracker.udp().to_string();
    tracker.stop();
    faulty(
        &["check", &udp],
        &["down: Connection refused", "not well: udp 127.0.0.1:"],
    );
    faulty(
        &["check", &http],
        &["down: Connection refused", "not well: http 127.0.0.1:"],
    );
    faulty(
        &["check", &bare],
        &["not well: udp 127.0.0.1:", ", http 127.0.0.1:"],
    );
    for verb in ["announce", "scrape"] {
        faulty(&[verb, &udp, HASH], &["no answer: Connection refused"]);
        let ended = faulty(&[verb, "--json", &http, HASH], &[]);
        let report = Json::parse(&ended.stdout);
        assert!(!report.truth("ok") && !report.truth("refused"));
        assert!(report.text("why").contains("Connection refused"));
    }
    faulty(
        &["check", "udp://nowhere.invalid:80"],
        &["its name has no address"],
    );
}

#[test]
fn one_protocol_will_do_where_none_is_named() {
    let tracker = Setup::bare().setting("listen.udp 127.0.0.1:0").start();
    let text = fine(&["check", &tracker.udp().to_string()]);
    assert!(
        text.contains("udp ") && text.contains(": down: Connection refused"),
        "{text}"
    );
    tracker.stop();
}

#[test]
fn lies_by_udp_are_noticed() {
    let announce = |fake: &Fake, part: &str| {
        let url = url("udp", fake.addr);
        faulty(&["announce", "--timeout", "2", &url, HASH], &[part]);
        faulty(&["check", "--timeout", "2", &url, HASH], &[part]);
    };
    let echo = Fake::udp(false, <[u8]>::to_vec);
    announce(&echo, "what answers is no tracker");
    let silent = Fake::udp(false, |asked| {
        // The answer to something that nobody has asked.
        [&[0; 4][..], &[asked[12] ^ 1; 4], &[7; 8]].concat()
    });
    announce(&silent, "nothing comes back");
    let elsewhere = Fake::udp(true, |asked| connected(asked, (1, &[0; 12])));
    announce(&elsewhere, "the answer comes from 127.0.0.1:");
    let refuses = Fake::udp(false, |asked| connected(asked, (3, b"go\x1b[1m away")));
    announce(&refuses, "refuses: go[1m away");
    let ragged = Fake::udp(false, |asked| connected(asked, (1, &[0; 12 + 7])));
    announce(&ragged, "its peers are not of 6 bytes each");
    let confused = Fake::udp(false, |asked| connected(asked, (2, &[0; 12])));
    announce(&confused, "what answers is no tracker");
}

#[test]
fn a_tracker_that_forgets_peers_and_knows_no_scrape_is_up() {
    let forgetful = Fake::udp(false, |asked| match asked[8..12] {
        [0, 0, 0, 2] => connected(asked, (3, b"no scrapes")),
        _ => connected(asked, (1, &[0, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0])),
    });
    let text = fine(&["check", &url("udp", forgetful.addr)]);
    for part in [
        "interval    1800 s\n",
        "peers       are not told of each other\n",
        "scrape      no: no scrapes\n",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
}

#[test]
fn lies_by_http_are_noticed() {
    for (answer, part) in [
        (page("200 OK", b"<html>"), "what answers is no tracker"),
        (
            page("404 Not Found", b"<html>"),
            "it answers with status 404",
        ),
        (
            page("200 OK", b"d14:failure reason4:gone8:retry in2:10e"),
            "refuses: gone (again in 10 minutes)",
        ),
        (b"220 mail\r\n\r\n".to_vec(), "what answers is no tracker"),
        (page("200 OK", &[b'i'; 2 << 20]), "body"),
    ] {
        let fake = Fake::http(move |_| answer.clone());
        let url = url("http", fake.addr);
        faulty(&["announce", &url, HASH], &[part]);
        faulty(&["check", &url, HASH], &[part]);
    }
    // It accepts, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = url("http", listener.local_addr().unwrap());
    faulty(&["check", "--timeout", "1", &url], &["nothing comes back"]);
}

#[test]
fn what_a_tracker_has_by_http_is_seen() {
    let fake = Fake::http(|line| match line.contains("/scrape") {
        true => page("404 Not Found", b""),
        false => page(
            "200 OK",
            b"d11:external ip4:\xc0\x00\x02\x078:intervali60e5:peersle6:peers60:\
              15:warning message5:hurrye",
        ),
    });
    let url = url("http", fake.addr);
    let text = fine(&["check", &url]);
    for part in [
        "; it sees us as 192.0.2.7\n",
        "scrape      no: it answers with status 404\n",
        "connections close\n",
        "warning     hurry\n",
        "BEP         3, 7, 24\n",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    let text = fine(&["announce", &url, HASH]);
    assert!(text.ends_with("again in 60 s\nwarning: hurry\n"), "{text}");
    faulty(
        &["scrape", &url, HASH],
        &["no answer: it answers with status 404"],
    );
    let odd = format!("http://{}/a", fake.addr);
    faulty(
        &["scrape", &odd, HASH],
        &["its URL has no place for scrapes"],
    );
}

#[cfg(feature = "tls")]
#[test]
fn https_is_asked_with_a_certificate_that_is_believed_only() {
    let setup = Setup::new()
        .file("pem", include_str!("../tls/one.pem"))
        .file("key", include_str!("../tls/one.key"));
    let (pem, key) = (setup.path("pem"), setup.path("key"));
    let tracker = setup
        .setting("listen.https 127.0.0.1:0")
        .setting(&format!("tls.certificate {}", pem.display()))
        .setting(&format!("tls.key {}", key.display()))
        .start();
    let url = url("https", tracker.https());
    let check = || Setup::bare().arg("check").arg(&url);
    let ended = check()
        .variable("SSL_CERT_FILE", pem.to_str().unwrap())
        .run();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("https 127.0.0.1:"), "{ended:?}");
    let ended = check().run();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("certificate"), "{ended:?}");
    tracker.stop();
}

#[test]
fn nonsense_on_the_command_line_is_refused() {
    let url = "udp://127.0.0.1:1";
    for (words, part) in [
        (&["check"][..], "it is trackerd check URL|HOST:PORT [HASH]"),
        (&["announce", url], "it is trackerd announce URL HASH"),
        (&["scrape", url], "it is trackerd scrape URL HASH..."),
        (&["announce", url, HASH, HASH], "it is trackerd announce"),
        (&["check", url, "12"], "check `12`: no info-hash"),
        (&["check", url, "--hsts"], "check --hsts: unknown option"),
        (&["check", url, "-4", "-6"], "only IPv4 and only IPv6"),
        (
            &["check", url, "--timeout", "0"],
            "it is a number from 1 to 3600",
        ),
        (&["check", url, "--timeout"], "needs a value: SECONDS"),
        (
            &["announce", url, HASH, "-p", "0"],
            "others can't reach port 0",
        ),
        (
            &["announce", url, HASH, "--event", "x"],
            "it is started, completed",
        ),
        (&["check", "127.0.0.1"], "no tracker's URL"),
        (&["check", "wss://127.0.0.1:1"], "no tracker's URL"),
        (&["announce", "127.0.0.1:1", HASH], "no tracker's URL"),
        (&["chekc", url], "`chekc`: is no option"),
    ] {
        let ended = run(words);
        assert_eq!(ended.code, Some(64), "{words:?}: {ended:?}");
        assert!(ended.stderr.contains(part), "no `{part}` in {ended:?}");
        assert_eq!(ended.stdout, "");
    }
    let help = fine(&["check", "--help"]);
    assert!(help.contains("trackerd scrape URL HASH..."), "{help}");
}

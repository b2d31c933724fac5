//! The meta-tracker: what another tracker knows goes into the answers of those who ask for it.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;

use crate::harness::http::{Http, request};
use crate::harness::peer::{Announce, Event, compact, scrape_target, torrent};
use crate::harness::tracker::{Setup, Tracker};
use crate::harness::udp::Udp;
use crate::harness::{PATIENCE, eventually};

pub const CLIENT: &str = "127.0.0.5";

/// What is waited for has time, however busy the machine is.
pub const HOLD: &str = "meta.hold 10000";

/// A tracker that passes things on to another on this machine.
fn meta(upstream: &Tracker, more: &[&str]) -> Setup {
    passing_on(upstream.udp(), more)
}

pub fn passing_on(upstream: SocketAddr, more: &[&str]) -> Setup {
    let url = format!("# ours\nudp://{upstream}/announce\n");
    let setup = Setup::new().file("trackers", &url);
    let settings = settings(&setup.path("trackers"), more);
    settings
        .lines()
        .fold(setup, |setup, line| setup.setting(line))
}

/// Settings of a tracker that passes things on to those in a file, and to nobody else.
pub fn settings(trackers: &Path, more: &[&str]) -> String {
    let mut lines = vec![
        "meta.mode lan",
        "meta.list_url none",
        "meta.allow_private yes",
        "meta.refresh 5",
    ];
    if cfg!(feature = "dht") {
        lines.push("meta.dht off");
    }
    if cfg!(feature = "pex") {
        lines.push("meta.pex no");
    }
    lines.extend(more);
    format!(
        "{}\nmeta.upstreams {}\n",
        lines.join("\n"),
        trackers.display()
    )
}

pub fn from(client: &str, tracker: &Tracker) -> Http {
    Http::connect_from(client.parse().unwrap(), tracker.tcp())
}

/// Where the peers are that an announce is told of by HTTP.
pub fn peers(client: &str, tracker: &Tracker, target: &str) -> Vec<SocketAddr> {
    let answer = from(client, tracker).get(target).bencoded();
    compact(answer.bytes("peers"), false)
}

pub fn asking(announce: &Announce) -> String {
    announce.target().replace("/announce?", "/announce?meta=1&")
}

pub fn asking_by_udp(announce: &Announce, id: u64) -> Vec<u8> {
    let mut datagram = announce.datagram(id, 9);
    datagram.extend([2, 16]);
    datagram.extend(b"/announce?meta=1");
    datagram
}

/// A torrent that only the other tracker knows, and a seeder of it.
pub fn seeded(upstream: &Tracker, number: u64) -> ([u8; 20], SocketAddr) {
    let hash = torrent(number);
    from("127.0.0.2", upstream).announce(&Announce::seeder(hash, 7001));
    (hash, "127.0.0.2:7001".parse().unwrap())
}

#[test]
fn what_another_tracker_knows_is_told_to_those_who_ask() {
    let upstream = Setup::new().start();
    let tracker = meta(&upstream, &["meta.public_proof no", HOLD]).start();
    let (hash, seeder) = seeded(&upstream, 1);
    let leecher = Announce::leecher(hash, 7002).event(Event::Started);
    assert_eq!(peers("127.0.0.9", &tracker, &leecher.target()), []);
    // Whoever is there already is told of as well, and first; he himself is not.
    let own: SocketAddr = "127.0.0.9:7002".parse().unwrap();
    let mut told = peers(CLIENT, &tracker, &asking(&leecher));
    told.sort();
    assert_eq!(told, [seeder, own]);
    // By UDP the URL is an option (BEP 41).
    let ip: IpAddr = "127.0.0.6".parse().unwrap();
    let client = Udp::connect_from(ip, tracker.udp());
    let datagram = asking_by_udp(&Announce::leecher(hash, 7003), client.id);
    client.socket.send_to(&datagram, tracker.udp()).unwrap();
    let mut room = [0; 1500];
    let (len, _) = client.socket.recv_from(&mut room).unwrap();
    assert!(compact(&room[20..len], false).contains(&seeder));
    // The other tracker is told of the client, and of his end.
    let counted = || {
        let answer = from(CLIENT, &upstream).get(&scrape_target(&[hash])).text();
        answer.contains("10:incompletei2e")
    };
    eventually("both clients are announced", counted);
    let scrape = scrape_target(&[hash]).replace("/scrape?", "/scrape?meta=1&");
    let text = from(CLIENT, &tracker).get(&scrape).text();
    assert!(text.contains("8:completei1e"), "{text}");
    let bye = Announce::leecher(hash, 7002).event(Event::Stopped);
    from(CLIENT, &tracker).get(&asking(&bye));
    eventually("one of them has left there", || !counted());
}

/// A tracker by UDP whose answers are in the hands of the test.
pub struct Upstream(UdpSocket);

impl Upstream {
    pub fn new() -> Upstream {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Upstream(socket)
    }

    pub fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Waits for a request of this kind; its transaction, and who asks.
    #[track_caller]
    pub fn asked(&self, action: u8) -> ([u8; 4], SocketAddr) {
        let mut room = [0; 1500];
        loop {
            let (len, from) = self.0.recv_from(&mut room).expect("it is not asked");
            // What it gave no answer to comes again.
            if len >= 16 && room[11] == action {
                return (room[12..16].try_into().unwrap(), from);
            }
        }
    }

    fn answer(&self, action: u8, (transaction, to): ([u8; 4], SocketAddr), body: &[u8]) {
        let reply = [&[0, 0, 0, action], &transaction, body].concat();
        self.0.send_to(&reply, to).unwrap();
    }
}

/// What some have said already is no reason not to wait for the others.
#[test]
fn those_who_ask_later_are_told_as_much() {
    let upstream = Upstream::new();
    let setup = passing_on(upstream.addr(), &["meta.public_proof no", HOLD]);
    let tracker = setup.workers(1).start();
    let hash = torrent(6);
    let ask = |client: &str, port| {
        let ip: IpAddr = client.parse().unwrap();
        let client = Udp::connect_from(ip, tracker.udp());
        let announce = Announce::leecher(hash, port);
        client.send(&asking_by_udp(&announce, client.id));
        client
    };
    let first = ask(CLIENT, 7002);
    upstream.answer(0, upstream.asked(0), &[7; 8]);
    // It knows a seeder. Who he is takes it some time.
    upstream.answer(2, upstream.asked(2), &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    let asked = upstream.asked(1);
    let scrape = scrape_target(&[hash]).replace("/scrape?", "/scrape?meta=1&");
    eventually("the counts are known", || {
        let text = from(CLIENT, &tracker).get(&scrape).text();
        text.contains("8:completei1e")
    });
    let second = ask("127.0.0.6", 7003);
    let text = || from(CLIENT, &tracker).get("/stats?mode=meta").text();
    eventually("both are heard of", || text().contains(" clients 2 "));
    let told = [0, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, 127, 0, 0, 2, 0x1b, 0x59];
    upstream.answer(1, asked, &told);
    let seeder: SocketAddr = "127.0.0.2:7001".parse().unwrap();
    for client in [first, second] {
        let reply = client.reply();
        assert!(compact(&reply[20..], false).contains(&seeder), "{reply:?}");
    }
    tracker.stop();
}

#[test]
fn others_are_not_asked_for_what_they_must_not_know() {
    let upstream = Setup::new().start();
    let setup = meta(&upstream, &["meta.hold 300"]);
    let tracker = setup.start();
    let (hash, _) = seeded(&upstream, 2);
    // Nobody listens there to prove that the torrent is public.
    let leecher = Announce::leecher(hash, 7002);
    for _ in 0..3 {
        assert_eq!(peers(CLIENT, &tracker, &asking(&leecher)), []);
    }
    // The URL of somebody's own tracker was pasted.
    let keyed = asking(&leecher).replace("/announce?", "/announce?passkey=0123456789&");
    assert_eq!(peers(CLIENT, &tracker, &keyed), []);
    let text = || from(CLIENT, &tracker).get("/stats?mode=meta").text();
    eventually("the proof has failed", || {
        text().contains(" unproven 1 clients 1")
    });
    assert!(text().contains("swarms 1 public 0"), "{}", text());
    let counters = from(CLIENT, &upstream).get("/stats?mode=counters").text();
    assert!(counters.contains("udp received: 0 0"), "{counters}");
}

#[test]
fn what_is_known_of_others_is_kept_and_told() {
    let upstream = Setup::new().start();
    let setup = meta(&upstream, &["meta.public_proof no"]).open_folder();
    let state = setup.path("state");
    let tracker = setup
        .setting(&format!("meta.state {}", state.display()))
        .start();
    let (hash, seeder) = seeded(&upstream, 3);
    let leecher = Announce::leecher(hash, 7002);
    assert_eq!(peers(CLIENT, &tracker, &asking(&leecher)), [seeder]);
    let url = format!("udp://{}/announce", upstream.udp());
    let text = from(CLIENT, &tracker).get("/stats?mode=meta").text();
    let line = text.lines().find(|line| line.ends_with(&url)).unwrap();
    assert!(line.starts_with("good "), "{text}");
    let args = [
        format!("--listen.tcp={}", tracker.tcp()),
        "--stats".to_owned(),
    ];
    let told = told(&args);
    assert!(told.lines().any(|line| line.ends_with(&url)), "{told}");
    tracker.signal("TERM");
    eventually("it is written down", || {
        let kept = std::fs::read_to_string(&state).unwrap_or_default();
        kept.contains(&format!("tracker {url} file "))
    });
}

/// What the program says, started so.
#[track_caller]
fn told(args: &[String]) -> String {
    let asked = args.iter().fold(Setup::bare(), |setup, arg| setup.arg(arg));
    let ended = asked.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.stdout
}

#[test]
fn it_is_told_where_a_proxys_preface_is_wanted() {
    let upstream = Setup::new().start();
    let proxied = ["access.proxy 127.0.0.1", "access.proxy_protocol yes"];
    let tracker = meta(&upstream, &proxied).start();
    let args = [
        format!("--listen.tcp={}", tracker.tcp()),
        "--access.proxy=127.0.0.1".to_owned(),
        "--access.proxy_protocol=yes".to_owned(),
        "--stats".to_owned(),
    ];
    let told = told(&args);
    let url = format!("udp://{}/announce", upstream.udp());
    assert!(told.contains(&url), "{told}");
    tracker.stop();
}

/// What a tracker refuses that passes nothing on, or is too far away.
#[test]
fn who_does_not_get_it_is_served_all_the_same() {
    let plain = Setup::new().start();
    let (hash, seeder) = seeded(&plain, 4);
    let leecher = Announce::leecher(hash, 7002);
    assert_eq!(peers(CLIENT, &plain, &asking(&leecher)), [seeder]);
    let answer = from(CLIENT, &plain).ask(request("/stats?mode=meta"));
    assert_eq!(answer.status, 500);
    let upstream = Setup::new().start();
    let (hash, _) = seeded(&upstream, 5);
    let few = ["meta.public_proof no", "meta.clients 127.0.0.8"];
    let tracker = meta(&upstream, &few).start();
    let leecher = Announce::leecher(hash, 7002);
    assert_eq!(peers(CLIENT, &tracker, &asking(&leecher)), []);
    assert_eq!(peers("127.0.0.8", &tracker, &asking(&leecher)).len(), 2);
}

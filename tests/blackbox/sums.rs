//! The counters add up: for everything that came in there is a reply, a refusal or a count that
//! says why there is none.

use std::net::{IpAddr, Ipv4Addr, Shutdown};

use crate::harness::http::{Http, request};
use crate::harness::peer::{Announce, torrent};
use crate::harness::tracker::{Setup, Tracker};
use crate::harness::udp::{Udp, connect, scrape};
use crate::harness::{Random, eventually, has_ipv6};

crate::for_workers!(datagrams_add_up, requests_add_up);

/// Few enough for a socket to keep while its worker does something else.
const BURST: usize = 60;

const BURSTS: u64 = 12;

/// Every counter by its name, both families together.
struct Counters(String);

impl Counters {
    fn of(tracker: &Tracker) -> Counters {
        // From an address that is neither limited nor counted as one of the clients.
        let mut http = Http::connect_from(IpAddr::V4(Ipv4Addr::new(127, 9, 9, 9)), tracker.tcp());
        Counters(http.get("/stats?mode=counters").text())
    }

    #[track_caller]
    fn sum(&self, names: &[&str]) -> u64 {
        let of = |name: &str| {
            let mut lines = self.0.lines().filter_map(|line| line.split_once(": "));
            let (_, numbers) = lines.find(|(found, _)| *found == name).expect("a counter");
            let numbers = numbers.split(' ').map(|n| n.parse::<u64>().unwrap());
            numbers.sum::<u64>()
        };
        names.iter().map(|name| of(name)).sum()
    }
}

/// With limits that are soon reached, for this machine too.
fn strict(workers: usize) -> Setup {
    let setup = if has_ipv6() {
        Setup::both_families()
    } else {
        Setup::new()
    };
    let settings = [
        "limit.exempt 127.9.0.0/16",
        "limit.announces_per_sec 1",
        "limit.scrapes_per_sec 1",
        "limit.connects_per_sec 1",
        "limit.burst_secs 8",
        "limit.strikes 200",
        "limit.strike_secs 60",
        "limit.ban_secs 2",
        "access.deny 127.0.0.9",
    ];
    let setup = setup.workers(workers);
    settings
        .iter()
        .fold(setup, |setup, line| setup.setting(line))
}

fn datagrams_add_up(workers: usize) {
    let tracker = strict(workers).start();
    let ip = |last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    let mut clients: Vec<_> = (2..8)
        .map(|last| Udp::connect_from(ip(last), tracker.udp()))
        .collect();
    clients.push(Udp::stranger(ip(9), tracker.udp()));
    let mut sent = 6;
    if has_ipv6() {
        clients.push(Udp::connect(tracker.udp6()));
        sent += 1;
    }
    let mut random = Random::new(workers as u64);
    for _ in 0..BURSTS {
        for _ in 0..BURST {
            let client = &clients[random.next() as usize % clients.len()];
            client.send(&anything(client.id, &mut random));
        }
        sent += BURST as u64;
        eventually("every datagram is counted, and its fate", || {
            let counters = Counters::of(&tracker);
            let fates = ["udp sent", "udp unsent", "udp malformed", "udp unanswered"];
            let received = counters.sum(&["udp received"]);
            received == sent && counters.sum(&fates) == sent
        });
    }
    let counters = Counters::of(&tracker);
    for name in [
        "udp sent",
        "udp malformed",
        "udp unanswered",
        "udp muted",
        "too fast",
        "denied networks",
        "udp failures",
    ] {
        assert!(counters.sum(&[name]) > 0, "{name} has not come about");
    }
    tracker.stop();
}

/// A datagram that a client may send, or a stranger, or nobody.
fn anything(id: u64, random: &mut Random) -> Vec<u8> {
    let n = random.next();
    let announce = Announce::leecher(torrent(n % 8), (n % 3) as u16);
    match random.next() % 9 {
        0 => connect(1),
        1 => scrape(id, 2, &[torrent(1), torrent(2), torrent(3)]),
        2 => scrape(id ^ 1, 3, &[torrent(1)]),
        3 => scrape(n, 4, &[]),
        4 => random.bytes(n as usize % 1600),
        5 => announce.datagram(id, 5)[..n as usize % 98].to_vec(),
        6 => announce.datagram(n, 6),
        _ => announce.datagram(id, 7),
    }
}

fn requests_add_up(workers: usize) {
    let tracker = Setup::new().workers(workers).start();
    let mut random = Random::new(workers as u64);
    for n in 0..60 {
        let mut http = Http::connect(tracker.tcp());
        let targets = [
            "/stats",
            "/scrape",
            "/stats?mode=top10",
            "/nowhere",
            "/announce?port=1",
        ];
        let announces = (0..random.next() % 20).map(|_| {
            let announce = Announce::leecher(torrent(random.next() % 50), 7000);
            request(&announce.target())
        });
        let mut bytes: String = announces.collect();
        bytes += &request(targets[n % targets.len()]);
        bytes += ["", "GET", "nonsense\r\n\r\n", "POST / HTTP/1.1\r\n\r\n"][n / 5 % 4];
        http.send(bytes);
        match n % 3 {
            0 => {
                http.end();
                while http.try_answer().is_some() {}
            }
            1 => {
                let _ = http.stream.shutdown(Shutdown::Both);
            }
            // Closed with answers under way.
            _ => drop(http),
        }
    }
    eventually("every request is counted, and its fate", || {
        let counters = Counters::of(&tracker);
        // The one that asks is not answered yet.
        counters.sum(&["http requests"]) == 1 + counters.sum(&["http answered", "http unanswered"])
    });
    tracker.stop();
}

//! What one source is granted, and who is granted nothing.

use std::io::Write;
use std::net::IpAddr;

use crate::for_workers;
use crate::harness::bencode::Value;
use crate::harness::eventually;
use crate::harness::http::{Http, request};
use crate::harness::peer::{Announce, Event, scrape_target, torrent};
use crate::harness::tracker::{Setup, Tracker};
use crate::harness::udp::{Refusal, Udp, connect, scrape};

for_workers!(
    whoever_asks_too_often_is_turned_away,
    who_comes_too_early_is_told_of_nobody,
    swarms_take_in_so_many,
);

/// One whom loopback is as strange as anything.
fn strict(settings: &[&str]) -> Setup {
    let setup = Setup::new().setting("limit.exempt 127.9.0.0/16");
    settings
        .iter()
        .fold(setup, |setup, line| setup.setting(line))
}

fn ip(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

/// What one counter says of IPv4.
#[track_caller]
fn count(tracker: &Tracker, name: &str) -> u64 {
    // From an address that no test uses otherwise.
    let mut http = Http::connect_from([127, 9, 9, 9].into(), tracker.tcp());
    let text = http.get("/stats?mode=counters").text();
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix(&format!("{name}: ")));
    let number = line.unwrap_or_else(|| panic!("no {name}"));
    number.split(' ').next().unwrap().parse().unwrap()
}

fn whoever_asks_too_often_is_turned_away(workers: usize) {
    let tracker = strict(&["limit.announces_per_sec 2", "limit.burst_secs 5"])
        .workers(workers)
        .start();
    let greedy = Udp::connect_from(ip(2), tracker.udp());
    let announce = Announce::leecher(torrent(1), 7000);
    let told = |udp: &Udp| udp.told(&announce.datagram(udp.id, 9)).len();
    let served: usize = (0..100).map(|_| told(&greedy)).sum();
    // It takes less than 30 seconds, in which 2 a second are granted by the one worker it is.
    assert!((10..70).contains(&served), "{served}");
    assert!(count(&tracker, "too fast") >= 30);
    // Others are served, and so is what else it asks for.
    assert_eq!(
        Udp::connect_from(ip(3), tracker.udp())
            .announce(&announce)
            .leechers,
        2
    );
    assert_eq!(greedy.scrape(&[torrent(1)])[0].leechers, 2);
    // HTTP says so, and when to come back.
    let mut http = Http::connect_from(ip(4), tracker.tcp());
    let answers = (0..40).map(|_| http.get(&announce.target()));
    let refused = answers.filter(|answer| answer.bencoded().find("failure reason").is_some());
    let last = refused.last().unwrap().bencoded();
    assert!(last.text("failure reason").contains("Too many requests"));
    assert_eq!((last.int("retry in"), last.int("interval") > 0), (1, true));
}

#[test]
fn scrapes_connects_and_connections_have_limits_of_their_own() {
    let settings = [
        "limit.scrapes_per_sec 1",
        "limit.connects_per_sec 1",
        "limit.connections_per_sec 1",
        "limit.burst_secs 8",
    ];
    let tracker = strict(&settings).workers(1).start();
    let udp = Udp::connect_from(ip(2), tracker.udp());
    // A few at a time: more may find no room to wait.
    eventually("scrapes and complaints are limited", || {
        for n in 0..20 {
            udp.send(&scrape(udp.id, n, &[torrent(1)]));
            udp.send(&scrape(77, n, &[torrent(1)]));
        }
        count(&tracker, "too fast") >= 100 && count(&tracker, "udp muted") >= 100
    });
    let mut http: Vec<_> = (0..60)
        .map(|_| Http::connect_from(ip(3), tracker.tcp()))
        .collect();
    let target = scrape_target(&[torrent(1)]);
    for http in &mut http {
        // Those already turned away may not take it.
        let _ = http.stream.write_all(request(&target).as_bytes());
    }
    let answered = http.iter_mut().filter_map(Http::try_answer).count();
    assert!((8..50).contains(&answered), "{answered}");
}

/// Who forges an address can't have its owner refused.
#[test]
fn wrong_ids_ban_nobody() {
    let settings = [
        "limit.strikes 5",
        "limit.strike_secs 60",
        "limit.ban_secs 600",
    ];
    let tracker = strict(&settings).workers(2).start();
    let owner = Udp::connect_from(ip(2), tracker.udp());
    let forger = Udp::connect_from(ip(2), tracker.udp());
    let wrong = scrape(1, 1, &[torrent(1)]);
    let complaints: usize = (0..50).map(|_| forger.told(&wrong).len()).sum();
    assert!((5..=10).contains(&complaints), "{complaints}");
    assert_eq!(
        owner
            .announce(&Announce::leecher(torrent(1), 7000))
            .leechers,
        1
    );
    assert_ne!(owner.fresh_id(), 0);
    assert_eq!((count(&tracker, "bans"), count(&tracker, "banned")), (0, 0));
}

#[test]
fn too_many_faults_bring_a_ban_that_ends() {
    let settings = [
        "limit.strikes 5",
        "limit.strike_secs 60",
        "limit.ban_secs 2",
    ];
    let setup = strict(&settings).workers(1).file("list", "");
    let path = setup.path("list");
    let setup = setup.setting(&format!("access.whitelist {}", path.display()));
    let tracker = setup.start();
    let announce = Announce::leecher(torrent(1), 7000);
    let mut http = Http::connect_from(ip(2), tracker.tcp());
    for _ in 0..5 {
        assert!(
            http.get(&announce.target())
                .failure()
                .contains("not authorized")
        );
    }
    let told = http.get(&announce.target()).bencoded();
    assert!(told.text("failure reason").contains("banned"));
    assert_eq!(told.int("retry in"), 1);
    // By UDP, and what is no announce.
    let udp = Udp::connect_from(ip(2), tracker.udp());
    assert!(udp.told(&announce.datagram(udp.id, 9)).is_empty());
    assert!(udp.told(&scrape(udp.id, 1, &[torrent(1)])).is_empty());
    let mut other = Http::connect_from(ip(3), tracker.tcp());
    assert!(
        other
            .get(&announce.target())
            .failure()
            .contains("not authorized")
    );
    assert_eq!(count(&tracker, "bans"), 1);
    eventually("the ban ends", || {
        udp.told(&scrape(udp.id, 1, &[torrent(1)])).len() == 1
    });
}

#[test]
fn the_denied_get_nothing() {
    let setup = Setup::new().file("denied", "# them\n127.0.0.4 x\n127.1.0.0/16\nwhat\n");
    let path = setup.path("denied");
    let setup = setup.setting(&format!("access.deny_file {}", path.display()));
    let setup = setup.setting("access.deny 127.0.0.3");
    let tracker = setup.setting("access.proxy 127.0.0.9").workers(1).start();
    tracker.wait_for_line("denied:4: no network");
    let serves = |ip: IpAddr| {
        let mut http = Http::connect_from(ip, tracker.tcp());
        // Those already turned away may not take it.
        let _ = http.stream.write_all(request("/stats").as_bytes());
        let by_http = http.try_answer().is_some();
        let by_udp = Udp::stranger(ip, tracker.udp());
        by_udp.send(&connect(1));
        // Whoever is behind it is served later.
        let after = Udp::connect_from(self::ip(8), tracker.udp());
        assert_ne!(after.id, 0);
        by_udp.socket.set_nonblocking(true).unwrap();
        let by_udp = by_udp.socket.recv(&mut [0; 100]).is_ok();
        assert_eq!(by_http, by_udp, "{ip}");
        by_http
    };
    let all = [ip(2), ip(3), ip(4), [127, 1, 2, 3].into()];
    assert_eq!(all.map(serves), [true, false, false, false]);
    assert!(count(&tracker, "denied networks") >= 6);
    // Whom a proxy speaks for is told so.
    let forwarded = |from: &str| -> Value {
        let target = Announce::leecher(torrent(1), 7000).target();
        let mut http = Http::connect_from(ip(9), tracker.tcp());
        let head = format!("GET {target} HTTP/1.1\r\nX-Forwarded-For: {from}\r\n\r\n");
        http.ask(head).bencoded()
    };
    assert_eq!(forwarded("127.1.0.1").text("retry in"), "never");
    assert!(forwarded("127.2.0.1").find("failure reason").is_none());
    tracker.replace("denied", "127.0.0.2\n");
    tracker.reload("reload: done");
    assert_eq!(all.map(serves), [false, false, true, true]);
    tracker.replace("denied", "nonsense\n");
    tracker.reload("there is no network in it");
    assert_eq!(all.map(serves), [false, false, true, true]);
}

#[test]
fn programs_are_allowed_and_denied_by_what_they_call_themselves() {
    let setup = Setup::new()
        .setting("access.peer_id_deny -XX00")
        .setting("access.agent_deny Mozilla/")
        .setting("access.program_text Not you.");
    let tracker = setup.start();
    let announce = Announce::leecher(torrent(1), 7000);
    let told = |target: &str, agent: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nUser-Agent: {agent}\r\n\r\n");
        Http::connect(tracker.tcp()).ask(head).bencoded()
    };
    // Tests call themselves -XX0001-.
    let target = announce.target();
    let refused = told(&target, "Fine/1.0");
    assert_eq!(refused.text("failure reason"), "Not you.");
    assert_eq!(refused.text("retry in"), "never");
    let udp = Udp::connect(tracker.udp());
    let reply = udp.ask(&announce.datagram(udp.id, 3));
    assert_eq!(Refusal::parse(&reply).unwrap().text, "Not you.");
    let leaving = announce.event(Event::Stopped).target();
    assert!(
        told(&leaving, "mozilla/5.0")
            .find("failure reason")
            .is_none()
    );
    let other = target.replace("-XX0001-", "-YY0001-");
    assert!(told(&other, "Fine/1.0").find("failure reason").is_none());
    assert!(told(&other, "mozilla/5.0").find("failure reason").is_some());
    assert_eq!(count(&tracker, "programs refused"), 3);
    tracker.configure("listen.tcp_udp 127.0.0.1:0\naccess.peer_id_allow -XX\n");
    tracker.reload("reload: done");
    assert!(
        told(&target, "mozilla/5.0")
            .find("failure reason")
            .is_none()
    );
    assert!(
        told(&other, "Fine/1.0")
            .text("failure reason")
            .contains("client is not allowed")
    );
}

fn who_comes_too_early_is_told_of_nobody(workers: usize) {
    let setup = Setup::new().workers(workers);
    let tracker = setup.setting("tracker.enforce_interval yes").start();
    let seeder = Announce::seeder(torrent(1), 7000);
    let leecher = Announce::leecher(torrent(1), 7001);
    let udp = Udp::connect(tracker.udp());
    let mut http = Http::connect(tracker.tcp());
    udp.announce(&seeder);
    assert_eq!(udp.announce(&leecher).peers.len(), 1);
    let told = udp.announce(&leecher);
    assert_eq!((told.peers.len(), told.seeders, told.leechers), (0, 1, 1));
    assert!(told.interval > 1000);
    let told = http.get(&leecher.target()).bencoded();
    assert_eq!((told.bytes("peers"), told.int("complete")), (&b""[..], 1));
    assert!(told.int("interval") > 1000 && told.int("min interval") == 900);
    // To have completed is a reason, and to leave always works.
    let done = Announce::seeder(torrent(1), 7001).event(Event::Completed);
    let told = http.announce(&done);
    assert_eq!((told.seeders, told.completed), (2, 1));
    assert_eq!(udp.announce(&done.event(Event::Stopped)).seeders, 1);
    assert_eq!(count(&tracker, "too early"), 2);
    tracker.configure("listen.tcp_udp 127.0.0.1:0\n");
    tracker.reload("reload: done");
    udp.announce(&leecher);
    assert_eq!(udp.announce(&leecher).peers.len(), 1);
}

fn swarms_take_in_so_many(workers: usize) {
    let setup = Setup::new().workers(workers);
    let setup = setup.setting("limit.torrent_peers_max 5");
    let tracker = setup.setting("limit.address_peers_max 2").start();
    let udp: Vec<_> = (2..6)
        .map(|n| Udp::connect_from(ip(n), tracker.udp()))
        .collect();
    for _ in 0..2 {
        for udp in &udp {
            for port in 7000..7003 {
                udp.announce(&Announce::leecher(torrent(1), port));
            }
        }
    }
    let told = udp[3].announce(&Announce::leecher(torrent(1), 7002));
    // Who is not taken in is told of others.
    assert_eq!((told.leechers, told.peers.len()), (5, 5));
    // The third of the first two addresses is one too many of these; all others come when the
    // swarm is full: 2 of the third address and 3 of the fourth, then 1, 1, 2, 3, and the last.
    assert_eq!(count(&tracker, "address full"), 2);
    assert_eq!(count(&tracker, "swarm full"), 13);
}

//! What SIGHUP changes of the meta-tracker, and what becomes of those who are waiting meanwhile.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use crate::harness::eventually;
use crate::harness::http::request;
use crate::harness::peer::{Announce, compact, percent, torrent};
use crate::harness::tracker::{Setup, Tracker};
use crate::harness::udp::Udp;
use crate::meta::{
    CLIENT, HOLD, Upstream, asking, asking_by_udp, from, passing_on, peers, seeded, settings,
};

const LISTEN: &str = "listen.tcp_udp 127.0.0.1:0\n";
const OPEN: &str = "meta.public_proof no";

/// Has the tracker go by these lines of the meta-tracker's.
#[track_caller]
fn change(tracker: &Tracker, more: &[&str]) {
    let settings = settings(&tracker.path("trackers"), more);
    tracker.configure(&format!("{LISTEN}{settings}"));
    tracker.reload("reload: done");
}

fn report(tracker: &Tracker) -> String {
    let answer = from(CLIENT, tracker).ask(request("/stats?mode=meta"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// The sum over both families of what is counted under a name.
fn count(tracker: &Tracker, name: &str) -> u64 {
    let text = from(CLIENT, tracker).get("/stats?mode=counters").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let counts = line.and_then(|line| line.strip_prefix(": "));
    let counts = counts.unwrap_or_else(|| panic!("no {name} in {text}"));
    counts.split(' ').map(|n| n.parse::<u64>().unwrap()).sum()
}

/// Clients that wait, half of them for another worker's torrents, when it is turned off.
#[test]
fn who_waits_when_it_is_turned_off_is_told_what_is_known_here() {
    let upstream = Upstream::new();
    let setup = passing_on(upstream.addr(), &[OPEN, HOLD]);
    let tracker = setup.workers(2).start();
    let local: SocketAddr = "127.0.0.9:7009".parse().unwrap();
    let hashes: Vec<_> = (10..18).map(torrent).collect();
    for hash in &hashes {
        let announce = Announce::seeder(*hash, local.port());
        from("127.0.0.9", &tracker).announce(&announce);
    }
    let ip: IpAddr = CLIENT.parse().unwrap();
    let by_udp = Udp::connect_from(ip, tracker.udp());
    let mut by_http: Vec<_> = hashes.iter().map(|_| from(CLIENT, &tracker)).collect();
    for (hash, http) in hashes.iter().zip(&mut by_http) {
        let announce = Announce::leecher(*hash, 7002);
        http.send(request(&asking(&announce)));
        by_udp.send(&asking_by_udp(&announce, by_udp.id));
    }
    let all = 2 * hashes.len() as u64;
    eventually("all wait", || count(&tracker, "meta held") == all);
    tracker.configure(LISTEN);
    tracker.reload("reload: done");
    for mut http in by_http {
        let answer = http.answer();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(compact(answer.bencoded().bytes("peers"), false), [local]);
    }
    for _ in &hashes {
        assert_eq!(compact(&by_udp.reply()[20..], false), [local]);
    }
    // Nothing is passed on any more, and nobody waits.
    let asked = asking(&Announce::leecher(hashes[0], 7002));
    assert_eq!(peers(CLIENT, &tracker, &asked), [local]);
    let answer = from(CLIENT, &tracker).ask(request("/stats?mode=meta"));
    assert_eq!(answer.status, 500);
    // And on again: it was no end for good.
    change(&tracker, &[OPEN, "meta.hold 0"]);
    eventually("it is on again", || {
        peers(CLIENT, &tracker, &asked);
        let answer = from(CLIENT, &tracker).ask(request("/stats?mode=meta"));
        answer.status == 200 && answer.text().starts_with("swarms 1 ")
    });
    tracker.stop();
}

#[test]
fn other_trackers_are_asked_once_their_file_says_so() {
    let (first, second) = (Setup::new().start(), Setup::new().start());
    let (hash, seeder) = seeded(&second, 20);
    let tracker = passing_on(first.udp(), &[OPEN, HOLD]).start();
    let leecher = asking(&Announce::leecher(hash, 7002));
    assert_eq!(peers(CLIENT, &tracker, &leecher), []);
    tracker.replace("trackers", &format!("udp://{}\n", second.udp()));
    change(&tracker, &[OPEN, HOLD]);
    eventually("the other is asked", || {
        peers(CLIENT, &tracker, &leecher) == [seeder]
    });
    let text = report(&tracker);
    let state = |of: &Tracker| {
        let url = format!("udp://{}", of.udp());
        let line = text.lines().find(|line| line.contains(&url)).unwrap();
        line.split(' ').next().unwrap().to_owned()
    };
    assert_eq!(
        (state(&first), state(&second)),
        ("unlisted".into(), "good".into())
    );
    tracker.stop();
}

/// The port was chosen by the system: no configuration names it.
#[test]
fn its_own_address_on_a_list_is_known_for_what_it_is() {
    let upstream = Setup::new().start();
    let (hash, seeder) = seeded(&upstream, 25);
    let tracker = passing_on(upstream.udp(), &[OPEN, HOLD]).start();
    let own = [
        format!("udp://{}/announce", tracker.udp()),
        format!("http://{}/announce", tracker.tcp()),
        format!("udp://{}", tracker.udp()),
    ];
    let all = format!("udp://{}\n{}\n", upstream.udp(), own.join("\n"));
    tracker.replace("trackers", &all);
    change(&tracker, &[OPEN, HOLD]);
    let leecher = asking(&Announce::leecher(hash, 7002));
    eventually("the other is asked", || {
        peers(CLIENT, &tracker, &leecher) == [seeder]
    });
    eventually("none of its own is asked again", || {
        let text = report(&tracker);
        let is_barred = |url: &String| {
            let line = text.lines().find(|line| line.ends_with(url));
            line.is_some_and(|line| line.starts_with("barred "))
        };
        own.iter().all(is_barred)
    });
    assert!(
        report(&tracker).contains(" echoes 0 "),
        "{}",
        report(&tracker)
    );
    tracker.stop();
}

#[test]
fn whose_and_which_torrents_are_passed_on_can_change() {
    let upstream = Setup::new().start();
    let tracker = passing_on(upstream.udp(), &[OPEN, HOLD]).start();
    let (hash, seeder) = seeded(&upstream, 30);
    let leecher = asking(&Announce::leecher(hash, 7002));
    assert_eq!(peers(CLIENT, &tracker, &leecher), [seeder]);
    // Others only.
    change(&tracker, &[OPEN, HOLD, "meta.clients 127.0.0.8"]);
    eventually("he is a stranger", || {
        peers(CLIENT, &tracker, &leecher).is_empty()
    });
    assert!(count(&tracker, "meta strangers") > 0);
    // Everybody again, but not with this torrent.
    let listed = percent(&hash).replace('%', "");
    tracker.replace("list", &listed);
    let deny = format!("meta.deny {}", tracker.path("list").display());
    change(&tracker, &[OPEN, HOLD, &deny]);
    eventually("it is denied", || {
        peers(CLIENT, &tracker, &leecher);
        count(&tracker, "meta denied") > 0
    });
    // Proof is wanted, of all torrents but this one.
    let allow = format!("meta.allow {}", tracker.path("list").display());
    change(&tracker, &[HOLD, &allow]);
    let (other, _) = seeded(&upstream, 31);
    let other = asking(&Announce::leecher(other, 7002));
    eventually("it needs no proof", || {
        peers(CLIENT, &tracker, &leecher) == [seeder]
    });
    assert_eq!(peers(CLIENT, &tracker, &other), []);
    // One torrent at a time, and nobody waits.
    change(&tracker, &[OPEN, "meta.hold 0", "meta.swarms_max 1"]);
    eventually("one had to go", || {
        report(&tracker).starts_with("swarms 1 ") && report(&tracker).contains(" evicted 1 ")
    });
    tracker.stop();
}

#[test]
fn a_setting_that_is_wrong_changes_nothing() {
    let upstream = Setup::new().start();
    let tracker = passing_on(upstream.udp(), &[OPEN, HOLD]).start();
    let (hash, seeder) = seeded(&upstream, 40);
    let bad = settings(&tracker.path("trackers"), &["meta.k 0"]);
    tracker.configure(&format!("{LISTEN}{bad}"));
    tracker.reload("the configuration in force stays");
    let gone = settings(&tracker.path("nowhere"), &[]);
    tracker.configure(&format!("{LISTEN}{gone}"));
    tracker.reload("and so do the settings");
    let leecher = asking(&Announce::leecher(hash, 7002));
    assert_eq!(peers(CLIENT, &tracker, &leecher), [seeder]);
    tracker.stop();
}

#[test]
fn what_is_known_goes_to_the_file_that_is_named_last() {
    let upstream = Setup::new().start();
    let setup = passing_on(upstream.udp(), &[OPEN, HOLD]).open_folder();
    let states = [setup.path("one"), setup.path("two")];
    let lines = states
        .each_ref()
        .map(|path| format!("meta.state {}", path.display()));
    let tracker = setup.setting(&lines[0]).start();
    let (hash, seeder) = seeded(&upstream, 50);
    let leecher = asking(&Announce::leecher(hash, 7002));
    assert_eq!(peers(CLIENT, &tracker, &leecher), [seeder]);
    change(&tracker, &[OPEN, HOLD, &lines[1]]);
    tracker.signal("TERM");
    eventually("it is written down", || {
        let kept = std::fs::read_to_string(&states[1]).unwrap_or_default();
        kept.contains(&format!("tracker udp://{}", upstream.udp()))
    });
    assert!(!states[0].exists());
}

/// A port that nobody has at present.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// A door of its own is there from the start, and until the end.
#[test]
fn doors_open_and_close_at_the_next_start() {
    let upstream = Setup::new().start();
    let (first, second) = (free_port(), free_port());
    let doors = [first, second].map(|addr| format!("meta.listen {addr}"));
    let tracker = passing_on(upstream.udp(), &[OPEN, HOLD, &doors[0]]).start();
    let (hash, seeder) = seeded(&upstream, 60);
    let leecher = Announce::leecher(hash, 7002).target();
    let told = |tracker: &Tracker, at: SocketAddr| {
        let tcp = tracker
            .addresses()
            .iter()
            .find(|(scheme, addr)| scheme == "tcp" && *addr == at);
        assert!(tcp.is_some(), "{:?}", tracker.addresses());
        let client = CLIENT.parse().unwrap();
        let mut http = crate::harness::http::Http::connect_from(client, at);
        compact(http.get(&leecher).bencoded().bytes("peers"), false)
    };
    assert_eq!(told(&tracker, first), [seeder]);
    assert_eq!(peers(CLIENT, &tracker, &leecher), []);
    // Another one, or none.
    for more in [&[OPEN, HOLD, &doors[1]][..], &[OPEN, HOLD]] {
        let said = "meta.listen: the change takes effect at the next start";
        let settings = settings(&tracker.path("trackers"), more);
        tracker.configure(&format!("{LISTEN}{settings}"));
        tracker.reload(said);
        tracker.wait_for_line("reload: done");
        assert!(TcpStream::connect(second).is_err());
        assert_eq!(told(&tracker, first), [seeder]);
    }
    // As it was.
    change(&tracker, &[OPEN, HOLD, &doors[0]]);
    assert_eq!(tracker.log().matches("next start").count(), 2);
    tracker.stop();
    // And one more than before.
    let tracker = passing_on(upstream.udp(), &[OPEN, HOLD]).start();
    change(&tracker, &[OPEN, HOLD, &doors[1]]);
    tracker.wait_for_line("meta.listen: the change takes effect at the next start");
    assert!(TcpStream::connect(second).is_err());
    assert_eq!(
        peers(CLIENT, &tracker, &asking(&Announce::leecher(hash, 7002))),
        [seeder]
    );
    tracker.stop();
}

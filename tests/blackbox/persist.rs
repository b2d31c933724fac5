//! Snapshots: who was in which swarm is known after a restart, whatever the end before it was.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::peer::{Announce, Event, torrent};
use crate::harness::tracker::{Setup, Tracker};
use crate::harness::udp::Udp;
use crate::harness::{Random, eventually};

/// A folder that outlives trackers, and may be written by whom they become.
struct Den(PathBuf);

impl Den {
    fn new() -> Den {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("trackerd-persist-{}-{count}", process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        Den(path)
    }

    fn file(&self, ending: &str) -> PathBuf {
        self.0.join(format!("swarms{ending}"))
    }

    fn setup(&self, workers: usize) -> Setup {
        let file = self.file("");
        let setup = Setup::new().workers(workers);
        setup.setting(&format!("persist.file {}", file.display()))
    }

    /// Where nothing is written unless asked for.
    fn start(&self, workers: usize) -> Tracker {
        self.setup(workers).setting("persist.interval 0").start()
    }
}

impl Drop for Den {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Has a snapshot written, and waits for it.
fn snapshot(tracker: &Tracker) {
    let said = || tracker.log().matches("snapshot of").count();
    let before = said();
    tracker.signal("USR2");
    eventually("a snapshot", || said() > before);
}

fn kill(tracker: Tracker) {
    tracker.signal("KILL");
    drop(tracker);
}

/// Two swarms and one that was left, but completed before.
fn fill(tracker: &Tracker) {
    let udp = Udp::connect(tracker.udp());
    for port in 1..=700 {
        udp.announce(&Announce::leecher(torrent(1), port));
    }
    udp.announce(&Announce::seeder(torrent(2), 7).event(Event::Completed));
    udp.announce(&Announce::seeder(torrent(3), 8).event(Event::Completed));
    udp.announce(&Announce::seeder(torrent(3), 8).event(Event::Stopped));
}

#[track_caller]
fn check(tracker: &Tracker) {
    let udp = Udp::connect(tracker.udp());
    let counts = udp.scrape(&[torrent(1), torrent(2), torrent(3)]);
    let counts: Vec<_> = counts
        .iter()
        .map(|c| (c.seeders, c.leechers, c.completed))
        .collect();
    assert_eq!(counts, [(0, 700, 0), (1, 0, 1), (0, 0, 1)]);
    let told = udp.announce(&Announce::leecher(torrent(2), 9));
    assert_eq!((told.seeders, told.leechers), (1, 1));
    assert_eq!(told.peers.len(), 1);
    udp.announce(&Announce::leecher(torrent(2), 9).event(Event::Stopped));
}

#[test]
fn swarms_outlive_a_kill_with_any_number_of_workers() {
    let den = Den::new();
    let tracker = den.start(2);
    tracker.wait_for_line("no snapshot yet");
    fill(&tracker);
    snapshot(&tracker);
    kill(tracker);
    for workers in [1, 3, 2] {
        let tracker = den.start(workers);
        tracker.wait_for_line("701 peers of 701 are back");
        check(&tracker);
        snapshot(&tracker);
        kill(tracker);
    }
    let mode = fs::metadata(den.file("")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!den.file(".new").exists());
}

#[test]
fn the_end_writes_and_so_does_the_interval() {
    let den = Den::new();
    let tracker = den.start(2);
    fill(&tracker);
    tracker.stop();
    let tracker = den.setup(1).setting("persist.interval 1").start();
    check(&tracker);
    let said = || tracker.log().matches("snapshot of").count();
    eventually("two snapshots", || said() > 1);
    // Less often from now on.
    let file = den.file("");
    tracker.configure(&format!(
        "listen.tcp_udp 127.0.0.1:0\ntracker.workers 1\npersist.file {}\npersist.interval 0\n",
        file.display()
    ));
    tracker.reload("reload: done");
    // One may be under way.
    let before = said();
    thread::sleep(Duration::from_millis(3500));
    assert!(said() <= before + 1);
}

#[cfg(feature = "api")]
#[test]
fn the_api_writes() {
    use crate::harness::http::Http;
    let den = Den::new();
    let tracker = den.setup(2).setting("api.listen 127.0.0.1:0").start();
    fill(&tracker);
    let line = tracker.wait_for_line("api: listening on ");
    let to = line.rsplit(' ').next().unwrap().parse().unwrap();
    let ask = |method: &str| {
        let mut http = Http::connect(to);
        http.ask(format!(
            "{method} /v1/snapshot HTTP/1.1\r\nHost: {to}\r\nX-Trackerd: 1\r\n\r\n"
        ))
    };
    assert_eq!(ask("GET").status, 405);
    let answer = ask("POST");
    assert_eq!(answer.status, 202);
    assert!(
        answer.text().contains("\"under_way\":"),
        "{}",
        answer.text()
    );
    tracker.wait_for_line("snapshot of 701 peers");
    let count = || {
        Http::connect(tracker.tcp())
            .get("/stats?mode=counters")
            .text()
    };
    eventually("it is counted", || count().contains("\nsnapshots: 1 0\n"));
    kill(tracker);
    check(&den.start(1));
}

#[test]
fn what_is_not_whole_is_set_aside() {
    let den = Den::new();
    let tracker = den.start(1);
    fill(&tracker);
    tracker.stop();
    let whole = fs::read(den.file("")).unwrap();
    let mut flipped = whole.clone();
    let middle = whole.len() / 2;
    flipped[middle] ^= 4;
    let mut newer = whole.clone();
    newer[11] = 2;
    let cases = [
        (whole[..whole.len() - 1].to_vec(), "damaged"),
        (whole[..middle].to_vec(), "damaged"),
        (flipped, "damaged"),
        (newer, "version 2"),
        (b"HASH:1:2\n".repeat(9), "no snapshot"),
        (Vec::new(), "no snapshot"),
    ];
    for (bytes, why) in cases {
        fs::write(den.file(""), &bytes).unwrap();
        let tracker = den.start(2);
        tracker.wait_for_line(why);
        let udp = Udp::connect(tracker.udp());
        let counts = udp.scrape(&[torrent(1)]);
        assert_eq!((counts[0].leechers, counts[0].seeders), (0, 0));
        assert_eq!(fs::read(den.file(".bad")).unwrap(), bytes);
        assert!(!den.file("").exists());
        kill(tracker);
    }
    fs::write(den.file(""), whole).unwrap();
    check(&den.start(2));
}

#[test]
fn lists_and_limits_apply_to_who_comes_back() {
    let den = Den::new();
    let tracker = den.start(1);
    fill(&tracker);
    tracker.stop();
    let hash: String = torrent(1)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let setup = den.setup(2).setting("persist.interval 0");
    let list = setup.path("black");
    let tracker = setup
        .file("black", &format!("{hash}\n"))
        .setting(&format!("access.blacklist {}", list.display()))
        .start();
    tracker.wait_for_line("1 peers of 701 are back");
    tracker.wait_for_line("700 not allowed");
    kill(tracker);
    let setup = den.setup(1).setting("persist.interval 0");
    let tracker = setup.setting("tracker.max_peers 100").start();
    tracker.wait_for_line("100 peers of 701 are back");
    tracker.wait_for_line("601 without room");
    kill(tracker);
    let setup = den.setup(1).setting("persist.interval 0");
    let tracker = setup.setting("access.deny 127.0.0.0/8").start();
    tracker.wait_for_line("701 not allowed");
}

#[test]
fn a_place_that_can_not_be_written_is_refused() {
    let den = Den::new();
    let path = den.0.join("missing/swarms");
    let setup = Setup::new().setting(&format!("persist.file {}", path.display()));
    let ended = setup.run();
    assert!(ended.code.is_some_and(|code| code != 0));
    assert!(ended.stderr.contains("persist.file"), "{}", ended.stderr);
    assert!(ended.stderr.contains("tracker.user"), "{}", ended.stderr);
}

#[test]
fn a_snapshot_that_fails_leaves_the_one_before() {
    let den = Den::new();
    let tracker = den.start(1);
    fill(&tracker);
    snapshot(&tracker);
    // What is in the way can't be removed.
    fs::create_dir_all(den.file(".new").join("full")).unwrap();
    let before = fs::read(den.file("")).unwrap();
    tracker.signal("USR2");
    tracker.wait_for_line("the snapshot before stays");
    assert_eq!(fs::read(den.file("")).unwrap(), before);
    fs::remove_dir_all(den.file(".new")).unwrap();
    snapshot(&tracker);
    tracker.stop();
    check(&den.start(1));
}

/// Of each file the next start finds all that there was before the kill, or all that was to be.
#[test]
fn a_kill_at_any_moment_leaves_the_old_or_the_new() {
    const LANES: u64 = 4;
    const KILLS: usize = 50;
    let outcomes = Mutex::new((0, BTreeSet::new()));
    thread::scope(|scope| {
        for lane in 0..LANES {
            let outcomes = &outcomes;
            scope.spawn(move || kill_often(lane, KILLS, outcomes));
        }
    });
    let (kills, seen) = outcomes.into_inner().unwrap();
    assert!(kills >= 40, "{kills} kills: too slow to tell");
    assert_eq!(seen.len(), 2, "both were there: {seen:?}");
}

fn kill_often(lane: u64, kills: usize, outcomes: &Mutex<(usize, BTreeSet<bool>)>) {
    let began = Instant::now();
    let mut random = Random::new(lane);
    let den = Den::new();
    let tracker = den.start(2);
    let udp = Udp::connect(tracker.udp());
    for number in 0..2000 {
        udp.announce(&Announce::leecher(torrent(number % 500), 1 + number as u16));
    }
    tracker.stop();
    let mut peers = 2000;
    for port in (3000..).take(kills) {
        let tracker = den.start(1 + (port % 2) as usize);
        assert_eq!(back(&tracker), peers);
        Udp::connect(tracker.udp()).announce(&Announce::leecher(torrent(1), port));
        tracker.signal("USR2");
        thread::sleep(Duration::from_micros(random.next() % 12_000));
        kill(tracker);
        let tracker = den.start(1);
        let now = back(&tracker);
        assert!(now == peers || now == peers + 1, "{now} after {peers}");
        assert!(!den.file(".bad").exists());
        let mut outcomes = outcomes.lock().unwrap();
        outcomes.0 += 1;
        outcomes.1.insert(now > peers);
        peers = now;
        drop(outcomes);
        kill(tracker);
        if began.elapsed() > Duration::from_secs(35) {
            break;
        }
    }
}

/// How many peers came back at the start.
#[track_caller]
fn back(tracker: &Tracker) -> usize {
    let line = tracker.wait_for_line("are back");
    let (before, _) = line.split_once(" peers of ").unwrap();
    before.rsplit(' ').next().unwrap().parse().unwrap()
}

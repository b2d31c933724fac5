//! Snapshots: who was in which swarm is known after a restart, whatever the end before it was.

use std::env;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::harness::http::Http;
use crate::harness::peer::{Announce, Event, torrent};
use crate::harness::tracker::{Setup, Tracker, is_emulated};
use crate::harness::udp::Udp;
use crate::harness::{Random, eventually, shout};

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

    /// Puts a snapshot there that trackers can read, whoever they become.
    fn put(&self, snapshot: &[u8]) {
        fs::write(self.file(""), snapshot).unwrap();
        fs::set_permissions(self.file(""), Permissions::from_mode(0o666)).unwrap();
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

/// As dropping it does: nothing is asked of it first.
fn kill(tracker: Tracker) {
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

/// The file is where the tracker sees it, which after a chroot is not where we do.
#[test]
fn the_file_lies_within_the_root_directory() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return shout("SKIPPED: snapshots in a chroot: the tests don't run as root");
    }
    let den = Den::new();
    let root = fs::canonicalize(&den.0).unwrap();
    let start = |file: &str| {
        let setup = Setup::new().workers(2).arg("-u").arg("nobody");
        let setup = setup.setting(&format!("persist.file {file}"));
        setup.arg("-d").arg(&root)
    };
    let tracker = start("/swarms").start();
    fill(&tracker);
    snapshot(&tracker);
    kill(tracker);
    // It has left root behind before it wrote.
    assert_ne!(fs::metadata(den.file("")).unwrap().uid(), 0);
    let tracker = start("/swarms").start();
    tracker.wait_for_line("701 peers of 701 are back");
    check(&tracker);
    // At the end it can be written as well, and what is damaged be set aside.
    fs::remove_file(den.file("")).unwrap();
    tracker.stop();
    let mut bytes = fs::read(den.file("")).unwrap();
    bytes.pop();
    fs::write(den.file(""), &bytes).unwrap();
    let tracker = start("/swarms").start();
    tracker.wait_for_line("damaged");
    assert_eq!(fs::read(den.file(".bad")).unwrap(), bytes);
    kill(tracker);
    // A path of the world outside is none inside.
    let ended = start(den.file("").to_str().unwrap()).run();
    assert_eq!(ended.code, Some(66), "{}", ended.stderr);
    assert!(ended.stderr.contains("tracker.rootdir"), "{}", ended.stderr);
}

#[test]
fn a_full_disk_leaves_the_one_before() {
    let den = Den::new();
    let setup = den.setup(2).setting("persist.interval 0");
    let Some(setup) = setup.setting("tracker.user root").small_disk(&den.0, 256) else {
        return;
    };
    let tracker = setup.start();
    fill(&tracker);
    snapshot(&tracker);
    // The disk is there for the tracker only, and for who looks at things as it does.
    let seen = PathBuf::from(format!("/proc/{}/root{}", tracker.pid(), den.0.display()));
    let file = |ending: &str| seen.join(format!("swarms{ending}"));
    let before = fs::read(file("")).unwrap();
    let full = fs::write(seen.join("ballast"), vec![0; 1 << 20]).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    let udp = Udp::connect(tracker.udp());
    (1..=900).for_each(|port| drop(udp.announce(&Announce::seeder(torrent(4), port))));
    tracker.signal("USR2");
    let line = tracker.wait_for_line("the snapshot before stays");
    assert!(line.contains("o space left"), "{line}");
    assert_eq!(fs::read(file("")).unwrap(), before);
    eventually("what was begun is gone", || !file(".new").exists());
    // It serves, and counts.
    check(&tracker);
    eventually("it is counted", || {
        let counters = Http::connect(tracker.tcp()).get("/stats?mode=counters");
        let text = counters.text();
        text.contains("\nsnapshots: 1 0\n") && text.contains("\nsnapshot failures: 1 0\n")
    });
    // When there is room again, it is as if nothing had been.
    fs::remove_file(seen.join("ballast")).unwrap();
    snapshot(&tracker);
    let after = fs::read(file("")).unwrap();
    tracker.stop();
    for (bytes, peers) in [(before, 701), (after, 1601)] {
        den.put(&bytes);
        assert_eq!(back(&den.start(1)), peers);
    }
}

/// Peers expire by the clock, as far as it can be believed.
#[test]
fn a_clock_that_was_set_meanwhile_loses_nobody() {
    let den = Den::new();
    let tracker = den.start(2);
    fill(&tracker);
    tracker.stop();
    let whole = fs::read(den.file("")).unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap().as_secs();
    let hour = 3600;
    let odd = "written in the future";
    let cases = [
        // Set back, and how far doesn't matter.
        (now + hour, 701, Some(odd)),
        (now + 1_000_000 * hour, 701, Some(odd)),
        (u64::MAX, 701, Some(odd)),
        // Never set when it was written: 1970 and some.
        (77, 701, Some("before the clock was set")),
        (now - hour / 6, 701, None),
        // Set forward, or so long ago.
        (now - hour, 0, None),
        (now - 1_000 * hour, 0, None),
    ];
    for (written, peers, says) in cases {
        den.put(&dated(&whole, written));
        let tracker = den.start(2);
        assert_eq!(back(&tracker), peers, "written {written}, now {now}");
        match says {
            Some(part) => drop(tracker.wait_for_line(part)),
            None => assert!(!tracker.log().contains(odd), "{}", tracker.log()),
        }
        if peers > 0 {
            check(&tracker);
        }
        // None of these is a damaged file.
        assert!(!den.file(".bad").exists());
        kill(tracker);
    }
    // Who has ten minutes less to live is still there after twenty, and not after another hour:
    // what is loaded and written again doesn't become younger.
    den.put(&dated(&whole, now - hour / 6));
    let tracker = den.start(1);
    tracker.stop();
    let again = fs::read(den.file("")).unwrap();
    den.put(&dated(&again, now - hour / 3));
    assert_eq!(back(&den.start(1)), 701);
    den.put(&dated(&again, now - hour * 2 / 3));
    assert_eq!(back(&den.start(1)), 0);
}

/// The same snapshot as if it had been written at another time, with the right sums.
fn dated(snapshot: &[u8], written: u64) -> Vec<u8> {
    const WRITTEN: usize = 12;
    const HEAD: usize = 20;
    let mut bytes = snapshot.to_vec();
    bytes[WRITTEN..HEAD].copy_from_slice(&written.to_be_bytes());
    let sum = crc32fast::hash(&bytes[..HEAD]);
    bytes[HEAD..HEAD + 4].copy_from_slice(&sum.to_be_bytes());
    let end = bytes.len() - 4;
    let whole = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&whole.to_be_bytes());
    bytes
}

/// Of each file the next start finds all that there was before the kill, or all that was to be.
#[test]
fn two_hundred_kills_while_writing_leave_the_old_or_the_new() {
    const LANES: u64 = 4;
    // An emulator takes too long for so many.
    let kills = if is_emulated() { 3 } else { 50 };
    let den = Den::new();
    let tracker = den.start(1);
    let udp = Udp::connect(tracker.udp());
    for number in 0..3000 {
        udp.announce(&Announce::leecher(torrent(number % 500), 1 + number as u16));
    }
    tracker.stop();
    let first = &fs::read(den.file("")).unwrap();
    let all = thread::scope(|scope| {
        let lanes = (0..LANES).map(|lane| scope.spawn(move || kill_often(lane, kills, first)));
        let lanes: Vec<_> = lanes.collect();
        let lanes = lanes.into_iter().map(|lane| lane.join().unwrap());
        lanes.flatten().collect::<Vec<_>>()
    });
    let count = |what: Left| all.iter().filter(|left| **left == what).count();
    let [unfinished, old, new] = [Left::Unfinished, Left::Old, Left::New].map(count);
    shout(&format!(
        "{} kills: {unfinished} while it was written, {old} before that, {new} after it",
        all.len()
    ));
    assert_eq!(all.len(), LANES as usize * kills);
    if !is_emulated() {
        assert_eq!(all.len(), 200);
        assert!(unfinished >= 40 && new >= 10, "{unfinished} {old} {new}");
    }
}

/// What a kill has left behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// The old one, and beside it the beginning of the new.
    Unfinished,
    /// The old one only.
    Old,
    /// The new one.
    New,
}

fn kill_often(lane: u64, kills: usize, first: &[u8]) -> Vec<Left> {
    let mut random = Random::new(lane);
    let den = Den::new();
    den.put(first);
    let mut peers = 3000;
    let mut all = Vec::new();
    let mut tracker = den.start(1);
    assert_eq!(back(&tracker), peers);
    // How long one takes here and now.
    let began = Instant::now();
    snapshot(&tracker);
    let mut usual = began.elapsed();
    for port in (10_000..).take(kills) {
        Udp::connect(tracker.udp()).announce(&Announce::leecher(torrent(1), port));
        let said = || tracker.log().matches("snapshot of").count();
        let said_before = said();
        let begun = || den.file(".new").exists() || said() > said_before;
        let before = fs::read(den.file("")).unwrap();
        tracker.signal("USR2");
        let asked = Instant::now();
        // Some before it is begun, but most after that.
        while !port.is_multiple_of(10) && !begun() {
            assert!(
                asked.elapsed() < Duration::from_secs(20),
                "it is never begun"
            );
            thread::yield_now();
        }
        let begun = Instant::now();
        let moment = usual.mul_f64((random.next() % 1000) as f64 / 1000.0);
        while begun.elapsed() < moment {
            thread::yield_now();
        }
        kill(tracker);
        let is_begun = den.file(".new").exists();
        let is_old = fs::read(den.file("")).unwrap() == before;
        tracker = den.start(1 + usize::from(port) % 2);
        assert!(!den.file(".bad").exists());
        assert_eq!(back(&tracker), if is_old { peers } else { peers + 1 });
        peers += usize::from(!is_old);
        all.push(match (is_old, is_begun) {
            (true, true) => Left::Unfinished,
            (true, false) => Left::Old,
            (false, _) => Left::New,
        });
        // As long as it was over each time, it takes less long than was thought.
        usual = usual.mul_f64(if is_old { 1.1 } else { 0.8 });
    }
    all
}

/// How many peers came back at the start.
#[track_caller]
fn back(tracker: &Tracker) -> usize {
    let line = tracker.wait_for_line("are back");
    let (before, _) = line.split_once(" peers of ").unwrap();
    before.rsplit(' ').next().unwrap().parse().unwrap()
}

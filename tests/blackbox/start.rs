//! Start and end: what is said, and with which exit code.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::harness::http::Http;
use crate::harness::peer::{Announce, percent, torrent};
use crate::harness::tracker::{Ended, Setup, is_emulated};
use crate::harness::udp::Udp;
use crate::harness::{eventually, shout};

#[track_caller]
fn refused(ended: &Ended, code: i32, part: &str) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert!(ended.stderr.contains(part), "no `{part}` in {ended:?}");
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_configuration_can_be_checked() {
    let ended = Setup::new().arg("-t").run();
    refused(&ended, 0, "trackerd.conf: syntax ok");
    let setup = Setup::new()
        .setting("# fine")
        .setting("tracker.intervall 5");
    let ended = setup.arg("-t").run();
    refused(&ended, 78, "trackerd.conf:3: ");
    assert!(ended.stderr.contains("tracker.interval"), "{ended:?}");
    for (line, part) in [
        ("tracker.interval 5x", "tracker.interval"),
        ("listen.tcp_udp 300.1.1.1", "listen.tcp_udp"),
        ("tracker.redirect_url", "tracker.redirect_url"),
        ("livesync.cluster.listen 127.0.0.1:0", "livesync"),
    ] {
        let ended = Setup::new().setting(line).arg("-t").run();
        refused(&ended, 78, "trackerd.conf:2: ");
        assert!(ended.stderr.contains(part), "{ended:?}");
    }
}

#[test]
fn what_is_wrong_does_not_start() {
    refused(
        &Setup::new().setting("no.such.setting 1").run(),
        78,
        "trackerd.conf:2: ",
    );
    refused(
        &Setup::bare().arg("-f").arg("/nowhere/at/all").run(),
        66,
        "/nowhere/at/all",
    );
    refused(
        &Setup::new().arg("--no-such-option").run(),
        64,
        "--no-such-option",
    );
    refused(&Setup::new().arg("-Q").run(), 64, "-Q");
    refused(
        &Setup::new().arg("--workers").arg("none").run(),
        64,
        "--workers",
    );
    // An address for documentation, which nobody has.
    let ended = Setup::bare().setting("listen.tcp_udp 192.0.2.77:0").run();
    refused(&ended, 71, "192.0.2.77");
}

#[test]
fn help_and_version_go_to_stdout() {
    let help = Setup::bare().arg("--help").run();
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for word in [
        "listen.tcp_udp",
        "--workers",
        "-f",
        "access.whitelist",
        "-P",
    ] {
        assert!(help.stdout.contains(word), "no {word} in the help");
    }
    assert_eq!(Setup::bare().arg("-h").run().stdout, help.stdout);
    let version = Setup::bare().arg("--version").run();
    assert_eq!((version.code, version.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        version.stdout,
        concat!("trackerd ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn an_address_in_use_is_refused() {
    for workers in [1, 2] {
        let first = Setup::both_families().workers(workers).start();
        for (scheme, address) in first.addresses() {
            let setting = format!("listen.{scheme} {address}");
            let ended = Setup::bare().workers(workers).setting(&setting).run();
            refused(&ended, 71, &format!("{scheme}://{address}"));
        }
        let everywhere = format!("listen.tcp_udp 0.0.0.0:{}", first.tcp().port());
        refused(&Setup::bare().setting(&everywhere).run(), 71, "0.0.0.0");
        assert_eq!(Http::connect(first.tcp()).get("/stats").status, 200);
        first.stop();
    }
    let strange = UdpSocket::bind("127.0.0.1:0").unwrap();
    let setting = format!("listen.udp {}", strange.local_addr().unwrap());
    refused(
        &Setup::bare().setting(&setting).run(),
        71,
        "udp://127.0.0.1",
    );
}

/// What was just given back can be had again, lingering connections or not.
#[test]
fn a_restart_finds_its_addresses_free() {
    let mut tracker = Setup::new().workers(2).start();
    let address = tracker.tcp();
    for _ in 0..3 {
        let mut clients: Vec<_> = (0..5).map(|_| Http::connect(address)).collect();
        clients
            .iter_mut()
            .for_each(|http| assert_eq!(http.get("/stats").status, 200));
        tracker.stop();
        clients.iter_mut().for_each(Http::closed);
        let setting = format!("listen.tcp_udp {address}");
        tracker = Setup::bare().workers(2).setting(&setting).start();
    }
}

#[test]
fn signals_end_it_in_order() {
    for signal in ["TERM", "INT"] {
        for workers in [1, 4] {
            let tracker = Setup::new().workers(workers).start();
            let mut idle: Vec<_> = (0..20).map(|_| Http::connect(tracker.tcp())).collect();
            for (n, http) in idle.iter_mut().enumerate() {
                if n % 2 == 0 {
                    http.send("GET /announce?info_ha");
                } else {
                    assert_eq!(http.get("/stats").status, 200);
                }
            }
            Udp::connect(tracker.udp());
            tracker.stop_by(signal);
            idle.iter_mut().for_each(Http::closed);
        }
    }
}

#[test]
fn the_ready_line_names_every_address() {
    let setup = Setup::both_families().setting("listen.udp 127.0.0.2:0");
    let tracker = setup.setting("listen.tcp 127.0.0.3:0").start();
    let named: Vec<_> = tracker
        .addresses()
        .iter()
        .map(|(scheme, address)| format!("{scheme}://{}", address.ip()))
        .collect();
    let expected = [
        "udp://127.0.0.1",
        "tcp://127.0.0.1",
        "udp://::1",
        "tcp://::1",
        "udp://127.0.0.2",
        "tcp://127.0.0.3",
    ];
    assert_eq!(named, expected);
    for (scheme, address) in tracker.addresses() {
        assert_ne!(address.port(), 0);
        match scheme.as_str() {
            "tcp" => assert_eq!(Http::connect(*address).get("/stats").status, 200),
            _ => assert_ne!(Udp::connect(*address).id, 0),
        }
    }
    assert_eq!(tracker.udp().port(), tracker.tcp().port());
}

#[test]
fn opentrackers_letters_work() {
    let letters = [
        "-i",
        "127.0.0.1",
        "-p",
        "0",
        "-P",
        "0",
        "-i",
        "127.0.0.2",
        "-P",
        "0",
    ];
    let tracker = letters.iter().fold(Setup::bare(), Setup::arg).start();
    let named: Vec<_> = tracker
        .addresses()
        .iter()
        .map(|(s, a)| (s.as_str(), a.ip()))
        .collect();
    let at = |ip: &str| ip.parse().unwrap();
    let expected = [
        ("tcp", at("127.0.0.1")),
        ("udp", at("127.0.0.1")),
        ("udp", at("127.0.0.2")),
    ];
    assert_eq!(named, expected);
}

#[test]
fn it_leaves_root_behind() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return shout("SKIPPED: chroot and the change of user: the tests don't run as root");
    }
    let hex = |n| percent(&torrent(n)).replace('%', "");
    let setup = Setup::new().workers(2).open_folder().file("list", &hex(1));
    let folder = fs::canonicalize(setup.path("")).unwrap();
    let letters = ["-u", "nobody", "-w", "/list", "--access.fifo_add", "/add"];
    let setup = letters
        .iter()
        .fold(setup.arg("-d").arg(&folder), Setup::arg);
    let tracker = setup.start();
    let proc = Path::new("/proc").join(tracker.pid().to_string());
    let text = fs::read_to_string("/etc/passwd").unwrap();
    let nobody = text
        .lines()
        .find(|line| line.starts_with("nobody:"))
        .unwrap();
    let [uid, gid] = [2, 3].map(|n| nobody.split(':').nth(n).unwrap());
    // Of the process and of each thread: they could differ.
    let tasks = fs::read_dir(proc.join("task")).unwrap();
    let mut tasks: Vec<_> = tasks.map(|task| task.unwrap().path()).collect();
    if is_emulated() {
        // The emulator's own thread, its first, knows nothing of users.
        tasks.sort_by_key(|task| (task.as_os_str().len(), task.clone()));
        tasks.remove(1);
    }
    assert!(tasks.len() >= 4, "{tasks:?}");
    for task in &tasks {
        let status = fs::read_to_string(task.join("status")).unwrap();
        let ids = |key: &str| -> Vec<String> {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap()
                .split_whitespace()
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(ids("Uid:"), [uid; 4]);
        assert_eq!(ids("Gid:"), [gid; 4]);
        assert_eq!(ids("Groups:"), [gid]);
        for key in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"] {
            assert_eq!(ids(key), ["0000000000000000"], "{key}");
        }
        assert_eq!(fs::read_link(task.join("root")).unwrap(), folder);
        assert_eq!(fs::read_link(task.join("cwd")).unwrap(), folder);
    }
    let accepted = |n| Udp::connect(tracker.udp()).announce_is_accepted(torrent(n));
    assert!(accepted(1) && !accepted(2));
    // The list and the configuration file lie inside, and are found again.
    tracker.replace("list", &hex(2));
    tracker.configure("listen.tcp_udp 127.0.0.1:0\naccess.stats_path inside\n");
    tracker.reload("reload: done");
    eventually("the list was read again", || accepted(2) && !accepted(1));
    eventually("so was the configuration", || {
        (0..8).all(|_| Http::connect(tracker.tcp()).get("/inside").status == 200)
    });
    fs::write(folder.join("add"), hex(3)).unwrap();
    eventually("the fifo lies inside too", || accepted(3) && accepted(2));
    tracker.stop();
}

/// What can't be read again after the start doesn't keep the lists from being read.
#[test]
fn a_configuration_outside_the_chroot_stays() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return shout("SKIPPED: a configuration outside the chroot: the tests don't run as root");
    }
    let hex = |n| percent(&torrent(n)).replace('%', "");
    let setup = Setup::new().file("list", &hex(1));
    let inside = setup.path("root");
    fs::create_dir(&inside).unwrap();
    fs::write(inside.join("list"), hex(1)).unwrap();
    let tracker = setup.arg("-d").arg(&inside).arg("-w").arg("/list").start();
    fs::write(inside.join("list"), hex(2)).unwrap();
    tracker.reload("reload: done");
    let said = tracker.wait_for_line("the settings in force stay");
    assert!(said.contains("trackerd.conf: "), "{said}");
    eventually("the list was read again", || {
        Udp::connect(tracker.udp()).announce_is_accepted(torrent(2))
    });
    tracker.stop();
}

#[test]
fn it_does_not_run_on_as_root() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return shout("SKIPPED: no such user, no such directory: the tests don't run as root");
    }
    let ended = Setup::new().arg("-u").arg("no-such-user").run();
    refused(&ended, 78, "no-such-user");
    let ended = Setup::new().arg("-d").arg("/no/such/directory").run();
    refused(&ended, 66, "tracker.rootdir");
}

/// Whoever read its log may be gone; it serves all the same.
#[test]
fn it_serves_though_nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let _tracker = Setup::bare()
        .setting(&format!("listen.tcp {address}"))
        .start_unheard();
    eventually("it accepts", || TcpStream::connect(address).is_ok());
    assert_eq!(Http::connect(address).get("/stats").status, 200);
}

#[test]
fn without_a_word_it_listens_on_6969_everywhere() {
    let free = TcpListener::bind("[::]:6969").is_ok() && UdpSocket::bind("[::]:6969").is_ok();
    if !free {
        return shout("SKIPPED: the defaults: port 6969 is taken, or there is no IPv6");
    }
    let tracker = Setup::bare().start();
    for family in ["0.0.0.0:6969", "[::]:6969"] {
        for scheme in ["udp", "tcp"] {
            let address = (scheme.to_owned(), family.parse().unwrap());
            assert!(
                tracker.addresses().contains(&address),
                "{scheme}://{family}"
            );
        }
    }
    let loopback: [SocketAddr; 2] = ["127.0.0.1:6969", "[::1]:6969"].map(|a| a.parse().unwrap());
    for to in loopback {
        assert_eq!(
            Http::connect(to)
                .announce(&Announce::leecher(torrent(1), 1))
                .seeders,
            0
        );
        assert_eq!(
            Udp::connect(to)
                .announce(&Announce::seeder(torrent(1), 2))
                .seeders,
            1
        );
        let gone = Announce::seeder(torrent(1), 2).event(crate::harness::peer::Event::Stopped);
        Udp::connect(to).announce(&gone);
    }
    tracker.stop();
}

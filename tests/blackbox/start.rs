//! Start and end: what is said, and with which exit code.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use crate::harness::http::Http;
use crate::harness::peer::{Announce, torrent};
use crate::harness::tracker::{Ended, Setup};
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
        ("livesync.cluster.listen 127.0.0.1", "livesync"),
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

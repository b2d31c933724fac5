//! Asking from outside whether a tracker is alive, and what the system lacks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread;

use crate::harness::has_ipv6;
use crate::harness::tracker::{Ended, Setup};

/// Asks a tracker that would serve as these lines say.
fn ask(lines: &[&str]) -> Ended {
    let setup = lines
        .iter()
        .fold(Setup::bare(), |setup, line| setup.setting(line));
    setup.arg("--health").run()
}

#[track_caller]
fn is_alive(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
}

#[track_caller]
fn is_dead(ended: &Ended, part: &str) {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(part), "no `{part}` in {ended:?}");
}

#[test]
fn a_tracker_that_answers_is_alive() {
    let tracker = Setup::new().start();
    let udp = format!("listen.udp {}", tracker.udp());
    let http = format!("listen.tcp {}", tracker.tcp());
    is_alive(&ask(&[&udp]));
    is_alive(&ask(&[&http]));
    is_alive(&ask(&[&format!("listen.tcp_udp {}", tracker.udp())]));
    tracker.stop();
    is_dead(&ask(&[&udp]), "udp://127.0.0.1:");
    is_dead(&ask(&[&http]), "no answer: ");
}

#[test]
fn all_addresses_are_asked_by_the_loopback() {
    let tracker = Setup::bare().setting("listen.tcp_udp 0.0.0.0:0").start();
    is_alive(&ask(&[&format!(
        "listen.udp 0.0.0.0:{}",
        tracker.udp().port()
    )]));
    tracker.stop();
    if has_ipv6() {
        let tracker = Setup::bare().setting("listen.tcp_udp [::1]:0").start();
        let port = tracker.udp6().port();
        is_alive(&ask(&[&format!("listen.udp [::]:{port}")]));
        is_alive(&ask(&[&format!("listen.tcp [::]:{port}")]));
        tracker.stop();
    }
}

#[test]
fn behind_proxies_it_speaks_as_one() {
    let lines = ["access.proxy 127.0.0.1", "access.proxy_protocol yes"];
    let setup = lines
        .iter()
        .fold(Setup::new(), |setup, line| setup.setting(line));
    let tracker = setup.start();
    let http = format!("listen.tcp {}", tracker.tcp());
    is_alive(&ask(&[&http, lines[0], lines[1]]));
    tracker.stop();
}

#[test]
fn what_is_no_tracker_is_not_alive() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp = format!("listen.udp {}", socket.local_addr().unwrap());
    let echo = thread::spawn(move || {
        let mut room = [0; 64];
        for _ in 0..3 {
            let (len, from): (usize, SocketAddr) = socket.recv_from(&mut room).unwrap();
            socket.send_to(&room[..len], from).unwrap();
        }
    });
    is_dead(&ask(&[&udp]), "what answers is no tracker");
    echo.join().unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let http = format!("listen.tcp {}", listener.local_addr().unwrap());
    let mail = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 4]).unwrap();
        stream.write_all(b"220 mail\r\n").unwrap();
        // Until it hangs up.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    is_dead(&ask(&[&http]), "what answers is no tracker");
    mail.join().unwrap();

    is_dead(
        &ask(&["listen.udp 127.0.0.1:0"]),
        "nobody knows which port that is",
    );
}

#[test]
fn the_system_is_looked_at() {
    let ended = Setup::new().arg("--check-system").run();
    if cfg!(feature = "check-system") {
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(ended.stderr, "");
        for part in [
            "open files: ",
            "net.core.somaxconn: ",
            "net.core.rmem_max",
            "of no use",
        ] {
            assert!(ended.stdout.contains(part), "{ended:?}");
        }
    } else {
        assert_eq!(ended.code, Some(64), "{ended:?}");
        assert!(
            ended.stderr.contains("lacks the feature check-system"),
            "{ended:?}"
        );
    }
}

#[cfg(not(feature = "client"))]
#[test]
fn builds_that_ask_no_others_say_so() {
    let setup = Setup::bare().arg("check").arg("udp://127.0.0.1:1");
    let ended = setup.run();
    assert_eq!(ended.code, Some(64), "{ended:?}");
    assert!(
        ended.stderr.contains("lacks the feature client"),
        "{ended:?}"
    );
}

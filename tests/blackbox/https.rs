//! HTTPS: the same tracker over encrypted connections, to a client of another make than ours.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};

use crate::harness::http::{Answer, Http, request};
use crate::harness::peer::{Announce, torrent};
use crate::harness::tracker::{Setup, Tracker};
use crate::harness::udp::Udp;
use crate::harness::{PATIENCE, eventually, shout};

/// Certificates of no authority, and their keys.
const ONE: [&str; 2] = [
    include_str!("../tls/one.pem"),
    include_str!("../tls/one.key"),
];
const TWO: [&str; 2] = [
    include_str!("../tls/two.pem"),
    include_str!("../tls/two.key"),
];

/// On ports of 127.0.0.1, in the name of `ONE`.
fn setup() -> Setup {
    let setup = Setup::new().file("pem", ONE[0]).file("key", ONE[1]);
    let settings = settings(&setup.path("pem"), &setup.path("key"));
    setup.setting(&settings)
}

fn settings(pem: &std::path::Path, key: &std::path::Path) -> String {
    format!(
        "listen.https 127.0.0.1:0\ntls.certificate {}\ntls.key {}",
        pem.display(),
        key.display()
    )
}

/// A client that believes in these certificates.
fn client(known: &[&str], version: &'static SupportedProtocolVersion) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for pem in known {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        roots.add(certificate).unwrap();
    }
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// One connection.
struct Https {
    stream: StreamOwned<ClientConnection, TcpStream>,
    held: Vec<u8>,
}

impl Https {
    fn connect(to: SocketAddr, client: &Arc<ClientConfig>) -> Https {
        Https::over(TcpStream::connect_timeout(&to, PATIENCE).unwrap(), client)
    }

    fn over(socket: TcpStream, client: &Arc<ClientConfig>) -> Https {
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = "localhost".try_into().unwrap();
        let session = ClientConnection::new(Arc::clone(client), name).unwrap();
        Https {
            stream: StreamOwned::new(session, socket),
            held: Vec::new(),
        }
    }

    fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
        self.stream.flush().unwrap();
    }

    fn answer(&mut self) -> Answer {
        self.try_answer().unwrap()
    }

    fn try_answer(&mut self) -> std::io::Result<Answer> {
        loop {
            if let Some((answer, len)) = Answer::parse(&self.held) {
                self.held.drain(..len);
                return Ok(answer);
            }
            let mut room = [0; 16 * 1024];
            match self.stream.read(&mut room)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                len => self.held.extend_from_slice(&room[..len]),
            }
        }
    }

    fn get(&mut self, target: &str) -> Answer {
        self.send(&request(target));
        self.answer()
    }

    /// An error of TLS, or of the connection, is one.
    fn try_get(&mut self, target: &str) -> std::io::Result<Answer> {
        self.stream.write_all(request(target).as_bytes())?;
        self.try_answer()
    }

    fn kind(&self) -> Option<HandshakeKind> {
        self.stream.conn.handshake_kind()
    }
}

#[test]
fn swarms_are_the_same_over_https() {
    for version in [&TLS12, &TLS13] {
        let tracker = setup().workers(2).start();
        let mut config = client(&ONE[..1], version);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        let mut https = Https::connect(tracker.https(), &config);
        let announce = |port| Announce::leecher(torrent(1), port);
        https.get(&announce(7001).target()).announced();
        assert_eq!(https.stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        let plain = Http::connect(tracker.tcp()).announce(&announce(7002));
        assert_eq!(plain.leechers, 2);
        assert_eq!(plain.peers, ["127.0.0.1:7001".parse().unwrap()]);
        assert!(Udp::connect(tracker.udp()).announce_is_accepted(torrent(1)));

        // One after the other, and all at once.
        for port in 7003..7010 {
            https.get(&announce(port).target()).announced();
        }
        let many: String = (0..40).map(|_| request("/stats?mode=version")).collect();
        https.send(&many);
        assert!((0..40).all(|_| https.answer().status == 200));
        https.send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
        https.answer();
        let mut rest = Vec::new();
        // An end that is not said would be an error.
        assert_eq!(https.stream.read_to_end(&mut rest).unwrap(), 0);
        tracker.stop();
    }
}

#[test]
fn long_answers_arrive_whole() {
    let tracker = setup().start();
    let udp = Udp::connect(tracker.udp());
    for n in 0..3000 {
        assert!(udp.announce_is_accepted(torrent(n)));
    }
    let config = Arc::new(client(&ONE[..1], &TLS13));
    let mut https = Https::connect(tracker.https(), &config);
    let secret = https.get("/scrape");
    let plain = Http::connect(tracker.tcp()).get("/scrape");
    assert!(plain.body.len() > 150_000 && secret.body == plain.body);
    tracker.stop();
}

#[test]
fn sessions_are_resumed_by_any_worker() {
    let tracker = setup().workers(4).start();
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(client(&ONE[..1], version));
        let kinds: Vec<_> = (0..12)
            .map(|_| {
                let mut https = Https::connect(tracker.https(), &config);
                assert_eq!(https.get("/stats").status, 200);
                https.kind().unwrap()
            })
            .collect();
        assert_eq!(kinds[0], HandshakeKind::Full);
        assert_eq!(kinds[1..], [HandshakeKind::Resumed; 11]);
        // The list may be read again every minute: all would come back at once.
        tracker.reload("reload: done");
        let mut https = Https::connect(tracker.https(), &config);
        assert_eq!(https.get("/stats").status, 200);
        assert_eq!(https.kind(), Some(HandshakeKind::Resumed));
    }
    tracker.stop();
}

#[test]
fn handshakes_are_counted_by_what_comes_of_them() {
    let tracker = setup().workers(2).start();
    // None yet, which is nothing: were it counted, it would be long before the last.
    drop(Http::connect(tracker.https()));
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(client(&ONE[..1], version));
        for _ in 0..3 {
            Https::connect(tracker.https(), &config).get("/stats");
        }
        // Whoever doesn't believe us says so and leaves.
        let config = Arc::new(client(&TWO[..1], version));
        let stranger = Https::connect(tracker.https(), &config).try_get("/stats");
        assert!(stranger.is_err());
    }
    // What is none, and half of one.
    let mut plain = Http::connect(tracker.https());
    plain.send(b"GET / HTTP/1.1\r\n\r\n");
    plain.stream.read_to_end(&mut Vec::new()).unwrap();
    Http::connect(tracker.https()).send(hello());
    let mut http = Http::connect(tracker.tcp());
    eventually("all are counted", || {
        let counters = http.get("/stats?mode=counters").text();
        let counts = "tls handshakes: 2 0\ntls resumed: 4 0\ntls failed: 4 0\n";
        counters.contains(counts)
    });
    tracker.stop();
}

#[test]
fn a_certificate_is_swapped_under_load() {
    let tracker = setup().workers(2).start();
    let to = tracker.https();
    let [old, new, both] =
        [&ONE[..1], &TWO[..1], &[ONE[0], TWO[0]]].map(|known| Arc::new(client(known, &TLS13)));
    let is_believed = |config: &Arc<ClientConfig>| {
        // Whoever has been there before would not look at the certificate.
        let mut fresh = ClientConfig::clone(config);
        fresh.resumption = rustls::client::Resumption::disabled();
        Https::connect(to, &Arc::new(fresh))
            .try_get("/stats")
            .is_ok()
    };
    let mut stays = Https::connect(to, &old);
    stays.get("/stats");
    assert!(is_believed(&old) && !is_believed(&new));
    let (ended, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    let mut https = Https::connect(to, &both);
                    let target = Announce::leecher(torrent(1), 7000).target();
                    https.get(&target).announced();
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let some_more = || {
            let before = asked.load(Ordering::Relaxed);
            eventually("requests", || asked.load(Ordering::Relaxed) > before + 20);
        };
        some_more();
        tracker.replace("pem", TWO[0]);
        // For the new certificate with the old key nobody changes anything.
        tracker.reload("so do the settings");
        some_more();
        tracker.replace("key", TWO[1]);
        tracker.reload("reload: done");
        eventually("the new certificate", || (0..8).all(|_| is_believed(&new)));
        assert!(!is_believed(&old));
        some_more();
        ended.store(true, Ordering::Relaxed);
    });
    assert_eq!(stays.get("/stats").status, 200, "it goes on as it began");

    // Who takes everything out of the configuration still gets nothing in the clear.
    tracker.configure("listen.tcp_udp 127.0.0.1:0\n");
    tracker.reload("reload: done");
    assert!((0..8).all(|_| is_believed(&new)));
    tracker.stop();
}

/// The first message of a client.
fn hello() -> Vec<u8> {
    let config = Arc::new(client(&ONE[..1], &TLS13));
    let name = "localhost".try_into().unwrap();
    let mut session = ClientConnection::new(config, name).unwrap();
    let mut bytes = Vec::new();
    session.write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn half_a_handshake_is_not_waited_for() {
    let setup = setup().setting("http.request_secs_max 1");
    let tracker = setup.setting("http.connections_max 6").start();
    let hello = hello();
    let starts = [0, 1, 5, hello.len() / 2, hello.len()];
    let mut slow: Vec<_> = starts
        .iter()
        .map(|len| {
            let mut http = Http::connect(tracker.https());
            http.send(&hello[..*len]);
            http
        })
        .collect();
    for http in &mut slow {
        // What it was told before, if it was told something, is no answer by HTTP.
        let mut told = Vec::new();
        http.stream.read_to_end(&mut told).unwrap();
        assert!(matches!(told.first(), None | Some(21 | 22)), "{told:?}");
    }
    // They make way for those who say something.
    let crowd: Vec<_> = (0..30).map(|_| Http::connect(tracker.https())).collect();
    let config = Arc::new(client(&ONE[..1], &TLS13));
    eventually("a place", || {
        Https::connect(tracker.https(), &config)
            .try_get("/stats")
            .is_ok_and(|answer| answer.status == 200)
    });
    drop(crowd);
    tracker.stop();
}

/// More than this nobody should have to wait because of others.
const SOON: Duration = Duration::from_secs(2);

/// As much as the tracker counts for a session, and some room for the rest of a connection.
const CONNECTION_KIB: u64 = 9;

#[test]
fn a_session_takes_no_more_memory_than_is_counted() {
    const MANY: usize = 400;
    let tracker = setup().start();
    let config = [&TLS12, &TLS13].map(|version| Arc::new(client(&ONE[..1], version)));
    let hello = hello();
    let idle = |n: usize| {
        let mut https = Https::connect(tracker.https(), &config[n % 2]);
        assert_eq!(https.get("/stats").status, 200);
        https.stream.sock
    };
    let half_done = |_| {
        let mut http = Http::connect(tracker.https());
        http.send(&hello);
        http.stream.read_exact(&mut [0]).unwrap();
        http.stream
    };
    let silent = |_| Http::connect(tracker.https()).stream;
    let grown = |connect: &dyn Fn(usize) -> TcpStream| {
        let mut held: Vec<_> = (0..8).map(connect).collect();
        let before = tracker.rss_kib();
        held.extend((0..MANY).map(connect));
        // They were there before this one.
        Http::connect(tracker.tcp()).get("/stats");
        tracker.rss_kib().saturating_sub(before) / MANY as u64
    };
    assert!(
        grown(&silent) < 2,
        "before anything is said there is no session"
    );
    for connect in [&idle as &dyn Fn(usize) -> TcpStream, &half_done] {
        let each = grown(connect);
        assert!(each <= CONNECTION_KIB, "{each} KiB each");
    }
    tracker.stop();
}

#[test]
fn sessions_that_only_wait_make_room_for_others() {
    let setup = setup().workers(1).setting("tracker.memory_limit 32M");
    let tracker = setup.start();
    let config = Arc::new(client(&ONE[..1], &TLS13));
    let mut waiting = Vec::new();
    let mut comes_in = || {
        let mut https = Https::connect(tracker.https(), &config);
        let is_answered = https.try_get("/stats").is_ok();
        waiting.push(https);
        is_answered
    };
    let mut inside = 0;
    while comes_in() {
        inside += 1;
        assert!(inside < 4000, "there is no limit");
    }
    assert!(inside >= 400, "{inside}");
    for _ in 0..20 {
        // Who was there last may have said something a moment ago.
        eventually("a place", &mut comes_in);
    }
    tracker.stop();
}

#[test]
fn long_first_messages_are_not_gathered() {
    let tracker = setup().setting("http.request_secs_max 60").start();
    // A record of a hello that is said to be as long as they may be.
    let mut record = vec![22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xf0];
    record.resize(5 + 0x4000, 0);
    let mut http = Http::connect(tracker.https());
    let start = Instant::now();
    while http.stream.write_all(&record).is_ok() {
        record.splice(5..9, [0; 4]);
        assert!(start.elapsed() < PATIENCE, "it is waited for");
    }
    // Nor is what comes behind the end, in one piece with it.
    let before = tracker.cpu();
    let mut ended = Http::connect(tracker.https());
    ended.send([&[21, 3, 1, 0, 2, 1, 0][..], &hello()].concat());
    let _ = ended.stream.read_to_end(&mut Vec::new());
    let mut other = Http::connect(tracker.tcp());
    assert_eq!(other.get("/stats").status, 200);
    assert!(tracker.cpu() - before < Duration::from_secs(1));
    tracker.stop();
}

#[test]
fn many_handshakes_at_once_are_waited_for_by_nobody_else() {
    let tracker = setup().workers(1).start();
    let hello = hello();
    let mut other = Http::connect(tracker.tcp());
    let mut crowd: Vec<_> = (0..500).map(|_| Http::connect(tracker.https())).collect();
    crowd.iter_mut().for_each(|http| http.send(&hello));
    let target = Announce::leecher(torrent(1), 7000).target();
    let mut done = 0;
    while done < crowd.len() {
        let asked = Instant::now();
        other.get(&target).announced();
        assert!(asked.elapsed() < SOON, "others had to wait");
        // All are answered in the end.
        let http = &mut crowd[done];
        http.stream.set_nonblocking(true).unwrap();
        match http.stream.read(&mut [0]) {
            Ok(1) => done += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            ended => panic!("{ended:?}"),
        }
    }
    tracker.stop();
}

#[test]
fn who_finds_no_place_is_told_nothing_in_the_clear() {
    let tracker = setup().setting("http.connections_max 1").start();
    let mut inside = Http::connect(tracker.tcp());
    inside.get("/stats");
    inside.send("GET /stats");
    let config = Arc::new(client(&ONE[..1], &TLS13));
    assert!(
        Https::connect(tracker.https(), &config)
            .try_get("/stats")
            .is_err()
    );
    let mut outside = Http::connect(tracker.https());
    let mut told = Vec::new();
    let _ = outside.stream.read_to_end(&mut told);
    assert_eq!(told, b"");
    inside.ask(" HTTP/1.1\r\n\r\n");
    tracker.stop();
}

#[test]
fn curl_is_answered() {
    let tracker = setup().file("curl.pem", ONE[0]).start();
    let url = format!("https://localhost:{}/stats", tracker.https().port());
    let curl = |more: &[&str]| {
        let pem = tracker.path("curl.pem");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "20", "--resolve"]);
        curl.arg(format!("localhost:{}:127.0.0.1", tracker.https().port()));
        curl.args(more).arg("--cacert").arg(pem).arg(&url);
        curl.output()
    };
    let Ok(version) = Command::new("curl").arg("--version").output() else {
        return shout("SKIPPED: HTTPS by curl: there is no curl");
    };
    assert!(version.status.success());
    for more in [&[][..], &["--tlsv1.3"], &["--tls-max", "1.2"], &["--http2"]] {
        let got = curl(more).unwrap();
        let text = String::from_utf8_lossy(&got.stdout);
        assert!(got.status.success() && text.contains("torrents"), "{got:?}");
    }
    // What is older than that nobody should speak.
    assert!(!curl(&["--tls-max", "1.1"]).unwrap().status.success());
    tracker.stop();
}

#[test]
fn what_is_not_encrypted_gets_no_answer() {
    let tracker = setup().start();
    for text in [
        "GET / HTTP/1.1\r\n\r\n",
        "\r\n\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}junk",
    ] {
        let mut http = Http::connect(tracker.https());
        http.send(text);
        http.end();
        let mut told = Vec::new();
        let _ = http.stream.read_to_end(&mut told);
        assert!(matches!(told.first(), None | Some(21)), "{told:?}");
    }
    // Nor does who speaks something else inside.
    let mut config = client(&ONE[..1], &TLS13);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut https = Https::connect(tracker.https(), &Arc::new(config));
    assert!(https.try_get("/stats").is_err());
    tracker.stop();
}

#[test]
fn a_proxy_says_first_whose_connection_it_is() {
    let setup = setup().setting("access.proxy 127.0.0.1");
    let tracker = setup.setting("access.proxy_protocol yes").start();
    let config = Arc::new(client(&ONE[..1], &TLS13));
    let preface = b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n";
    for (port, cut) in [(7001, 0), (7002, 5), (7003, preface.len())] {
        let mut socket = TcpStream::connect(tracker.https()).unwrap();
        let (first, then) = preface.split_at(cut);
        socket.write_all(first).unwrap();
        // With the hello, in one piece or behind it.
        socket.write_all(then).unwrap();
        let mut https = Https::over(socket, &config);
        https
            .get(&Announce::leecher(torrent(1), port).target())
            .announced();
    }
    let mut socket = TcpStream::connect(tracker.https()).unwrap();
    let mut whole = preface.to_vec();
    whole.extend(hello());
    socket.write_all(&whole).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut told = [0; 5];
    socket.read_exact(&mut told).unwrap();
    assert_eq!(told[0], 22, "a handshake");
    let mut https = Https::over(TcpStream::connect(tracker.https()).unwrap(), &config);
    https.stream.sock.write_all(preface).unwrap();
    let target = Announce::leecher(torrent(1), 7009).target();
    let peers = https.get(&target).announced().peers;
    assert!(
        peers.contains(&"192.0.2.7:7001".parse().unwrap()),
        "{peers:?}"
    );
    assert_eq!(peers.len(), 3);
    tracker.stop();
}

#[test]
fn its_health_can_be_asked_for() {
    let setup = Setup::bare().file("pem", ONE[0]).file("key", ONE[1]);
    let settings = settings(&setup.path("pem"), &setup.path("key"));
    let tracker: Tracker = setup.setting(&settings).start();
    let ask = |address: &str| {
        let setup = Setup::bare().file("pem", ONE[0]).file("key", ONE[1]);
        let setup = setup.setting(&format!(
            "listen.https {address}\ntls.certificate pem\ntls.key key"
        ));
        setup.arg("--health").run().code
    };
    assert_eq!(ask(&tracker.https().to_string()), Some(0));
    let other = TcpStream::connect(tracker.https()).unwrap();
    let nobody = other.local_addr().unwrap();
    assert_ne!(ask(&nobody.to_string()), Some(0));
    tracker.stop();
}

#[test]
fn without_certificate_and_key_that_fit_it_does_not_start() {
    let pem = |text: [&str; 2]| text.map(str::to_owned);
    for (files, said) in [
        (pem([ONE[0], TWO[1]]), "certificate and key: "),
        (pem([ONE[1], ONE[1]]), "there is no certificate in it"),
        (pem([ONE[0], ONE[0]]), "there is no private key in it"),
        (pem(["", ONE[1]]), "there is no certificate in it"),
    ] {
        let setup = Setup::bare().file("pem", &files[0]).file("key", &files[1]);
        let settings = settings(&setup.path("pem"), &setup.path("key"));
        let ended = setup.setting(&settings).run();
        assert!(
            ended.code != Some(0) && ended.stderr.contains(said),
            "{ended:?}"
        );
    }
    let missing = setup();
    fs::remove_file(missing.path("key")).unwrap();
    let ended = missing.run();
    assert!(ended.stderr.contains("key"), "{ended:?}");
}

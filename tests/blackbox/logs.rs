//! What the tracker says of what happens, and where.

use std::process::{Command, Stdio};

use crate::harness::http::Http;
use crate::harness::peer::{Announce, Event, torrent};
use crate::harness::shout;
use crate::harness::tracker::{Setup, Tracker};

/// Downloads something to its end.
fn complete(tracker: &Tracker) {
    let mut http = Http::connect(tracker.tcp());
    let leecher = Announce::leecher(torrent(1), 7001);
    http.announce(&leecher);
    http.announce(&Announce {
        left: 0,
        event: Event::Completed,
        ..leecher
    });
}

#[test]
fn no_more_of_an_address_is_told_than_is_wanted() {
    for (line, end) in [
        ("log.addresses full", " ip=127.0.0.1\n"),
        ("log.addresses prefix", " ip=127.0.0.0/24\n"),
        ("log.addresses none", "0\n"),
    ] {
        let setup = Setup::new().setting("log.completed yes").setting(line);
        let mut tracker = setup.start();
        complete(&tracker);
        let line = tracker.first_line();
        assert!(line.contains(" event=completed info_hash="), "{line}");
        assert!(line.ends_with(end) || end == "0\n", "{line}");
        assert_eq!(line.contains("ip="), end != "0\n", "{line}");
        tracker.stop();
    }
}

#[test]
fn who_watches_a_long_start_sees_it_go_on() {
    let list = format!("{}\n", "0".repeat(40)).repeat(220_000);
    let setup = Setup::new().file("list", &list);
    let path = setup.path("list").display().to_string();
    let program = env!("CARGO_BIN_EXE_trackerd");
    // It ends as soon as it has read the list: there is no such secret.
    let words =
        format!("timeout 60 {program} -w {path} --udp.secret_file /nowhere -i 127.0.0.1 -P 0");
    let watched = Command::new("script")
        .args(["-qec", &words, "/dev/null"])
        .stdin(Stdio::null())
        .output();
    let Ok(watched) = watched else {
        return shout("SKIPPED: progress at a terminal: there is no script(1)");
    };
    let said = String::from_utf8(watched.stdout).unwrap();
    assert!(
        said.contains(&format!("\r\x1b[K{path}: 8 MB\r\x1b[K")),
        "{said}"
    );
    let setup = setup.setting(&format!("access.whitelist {path}"));
    let unwatched = setup.setting("udp.secret_file /nowhere").run();
    assert!(!unwatched.stderr.contains('\r'), "{unwatched:?}");
    assert!(
        unwatched.stderr.contains("list: 1 info-hashes"),
        "{unwatched:?}"
    );
}

#[cfg(feature = "journal")]
mod journal {
    use std::fs;
    use std::io::Write;
    use std::net::TcpStream;
    use std::os::unix::net::UnixDatagram;
    use std::path::Path;

    use crate::harness::http::Http;
    use crate::harness::json::Json;
    use crate::harness::peer::{Announce, torrent};
    use crate::harness::tracker::{Setup, Tracker};
    use crate::harness::udp::Udp;
    use crate::harness::{PATIENCE, eventually};

    #[test]
    fn messages_in_json_are_an_object_each() {
        let tracker = Setup::new().setting("log.format json").start();
        tracker.reload("reload: done");
        tracker.configure("listen.tcp_udp 127.0.0.1:0\nlog.format text\n");
        tracker.reload("reload: done");
        let log = tracker.log();
        let (text, json): (Vec<_>, Vec<_>) = log
            .lines()
            .partition(|line| line.starts_with("[INFO  trackerd::control"));
        assert!(
            text.iter().any(|line| line.ends_with("] reload: done")),
            "{log}"
        );
        let json: Vec<_> = json.into_iter().map(Json::parse).collect();
        let said = |text: &str| {
            json.iter()
                .find(|line| line.text("message").starts_with(text))
        };
        assert_eq!(
            said("ready: udp://127.0.0.1:").unwrap().text("target"),
            "trackerd"
        );
        let done = said("reload: done").unwrap();
        assert_eq!(
            (done.text("level"), done.text("target")),
            ("info", "trackerd::control::reload")
        );
        let time = done.text("time");
        assert!(
            time.len() == 20 && time.starts_with("20") && time.ends_with('Z'),
            "{time}"
        );
        tracker.stop();
    }

    /// A system's log of the test's own.
    struct Syslog(UnixDatagram);

    impl Syslog {
        fn listen(path: &Path) -> Syslog {
            let _ = fs::remove_file(path);
            let socket = UnixDatagram::bind(path).unwrap();
            let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
            fs::set_permissions(path, all).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            Syslog(socket)
        }

        /// The next message with this part.
        #[track_caller]
        fn hear(&self, part: &str) -> String {
            let mut room = [0; 9000];
            loop {
                let len = self.0.recv(&mut room).expect(part);
                let text = String::from_utf8(room[..len].to_vec()).unwrap();
                if text.contains(part) {
                    return text;
                }
            }
        }
    }

    fn setup() -> (Setup, Syslog) {
        let setup = Setup::new();
        let path = setup.path("log");
        let syslog = Syslog::listen(&path);
        let line = format!("log.target syslog:{}", path.display());
        (setup.setting(&line), syslog)
    }

    fn hang_up(tracker: &Tracker) {
        tracker.signal("HUP");
    }

    #[test]
    fn the_log_of_the_system_may_begin_anew() {
        let (setup, syslog) = setup();
        let path = setup.path("log");
        let tracker = setup.begin();
        let head = format!("<30>trackerd[{}]: ", tracker.pid());
        assert!(syslog.hear("ready: ").starts_with(&head));
        drop(syslog);
        let syslog = Syslog::listen(&path);
        hang_up(&tracker);
        assert_eq!(syslog.hear("reload: done"), format!("{head}reload: done"));
        tracker.configure("listen.tcp_udp 127.0.0.1:0\nlog.format json\nx y\n");
        hang_up(&tracker);
        assert!(syslog.hear("unknown setting").starts_with("<27>trackerd["));
        let line = format!("log.format json\nlog.target syslog:{}\n", path.display());
        tracker.configure(&format!("listen.tcp_udp 127.0.0.1:0\n{line}"));
        hang_up(&tracker);
        let text = syslog.hear("reload: done");
        let message = Json::parse(text.strip_prefix(&head).unwrap());
        assert_eq!(message.text("message"), "reload: done");
        tracker.stop();
    }

    #[test]
    fn while_nobody_listens_messages_are_on_the_standard_error() {
        let setup = Setup::new();
        let path = setup.path("log");
        let line = format!("log.target syslog:{}", path.display());
        let tracker = setup.setting(&line).start();
        tracker.reload("reload: done");
        assert!(!tracker.log().contains("<30>"), "{}", tracker.log());
        let syslog = Syslog::listen(&path);
        hang_up(&tracker);
        syslog.hear("reload: done");
        tracker.stop();
    }

    #[test]
    fn it_is_heard_from_within_a_root_directory() {
        let (setup, syslog) = setup();
        let path = setup.path("log");
        let root = setup.path("root");
        let inside = root.join(path.strip_prefix("/").unwrap());
        fs::create_dir_all(inside.parent().unwrap()).unwrap();
        let line = format!("tracker.rootdir {}", root.display());
        let tracker = setup.setting(&line).begin();
        syslog.hear("ready: ");
        // Its configuration lies outside; that is a message, too.
        hang_up(&tracker);
        syslog.hear("the settings in force stay");
        let syslog_inside = Syslog::listen(&inside);
        drop(syslog);
        fs::remove_file(&path).unwrap();
        hang_up(&tracker);
        syslog_inside.hear("the settings in force stay");
        tracker.stop();
    }

    /// One that writes its requests to a file `access`.
    fn noting(setup: Setup) -> (Setup, std::path::PathBuf) {
        let path = setup.path("access");
        let line = format!("log.access {}", path.display());
        (setup.open_folder().setting(&line), path)
    }

    /// The lines of the file, once there are so many, without the time.
    #[track_caller]
    fn lines(path: &Path, len: usize) -> Vec<String> {
        let read = || fs::read_to_string(path).unwrap_or_default();
        eventually("lines", || read().matches('\n').count() >= len);
        let text = read();
        let lines = text.lines().map(|line| {
            let (time, rest) = line.split_once(' ').unwrap();
            assert!(time.len() == 20 && time.ends_with('Z'), "{line}");
            rest.to_owned()
        });
        lines.collect()
    }

    /// How many lines were not written, as the tracker counts them.
    fn lost(tracker: &Tracker) -> u64 {
        let mut http = Http::connect(tracker.tcp());
        let counters = http.get("/stats?mode=counters").text();
        let mut lines = counters.lines();
        let counts = lines.find_map(|line| line.strip_prefix("access log lost:"));
        let counts = counts.unwrap().split_whitespace();
        counts.map(|count| count.parse::<u64>().unwrap()).sum()
    }

    /// Some of every kind; what the file has of them, the addresses left out.
    fn visit(tracker: &Tracker) -> Vec<String> {
        let hash = torrent(1);
        let name: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut http = Http::connect(tracker.tcp());
        http.announce(&Announce::seeder(hash, 7001));
        http.get("/announce?port=1");
        http.get("/stats?mode=peer");
        http.get("/nowhere");
        let mut udp = Udp::connect(tracker.udp());
        udp.announce(&Announce::leecher(hash, 7002));
        udp.scrape(&[hash]);
        udp.id ^= 1;
        udp.socket.send(b"nonsense").unwrap();
        [
            format!("announce {name} ok"),
            "announce - refused: Your client forgot to send your torrent's info_hash. Please \
             upgrade your client."
                .into(),
            "page - ok".into(),
            "page - 404".into(),
            "connect - ok".into(),
            format!("announce {name} ok"),
            format!("scrape {name} ok"),
            "malformed - none".into(),
        ]
        .into()
    }

    fn requests_are_written(workers: usize) {
        let (setup, path) = noting(Setup::new());
        let tracker = setup.workers(workers).start();
        let expected = visit(&tracker);
        let mut stream = TcpStream::connect(tracker.tcp()).unwrap();
        stream.write_all(b"HOW DO\r\n\r\n").unwrap();
        let mut found = lines(&path, expected.len() + 1);
        let mut expected: Vec<_> = expected
            .iter()
            .enumerate()
            .map(|(at, line)| {
                let protocol = if at < 4 { "http" } else { "udp" };
                format!("{protocol} ipv4 127.0.0.1 {line}")
            })
            .chain(["http ipv4 127.0.0.1 malformed - 405".to_owned()])
            .collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        tracker.stop();
    }
    crate::for_workers!(requests_are_written);

    #[test]
    fn requests_in_json_tell_no_more_of_addresses_than_is_wanted() {
        for (addresses, address) in [("prefix", Some("127.0.0.0/24")), ("none", None)] {
            let (setup, path) = noting(Setup::new().setting("log.format json"));
            let setup = setup.setting(&format!("log.addresses {addresses}"));
            let tracker = setup.start();
            let expected = visit(&tracker);
            let read = || fs::read_to_string(&path).unwrap_or_default();
            eventually("lines", || read().lines().count() == expected.len());
            for line in read().lines() {
                let visit = Json::parse(line);
                let found = visit.find("address").map(|_| visit.text("address"));
                assert_eq!((visit.text("family"), found), ("ipv4", address));
                assert!(!line.contains("127.0.0.1"), "{line}");
            }
            tracker.stop();
        }
    }

    #[test]
    fn the_file_is_opened_anew_on_sighup_and_closed_when_it_is_not_wanted() {
        let (setup, path) = noting(Setup::new());
        let tracker = setup.start();
        visit(&tracker);
        assert_eq!(lines(&path, 8).len(), 8);
        let old = path.with_extension("old");
        fs::rename(&path, &old).unwrap();
        tracker.reload("reload: done");
        Udp::connect(tracker.udp());
        assert_eq!(lines(&path, 1), ["udp ipv4 127.0.0.1 connect - ok"]);
        assert_eq!(lines(&old, 8).len(), 8);
        // A file that can't be opened changes nothing.
        tracker.configure("listen.tcp_udp 127.0.0.1:0\nlog.access /nowhere/access\n");
        tracker.reload("reload: done");
        tracker.wait_for_line("requests are written where they were");
        Udp::connect(tracker.udp());
        assert_eq!(lines(&path, 2).len(), 2);
        // Of those who come just before its end, nobody is missed.
        Udp::connect(tracker.udp());
        tracker.configure("listen.tcp_udp 127.0.0.1:0\n");
        tracker.reload("reload: done");
        let written = || lines(&path, 2).len() as u64;
        eventually("all are told", || written() + lost(&tracker) == 3);
        let len = lines(&path, 2).len() + 1;
        Udp::connect(tracker.udp());
        // What comes at the end is written before the end.
        let line = format!(
            "listen.tcp_udp 127.0.0.1:0\nlog.access {}\n",
            path.display()
        );
        tracker.configure(&line);
        tracker.reload("reload: done");
        Udp::connect(tracker.udp());
        tracker.stop_and(|_| assert_eq!(lines(&path, len).len(), len));
    }

    #[test]
    fn a_disk_that_is_full_costs_lines_only() {
        // What is no regular file could block.
        let setup = Setup::new().setting("log.access /dev/null");
        let ended = setup.run();
        assert!(
            ended.stderr.contains("/dev/null: not a regular file"),
            "{ended:?}"
        );
        let (setup, path) = noting(Setup::new().short_files());
        let tracker = setup.start();
        let mut http = Http::connect(tracker.tcp());
        let mut turn_pages = || (0..30).for_each(|_| assert_eq!(http.get("/no").status, 404));
        turn_pages();
        tracker.wait_for_line("requests are not written");
        eventually("it is counted", || lost(&tracker) > 0);
        let len = fs::read(&path).unwrap().len();
        assert!(len == 512 || len == 1024, "{len}");
        fs::rename(&path, path.with_extension("old")).unwrap();
        tracker.reload("reload: done");
        turn_pages();
        assert!(lines(&path, 2).contains(&"http ipv4 127.0.0.1 page - 404".into()));
        tracker.stop();
    }
}

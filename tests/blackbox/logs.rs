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
    use std::os::unix::net::UnixDatagram;
    use std::path::Path;

    use crate::harness::PATIENCE;
    use crate::harness::json::Json;
    use crate::harness::tracker::{Setup, Tracker};

    #[test]
    fn messages_in_json_are_an_object_each() {
        let tracker = Setup::new().setting("log.format json").start();
        tracker.reload("reload: done");
        tracker.configure("listen.tcp_udp 127.0.0.1:0\nlog.format text\n");
        tracker.reload("reload: done");
        let log = tracker.log();
        let (text, json): (Vec<_>, Vec<_>) = log
            .lines()
            .partition(|line| line.starts_with("[INFO  trackerd::net"));
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
            ("info", "trackerd::net::reload")
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
}

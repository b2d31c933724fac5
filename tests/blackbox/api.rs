//! The management API: who is heard, what can be seen and changed, and the end it brings.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::for_workers;
use crate::harness::eventually;
use crate::harness::http::{Answer, Http};
use crate::harness::peer::Announce;
use crate::harness::tracker::{Setup, Tracker};

const HASH: &str = "2c6b6858d61da9543d4231a71db4b1c9264b0685";
const TOKEN: &str = "a-token-of-some-length";

/// On an address that the system chooses; the settings are further lines.
fn start(workers: usize, setup: Setup) -> (Tracker, Api) {
    let tracker = setup
        .setting("api.listen 127.0.0.1:0")
        .workers(workers)
        .start();
    let api = Api::of(&tracker);
    (tracker, api)
}

/// One connection for each request, as it is.
struct Api {
    to: SocketAddr,
    headers: String,
}

impl Api {
    fn of(tracker: &Tracker) -> Api {
        let line = tracker.wait_for_line("api: listening on ");
        let to = line.rsplit(' ').next().unwrap().parse().unwrap();
        Api {
            to,
            headers: "X-Trackerd: 1\r\n".into(),
        }
    }

    fn with(&self, headers: &str) -> Api {
        Api {
            to: self.to,
            headers: headers.into(),
        }
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str) -> Answer {
        let mut http = Http::connect(self.to);
        let answer = http.ask(request(
            method,
            path,
            &format!("Host: {}\r\n{}", self.to, self.headers),
        ));
        http.closed();
        assert_eq!(answer.header("Content-Type"), Some("application/json"));
        answer
    }

    #[track_caller]
    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path)
    }

    #[track_caller]
    fn told(&self, method: &str, path: &str) -> (u16, String) {
        let answer = self.ask(method, path);
        (answer.status, answer.text().trim_end().to_owned())
    }

    /// A number in the statistics.
    fn number(&self, name: &str) -> u64 {
        let text = self.get("/v1/stats").text();
        let (_, rest) = text.split_once(&format!("\"{name}\":")).unwrap();
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    }
}

fn request(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\n{headers}\r\n")
}

fn yes(text: &str) -> String {
    text.replace('\'', "\"")
}

for_workers!(
    sees_swarms_and_counts,
    changes_lists_at_once,
    changes_keys_and_networks_at_once,
    sets_and_lifts_bans,
    finishes_what_is_under_way_and_ends,
);

fn announce(port: u16, left: u64) -> Announce {
    Announce {
        left,
        ..Announce::seeder(hash(), port)
    }
}

fn hash() -> [u8; 20] {
    let digits = |at: usize| u8::from_str_radix(&HASH[at * 2..at * 2 + 2], 16).unwrap();
    std::array::from_fn(digits)
}

fn sees_swarms_and_counts(workers: usize) {
    let (tracker, api) = start(workers, Setup::new());
    assert_eq!(api.get(&format!("/v1/swarms/{HASH}")).status, 404);
    let mut http = Http::connect(tracker.tcp());
    http.announce(&announce(1001, 0));
    http.announce(&announce(1002, 1));
    let (status, text) = api.told("GET", &format!("/v1/swarms/{HASH}"));
    assert_eq!(status, 200);
    let head = format!(
        "{{'hash':'{}','seeders':1,'leechers':1,",
        HASH.to_uppercase()
    );
    assert!(text.starts_with(&yes(&head)), "{text}");
    for peer in ["1001,'seeder':true", "1002,'seeder':false"] {
        let peer = format!("{{'ip':'127.0.0.1','port':{peer}}}");
        assert!(text.contains(&yes(&peer)), "{text}");
    }
    let few = api.get(&format!("/v1/swarms/{HASH}?limit=1")).text();
    assert_eq!(few.matches("port").count(), 1);
    assert_eq!((api.number("seeders"), api.number("torrents")), (1, 1));
    assert_eq!(api.number("workers"), workers as u64);
    assert!(
        api.get("/v1/stats")
            .text()
            .contains(&yes("'http_announces':{'ipv4':2,'ipv6':0}"))
    );
}

fn changes_lists_at_once(workers: usize) {
    let setup = Setup::new().file("white", "");
    let white = format!("access.whitelist {}", setup.path("white").display());
    let (tracker, api) = start(workers, setup.setting(&white));
    let path = format!("/v1/hashes/{HASH}");
    let mut http = Http::connect(tracker.tcp());
    for _ in 0..3 {
        assert!(
            http.get(&announce(1001, 0).target())
                .failure()
                .contains("not authorized")
        );
        assert_eq!(api.told("GET", &path).0, 404);
        assert_eq!(
            api.told("PUT", &path),
            (201, yes("{'added':true,'total':1}"))
        );
        assert_eq!(http.announce(&announce(1001, 0)).seeders, 1);
        assert_eq!(
            api.told("PUT", &path),
            (200, yes("{'added':false,'total':1}"))
        );
        assert_eq!(api.told("GET", &path), (200, yes("{'found':true}")));
        assert_eq!(
            api.told("DELETE", &path),
            (200, yes("{'removed':true,'total':0}"))
        );
        assert_eq!(api.told("DELETE", &path).0, 404);
    }
    for first in ["aa", "bb", "cc"] {
        api.ask("PUT", &format!("/v1/hashes/{}", first.repeat(20)));
    }
    let name = |first: &str| first.repeat(20).to_uppercase();
    let two = format!(
        "'hashes':['{}','{}'],'after':'{1}'}}",
        name("aa"),
        name("bb")
    );
    let (_, page) = api.told("GET", "/v1/hashes?limit=2");
    assert_eq!(page, yes(&format!("{{'list':'whitelist','total':3,{two}")));
    let (_, page) = api.told("GET", &format!("/v1/hashes?limit=2&after={}", name("bb")));
    assert!(
        page.ends_with(&yes(&format!("'hashes':['{}']}}", name("cc")))),
        "{page}"
    );
    // The file is what counts at the next reload.
    tracker.replace("white", &format!("{HASH}\n"));
    tracker.reload("reload: done");
    assert_eq!(api.told("GET", &path).0, 200);
    assert!(api.get("/v1/hashes").text().contains(&yes("'total':1,")));
}

fn changes_keys_and_networks_at_once(workers: usize) {
    let setup = Setup::new().file("keys", "one\n");
    let keys = format!("access.keys {}", setup.path("keys").display());
    let (tracker, api) = start(workers, setup.setting(&keys));
    let mut http = Http::connect(tracker.tcp());
    let target = announce(1001, 0).target();
    let target = target.strip_prefix('/').unwrap();
    let as_two = |http: &mut Http| http.get(&format!("/two/{target}"));
    assert!(as_two(&mut http).failure().contains("private"));
    assert_eq!(
        api.told("PUT", "/v1/keys/two"),
        (201, yes("{'added':true,'total':2}"))
    );
    assert_eq!(as_two(&mut http).announced().seeders, 1);
    assert_eq!(api.told("GET", "/v1/keys"), (200, yes("{'total':2}")));
    assert_eq!(api.told("PUT", "/v1/keys/a.b").0, 400);
    assert_eq!(api.told("DELETE", "/v1/keys/two").0, 200);
    assert!(as_two(&mut http).failure().contains("private"));

    let there = "/v1/denied/127.0.0.0/30";
    assert_eq!(api.told("PUT", there), (201, yes("{'added':true}")));
    assert_eq!(api.told("PUT", "/v1/denied/127.0.0.1").0, 200);
    assert_eq!(
        api.told("GET", "/v1/denied"),
        (200, yes("{'networks':['127.0.0.0/30']}"))
    );
    assert!(
        as_two(&mut http)
            .failure()
            .contains("not allowed from this address")
    );
    assert_eq!(api.told("DELETE", "/v1/denied/127.0.0.2/31").0, 200);
    assert_eq!(
        api.told("GET", "/v1/denied"),
        (200, yes("{'networks':['127.0.0.0/31']}"))
    );
    assert_eq!(api.told("GET", "/v1/denied/127.0.0.1").0, 200);
    assert_eq!(api.told("GET", "/v1/denied/127.0.0.2").0, 404);
    assert_eq!(api.told("DELETE", "/v1/denied/127.0.0.0%2F8").0, 200);
    assert!(as_two(&mut http).failure().contains("private"));
}

fn sets_and_lifts_bans(workers: usize) {
    let setup = Setup::new()
        .setting("limit.strikes 3")
        .setting("limit.exempt 192.0.2.1");
    let (tracker, api) = start(workers, setup);
    let client = IpAddr::from(Ipv4Addr::new(127, 0, 0, 9));
    let mut http = Http::connect_from(client, tracker.tcp());
    http.announce(&announce(1001, 0));
    assert_eq!(api.told("GET", "/v1/bans"), (200, yes("{'bans':[]}")));
    assert_eq!(api.told("PUT", "/v1/bans/127.0.0.9").0, 400);
    assert_eq!(api.told("PUT", "/v1/bans/127.0.0.9?secs=600").0, 201);
    assert_eq!(api.told("PUT", "/v1/bans/127.0.0.9?secs=600").0, 200);
    assert!(
        http.get(&announce(1001, 0).target())
            .failure()
            .contains("banned")
    );
    let (_, text) = api.told("GET", "/v1/bans");
    assert!(
        text.starts_with(&yes("{'bans':[{'ip':'127.0.0.9','secs_left':")),
        "{text}"
    );
    assert!(api.get("/v1/bans/127.0.0.9").text().contains("secs_left"));
    assert_eq!(api.told("DELETE", "/v1/bans/127.0.0.9").0, 200);
    assert_eq!(api.told("DELETE", "/v1/bans/127.0.0.9").0, 404);
    http.announce(&announce(1001, 0));
    for last in [3, 1, 2] {
        api.ask("PUT", &format!("/v1/bans/198.51.100.{last}?secs=600"));
    }
    let page = api.get("/v1/bans?limit=2").text();
    assert!(page.ends_with(&yes(",'after':'198.51.100.2'}\n")), "{page}");
    let page = api.get("/v1/bans?limit=2&after=198.51.100.2").text();
    assert!(
        page.contains("198.51.100.3") && !page.contains("after"),
        "{page}"
    );
}

/// A connection that has sent half of a request gets its answer; nobody new does.
fn finishes_what_is_under_way_and_ends(workers: usize) {
    let (tracker, api) = start(workers, Setup::new());
    let to = tracker.tcp();
    let target = announce(1001, 0).target();
    let request = format!("GET {target} HTTP/1.1\r\nHost: tracker\r\n\r\n");
    let (first, rest) = request.split_at(20);
    let mut idle = Http::connect(to);
    idle.announce(&announce(1002, 1));
    let mut begun: Vec<_> = (0..8).map(|_| Http::connect(to)).collect();
    begun.iter_mut().for_each(|http| http.send(first));
    eventually("all are accepted", || accepted(&api) == 9);
    assert_eq!(
        api.told("POST", "/v1/drain"),
        (202, yes("{'draining':true}"))
    );
    eventually("nobody is accepted", || {
        std::net::TcpStream::connect(to).is_err()
    });
    idle.closed();
    assert!(
        api.get("/v1/stats")
            .text()
            .contains(&yes("'draining':true"))
    );
    for http in &mut begun {
        let answer = http.ask(rest);
        assert_eq!(answer.header("Connection"), Some("close"));
        assert!(answer.announced().seeders >= 1);
        http.closed();
    }
    assert_eq!(tracker.ended(), Some(0));
}

fn accepted(api: &Api) -> u64 {
    let text = api.get("/v1/stats").text();
    let (_, rest) = text.split_once(&yes("'tcp_accepted':{'ipv4':")).unwrap();
    rest.split(',').next().unwrap().parse().unwrap()
}

#[test]
fn only_who_has_the_token_is_heard() {
    let setup = Setup::new().file("token", &format!("{TOKEN}\n"));
    let token = format!("api.token_file {}", setup.path("token").display());
    let (tracker, api) = start(2, setup.setting(&token));
    for headers in [
        "",
        "X-Trackerd: 1\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: Bearer a-token-of-some-lengtH\r\n",
        "Authorization: Bearer a-token-of-some-length2\r\n",
        "Authorization: Basic a-token-of-some-length\r\n",
    ] {
        let answer = api.with(headers).get("/v1/stats");
        assert_eq!(answer.status, 401, "{headers}");
        assert_eq!(answer.header("WWW-Authenticate"), Some("Bearer"));
    }
    let good = api.with(&format!("Authorization: bearer {TOKEN}\r\n"));
    assert_eq!(good.get("/v1/stats").status, 200);
    assert_eq!(good.told("PUT", "/v1/denied/192.0.2.1").0, 201);
    let page = good.with(&format!("{}Origin: http://127.0.0.1\r\n", good.headers));
    assert_eq!(page.get("/v1/stats").status, 403);

    tracker.replace("token", "another-token-of-ours\n");
    tracker.reload("reload: done");
    assert_eq!(good.get("/v1/stats").status, 401);
    let good = api.with("Authorization: Bearer another-token-of-ours\r\n");
    assert_eq!(good.get("/v1/stats").status, 200);
    tracker.replace("token", "short\n");
    tracker.reload("the token has to be 16 to 512");
    assert_eq!(good.get("/v1/stats").status, 200, "the old one stays");
}

#[test]
fn no_page_can_do_anything() {
    let (_tracker, api) = start(1, Setup::new());
    let status = |method, headers: &str| {
        let mut http = Http::connect(api.to);
        http.ask(request(method, "/v1/denied/192.0.2.1", headers))
            .status
    };
    assert_eq!(status("PUT", "Host: localhost:1\r\nX-Trackerd: 1\r\n"), 201);
    assert_eq!(status("GET", "Host: [::1]:6970\r\n"), 200);
    for headers in [
        "",
        "Host: example.org\r\nX-Trackerd: 1\r\n",
        "Host: localhost.example.org\r\nX-Trackerd: 1\r\n",
        "Host: 127.0.0.1\r\nHost: 127.0.0.1\r\nX-Trackerd: 1\r\n",
        "Host: 127.0.0.1\r\nX-Trackerd: 1\r\nOrigin: null\r\n",
        "Host: 127.0.0.1\r\nX-Trackerd: 1\r\nSec-Fetch-Site: cross-site\r\n",
    ] {
        assert_eq!(status("GET", headers), 403, "{headers}");
        assert_eq!(status("DELETE", headers), 403, "{headers}");
    }
    assert_eq!(status("DELETE", "Host: 127.0.0.1\r\n"), 403);
    assert_eq!(status("OPTIONS", "Host: 127.0.0.1\r\n"), 405);
}

#[test]
fn what_makes_no_sense_is_told() {
    let (_tracker, api) = start(1, Setup::new());
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/stats", 404),
        ("GET", "/v1/", 404),
        ("GET", "/v1/stats/", 404),
        ("PUT", "/v1/stats", 405),
        ("GET", "/v1/drain", 405),
        (
            "POST",
            "/v1/hashes/2c6b6858d61da9543d4231a71db4b1c9264b0685",
            405,
        ),
        ("GET", "/v1/hashes/2c6b", 400),
        ("GET", "/v1/hashes?limit=0", 400),
        ("GET", "/v1/hashes?limit=1001", 400),
        ("GET", "/v1/hashes?limit", 400),
        ("GET", "/v1/hashes?colour=red", 400),
        ("PUT", "/v1/denied/10.0.0.0/33", 400),
        ("PUT", "/v1/denied/%zz", 400),
        ("PUT", "/v1/bans/10.0.0.1?secs=0", 400),
        (
            "PUT",
            "/v1/hashes/2c6b6858d61da9543d4231a71db4b1c9264b0685",
            409,
        ),
        ("PUT", "/v1/keys/one", 409),
        ("GET", "/v1/keys", 404),
        ("PUT", "/v1/bans/10.0.0.1?secs=9", 409),
    ] {
        let answer = api.ask(method, path);
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(
            answer.text().starts_with("{\"error\":\""),
            "{method} {path}"
        );
    }
    let mut http = Http::connect(api.to);
    let headers = "Host: ::1\r\nX-Trackerd: 1\r\nContent-Length: 100000\r\n";
    http.send(request("PUT", "/v1/denied/192.0.2.1", headers));
    assert_eq!(http.answer().status, 413);
    assert_eq!(
        Http::connect(api.to)
            .ask("\x16\x03\x01 hello\r\n\r\n")
            .status,
        400
    );
}

#[test]
fn those_who_say_nothing_are_not_waited_for() {
    let (tracker, api) = start(1, Setup::new());
    let mut silent: Vec<_> = (0..12).map(|_| Http::connect(api.to)).collect();
    silent.iter_mut().for_each(|http| http.send("GET /v1"));
    Http::connect(tracker.tcp()).announce(&announce(1001, 0));
    // Four at a time, for some seconds each.
    assert_eq!(silent[0].answer().status, 408);
    drop(silent);
    assert_eq!(api.get("/v1/stats").status, 200);
}

#[test]
fn a_socket_that_is_a_file_is_its_owners() {
    let setup = Setup::new().open_folder();
    let path = setup.path("socket");
    let listen = format!("api.listen unix:{}", path.display());
    let tracker = setup.setting(&listen).start();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let ask = |text: &str| {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = ask(&request("GET", "/v1/stats", ""));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let answer = ask(&request("PUT", "/v1/denied/192.0.2.0/24", ""));
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    // Another one finds it taken.
    let other = Setup::new().setting(&listen).run();
    assert_eq!(other.code, Some(71), "{other:?}");
    tracker.stop();
}

#[test]
fn what_would_be_open_to_all_does_not_start() {
    for (lines, code, what) in [
        (&["api.listen 0.0.0.0:0"][..], 78, "set api.token_file too"),
        (
            &["api.token_file token"],
            78,
            "there is no API without api.listen",
        ),
        (
            &["api.listen 0.0.0.0:0", "api.token_file /nonexistent/t"],
            66,
            "/nonexistent/t: ",
        ),
        (
            &["api.listen 192.0.2.77:1", "api.token_file /etc/passwd"],
            71,
            "api.listen: can't listen",
        ),
    ] {
        let setup = lines
            .iter()
            .fold(Setup::new(), |setup, line| setup.setting(line));
        let ended = setup.run();
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.stderr.contains(what), "{ended:?}");
    }
}

//! Lists of all torrents: the full scrape, `tpbs`, `statedump` and what reads it again; and the
//! statistics for which all torrents or peers are looked at.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;

use flate2::read::GzDecoder;

use crate::for_workers;
use crate::harness::bencode::Value;
use crate::harness::http::{Answer, Http};
use crate::harness::peer::{Announce, Event, InfoHash, scrape_target, torrent};
use crate::harness::tracker::{Setup, Tracker, is_emulated};
use crate::harness::{eventually, shout};

for_workers!(
    everything_is_listed_in_order,
    formats_are_those_of_opentracker,
    a_dump_is_remembered,
    long_lists_come_whole,
    the_largest_and_the_busiest_are_told,
);

fn hex(info_hash: InfoHash) -> String {
    info_hash.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").unwrap();
        text
    })
}

/// Seeders, leechers and completed downloads of some torrents, by info-hash.
fn fill(tracker: &Tracker) -> BTreeMap<InfoHash, (u16, u16, u16)> {
    let mut http = Http::connect(tracker.tcp());
    let mut all = BTreeMap::new();
    for n in 0..40 {
        let (seeders, leechers) = ((n % 3) as u16, (n % 4) as u16);
        for port in 0..seeders {
            let seeder = Announce::seeder(torrent(n), 7000 + port);
            let event = if n % 2 == 0 {
                Event::Completed
            } else {
                Event::None
            };
            http.announce(&seeder.event(event));
        }
        for port in 0..leechers {
            http.announce(&Announce::leecher(torrent(n), 8000 + port));
        }
        let completed = if n % 2 == 0 { seeders } else { 0 };
        if seeders + leechers > 0 {
            all.insert(torrent(n), (seeders, leechers, completed));
        }
    }
    all
}

fn bencoded(all: &BTreeMap<InfoHash, (u16, u16, u16)>) -> Vec<u8> {
    let mut text = b"d5:filesd".to_vec();
    for (info_hash, (seeders, leechers, completed)) in all {
        text.extend_from_slice(b"20:");
        text.extend_from_slice(info_hash);
        let counts =
            format!("d8:completei{seeders}e10:downloadedi{completed}e10:incompletei{leechers}ee");
        text.extend_from_slice(counts.as_bytes());
    }
    text.extend_from_slice(b"ee");
    text
}

fn everything_is_listed_in_order(workers: usize) {
    let tracker = Setup::new().workers(workers).start();
    let mut http = Http::connect(tracker.tcp());
    assert_eq!(http.get("/scrape").body, b"d5:filesdee");
    let expected = bencoded(&fill(&tracker));
    let answer = http.get("/scrape");
    assert_eq!(answer.header("Transfer-Encoding"), Some("chunked"));
    assert_eq!(answer.header("Content-Encoding"), None);
    assert_eq!(answer.bencoded(), Value::parse(&expected));
    assert_eq!(answer.body, expected);
    // The connection stays, and takes requests in a row.
    let twice = "GET /scrape HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n".repeat(2);
    http.send(twice);
    for _ in 0..2 {
        assert_eq!(plain(&http.answer()), expected);
    }
    let refused = http.ask("GET /scrape HTTP/1.1\r\nAccept-Encoding: gzip;q=0\r\n\r\n");
    assert_eq!(refused.body, expected);
    // Without chunks the end of the connection is the end.
    let mut old = Http::connect(tracker.tcp());
    old.send("GET /scrape HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let mut bytes = Vec::new();
    old.stream.read_to_end(&mut bytes).unwrap();
    assert!(bytes.ends_with(&expected) && bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
    let told = http.get("/stats?mode=fscr").text();
    let told: Vec<u64> = told
        .lines()
        .take(2)
        .map(|line| line.parse().unwrap())
        .collect();
    assert_eq!(told[0], 6);
    assert!(told[1] > 4 * expected.len() as u64, "{told:?}");
}

/// The body as it was before it was compressed, if it was: in a build that can, it is.
fn plain(answer: &Answer) -> Vec<u8> {
    let encoding = answer.header("Content-Encoding");
    assert_eq!(encoding, cfg!(feature = "gzip").then_some("gzip"));
    let mut plain = Vec::new();
    match encoding {
        Some(_) => GzDecoder::new(&answer.body[..])
            .read_to_end(&mut plain)
            .unwrap(),
        None => (&answer.body[..]).read_to_end(&mut plain).unwrap(),
    };
    plain
}

fn formats_are_those_of_opentracker(workers: usize) {
    let tracker = Setup::new().workers(workers).start();
    let all = fill(&tracker);
    let mut http = Http::connect(tracker.tcp());
    let mut list = |format: &str| http.get(&format!("/stats?mode=tpbs&format={format}"));
    let (mut txt, mut txtp, mut bin) = (String::new(), String::new(), Vec::new());
    for (info_hash, (seeders, leechers, completed)) in &all {
        let hex = hex(*info_hash);
        writeln!(txt, "{hex}:{seeders}:{leechers}").unwrap();
        writeln!(txtp, "{hex}:{seeders}:{leechers}:{completed}").unwrap();
        bin.extend_from_slice(info_hash);
        bin.extend_from_slice(&u32::from(*seeders).to_be_bytes());
        bin.extend_from_slice(&u32::from(*leechers).to_be_bytes());
    }
    assert_eq!(list("txt").text(), txt);
    assert_eq!(list("txtp").text(), txtp);
    assert_eq!(list("bin").body, bin);
    assert_eq!(list("ben").body, bencoded(&all));
    let url = list("url").text();
    let counts = |text: &str| -> Vec<String> {
        let lines = text
            .lines()
            .map(|line| line.split_once(':').unwrap().1.to_owned());
        lines.collect()
    };
    assert_eq!(counts(&url), counts(&txt));
    assert_eq!(list("nonsense").status, 400);
    assert_eq!(http.get("/stats?mode=tpbs").status, 400);
}

fn a_dump_is_remembered(workers: usize) {
    let tracker = Setup::new().workers(workers).start();
    let all = fill(&tracker);
    let mut http = Http::connect(tracker.tcp());
    let dump = http.get("/stats?mode=statedump").text();
    let lines: Vec<Vec<&str>> = dump.lines().map(|line| line.split(':').collect()).collect();
    let expected: Vec<_> = all
        .iter()
        .map(|(info_hash, (_, _, completed))| (hex(*info_hash), completed.to_string()))
        .collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| (line[0].to_owned(), line[2].to_owned()))
        .collect();
    assert_eq!(told, expected);
    let minutes = lines[0][1];
    assert!(
        lines.iter().all(|line| line[1].len() == minutes.len()),
        "{dump}"
    );
    tracker.stop();

    let other = "11".repeat(20);
    let dump = format!("{dump}bad line\n{other}:1000:5\n{}:9", "22".repeat(20));
    let setup = Setup::new().workers(workers).file("dump", &dump);
    let path = setup.path("dump");
    let tracker = setup.arg("-l").arg(path).start();
    let log = tracker.wait_for_line("torrents remembered");
    let completed: Vec<_> = all.iter().filter(|(_, counts)| counts.2 > 0).collect();
    assert!(
        log.contains(&format!(" {} torrents", completed.len())),
        "{log}"
    );
    let bad = all.len() + 1;
    assert!(
        tracker.log().contains(&format!("dump:{bad}: not")),
        "{}",
        tracker.log()
    );
    let mut http = Http::connect(tracker.tcp());
    for (info_hash, (_, _, completed)) in completed {
        let scraped = http.get(&scrape_target(&[*info_hash])).bencoded();
        let mut expected = b"d5:filesd20:".to_vec();
        expected.extend_from_slice(info_hash);
        expected.extend_from_slice(
            format!("d8:completei0e10:downloadedi{completed}e11:downloadersi0e10:incompletei0eeee")
                .as_bytes(),
        );
        assert_eq!(scraped, Value::parse(&expected));
    }
}

/// Several pages, read at once or slowly, while others are served.
fn long_lists_come_whole(workers: usize) {
    // An emulator would need more time than readers have.
    let torrents = if is_emulated() { 25_000 } else { 45_000 };
    let mut hashes: Vec<_> = (0..torrents).map(torrent).collect();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let minutes = now.as_secs() / 60;
    let dump = hashes.iter().fold(String::new(), |mut text, hash| {
        writeln!(text, "{}:{minutes}:3", hex(*hash)).unwrap();
        text
    });
    let setup = Setup::new().workers(workers).file("dump", &dump);
    let path = setup.path("dump");
    let tracker = setup.arg("-l").arg(path).start();
    hashes.sort_unstable();
    let expected = hashes.iter().fold(String::new(), |mut text, hash| {
        writeln!(text, "{}:0:0:3", hex(*hash)).unwrap();
        text
    });
    let mut quick = Http::connect(tracker.tcp());
    let mut narrow = Http::connect_narrow(tracker.tcp());
    let target = "/stats?mode=tpbs&format=txtp";
    narrow.send(crate::harness::http::request(target));
    let answer = quick.ask(format!(
        "GET {target} HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n"
    ));
    assert!(plain(&answer) == expected.as_bytes(), "compressed");
    let announced = quick.announce(&Announce::leecher(hashes[0], 7000));
    assert_eq!(announced.completed, 3);
    assert!(narrow.answer().text() == expected, "read slowly");
}

fn the_largest_and_the_busiest_are_told(workers: usize) {
    let setup = Setup::new().workers(workers);
    let setup = setup.setting("stats.fulllog 127.0.0.5");
    let tracker = setup.setting("stats.woodpeckers yes").start();
    let all = fill(&tracker);
    let mut http = Http::connect(tracker.tcp());
    let largest = |of: fn(&(u16, u16, u16)) -> u16| {
        let mut list: Vec<_> = all
            .iter()
            .map(|(hash, counts)| (of(counts), *hash))
            .collect();
        list.retain(|(n, _)| *n > 0);
        list.sort_by_key(|(n, hash)| (std::cmp::Reverse(*n), *hash));
        list
    };
    let mut expected = String::new();
    for (name, list) in [
        ("peers", largest(|counts| counts.0 + counts.1)),
        ("seeds", largest(|counts| counts.0)),
        ("leechers", largest(|counts| counts.1)),
    ] {
        writeln!(expected, "Top 10 torrents by {name}:").unwrap();
        for (n, hash) in list.iter().take(10) {
            writeln!(expected, "\t{n}\t{}", hex(*hash)).unwrap();
        }
    }
    assert_eq!(http.get("/stats?mode=top10").text(), expected);
    let more = http.get("/stats?mode=top100").text();
    assert!(more.lines().count() > expected.lines().count());
    let peers: u16 = all.values().map(|counts| counts.0 + counts.1).sum();
    assert_eq!(
        http.get("/stats?mode=s24s").text(),
        format!(
            "Networks, limit /28:\n{peers:08}: 127.0.0.0\n\n\
             Networks, limit /24:\n{peers:08}: 127.0.0.0\n\n"
        )
    );
    let request = "GET /announce?x=1 HTTP/1.1\r\nHost: a\r\n\r\n";
    let watched = "127.0.0.5".parse().unwrap();
    for _ in 0..2 {
        Http::connect_from(watched, tracker.tcp()).ask(request);
    }
    // Nobody has come again after a minute.
    assert_eq!(
        http.get("/stats?mode=woodpeckers").text(),
        "Networks, limit /28:\n\n"
    );
    let log = http.get("/stats?mode=fulllog").text();
    assert_eq!(
        log.matches(&format!(": 127.0.0.5\n{request}\n*\n\n"))
            .count(),
        2,
        "{log}"
    );
    assert_eq!(
        http.get("/stats?mode=fulllog").text(),
        "",
        "what was read is forgotten"
    );
}

#[test]
fn full_scrapes_are_for_some() {
    let asks = |setup: Setup| {
        let tracker = setup.start();
        let mut http = Http::connect(tracker.tcp());
        let by_scrape = http.get("/scrape");
        let by_stats = http.get("/stats?mode=tpbs&format=txt").status;
        assert_eq!(http.get("/stats?mode=statedump").status, by_stats);
        match by_scrape.text().contains("failure reason") {
            true => (by_scrape.failure(), by_stats),
            false => (String::new(), by_stats),
        }
    };
    let refused = (
        "A scrape must name the torrents it asks about.".to_owned(),
        403,
    );
    let served = (String::new(), 200);
    assert_eq!(asks(Setup::new()), served);
    assert_eq!(asks(Setup::new().setting("access.full_scrape yes")), served);
    assert_eq!(asks(Setup::new().setting("access.full_scrape no")), refused);
    let net = |net: &str| Setup::new().setting(&format!("access.full_scrape_net {net}"));
    assert_eq!(asks(net("127.0.0.0/8")), served);
    assert_eq!(asks(net("10.0.0.0/8")), refused);
}

#[test]
fn full_scrapes_are_had_once_a_period() {
    let tracker = Setup::new().setting("access.proxy 127.0.0.1").start();
    let mut http = Http::connect(tracker.tcp());
    let mut ask = |client: &str| {
        let request = format!("GET /scrape HTTP/1.1\r\nX-Forwarded-For: {client}\r\n\r\n");
        http.ask(request).status
    };
    let asked = [
        "9.9.9.9",
        "9.9.9.9",
        "9.9.9.8",
        "9.9.9.8",
        "192.168.0.1",
        "192.168.0.1",
    ];
    assert_eq!(asked.map(&mut ask), [200, 429, 200, 429, 200, 200]);
    let counters = http.get("/stats?mode=counters").text();
    assert!(counters.contains("http too soon: 2 0\n"), "{counters}");
}

#[test]
fn readers_who_do_not_read_are_given_up_and_make_room() {
    if is_emulated() {
        return shout("SKIPPED: readers who do not read: an emulator is too slow for one second");
    }
    let dump = (0..60_000).fold(String::new(), |mut text, n| {
        writeln!(text, "{}:99999999:3", hex(torrent(n))).unwrap();
        text
    });
    let setup = Setup::new().workers(1).file("dump", &dump);
    let path = setup.path("dump");
    let setup = setup.setting("http.request_secs_max 1").arg("-l").arg(path);
    let tracker = setup.start();
    let mut others: Vec<_> = (0..2)
        .map(|_| Http::connect_narrow(tracker.tcp()))
        .collect();
    for other in &mut others {
        other.send(crate::harness::http::request("/scrape"));
    }
    let mut http = Http::connect(tracker.tcp());
    eventually("two are all that one worker serves", || {
        http.get("/stats?mode=fscr").text().starts_with("2\n")
    });
    let refused = Http::connect(tracker.tcp()).get("/scrape").status;
    assert_eq!(refused, 503);
    assert_eq!(http.get("/stats").status, 200);
    eventually("they are given up", || {
        let mut own = Http::connect(tracker.tcp());
        own.send(crate::harness::http::request("/scrape"));
        own.try_answer().is_some_and(|answer| answer.status == 200)
    });
}

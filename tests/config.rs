//! Files and command line as operators write them, and the sample file against the table.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use std::fs;
use std::path::Path;
use trackerd::config::settings::{Setting, settings};
use trackerd::config::{
    Amount, Command, Config, HashFile, Limits, Listen, Log, Memory, Programs, parse,
};
use trackerd::error::{Exit, Fatal};
use trackerd::types::{Ceiling, Intervals, Load, Net};

const SAMPLE: &str = include_str!("../opentracker.conf.sample");

/// Writes a file of this name and returns its path.
fn file(name: &str, text: impl AsRef<[u8]>) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn words(line: &str) -> impl DoubleEndedIterator<Item = &str> {
    line.split_ascii_whitespace()
}

fn config(line: &str) -> Config {
    match parse(words(line)) {
        Ok(Command::Run(config)) => config,
        other => panic!("{line}: {other:?}"),
    }
}

fn refusal(line: &str) -> Fatal {
    match parse(words(line)) {
        Err(fatal) => fatal,
        other => panic!("{line}: {other:?}"),
    }
}

/// What a file of this text is refused for, as `LINE: message`, by its own exit code.
fn file_refusal(name: &str, text: impl AsRef<[u8]>) -> String {
    let path = file(name, text);
    let fatal = refusal(&format!("-f {path}"));
    assert_eq!(fatal.exit, Exit::Config, "{fatal}");
    fatal
        .to_string()
        .strip_prefix(&format!("{path}:"))
        .unwrap()
        .to_owned()
}

/// `ADDRESS tu?` for each listen: the address, its protocols, and whether it is optional.
fn listens(config: &Config) -> String {
    let mark = |yes, mark| if yes { mark } else { "" };
    let text = |listen: &Listen| {
        let (tcp, udp) = (mark(listen.tcp, "t"), mark(listen.udp, "u"));
        format!("{} {tcp}{udp}{}", listen.addr, mark(listen.optional, "?"))
    };
    config
        .listens
        .iter()
        .map(text)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Checks lines of `COMMAND LINE => LISTENS`.
fn check_listens(cases: &str) {
    for case in cases.lines() {
        let (line, expected) = case.split_once(" => ").unwrap();
        assert_eq!(listens(&config(line)), expected, "{line}");
    }
}

fn net(ip: &str, bits: u8) -> Net {
    Net::new(ip.parse().unwrap(), bits).unwrap()
}

// --- Addresses

#[test]
fn without_a_word_it_listens_on_both_families_where_there_are_two() {
    assert_eq!(listens(&config("")), "0.0.0.0:6969 tu?, [::]:6969 tu?");
}

#[test]
fn opentrackers_letters_for_addresses() {
    check_listens(
        "\
-p 80 => 0.0.0.0:80 t?, [::]:80 t?
-p 80 -P 80 => 0.0.0.0:80 tu?, [::]:80 tu?
-i 192.0.2.1 => 192.0.2.1:6969 tu
-i 192.0.2.1 -p 80 => 192.0.2.1:80 t
-i 192.0.2.1 -p 80 -i 2001:db8::1 -P 81 => 192.0.2.1:80 t, [2001:db8::1]:81 u
-p 80 -i 192.0.2.1 => 0.0.0.0:80 t?, [::]:80 t?
-i [::1] -P0 => [::1]:0 u
-i :: -p 80 => [::]:80 t, 0.0.0.0:80 t?
-i ::ffff:192.0.2.1 -p 80 => 192.0.2.1:80 t",
    );
}

#[test]
fn forms_of_addresses() {
    check_listens(
        "\
--listen.tcp 1.2.3.4 => 1.2.3.4:6969 t
--listen.tcp 1.2.3.4:80 => 1.2.3.4:80 t
--listen.tcp 1.2.3.4:0 => 1.2.3.4:0 t
--listen.tcp ::1 => [::1]:6969 t
--listen.tcp [::1] => [::1]:6969 t
--listen.tcp [::1]:80 => [::1]:80 t
--listen.tcp ::1.80 => [::1]:80 t
--listen.tcp ::ffff:1.2.3.4 => 1.2.3.4:6969 t
--listen.tcp ::ffff:1.2.3.4.80 => 1.2.3.4:80 t
--listen.tcp 2001:db8::1:80 => [2001:db8::1:80]:6969 t
--listen.tcp * => 0.0.0.0:6969 t?, [::]:6969 t?
--listen.tcp *:80 => 0.0.0.0:80 t?, [::]:80 t?",
    );
    let wrong = "localhost 80 :80 1.2.3 1.2.3.4: 1.2.3.4:99999 1.2.3.4:-1 1.2.3.4:+1 1.2.3.4:80x \
        1.2.3.4.80 [::1 [::1]80 [::1]: ::1]:80 [1.2.3.4]:80 ** *80 *: 1.2.3.4/8 []:80 ::1. \
        fe80::1%eth0";
    for text in words(wrong) {
        assert_eq!(
            refusal(&format!("--listen.udp={text}")).exit,
            Exit::Usage,
            "{text}"
        );
    }
}

#[test]
fn the_wildcard_of_ipv6_brings_that_of_ipv4() {
    check_listens(
        "\
--listen.tcp [::]:80 => [::]:80 t, 0.0.0.0:80 t?
--listen.tcp [::]:80 --listen.tcp 0.0.0.0:80 => [::]:80 t, 0.0.0.0:80 t
--listen.tcp 0.0.0.0:80 --listen.tcp [::]:80 => 0.0.0.0:80 t, [::]:80 t
--listen.tcp [::]:80 --listen.udp *:80 => [::]:80 tu, 0.0.0.0:80 tu?
--listen.tcp 0.0.0.0:80 => 0.0.0.0:80 t",
    );
}

#[test]
fn an_address_given_twice_is_one_unless_the_system_chooses_the_port() {
    check_listens(
        "\
--listen.tcp 1.2.3.4:80 --listen.udp 1.2.3.4:80 --listen.tcp 1.2.3.4:80 => 1.2.3.4:80 tu
--listen.tcp 1.2.3.4:0 --listen.tcp 1.2.3.4:0 => 1.2.3.4:0 t, 1.2.3.4:0 t",
    );
}

// --- Live sync

#[test]
#[cfg(feature = "cluster")]
fn live_sync_goes_by_an_interface_of_ipv4() {
    for (line, expected) in [
        ("--livesync.cluster.listen 10.0.0.1", "10.0.0.1:9696"),
        ("--livesync.cluster.listen 10.0.0.1:80", "10.0.0.1:80"),
        ("--livesync.cluster.listen ::ffff:10.0.0.1", "10.0.0.1:9696"),
        ("--livesync.cluster.listen *", "0.0.0.0:9696"),
        ("-s 9697", "0.0.0.0:9697"),
        ("-i 10.0.0.1 -s 9697", "10.0.0.1:9697"),
        ("-s 9697 -i 10.0.0.1", "0.0.0.0:9697"),
        ("-i 10.0.0.1 -s 9697 -i 10.0.0.2 -s 9698", "10.0.0.2:9698"),
    ] {
        let livesync = config(line).livesync.map(|addr| addr.to_string());
        assert_eq!(livesync.as_deref(), Some(expected), "{line}");
    }
    assert_eq!(config("").livesync, None);
    // It is no address to serve at.
    let served = listens(&config("-i 10.0.0.1 -s 9697"));
    assert_eq!(served, "10.0.0.1:6969 tu");
    for (line, what) in [
        ("-i ::1 -s 9696", "live sync goes by IPv4; write"),
        (
            "--livesync.cluster.listen fd00::1",
            "live sync goes by IPv4; write",
        ),
        (
            "--livesync.cluster.listen lan0",
            "`lan0` is no IP address; write",
        ),
        (
            "--livesync.cluster.listen 10.0.0.1:0",
            "live sync needs a port that all",
        ),
        (
            "--livesync.cluster.listen 10.0.0.1:99999",
            "`99999` is not a whole number",
        ),
        ("-s 0", "live sync needs a port that all"),
        (
            "--livesync.cluster.node_ip 10.0.0.1",
            "there is no live sync without livesync",
        ),
    ] {
        let fatal = refusal(line);
        assert!(fatal.what.starts_with(what), "{line}: {fatal}");
        assert_eq!(fatal.exit, Exit::Usage);
    }
    let twice = "livesync.cluster.listen 10.0.0.1\nlivesync.cluster.listen 10.0.0.2";
    assert!(file_refusal("twice.conf", twice).starts_with("2: livesync.cluster.listen: line 1"));
}

#[test]
#[cfg(feature = "cluster")]
fn nodes_are_networks_and_those_that_are_blessed() {
    let config = config(
        "-s 9696 --livesync.cluster.node_ip 10.0.0.1 -A 10.9.0.0/16 \
         --livesync.cluster.node_ip 10.1.0.0/24",
    );
    let nodes = [
        net("10.0.0.1", 32),
        net("10.1.0.0", 24),
        net("10.9.0.0", 16),
    ];
    assert_eq!(config.nodes, nodes);
}

#[test]
fn a_blessing_is_for_everything_there_is() {
    let config = config("--access.stats 10.0.0.1 -A 10.1.0.0/16 -A ::1 --access.proxy 10.0.0.2");
    let blessed = [net("10.1.0.0", 16), net("::1", 128)];
    assert_eq!(
        config.stats_readers,
        [&[net("10.0.0.1", 32)], &blessed[..]].concat()
    );
    assert_eq!(
        config.proxies,
        [&[net("10.0.0.2", 32)], &blessed[..]].concat()
    );
    // Without live sync there is nothing to be a node of.
    assert_eq!((config.livesync, config.nodes), (None, Vec::new()));
}

#[test]
#[cfg(feature = "persist")]
fn a_snapshot_has_a_file_of_its_own() {
    let config = config("--persist.file /a --persist.interval 0 -l /b");
    assert_eq!(config.snapshots.file, Some("/a".into()));
    assert_eq!(config.snapshots.interval(), 0);
    let fatal = refusal("--persist.file /a -l /a");
    assert!(fatal.what.starts_with("a snapshot is no statedump"));
}

#[test]
#[cfg(not(feature = "persist"))]
fn snapshots_need_their_feature() {
    let fatal = refusal("--persist.file /a");
    assert!(fatal.what.starts_with("needs the feature `persist`"));
}

#[test]
fn what_has_no_effect_is_told() {
    let key = "batchsync.cluster.admin_ip";
    let path = file("batch.conf", format!("{key} 10.0.0.1\n{key} 10.0.0.2\n"));
    let expected = Config {
        ignored: vec![key, key],
        ..config("")
    };
    assert_eq!(config(&format!("-f {path}")), expected);
}

// --- Command line

#[test]
fn every_setting_by_its_long_name_and_by_its_others() {
    let config = config(
        "--workers 3 -d /srv -u tracker -r https://example.org/ --tracker.interval=3600 \
         --tracker.interval_jitter 0 --tracker.min_interval 3600 --tracker.peer_timeout 3601 \
         --tracker.numwant_default 10 --tracker.numwant_max 20 -w /white -A 10.0.0.0/8 -A ::1 \
         --access.stats_path /hidden/st --http.connections_max 5 --http.idle_secs_max 6 \
         --http.request_secs_max 7 --log-level trace --log.addresses prefix \
         --listen.udp.workers 9 -i 127.0.0.1 \
         --access.fifo_add /add --access.fifo_delete=del \
         --listen.udp.receive_buffer 8192 --tracker.pin_workers yes --access.proxy 10.0.0.1 \
         --access.proxy fd00::/8 --access.proxy_header X-Real-IP --access.proxy_protocol yes \
         --access.full_scrape_net 10.0.0.2 --access.full_scrape_interval 60 -l dump \
         --stats.fulllog 10.0.0.3 --stats.woodpeckers yes --log.completed yes \
         --tracker.peer_ids yes \
         --tracker.ip_from_query ::1 --tracker.external_ip yes --tracker.scrape_interval 900 \
         --tracker.warning beware --tracker.id east-1 --access.keys /keys \
         --access.deny 192.0.2.0/24 --access.deny_file /denied \
         --access.peer_id_allow -TR --access.peer_id_deny -XL --access.agent_allow A/ \
         --access.agent_deny B/ --access.agent_deny c --access.program_text no \
         --nofile 64000 --core -1 --keep-alive off --no-udp no \
         --tracker.hang_secs_max 30 --tracker.enforce_interval yes \
         --charset utf-8 \
         --locale de_CH.UTF-8 --failed 4 --log.status json \
         --tracker.memory_limit 24M --tracker.max_torrents 7 --tracker.max_peers 8 \
         --udp.secret_file /secret",
    );
    let expected = Config {
        listens: vec![Listen {
            addr: "127.0.0.1:6969".parse().unwrap(),
            tcp: true,
            udp: true,
            https: false,
            optional: false,
        }],
        workers: Some(3),
        open_files: Some(Amount::Of(64_000)),
        core_bytes: Some(Amount::Max),
        receive_buffer: Some(8192),
        pin_workers: true,
        rootdir: Some("/srv".into()),
        load: Some("dump".into()),
        user: Some("tracker".into()),
        redirect_url: Some("https://example.org/".into()),
        intervals: Intervals {
            interval: 3600,
            jitter: Some(0),
            min_interval: 3600,
            peer_timeout: Some(3601),
            load: None,
        },
        numwant_default: 10,
        numwant_max: 20,
        external_ip: true,
        keep_ids: true,
        scrape_interval: Some(900),
        tracker_id: Some("east-1".into()),
        warning: Some("beware".into()),
        keys: Some("/keys".into()),
        hashes: HashFile::White("/white".into()),
        fifo_add: Some("/add".into()),
        fifo_delete: Some("del".into()),
        stats_readers: vec![net("10.0.0.0", 8), net("::1", 128)],
        full_scrapers: Some(vec![net("10.0.0.2", 32)]),
        full_scrape_interval: 60,
        log_completed: true,
        woodpeckers: true,
        watched: vec![net("10.0.0.3", 32)],
        stats_path: "hidden/st".into(),
        metrics_path: "metrics".into(),
        proxies: vec![
            net("10.0.0.1", 32),
            net("fd00::", 8),
            net("10.0.0.0", 8),
            net("::1", 128),
        ],
        proxy_header: "X-Real-IP".into(),
        proxy_protocol: true,
        ip_from_query: vec![net("::1", 128)],
        denied: vec![net("192.0.2.0", 24)],
        deny_file: Some("/denied".into()),
        peer_ids: programs(&["-TR"], &["-XL"]),
        agents: programs(&["A/"], &["B/", "c"]),
        program_text: Some("no".into()),
        enforce_interval: true,
        limits: config_limits(),
        livesync: None,
        nodes: Vec::new(),
        bus: None,
        secret_file: Some("/secret".into()),
        api: None,
        api_token: None,
        certificate: None,
        meta: no_meta(),
        snapshots: trackerd::config::Snapshots::default().finish(),
        ignored: Vec::new(),
        memory: Memory {
            limit: Some(24 << 20),
            torrents_max: Some(7),
            peers_max: Some(8),
        },
        connections_max: 5,
        keep_alive: false,
        stats_charset: Some("utf-8".into()),
        stats_separator: Some('\''),
        failed: 4,
        status: "json",
        idle_secs_max: 6,
        request_secs_max: 7,
        hang_secs_max: 30,
        log: Log {
            level: "trace",
            format: "text",
            syslog: None,
            addresses: "prefix",
            access: None,
        },
    };
    assert_eq!(config, expected);
}

fn programs(allow: &[&str], deny: &[&str]) -> Programs {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Programs {
        allow: texts(allow),
        deny: texts(deny),
    }
}

fn no_meta() -> trackerd::config::Meta {
    config("").meta
}

/// The usual ones.
fn config_limits() -> Limits {
    Limits {
        connects_per_sec: 200,
        announces_per_sec: 200,
        scrapes_per_sec: 100,
        connections_per_sec: 200,
        burst_secs: 60,
        sources: 2048,
        torrent_peers_max: 0,
        address_peers_max: 0,
        exempt: Vec::new(),
        strikes: 0,
        strike_secs: 60,
        ban_secs: 3600,
    }
}

#[test]
fn every_limit_by_its_name() {
    let config = config(
        "--limit.connects_per_sec 1 --limit.announces_per_sec 2 --limit.scrapes_per_sec 3 \
         --limit.connections_per_sec 0 --limit.burst_secs 5 --limit.sources 16 --limit.strikes 7 \
         --limit.strike_secs 8 --limit.ban_secs 9 --limit.exempt ::1 --limit.exempt 10.0.0.0/8 \
         --limit.torrent_peers_max 10 --limit.address_peers_max 11",
    );
    let expected = Limits {
        connects_per_sec: 1,
        announces_per_sec: 2,
        scrapes_per_sec: 3,
        connections_per_sec: 0,
        burst_secs: 5,
        sources: 16,
        torrent_peers_max: 10,
        address_peers_max: 11,
        exempt: vec![net("::1", 128), net("10.0.0.0", 8)],
        strikes: 7,
        strike_secs: 8,
        ban_secs: 9,
    };
    assert_eq!(config.limits, expected);
}

#[test]
fn words_about_programs_are_fit_for_an_answer() {
    let long = "x".repeat(81);
    for (key, wrong) in [
        ("access.peer_id_deny", "-this-is-longer-than-20"),
        ("access.peer_id_allow", "-\u{fc}"),
        ("access.agent_deny", "bell\u{7}"),
        ("access.program_text", long.as_str()),
    ] {
        assert_eq!(
            refusal(&format!("--{key}={wrong}")).exit,
            Exit::Usage,
            "{key}"
        );
    }
    let path = file(
        "words.conf",
        "access.program_text Use another client, please.\n",
    );
    let text = config(&format!("-f {path}")).program_text;
    assert_eq!(text.as_deref(), Some("Use another client, please."));
}

#[test]
fn opentrackers_workers_count_where_ours_are_not_set() {
    for (line, workers) in [
        ("", None),
        ("--listen.udp.workers 0", None),
        ("--listen.udp.workers 4", Some(4)),
        ("--listen.udp.workers 4 --workers 2", Some(2)),
    ] {
        assert_eq!(config(line).workers, workers, "{line}");
    }
}

#[test]
fn options_that_mean_something_by_themselves() {
    for (line, listen, keep_alive, idle_secs, header) in [
        ("--port 80", "tu", true, 30, "X-Forwarded-For"),
        ("--no-tcp --port 80", "u", true, 30, "X-Forwarded-For"),
        ("--port 80 --no-udp", "t", true, 30, "X-Forwarded-For"),
        ("--no-tcp no --port 80", "tu", true, 30, "X-Forwarded-For"),
        ("--no-tcp=yes --port=80", "u", true, 30, "X-Forwarded-For"),
        (
            "--keep-alive --port 80 --x-forwarded-for --access.proxy ::1",
            "tu",
            true,
            30,
            "X-Forwarded-For",
        ),
        (
            "--port 80 --access.proxy ::1 --keep-alive 7 --x-forwarded-for X-IP",
            "tu",
            true,
            7,
            "X-IP",
        ),
        (
            "--port 80 --keep-alive=off",
            "tu",
            false,
            30,
            "X-Forwarded-For",
        ),
    ] {
        let config = config(line);
        let expected = format!("0.0.0.0:80 {listen}?, [::]:80 {listen}?");
        assert_eq!(listens(&config), expected, "{line}");
        assert_eq!(
            (config.keep_alive, config.idle_secs_max),
            (keep_alive, idle_secs)
        );
        assert_eq!(config.proxy_header, header, "{line}");
    }
    assert_eq!(listens(&config("-i ::1 --port 80 --no-tcp")), "[::1]:80 u");
}

#[test]
fn the_load_drives_the_interval_when_asked_to() {
    let hundredths = Ceiling::Hundredths;
    for (line, interval, limit, min, max) in [
        ("--max-load-avg 0.5", 1800, hundredths(50), 240, 1800),
        ("--max-load-avg 12.07", 1800, hundredths(1207), 240, 1800),
        ("--load.limit auto", 1800, Ceiling::Auto, 240, 1800),
        ("--min-interval 3600", 3600, Ceiling::Auto, 3600, 3600),
        ("--max-interval 120", 120, Ceiling::Auto, 120, 120),
        (
            "--interval 300 --min-interval 300 --max-load-avg 3",
            300,
            hundredths(300),
            300,
            1800,
        ),
    ] {
        let load = Load { limit, min, max };
        let intervals = config(line).intervals;
        assert_eq!(
            (intervals.interval, intervals.load),
            (interval, Some(load)),
            "{line}"
        );
        assert_eq!(intervals.min_interval, min / 2);
    }
    assert_eq!(config("--interval 300").intervals.load, None);
    // What is asked of the others holds for the shortest.
    let line = "--load.limit 1 --tracker.interval_jitter 180 --tracker.min_interval 900";
    let intervals = config(line).intervals;
    assert_eq!(intervals.min_interval, 180);
    assert_eq!([240, 1800].map(|i| intervals.jitter_of(i)), [60, 180]);
}

#[test]
fn wrong_words_are_refused_with_a_remedy() {
    for line in "\
-p 99999 => `99999` is not a whole number from 0 to 65535
-P 80x => `80x` is not a whole number from 0 to 65535
-i example.org => `example.org` is no IP address
-f => needs a value: FILE
--workers => needs a value: N
--workers= => needs a value: N
--workers 0 => `0` is not a whole number from 1 to 256
--workers 257 => `257` is not a whole number from 1 to 256
--workers 4294967297 => `4294967297` is not a whole number from 1 to 256
--workers +1 => `+1` is not a whole number from 1 to 256
--log-level loud => `loud` is none of error, warn, info, debug, trace
-A 10.0.0.0/33 => `33` is not a whole number from 0 to 32
--workrs 3 => unknown option; did you mean --workers?
--intervals 3 => unknown option; did you mean --interval?
--interval 3 => `3` is not a whole number from 60 to 86400
--min-interval 4294967536 => `4294967536` is not a whole number from 60 to 86400
--max-interval 59 => `59` is not a whole number from 60 to 86400
--max-interval 300 --min-interval 301 => the interval at low load, 301, exceeds the one at high
--max-interval 300 --interval 301 => the interval to begin with, 301, is not from 240 to 300, where
--max-load-avg 100 --tracker.peer_timeout 1980 => a peer timeout of 1980 would forget peers that
--max-load-avg 0 => `0` is neither auto nor a load from 0.01 to 1000.99
--max-load-avg 1,5 => `1,5` is neither auto nor a load from 0.01 to 1000.99
--max-load-avg 1.505 => `1.505` is neither auto nor a load from 0.01 to 1000.99
--port 70000 => `70000` is not a whole number from 0 to 65535
--max-peers-per-response 0 => `0` is not a whole number from 1 to 1000
--socket-timeout 70000 => `70000` is not a whole number from 1 to 300
--keep-alive maybe => `maybe` is not a whole number from 1 to 3600, nor on, nor off
--keep-alive= => needs a value: on|off|SECONDS
--locale tlh => `tlh` is no locale that is known here: write C, or one like en_US or de
--charset utf-8;q => `utf-8;q` is no character set: write one like utf-8
--failed 1x => `1x` is not a whole number from 0 to 4294967295
--nofile 3 => `3` is not a whole number from 64 to 4294967295, nor max
--core unlimited => `unlimited` is not a whole number from 0 to 4294967295, nor max
--no-tcp maybe => `maybe` is none of yes, no
--no-tcp --no-udp => nothing would be left to listen on: leave this out, or name other addresses
-P 80 --no-udp => nothing would be left to listen on: leave this out, or name other addresses
--x-forwarded-for => the header is believed from proxies only: name them with access.proxy
-x => unknown option; trackerd --help lists all
my.conf => is no option; a configuration file needs -f before it
-w a -b b => there can be a whitelist or a blacklist, not both: remove one
--tracker.min_interval 1621 => the least interval, 1621, exceeds the shortest, 1620
--tracker.numwant_default 201 => 201 peers exceed the most, 200"
        .lines()
    {
        let (line, message) = line.split_once(" => ").unwrap();
        let option = words(line)
            .rfind(|word| word.starts_with('-'))
            .unwrap_or(line);
        let fatal = refusal(line);
        assert!(fatal.what.starts_with(message), "{line}: {fatal}");
        assert_eq!(fatal.exit, Exit::Usage, "{line}");
        assert_eq!(fatal.at.trim_matches('`'), option.trim_end_matches('='));
    }
}

fn seeded() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(seeded())]

    #[test]
    fn one_setting_of_time_or_numwant_moves_the_others_along(
        interval in 60u32..=86_400, numwant in 1u16..=1000,
    ) {
        let config =
            config(&format!("--tracker.interval {interval} --tracker.numwant_max {numwant}"));
        prop_assert_eq!((config.intervals.interval, config.numwant_max), (interval, numwant));
    }

    #[test]
    fn times_agree_with_each_other_or_are_refused(
        interval in 60u32..4000, jitter in 0u32..1000, least in 1u32..4000, timeout in 61u32..8000,
    ) {
        let line = format!(
            "--tracker.interval {interval} --tracker.interval_jitter {jitter} \
             --tracker.min_interval {least} --tracker.peer_timeout {timeout}"
        );
        let agree = jitter <= interval / 4
            && least <= interval - jitter
            && timeout > interval + jitter;
        prop_assert_eq!(parse(words(&line)).is_ok(), agree, "{}", line);
    }
}

#[test]
fn text_for_answers_can_not_break_out_of_them() {
    let (long, longer) = ("x".repeat(65), "x".repeat(256));
    for args in [
        ["--tracker.id", "east 1"],
        ["--tracker.id", &long],
        ["--tracker.warning", "two\nlines"],
        ["--tracker.warning", &longer],
        ["-r", "http://a/\r\nSet-Cookie: b"],
        ["-r", "http://a/ b"],
        ["-r", ""],
        ["--access.stats_path", "st ats"],
        ["--access.stats_path", "stats?mode=all"],
        ["--access.stats_path", "/announce"],
        ["--access.stats_path", "scrape"],
        ["--access.stats_path", "//"],
        ["--access.proxy_header", "X-Real-IP:"],
        ["--access.proxy_header", "X Real IP"],
    ] {
        assert_eq!(parse(args).unwrap_err().exit, Exit::Usage, "{args:?}");
    }
}

#[test]
fn help_and_version_come_before_all_else() {
    for line in ["-h", "--help", "-f /nonexistent -h", "-t --help"] {
        let Ok(Command::Help(text)) = parse(words(line)) else {
            panic!("{line}")
        };
        let names = settings().map(|setting| format!("--{} {}", setting.key, setting.argument()));
        assert!(names.into_iter().all(|name| text.contains(&name)));
        assert!(text.lines().all(|line| line.len() <= 90), "{text}");
    }
    for line in ["-V", "-v", "--version"] {
        assert_eq!(parse(words(line)), Ok(Command::Version));
    }
}

#[test]
#[cfg(unix)]
fn words_that_are_not_text_are_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let args = [OsStr::new("-w"), OsStr::from_bytes(b"/tmp/\xff")];
    assert_eq!(
        parse(args).unwrap_err().to_string(),
        "-w: its value is not UTF-8"
    );
}

// --- Files

/// The settings of the sample that Debian installs as /etc/opentracker/opentracker.conf.
const OPENTRACKER: &str = "\
# opentracker config file
#
# I)   Address opentracker will listen on, using both, tcp AND udp family
#      (note, that port 6969 is implicit if omitted).
listen.udp.workers 4
#
listen.tcp_udp 0.0.0.0
listen.udp.workers 0
listen.tcp_udp 192.168.0.1:80
listen.tcp_udp\t10.0.0.5:6969
listen.tcp 0.0.0.0
  listen.udp 192.168.0.1:6969

access.whitelist /path/to/whitelist\t
#access.blacklist ./blacklist
access.fifo_add /var/run/opentracker/adder.fifo
# livesync.cluster.listen 192.168.0.1:9696
# livesync.cluster.node_ip 192.168.0.0
access.stats   192.168.0.23
access.stats_path stats
access.proxy 10.0.1.23
tracker.redirect_url https://your.tracker.local/
tracker.rootdir /usr/local/etc/opentracker
tracker.user nobody";

#[test]
fn opentrackers_files_are_understood() {
    for (name, text) in [
        ("opentracker.conf", OPENTRACKER.to_owned()),
        (
            "opentracker-dos.conf",
            format!("\u{feff}{}", OPENTRACKER.replace('\n', "\r\n")),
        ),
    ] {
        let config = config(&format!("-f {}", file(name, text)));
        assert_eq!(
            listens(&config),
            "0.0.0.0:6969 tu, 192.168.0.1:80 tu, 10.0.0.5:6969 tu, 192.168.0.1:6969 u"
        );
        assert_eq!(config.hashes, HashFile::White("/path/to/whitelist".into()));
        assert_eq!(
            config.fifo_add.as_deref(),
            Some(Path::new("/var/run/opentracker/adder.fifo"))
        );
        assert_eq!(config.stats_readers, [net("192.168.0.23", 32)]);
        assert_eq!(config.proxies, [net("10.0.1.23", 32)]);
        assert_eq!(
            config.redirect_url.as_deref(),
            Some("https://your.tracker.local/")
        );
        assert_eq!(
            config.rootdir.as_deref(),
            Some(Path::new("/usr/local/etc/opentracker"))
        );
        assert_eq!(config.user.as_deref(), Some("nobody"));
        assert_eq!(config.workers, None);
    }
}

#[test]
#[cfg(not(feature = "cluster"))]
fn what_this_build_has_not_is_refused_by_its_feature() {
    let what =
        "needs the feature `cluster`, which this build has not: leave it out, or use another";
    for key in ["livesync.cluster.listen", "livesync.cluster.node_ip"] {
        assert_eq!(
            file_refusal("missing.conf", format!("tracker.user a\n{key} 10.0.0.1\n")),
            format!("2: {key}: {what}")
        );
    }
    for line in [
        "-s 9696",
        "-i 10.0.0.1 -s 9696",
        "--livesync.cluster.listen 10.0.0.1",
    ] {
        let fatal = refusal(line);
        assert_eq!((fatal.what.as_str(), fatal.exit), (what, Exit::Usage));
    }
}

#[test]
#[cfg(not(feature = "api"))]
fn without_the_api_its_settings_are_refused() {
    let what = "needs the feature `api`, which this build has not: leave it out, or use another";
    for line in ["--api.listen 127.0.0.1:1", "--api.token_file /token"] {
        assert_eq!(refusal(line).what, what);
    }
}

#[test]
#[cfg(not(feature = "meta"))]
fn without_the_meta_tracker_its_settings_are_refused() {
    for (key, value, feature) in [
        ("meta.mode", "lan", "meta"),
        ("meta.state", "/x", "meta"),
        ("meta.dht", "off", "dht"),
        ("meta.pex", "no", "pex"),
    ] {
        let what = format!(
            "needs the feature `{feature}`, which this build has not: leave it out, or use another"
        );
        assert_eq!(refusal(&format!("--{key} {value}")).what, what);
    }
}

#[test]
#[cfg(feature = "meta")]
fn the_meta_tracker_is_off_unless_it_is_wanted() {
    let meta = |line: &str| config(line).meta;
    assert_eq!((meta("").mode, meta("").list_urls), ("off", None));
    let said = meta("--meta.mode lan --meta.list_url none --meta.hold 0 --meta.allow_private yes");
    assert_eq!((said.mode, said.hold_millis), ("lan", 0));
    assert_eq!((said.list_urls, said.allow_private), (Some(vec![]), true));
    // Who names trackers of his own wants no others.
    assert_eq!(meta("--meta.upstreams /x").list_urls, Some(vec![]));
    let url = "http://a.example/all";
    let line = format!("--meta.upstreams /x --meta.list_url {url}");
    assert_eq!(meta(&line).list_urls, Some(vec![url.to_owned()]));
    let listens = listens(&config(
        "-i 10.0.0.2 -p 80 --meta.listen [::ffff:10.0.0.1]:81",
    ));
    assert_eq!(listens, "10.0.0.2:80 t, 10.0.0.1:81 tu");
    for (line, what) in [
        ("--meta.mode on", "`on` "),
        (
            "--meta.listen 10.0.0.1",
            "`10.0.0.1` is no address with a port",
        ),
        (
            "--meta.listen 10.0.0.1:0",
            "`10.0.0.1:0` is no address with a port",
        ),
        (
            "--meta.list_url ftp://x",
            "`ftp://x` has to begin with http",
        ),
        ("--meta.k 0", "`0` is not a whole number from 1 to 64"),
    ] {
        let fatal = refusal(line);
        assert!(fatal.what.starts_with(what), "{line}: {fatal}");
    }
}

#[test]
#[cfg(not(feature = "tls"))]
fn without_https_its_settings_are_refused() {
    let what = "needs the feature `tls`, which this build has not: leave it out, or use another";
    for line in [
        "--listen.https *:443",
        "--tls.certificate /pem",
        "--tls.key /key",
    ] {
        assert_eq!(refusal(line).what, what);
    }
}

#[test]
#[cfg(feature = "tls")]
fn https_takes_a_certificate_a_key_and_a_port_of_its_own() {
    let files = "--tls.certificate /pem --tls.key /key";
    let https = config(&format!("--listen.https *:443 --listen.udp *:443 {files}"));
    let serves: Vec<_> = https
        .listens
        .iter()
        .map(|listen| (listen.addr.port(), listen.tcp, listen.udp, listen.https))
        .collect();
    assert_eq!(serves, [(443, false, true, true); 2]);
    let certificate = https.certificate.unwrap();
    assert_eq!(certificate.chain, Path::new("/pem"));
    assert_eq!(certificate.key, Path::new("/key"));
    for (line, what) in [
        ("--listen.https *:443", "no HTTPS without a certificate"),
        ("--tls.certificate /pem", "set tls.key too"),
        ("--tls.key /key", "set tls.certificate too"),
        (files, "set that too"),
        (
            &format!("--listen.https [::1]:80 --listen.tcp [::1]:80 {files}"),
            "[::1]:80 can't serve both HTTP and HTTPS",
        ),
        (
            &format!("--listen.https *:443 --no-tcp {files}"),
            "nothing would be left to listen on",
        ),
    ] {
        let fatal = refusal(line);
        assert!(fatal.what.contains(what), "{line}: {fatal}");
    }
}

#[test]
#[cfg(feature = "api")]
fn the_api_is_served_to_nobody_by_mistake() {
    use trackerd::config::ApiPlace;

    let place = |line: &str| config(line).api;
    let at = |addr: &str| Some(ApiPlace::At(addr.parse().unwrap()));
    for (line, expected) in [
        ("", None),
        ("--api.listen 127.0.0.1:80", at("127.0.0.1:80")),
        ("--api.listen [::1]:80", at("[::1]:80")),
        ("--api.listen [::ffff:127.0.0.2]:80", at("127.0.0.2:80")),
        (
            "--api.listen unix:/run/s",
            Some(ApiPlace::File("/run/s".into())),
        ),
        (
            "--api.listen 0.0.0.0:80 --api.token_file t",
            at("0.0.0.0:80"),
        ),
    ] {
        assert_eq!(place(line), expected, "{line}");
    }
    for open in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80", "10.0.0.1:80"] {
        let fatal = refusal(&format!("--api.listen {open}"));
        assert!(fatal.what.contains("set api.token_file too"), "{fatal}");
    }
    let alone = refusal("--api.token_file t");
    assert!(alone.what.contains("set that too"), "{alone}");
    for wrong in ["127.0.0.1", "localhost:80", "unix:", "/run/s", "[::1]"] {
        let fatal = refusal(&format!("--api.listen {wrong}"));
        assert!(fatal.what.contains("write 127.0.0.1:6970"), "{fatal}");
    }
}

#[test]
#[cfg(not(feature = "bus"))]
fn without_the_bus_its_settings_are_refused() {
    let what = "needs the feature `bus`, which this build has not: leave it out, or use another";
    for line in ["--bus.server redis://10.0.0.5", "--bus.delay 50"] {
        assert_eq!(refusal(line).what, what);
    }
}

#[test]
#[cfg(feature = "bus")]
fn the_bus_has_a_server_and_files_for_what_is_shared() {
    use trackerd::config::Bus;

    let least = "--bus.server redis://10.0.0.5";
    let bus = Bus {
        servers: vec!["redis://10.0.0.5".into()],
        name: "trackerd".into(),
        key_file: None,
        delay_millis: 100,
        stream_frames: 30_000,
        backlog_bytes_max: 16 << 20,
        ring_len: 16_384,
        lists: false,
        secret: false,
    };
    assert_eq!(config(least).bus, Some(bus));
    assert_eq!(config("--bus.name other").bus, None);
    let all = config(
        "--bus.server redis://10.0.0.5 --bus.server unix:///run/valkey --bus.name eu.1 \
         --bus.key_file /key --bus.delay 10 --bus.stream_frames 100 --bus.backlog 1M \
         --bus.ring 1024 --bus.lists yes --access.keys /keys --bus.secret yes \
         --udp.secret_file /secret",
    );
    let expected = Bus {
        servers: vec!["redis://10.0.0.5".into(), "unix:///run/valkey".into()],
        name: "eu.1".into(),
        key_file: Some("/key".into()),
        delay_millis: 10,
        stream_frames: 100,
        backlog_bytes_max: 1 << 20,
        ring_len: 1024,
        lists: true,
        secret: true,
    };
    assert_eq!(all.bus, Some(expected));
    for (line, part) in [
        ("--bus.key_file /key", "set that too"),
        ("--bus.lists yes", "set that too"),
        ("--bus.server redis://a --bus.lists yes", "nothing to keep"),
        ("--bus.server redis://a --bus.secret yes", "udp.secret_file"),
        ("--bus.server rediss://a", "no TLS"),
        ("--bus.server 10.0.0.5:6379", "write redis://"),
        ("--bus.server redis://", "write redis://"),
        ("--bus.name {a}", "letters"),
    ] {
        let fatal = refusal(line);
        assert!(fatal.what.contains(part), "{line}: {fatal}");
    }
}

#[test]
fn a_file_is_refused_by_its_line() {
    for case in "\
//tracker.intervall 3 => 3: tracker.intervall: unknown setting; did you mean tracker.interval?
bind 3 => 1: bind: unknown setting; trackerd --help lists all
tracker.user => 1: tracker.user: needs a value: NAME
tracker.user=a => 1: tracker.user=a: unknown setting; did you mean tracker.user?
tracker.interval 30m => 1: tracker.interval: `30m` is not a whole number from 60 to 86400
access.fifo_add a/access.fifo_delete a => 2: access.fifo_delete: one fifo can't both
log.level info # or warn => 1: log.level: `info # or warn` is none of error, warn,
tracker.user a/#/tracker.user a => 3: tracker.user: line 1 says so already: remove one of the two
tracker.interval_jitter 451 => 1: tracker.interval_jitter: an interval of 1800 can vary"
        .lines()
    {
        let (text, message) = case.split_once(" => ").unwrap();
        let refusal = file_refusal("refused.conf", text.replace('/', "\n"));
        assert!(refusal.starts_with(message), "{refusal}");
    }
    let text = "tracker.peer_timeout 2700\ntracker.interval 3600";
    let message = "2: tracker.interval: a peer timeout of 2700 would forget peers that keep to \
        their interval: it must exceed 3960, the longest interval";
    assert_eq!(file_refusal("refused.conf", text), message);
    let text = "access.whitelist a\naccess.blacklist b";
    assert!(file_refusal("refused.conf", text).starts_with("2: access.blacklist: there can be"));
    assert!(file_refusal("latin1.conf", b"tracker.user J\xfcrgen").contains("not UTF-8"));
}

#[test]
fn comments_may_be_in_any_character_set() {
    let path = file(
        "comment.conf",
        b"# f\xfcr alle\n \t # mehr\ntracker.interval 900",
    );
    assert_eq!(config(&format!("-f {path}")).intervals.interval, 900);
}

#[test]
fn files_that_can_not_be_read_are_refused() {
    let directory = env!("CARGO_TARGET_TMPDIR");
    let huge = file("huge.conf", "# comment\n".repeat(200_000));
    for path in ["/nonexistent/trackerd.conf", directory, &huge] {
        let fatal = refusal(&format!("-f {path}"));
        assert_eq!((fatal.at.as_str(), fatal.exit), (path, Exit::NoInput));
    }
}

#[test]
fn the_command_line_overrides_files_and_later_files_earlier_ones() {
    let one = file(
        "one.conf",
        "tracker.interval 900\ntracker.user one\nlisten.tcp 127.0.0.1:1",
    );
    let two = file("two.conf", "tracker.user two\nlisten.udp 127.0.0.1:2");
    let config = config(&format!(
        "--tracker.interval 1200 -f {one} -i ::1 -f {two} -p 3"
    ));
    assert_eq!(config.intervals.interval, 1200);
    assert_eq!(config.user.as_deref(), Some("two"));
    assert_eq!(listens(&config), "127.0.0.1:1 t, 127.0.0.1:2 u, [::1]:3 t");
}

#[test]
fn a_check_names_the_files_it_approves_and_refuses_like_a_start() {
    let (good, bad) = (
        file("good.conf", "log.level warn"),
        file("bad.conf", "\nlog.level x"),
    );
    let approval = format!("{good}: syntax ok\n{good}: syntax ok");
    assert_eq!(
        parse(words(&format!("-t -f {good} -f {good}"))),
        Ok(Command::Check(approval))
    );
    assert_eq!(
        parse(["-t"]),
        Ok(Command::Check("command line: syntax ok".into()))
    );
    let fatal = refusal(&format!("-t -f {good} -f {bad}"));
    assert_eq!((fatal.at, fatal.exit), (format!("{bad}:2"), Exit::Config));
}

// --- The table and the sample

#[test]
fn the_defaults_in_the_table_are_the_defaults() {
    let mut args = Vec::new();
    let has_default = |setting: &&Setting| setting.is_built() && !setting.default.is_empty();
    for setting in settings().filter(has_default) {
        args.extend([format!("--{}", setting.key), setting.default.to_owned()]);
    }
    args.push("--access.proxy=::1".into());
    let Ok(Command::Run(said)) = parse(args) else {
        panic!("a default is refused")
    };
    let config = config("--access.proxy ::1");
    let intervals = Intervals {
        jitter: Some(180),
        peer_timeout: Some(2700),
        ..config.intervals
    };
    let open_files = Some(Amount::Max);
    assert_eq!(
        said,
        Config {
            user: Some("nobody".into()),
            intervals,
            open_files,
            ..config
        }
    );
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = settings().flat_map(|setting| setting.names()).collect();
    names.extend(
        trackerd::config::settings::FLAGS
            .iter()
            .flat_map(|flag| flag.names()),
    );
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

/// The sample's settings: lines that would be settings without their `# `.
fn sample() -> Vec<(&'static str, &'static str)> {
    let setting = |line: &'static str| {
        let (key, value) = line.strip_prefix("# ")?.split_once(' ')?;
        let lower = |c: char| c.is_ascii_lowercase() || c == '_' || c == '.';
        (key.contains('.') && key.chars().all(lower)).then_some((key, value))
    };
    SAMPLE.lines().filter_map(setting).collect()
}

#[test]
fn the_sample_has_every_setting_with_its_default_and_no_other() {
    for setting in settings() {
        let values: Vec<_> = sample()
            .into_iter()
            .filter(|(key, _)| *key == setting.key)
            .map(|(_, v)| v)
            .collect();
        assert!(!values.is_empty(), "{} is missing", setting.key);
        assert!(
            setting.repeatable || values.len() == 1,
            "{} is there twice",
            setting.key
        );
        assert!(
            setting.default.is_empty() || values[0] == setting.default,
            "{}",
            setting.key
        );
    }
    for (key, _) in sample() {
        assert!(
            settings().any(|setting| setting.key == key),
            "{key} is no setting"
        );
    }
}

#[test]
fn the_sample_changes_nothing_as_it_is_and_works_uncommented() {
    let path = file("sample.conf", SAMPLE);
    assert_eq!(config(&format!("-f {path}")), config(""));

    let mut all = String::new();
    for (key, value) in sample() {
        let setting = settings().find(|setting| setting.key == key).unwrap();
        if !setting.is_built() {
            continue;
        }
        let line = format!("{key} {value}\n");
        // Nodes alone are none, and a header nobody is believed in is none.
        let needs = match key {
            "access.proxy_header" => "access.proxy ::1\n",
            "bus.key_file" => "bus.server redis://10.0.0.5\n",
            "bus.lists" => "bus.server redis://10.0.0.5\naccess.keys k\n",
            "bus.secret" => "bus.server redis://10.0.0.5\nudp.secret_file s\n",
            "api.token_file" => "api.listen [::1]:6970\n",
            "listen.https" => "tls.certificate c\ntls.key k\n",
            "tls.certificate" => "listen.https [::1]:443\ntls.key k\n",
            "tls.key" => "listen.https [::1]:443\ntls.certificate c\n",
            "livesync.cluster.node_ip" => "livesync.cluster.listen 10.0.0.1\n",
            _ => "",
        };
        let text = format!("{needs}{line}");
        config(&format!("-f {}", file("sample-line.conf", text)));
        if key != "access.blacklist" {
            all += &line;
        }
    }
    config(&format!("-f {}", file("sample-all.conf", &all)));
}

#[test]
fn the_sample_is_fit_for_a_terminal_and_gives_opentrackers_letters() {
    assert!(
        SAMPLE
            .lines()
            .all(|line| line.starts_with('#') || line.is_empty())
    );
    assert!(SAMPLE.lines().all(|line| line.len() <= 80));
    for setting in settings() {
        if let Some(letter) = setting.short {
            let title = SAMPLE
                .split("\n\n")
                .find(|part| part.contains(setting.key))
                .unwrap();
            assert!(title.contains(&format!("-{letter}")), "-{letter}");
        }
    }
}

// --- Memory

#[test]
fn sizes_have_suffixes() {
    let limit = |text: &str| {
        config(&format!("--tracker.memory_limit {text}"))
            .memory
            .limit
    };
    assert_eq!(limit("16777216"), Some(16 << 20));
    assert_eq!(limit("16384K"), limit("16m"));
    assert_eq!(limit("16M"), Some(16 << 20));
    assert_eq!(limit("1G"), Some(1 << 30));
    for wrong in ["", "M", "1.5G", "-1", "+1", "16MB", "99999999999G", "1 M"] {
        let line = ["--tracker.memory_limit", wrong];
        let fatal = parse(line).unwrap_err();
        assert!(fatal.at.contains("tracker.memory_limit"), "{fatal}");
    }
    refusal("--tracker.max_torrents 0");
    refusal("--tracker.max_peers 4294967296");
}

#[test]
fn the_sample_for_small_routers_is_fine() {
    let config = config("-f scripts/openwrt/router-32m.conf");
    assert_eq!(config.memory.limit, Some(24 << 20));
    assert_eq!(config.workers, Some(1));
}

//! The classic `/stats?mode=…` texts of opentracker, which graphs and scripts in the field read.

use crate::stats::page::About;
use crate::stats::traffic::{Fate, Handshake};
use crate::stats::{COUNTS, Count, PLACES_MAX, Report, Sheet, dashboard, everything};
use crate::types::{Family, Seconds};

/// What runs here, as a line.
pub const VERSION: &str = concat!("trackerd ", env!("CARGO_PKG_VERSION"), "\n");

/// A text made from everything that is known.
#[derive(Clone, Copy, Debug)]
pub struct Telling {
    /// Makes it.
    pub tell: fn(&Report, &About) -> String,
    /// What it is sent as.
    pub content_type: &'static str,
}

/// What it takes to answer a mode.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// The sheets of all workers, of which this makes a text.
    Text(fn(&Report) -> String),
    /// The same, and what is known besides.
    Told(Telling),
    /// The page that shows all this.
    Dashboard,
    /// What was in the last hour.
    History,
    /// The largest torrents, so many.
    Top(usize),
    /// The networks with the most peers.
    Networks,
    /// The networks from which announces came too early.
    Woodpeckers,
    /// The requests that were kept, which are then forgotten.
    Requests,
    /// What is known of other trackers.
    Meta,
    /// All torrents, in a format that is named beside the mode.
    Torrents,
    /// All torrents, to be remembered at the next start.
    State,
}

/// Every mode there is.
const MODES: [(&str, Mode); 25] = [
    ("peer", Mode::Text(peer)),
    ("torr", Mode::Text(torr)),
    ("conn", Mode::Text(conn)),
    ("tcp4", Mode::Text(tcp4)),
    ("udp4", Mode::Text(udp4)),
    ("scrp", Mode::Text(scrp)),
    ("fscr", Mode::Text(fscr)),
    ("completed", Mode::Text(completed)),
    ("syncs", Mode::Text(syncs)),
    ("herr", Mode::Text(herr)),
    ("renew", Mode::Text(renew)),
    ("numwants", Mode::Text(numwants)),
    ("everything", Mode::Text(everything::text)),
    ("version", Mode::Text(version)),
    ("s24s", Mode::Networks),
    ("top10", Mode::Top(10)),
    ("top100", Mode::Top(PLACES_MAX)),
    ("woodpeckers", Mode::Woodpeckers),
    ("fulllog", Mode::Requests),
    ("meta", Mode::Meta),
    ("tpbs", Mode::Torrents),
    ("statedump", Mode::State),
    // Our own.
    ("letters", Mode::Text(letters)),
    ("bus", Mode::Text(bus)),
    ("counters", Mode::Text(counters)),
];

/// What no opentracker answers: it knows the mode and has nothing to say.
const EMPTY: &str = "busy";

/// Why there is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMode {
    /// There is no such mode.
    Unknown,
    /// There is, but nothing is known.
    NotKept,
}

/// The mode of that name, `peer` if none is named.
///
/// # Errors
/// When there is none.
pub fn find(name: Option<&[u8]>) -> Result<Mode, NoMode> {
    let name = name.unwrap_or(b"peer");
    if name == EMPTY.as_bytes() {
        return Err(NoMode::NotKept);
    }
    let modes = MODES.iter().chain(dashboard::MODES);
    let found = modes
        .into_iter()
        .find(|(known, _)| known.as_bytes() == name);
    found.map(|(_, mode)| *mode).ok_or(NoMode::Unknown)
}

/// HTTP requests that went wrong, as opentracker tells them apart.
///
/// What it answers with 400 for a parameter mostly gets a failure reason and 200 here, and counts
/// all the same; so do unknown modes of statistics. Denials by the access list are no errors, here
/// as there. `compact=0` is served, so nobody fails for it.
pub struct HttpErrors {
    /// 302.
    pub redirect: u64,
    /// 400: no request.
    pub malformed: u64,
    /// 400: a parameter is missing or wrong.
    pub invalid: u64,
    /// Full scrapes that came too soon after another; opentracker says 402 to them.
    pub too_soon: u64,
    /// 403.
    pub forbidden: u64,
    /// 404.
    pub not_found: u64,
    /// 500 and 503, those included for whom there was no connection left.
    pub unavailable: u64,
}

impl HttpErrors {
    /// The errors on a sheet.
    pub fn of(sheet: &Sheet) -> HttpErrors {
        let count = |what| sheet.counters.total(what);
        HttpErrors {
            redirect: count(Count::HttpRedirect),
            malformed: count(Count::HttpMalformed),
            invalid: count(Count::HttpInvalid),
            too_soon: count(Count::HttpTooSoon),
            forbidden: count(Count::HttpForbidden),
            not_found: count(Count::HttpNotFound),
            unavailable: count(Count::HttpUnavailable).wrapping_add(count(Count::TcpRefused)),
        }
    }
}

fn peer(report: &Report) -> String {
    let sum = &report.sum;
    serving(sum.seeders + sum.leechers, sum.seeders, sum.torrents)
}

fn torr(report: &Report) -> String {
    serving(report.sum.torrents, 0, report.sum.torrents)
}

fn serving(first: u64, second: u64, torrents: u64) -> String {
    format!("{first}\n{second}\nopentracker serving {torrents} torrents\nopentracker")
}

/// Connections and datagrams; announces and connection ids.
fn conn(report: &Report) -> String {
    let counts = both(&report.sum);
    rates(report.uptime, counts, counts, "connections")
}

/// IPv6 is counted in, as opentracker does.
fn tcp4(report: &Report) -> String {
    let counts = tcp(&report.sum);
    rates(report.uptime, counts, counts, "tcp4 stats")
}

/// IPv6 is counted in, as opentracker does.
fn udp4(report: &Report) -> String {
    let counts = udp(&report.sum);
    rates(report.uptime, counts, counts, "udp4 stats")
}

/// Peers told of by live sync; the rates are those of `conn`, as opentracker has it.
fn syncs(report: &Report) -> String {
    let records = report.sum.counters.total(Count::SyncRecord);
    rates(
        report.uptime,
        (records, 0),
        both(&report.sum),
        "connections",
    )
}

fn both(sheet: &Sheet) -> (u64, u64) {
    let (tcp, udp) = (tcp(sheet), udp(sheet));
    (tcp.0 + udp.0, tcp.1 + udp.1)
}

fn tcp(sheet: &Sheet) -> (u64, u64) {
    (
        sheet.counters.total(Count::TcpAccept),
        sheet.counters.total(Count::HttpAnnounce),
    )
}

fn udp(sheet: &Sheet) -> (u64, u64) {
    let count = |what| sheet.counters.total(what);
    (
        count(Count::UdpReceived),
        count(Count::UdpAnnounce) + count(Count::UdpConnect),
    )
}

/// Two numbers, and the rates `of` two.
fn rates(uptime: Seconds, (first, second): (u64, u64), of: (u64, u64), what: &str) -> String {
    let [all, good] = [of.0, of.1].map(|n| n / u64::from(uptime.max(1)));
    let since = since(uptime);
    format!("{first}\n{second}\n{since}\nopentracker {what}, {all} conns/s :: {good} success/s.")
}

fn scrp(report: &Report) -> String {
    let tcp = report.sum.counters.total(Count::HttpScrape);
    let udp = report.sum.counters.total(Count::UdpScrape);
    let rate = (tcp + udp) / u64::from(report.uptime.max(1));
    let since = since(report.uptime);
    format!("{tcp}\n{udp}\n{since}\nopentracker scrape stats, {rate} scrape/s (tcp and udp)")
}

/// Scrapes of everything, and the bytes they took.
fn fscr(report: &Report) -> String {
    let count = |what| report.sum.counters.total(what);
    let (scrapes, bytes) = (count(Count::FullScrape), count(Count::FullScrapeBytes));
    let [scrapes_rate, bytes_rate] = [scrapes, bytes].map(|n| n / u64::from(report.uptime.max(1)));
    let since = since(report.uptime);
    format!(
        "{scrapes}\n{bytes}\n{since}\nopentracker full scrape stats, \
         {scrapes_rate} conns/s :: {bytes_rate} bytes/s."
    )
}

/// Downloads, and how many an hour.
fn completed(report: &Report) -> String {
    let completed = report.sum.completed;
    let rate = completed / u64::from((report.uptime / 3600).max(1));
    let since = since(report.uptime);
    format!("{completed}\n0\n{since}\nopentracker, {rate} completed/h.")
}

/// HTTP errors. Each count stands at its own label, where opentracker's are shifted.
fn herr(report: &Report) -> String {
    let errors = HttpErrors::of(&report.sum);
    let lines = [
        ("302 RED", errors.redirect),
        ("400 ...", errors.malformed),
        ("400 PAR", errors.invalid),
        ("400 COM", 0),
        ("403 IP ", errors.forbidden),
        ("404 INV", errors.not_found),
        ("500 SRV", errors.unavailable),
    ];
    let lines = lines.iter();
    lines.map(|(label, n)| format!("{label} {n}\n")).collect()
}

/// Announces of known peers, by the minutes since their last.
fn renew(report: &Report) -> String {
    let lines = report.sum.renewals.0.iter().enumerate();
    lines.map(|(at, n)| format!("{at:02} {n}\n")).collect()
}

/// Announces, by their numwant.
fn numwants(report: &Report) -> String {
    let lines = report.sum.numwants.0.iter().enumerate();
    lines.map(|(at, n)| format!("{at:03} => {n}\n")).collect()
}

/// Not one of opentracker's: UDP announces, and how many of them had to cross threads.
fn letters(report: &Report) -> String {
    let all = report.sum.counters.total(Count::UdpAnnounce);
    let crossed = report.sum.counters.total(Count::UdpLetter);
    format!(
        "{all}\n{crossed}\n{}\ntrackerd udp announces, {crossed} of {all} passed on by letter",
        since(report.uptime)
    )
}

/// Not one of opentracker's: peers told to other nodes and learned from them, and what the bus did.
fn bus(report: &Report) -> String {
    let count = |what| report.sum.counters.total(what);
    let (told, learned) = (count(Count::BusTold), count(Count::BusLearned));
    let [tell, learn] = [told, learned].map(|n| n / u64::from(report.uptime.max(1)));
    let lines = COUNTS.iter().filter_map(|(what, name)| {
        let name = name.strip_prefix("bus ")?;
        Some(format!("\n{name}: {}", count(*what)))
    });
    let since = since(report.uptime);
    let head = format!(
        "{told}\n{learned}\n{since}\n\
         trackerd bus, {tell} peers/s told :: {learn} peers/s learned."
    );
    [head].into_iter().chain(lines).collect()
}

/// What becomes of requests by HTTP, by name.
const FATES: [(Fate, &str); 3] = [
    (Fate::Asked, "http requests"),
    (Fate::Answered, "http answered"),
    (Fate::Unanswered, "http unanswered"),
];

/// What comes of handshakes, by name.
const HANDSHAKES: [(Handshake, &str); 3] = [
    (Handshake::Whole, "tls handshakes"),
    (Handshake::Resumed, "tls resumed"),
    (Handshake::Failed, "tls failed"),
];

/// Not one of opentracker's: everything that is counted, for IPv4 and IPv6.
fn counters(report: &Report) -> String {
    let sheet = &report.sum;
    let counters = &sheet.counters;
    let lines = COUNTS.iter().map(|(count, name)| {
        let (v4, v6) = (
            counters.of(Family::V4, *count),
            counters.of(Family::V6, *count),
        );
        format!("{name}: {v4} {v6}\n")
    });
    let torrents = format!(
        "torrents: {}\ncompleted: {}\n",
        sheet.torrents, sheet.completed
    );
    let traffic = &sheet.traffic;
    let fates = FATES.map(|(fate, name)| (name, traffic.fate(fate)));
    let handshakes = HANDSHAKES.map(|(what, name)| (name, traffic.handshakes(what)));
    let more = fates.into_iter().chain(handshakes);
    let more = more.map(|(name, [v4, v6])| format!("{name}: {v4} {v6}\n"));
    lines.chain(more).chain([torrents]).collect()
}

fn since(uptime: Seconds) -> String {
    format!("{uptime} seconds ({} hours)", uptime / 3600)
}

fn version(_: &Report) -> String {
    VERSION.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;

    /// Some of everything: the counts of opentracker's own texts, as far as they are known.
    pub fn report() -> Report {
        let mut sum = Sheet {
            torrents: 1,
            seeders: 2,
            leechers: 6,
            completed: 1,
            ..Sheet::default()
        };
        for (family, what, n) in [
            (Family::V4, Count::TcpAccept, 65),
            (Family::V4, Count::HttpAnnounce, 29),
            (Family::V4, Count::HttpScrape, 6),
            (Family::V6, Count::UdpReceived, 34),
            (Family::V6, Count::UdpAnnounce, 10),
            (Family::V6, Count::UdpConnect, 8),
            (Family::V4, Count::UdpLetter, 3),
            (Family::V4, Count::UdpMismatch, 7),
            (Family::V4, Count::HttpDenied, 1000),
            (Family::V4, Count::HttpRedirect, 2),
            (Family::V4, Count::HttpMalformed, 4),
            (Family::V4, Count::HttpInvalid, 16),
            (Family::V4, Count::HttpForbidden, 5),
            (Family::V6, Count::HttpNotFound, 12),
            (Family::V4, Count::HttpUnavailable, 1),
            (Family::V4, Count::TcpRefused, 2),
            (Family::V6, Count::FullScrape, 2),
            (Family::V6, Count::FullScrapeBytes, 1000),
            (Family::V4, Count::HttpTooSoon, 9),
            (Family::V4, Count::SyncReceived, 4),
            (Family::V4, Count::SyncRecord, 10),
            (Family::V6, Count::SyncRecord, 3),
            (Family::V4, Count::BusTold, 200),
            (Family::V6, Count::BusLearned, 134),
        ] {
            sum.counters.add(family, what, n);
        }
        (sum.renewals.0[0], sum.renewals.0[44]) = (16, 2);
        for numwant in [0, 50, 50, 200, 201] {
            sum.numwants.count(numwant);
        }
        Report {
            sum,
            uptime: 67,
            tracker_id: 1_425_551_024,
        }
    }

    fn text(mode: &str) -> String {
        match find(Some(mode.as_bytes())).unwrap() {
            Mode::Text(text) => text(&report()),
            other => panic!("{mode}: {other:?}"),
        }
    }

    #[test]
    fn texts_are_those_of_opentracker() {
        let since = "67 seconds (0 hours)\nopentracker";
        for (mode, expected) in [
            (
                "peer",
                "8\n2\nopentracker serving 1 torrents\nopentracker".into(),
            ),
            (
                "torr",
                "1\n0\nopentracker serving 1 torrents\nopentracker".into(),
            ),
            (
                "conn",
                format!("99\n47\n{since} connections, 1 conns/s :: 0 success/s."),
            ),
            (
                "tcp4",
                format!("65\n29\n{since} tcp4 stats, 0 conns/s :: 0 success/s."),
            ),
            (
                "udp4",
                format!("34\n18\n{since} udp4 stats, 0 conns/s :: 0 success/s."),
            ),
            (
                "scrp",
                format!("6\n0\n{since} scrape stats, 0 scrape/s (tcp and udp)"),
            ),
            (
                "fscr",
                format!("2\n1000\n{since} full scrape stats, 0 conns/s :: 14 bytes/s."),
            ),
            (
                "syncs",
                format!("13\n0\n{since} connections, 1 conns/s :: 0 success/s."),
            ),
            ("completed", format!("1\n0\n{since}, 1 completed/h.")),
            (
                "herr",
                "302 RED 2\n400 ... 4\n400 PAR 16\n400 COM 0\n403 IP  5\n404 INV 12\n500 SRV 3\n"
                    .into(),
            ),
            (
                "version",
                format!("trackerd {}\n", env!("CARGO_PKG_VERSION")),
            ),
        ] {
            assert_eq!(text(mode), expected, "{mode}");
        }
    }

    #[test]
    fn completions_are_told_by_the_hour() {
        let mut report = report();
        report.sum.completed = 100;
        report.uptime = 2 * 3600 + 3599;
        assert_eq!(
            completed(&report),
            "100\n0\n10799 seconds (2 hours)\nopentracker, 50 completed/h."
        );
    }

    #[test]
    fn lists_have_a_line_for_each_number() {
        let renew = text("renew");
        assert!(renew.starts_with("00 16\n01 0\n02 0\n") && renew.ends_with("43 0\n44 2\n"));
        assert_eq!(renew.lines().count(), 45);
        let numwants = text("numwants");
        assert!(numwants.starts_with("000 => 1\n001 => 0\n"));
        assert!(numwants.contains("\n049 => 0\n050 => 2\n051 => 0\n"));
        assert!(numwants.ends_with("\n199 => 0\n200 => 2\n"));
        assert_eq!(numwants.lines().count(), 201);
    }

    #[test]
    fn our_own_modes_tell_the_rest() {
        assert_eq!(
            text("letters"),
            "10\n3\n67 seconds (0 hours)\n\
             trackerd udp announces, 3 of 10 passed on by letter"
        );
        let bus = text("bus");
        assert!(bus.starts_with(
            "200\n134\n67 seconds (0 hours)\n\
             trackerd bus, 2 peers/s told :: 2 peers/s learned.\ntold: 200\nsent: 0\n"
        ));
        assert!(bus.ends_with("\nconnects: 0\nfailures: 0") && bus.contains("\nlearned: 134\n"));
        let all = text("counters");
        assert!(all.contains("udp connects: 0 8\n") && all.contains("tcp accepted: 65 0\n"));
        assert_eq!(
            all.lines().count(),
            COUNTS.len() + FATES.len() + HANDSHAKES.len() + 2
        );
    }

    #[test]
    fn modes_are_found_by_name() {
        let Ok(Mode::Text(unnamed)) = find(None) else {
            panic!("no text")
        };
        assert_eq!(unnamed(&report()), text("peer"));
        assert_eq!(find(Some(b"nonsense")).err(), Some(NoMode::Unknown));
        assert_eq!(find(Some(b"")).err(), Some(NoMode::Unknown));
        assert_eq!(find(Some(b"busy")).err(), Some(NoMode::NotKept));
    }
}

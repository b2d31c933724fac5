//! The classic `/stats?mode=…` texts of opentracker, which graphs and scripts in the field read.

use std::fmt::Write;

use crate::stats::{COUNTS, Count, Sheet};
use crate::types::{Family, Seconds};

/// Writes the text of one mode, from the sum of all sheets and the uptime.
pub type Mode = fn(&Sheet, Seconds) -> String;

/// Every mode there is.
const MODES: [(&str, Mode); 9] = [
    ("peer", peer),
    ("torr", torr),
    ("conn", conn),
    ("tcp4", tcp4),
    ("udp4", udp4),
    ("scrp", scrp),
    ("letters", letters),
    ("counters", counters),
    ("version", version),
];

/// The mode of that name, `peer` if none is named; `None` if there is no such mode.
pub fn find(name: Option<&[u8]>) -> Option<Mode> {
    let name = name.unwrap_or(b"peer");
    let found = MODES.iter().find(|(known, _)| known.as_bytes() == name);
    found.map(|(_, mode)| *mode)
}

fn peer(sheet: &Sheet, _: Seconds) -> String {
    let peers = sheet.seeders + sheet.leechers;
    serving(peers, sheet.seeders, sheet.torrents)
}

fn torr(sheet: &Sheet, _: Seconds) -> String {
    serving(sheet.torrents, 0, sheet.torrents)
}

fn serving(first: u64, second: u64, torrents: u64) -> String {
    format!("{first}\n{second}\nopentracker serving {torrents} torrents\nopentracker")
}

/// Connections and datagrams; announces and connection ids.
fn conn(sheet: &Sheet, uptime: Seconds) -> String {
    let (tcp, udp) = (tcp(sheet), udp(sheet));
    rates(uptime, tcp.0 + udp.0, tcp.1 + udp.1, "connections")
}

/// IPv6 is counted in, as opentracker does.
fn tcp4(sheet: &Sheet, uptime: Seconds) -> String {
    let (all, good) = tcp(sheet);
    rates(uptime, all, good, "tcp4 stats")
}

/// IPv6 is counted in, as opentracker does.
fn udp4(sheet: &Sheet, uptime: Seconds) -> String {
    let (all, good) = udp(sheet);
    rates(uptime, all, good, "udp4 stats")
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

fn rates(uptime: Seconds, all: u64, good: u64, what: &str) -> String {
    let mut text = format!("{all}\n{good}\n");
    let per_second = |n: u64| n / u64::from(uptime.max(1));
    let (all, good) = (per_second(all), per_second(good));
    // Writing to a String can't fail.
    let _ = write!(
        text,
        "{}\nopentracker {what}, {all} conns/s :: {good} success/s.",
        since(uptime)
    );
    text
}

fn scrp(sheet: &Sheet, uptime: Seconds) -> String {
    let tcp = sheet.counters.total(Count::HttpScrape);
    let udp = sheet.counters.total(Count::UdpScrape);
    let rate = (tcp + udp) / u64::from(uptime.max(1));
    format!(
        "{tcp}\n{udp}\n{}\nopentracker scrape stats, {rate} scrape/s (tcp and udp)",
        since(uptime)
    )
}

/// Not one of opentracker's: UDP announces, and how many of them had to cross threads.
fn letters(sheet: &Sheet, uptime: Seconds) -> String {
    let all = sheet.counters.total(Count::UdpAnnounce);
    let crossed = sheet.counters.total(Count::UdpLetter);
    format!(
        "{all}\n{crossed}\n{}\ntrackerd udp announces, {crossed} of {all} passed on by letter",
        since(uptime)
    )
}

/// Not one of opentracker's: everything that is counted, for IPv4 and IPv6.
fn counters(sheet: &Sheet, _: Seconds) -> String {
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
    lines.chain([torrents]).collect()
}

fn since(uptime: Seconds) -> String {
    format!("{uptime} seconds ({} hours)", uptime / 3600)
}

fn version(_: &Sheet, _: Seconds) -> String {
    format!("trackerd {}\n", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_opentracker() {
        let mut sheet = Sheet {
            torrents: 1,
            seeders: 2,
            leechers: 6,
            completed: 1,
            ..Sheet::default()
        };
        let counted = &mut sheet.counters;
        counted.add(Family::V4, Count::TcpAccept, 65);
        counted.add(Family::V4, Count::HttpAnnounce, 29);
        counted.add(Family::V4, Count::HttpScrape, 6);
        counted.add(Family::V6, Count::UdpReceived, 34);
        counted.add(Family::V6, Count::UdpAnnounce, 10);
        counted.add(Family::V6, Count::UdpConnect, 8);
        counted.add(Family::V4, Count::UdpLetter, 3);
        for (mode, expected) in [
            ("peer", "8\n2\nopentracker serving 1 torrents\nopentracker"),
            ("torr", "1\n0\nopentracker serving 1 torrents\nopentracker"),
            (
                "conn",
                "99\n47\n67 seconds (0 hours)\n\
                 opentracker connections, 1 conns/s :: 0 success/s.",
            ),
            (
                "tcp4",
                "65\n29\n67 seconds (0 hours)\n\
                 opentracker tcp4 stats, 0 conns/s :: 0 success/s.",
            ),
            (
                "udp4",
                "34\n18\n67 seconds (0 hours)\n\
                 opentracker udp4 stats, 0 conns/s :: 0 success/s.",
            ),
            (
                "scrp",
                "6\n0\n67 seconds (0 hours)\n\
                 opentracker scrape stats, 0 scrape/s (tcp and udp)",
            ),
            (
                "version",
                concat!("trackerd ", env!("CARGO_PKG_VERSION"), "\n"),
            ),
            (
                "letters",
                "10\n3\n67 seconds (0 hours)\n\
                 trackerd udp announces, 3 of 10 passed on by letter",
            ),
        ] {
            assert_eq!(find(Some(mode.as_bytes())).unwrap()(&sheet, 67), expected);
        }
        let all = counters(&sheet, 0);
        assert!(all.contains("udp connects: 0 8\n") && all.contains("tcp accepted: 65 0\n"));
        assert_eq!(all.lines().count(), COUNTS.len() + 2);
        assert_eq!(find(None).unwrap()(&sheet, 0), peer(&sheet, 0));
        assert!(find(Some(b"nonsense")).is_none());
    }
}

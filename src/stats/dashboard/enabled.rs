//! A build with the page. What moves comes from two modes beside it: `json` has what is known now,
//! `history` the last hour.

use std::collections::VecDeque;
use std::fmt::Write;
use std::mem;

use crate::stats::modes::{Mode, Telling};
use crate::stats::page::About;
use crate::stats::traffic::Rates;
use crate::stats::{COUNTS, Count, Report, Sheet};
use crate::types::Seconds;

/// The modes of the statistics that the page and its numbers are.
pub const MODES: &[(&str, Mode)] = &[
    ("dashboard", Mode::Dashboard),
    (
        "json",
        Mode::Told(Telling {
            tell: json,
            content_type: "application/json",
        }),
    ),
    ("history", Mode::History),
];

/// The page, with all it needs.
pub const PAGE: &str = include_str!("page.html");

/// Time between two samples of the history, and how many make an hour.
const SAMPLE_SECS: Seconds = 30;
const SAMPLES: usize = 120;

/// Whether it is time for a sample.
pub fn is_due(now: Seconds) -> bool {
    now.is_multiple_of(SAMPLE_SECS)
}

/// What is remembered: the first few as an average of the time since the sample before, by the
/// second, CPU time in thousandths of a CPU; the others as they were.
const SERIES: [&str; 9] = [
    "http4",
    "http6",
    "udp4",
    "udp6",
    "cpu",
    "torrents",
    "seeders",
    "leechers",
    "kilobytes",
];
const RATES: usize = 5;

/// The last hour, in some five kilobytes.
#[derive(Debug, Default)]
pub struct History {
    samples: VecDeque<(Seconds, [u32; SERIES.len()])>,
    /// When the last sample was taken, and what the counters were; all begin with 0.
    seen: (Seconds, [u64; RATES]),
}

impl History {
    /// Notes what all workers have counted so far.
    pub fn note(&mut self, now: Seconds, sum: &Sheet) {
        let [http4, http6] = sum.traffic.requests();
        let [udp4, udp6] = sum.datagrams();
        let micros = sum.workers.iter().map(|(_, micros)| micros).sum::<u64>();
        let totals = [http4, http6, udp4, udp6, micros / 1000];
        let (at, before) = mem::replace(&mut self.seen, (now, totals));
        let secs = u64::from(now.saturating_sub(at).max(1));
        let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let mut values = [0; SERIES.len()];
        for (value, (new, old)) in values.iter_mut().zip(totals.into_iter().zip(before)) {
            *value = narrow(new.saturating_sub(old) / secs);
        }
        let levels = [sum.torrents, sum.seeders, sum.leechers, sum.bytes >> 10];
        for (value, level) in values[RATES..].iter_mut().zip(levels) {
            *value = narrow(level);
        }
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back((now, values));
    }

    /// The history as an object of JSON: a list for each series, and how many seconds ago each
    /// sample was taken.
    pub fn json(&self, now: Seconds) -> String {
        let ages = self.samples.iter().map(|(at, _)| now.saturating_sub(*at));
        let mut out = format!("{{\"secs\":{SAMPLE_SECS},\"age\":[{}]", list(ages));
        for (column, name) in SERIES.iter().enumerate() {
            let values = self.samples.iter().map(|(_, values)| values[column]);
            // Writing to a String can't fail.
            let _ = write!(out, ",\"{name}\":[{}]", list(values));
        }
        out.push_str("}\n");
        out
    }
}

fn list<T: ToString>(values: impl Iterator<Item = T>) -> String {
    values.map(|n| n.to_string()).collect::<Vec<_>>().join(",")
}

/// What is known now, as an object of JSON; times in seconds, CPU time in microseconds.
fn json(report: &Report, about: &About) -> String {
    let sum = &report.sum;
    let Rates { tcp, udp } = sum.traffic.last;
    let resident = about.resident.map_or("null".into(), |n| n.to_string());
    let [one, five, fifteen] = about.load.map(|n| format!("{}.{:02}", n / 100, n % 100));
    let has_nodes = sum.counters.total(Count::BusTold) + sum.counters.total(Count::BusLearned) > 0;
    // Modes whose texts the page shows beside its own.
    let rooms = [("meta", about.meta.is_some()), ("bus", has_nodes)];
    let rooms = rooms.iter().filter(|(_, is_on)| *is_on);
    let mut out = format!(
        "{{\"version\":\"{}\",\"rooms\":[{}],\"time\":{},\"uptime\":{},\"torrents\":{},\
         \"seeders\":{},\"leechers\":{},\"completed\":{},\"connections\":{},",
        env!("CARGO_PKG_VERSION"),
        list(rooms.map(|(name, _)| format!("\"{name}\""))),
        about.now,
        report.uptime,
        sum.torrents,
        sum.seeders,
        sum.leechers,
        sum.completed,
        sum.connections(),
    );
    out += &format!(
        "\"requests\":{{\"http\":[{}],\"udp\":[{}]}},\"last\":{{\"http\":[{}],\"udp\":[{}]}},",
        list(sum.traffic.requests().iter()),
        list(sum.datagrams().iter()),
        list(tcp.iter()),
        list(udp.iter()),
    );
    out += &format!(
        "\"memory\":{{\"store\":{},\"limit\":{},\"resident\":{resident}}},\"cpu\":[{}],\
         \"cpus\":{},\"interval\":[{}],\"load\":[{one},{five},{fifteen}],\"counts\":{{",
        sum.bytes,
        sum.bytes_max,
        list(sum.workers.iter().map(|(_, micros)| micros)),
        about.cpus,
        list(about.interval.iter()),
    );
    let counts = COUNTS.iter().map(|(count, name)| {
        let n = sum.counters.total(*count);
        format!("\"{name}\":{n}")
    });
    out += &counts.collect::<Vec<_>>().join(",");
    out + "}}\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Family;

    #[test]
    fn the_history_is_one_of_averages() {
        let mut history = History::default();
        let mut sum = Sheet {
            torrents: 3,
            bytes: 4096,
            ..Sheet::default()
        };
        sum.counters.add(Family::V4, Count::UdpReceived, 100);
        history.note(30, &sum);
        sum.counters.add(Family::V4, Count::UdpReceived, 600);
        sum.workers = vec![(0, 10_000_000), (1, 5_000_000)];
        history.note(60, &sum);
        assert_eq!(
            history.json(70),
            "{\"secs\":30,\"age\":[40,10],\"http4\":[0,0],\"http6\":[0,0],\"udp4\":[3,20],\
             \"udp6\":[0,0],\"cpu\":[0,500],\"torrents\":[3,3],\"seeders\":[0,0],\
             \"leechers\":[0,0],\"kilobytes\":[4,4]}\n"
        );
        (3..1000).for_each(|n| history.note(n * SAMPLE_SECS, &sum));
        assert_eq!(history.samples.len(), SAMPLES);
    }

    #[test]
    fn the_page_is_small_and_whole() {
        assert!(PAGE.len() <= 24 << 10, "{} bytes", PAGE.len());
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            let found = PAGE.replace("http://www.w3.org/2000/svg", "");
            assert!(!found.contains(outside), "{outside}");
        }
    }
}

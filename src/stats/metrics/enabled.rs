//! A build with metrics: names, units and labels as Prometheus wants them. Whatever is counted is
//! in the table; nothing is reset by being read.

use std::fmt::{Result, Write};

use crate::stats::modes::Telling;
use crate::stats::page::About;
use crate::stats::traffic::{Call, Fate, Flow, Handshake, Traffic};
use crate::stats::{Count, Report, Sheet};
use crate::types::{Family, Figure};

/// The metrics.
pub const METRICS: Option<Telling> = Some(Telling {
    tell: text,
    content_type: "text/plain; version=0.0.4; charset=utf-8",
});

/// A name, without prefix and suffix; what it means; and what is counted under it, each with its
/// labels besides that of the family.
type Row = (&'static str, &'static str, &'static [(Count, &'static str)]);

const HTTP: &str = "protocol=\"http\",";
const UDP: &str = "protocol=\"udp\",";

/// All counts.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("announces", "Announces that could be understood, refused ones included.",
        &[(Count::HttpAnnounce, HTTP), (Count::UdpAnnounce, UDP)]),
    ("scrapes", "Scrapes that could be understood, refused ones included.",
        &[(Count::HttpScrape, HTTP), (Count::UdpScrape, UDP)]),
    ("refused", "Announces and scrapes that were turned away with a reason.",
        &[(Count::HttpDenied, HTTP), (Count::UdpFailure, UDP)]),
    ("turned_away", "Requests and connections turned away for what their sources are or do.",
        &[(Count::Denied, "reason=\"deny_list\","), (Count::TooFast, "reason=\"too_fast\","),
            (Count::Banned, "reason=\"ban\","), (Count::Program, "reason=\"program\",")]),
    ("bans", "Bans that began.", &[(Count::Bans, "")]),
    ("announces_curbed", "Announces and peers that were not heeded, by the limit.",
        &[(Count::Early, "limit=\"interval\","), (Count::SwarmFull, "limit=\"swarm\","),
            (Count::AddressFull, "limit=\"address\","), (Count::Unstored, "limit=\"memory\",")]),
    ("torrents_evicted", "New torrents of one peer that made room for others.",
        &[(Count::Evicted, "")]),
    ("full_scrapes", "Lists of all torrents that were begun.", &[(Count::FullScrape, "")]),
    ("full_scrape_bytes", "Bytes of lists of all torrents.", &[(Count::FullScrapeBytes, "")]),
    ("connections_accepted", "TCP connections accepted.", &[(Count::TcpAccept, "")]),
    ("connections_refused", "TCP connections refused: there were too many.",
        &[(Count::TcpRefused, "")]),
    ("http_redirects", "HTTP requests that were led elsewhere.", &[(Count::HttpRedirect, "")]),
    ("http_errors", "HTTP requests that went wrong, by what was wrong.",
        &[(Count::HttpMalformed, "kind=\"malformed\","), (Count::HttpInvalid, "kind=\"invalid\","),
            (Count::HttpForbidden, "kind=\"forbidden\","),
            (Count::HttpNotFound, "kind=\"not_found\","),
            (Count::HttpTooSoon, "kind=\"too_soon\","),
            (Count::HttpUnavailable, "kind=\"unavailable\","),
            (Count::HttpTimeout, "kind=\"timeout\",")]),
    ("udp_datagrams_received", "Datagrams received.", &[(Count::UdpReceived, "")]),
    ("udp_datagrams_sent", "Replies that the kernel took.", &[(Count::UdpSent, "")]),
    ("udp_connects", "Connection ids given out.", &[(Count::UdpConnect, "")]),
    ("udp_letters", "UDP announces that had to cross threads.", &[(Count::UdpLetter, "")]),
    ("udp_errors", "Datagrams that got no proper reply, by why.",
        &[(Count::UdpMismatch, "kind=\"connection_id\","),
            (Count::UdpMalformed, "kind=\"malformed\","),
            (Count::UdpSendDropped, "kind=\"unsent\","),
            (Count::UdpUnanswered, "kind=\"unanswered\","),
            (Count::UdpMuted, "kind=\"muted\",")]),
    ("meta_wishes", "Announces that asked to be passed on to other trackers, by what came of it.",
        &[(Count::MetaWish, "what=\"taken\","), (Count::MetaDropped, "what=\"dropped\","),
            (Count::MetaStranger, "what=\"stranger\","),
            (Count::MetaDenied, "what=\"denied\","), (Count::MetaPrivate, "what=\"private\","),
            (Count::MetaLoop, "what=\"loop\",")]),
    ("meta_answers", "Answers that waited for what others know, and that could not.",
        &[(Count::MetaHeld, "what=\"held\","), (Count::MetaUnheld, "what=\"unheld\",")]),
    ("busy", "Requests dropped because another worker was too busy.", &[(Count::Busy, "")]),
    ("worker_panics", "Panics of workers, which went on without their torrents.",
        &[(Count::WorkerPanics, "")]),
    ("snapshots", "Snapshots, by what came of them.",
        &[(Count::Snapshots, "outcome=\"written\","),
            (Count::SnapshotFailures, "outcome=\"failed\",")]),
    ("access_log_lost", "Requests that could not be written to the access log.",
        &[(Count::AccessLost, "")]),
    ("livesync_packets", "Packets of live sync.",
        &[(Count::SyncReceived, "what=\"received\","), (Count::SyncRefused, "what=\"refused\","),
            (Count::SyncMalformed, "what=\"malformed\","), (Count::SyncSent, "what=\"sent\","),
            (Count::SyncUnsent, "what=\"unsent\",")]),
    ("livesync_records", "Peers told of by live sync.",
        &[(Count::SyncRecord, "what=\"received\","), (Count::SyncDenied, "what=\"denied\",")]),
    ("bus_peers", "Peers told to other nodes and by them, by what became of it.",
        &[(Count::BusTold, "what=\"told\","), (Count::BusSent, "what=\"sent\","),
            (Count::BusDropped, "what=\"dropped\","), (Count::BusLearned, "what=\"learned\","),
            (Count::BusDenied, "what=\"denied\","), (Count::BusStale, "what=\"stale\","),
            (Count::BusExpired, "what=\"expired\","), (Count::BusLost, "what=\"lost\",")]),
    ("bus_frames", "Frames between nodes, by what became of them.",
        &[(Count::BusFrames, "what=\"sent\","), (Count::BusReceived, "what=\"received\","),
            (Count::BusOwn, "what=\"own\","), (Count::BusDuplicate, "what=\"duplicate\","),
            (Count::BusMalformed, "what=\"malformed\","), (Count::BusForged, "what=\"forged\","),
            (Count::BusMissing, "what=\"missing\",")]),
    ("bus_bytes", "Bytes of frames between nodes.",
        &[(Count::BusBytes, "direction=\"sent\","),
            (Count::BusReceivedBytes, "direction=\"received\",")]),
    ("bus_connections", "What became of connections to the server where nodes meet.",
        &[(Count::BusConnects, "what=\"made\","), (Count::BusFailures, "what=\"failed\","),
            (Count::BusCaughtUp, "what=\"caught_up\",")]),
];

const FAMILIES: [(Family, &str); 2] = [(Family::V4, "ipv4"), (Family::V6, "ipv6")];

const CALLS: [(Call, &str); 6] = [
    (Call::Close, "close"),
    (Call::Send, "send"),
    (Call::Receive, "receive"),
    (Call::Accept, "accept"),
    (Call::SendUdp, "send_udp"),
    (Call::ReceiveUdp, "receive_udp"),
];

fn text(report: &Report, about: &About) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    let _ = gauges(report, about, &mut out)
        .and_then(|()| process(report, about, &mut out))
        .and_then(|()| counters(&report.sum, &mut out))
        .and_then(|()| figures(about.meta.iter().flatten(), &mut out))
        .and_then(|()| traffic(&report.sum, &mut out));
    out
}

/// What a metric is, before its values.
fn head(out: &mut String, name: &str, kind: &str, help: &str) -> Result {
    write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n")
}

fn gauges(report: &Report, about: &About, out: &mut String) -> Result {
    let sum = &report.sum;
    head(
        out,
        "trackerd_build_info",
        "gauge",
        "What runs here; always 1.",
    )?;
    let version = env!("CARGO_PKG_VERSION");
    writeln!(out, "trackerd_build_info{{version=\"{version}\"}} 1")?;
    head(out, "trackerd_peers", "gauge", "Peers known.")?;
    writeln!(out, "trackerd_peers{{role=\"seeder\"}} {}", sum.seeders)?;
    writeln!(out, "trackerd_peers{{role=\"leecher\"}} {}", sum.leechers)?;
    let [interval, ..] = about.interval;
    for (name, help, value) in [
        ("torrents", "Torrents known.", sum.torrents),
        ("store_bytes", "Memory of torrents and peers.", sum.bytes),
        (
            "store_limit_bytes",
            "Memory they may take at present; 0 if there is no limit.",
            sum.bytes_max,
        ),
        (
            "announce_interval_seconds",
            "Middle of the interval that clients are told.",
            interval.into(),
        ),
        (
            "connections_open",
            "TCP connections at present.",
            sum.connections(),
        ),
        ("cpus", "CPUs of the machine.", about.cpus.into()),
    ] {
        let name = format!("trackerd_{name}");
        head(out, &name, "gauge", help)?;
        writeln!(out, "{name} {value}")?;
    }
    head(
        out,
        "trackerd_load_average",
        "gauge",
        "Load of the machine.",
    )?;
    for (minutes, load) in [1, 5, 15].iter().zip(about.load) {
        let (whole, rest) = (load / 100, load % 100);
        writeln!(
            out,
            "trackerd_load_average{{minutes=\"{minutes}\"}} {whole}.{rest:02}"
        )?;
    }
    Ok(())
}

/// What Prometheus' own libraries tell of every process, by their names.
fn process(report: &Report, about: &About, out: &mut String) -> Result {
    let used = |name| {
        let usage = about.usage.iter().find(|(known, _)| *known == name);
        usage.map_or(0, |(_, n)| *n)
    };
    let millis = used("ru_utime_ms").wrapping_add(used("ru_stime_ms"));
    let name = "process_cpu_seconds_total";
    head(out, name, "counter", "CPU time of the process.")?;
    writeln!(out, "{name} {}.{:03}", millis / 1000, millis % 1000)?;
    let name = "process_start_time_seconds";
    head(out, name, "gauge", "When the process started, since 1970.")?;
    writeln!(out, "{name} {}", about.started)?;
    if let Some(bytes) = about.resident {
        let name = "process_resident_memory_bytes";
        head(out, name, "gauge", "Memory of the process.")?;
        writeln!(out, "{name} {bytes}")?;
    }
    let name = "process_max_fds";
    head(out, name, "gauge", "How many files may be open.")?;
    writeln!(out, "{name} {}", about.open_files[0])?;
    let name = "trackerd_worker_cpu_seconds_total";
    head(out, name, "counter", "CPU time of each worker.")?;
    for (worker, micros) in &report.sum.workers {
        let (secs, micros) = (micros / 1_000_000, micros % 1_000_000);
        writeln!(out, "{name}{{worker=\"{worker}\"}} {secs}.{micros:06}")?;
    }
    Ok(())
}

fn counters(sum: &Sheet, out: &mut String) -> Result {
    let name = "trackerd_completed_total";
    head(out, name, "counter", "Downloads completed.")?;
    writeln!(out, "{name} {}", sum.completed)?;
    for (name, help, counts) in ROWS {
        let name = format!("trackerd_{name}_total");
        head(out, &name, "counter", help)?;
        for (count, labels) in *counts {
            for (family, label) in FAMILIES {
                let n = sum.counters.of(family, *count);
                writeln!(out, "{name}{{{labels}family=\"{label}\"}} {n}")?;
            }
        }
    }
    Ok(())
}

/// What the meta-tracker tells of itself.
fn figures<'a>(all: impl Iterator<Item = &'a Figure>, out: &mut String) -> Result {
    for figure in all {
        let (kind, suffix) = match figure.grows {
            true => ("counter", "_total"),
            false => ("gauge", ""),
        };
        let name = format!("trackerd_meta_{}{suffix}", figure.name);
        head(out, &name, kind, figure.help)?;
        writeln!(out, "{name} {}", figure.value)?;
    }
    Ok(())
}

fn traffic(sum: &Sheet, out: &mut String) -> Result {
    let traffic = &sum.traffic;
    outcomes(traffic, out)?;
    let name = "trackerd_http_responses_total";
    head(out, name, "counter", "HTTP responses, by status.")?;
    for (status, n) in traffic.statuses().filter(|(_, n)| *n > 0) {
        match status {
            0 => writeln!(out, "{name}{{status=\"other\"}} {n}")?,
            status => writeln!(out, "{name}{{status=\"{status}\"}} {n}")?,
        }
    }
    for (name, help, http, udp) in [
        (
            "trackerd_received_bytes_total",
            "Bytes received.",
            Flow::ReceivedBytes,
            Flow::ReceivedBytesUdp,
        ),
        (
            "trackerd_sent_bytes_total",
            "Bytes sent.",
            Flow::SentBytes,
            Flow::SentBytesUdp,
        ),
    ] {
        head(out, name, "counter", help)?;
        writeln!(out, "{name}{{protocol=\"http\"}} {}", traffic.of(http))?;
        writeln!(out, "{name}{{protocol=\"udp\"}} {}", traffic.of(udp))?;
    }
    let name = "trackerd_socket_errors_total";
    head(out, name, "counter", "Calls of the kernel that failed.")?;
    for (call, label) in CALLS {
        for (errno, n) in traffic.failures(call) {
            writeln!(out, "{name}{{call=\"{label}\",errno=\"{errno}\"}} {n}")?;
        }
    }
    Ok(())
}

/// What became of requests by HTTP and of handshakes.
fn outcomes(traffic: &Traffic, out: &mut String) -> Result {
    let requests = [
        (Fate::Asked, "received"),
        (Fate::Answered, "answered"),
        (Fate::Unanswered, "unanswered"),
    ];
    let handshakes = [
        (Handshake::Whole, "whole"),
        (Handshake::Resumed, "resumed"),
        (Handshake::Failed, "failed"),
    ];
    for (name, help, all) in [
        (
            "trackerd_http_requests_total",
            "Whole HTTP requests, by what became of them.",
            requests.map(|(fate, label)| (label, traffic.fate(fate))),
        ),
        (
            "trackerd_tls_handshakes_total",
            "Handshakes by HTTPS, by what came of them.",
            handshakes.map(|(what, label)| (label, traffic.handshakes(what))),
        ),
    ] {
        head(out, name, "counter", help)?;
        for (label, counts) in all {
            for (n, (_, family)) in counts.into_iter().zip(FAMILIES) {
                writeln!(out, "{name}{{what=\"{label}\",family=\"{family}\"}} {n}")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::COUNTS;
    use std::collections::BTreeSet;

    #[test]
    fn whatever_is_counted_is_told_once() {
        let told: Vec<_> = ROWS
            .iter()
            .flat_map(|(.., counts)| counts.iter().map(|(count, _)| *count as usize))
            .collect();
        let all: BTreeSet<_> = COUNTS.iter().map(|(count, _)| *count as usize).collect();
        assert_eq!(told.len(), all.len());
        assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), all);
    }

    #[test]
    fn families_and_workers_are_told_apart() {
        let mut sum = Sheet {
            torrents: 5,
            workers: vec![(0, 1_500_000), (1, 20)],
            ..Sheet::default()
        };
        sum.counters.add(Family::V6, Count::UdpAnnounce, 7);
        sum.traffic.fail(Call::Send, 32, 2);
        sum.traffic.shake(Family::V6, Handshake::Resumed);
        let report = Report {
            sum,
            ..Report::default()
        };
        let figure = |name, grows| Figure {
            name,
            help: "So many.",
            grows,
            value: 3,
        };
        let about = About {
            usage: vec![("ru_utime_ms", 1200), ("ru_stime_ms", 34)],
            load: [5, 120, 10_000],
            meta: Some(vec![figure("dht_nodes", false), figure("echoes", true)]),
            ..About::default()
        };
        let text = text(&report, &about);
        for line in [
            "trackerd_torrents 5",
            "trackerd_announces_total{protocol=\"udp\",family=\"ipv6\"} 7",
            "trackerd_announces_total{protocol=\"udp\",family=\"ipv4\"} 0",
            "trackerd_worker_cpu_seconds_total{worker=\"0\"} 1.500000",
            "trackerd_worker_cpu_seconds_total{worker=\"1\"} 0.000020",
            "trackerd_socket_errors_total{call=\"send\",errno=\"32\"} 2",
            "trackerd_tls_handshakes_total{what=\"resumed\",family=\"ipv6\"} 1",
            "trackerd_meta_dht_nodes 3",
            "trackerd_meta_echoes_total 3",
            "trackerd_load_average{minutes=\"15\"} 100.00",
            "process_cpu_seconds_total 1.234",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        // The format wants every metric in one piece, and its type before its values.
        let mut seen = BTreeSet::new();
        let mut last = "";
        for line in text.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["#", "TYPE", name, "counter" | "gauge"] => {
                    assert!(seen.insert(name), "{name} twice");
                    last = name;
                }
                ["#", "HELP", _, _, ..] => {}
                _ => assert_eq!(line.split(['{', ' ']).next(), Some(last), "{line}"),
            }
        }
    }
}

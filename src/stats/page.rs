//! The page of text that tells all that etracker's tells, and a little more.

use std::fmt::{Result, Write};
use std::io;

use crate::stats::modes::VERSION;
use crate::stats::traffic::{Call, Flow, Rates, Traffic};
use crate::stats::{Count, Report};
use crate::types::{Figure, Seconds, date};

/// What is to be told besides counts.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// When the process started, in seconds since 1970 began.
    pub started: u64,
    /// How often it had failed before, as whoever started it says.
    pub failed: u32,
    /// The worker that answers.
    pub worker: usize,
    /// Load averages, in hundredths.
    pub load: [u32; 3],
    /// The interval: now, at the last look at the load, at the next.
    pub interval: [Seconds; 3],
    /// How many files may be open, and could be.
    pub open_files: [u64; 2],
    /// What the system says the process has used, by its names.
    pub usage: Vec<(&'static str, u64)>,
    /// What stands between thousands.
    pub separator: Option<char>,
    /// The memory of the process in bytes, if the system tells.
    pub resident: Option<usize>,
    /// CPUs of the machine.
    pub cpus: u32,
    /// The time of day, in seconds since 1970 began.
    pub now: u64,
    /// How it goes with asking other trackers, if they are asked.
    pub meta: Option<Vec<Figure>>,
}

/// Writes the page.
pub fn text(report: &Report, about: &About) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    let _ = head(report, about, &mut out)
        .and_then(|()| body(report, about, &mut out))
        .and_then(|()| failures(&report.sum.traffic, about, &mut out));
    out
}

fn head(report: &Report, about: &About, out: &mut String) -> Result {
    let number = |n| grouped(n, about.separator);
    let traffic = &report.sum.traffic;
    let [one, five, fifteen] = about.load.map(|load| (load / 100, load % 100));
    write!(
        out,
        "{VERSION}start_time: {} ({}d) ({}f)\nthread_number: {}\n\
         load_avg: {}.{:02} {}.{:02} {}.{:02}\ninterval: {} ({}->{})\n\
         active_sockets: {} ({}/{})\n",
        date(about.started),
        report.uptime / 86_400,
        about.failed,
        about.worker,
        one.0,
        one.1,
        five.0,
        five.1,
        fifteen.0,
        fifteen.1,
        about.interval[0],
        about.interval[1],
        about.interval[2],
        number(report.sum.connections()),
        number(about.open_files[0]),
        number(about.open_files[1]),
    )?;
    for (suffix, rates) in [("", traffic.last), ("_max", traffic.most)] {
        let Rates { tcp, udp } = rates;
        for (lane, [v4, v6]) in [("tcp", tcp), ("udp", udp)] {
            let (v4, v6) = (number(v4), number(v6));
            writeln!(out, "rps_{lane}{suffix}: {v4} ipv4, {v6} ipv6")?;
        }
    }
    Ok(())
}

fn body(report: &Report, about: &About, out: &mut String) -> Result {
    let sum = &report.sum;
    let traffic = &sum.traffic;
    let count = |what| sum.counters.total(what);
    let flow = |what| traffic.of(what);
    let failed = |call| traffic.failed(call);
    let received = traffic.requests().iter().sum();
    let (ended, broken, cut) = (flow(Flow::Ended), failed(Call::Receive), flow(Flow::Cut));
    let mut lines: Vec<(String, u64)> = Vec::new();
    lines.extend(about.usage.iter().map(|(name, n)| ((*name).into(), *n)));
    lines.extend(traffic.statuses().map(|(status, n)| match status {
        0 => ("http_other".into(), n),
        status => (format!("http_{status}"), n),
    }));
    let named = [
        ("close_pass", flow(Flow::Closed)),
        ("send_pass", flow(Flow::Sent)),
        ("recv_pass", received),
        ("accept_pass", count(Count::TcpAccept)),
        ("close_failed", failed(Call::Close)),
        ("send_skips", flow(Flow::SendSkipped)),
        ("send_failed", failed(Call::Send)),
        ("recv_failed", ended.wrapping_add(broken).wrapping_add(cut)),
        ("accept_failed", failed(Call::Accept)),
        ("recv_failed_read_0", ended),
        ("recv_failed_read_sub_0", broken),
        ("recv_failed_read_not_equal", cut),
        ("send_pass_udp", count(Count::UdpSent)),
        ("recv_pass_udp", count(Count::UdpReceived)),
        ("send_failed_udp", failed(Call::SendUdp)),
        ("recv_failed_udp", failed(Call::ReceiveUdp)),
        ("keep_alive", flow(Flow::KeepAlive)),
        ("no_keep_alive", flow(Flow::NoKeepAlive)),
        ("sent_bytes", flow(Flow::SentBytes)),
        ("recv_bytes", flow(Flow::ReceivedBytes)),
        ("sent_bytes_udp", flow(Flow::SentBytesUdp)),
        ("recv_bytes_udp", flow(Flow::ReceivedBytesUdp)),
        ("announce", count(Count::HttpAnnounce)),
        ("scrape", count(Count::HttpScrape)),
        ("connect_udp", count(Count::UdpConnect)),
        ("announce_udp", count(Count::UdpAnnounce)),
        ("scrape_udp", count(Count::UdpScrape)),
        ("torrents", sum.torrents),
        ("peers", sum.seeders + sum.leechers),
    ];
    lines.extend(named.map(|(name, n)| (name.into(), n)));
    for (name, n) in lines {
        writeln!(out, "{name}: {}", grouped(n, about.separator))?;
    }
    Ok(())
}

/// The errors of each call: number, how often, in words.
fn failures(traffic: &Traffic, about: &About, out: &mut String) -> Result {
    for (name, call) in [
        ("close", Call::Close),
        ("send", Call::Send),
        ("recv", Call::Receive),
        ("accept", Call::Accept),
        ("send_udp", Call::SendUdp),
        ("recv_udp", Call::ReceiveUdp),
    ] {
        for (errno, n) in traffic.failures(call) {
            let text = io::Error::from_raw_os_error(errno).to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            let n = grouped(n, about.separator);
            writeln!(out, "{name}_errno_{errno}: {n} {text}")?;
        }
    }
    Ok(())
}

/// A number with something between its thousands, or nothing.
fn grouped(n: u64, separator: Option<char>) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.extend(separator);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Sheet;
    use crate::types::Family;

    #[test]
    fn thousands_are_set_apart() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.000"),
            (u64::MAX, "18.446.744.073.709.551.615"),
        ] {
            assert_eq!(grouped(n, Some('.')), text);
            assert_eq!(grouped(n, None), n.to_string());
        }
    }

    #[test]
    fn the_page_tells_everything_by_name() {
        let mut sum = Sheet {
            torrents: 1234,
            seeders: 1,
            leechers: 2,
            ..Sheet::default()
        };
        sum.counters.add(Family::V4, Count::TcpAccept, 12);
        sum.traffic.add(Flow::Closed, 2);
        sum.traffic.add(Flow::Ended, 1);
        sum.traffic.request(Family::V4, true);
        sum.traffic.answer(b"HTTP/1.1 404 Not Found");
        sum.traffic.fail(Call::Send, 32, 2000);
        sum.traffic.fail(Call::Close, 5, 1);
        sum.traffic.last = Rates {
            tcp: [1, 2],
            udp: [3, 4],
        };
        sum.traffic.most = Rates {
            tcp: [10, 20],
            udp: [30, 40],
        };
        let report = Report {
            sum,
            uptime: 2 * 86_400 + 5,
            tracker_id: 1,
        };
        let about = About {
            started: 1_795_575_600,
            failed: 3,
            worker: 1,
            load: [44, 121, 1000],
            interval: [299, 239, 299],
            open_files: [5000, 20_000],
            usage: vec![("ru_maxrss", 4096)],
            separator: Some(','),
            ..About::default()
        };
        let page = text(&report, &about);
        let head = "start_time: 2026-11-25T03:00:00Z (2d) (3f)\nthread_number: 1\n\
                    load_avg: 0.44 1.21 10.00\ninterval: 299 (239->299)\n\
                    active_sockets: 9 (5,000/20,000)\nrps_tcp: 1 ipv4, 2 ipv6\n\
                    rps_udp: 3 ipv4, 4 ipv6\nrps_tcp_max: 10 ipv4, 20 ipv6\n\
                    rps_udp_max: 30 ipv4, 40 ipv6\nru_maxrss: 4,096\nhttp_101: 0\n";
        assert_eq!(
            page.strip_prefix(VERSION).unwrap_or_default()[..head.len()],
            *head
        );
        // In the words of the system's library.
        let with_text = |line: &str, errno| {
            let text = io::Error::from_raw_os_error(errno).to_string();
            format!(
                "{line} {}",
                text.split(" (os error").next().unwrap_or_default()
            )
        };
        let io_error = with_text("close_errno_5: 1", 5);
        let broken_pipe = with_text("send_errno_32: 2,000", 32);
        for line in [
            "http_404: 1",
            "http_200: 0",
            "close_pass: 2",
            "close_failed: 1",
            "accept_pass: 12",
            "recv_pass: 1",
            "recv_failed: 1",
            "recv_failed_read_0: 1",
            "send_failed: 2,000",
            "keep_alive: 1",
            "torrents: 1,234",
            "peers: 3",
            &io_error[..],
            &broken_pipe[..],
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}

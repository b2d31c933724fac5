//! What announces are answered.

use super::{Kind, ROW, Setting};
use crate::config::values;

pub(super) const ANNOUNCES: &[Setting] = &[
    Setting {
        key: "tracker.interval",
        value: "SECONDS",
        default: "1800",
        alias: Some("interval"),
        help: "Time between the announces of a client",
        kind: Kind::Number(60, 86_400, |d| &mut d.interval),
        ..ROW
    },
    Setting {
        key: "tracker.interval_jitter",
        value: "SECONDS",
        default: "180",
        help: "How far answers vary the interval, both ways; without it, a tenth of it",
        kind: Kind::Number(0, 21_600, |d| &mut d.interval_jitter),
        ..ROW
    },
    Setting {
        key: "tracker.min_interval",
        value: "SECONDS",
        default: "900",
        help: "The least time between announces; without it, half the interval",
        kind: Kind::Number(1, 86_400, |d| &mut d.min_interval),
        ..ROW
    },
    Setting {
        key: "tracker.peer_timeout",
        value: "SECONDS",
        default: "2700",
        help: "When to forget a silent peer; without it, after one and a half intervals",
        kind: Kind::Number(61, 172_800, |d| &mut d.peer_timeout),
        ..ROW
    },
    Setting {
        key: "load.limit",
        value: "LOAD|auto",
        alias: Some("max-load-avg"),
        help: "Lengthen the interval while the machine's load is above this; auto: CPUs - 0.5",
        kind: Kind::Own(|d, text| {
            d.load_limit = Some(values::load(text)?);
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "load.interval_min",
        value: "SECONDS",
        alias: Some("min-interval"),
        help: "The interval at low load; without it, 240 if the load drives the interval",
        kind: Kind::Number(60, 86_400, |d| &mut d.load_interval_min),
        ..ROW
    },
    Setting {
        key: "load.interval_max",
        value: "SECONDS",
        alias: Some("max-interval"),
        help: "The interval at high load; without it, 1800 if the load drives the interval",
        kind: Kind::Number(60, 86_400, |d| &mut d.load_interval_max),
        ..ROW
    },
    Setting {
        key: "tracker.numwant_default",
        value: "PEERS",
        default: "50",
        help: "Peers to list for a client that doesn't say how many it wants",
        kind: Kind::Number(0, 1000, |d| &mut d.numwant_default),
        ..ROW
    },
    Setting {
        key: "tracker.numwant_max",
        value: "PEERS",
        default: "200",
        alias: Some("max-peers-per-response"),
        help: "The most peers to list in one answer",
        kind: Kind::Number(1, 1000, |d| &mut d.numwant_max),
        ..ROW
    },
];

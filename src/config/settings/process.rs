//! The process: threads, directory, user.

use super::{FLAG, Kind, ROW, Setting};
use crate::config::values;

pub(super) const PROCESS: &[Setting] = &[
    Setting {
        key: "tracker.workers",
        value: "N",
        alias: Some("workers"),
        help: "Threads that serve; without it, one for each online CPU",
        kind: Kind::Number(1, 256, |d| &mut d.workers),
        ..ROW
    },
    Setting {
        key: "listen.udp.workers",
        value: "N",
        default: "0",
        repeatable: true,
        help: "opentracker's tracker.workers, heeded in its absence; 0 means nothing",
        kind: Kind::Number(0, 256, |d| &mut d.udp_workers),
        ..ROW
    },
    Setting {
        key: "listen.udp.receive_buffer",
        value: "BYTES",
        help: "Room for UDP requests that wait; without it, what the system gives",
        kind: Kind::Number(4096, 1 << 30, |d| &mut d.receive_buffer),
        ..ROW
    },
    Setting {
        key: "tracker.pin_workers",
        help: "Whether each worker keeps to a CPU of its own",
        kind: Kind::Flag(|d| &mut d.pin_workers),
        ..FLAG
    },
    Setting {
        key: "tracker.nofile",
        value: "N|max",
        default: "max",
        alias: Some("nofile"),
        help: "How many files may be open, connections included",
        kind: Kind::Own(|d, text| {
            d.nofile = Some(values::amount(text, 64, u32::MAX)?);
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "tracker.core",
        value: "BYTES|max",
        alias: Some("core"),
        help: "How large the image of a crash may be; without it, what the system says",
        kind: Kind::Own(|d, text| {
            d.core = Some(values::amount(text, 0, u32::MAX)?);
            Ok(())
        }),
        ..ROW
    },
    Setting {
        key: "tracker.failed",
        value: "N",
        default: "0",
        alias: Some("failed"),
        help: "How often trackerd has failed before, to be told on the page of statistics",
        kind: Kind::Number(0, u32::MAX, |d| &mut d.failed),
        ..ROW
    },
    Setting {
        key: "tracker.rootdir",
        value: "DIR",
        short: Some('d'),
        help: "Directory to work in; if started as root, to be confined to",
        kind: Kind::Path(|d| &mut d.rootdir),
        ..ROW
    },
    Setting {
        key: "tracker.load",
        value: "FILE",
        short: Some('l'),
        help: "Remember the torrents of this file, written by /stats?mode=statedump",
        kind: Kind::Path(|d| &mut d.load),
        ..ROW
    },
    Setting {
        key: "tracker.user",
        value: "NAME",
        default: "nobody",
        short: Some('u'),
        help: "User to become if started as root",
        kind: Kind::Text(values::name, |d| &mut d.user),
        ..ROW
    },
    Setting {
        key: "tracker.hang_secs_max",
        value: "SECONDS",
        default: "60",
        help: "End, to be started again, when a thread hangs for so long; 0 for never",
        kind: Kind::Number(0, 3600, |d| &mut d.hang_secs_max),
        ..ROW
    },
];

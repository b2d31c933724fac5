//! The log: what is written of what happens.

use super::{FLAG, Kind, ROW, Setting};

pub(super) const LOG: &[Setting] = &[
    Setting {
        key: "log.status",
        value: "KIND",
        default: "off",
        help: "Write a line of counts to the standard output for each pass of the sweep",
        kind: Kind::Word(&["off", "line", "json"], |d| &mut d.status),
        ..ROW
    },
    Setting {
        key: "log.completed",
        help: "Write a line to the standard output for each completed download",
        kind: Kind::Flag(|d| &mut d.log_completed),
        ..FLAG
    },
    Setting {
        key: "log.level",
        value: "LEVEL",
        default: "info",
        alias: Some("log-level"),
        help: "How much to log",
        kind: Kind::Word(&["error", "warn", "info", "debug", "trace"], |d| {
            &mut d.log.level
        }),
        ..ROW
    },
    Setting {
        key: "log.format",
        value: "FORMAT",
        default: "text",
        help: "How to write messages, and requests if log.access has them written",
        feature: "journal",
        kind: Kind::Word(&["text", "json"], |d| &mut d.log.format),
        ..ROW
    },
    Setting {
        key: "log.target",
        value: "stderr|syslog[:SOCKET]",
        default: "stderr",
        help: "Where messages go",
        feature: "journal",
        kind: Kind::Own(|d, text| d.log.put_target(text)),
        ..ROW
    },
    Setting {
        key: "log.addresses",
        value: "PART",
        default: "full",
        help: "How much of clients' addresses to write; the prefix is a /24 or /48",
        kind: Kind::Word(&["full", "prefix", "none"], |d| &mut d.log.addresses),
        ..ROW
    },
    Setting {
        key: "log.access",
        value: "FILE",
        help: "Write a line to this file for each request; SIGHUP opens it anew",
        feature: "journal",
        kind: Kind::Path(|d| &mut d.log.access),
        ..ROW
    },
];

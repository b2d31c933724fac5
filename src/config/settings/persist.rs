//! Snapshots, in which swarms outlive the process.

use super::{Kind, ROW, Setting};

pub(super) const PERSIST: &[Setting] = &[
    Setting {
        key: "persist.file",
        value: "FILE",
        help: "Keep swarms and their peers in this file, for the next start",
        feature: "persist",
        kind: Kind::Path(|d| &mut d.snapshots.file),
        ..ROW
    },
    Setting {
        key: "persist.interval",
        value: "SECONDS",
        default: "1800",
        help: "Write it this often; 0 for at the end and when asked only",
        feature: "persist",
        kind: Kind::Number(0, 604_800, |d| &mut d.snapshots.interval),
        ..ROW
    },
];

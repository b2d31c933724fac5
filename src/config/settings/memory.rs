//! Memory, and what takes it.

use super::{Kind, ROW, Setting};

pub(super) const MEMORY: &[Setting] = &[
    Setting {
        key: "tracker.memory_limit",
        value: "BYTES",
        help: "Memory that trackerd may take, such as 24M; without it, what the system sets",
        kind: Kind::Size(|d| &mut d.memory.limit),
        ..ROW
    },
    Setting {
        key: "tracker.max_torrents",
        value: "N",
        help: "The most torrents to know at a time; without it, any number",
        kind: Kind::Number(1, u32::MAX, |d| &mut d.memory.torrents_max),
        ..ROW
    },
    Setting {
        key: "tracker.max_peers",
        value: "N",
        help: "The most peers to know at a time; without it, any number",
        kind: Kind::Number(1, u32::MAX, |d| &mut d.memory.peers_max),
        ..ROW
    },
];

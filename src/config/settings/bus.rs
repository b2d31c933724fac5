//! Many nodes that are one tracker.

use super::{FLAG, Kind, ROW, Setting};
use crate::config::values;

pub(super) const BUS: &[Setting] = &[
    Setting {
        key: "bus.server",
        value: "URL",
        repeatable: true,
        help: "Meet the other nodes at this Redis or Valkey server; of a cluster, at any of these",
        feature: "bus",
        kind: Kind::Texts(values::server, |d| &mut d.bus.servers),
        ..ROW
    },
    Setting {
        key: "bus.name",
        value: "NAME",
        default: "trackerd",
        help: "What this tracker is called there; the same for all of its nodes",
        feature: "bus",
        kind: Kind::Text(values::bus_name, |d| &mut d.bus.name),
        ..ROW
    },
    Setting {
        key: "bus.key_file",
        value: "FILE",
        help: "Sign what is told with the key in this file, and believe nothing else",
        feature: "bus",
        kind: Kind::Path(|d| &mut d.bus.key_file),
        ..ROW
    },
    Setting {
        key: "bus.delay",
        value: "MILLISECONDS",
        default: "100",
        help: "How long news are gathered before they are told",
        feature: "bus",
        kind: Kind::Number(10, 1000, |d| &mut d.bus.delay_millis),
        ..ROW
    },
    Setting {
        key: "bus.stream_frames",
        value: "N",
        default: "30000",
        help: "About how many frames the server keeps for nodes that were away",
        feature: "bus",
        kind: Kind::Number(100, 10_000_000, |d| &mut d.bus.stream_frames),
        ..ROW
    },
    Setting {
        key: "bus.backlog",
        value: "BYTES",
        default: "16M",
        help: "Frames that may wait here while the server is away",
        feature: "bus",
        kind: Kind::Size(|d| &mut d.bus.backlog),
        ..ROW
    },
    Setting {
        key: "bus.ring",
        value: "N",
        default: "16384",
        help: "Peers that may wait between each thread and the bus, each way",
        feature: "bus",
        kind: Kind::Number(1024, 1 << 20, |d| &mut d.bus.ring),
        ..ROW
    },
    Setting {
        key: "bus.lists",
        help: "Whether to keep the files of white- or blacklist and keys as the server has them",
        feature: "bus",
        kind: Kind::Flag(|d| &mut d.bus.lists),
        ..FLAG
    },
    Setting {
        key: "bus.secret",
        help: "Whether to keep udp.secret_file as the server has it",
        feature: "bus",
        kind: Kind::Flag(|d| &mut d.bus.secret),
        ..FLAG
    },
    Setting {
        key: "udp.secret_file",
        value: "FILE",
        help: "Make connection ids from the secret in this file: good on all nodes that have it",
        kind: Kind::Path(|d| &mut d.secret_file),
        ..ROW
    },
];

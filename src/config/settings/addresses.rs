//! Where trackerd listens.

use super::{Kind, ROW, Setting};

pub(super) const ADDRESSES: &[Setting] = &[
    LISTEN_TCP_UDP,
    LISTEN_TCP,
    LISTEN_UDP,
    Setting {
        key: "listen.no_tcp",
        value: "yes|no",
        default: "no",
        alias: Some("no-tcp"),
        implied: "yes",
        help: "Serve no HTTP, whatever the addresses above say",
        kind: Kind::Word(&["yes", "no"], |d| &mut d.no_tcp),
        ..ROW
    },
    Setting {
        key: "listen.no_udp",
        value: "yes|no",
        default: "no",
        alias: Some("no-udp"),
        implied: "yes",
        help: "Serve no UDP, whatever the addresses above say",
        kind: Kind::Word(&["yes", "no"], |d| &mut d.no_udp),
        ..ROW
    },
];

pub(in crate::config) const LISTEN_TCP_UDP: Setting = Setting {
    key: "listen.tcp_udp",
    value: "IP[:PORT]",
    default: "*:6969",
    repeatable: true,
    help: "Serve HTTP and UDP on this address; * means all, of IPv4 and IPv6",
    kind: Kind::Listen {
        tcp: true,
        udp: true,
    },
    ..ROW
};

pub(super) const LISTEN_TCP: Setting = Setting {
    key: "listen.tcp",
    value: "IP[:PORT]",
    repeatable: true,
    help: "Serve HTTP on this address",
    kind: Kind::Listen {
        tcp: true,
        udp: false,
    },
    ..ROW
};

pub(super) const LISTEN_UDP: Setting = Setting {
    key: "listen.udp",
    value: "IP[:PORT]",
    repeatable: true,
    help: "Serve UDP on this address",
    kind: Kind::Listen {
        tcp: false,
        udp: true,
    },
    ..ROW
};

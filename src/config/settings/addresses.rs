//! Where trackerd listens.

use super::{FLAG, Kind, ROW, Serves, Setting};

pub(super) const ADDRESSES: &[Setting] = &[
    LISTEN_TCP_UDP,
    LISTEN_TCP,
    LISTEN_UDP,
    Setting {
        key: "listen.https",
        value: "IP[:PORT]",
        repeatable: true,
        help: "Serve HTTPS on this address",
        feature: "tls",
        kind: Kind::Listen(Serves {
            https: true,
            ..Serves::NOTHING
        }),
        ..ROW
    },
    Setting {
        key: "tls.certificate",
        value: "FILE",
        help: "The certificate HTTPS is served with, and those that vouch for it, in PEM",
        feature: "tls",
        kind: Kind::Path(|d| &mut d.tls_chain),
        ..ROW
    },
    Setting {
        key: "tls.key",
        value: "FILE",
        help: "Its private key, in PEM",
        feature: "tls",
        kind: Kind::Path(|d| &mut d.tls_key),
        ..ROW
    },
    Setting {
        key: "listen.no_tcp",
        alias: Some("no-tcp"),
        implied: "yes",
        help: "Serve no HTTP and no HTTPS, whatever the addresses above say",
        kind: Kind::Flag(|d| &mut d.no_tcp),
        ..FLAG
    },
    Setting {
        key: "listen.no_udp",
        alias: Some("no-udp"),
        implied: "yes",
        help: "Serve no UDP, whatever the addresses above say",
        kind: Kind::Flag(|d| &mut d.no_udp),
        ..FLAG
    },
];

pub(in crate::config) const LISTEN_TCP_UDP: Setting = Setting {
    key: "listen.tcp_udp",
    value: "IP[:PORT]",
    default: "*:6969",
    repeatable: true,
    help: "Serve HTTP and UDP on this address; * means all, of IPv4 and IPv6",
    kind: Kind::Listen(Serves::BOTH),
    ..ROW
};

pub(super) const LISTEN_TCP: Setting = Setting {
    key: "listen.tcp",
    value: "IP[:PORT]",
    repeatable: true,
    help: "Serve HTTP on this address",
    kind: Kind::Listen(Serves {
        tcp: true,
        ..Serves::NOTHING
    }),
    ..ROW
};

pub(super) const LISTEN_UDP: Setting = Setting {
    key: "listen.udp",
    value: "IP[:PORT]",
    repeatable: true,
    help: "Serve UDP on this address",
    kind: Kind::Listen(Serves {
        udp: true,
        ..Serves::NOTHING
    }),
    ..ROW
};

//! How much of us one source may have, and who may have nothing.

use super::{FLAG, Kind, ROW, Setting};
use crate::config::values;

/// As many requests a second as no source makes.
const RATE_MAX: u32 = 1_000_000;

pub(super) const LIMITS: &[Setting] = &[
    Setting {
        key: "limit.announces_per_sec",
        value: "N",
        default: "200",
        help: "Announces of one address, or /64 of IPv6, in each thread; 0 for no limit",
        kind: Kind::Number(0, RATE_MAX, |d| &mut d.limits.announces_per_sec),
        ..ROW
    },
    Setting {
        key: "limit.scrapes_per_sec",
        value: "N",
        default: "100",
        help: "The same for scrapes",
        kind: Kind::Number(0, RATE_MAX, |d| &mut d.limits.scrapes_per_sec),
        ..ROW
    },
    Setting {
        key: "limit.connects_per_sec",
        value: "N",
        default: "200",
        help: "The same for connects by UDP, and for replies to wrong connection ids",
        kind: Kind::Number(0, RATE_MAX, |d| &mut d.limits.connects_per_sec),
        ..ROW
    },
    Setting {
        key: "limit.connections_per_sec",
        value: "N",
        default: "200",
        help: "The same for new TCP connections",
        kind: Kind::Number(0, RATE_MAX, |d| &mut d.limits.connections_per_sec),
        ..ROW
    },
    Setting {
        key: "limit.burst_secs",
        value: "SECONDS",
        default: "60",
        help: "For how long a source can save up what it is granted, to use it at once",
        kind: Kind::Number(1, 3600, |d| &mut d.limits.burst_secs),
        ..ROW
    },
    Setting {
        key: "limit.exempt",
        value: "IP[/BITS]",
        repeatable: true,
        help: "Whom limits and bans don't concern; without it, loopback and private networks",
        kind: Kind::Net(|d| &mut d.limits.exempt),
        ..ROW
    },
    Setting {
        key: "limit.sources",
        value: "N",
        default: "2048",
        help: "How many sources each thread remembers",
        kind: Kind::Number(16, 1 << 20, |d| &mut d.limits.sources),
        ..ROW
    },
    Setting {
        key: "limit.torrent_peers_max",
        value: "N",
        default: "0",
        help: "Take no more peers into a swarm of so many; 0 for no limit",
        kind: Kind::Number(0, u32::MAX, |d| &mut d.limits.torrent_peers_max),
        ..ROW
    },
    Setting {
        key: "limit.address_peers_max",
        value: "N",
        default: "0",
        help: "Take so many peers of one source into a swarm; 0 for no limit",
        kind: Kind::Number(0, u32::MAX, |d| &mut d.limits.address_peers_max),
        ..ROW
    },
    Setting {
        key: "tracker.enforce_interval",
        help: "Whether to tell of no peers who comes back before half the least interval",
        kind: Kind::Flag(|d| &mut d.enforce_interval),
        ..FLAG
    },
    Setting {
        key: "limit.strikes",
        value: "N",
        default: "0",
        help: "Ban a source after so many faults; 0 for no bans",
        kind: Kind::Number(0, 1_000_000, |d| &mut d.limits.strikes),
        ..ROW
    },
    Setting {
        key: "limit.strike_secs",
        value: "SECONDS",
        default: "60",
        help: "Within which time",
        kind: Kind::Number(1, 86_400, |d| &mut d.limits.strike_secs),
        ..ROW
    },
    Setting {
        key: "limit.ban_secs",
        value: "SECONDS",
        default: "3600",
        help: "How long a ban lasts",
        kind: Kind::Number(1, 2_592_000, |d| &mut d.limits.ban_secs),
        ..ROW
    },
    Setting {
        key: "access.deny",
        value: "IP[/BITS]",
        repeatable: true,
        help: "Answer nothing to this address or network",
        kind: Kind::Net(|d| &mut d.denied),
        ..ROW
    },
    Setting {
        key: "access.deny_file",
        value: "FILE",
        help: "Answer nothing to the networks in this file, one a line",
        kind: Kind::Path(|d| &mut d.deny_file),
        ..ROW
    },
    Setting {
        key: "access.peer_id_allow",
        value: "TEXT",
        repeatable: true,
        help: "Only programs may announce whose peer id begins so",
        kind: Kind::Texts(values::peer_id, |d| &mut d.peer_ids.allow),
        ..ROW
    },
    Setting {
        key: "access.peer_id_deny",
        value: "TEXT",
        repeatable: true,
        help: "Programs may not announce whose peer id begins so",
        kind: Kind::Texts(values::peer_id, |d| &mut d.peer_ids.deny),
        ..ROW
    },
    Setting {
        key: "access.agent_allow",
        value: "TEXT",
        repeatable: true,
        help: "By HTTP only programs may announce whose User-Agent begins so",
        kind: Kind::Texts(values::agent, |d| &mut d.agents.allow),
        ..ROW
    },
    Setting {
        key: "access.agent_deny",
        value: "TEXT",
        repeatable: true,
        help: "By HTTP programs may not announce whose User-Agent begins so",
        kind: Kind::Texts(values::agent, |d| &mut d.agents.deny),
        ..ROW
    },
    Setting {
        key: "access.program_text",
        value: "TEXT",
        help: "What the users of such programs are told",
        kind: Kind::Text(values::refusal, |d| &mut d.program_text),
        ..ROW
    },
];

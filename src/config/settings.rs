//! The table of settings: all that files and command line can say, and what `--help`, the sample
//! file and the manual are made from or checked against.

use super::HashFile;
use super::draft::Draft;
use super::values;
use crate::types::Net;
use std::path::PathBuf;

/// One setting: `KEY VALUE` in a file, `--KEY VALUE` on the command line.
pub struct Setting {
    /// Its name in files, and after `--`.
    pub key: &'static str,
    /// Stands for the value in texts.
    pub value: &'static str,
    /// The value if nothing is said, in the file's grammar; empty if there is none to write.
    pub default: &'static str,
    /// opentracker's letter for it.
    pub short: Option<char>,
    /// A shorter name on the command line.
    pub alias: Option<&'static str>,
    /// Whether it may be given more than once.
    pub repeatable: bool,
    /// One line on what it does.
    pub help: &'static str,
    /// What values it takes, and where they go.
    pub(super) kind: Kind,
}

/// Settings on one subject.
pub struct Section {
    /// The subject.
    pub title: &'static str,
    /// Its settings, the most used first.
    pub settings: &'static [Setting],
}

/// What an option does that is no setting.
pub(super) enum Action {
    /// Read a file.
    File,
    /// Remember the address for what follows.
    Address,
    /// Listen on a port of that address, as this setting says.
    Port(&'static Setting),
    /// Only check.
    Check,
    /// Show the help.
    Help,
    /// Show the version.
    Version,
}

/// An option of the command line only.
pub struct Flag {
    /// Its letters; help shows the first.
    pub short: &'static [char],
    /// Its name after `--`, if it has one.
    pub long: Option<&'static str>,
    /// Stands for its value in texts; empty if it takes none.
    pub value: &'static str,
    /// One line on what it does.
    pub help: &'static str,
    /// What it does.
    pub(super) action: Action,
}

/// The values a setting takes, and its place in the draft.
pub(super) enum Kind {
    /// A whole number from .. to.
    Number(u32, u32, fn(&mut Draft) -> &mut Option<u32>),
    /// One of a few words.
    Word(
        &'static [&'static str],
        fn(&mut Draft) -> &mut Option<&'static str>,
    ),
    /// Text that a check lets pass, perhaps trimmed.
    Text(
        fn(&str) -> Result<&str, String>,
        fn(&mut Draft) -> &mut Option<String>,
    ),
    /// A file or directory.
    Path(fn(&mut Draft) -> &mut Option<PathBuf>),
    /// A file of info-hashes.
    Hashes(fn(PathBuf) -> HashFile),
    /// A network, one more.
    Net(fn(&mut Draft) -> &mut Vec<Net>),
    /// An address to listen on, one more: for TCP, for UDP.
    Listen { tcp: bool, udp: bool },
}

/// All settings.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|section| section.settings)
}

impl Setting {
    /// Every way to write it on the command line.
    pub fn names(&self) -> Vec<String> {
        let short = self.short.map(|letter| format!("-{letter}"));
        let alias = self.alias.map(|alias| format!("--{alias}"));
        short
            .into_iter()
            .chain(alias)
            .chain([format!("--{}", self.key)])
            .collect()
    }

    pub(super) fn is_listen(&self) -> bool {
        matches!(self.kind, Kind::Listen { .. })
    }
}

impl Flag {
    /// Every way to write it.
    pub fn names(&self) -> Vec<String> {
        let short = self.short.iter().map(|letter| format!("-{letter}"));
        short
            .chain(self.long.map(|long| format!("--{long}")))
            .collect()
    }
}

/// The default port, opentracker's.
pub const PORT: u16 = 6969;

/// What a row need not say.
const ROW: Setting = Setting {
    key: "",
    value: "",
    default: "",
    short: None,
    alias: None,
    repeatable: false,
    help: "",
    kind: Kind::Listen {
        tcp: false,
        udp: false,
    },
};

/// THE table.
pub static SECTIONS: &[Section] = &[
    Section {
        title: "Addresses",
        settings: ADDRESSES,
    },
    Section {
        title: "Process",
        settings: PROCESS,
    },
    Section {
        title: "Announces",
        settings: ANNOUNCES,
    },
    Section {
        title: "Access",
        settings: ACCESS,
    },
    Section {
        title: "HTTP",
        settings: HTTP,
    },
];

const ADDRESSES: &[Setting] = &[LISTEN_TCP_UDP, LISTEN_TCP, LISTEN_UDP];

pub(super) const LISTEN_TCP_UDP: Setting = Setting {
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

const LISTEN_TCP: Setting = Setting {
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

const LISTEN_UDP: Setting = Setting {
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

const PROCESS: &[Setting] = &[
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
        value: "yes|no",
        default: "no",
        help: "Whether each worker keeps to a CPU of its own",
        kind: Kind::Word(&["yes", "no"], |d| &mut d.pin_workers),
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
        key: "tracker.user",
        value: "NAME",
        default: "nobody",
        short: Some('u'),
        help: "User to become if started as root",
        kind: Kind::Text(values::name, |d| &mut d.user),
        ..ROW
    },
    Setting {
        key: "log.level",
        value: "LEVEL",
        default: "info",
        alias: Some("log-level"),
        help: "How much to log",
        kind: Kind::Word(&["error", "warn", "info", "debug", "trace"], |d| {
            &mut d.log_level
        }),
        ..ROW
    },
];

const ANNOUNCES: &[Setting] = &[
    Setting {
        key: "tracker.interval",
        value: "SECONDS",
        default: "1800",
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
        help: "The most peers to list in one answer",
        kind: Kind::Number(1, 1000, |d| &mut d.numwant_max),
        ..ROW
    },
];

const ACCESS: &[Setting] = &[
    Setting {
        key: "access.whitelist",
        value: "FILE",
        short: Some('w'),
        help: "Serve only the torrents whose info-hashes are in this file",
        kind: Kind::Hashes(HashFile::White),
        ..ROW
    },
    Setting {
        key: "access.blacklist",
        value: "FILE",
        short: Some('b'),
        help: "Serve all torrents but those whose info-hashes are in this file",
        kind: Kind::Hashes(HashFile::Black),
        ..ROW
    },
    Setting {
        key: "access.fifo_add",
        value: "PATH",
        help: "Put info-hashes written to this fifo onto the list",
        kind: Kind::Path(|d| &mut d.fifo_add),
        ..ROW
    },
    Setting {
        key: "access.fifo_delete",
        value: "PATH",
        help: "Take info-hashes written to this fifo off the list",
        kind: Kind::Path(|d| &mut d.fifo_delete),
        ..ROW
    },
    Setting {
        key: "access.stats",
        value: "IP[/BITS]",
        short: Some('A'),
        repeatable: true,
        help: "Let this address or network read the statistics; without it, everybody may",
        kind: Kind::Net(|d| &mut d.stats_readers),
        ..ROW
    },
    Setting {
        key: "access.stats_path",
        value: "PATH",
        default: "stats",
        help: "Where the statistics are, without the leading slash",
        kind: Kind::Text(values::stats_path, |d| &mut d.stats_path),
        ..ROW
    },
    Setting {
        key: "access.proxy",
        value: "IP[/BITS]",
        repeatable: true,
        help: "Believe the proxies in this network about where requests come from",
        kind: Kind::Net(|d| &mut d.proxies),
        ..ROW
    },
    Setting {
        key: "access.proxy_header",
        value: "NAME",
        default: "X-Forwarded-For",
        help: "The header in which proxies say so",
        kind: Kind::Text(values::header, |d| &mut d.proxy_header),
        ..ROW
    },
    Setting {
        key: "access.proxy_protocol",
        value: "yes|no",
        default: "no",
        help: "Whether connections from proxies begin with the PROXY protocol",
        kind: Kind::Word(&["yes", "no"], |d| &mut d.proxy_protocol),
        ..ROW
    },
    Setting {
        key: "tracker.ip_from_query",
        value: "IP[/BITS]",
        repeatable: true,
        help: "Heed the ip in HTTP announces that come from this network",
        kind: Kind::Net(|d| &mut d.ip_from_query),
        ..ROW
    },
];

const HTTP: &[Setting] = &[
    Setting {
        key: "tracker.redirect_url",
        value: "URL",
        short: Some('r'),
        help: "Where to send those who open / in a browser",
        kind: Kind::Text(values::url, |d| &mut d.redirect_url),
        ..ROW
    },
    Setting {
        key: "http.connections_max",
        value: "N",
        // Below the 4096 open files that most systems grant without asking.
        default: "4000",
        help: "The most connections at a time, all threads together",
        kind: Kind::Number(1, 1_000_000, |d| &mut d.connections_max),
        ..ROW
    },
    Setting {
        key: "http.idle_secs_max",
        value: "SECONDS",
        default: "30",
        help: "How long a connection may wait for its next request",
        kind: Kind::Number(1, 3600, |d| &mut d.idle_secs_max),
        ..ROW
    },
    Setting {
        key: "http.request_secs_max",
        value: "SECONDS",
        default: "10",
        help: "How long a request may take to arrive",
        kind: Kind::Number(1, 300, |d| &mut d.request_secs_max),
        ..ROW
    },
];

/// The options of the command line that are no settings.
pub static FLAGS: &[Flag] = &[
    Flag {
        short: &['f'],
        long: Some("config"),
        value: "FILE",
        help: "Read settings from this file; the command line overrides them",
        action: Action::File,
    },
    Flag {
        short: &['i'],
        long: None,
        value: "IP",
        help: "Address for the -p and -P that follow",
        action: Action::Address,
    },
    Flag {
        short: &['p'],
        long: None,
        value: "PORT",
        help: "Serve HTTP on this port",
        action: Action::Port(&LISTEN_TCP),
    },
    Flag {
        short: &['P'],
        long: None,
        value: "PORT",
        help: "Serve UDP on this port",
        action: Action::Port(&LISTEN_UDP),
    },
    Flag {
        short: &['t'],
        long: Some("test"),
        value: "",
        help: "Check the configuration and end",
        action: Action::Check,
    },
    Flag {
        short: &['V', 'v'],
        long: Some("version"),
        value: "",
        help: "Show the version and end",
        action: Action::Version,
    },
    Flag {
        short: &['h'],
        long: Some("help"),
        value: "",
        help: "Show this text and end",
        action: Action::Help,
    },
];

/// Settings of opentracker that are missing here. To overlook one could leave open what the
/// operator believes closed.
pub(super) const MISSING: &[&str] = &["livesync.", "batchsync."];

/// Letters of opentracker that are missing here.
pub(super) const MISSING_SHORT: &[char] = &['l', 's'];

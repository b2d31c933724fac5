//! The table of settings: all that files and command line can say, and what `--help`, the sample
//! file and the manual are made from or checked against. Each section is a file.

mod access;
mod addresses;
mod announces;
mod api;
mod bus;
mod cluster;
mod extensions;
mod http;
mod limits;
mod logs;
mod memory;
mod meta;
mod persist;
mod process;

use super::HashFile;
use super::draft::Draft;
use crate::types::Net;
use std::path::PathBuf;

pub(super) use addresses::LISTEN_TCP_UDP;
use addresses::{LISTEN_TCP, LISTEN_UDP};
use cluster::{BLESS, LIVESYNC_LISTEN};

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
    /// A shorter name on the command line; etracker's, where it has one.
    pub alias: Option<&'static str>,
    /// What the option by itself means on the command line; empty if it needs a value.
    pub implied: &'static str,
    /// Whether it may be given more than once.
    pub repeatable: bool,
    /// One line on what it does.
    pub help: &'static str,
    /// The feature of the build that it needs; empty if it needs none.
    pub feature: &'static str,
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

/// What a command line with settings is for.
#[derive(Clone, Copy, Default)]
pub(super) enum Purpose {
    /// To serve.
    #[default]
    Serve,
    /// To check the settings.
    Check,
    /// To ask a tracker with these settings whether it is alive.
    Health,
    /// To look at the system.
    CheckSystem,
    /// To ask a tracker with these settings what it knows of others.
    Stats,
}

/// What an option does that is no setting.
pub(super) enum Action {
    /// Read a file.
    File,
    /// Remember the address for what follows.
    Address,
    /// Listen on a port of that address, as this setting says.
    Port(&'static Setting),
    /// Say this, which has no name in files.
    Say(&'static Setting),
    /// Do something else than serve.
    Instead(Purpose),
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
    /// A number of bytes, in thousands of 1024 if need be.
    Size(fn(&mut Draft) -> &mut Option<usize>),
    /// `yes` or `no`.
    Flag(fn(&mut Draft) -> &mut Option<bool>),
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
    /// Text that a check lets pass, one more.
    Texts(
        fn(&str) -> Result<&str, String>,
        fn(&mut Draft) -> &mut Vec<String>,
    ),
    /// A network, one more.
    Net(fn(&mut Draft) -> &mut Vec<Net>),
    /// Whatever this understands and puts in its place.
    Own(fn(&mut Draft, &str) -> Result<(), String>),
    /// An address to listen on, one more.
    Listen(Serves),
}

/// What is served at an address.
#[derive(Clone, Copy)]
pub(super) struct Serves {
    /// HTTP.
    pub tcp: bool,
    /// UDP.
    pub udp: bool,
    /// HTTPS.
    pub https: bool,
}

impl Serves {
    const NOTHING: Serves = Serves {
        tcp: false,
        udp: false,
        https: false,
    };
    /// HTTP and UDP.
    pub(super) const BOTH: Serves = Serves {
        tcp: true,
        udp: true,
        https: false,
    };
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

    /// Which values are possible, if that can be said in a few words.
    pub fn values(&self) -> Option<String> {
        match (&self.kind, self.words()) {
            (Kind::Number(min, max, _), _) => Some(format!("{min} to {max}")),
            (_, []) => None,
            (_, words) => Some(words.join(", ")),
        }
    }

    /// The words it takes; none if it takes something else.
    pub fn words(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Flag(_) => YES_NO,
            Kind::Word(words, _) => words,
            _ => &[],
        }
    }

    /// What stands for its value on the command line; in brackets where it can be left out.
    pub fn argument(&self) -> String {
        match self.implied {
            "" => self.value.to_owned(),
            _ => format!("[{}]", self.value),
        }
    }

    /// Whether this build can do it.
    pub fn is_built(&self) -> bool {
        !FEATURES.contains(&(self.feature, false))
    }

    pub(super) fn is_listen(&self) -> bool {
        matches!(self.kind, Kind::Listen(_))
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

/// The features that settings need, and whether this build has them.
const FEATURES: [(&str, bool); 10] = [
    ("api", cfg!(feature = "api")),
    ("bus", cfg!(feature = "bus")),
    ("cluster", cfg!(feature = "cluster")),
    ("dht", cfg!(feature = "dht")),
    ("journal", cfg!(feature = "journal")),
    ("meta", cfg!(feature = "meta")),
    ("metrics", cfg!(feature = "metrics")),
    ("persist", cfg!(feature = "persist")),
    ("pex", cfg!(feature = "pex")),
    ("tls", cfg!(feature = "tls")),
];

/// Whether this build asks trackers. Where it doesn't, the compiler leaves out what is of no use.
pub(super) const IS_CLIENT: bool = cfg!(feature = "client");

/// The default port, opentracker's.
pub const PORT: u16 = 6969;

/// The default port of live sync, opentracker's too.
pub const LIVESYNC_PORT: u16 = 9696;

/// What a row need not say.
const ROW: Setting = Setting {
    key: "",
    value: "",
    default: "",
    short: None,
    alias: None,
    implied: "",
    repeatable: false,
    help: "",
    feature: "",
    kind: Kind::Listen(Serves::NOTHING),
};

/// What a row need not say of a yes or no, which is no unless the row says otherwise.
const FLAG: Setting = Setting {
    value: "yes|no",
    default: "no",
    ..ROW
};

/// What a [`Kind::Flag`] takes.
pub(super) const YES_NO: &[&str] = &["yes", "no"];

/// THE table.
pub static SECTIONS: &[Section] = &[
    Section {
        title: "Addresses",
        settings: addresses::ADDRESSES,
    },
    Section {
        title: "Process",
        settings: process::PROCESS,
    },
    Section {
        title: "Log",
        settings: logs::LOG,
    },
    Section {
        title: "Announces",
        settings: announces::ANNOUNCES,
    },
    Section {
        title: "Extensions",
        settings: extensions::EXTENSIONS,
    },
    Section {
        title: "Access",
        settings: access::ACCESS,
    },
    Section {
        title: "Limits",
        settings: limits::LIMITS,
    },
    Section {
        title: "Live sync",
        settings: cluster::CLUSTER,
    },
    Section {
        title: "Meta-tracker",
        settings: meta::META,
    },
    Section {
        title: "Many nodes",
        settings: bus::BUS,
    },
    Section {
        title: "Memory",
        settings: memory::MEMORY,
    },
    Section {
        title: "Snapshots",
        settings: persist::PERSIST,
    },
    Section {
        title: "HTTP",
        settings: http::HTTP,
    },
    Section {
        title: "Management",
        settings: api::API,
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
        help: "Address for the -p, -P and -s that follow",
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
        short: &[],
        long: Some("port"),
        value: "PORT",
        help: "Serve HTTP and UDP on this port",
        action: Action::Port(&LISTEN_TCP_UDP),
    },
    Flag {
        short: &['s'],
        long: None,
        value: "PORT",
        help: "Share peers with other trackers on this port: see livesync.cluster.listen",
        action: Action::Port(&LIVESYNC_LISTEN),
    },
    Flag {
        short: &['A'],
        long: None,
        value: "IP[/BITS]",
        help: "Bless: access.stats, access.proxy and livesync.cluster.node_ip in one",
        action: Action::Say(&BLESS),
    },
    Flag {
        short: &['t'],
        long: Some("test"),
        value: "",
        help: "Check the configuration and end",
        action: Action::Instead(Purpose::Check),
    },
    Flag {
        short: &[],
        long: Some("health"),
        value: "",
        help: "Ask the tracker that runs so whether it answers, and end: 0 for yes, 1 for no",
        action: Action::Instead(Purpose::Health),
    },
    Flag {
        short: &[],
        long: Some("check-system"),
        value: "",
        help: "Say what to change on this system, and end",
        action: Action::Instead(Purpose::CheckSystem),
    },
    Flag {
        short: &[],
        long: Some("stats"),
        value: "",
        help: "Ask the tracker that runs so what it knows of other trackers, and end",
        action: Action::Instead(Purpose::Stats),
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

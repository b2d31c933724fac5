//! What the operator said.
//!
//! The room promises a [`Config`] of plain, validated values, or one error that names file, line
//! and remedy: an unknown word never passes for an open tracker. Files and command line speak
//! one language, whose words are the table in [`settings`]. Nothing is bound, resolved or opened
//! here but the configuration files themselves.

pub mod ask;
mod bus;
mod draft;
mod help;
mod intervals;
mod limits;
mod logs;
mod memory;
mod meta;
mod parse;
pub mod settings;
mod snapshots;
mod suggest;
mod values;

pub use bus::Bus;
pub use help::help;
pub use limits::{Limits, Programs};
pub use logs::Log;
pub use memory::Memory;
pub use meta::Meta;
pub use snapshots::Snapshots;

use crate::error::Fatal;
use crate::types::{Intervals, Net, Order, Seconds};
use settings::Purpose;
use std::ffi::OsString;
use std::net::{SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};

/// Name and version, such as `trackerd 1.0.0`.
pub const VERSION: &str = concat!("trackerd ", env!("CARGO_PKG_VERSION"));

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve.
    Run(Config),
    /// `-t`: say that the configuration is fine, in these words, and end.
    Check(String),
    /// `--health`: ask whether a tracker answers that serves so, and end.
    Health(Config),
    /// `--check-system`: say what the system lacks to serve so, and end.
    CheckSystem(Config),
    /// `--stats`: say what a tracker that serves so knows of others, and end.
    Stats(Config),
    /// `announce`, `scrape` or `check`: ask a tracker, and end.
    Ask(Order),
    /// `-h`: print this text and end.
    Help(String),
    /// `-V`: print [`VERSION`] and end.
    Version,
}

/// How the tracker shall work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to listen; never empty, and no address twice unless its port is 0.
    pub listens: Vec<Listen>,
    /// Threads; `None` means one for each online CPU.
    pub workers: Option<usize>,
    /// How many files may be open; `None` means as many as the system lets us have.
    pub open_files: Option<Amount>,
    /// How large the image of a crash may be, in bytes; `None` leaves it to the system.
    pub core_bytes: Option<Amount>,
    /// Bytes of requests that may wait in each UDP socket; `None` leaves it to the system.
    pub receive_buffer: Option<usize>,
    /// Whether each worker keeps to a CPU of its own.
    pub pin_workers: bool,
    /// Directory to enter before serving, by chroot if root.
    pub rootdir: Option<PathBuf>,
    /// A dump of an earlier run, whose torrents are remembered.
    pub load: Option<PathBuf>,
    /// User to become if root; `None` means `nobody`, or user id 65534 where there is none.
    pub user: Option<String>,
    /// Where `GET /` is redirected; fit for a response head.
    pub redirect_url: Option<String>,
    /// When clients shall come again.
    pub intervals: Intervals,
    /// Peers listed for a client that doesn't say how many it wants.
    pub numwant_default: u16,
    /// The most peers listed in one answer; at least `numwant_default`.
    pub numwant_max: u16,
    /// Whether clients are told the address they are seen at, if it is a global one.
    pub external_ip: bool,
    /// Whether what peers call themselves is kept, for answers that are not compact.
    pub keep_ids: bool,
    /// The least time between scrapes of a client, if it is told one.
    pub scrape_interval: Option<Seconds>,
    /// What clients are asked to send back as `trackerid`, if anything.
    pub tracker_id: Option<String>,
    /// A text for the users of clients, if any.
    pub warning: Option<String>,
    /// The keys of those who may ask; `None` means everybody may.
    pub keys: Option<PathBuf>,
    /// Which torrents are served.
    pub hashes: HashFile,
    /// Fifo by which info-hashes come onto the list.
    pub fifo_add: Option<PathBuf>,
    /// Fifo by which info-hashes go off the list; another one.
    pub fifo_delete: Option<PathBuf>,
    /// Who may read the statistics; empty means everybody.
    pub stats_readers: Vec<Net>,
    /// Who may have the list of all torrents; `None` means everybody.
    pub full_scrapers: Option<Vec<Net>>,
    /// The least time between two such lists for one address; 0 for none.
    pub full_scrape_interval: Seconds,
    /// Whether completed downloads are written to the standard output.
    pub log_completed: bool,
    /// Whether networks are counted from which announces come much too early.
    pub woodpeckers: bool,
    /// Whose HTTP requests are kept for the statistics to show.
    pub watched: Vec<Net>,
    /// Path of the statistics, without the leading slash; neither `announce` nor `scrape`.
    pub stats_path: String,
    /// Path of the metrics, without the leading slash.
    pub metrics_path: String,
    /// In which character set the page of statistics says it is; fit for a response head.
    pub stats_charset: Option<String>,
    /// What stands between thousands there.
    pub stats_separator: Option<char>,
    /// How often the process has failed before, as whoever started it says.
    pub failed: u32,
    /// Whose word counts on where a request comes from.
    pub proxies: Vec<Net>,
    /// The header they say it in; fit to be the name of one.
    pub proxy_header: String,
    /// Whether they also say it by the PROXY protocol.
    pub proxy_protocol: bool,
    /// Whose `ip` in an announce counts.
    pub ip_from_query: Vec<Net>,
    /// Who is answered nothing.
    pub denied: Vec<Net>,
    /// A file of more of them.
    pub deny_file: Option<PathBuf>,
    /// Which programs may announce, by the beginning of their peer id.
    pub peer_ids: Programs,
    /// The same by the beginning of their User-Agent, where there is one.
    pub agents: Programs,
    /// What others are told; fit for an answer over UDP.
    pub program_text: Option<String>,
    /// Whether who comes back too early is told of no peers; never together with a load that
    /// drives the interval.
    pub enforce_interval: bool,
    /// What one source is granted.
    pub limits: Limits,
    /// Where to share peers with other trackers: the address of an interface, 0.0.0.0 to leave it
    /// to the system's routes, and the port that all of them use.
    pub livesync: Option<SocketAddrV4>,
    /// Which of them to believe; empty without live sync.
    pub nodes: Vec<Net>,
    /// Where the other nodes of this tracker are met, if there are any.
    pub bus: Option<Bus>,
    /// The file of the secret that connection ids are made from, if it isn't drawn at the start.
    pub secret_file: Option<PathBuf>,
    /// Where the management API is served, if it is; without a token only where nobody else comes.
    pub api: Option<ApiPlace>,
    /// The file of the token that it takes; none without an API.
    pub api_token: Option<PathBuf>,
    /// What HTTPS is served with, if it is.
    pub certificate: Option<Certificate>,
    /// What is asked of other trackers.
    pub meta: Meta,
    /// Where swarms are kept for the next start, if they are.
    pub snapshots: Snapshots,
    /// Settings that were given and have no effect.
    pub ignored: Vec<&'static str>,
    /// How much there may be.
    pub memory: Memory,
    /// The most TCP connections at a time, all workers together.
    pub connections_max: usize,
    /// Whether connections may stay for a next request.
    pub keep_alive: bool,
    /// How long a connection may wait for its next request.
    pub idle_secs_max: Seconds,
    /// How long a request may take to arrive, from its first byte to its last.
    pub request_secs_max: Seconds,
    /// How long a worker may not move before the process ends; 0 for any time.
    pub hang_secs_max: Seconds,
    /// Whether to write a line for each pass of the sweep to the standard output, and how: `off`,
    /// `line` or `json`.
    pub status: &'static str,
    /// What is written of what happens.
    pub log: Log,
}

/// How much of something the system shall grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So much.
    Of(u32),
    /// As much as it can.
    Max,
}

/// A place where the management API is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiPlace {
    /// An address; port 0 lets the system choose.
    At(SocketAddr),
    /// A socket that is a file.
    File(PathBuf),
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// An IPv6 address stands for IPv6 alone, `[::]` too; port 0 lets the system choose.
    pub addr: SocketAddr,
    /// Whether to serve HTTP here.
    pub tcp: bool,
    /// Whether to serve UDP here.
    pub udp: bool,
    /// Whether to serve HTTPS here; never together with HTTP.
    pub https: bool,
    /// Nobody named this address by itself: if the system lacks its family, go on without.
    pub optional: bool,
}

impl Listen {
    /// Whether connections are accepted here.
    pub fn connects(&self) -> bool {
        self.tcp || self.https
    }
}

/// A certificate's files, both in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The server's own, and those that vouch for it.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Certificate {
    /// Both, or none.
    fn of(chain: Option<PathBuf>, key: Option<PathBuf>) -> Option<Certificate> {
        chain
            .zip(key)
            .map(|(chain, key)| Certificate { chain, key })
    }
}

/// The list that restricts the torrents served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HashFile {
    /// None: all torrents are.
    #[default]
    None,
    /// Only those in this file are.
    White(PathBuf),
    /// All but those in this file are.
    Black(PathBuf),
}

/// Understands the command line, without the program's name, and the files it names.
///
/// # Errors
/// A [`Fatal`] with exit code 64 for the command line, 66 for a file that can't be read, 78 for
/// what a file says.
pub fn parse<I>(args: I) -> Result<Command, Fatal>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    if let Some(command) = ask::command(&args) {
        return command;
    }
    let args = match parse::argv(args)? {
        parse::Argv::Help => return Ok(Command::Help(help())),
        parse::Argv::Version => return Ok(Command::Version),
        parse::Argv::Settings(args) => args,
    };
    let (purpose, approval) = (args.purpose, args.approval());
    let config = draft::config(&args.read(parse::load)?)?;
    Ok(match purpose {
        Purpose::Serve => Command::Run(config),
        Purpose::Check => Command::Check(approval),
        Purpose::Health => Command::Health(config),
        Purpose::CheckSystem => Command::CheckSystem(config),
        Purpose::Stats => Command::Stats(config),
    })
}

/// Understands the same command line again, in a process that serves already; `place` says where a
/// file is now.
///
/// # Errors
/// As [`parse`]; also, with exit code 66, for a file that is not regular, since it may have been
/// read to its end, and for an empty one, since it may be being written.
pub fn read_again(args: &[OsString], place: impl Fn(&Path) -> PathBuf) -> Result<Config, Fatal> {
    let args = match parse::argv(args)? {
        parse::Argv::Settings(args) => args,
        parse::Argv::Help | parse::Argv::Version => parse::Args::default(),
    };
    draft::config(&args.read(|path| parse::load_again(&place(path)))?)
}

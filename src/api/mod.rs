//! The management API: what an operator's programs may ask and change while the tracker serves.
//!
//! The room promises that nobody is heard who doesn't show the token, where there is one, and that
//! no page in a browser can do anything through its reader's machine; that every request becomes
//! one [`Ask`] or is refused with a status and a reason; and that every answer is JSON. It has no
//! socket, it doesn't know the swarms or the lists: whoever serves it does what is asked, and
//! brings the [`Answer`]. Without the feature `api` nobody is heard.

#[cfg(not(feature = "api"))]
mod disabled;
#[cfg(feature = "api")]
mod enabled;
mod token;

#[cfg(not(feature = "api"))]
pub use disabled::{Api, Present};
#[cfg(feature = "api")]
pub use enabled::{Api, Present};
pub use token::Token;

use std::net::IpAddr;

use crate::types::{Counts, InfoHash, Net, PeerAddr, Seconds};
use crate::wire::http::Status;

/// The most that one answer lists.
pub const LISTED_MAX: usize = 1000;
/// How many it lists unless told.
pub const LISTED_UNSAID: usize = 100;

/// Who is heard.
#[derive(Clone, Copy)]
pub struct Guard<'a> {
    /// What has to be shown, if anything.
    pub token: Option<&'a Token>,
    /// Whether the request came by a socket that is a file, which no browser opens.
    pub by_file: bool,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// All that is counted.
    Stats,
    /// A torrent, and so many of its peers.
    Swarm(InfoHash, usize),
    /// Info-hashes of the list, so many of those that follow this one.
    Hashes(Option<InfoHash>, usize),
    /// Whether this one is on it.
    Hash(InfoHash),
    /// How many keys there are.
    Keys,
    /// Whether this is one.
    Key(Vec<u8>),
    /// Networks of the deny list, so many of those beyond this one.
    Denied(Option<Net>, usize),
    /// Whether one holds all of this.
    IsDenied(Net),
    /// Sources under a ban, so many of those that follow this address.
    Bans(Option<IpAddr>, usize),
    /// How long the ban of this one lasts.
    Ban(IpAddr),
    /// That something be changed.
    Change(Change),
    /// That a snapshot be written.
    Snapshot,
    /// That the tracker end when it has finished what is under way.
    Drain,
}

/// What is to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An info-hash shall be on the list, or not.
    Hash(InfoHash, bool),
    /// A key shall be one, or not.
    Key(Vec<u8>, bool),
    /// A network shall be denied, or not.
    Denied(Net, bool),
    /// A source shall be banned for so many seconds, or not at all.
    Ban(IpAddr, Option<Seconds>),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// See [`Ask::Stats`].
    Stats(Box<Stats>),
    /// See [`Ask::Swarm`]: the peers, and whether they are seeders.
    Swarm(InfoHash, Counts, Vec<(PeerAddr, bool)>),
    /// See [`Ask::Hashes`]: which list it is, how many it has, and whether more follow.
    Hashes(&'static str, usize, Vec<InfoHash>, bool),
    /// See [`Ask::Keys`].
    Keys(usize),
    /// See [`Ask::Denied`]: first address and bits, and whether more follow.
    Denied(Vec<(IpAddr, u8)>, bool),
    /// See [`Ask::Bans`]: seconds that are left, and whether more follow.
    Bans(Vec<(IpAddr, Seconds)>, bool),
    /// It is there; for how many seconds still, if it is for a time.
    There(Option<Seconds>),
    /// It is there now, or was before.
    Added {
        /// Whether it was not there before.
        is_new: bool,
        /// How many there are now, if they are counted.
        total: Option<usize>,
    },
    /// It was there, and is no more.
    Removed {
        /// How many there are now, if they are counted.
        total: Option<usize>,
    },
    /// A snapshot is begun, once one that is `under_way` is written.
    Snapshot {
        /// Whether there is one.
        under_way: bool,
    },
    /// The end has begun.
    Draining,
    /// It is not done.
    Refused(Refusal),
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status to answer with.
    pub status: Status,
    /// What is wrong, and what would do.
    pub reason: &'static str,
}

/// All that is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Name and version.
    pub version: &'static str,
    /// How long the tracker has been running.
    pub uptime: Seconds,
    /// When it began, by the time of day.
    pub started: u64,
    /// Threads that serve.
    pub workers: usize,
    /// Middle of the interval that clients are told.
    pub interval: Seconds,
    /// Whether it is coming to its end.
    pub draining: bool,
    /// Torrents known.
    pub torrents: u64,
    /// Seeders in them.
    pub seeders: u64,
    /// Leechers in them.
    pub leechers: u64,
    /// Downloads completed since the start.
    pub completed: u64,
    /// Bytes that torrents and peers take.
    pub bytes: u64,
    /// Bytes they may take; `None` for any number.
    pub bytes_max: Option<u64>,
    /// Every count by name: IPv4, IPv6.
    pub counts: Vec<(&'static str, [u64; 2])>,
}

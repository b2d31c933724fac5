//! The meta-tracker: what other trackers, the distributed hash table and peers know of a torrent,
//! for clients that ask for it.
//!
//! The room promises that an announce is passed on only for a torrent that may be, that nobody is
//! asked more often than he likes, and that what comes back is clean: addresses that anybody may
//! have, each once. An engine: wishes, datagrams, what jobs found and the time go in; datagrams,
//! jobs and [`Extra`] peers come out. It has no socket and no clock. What may block is a job, done
//! by sources on threads of their own. Without the feature `meta` there is none.

#[cfg(not(feature = "meta"))]
mod disabled;
#[cfg(feature = "meta")]
mod enabled;

#[cfg(not(feature = "meta"))]
pub use disabled::*;
#[cfg(feature = "meta")]
pub use enabled::*;

use std::net::{IpAddr, SocketAddr};

use crate::types::{Counts, Event, InfoHash, PeerAddr, Peers, Seconds};

/// As a moment, milliseconds on the monotonic clock of this process; as a span, a duration.
pub type Millis = u64;

/// What we call ourselves to others by HTTP. Who calls on us by this name is a tracker like us, and
/// nothing of his is passed on.
pub const USER_AGENT: &str = concat!("trackerd-meta/", env!("CARGO_PKG_VERSION"));

/// What the name of every tracker like us begins with.
pub const AGENT_PREFIX: &[u8] = b"trackerd-meta/";

/// The lists that are fetched if no others are named.
pub const LIST_URLS: [&str; 3] = [
    "https://newtrackon.com/api/all",
    "https://raw.githubusercontent.com/ngosang/trackerslist/master/trackers_all.txt",
    "https://cf.trackerslist.com/all.txt",
];

/// How upstreams are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// By what they were good for lately.
    Score,
    /// Each with the probability of its successes among all tries, as mTracker does.
    Ratio,
}

/// For whom others are told that he is a peer. They take the sender's address for his.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// For clients of private IPv4 addresses, who share our own address outside.
    Nat,
    /// For all.
    Always,
    /// For nobody: others are only asked for what they tell without that.
    Never,
}

/// What the distributed hash table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dht {
    /// Nothing.
    Off,
    /// To find peers.
    Lookup,
    /// To find peers and to be found.
    Announce,
}

/// How others are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where we listen ourselves; an unspecified address is each of ours.
    pub own: Vec<SocketAddr>,
    /// The texts of files of tracker URLs.
    pub texts: Vec<Vec<u8>>,
    /// Where lists of trackers are fetched.
    pub list_urls: Vec<String>,
    /// How many upstreams each torrent has.
    pub k: usize,
    /// How they are chosen.
    pub select: Select,
    /// The least time between two announces of a peer to an upstream.
    pub refresh: Seconds,
    /// Whether a torrent has to be proven public.
    pub public_proof: bool,
    /// Whether others have to know a torrent before it is announced to them.
    pub never_first: bool,
    /// For whom others are told that he is a peer.
    pub publish: Publish,
    /// What the distributed hash table is for.
    pub dht: Dht,
    /// The port of its node; 0 lets the system choose.
    pub dht_port: u16,
    /// Nodes by which it is entered, `HOST:PORT`; empty for the usual ones.
    pub dht_bootstrap: Vec<String>,
    /// Whether peers are asked for others.
    pub pex: bool,
    /// The most torrents at a time.
    pub swarms_max: usize,
    /// Those of one address.
    pub client_swarms: usize,
    /// Datagrams sent to upstreams in a second; those to the hash table don't count.
    pub pps: u32,
    /// The most connections at a time.
    pub tcp: usize,
    /// Whether trackers and peers are asked that are in private networks or on this machine.
    pub allow_private: bool,
}

/// An announce that may be passed on, as far as the client's address and its URL are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The announcing peer, at the address where others find it.
    pub peer: PeerAddr,
    /// Where the announce comes from, which may be another address of the peer's: only there is it
    /// asked anything.
    pub source: IpAddr,
    /// What it calls itself.
    pub peer_id: [u8; 20],
    /// What it sent as its key: our own, if it is an echo.
    pub key: Option<u32>,
    /// What happened.
    pub event: Event,
    /// Bytes uploaded.
    pub uploaded: u64,
    /// Bytes downloaded.
    pub downloaded: u64,
    /// Bytes still to download, if it says.
    pub left: Option<u64>,
    /// Whether the operator has allowed the torrent: it needs no proof, and may be the first.
    pub allowed: bool,
}

/// What is known outside the engine, for its reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// Nodes of the distributed hash table.
    pub nodes: usize,
    /// Words for which workers had no room.
    pub unheard: u32,
}

/// What others know of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Peers, those that were confirmed last in front.
    pub peers: Peers,
    /// The largest counts that somebody told.
    pub counts: Counts,
    /// Whether there is no use in waiting for more.
    pub settled: bool,
    /// Until when it may be told; what is over already is to be forgotten.
    pub expires: Seconds,
}

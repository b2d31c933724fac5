//! What may block: the errands that [`Sources`](super::Sources) do on threads of their own, and
//! what they bring home.

use std::net::SocketAddr;

use crate::client::answer::Answer;
use crate::client::url::Url;
use crate::types::{Counts, Event, InfoHash, PeerAddr, Seconds};

/// An errand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Finds the addresses of a tracker.
    Resolve(Url),
    /// Announces to a tracker by HTTP or HTTPS.
    Announce(Url, Ask),
    /// Asks it for the counts of torrents.
    Scrape(Url, Vec<InfoHash>),
    /// Fetches a list of trackers.
    List(String),
    /// Looks for peers in the distributed hash table.
    Lookup(InfoHash),
    /// Announces there that somebody at our address and this port is a peer.
    Publish(InfoHash, u16),
    /// Shakes hands with a peer (BEP 10), to see whether the torrent is public and, if `pex`, to
    /// hear of other peers (BEP 11).
    Probe {
        /// The torrent.
        info_hash: InfoHash,
        /// The peer.
        peer: SocketAddr,
        /// Whether it is of use to wait for other peers.
        pex: bool,
    },
}

/// An announce to a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The client's own.
    pub peer_id: [u8; 20],
    /// Where the client listens.
    pub port: u16,
    /// Bytes uploaded.
    pub uploaded: u64,
    /// Bytes downloaded.
    pub downloaded: u64,
    /// Bytes still to download.
    pub left: u64,
    /// Never [`Event::Paused`], which some trackers refuse.
    pub event: Event,
    /// Ours, not the client's: by it an echo is known.
    pub key: u32,
    /// How many peers are wanted.
    pub numwant: u32,
}

/// What an errand brought home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// For [`Job::Resolve`].
    Addresses {
        /// Only such as may be asked; never empty.
        addrs: Vec<SocketAddr>,
        /// How long they are good for.
        ttl: Seconds,
    },
    /// For [`Job::Announce`].
    Answer(Answer),
    /// For [`Job::Scrape`]: those torrents that are known there.
    Counts(Vec<(InfoHash, Counts)>),
    /// For [`Job::List`].
    Urls(Vec<Url>),
    /// For [`Job::Lookup`].
    Peers(Vec<PeerAddr>),
    /// For [`Job::Publish`].
    Published,
    /// For [`Job::Probe`].
    Probed {
        /// Whether the torrent is public.
        proof: Proof,
        /// Other peers it told of.
        peers: Vec<PeerAddr>,
    },
}

/// What a handshake showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The client has the metadata and gives it to everybody.
    Public,
    /// It does not say so: it may not know itself yet, or the torrent is private.
    Unproven,
}

/// Why an errand brought nothing home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There was no answer, or none in time.
    Unreachable,
    /// What came was no answer.
    Malformed,
    /// The answer was no, with these words of the tracker's, for the log only.
    Refused(String, Option<Retry>),
    /// It is not to be asked at all: its address is private or our own.
    Forbidden(&'static str),
    /// This build, or these settings, can't do that.
    Unable,
}

/// When to ask again who has refused (BEP 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// After so many seconds.
    After(Seconds),
    /// Never.
    Never,
}

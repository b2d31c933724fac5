//! The bus: several nodes that serve the same torrents as one tracker, by way of Redis or Valkey.
//!
//! What peers tell one node goes into frames of [`wire::bus`](crate::wire::bus), onto a channel
//! that all nodes hear, and into a stream of bounded length from which those catch up that were
//! away. The room promises that frames of one's own, those that came before, those that were
//! damaged and, where there is a key, those that were not signed with it come to nothing; that what
//! is older than what is known of a peer changes nothing about it; and that nothing that waits
//! grows without bound: the oldest makes room, and is counted.
//!
//! [`Outbox`] and [`Inbox`] are engines: bytes and the time go in, bytes and records come out. A
//! [`Link`] is a connection to the server, and waits for it, so it belongs on a thread of its own.
//! Without the feature `bus` there is none of these.

#[cfg(feature = "bus")]
mod backoff;
#[cfg(feature = "bus")]
mod inbox;
#[cfg(feature = "bus")]
mod link;
#[cfg(feature = "bus")]
mod outbox;
#[cfg(feature = "bus")]
mod recent;
#[cfg(feature = "bus")]
mod signer;

#[cfg(feature = "bus")]
pub use self::{
    backoff::Backoff,
    inbox::{Heard, Inbox},
    link::{Link, Page},
    outbox::Outbox,
    recent::Recent,
    signer::Signer,
};

/// Where the server is, and what this bus is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Addresses such as `redis://:password@10.0.0.5:6379`, of one server, or of several of one
    /// cluster: whichever answers.
    pub servers: Vec<String>,
    /// What the names of all keys and channels begin with, in braces, so that a cluster keeps them
    /// together.
    pub name: String,
    /// About how many frames the stream keeps.
    pub stream_frames_max: u32,
}

/// Why a frame is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is one of our own, come round.
    Own,
    /// It came before.
    Duplicate,
    /// It is no frame, or has been damaged.
    Malformed,
    /// It is not signed as it should be.
    Forged,
}

/// A list that the server keeps besides frames, each below the name of the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roster {
    /// The set of info-hashes that are served.
    Whitelist,
    /// The set of info-hashes that are not.
    Blacklist,
    /// The set of keys of a private tracker.
    Keys,
}

impl Roster {
    /// What it is called there.
    pub fn name(self) -> &'static str {
        match self {
            Roster::Whitelist => "whitelist",
            Roster::Blacklist => "blacklist",
            Roster::Keys => "keys",
        }
    }
}

//! What the program is to ask a tracker, as a client.

use super::{Event, Family, InfoHash, Seconds};

/// A question to a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What it is asked.
    pub quest: Quest,
    /// Its URL; for a check perhaps only `HOST:PORT`, which stands for UDP and HTTP.
    pub tracker: String,
    /// How long to wait for each answer.
    pub secs_max: Seconds,
    /// The only family it is asked over, if not both.
    pub family: Option<Family>,
    /// Whether the answer is for programs to read.
    pub json: bool,
}

/// What a tracker is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quest {
    /// To take us into a swarm, and tell us of others in it.
    Announce(Join),
    /// For the counts of torrents.
    Scrape(Vec<InfoHash>),
    /// What it can do; with a torrent of its own, or with one that is made up.
    Check(Option<InfoHash>),
}

impl Quest {
    /// Its word on the command line.
    pub fn word(&self) -> &'static str {
        match self {
            Quest::Announce(_) => "announce",
            Quest::Scrape(_) => "scrape",
            Quest::Check(_) => "check",
        }
    }
}

/// As what a swarm is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    /// The torrent.
    pub info_hash: InfoHash,
    /// Where others reach us; without one, we leave the swarm at once.
    pub port: Option<u16>,
    /// What has happened.
    pub event: Event,
    /// Bytes still to download; 0 makes a seeder.
    pub left: u64,
    /// How many others to be told of.
    pub numwant: u32,
}

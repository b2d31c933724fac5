//! What one source is granted, and which programs.

use crate::types::{Net, Seconds};

/// What one source, an IPv4 address or a /64 of IPv6, is granted by each worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connects by UDP; 0 for any number, as for the next three.
    pub connects_per_sec: u32,
    /// Announces.
    pub announces_per_sec: u32,
    /// Scrapes.
    pub scrapes_per_sec: u32,
    /// New TCP connections.
    pub connections_per_sec: u32,
    /// For how long what is not used can be saved up.
    pub burst_secs: Seconds,
    /// How many sources are remembered.
    pub sources: usize,
    /// Peers that a swarm takes in; 0 for any number, as for the next.
    pub torrent_peers_max: u32,
    /// Those of one source.
    pub address_peers_max: u32,
    /// Whom none of this concerns; empty means whoever is no stranger.
    pub exempt: Vec<Net>,
    /// Faults that lead to a ban; 0 for no bans.
    pub strikes: u32,
    /// Within how many seconds.
    pub strike_secs: Seconds,
    /// How long a ban lasts.
    pub ban_secs: Seconds,
}

/// Programs by the beginning of what they call themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Programs {
    /// If there is any, no others may announce.
    pub allow: Vec<String>,
    /// Those who may not.
    pub deny: Vec<String>,
}

/// What was said of [`Limits`].
#[derive(Default)]
pub struct LimitsSaid {
    pub connects_per_sec: Option<u32>,
    pub announces_per_sec: Option<u32>,
    pub scrapes_per_sec: Option<u32>,
    pub connections_per_sec: Option<u32>,
    pub burst_secs: Option<u32>,
    pub sources: Option<u32>,
    pub torrent_peers_max: Option<u32>,
    pub address_peers_max: Option<u32>,
    pub exempt: Vec<Net>,
    pub strikes: Option<u32>,
    pub strike_secs: Option<u32>,
    pub ban_secs: Option<u32>,
}

impl LimitsSaid {
    pub fn finish(self) -> Limits {
        Limits {
            connects_per_sec: self.connects_per_sec.unwrap_or(200),
            announces_per_sec: self.announces_per_sec.unwrap_or(200),
            scrapes_per_sec: self.scrapes_per_sec.unwrap_or(100),
            connections_per_sec: self.connections_per_sec.unwrap_or(200),
            burst_secs: self.burst_secs.unwrap_or(60),
            sources: self.sources.unwrap_or(2048) as usize,
            torrent_peers_max: self.torrent_peers_max.unwrap_or(0),
            address_peers_max: self.address_peers_max.unwrap_or(0),
            exempt: self.exempt,
            strikes: self.strikes.unwrap_or(0),
            strike_secs: self.strike_secs.unwrap_or(60),
            ban_secs: self.ban_secs.unwrap_or(3600),
        }
    }
}

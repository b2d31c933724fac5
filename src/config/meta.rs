//! What is asked of other trackers, of the distributed hash table and of peers.

use crate::types::{Net, Seconds};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The meta-tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// For whom: `off`, `lan` or `all`.
    pub mode: &'static str,
    /// Whose announces may be passed on; empty leaves it to the mode.
    pub clients: Vec<Net>,
    /// Addresses where every announce is meant for other trackers too.
    pub listens: Vec<SocketAddr>,
    /// How long an answer may wait for what others know, in milliseconds.
    pub hold_millis: u32,
    /// Files of tracker URLs.
    pub upstreams: Vec<PathBuf>,
    /// Where lists of trackers are fetched; `None` for the usual ones.
    pub list_urls: Option<Vec<String>>,
    /// How many trackers a torrent is announced to.
    pub k: u32,
    /// How they are chosen: `score` or `ratio`.
    pub select: &'static str,
    /// The least time between two announces of a torrent to others.
    pub refresh: Seconds,
    /// Torrents that may be passed on without proof and question.
    pub allow: Option<PathBuf>,
    /// Torrents that are never passed on.
    pub deny: Option<PathBuf>,
    /// Whether a torrent has to be proven public.
    pub public_proof: bool,
    /// Whether others have to know a torrent before it is announced to them.
    pub never_first: bool,
    /// For whom others are told that he is a peer: `nat`, `always` or `never`.
    pub announce: &'static str,
    /// What the distributed hash table is for: `off`, `lookup` or `announce`.
    pub dht: &'static str,
    /// The port of its node; 0 lets the system choose.
    pub dht_port: u16,
    /// Nodes by which it is entered, `HOST:PORT`; empty for the usual ones.
    pub dht_bootstrap: Vec<String>,
    /// Whether peers are asked for others.
    pub pex: bool,
    /// The most torrents passed on at a time.
    pub swarms_max: u32,
    /// Those of one address.
    pub client_swarms: u32,
    /// Datagrams sent to others in a second.
    pub pps: u32,
    /// The most connections to others at a time.
    pub tcp: u32,
    /// Where what is known of other trackers is kept.
    pub state: Option<PathBuf>,
    /// Whether trackers and peers of private networks are asked.
    pub allow_private: bool,
}

/// What was said of [`Meta`].
#[derive(Default)]
pub struct MetaSaid {
    pub mode: Option<&'static str>,
    pub clients: Vec<Net>,
    pub listens: Vec<SocketAddr>,
    pub hold_millis: Option<u32>,
    pub upstreams: Vec<PathBuf>,
    pub list_urls: Vec<String>,
    pub no_lists: bool,
    pub k: Option<u32>,
    pub select: Option<&'static str>,
    pub refresh: Option<u32>,
    pub allow: Option<PathBuf>,
    pub deny: Option<PathBuf>,
    pub public_proof: Option<bool>,
    pub never_first: Option<bool>,
    pub announce: Option<&'static str>,
    pub dht: Option<&'static str>,
    pub dht_port: Option<u32>,
    pub dht_bootstrap: Vec<String>,
    pub pex: Option<bool>,
    pub swarms_max: Option<u32>,
    pub client_swarms: Option<u32>,
    pub pps: Option<u32>,
    pub tcp: Option<u32>,
    pub state: Option<PathBuf>,
    pub allow_private: Option<bool>,
}

impl MetaSaid {
    /// With defaults for what was not said.
    pub fn finish(self) -> Meta {
        // Who names trackers of his own wants no others, unless he says so.
        let named = self.no_lists || !self.upstreams.is_empty() || !self.list_urls.is_empty();
        Meta {
            mode: self.mode.unwrap_or("off"),
            clients: self.clients,
            listens: self.listens,
            hold_millis: self.hold_millis.unwrap_or(1500),
            upstreams: self.upstreams,
            list_urls: named.then_some(self.list_urls),
            k: self.k.unwrap_or(8),
            select: self.select.unwrap_or("score"),
            refresh: self.refresh.unwrap_or(1800),
            allow: self.allow,
            deny: self.deny,
            public_proof: self.public_proof.unwrap_or(true),
            never_first: self.never_first.unwrap_or(true),
            announce: self.announce.unwrap_or("nat"),
            dht: self.dht.unwrap_or("lookup"),
            dht_port: self.dht_port.unwrap_or(0) as u16,
            dht_bootstrap: self.dht_bootstrap,
            pex: self.pex.unwrap_or(true),
            swarms_max: self.swarms_max.unwrap_or(256),
            client_swarms: self.client_swarms.unwrap_or(128),
            pps: self.pps.unwrap_or(20),
            tcp: self.tcp.unwrap_or(8),
            state: self.state,
            allow_private: self.allow_private.unwrap_or(false),
        }
    }
}

//! Those who do what may block.

use std::net::SocketAddr;

use super::dht::Table;
use super::fetch::Fetch;
use super::guard::Guard;
use super::job::{Failure, Found, Job};
use super::probe;
use crate::meta::{Millis, Settings};
use crate::types::Seconds;

/// How long addresses are good for: the system doesn't say.
const ADDRESSES_SECS: Seconds = 1800;

/// What all threads that do jobs share.
pub struct Sources {
    settings: Settings,
    guard: Guard,
    fetch: Fetch,
    table: Table,
}

impl Sources {
    /// Sources as configured; `nodes` are those of the distributed hash table that were good
    /// lately.
    pub fn new(settings: Settings, nodes: &[SocketAddr]) -> Sources {
        let guard = Guard::new(settings.own.clone(), settings.allow_private);
        Sources {
            fetch: Fetch::new(&guard),
            table: Table::new(&settings, nodes),
            guard,
            settings,
        }
    }

    /// Does a job, in a quarter of a minute at most; `clock` tells the time.
    ///
    /// # Errors
    /// When it came to nothing.
    pub fn run(&self, job: &Job, clock: &dyn Fn() -> Millis) -> Result<Found, Failure> {
        match job {
            Job::Resolve(url) => Ok(Found::Addresses {
                addrs: self.guard.addresses(&url.host, url.port)?,
                ttl: ADDRESSES_SECS,
            }),
            Job::Announce(url, ask) => self.fetch.announce(url, ask).map(Found::Answer),
            Job::Scrape(url, hashes) => self.fetch.scrape(url, hashes).map(Found::Counts),
            Job::List(url) => self.fetch.list(url).map(Found::Urls),
            Job::Lookup(info_hash) => self.table.lookup(info_hash).map(Found::Peers),
            Job::Publish(info_hash, port) => {
                self.table.publish(info_hash, *port)?;
                Ok(Found::Published)
            }
            Job::Probe {
                info_hash,
                peer,
                pex,
            } => {
                self.guard.check_peer(*peer).map_err(Failure::Forbidden)?;
                probe::probe(info_hash, *peer, *pex && self.settings.pex, clock)
            }
        }
    }

    /// Good nodes of the distributed hash table, for the next start.
    pub fn nodes(&self) -> Vec<SocketAddr> {
        self.table.nodes()
    }

    /// How many nodes of the distributed hash table were known when it was asked last.
    pub fn nodes_known(&self) -> usize {
        self.table.len()
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

//! A build with the hash table: a node that asks and doesn't answer (BEP 43), IPv4 only. It begins
//! when it is first asked for, since it has to look up names.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use futures_lite::StreamExt;
use futures_lite::future::{block_on, poll_once};
use mainline::Id;
use mainline::async_dht::AsyncDht;

use crate::meta::enabled::job::Failure;
use crate::meta::{Dht, Settings};
use crate::types::{InfoHash, PeerAddr};

/// Peers of one lookup that are of use.
const PEERS_MAX: usize = 200;
/// Nodes that are worth remembering.
const NODES_MAX: usize = 64;
/// Lookups and announcements at a time. Each costs some hundred packets.
const QUERIES_MAX: usize = 4;

/// How often it is looked whether the table has answered, at most, and how long to wait then.
const LOOKS: u32 = 240;
/// The same for what our own node knows.
const LOOKS_NEAR: u32 = 20;
const LOOK: Duration = Duration::from_millis(50);

/// Where everybody enters it.
const BOOTSTRAP: [&str; 3] = [
    "router.bittorrent.com:6881",
    "dht.transmissionbt.com:6881",
    "dht.libtorrent.org:25401",
];

/// The way to the hash table.
pub struct Table {
    purpose: Dht,
    port: u16,
    /// Where it is entered, `HOST:PORT`; empty for the usual nodes.
    bootstrap: Vec<String>,
    /// Nodes that were good lately, as they were looked at last: who asks for them waits neither
    /// for the table's own thread nor for its beginning.
    known: Mutex<Vec<SocketAddr>>,
    node: Mutex<Option<AsyncDht>>,
    under_way: AtomicUsize,
    /// How many nodes it knew when it was asked last.
    len: AtomicUsize,
}

/// A turn at the table, given back at its end.
struct Turn<'a>(&'a AtomicUsize);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Table {
    /// One that is entered by the settings' nodes and those `known`.
    pub fn new(settings: &Settings, known: &[SocketAddr]) -> Table {
        Table {
            purpose: settings.dht,
            port: settings.dht_port,
            bootstrap: settings.dht_bootstrap.clone(),
            known: Mutex::new(known.iter().take(NODES_MAX).copied().collect()),
            node: Mutex::default(),
            under_way: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
        }
    }

    /// Looks for peers.
    ///
    /// # Errors
    /// When it is not to be asked, or can't be.
    pub fn lookup(&self, info_hash: &InfoHash) -> Result<Vec<PeerAddr>, Failure> {
        if self.purpose == Dht::Off {
            return Err(Failure::Unable);
        }
        let (_turn, node) = (self.turn()?, self.node()?);
        let mut peers: Vec<PeerAddr> = Vec::new();
        // What was found until the time is up is good, too.
        in_time(LOOKS, async {
            let mut found = node.get_peers(Id::from(info_hash.0));
            while let Some(addrs) = found.next().await {
                let addrs = addrs.into_iter().filter(|addr| addr.port() != 0);
                peers.extend(addrs.map(|addr| PeerAddr::new((*addr.ip()).into(), addr.port())));
                if peers.len() >= PEERS_MAX {
                    break;
                }
            }
        });
        peers.truncate(PEERS_MAX);
        if let Some(nodes) = in_time(LOOKS_NEAR, node.to_bootstrap()) {
            self.note(&nodes);
        }
        Ok(peers)
    }

    /// Tells that somebody at our address and this port is a peer.
    ///
    /// # Errors
    /// When nobody is to be told, or nobody would have it.
    pub fn publish(&self, info_hash: &InfoHash, port: u16) -> Result<(), Failure> {
        if self.purpose != Dht::Announce {
            return Err(Failure::Unable);
        }
        let (_turn, node) = (self.turn()?, self.node()?);
        let told = in_time(LOOKS, node.announce_peer(Id::from(info_hash.0), Some(port)));
        told.and_then(Result::ok)
            .map(drop)
            .ok_or(Failure::Unreachable)
    }

    /// How many nodes it knew when it was asked last.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Nodes that were good when it was asked last, or before this start.
    pub fn nodes(&self) -> Vec<SocketAddr> {
        lock(&self.known).clone()
    }

    /// Takes note of the nodes it knows. None are no news: there may be no network.
    fn note(&self, nodes: &[String]) {
        self.len.store(nodes.len(), Ordering::Relaxed);
        let nodes = nodes.iter().filter_map(|node| node.parse().ok());
        let nodes: Vec<_> = nodes.take(NODES_MAX).collect();
        if !nodes.is_empty() {
            *lock(&self.known) = nodes;
        }
    }

    fn turn(&self) -> Result<Turn<'_>, Failure> {
        let turn = Turn(&self.under_way);
        match self.under_way.fetch_add(1, Ordering::AcqRel) < QUERIES_MAX {
            true => Ok(turn),
            false => Err(Failure::Unable),
        }
    }

    /// The node, which begins now if it has not yet.
    fn node(&self) -> Result<AsyncDht, Failure> {
        let mut node = lock(&self.node);
        if let Some(node) = &*node {
            return Ok(node.clone());
        }
        let mut builder = mainline::Dht::builder();
        match self.bootstrap.is_empty() {
            true => builder.bootstrap(&BOOTSTRAP),
            false => builder.bootstrap(&self.bootstrap),
        };
        let known = self.nodes();
        if !known.is_empty() {
            builder.extra_bootstrap(&known);
        }
        builder.port(self.port);
        let new = builder.build().map_err(|_| Failure::Unable)?.as_async();
        Ok(node.insert(new).clone())
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What comes of something, if it comes before it was looked for so often. There is no clock here.
fn in_time<T>(looks: u32, something: impl Future<Output = T>) -> Option<T> {
    let mut something = pin!(something);
    for _ in 0..looks {
        if let Some(out) = block_on(poll_once(&mut something)) {
            return Some(out);
        }
        thread::sleep(LOOK);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::enabled::tests::settings;
    use futures_lite::future::{pending, ready};

    #[test]
    fn nodes_are_told_though_the_table_is_just_beginning() {
        let known: Vec<SocketAddr> = vec![([192, 0, 2, 1], 6881).into()];
        let table = Table::new(&settings(&[]), &known);
        let _beginning = lock(&table.node);
        assert_eq!(table.nodes(), known);
        table.note(&[]);
        assert_eq!((table.nodes(), table.len()), (known, 0));
        let others = ["192.0.2.2:1", "a.example:2", "192.0.2.3:3"].map(String::from);
        table.note(&others);
        let nodes = [([192, 0, 2, 2], 1).into(), ([192, 0, 2, 3], 3).into()];
        assert_eq!((table.nodes(), table.len()), (nodes.to_vec(), 3));
    }

    #[test]
    fn what_takes_too_long_is_not_waited_for() {
        assert_eq!(in_time(1, ready(7)), Some(7));
        assert_eq!(in_time(2, pending::<u8>()), None);
    }
}

//! A build with the hash table: a node that asks and doesn't answer (BEP 43), IPv4 only. It begins
//! when it is first asked for, since it has to look up names.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_lite::StreamExt;
use futures_lite::future::block_on;
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
    /// Further nodes that were good lately.
    known: Vec<SocketAddr>,
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
            known: known.to_vec(),
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
        block_on(async {
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
        // Nobody but this thread waits for the node.
        let len = block_on(node.to_bootstrap()).len();
        self.len.store(len, Ordering::Relaxed);
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
        let told = block_on(node.announce_peer(Id::from(info_hash.0), Some(port)));
        told.map(|_| ()).map_err(|_| Failure::Unreachable)
    }

    /// How many nodes it knew when it was asked last.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Good nodes, if it has begun.
    pub fn nodes(&self) -> Vec<SocketAddr> {
        let node = self.lock().clone();
        let Some(node) = node else {
            return self.known.clone();
        };
        let nodes = block_on(node.to_bootstrap()).into_iter();
        let nodes = nodes.filter_map(|node| node.parse().ok());
        nodes.take(NODES_MAX).collect()
    }

    fn turn(&self) -> Result<Turn<'_>, Failure> {
        let turn = Turn(&self.under_way);
        match self.under_way.fetch_add(1, Ordering::AcqRel) < QUERIES_MAX {
            true => Ok(turn),
            false => Err(Failure::Unable),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<AsyncDht>> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The node, which begins now if it has not yet.
    fn node(&self) -> Result<AsyncDht, Failure> {
        let mut node = self.lock();
        if let Some(node) = &*node {
            return Ok(node.clone());
        }
        let mut builder = mainline::Dht::builder();
        match self.bootstrap.is_empty() {
            true => builder.bootstrap(&BOOTSTRAP),
            false => builder.bootstrap(&self.bootstrap),
        };
        if !self.known.is_empty() {
            builder.extra_bootstrap(&self.known);
        }
        builder.port(self.port);
        let new = builder.build().map_err(|_| Failure::Unable)?.as_async();
        Ok(node.insert(new).clone())
    }
}

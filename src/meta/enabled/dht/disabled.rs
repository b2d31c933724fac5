//! A build without the hash table.

use std::net::SocketAddr;

use crate::meta::Settings;
use crate::meta::enabled::job::Failure;
use crate::types::{InfoHash, PeerAddr};

/// Knows nobody.
pub struct Table;

impl Table {
    /// There is nothing to be told.
    pub fn new(_: &Settings, _: &[SocketAddr]) -> Table {
        Table
    }

    /// Finds nobody.
    ///
    /// # Errors
    /// Always.
    pub fn lookup(&self, _: &InfoHash) -> Result<Vec<PeerAddr>, Failure> {
        Err(Failure::Unable)
    }

    /// Tells nobody.
    ///
    /// # Errors
    /// Always.
    pub fn publish(&self, _: &InfoHash, _: u16) -> Result<(), Failure> {
        Err(Failure::Unable)
    }

    /// None.
    pub fn len(&self) -> usize {
        0
    }

    /// There are none.
    pub fn nodes(&self) -> Vec<SocketAddr> {
        Vec::new()
    }
}

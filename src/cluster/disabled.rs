//! There is no live sync in this build.

use std::iter::Empty;
use std::net::IpAddr;
use std::sync::Arc;

use super::Refusal;
use crate::types::{Announce, Net, Seconds};

/// There is none.
pub enum Cluster {}

impl Cluster {
    /// `None`.
    pub fn new(_: [u8; 4], _: Arc<[Net]>) -> Option<Cluster> {
        None
    }

    /// Never called.
    pub fn set_nodes(&mut self, _: Arc<[Net]>) {
        match *self {}
    }

    /// Never called.
    pub fn rebuild(&mut self) {
        match *self {}
    }

    /// Never called.
    pub fn handle(
        &self,
        _: IpAddr,
        _: &[u8],
        _: Seconds,
    ) -> Result<Empty<Option<Announce>>, Refusal> {
        match *self {}
    }

    /// Never called.
    pub fn tell(&mut self, _: Seconds, _: &Announce) {
        match *self {}
    }

    /// Never called.
    pub fn poll_transmit(&mut self, _: &mut Vec<u8>) -> bool {
        match *self {}
    }

    /// Never called.
    pub fn poll_timeout(&self) -> Option<Seconds> {
        match *self {}
    }

    /// Never called.
    pub fn handle_timeout(&mut self, _: Seconds) {
        match *self {}
    }
}

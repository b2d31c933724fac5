//! There is no bus in this build.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::config::Config;
use crate::error::Fatal;
use crate::net::Router;
use crate::net::control::Shared;
use crate::net::desk::Desk;
use crate::net::errands::Errands;
use crate::router::{Owners, Wake};
use crate::types::Announce;

/// There is none.
pub enum Bus {}

/// There is none.
pub enum Lane {}

impl Bus {
    /// `None`.
    pub fn open(_: &Config, _: usize) -> Result<Option<Bus>, Fatal> {
        Ok(None)
    }

    /// Never called.
    pub fn lane(&self, _: usize) -> Lane {
        match *self {}
    }

    /// Never called.
    pub fn start(
        self,
        _: &Arc<Shared>,
        _: &Arc<Errands>,
        _: &[Wake],
        _: Owners,
    ) -> io::Result<JoinHandle<()>> {
        match self {}
    }
}

impl Lane {
    /// Never called.
    pub fn tell(&self, _: &Announce, _: &mut Desk) {
        match *self {}
    }

    /// Never called.
    pub fn learn(&mut self, _: &mut Router, _: &mut Desk) {
        match *self {}
    }

    /// Never called.
    pub fn is_unfinished(&self) -> bool {
        match *self {}
    }
}

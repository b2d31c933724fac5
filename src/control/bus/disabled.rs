//! There is no bus in this build.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::config::Config;
use crate::control::errands::Errands;
use crate::error::Fatal;
use crate::net::Shared;
use crate::net::bus::Lane;
use crate::router::{Owners, Wake};

/// There is none.
pub enum Bus {}

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

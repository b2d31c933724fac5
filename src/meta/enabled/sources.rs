//! Those who do what may block.

use std::net::SocketAddr;

use super::job::{Failure, Found, Job};
use crate::meta::Settings;

/// What all threads that do jobs share.
pub struct Sources {
    settings: Settings,
}

impl Sources {
    /// Sources as configured; `nodes` are those of the distributed hash table that were good
    /// lately.
    pub fn new(settings: Settings, _nodes: &[SocketAddr]) -> Sources {
        Sources { settings }
    }

    /// Does a job, in [`JOB_SECS_MAX`] at most.
    ///
    /// # Errors
    /// When it came to nothing.
    pub fn run(&self, _job: &Job) -> Result<Found, Failure> {
        Err(Failure::Unable)
    }

    /// Good nodes of the distributed hash table, for the next start.
    pub fn nodes(&self) -> Vec<SocketAddr> {
        Vec::new()
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

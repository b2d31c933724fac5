//! What the operator said of snapshots.

use std::path::PathBuf;

use crate::types::Seconds;

/// Seconds between snapshots if nothing is said: the flash of a router shall last.
const INTERVAL: Seconds = 1800;

/// Where and how often swarms are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshots {
    /// The file, if they are; never that of `Config::load`.
    pub file: Option<PathBuf>,
    /// How often it is written, once it is said or settled.
    pub interval: Option<Seconds>,
}

impl Snapshots {
    /// With defaults for what was not said.
    pub fn finish(self) -> Snapshots {
        Snapshots {
            interval: Some(self.interval()),
            ..self
        }
    }

    /// How often it is written; 0 for at the end and when asked only.
    pub fn interval(&self) -> Seconds {
        self.interval.unwrap_or(INTERVAL)
    }
}

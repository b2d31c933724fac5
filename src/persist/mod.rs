//! Snapshots: swarms that outlive the process.
//!
//! The room promises that what is read is what was written, whole, or nothing: every part has a
//! sum of its own, and all of them together one more, and all is looked at before anything is
//! shown. It has no file, no clock and no swarms: whoever keeps them hands it bytes
//! and streams. The format is [`crate::wire::snapshot`]. Without the feature `persist` nothing is
//! kept.

#[cfg(not(feature = "persist"))]
mod disabled;
#[cfg(feature = "persist")]
mod enabled;

#[cfg(not(feature = "persist"))]
pub use disabled::{Persist, Present, Writing};
#[cfg(feature = "persist")]
pub use enabled::{Persist, Present, Writing};

use std::io;

use crate::wire::snapshot::Flaw;

/// What a snapshot holds, a torrent counted as often as it comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Torrents.
    pub torrents: u64,
    /// Peers.
    pub peers: u64,
}

/// Why there is nothing to read.
#[derive(Debug)]
pub enum Failure {
    /// It is no snapshot, or not a whole one.
    Flaw(Flaw),
    /// The system can't read it.
    System(io::Error),
}

impl From<io::Error> for Failure {
    /// What ends too early is damaged.
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Failure::Flaw(Flaw::Damaged),
            _ => Failure::System(error),
        }
    }
}

impl From<Flaw> for Failure {
    fn from(flaw: Flaw) -> Failure {
        Failure::Flaw(flaw)
    }
}

//! What other trackers, the distributed hash table and peers know.

mod budget;
mod courier;
mod dht;
mod directory;
mod engine;
mod fetch;
mod guard;
mod health;
mod heed;
pub mod job;
pub mod lists;
mod merge;
mod pex;
mod probe;
mod report;
mod sources;
mod swarm;
mod tend;
#[cfg(test)]
mod tests;

pub use directory::is_kept;
pub use engine::Engine;
pub use job::{Failure, Found, Job};
pub use probe::overhear;
pub use sources::Sources;

/// Proof that the room is in this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Built(());

impl Built {
    /// It is.
    pub fn here() -> Option<Built> {
        Some(Built(()))
    }

    /// What there is only with the room.
    pub fn brings<T>(self, it: T) -> Present<T> {
        it
    }
}

/// What there is only with the room.
pub type Present<T> = T;

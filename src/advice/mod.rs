//! What to change on a system so that it carries a tracker well.
//!
//! Promises to name only what was measured to help, each with its reason and the command, and to
//! say what is often advised and does not. What the system grants at present, the caller reads.
//! Without the feature `check-system` there is no advice.

#[cfg(not(feature = "check-system"))]
mod disabled;
#[cfg(feature = "check-system")]
mod enabled;

#[cfg(not(feature = "check-system"))]
pub use disabled::advise;
#[cfg(feature = "check-system")]
pub use enabled::advise;

/// What the tracker is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Connections it may have, if it serves HTTP at all.
    pub connections_max: Option<usize>,
    /// Bytes of requests that may wait in a UDP socket, if it serves UDP at all; 0 leaves it to
    /// the system.
    pub receive_buffer: Option<usize>,
    /// Descriptors it needs besides those of connections.
    pub descriptors: usize,
    /// Open files that the system grants.
    pub open_files: usize,
    /// The ports it serves on.
    pub ports: Vec<u16>,
}

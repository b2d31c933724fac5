//! Live sync: several trackers that know the same swarms, as opentracker does it.
//!
//! The room promises that what this tracker hears from peers reaches the others in packets of
//! [`livesync`](crate::wire::livesync), within [`DELAY_SECS`], and that what they send comes out as
//! announces; but not from strangers, and not its own packets. What comes out is not to be told
//! again. Packets are not signed, so whoever can send from the address of a node is believed: the
//! network between the nodes has to be theirs.
//!
//! An engine: bytes and the time go in, bytes and announces come out. It has no socket and no
//! clock, and it doesn't know the swarms. Without the feature `cluster` there is none.

#[cfg(not(feature = "cluster"))]
mod disabled;
#[cfg(feature = "cluster")]
mod enabled;

#[cfg(not(feature = "cluster"))]
pub use disabled::Cluster;
#[cfg(feature = "cluster")]
pub use enabled::Cluster;

use crate::types::Seconds;

/// How long news wait for a packet to be full.
pub const DELAY_SECS: Seconds = 15;

/// Why a packet is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is one of our own, come round.
    Own,
    /// Its sender is no node.
    Stranger,
    /// It is no packet of live sync.
    Malformed,
}

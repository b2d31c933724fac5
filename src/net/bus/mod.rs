//! The bus between workers and the server where the nodes meet.
//!
//! ```text
//!   worker ─ ring ─▶ publisher ─▶ Redis ─▶ listener ─ ring ─▶ worker
//! ```
//!
//! Workers put news of their own torrents into rings and take what other nodes told out of others;
//! in neither do they wait for anybody. Three threads do the waiting: the publisher gathers and
//! sends, the listener hears and sorts by owners, and the keeper keeps files as they are at the
//! server. What a worker learns is no news, so it is never told again.

#[cfg(not(feature = "bus"))]
mod disabled;
#[cfg(feature = "bus")]
mod enabled;
#[cfg(feature = "bus")]
mod keeper;
#[cfg(feature = "bus")]
mod lane;
#[cfg(feature = "bus")]
mod listener;
#[cfg(feature = "bus")]
mod publisher;
#[cfg(feature = "bus")]
mod ring;
#[cfg(feature = "bus")]
mod told;

#[cfg(not(feature = "bus"))]
pub use disabled::{Bus, Lane};
#[cfg(feature = "bus")]
pub use {enabled::Bus, lane::Lane};

//! The bus between workers and the server where the nodes meet.
//!
//! ```text
//!   worker ─ ring ─▶ publisher ─▶ Redis ─▶ listener ─ ring ─▶ worker
//! ```
//!
//! Three threads do the waiting that workers must not: the publisher gathers and sends, the
//! listener hears and sorts by owners, and the keeper keeps files as they are at the server.

#[cfg(not(feature = "bus"))]
mod disabled;
#[cfg(feature = "bus")]
mod enabled;
#[cfg(feature = "bus")]
mod keeper;
#[cfg(feature = "bus")]
mod listener;
#[cfg(feature = "bus")]
mod publisher;
#[cfg(feature = "bus")]
mod told;

#[cfg(not(feature = "bus"))]
pub use disabled::Bus;
#[cfg(feature = "bus")]
pub use enabled::Bus;

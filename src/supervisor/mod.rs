//! Who started us and looks after us: systemd, by the protocol of sd_notify(3).
//!
//! Promises to pass on what it is given, and nothing where nobody wants to hear it: without
//! `$NOTIFY_SOCKET`, or in a build without `systemd`, all of this does nothing. When there is
//! something to tell, `net` knows.

#[cfg(not(feature = "systemd"))]
mod disabled;
#[cfg(feature = "systemd")]
mod enabled;

#[cfg(not(feature = "systemd"))]
pub use disabled::{alive, ready, reloading, stopping, watchdog};
#[cfg(feature = "systemd")]
pub use enabled::{alive, ready, reloading, stopping, watchdog};

//! Somebody may listen.

use std::io;
use std::time::Duration;

use sd_notify::{NotifyState, notify};

/// We serve; `status` is for people.
pub fn ready(status: &str) -> io::Result<()> {
    notify(&[NotifyState::Ready, NotifyState::Status(status)])
}

/// We read our configuration again, until [`ready`] is said. With the time, by which systemd
/// tells it from an answer to an earlier request.
pub fn reloading() -> io::Result<()> {
    notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?])
}

/// We come to an end.
pub fn stopping() -> io::Result<()> {
    notify(&[NotifyState::Stopping])
}

/// We still do what we are here for.
pub fn alive() -> io::Result<()> {
    notify(&[NotifyState::Watchdog])
}

/// How often [`alive`] has to be said, lest we are killed and started anew.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

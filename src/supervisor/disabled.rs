//! Nobody listens.

use std::io;
use std::time::Duration;

/// Says nothing.
pub fn ready(_status: &str) -> io::Result<()> {
    Ok(())
}

/// Says nothing.
pub fn reloading() -> io::Result<()> {
    Ok(())
}

/// Says nothing.
pub fn stopping() -> io::Result<()> {
    Ok(())
}

/// Says nothing.
pub fn alive() -> io::Result<()> {
    Ok(())
}

/// Nobody waits for it.
pub fn watchdog() -> Option<Duration> {
    None
}

//! The kernel: the only room with `unsafe`, libc and socket2 in it.
//!
//! Promises a safe face to everything trackerd asks of Linux: sockets that several workers share,
//! datagrams in batches that remember the address they were sent to, the monotonic clock, entropy,
//! signals as values, and giving up privileges. It knows nothing of BitTorrent, and it never
//! decides: callers say what they want, and get `io::Error` when the system refuses.

pub mod clock;
pub mod file;
pub mod memory;
pub mod process;
pub mod signal;
pub mod socket;
pub mod steer;
#[cfg(target_env = "musl")]
mod thread;
pub mod udp;

use std::io;

/// The outcome of a call that returns 0 or sets `errno`.
fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

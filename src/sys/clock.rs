//! Monotonic time and entropy.

use std::io;
use std::time::Instant;

use crate::types::Seconds;

/// Reads monotonic seconds since it was made; copies of one clock agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that reads 0 now.
    pub fn start() -> Clock {
        Clock {
            start: Instant::now(),
        }
    }

    /// Whole seconds since the start; the wall clock's jumps do not touch it.
    pub fn read(&self) -> Seconds {
        // 136 years of uptime fit; past them the clock stands still rather than panics.
        Seconds::try_from(self.start.elapsed().as_secs()).unwrap_or(Seconds::MAX)
    }
}

/// Bytes that nobody can guess, from getrandom(2).
///
/// Blocks early after boot until the kernel has gathered enough, which a tracker's secrets need.
pub fn entropy<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut have = 0;
    while have < N {
        let rest = &mut bytes[have..];
        // By system call: std refers to the C function weakly, and with link-time optimisation a
        // static musl then leaves it out, for us as well.
        // SAFETY: the pointer and length describe `rest`, which we own.
        let got = unsafe { libc::syscall(libc::SYS_getrandom, rest.as_mut_ptr(), rest.len(), 0) };
        match usize::try_from(got) {
            Ok(got) => have += got,
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn entropy_differs_from_call_to_call() {
        assert_ne!(entropy::<16>().unwrap(), entropy::<16>().unwrap());
    }
}

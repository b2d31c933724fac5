//! Monotonic time, the time of day, and entropy.

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

    /// Microseconds since the start, to measure with; they begin anew after an hour or so.
    pub fn micros(&self) -> u32 {
        self.start.elapsed().as_micros() as u32
    }

    /// Milliseconds since the start.
    pub fn millis(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whole seconds since the start; the wall clock's jumps do not touch it.
    pub fn read(&self) -> Seconds {
        // 136 years of uptime fit; past them the clock stands still rather than panics.
        Seconds::try_from(self.start.elapsed().as_secs()).unwrap_or(Seconds::MAX)
    }
}

/// The time of day: seconds since 1970 began, 0 for clocks that stand before it.
///
/// It jumps when somebody sets the clock, so it is for what people and other programs read.
/// It is right past 2038 on every build; `SystemTime::now`, which panics then where musl's
/// `time_t` has 32 bits, is called nowhere else.
pub fn wall() -> u64 {
    wall_millis() / 1000
}

/// The same in milliseconds.
pub fn wall_millis() -> u64 {
    u64::try_from(wall_clock::millis()).unwrap_or(0)
}

#[cfg(not(all(target_env = "musl", target_pointer_width = "32")))]
mod wall_clock {
    use std::time::SystemTime;

    pub fn millis() -> i64 {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since_1970.map_or(0, |time| {
            i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
        })
    }
}

/// std and libc call musl's `clock_gettime` of old, for the 32 bits that programs once were built
/// for; the one that musl gives programs of today has 64.
#[cfg(all(target_env = "musl", target_pointer_width = "32"))]
mod wall_clock {
    /// musl's `struct timespec`: 64 bits each, whatever the byte order; the second holds the
    /// nanoseconds in its lower half.
    #[derive(Default)]
    #[repr(C)]
    struct Timespec64 {
        seconds: i64,
        nanoseconds: i64,
    }

    unsafe extern "C" {
        fn __clock_gettime64(clock: libc::clockid_t, time: *mut Timespec64) -> libc::c_int;
    }

    pub fn millis() -> i64 {
        let mut time = Timespec64::default();
        // SAFETY: the pointer is to a structure of ours, as large as the one that is written. The
        // call cannot fail for this clock; if it did, the time would be 0.
        unsafe { __clock_gettime64(libc::CLOCK_REALTIME, &mut time) };
        time.seconds
            .saturating_mul(1000)
            .saturating_add(time.nanoseconds / 1_000_000)
    }
}

/// Microseconds that this thread has spent on a CPU; 0 where the system doesn't say.
pub fn thread_cpu_micros() -> u64 {
    // SAFETY: a plain C structure for which all zeroes are a valid value; the pointer is to a
    // local that outlives the call.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time);
        time
    };
    #[allow(clippy::unnecessary_cast)]
    let (secs, nanos) = (time.tv_sec as u64, time.tv_nsec as u64);
    secs.wrapping_mul(1_000_000).wrapping_add(nanos / 1000)
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
    use std::fs;

    use super::*;

    /// The kernel's own account: when it booted, by the wall clock, and for how long it is up.
    #[test]
    fn the_time_of_day_is_the_kernels() {
        let stat = fs::read_to_string("/proc/stat").unwrap();
        let boot = stat.lines().find_map(|line| line.strip_prefix("btime "));
        let uptime = fs::read_to_string("/proc/uptime").unwrap();
        let uptime = uptime.split('.').next().unwrap();
        let kernels = boot.unwrap().parse::<u64>().unwrap() + uptime.parse::<u64>().unwrap();
        assert!(wall().abs_diff(kernels) < 60, "{} and {kernels}", wall());
    }

    #[test]
    fn work_takes_cpu_time() {
        let before = thread_cpu_micros();
        let deadline = Clock::start();
        let mut after = before;
        while after == before && deadline.read() < 10 {
            after = thread_cpu_micros();
        }
        assert!(after > before);
    }

    #[test]
    fn entropy_differs_from_call_to_call() {
        assert_ne!(entropy::<16>().unwrap(), entropy::<16>().unwrap());
    }
}

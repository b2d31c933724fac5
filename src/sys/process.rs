//! The process itself: its limits, its root directory, its user.

use std::ffi::{CString, OsStr};
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::check;

/// Whom to become once the sockets are bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// The user's primary group.
    pub gid: u32,
}

/// Looks a user up by name; `None` if there is nobody of that name.
///
/// To be called before [`enter_root`]: inside, the list of users may be missing.
pub fn user(name: &str) -> io::Result<Option<User>> {
    let name = c_string(name.as_ref())?;
    let mut room = vec![0; 16 * 1024];
    let mut entry = MaybeUninit::uninit();
    let mut found = std::ptr::null_mut();
    // SAFETY: all pointers are to locals that outlive the call; `entry` is read only when the call
    // says that it has filled it.
    unsafe {
        let failed = libc::getpwnam_r(
            name.as_ptr(),
            entry.as_mut_ptr(),
            room.as_mut_ptr(),
            room.len(),
            &mut found,
        );
        if failed != 0 {
            return Err(io::Error::from_raw_os_error(failed));
        }
        if found.is_null() {
            return Ok(None);
        }
        let entry = entry.assume_init();
        Ok(Some(User {
            uid: entry.pw_uid,
            gid: entry.pw_gid,
        }))
    }
}

/// Whether the process may still do everything.
pub fn is_root() -> bool {
    // SAFETY: no arguments, and it can't fail.
    unsafe { libc::geteuid() == 0 }
}

/// Makes `root` the root directory of the process, for good.
pub fn enter_root(root: &Path) -> io::Result<()> {
    let root = c_string(root.as_os_str())?;
    // SAFETY: a valid C string that outlives the call.
    check(unsafe { libc::chroot(root.as_ptr()) })?;
    change_dir(Path::new("/"))
}

/// Changes the working directory.
pub fn change_dir(dir: &Path) -> io::Result<()> {
    std::env::set_current_dir(dir)
}

/// Becomes `user` for good: groups first, then the user, and a look that root can't be regained.
pub fn become_user(user: User) -> io::Result<()> {
    // SAFETY: setgroups is given a pointer to one group that outlives the call; the others take
    // values.
    unsafe {
        if let Err(error) = check(libc::setgroups(1, &user.gid)) {
            // In a user namespace even root may not; it matters only if we become somebody else.
            if user.uid != libc::geteuid() {
                return Err(error);
            }
        }
        check(libc::setgid(user.gid))?;
        check(libc::setuid(user.uid))?;
        if user.uid != 0 && libc::setuid(0) == 0 {
            return Err(io::Error::other("root could be regained"));
        }
    }
    Ok(())
}

/// Keeps the calling thread to one of the CPUs it may run on: the `number`th, counted round.
pub fn keep_to_cpu(number: usize) -> io::Result<()> {
    // SAFETY: a plain set of bits, for which all zeroes are a valid value; the calls read or write
    // within it.
    unsafe {
        let mut allowed: libc::cpu_set_t = std::mem::zeroed();
        let size = size_of_val(&allowed);
        check(libc::sched_getaffinity(0, size, &mut allowed))?;
        let cpus = (0..libc::CPU_SETSIZE as usize).filter(|cpu| libc::CPU_ISSET(*cpu, &allowed));
        let cpus: Vec<usize> = cpus.collect();
        let mut own: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpus[number % cpus.len()], &mut own);
        check(libc::sched_setaffinity(0, size, &own))
    }
}

/// Lets other threads go first: the calling one gets a tenth of the time of those who want it too.
pub fn give_way() -> io::Result<()> {
    // SAFETY: takes values; on Linux a process id of 0 means the calling thread alone.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) })
}

/// What the system rations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ration {
    /// Files that may be open.
    OpenFiles,
    /// Bytes in the image of a crash.
    CoreBytes,
    /// Bytes of the address space.
    AddressSpace,
}

/// How much a process may have: so much now, so much if it asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is in force.
    pub soft: u64,
    /// How far it can be raised.
    pub hard: u64,
}

impl Ration {
    /// What is in force.
    pub fn limit(self) -> io::Result<Limit> {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: the pointer is to a local that outlives the call.
        check(unsafe { libc::getrlimit(self.number() as _, &mut limit) })?;
        // Infinity is the largest number there is, whatever its width.
        let wide = |n: libc::rlim_t| match n {
            libc::RLIM_INFINITY => u64::MAX,
            #[allow(clippy::useless_conversion)]
            n => u64::from(n),
        };
        Ok(Limit {
            soft: wide(limit.rlim_cur),
            hard: wide(limit.rlim_max),
        })
    }

    /// Asks for so much, or with `None` for as much as can be had; what came of it. Root gets more
    /// than the hard limit, others get that.
    pub fn set(self, wanted: Option<u64>) -> io::Result<Limit> {
        let Limit { hard, .. } = self.limit()?;
        let soft = wanted.unwrap_or(hard);
        if soft <= hard {
            self.set_both(Limit { soft, hard })?;
        } else if self.set_both(Limit { soft, hard: soft }).is_err() {
            self.set_both(Limit { soft: hard, hard })?;
        }
        self.limit()
    }

    fn set_both(self, limit: Limit) -> io::Result<()> {
        let narrow = |n: u64| libc::rlim_t::try_from(n).unwrap_or(libc::RLIM_INFINITY);
        let limit = libc::rlimit {
            rlim_cur: narrow(limit.soft),
            rlim_max: narrow(limit.hard),
        };
        // SAFETY: the pointer is to a local that outlives the call.
        check(unsafe { libc::setrlimit(self.number() as _, &limit) })
    }

    /// The C libraries don't agree on its type.
    fn number(self) -> u32 {
        match self {
            Ration::OpenFiles => libc::RLIMIT_NOFILE as _,
            Ration::CoreBytes => libc::RLIMIT_CORE as _,
            Ration::AddressSpace => libc::RLIMIT_AS as _,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |n: u64| match n {
            u64::MAX => "unlimited".to_owned(),
            n => n.to_string(),
        };
        write!(f, "{} (at most {})", text(self.soft), text(self.hard))
    }
}

/// What the process has used so far, by the names of getrusage(2); times in milliseconds.
pub fn usage() -> Vec<(&'static str, u64)> {
    // SAFETY: a plain C structure for which all zeroes are a valid value; the pointer is to a
    // local that outlives the call, which fails for no other reason.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    #[allow(clippy::unnecessary_cast)]
    let millis = |time: libc::timeval| time.tv_sec as u64 * 1000 + time.tv_usec as u64 / 1000;
    #[allow(clippy::unnecessary_cast)]
    let count = |n: libc::c_long| n as u64;
    vec![
        ("ru_maxrss", count(usage.ru_maxrss)),
        ("ru_utime_ms", millis(usage.ru_utime)),
        ("ru_stime_ms", millis(usage.ru_stime)),
        ("ru_minflt", count(usage.ru_minflt)),
        ("ru_majflt", count(usage.ru_majflt)),
        ("ru_inblock", count(usage.ru_inblock)),
        ("ru_oublock", count(usage.ru_oublock)),
        ("ru_nvcsw", count(usage.ru_nvcsw)),
        ("ru_nivcsw", count(usage.ru_nivcsw)),
    ]
}

/// How many CPUs the machine has online.
pub fn cpus_online() -> u32 {
    // SAFETY: takes a value.
    let cpus = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    u32::try_from(cpus).unwrap_or(1).max(1)
}

/// The load averages of the last 1, 5 and 15 minutes, in hundredths of a CPU. By system call: in a
/// root directory of one's own there is no /proc.
pub fn load_averages() -> io::Result<[u32; 3]> {
    const FRACTION_BITS: u32 = 16;
    // SAFETY: a plain C structure for which all zeroes are a valid value; the pointer is to a
    // local that outlives the call.
    let info = unsafe {
        let mut info: libc::sysinfo = std::mem::zeroed();
        check(libc::sysinfo(&mut info))?;
        info
    };
    Ok(info.loads.map(|load| {
        #[allow(clippy::useless_conversion)]
        let hundredths = (u64::from(load) * 100 + (1 << FRACTION_BITS >> 1)) >> FRACTION_BITS;
        u32::try_from(hundredths).unwrap_or(u32::MAX)
    }))
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_set_as_far_as_can_be() {
        let before = Ration::CoreBytes.limit().unwrap();
        let after = Ration::CoreBytes.set(Some(0)).unwrap();
        assert_eq!((after.soft, after.hard), (0, before.hard));
        let most = Ration::CoreBytes.set(None).unwrap();
        assert_eq!((most.soft, most.hard), (before.hard, before.hard));
        let beyond = Ration::OpenFiles.set(Some(u64::from(u32::MAX))).unwrap();
        assert_eq!(beyond.soft, Ration::OpenFiles.limit().unwrap().soft);
        assert!(beyond.soft <= beyond.hard);
        let text = |soft, hard| Limit { soft, hard }.to_string();
        assert_eq!(text(0, u64::MAX), "0 (at most unlimited)");
    }

    #[test]
    fn the_load_is_that_of_the_machine() {
        let here = load_averages().unwrap();
        let there = std::fs::read_to_string("/proc/loadavg").unwrap();
        let there = there.split(' ').next().unwrap().parse::<f64>().unwrap() * 100.0;
        // It may have changed in between, by a tenth or so.
        assert!(
            (f64::from(here[0]) - there).abs() < 100.0,
            "{here:?} {there}"
        );
        assert!(cpus_online() > 0);
    }

    #[test]
    fn users_are_looked_up_by_name() {
        assert_eq!(user("root").unwrap(), Some(User { uid: 0, gid: 0 }));
        assert_eq!(user("no-such-user-here").unwrap(), None);
        assert!(user("a\0b").is_err());
    }
}

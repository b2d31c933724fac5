//! The process itself: its limits, its root directory, its user.

use std::ffi::{CString, OsStr};
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

/// Raises the limit of open files as far as the system allows; the limit then in force.
pub fn raise_open_files() -> io::Result<usize> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a local that outlives the call.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    let raised = libc::rlimit {
        rlim_cur: limit.rlim_max,
        ..limit
    };
    // SAFETY: as above.
    if check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) }).is_ok() {
        limit = raised;
    }
    Ok(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn users_are_looked_up_by_name() {
        assert_eq!(user("root").unwrap(), Some(User { uid: 0, gid: 0 }));
        assert_eq!(user("no-such-user-here").unwrap(), None);
        assert!(user("a\0b").is_err());
    }
}

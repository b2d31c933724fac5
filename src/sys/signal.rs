//! Signals as values.

use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};

/// What an operator, or the init system, wants of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: read the configured files again.
    Reload,
    /// SIGUSR2: write a snapshot.
    Snapshot,
    /// SIGTERM or SIGINT: finish, in an orderly way.
    Stop,
}

const WANTED: [(libc::c_int, Signal); 4] = [
    (libc::SIGHUP, Signal::Reload),
    (libc::SIGUSR2, Signal::Snapshot),
    (libc::SIGTERM, Signal::Stop),
    (libc::SIGINT, Signal::Stop),
];

impl Signal {
    /// Sends this process the signal, as if an operator had.
    pub fn raise(self) {
        if let Some((number, _)) = WANTED.iter().find(|(_, signal)| *signal == self) {
            // SAFETY: takes values; to ourselves it is always allowed.
            unsafe { libc::kill(libc::getpid(), *number) };
        }
    }
}

/// The signals trackerd understands, taken out of the default handling.
///
/// To be made before any thread is started: threads inherit the blocked set.
#[derive(Debug)]
pub struct Signals(File);

impl Signals {
    /// Blocks the signals and opens a descriptor they can be read from.
    pub fn open() -> io::Result<Signals> {
        // SAFETY: sigemptyset initialises the set, sigaddset and the other calls only read or
        // write this local; signalfd's result is a descriptor nobody else owns.
        let fd = unsafe {
            let mut set = MaybeUninit::uninit();
            libc::sigemptyset(set.as_mut_ptr());
            let mut set = set.assume_init();
            for (number, _) in WANTED {
                libc::sigaddset(&mut set, number);
            }
            // That a file may get no larger is an error of who writes to it, and no end.
            libc::sigaddset(&mut set, libc::SIGXFSZ);
            let failed = libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
            if failed != 0 {
                return Err(io::Error::from_raw_os_error(failed));
            }
            match libc::signalfd(-1, &set, libc::SFD_CLOEXEC) {
                -1 => return Err(io::Error::last_os_error()),
                fd => OwnedFd::from_raw_fd(fd),
            }
        };
        Ok(Signals(fd.into()))
    }

    /// Waits for the next signal.
    pub fn wait(&mut self) -> io::Result<Signal> {
        // The first word of a signalfd_siginfo is the signal's number.
        let mut info = [0; size_of::<libc::signalfd_siginfo>()];
        loop {
            self.0.read_exact(&mut info)?;
            let number = i32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
            if let Some((_, signal)) = WANTED.iter().find(|(wanted, _)| *wanted == number) {
                return Ok(*signal);
            }
        }
    }
}

//! Why trackerd would not start, and what to do about it.

use std::fmt;

/// Exit codes, from sysexits.h, which init systems and scripts know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Asked whether a tracker is alive: it is not.
    Unhealthy = 1,
    /// Wrong words on the command line.
    Usage = 64,
    /// A file that was named can't be read.
    NoInput = 66,
    /// The system refused something it usually grants: a socket, a thread, an address in use.
    Os = 71,
    /// Not permitted, such as a port below 1024.
    NoPermission = 77,
    /// The configuration says something unknown or impossible.
    Config = 78,
}

impl Exit {
    /// What an error of the system amounts to.
    pub fn of(error: &std::io::Error) -> Exit {
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => Exit::NoPermission,
            std::io::ErrorKind::NotFound => Exit::NoInput,
            _ => Exit::Os,
        }
    }
}

/// An error that ends the start: what failed, on what, and what to try.
#[derive(Debug, PartialEq, Eq)]
pub struct Fatal {
    /// How the process ends.
    pub exit: Exit,
    /// Where: `FILE:LINE`, an option, an address.
    pub at: String,
    /// What is wrong, and where it helps, the remedy.
    pub what: String,
}

impl Fatal {
    /// Says what is wrong, and where.
    pub fn new(exit: Exit, at: impl Into<String>, what: impl Into<String>) -> Fatal {
        Fatal {
            exit,
            at: at.into(),
            what: what.into(),
        }
    }
}

/// `AT: WHAT`, the form editors and log readers jump to.
impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

impl std::error::Error for Fatal {}

//! What the operator said of the log.

use std::path::PathBuf;

/// What is written of what happens, how, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// The least important messages to write: error, warn, info, debug or trace.
    pub level: &'static str,
    /// How messages and requests are written: `text` or `json`.
    pub format: &'static str,
    /// The socket of the system's log, if that takes the messages.
    pub syslog: Option<PathBuf>,
    /// How much of clients' addresses is written: `full`, `prefix` or `none`.
    pub addresses: &'static str,
    /// The file that takes a line for each request, if one does.
    pub access: Option<PathBuf>,
}

/// What was said of it so far.
#[derive(Default)]
pub struct LogSaid {
    pub level: Option<&'static str>,
    pub format: Option<&'static str>,
    pub syslog: Option<PathBuf>,
    pub addresses: Option<&'static str>,
    pub access: Option<PathBuf>,
}

/// Where the system's log listens.
const SYSLOG: &str = "/dev/log";

impl LogSaid {
    /// Takes where messages go: `stderr`, `syslog` or `syslog:SOCKET`.
    pub fn put_target(&mut self, text: &str) -> Result<(), String> {
        self.syslog = match text.strip_prefix("syslog") {
            Some("") => Some(SYSLOG.into()),
            Some(rest) => match rest.strip_prefix(':') {
                Some(path) if path.starts_with('/') => Some(path.into()),
                _ => return Err("after syslog: comes a path from the root, as /dev/log".into()),
            },
            None if text == "stderr" => None,
            None => return Err("it is stderr, syslog or syslog:SOCKET".into()),
        };
        Ok(())
    }

    /// With defaults for what was not said.
    pub fn finish(self) -> Log {
        Log {
            level: self.level.unwrap_or("info"),
            format: self.format.unwrap_or("text"),
            syslog: self.syslog,
            addresses: self.addresses.unwrap_or("full"),
            access: self.access,
        }
    }
}

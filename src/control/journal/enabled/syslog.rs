//! The system's log, over its socket. Nobody waits for it.
//!
//! Messages have the form in which C libraries send them (RFC 3164, 4.1), which everybody who
//! listens there understands, without the time: whoever listens knows it. The socket is connected
//! as soon as it is named, before a root directory is entered. If nobody listens any more, it is
//! looked for again, then from within that directory.

use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process;

/// Daemons'.
const FACILITY: u8 = 3;

/// The most of a message that is sent; some take no more.
const LEN_MAX: usize = 8192;

/// What everything is sent under.
const NAME: &str = "trackerd";

/// The way to the system's log.
pub struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    /// Messages that were not taken since the last that was.
    lost: u32,
}

impl Syslog {
    /// The one that listens there, or will.
    pub fn new(path: PathBuf) -> Syslog {
        let socket = connect(&path).ok();
        Syslog {
            path,
            socket,
            lost: 0,
        }
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sends a message with its head. False if nobody is there to take it; one that he has no room
    /// for at the moment is lost, and counted.
    pub fn send(&mut self, message: &[u8]) -> bool {
        let message = &message[..message.len().min(LEN_MAX)];
        self.tell_lost();
        match self.put(message) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.lost = self.lost.saturating_add(1);
                true
            }
            sent => sent.is_ok(),
        }
    }

    /// Says how much is missing, once there is room again.
    fn tell_lost(&mut self) {
        if self.lost == 0 {
            return;
        }
        let mut note = Vec::new();
        let _ = head(&mut note, log::Level::Warn);
        let _ = write!(note, "{} messages were lost: there was no room", self.lost);
        if self.put(&note).is_ok() {
            self.lost = 0;
        }
    }

    fn put(&mut self, message: &[u8]) -> io::Result<()> {
        if let Some(socket) = &self.socket {
            match socket.send(message) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                // He may have begun anew.
                Err(_) => {}
            }
        }
        let socket = connect(&self.path)?;
        socket.send(message)?;
        self.socket = Some(socket);
        Ok(())
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

/// What stands before a message: how important it is, and whose.
pub fn head(out: &mut impl Write, level: log::Level) -> io::Result<()> {
    let severity = match level {
        log::Level::Error => 3,
        log::Level::Warn => 4,
        log::Level::Info => 6,
        log::Level::Debug | log::Level::Trace => 7,
    };
    let priority = FACILITY << 3 | severity;
    write!(out, "<{priority}>{NAME}[{}]: ", process::id())
}

/// A message whose head is of no use.
pub fn without_head(line: &[u8]) -> &[u8] {
    let end = line.windows(2).position(|pair| pair == b": ");
    end.map_or(line, |end| &line[end + 2..])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;

    fn message(text: &str) -> Vec<u8> {
        let mut message = Vec::new();
        head(&mut message, log::Level::Error).unwrap();
        message.extend_from_slice(text.as_bytes());
        message
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut room = [0; 2 * LEN_MAX];
        let len = socket.recv(&mut room).unwrap();
        String::from_utf8(room[..len].to_vec()).unwrap()
    }

    #[test]
    fn heads_say_how_important_it_is_and_whose() {
        let text = String::from_utf8(message("a: b")).unwrap();
        assert_eq!(text, format!("<27>trackerd[{}]: a: b", process::id()));
        assert_eq!(without_head(text.as_bytes()), b"a: b");
    }

    #[test]
    fn who_begins_anew_is_found_and_who_is_slow_is_not_waited_for() {
        let dir = std::env::temp_dir().join(format!("trackerd-syslog-{}", process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("log");
        let mut syslog = Syslog::new(path.clone());
        assert!(!syslog.send(&message("nobody")));
        for round in ["one", "two"] {
            let socket = UnixDatagram::bind(&path).unwrap();
            assert!(syslog.send(&message(round)));
            assert!(heard(&socket).ends_with(round));
            drop(socket);
            fs::remove_file(&path).unwrap();
            assert!(!syslog.send(&message("gone")));
        }
        let socket = UnixDatagram::bind(&path).unwrap();
        let mut sent = 0;
        while syslog.lost == 0 {
            assert!(syslog.send(&message(&"x".repeat(2 * LEN_MAX))));
            sent += 1;
        }
        for _ in 1..sent {
            assert_eq!(heard(&socket).len(), LEN_MAX);
        }
        assert!(syslog.send(&message("more")));
        assert!(heard(&socket).ends_with("]: 1 messages were lost: there was no room"));
        assert!(heard(&socket).ends_with("more"));
        fs::remove_dir_all(&dir).unwrap();
    }
}

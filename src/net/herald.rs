//! The herald: writes lines of status and of completed downloads to the standard output, on a
//! thread of its own, since whoever reads them may be slow.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::config::Ceiling;
use crate::net::desk::Desk;
use crate::net::journal::privacy;
use crate::net::tempo;
use crate::stats::{Sheet, status};
use crate::sys::{clock, process};
use crate::types::{Announce, date};

/// Lines that may wait; what is more is not worth keeping.
const LINES_MAX: usize = 256;

/// The way to the herald, who comes when first called for.
#[derive(Default)]
pub struct Herald(Option<Arc<Tray>>);

impl Herald {
    /// Has the line written that these sheets come to.
    pub fn proclaim(&mut self, sheet: &Sheet, desk: &Desk) {
        let write = match desk.terms.status {
            "line" => status::line,
            "json" => status::json,
            _ => return,
        };
        let load = desk.terms.intervals.load;
        let limit = load.map_or(Ceiling::Auto, |load| load.limit);
        let limit = tempo::limit(limit, process::cpus_online());
        self.say(write(sheet, &desk.about(), clock::wall(), limit));
    }

    /// Has it written that a download was completed, in the words of opentracker's `WANT_SYSLOGS`.
    pub fn tell_completed(&mut self, announce: &Announce) {
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02X}")).collect() };
        let peer_id = announce.peer_id.map(|id| format!(" peer_id={}", hex(&id)));
        let ip = privacy().show(announce.peer.ip());
        let ip = ip.map(|ip| format!(" ip={ip}"));
        self.say(format!(
            "time={} event=completed info_hash={}{}{}\n",
            date(clock::wall()),
            announce.info_hash,
            peer_id.unwrap_or_default(),
            ip.unwrap_or_default()
        ));
    }

    fn say(&mut self, text: String) {
        if self.0.is_none() {
            self.0 = start().ok();
        }
        if let Some(tray) = &self.0 {
            tray.put(text);
        }
    }
}

impl Drop for Herald {
    fn drop(&mut self) {
        if let Some(tray) = &self.0 {
            tray.close();
        }
    }
}

fn start() -> io::Result<Arc<Tray>> {
    let tray = Arc::<Tray>::default();
    let lines = Arc::clone(&tray);
    let thread = thread::Builder::new().name("herald".into());
    thread.spawn(move || {
        while let Some(line) = lines.take() {
            // Who doesn't listen any more is no reason not to serve.
            let _ = io::stdout().lock().write_all(line.as_bytes());
            let _ = io::stdout().lock().flush();
        }
    })?;
    Ok(tray)
}

/// What lies before the herald. A channel would be three times the code.
#[derive(Default)]
struct Tray {
    /// Lines, and `None` once there are no more.
    lines: Mutex<VecDeque<Option<String>>>,
    filled: Condvar,
}

impl Tray {
    /// Puts a line there, if there is room.
    fn put(&self, line: String) {
        let mut lines = self.lock();
        if lines.len() < LINES_MAX {
            lines.push_back(Some(line));
            self.filled.notify_one();
        }
    }

    /// Sends the herald home once everything is said.
    fn close(&self) {
        self.lock().push_back(None);
        self.filled.notify_one();
    }

    /// Waits for a line; `None` if there will be no more.
    fn take(&self) -> Option<String> {
        let mut lines = self.lock();
        loop {
            if let Some(line) = lines.pop_front() {
                return line;
            }
            lines = self
                .filled
                .wait(lines)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Option<String>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_order_and_too_many_are_dropped() {
        let tray = Tray::default();
        let lines = || (0..LINES_MAX).map(|n| n.to_string());
        lines().for_each(|line| tray.put(line));
        tray.put("too many".into());
        tray.close();
        assert!(lines().map(Some).eq((0..LINES_MAX).map(|_| tray.take())));
        assert_eq!(tray.take(), None);
    }

    #[test]
    fn somebody_who_waits_is_told() {
        let tray = Tray::default();
        thread::scope(|scope| {
            let herald = scope.spawn(|| [tray.take(), tray.take()]);
            tray.put("a line".into());
            tray.close();
            assert_eq!(herald.join().ok(), Some([Some("a line".into()), None]));
        });
    }
}

//! The herald: writes lines of status and of completed downloads to the standard output, on a
//! thread of its own, since whoever reads them may be slow.

use std::io::{self, Write};
use std::thread;

use crossbeam_channel::Sender;

use crate::config::Ceiling;
use crate::net::desk::Desk;
use crate::net::tempo;
use crate::stats::page::date;
use crate::stats::{Sheet, status};
use crate::sys::{clock, process};
use crate::types::Announce;

/// Lines that may wait; what is more is not worth keeping.
const LINES_MAX: usize = 256;

/// The way to the herald, who comes when first called for.
#[derive(Default)]
pub struct Herald(Option<Sender<String>>);

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
        self.say(format!(
            "time={} event=completed info_hash={}{} ip={}\n",
            date(clock::wall()),
            announce.info_hash,
            peer_id.unwrap_or_default(),
            announce.peer.ip()
        ));
    }

    fn say(&mut self, text: String) {
        if self.0.is_none() {
            self.0 = start().ok();
        }
        if let Some(herald) = &self.0 {
            let _ = herald.try_send(text);
        }
    }
}

fn start() -> io::Result<Sender<String>> {
    let (sender, lines) = crossbeam_channel::bounded::<String>(LINES_MAX);
    let thread = thread::Builder::new().name("herald".into());
    thread.spawn(move || {
        for line in lines {
            // Who doesn't listen any more is no reason not to serve.
            let _ = io::stdout().lock().write_all(line.as_bytes());
            let _ = io::stdout().lock().flush();
        }
    })?;
    Ok(sender)
}

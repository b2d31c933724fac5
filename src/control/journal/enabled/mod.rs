//! Messages in every form, and requests.

mod lines;
mod syslog;
mod writer;

pub use writer::Journal;

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::write_text;
use crate::config::Config;
use crate::sys::clock;
use lines::Format;
use syslog::Syslog;

/// How messages are written at present, and where.
struct Ways {
    format: Format,
    syslog: Option<Syslog>,
}

static WAYS: Mutex<Ways> = Mutex::new(Ways {
    format: Format::Text,
    syslog: None,
});

fn ways() -> MutexGuard<'static, Ways> {
    WAYS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a message.
pub fn write(out: &mut impl Write, record: &log::Record<'_>) -> io::Result<()> {
    let ways = ways();
    let syslog = ways.syslog.is_some();
    let format = ways.format;
    drop(ways);
    if syslog {
        syslog::head(out, record.level())?;
    }
    match format {
        Format::Json => lines::message(out, record, clock::wall()),
        Format::Text if syslog => writeln!(out, "{}", record.args()),
        Format::Text => write_text(out, record),
    }
}

pub(super) fn redirect(config: &Config) {
    let mut ways = ways();
    ways.format = Format::named(config.log.format);
    let path = ways.syslog.as_ref().map(Syslog::path);
    if path != config.log.syslog.as_deref() {
        ways.syslog = config.log.syslog.clone().map(Syslog::new);
    }
}

/// Hands a line to the system's log, if it goes there; otherwise, or if it isn't taken, it is for
/// the standard error.
pub(super) fn divert(line: &[u8]) -> Option<&[u8]> {
    match &mut ways().syslog {
        Some(syslog) => match syslog.send(line.trim_ascii_end()) {
            true => None,
            false => Some(syslog::without_head(line)),
        },
        None => Some(line),
    }
}

/// Whether messages are text for the standard error.
pub(super) fn is_plain() -> bool {
    let ways = ways();
    ways.format == Format::Text && ways.syslog.is_none()
}

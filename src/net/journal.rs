//! The log: lines on stderr, without time stamps, since whoever collects them knows the time.

use std::io::{self, Write};

use log::{LevelFilter, Log, Metadata, Record};

/// Writes everything that is said; how much that is, is for the level to decide, which may change
/// while serving.
struct Journal;

impl Log for Journal {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let (level, room, text) = (record.level(), record.target(), record.args());
        let line = format!("[{level:<5} {room}] {text}\n");
        // In one piece, lest the lines of several threads mix. Who doesn't listen any more is no
        // reason not to serve.
        let _ = io::stderr().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

/// Has what is logged from here on written; once.
pub fn open() {
    if log::set_logger(&Journal).is_ok() {
        log::set_max_level(LevelFilter::Trace);
    }
}

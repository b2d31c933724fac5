//! Messages as text, and no requests.

use std::io::{self, Write};
use std::sync::Arc;

use super::write_text;
use crate::config::Config;
use crate::net::Shared;

/// Writes a message.
pub fn write(out: &mut impl Write, record: &log::Record<'_>) -> io::Result<()> {
    write_text(out, record)
}

pub(super) fn redirect(_: &Config) {}

pub(super) fn divert(line: &[u8]) -> Option<&[u8]> {
    Some(line)
}

pub(super) fn is_plain() -> bool {
    true
}

/// Nothing is written down.
#[derive(Default)]
pub struct Journal(());

impl Journal {
    /// There is no file.
    pub fn open(&mut self, _: &Config, _: &Arc<Shared>) -> io::Result<()> {
        Ok(())
    }
}

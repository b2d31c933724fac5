//! Messages as text.

use std::io::{self, Write};

use super::write_text;
use crate::config::Config;

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

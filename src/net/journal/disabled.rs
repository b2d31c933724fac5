//! Messages as text, and no requests.

use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use super::write_text;
use crate::config::Config;
use crate::stats::Counters;
use crate::sys::clock::Clock;
use crate::types::{InfoHash, Seconds};

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
pub struct Book(());

impl Book {
    /// There is no file.
    pub fn open(&self, _: &Config, _: Clock, _: &Arc<Mutex<Counters>>) -> io::Result<()> {
        Ok(())
    }

    /// Nothing is left to write.
    pub fn finish(&self) {}
}

/// They are not written down.
#[derive(Default)]
pub struct Visitors(());

impl Visitors {
    /// They are not.
    pub fn are_noted(&self) -> bool {
        false
    }

    /// There is no book.
    pub fn keep(&mut self, _: Option<&Arc<Book>>) {}

    /// Nobody is noted.
    pub fn hand_in(&mut self, _: &mut Counters) {}

    /// A datagram, and what is said to it.
    pub fn note_udp(&mut self, _: Seconds, _: IpAddr, _: &[u8], _: Option<&[u8]>, _: bool) {}

    /// A request, and what is said to it.
    pub fn note_http(
        &mut self,
        _: Seconds,
        _: bool,
        _: IpAddr,
        _: &'static str,
        _: Option<InfoHash>,
        _: &[u8],
    ) {
    }
}

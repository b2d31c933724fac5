//! Requests are not written down.

use std::net::IpAddr;
use std::sync::Arc;

use crate::stats::Counters;
use crate::types::{InfoHash, Seconds};

/// Nothing is written down.
#[derive(Default)]
pub struct Book(());

impl Book {
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
    pub fn keep(&mut self, _: Option<&Arc<Book>>, _: &mut Counters) {}

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

//! There are no snapshots in this build.

use std::io::{self, Read, Seek, Write};

use super::{Census, Failure};
use crate::types::{Absent, Kept, Seconds};

/// There are none.
#[derive(Clone, Copy, Debug)]
pub enum Persist {}

/// What there is only with the room: it is not there.
pub type Present<T> = Absent<T>;

impl Persist {
    /// `None`.
    pub fn new() -> Option<Persist> {
        None
    }

    /// Never called.
    pub fn brings<T>(self, _: T) -> Present<T> {
        match self {}
    }

    /// Never called.
    pub fn write<W: Write>(self, _: u64, _: W) -> io::Result<Writing<W>> {
        match self {}
    }

    /// Never called.
    pub fn begin(self, _: Seconds, _: &mut Vec<u8>) {
        match self {}
    }

    /// Never called.
    pub fn note(self, _: &Kept, _: &mut Vec<u8>) {
        match self {}
    }

    /// Never called.
    pub fn read<R: Read + Seek>(
        self,
        _: R,
        _: impl FnMut(u64, Seconds, &Kept),
    ) -> Result<Census, Failure> {
        match self {}
    }
}

/// Never made.
pub struct Writing<W>(Persist, W);

impl<W: Write> Writing<W> {
    /// Never called.
    pub fn frame(&mut self, _: &mut Vec<u8>, _: Census) -> io::Result<()> {
        match self.0 {}
    }

    /// Never called.
    pub fn end(self) -> io::Result<(W, Census)> {
        match self.0 {}
    }
}

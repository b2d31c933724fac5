//! There is no API in this build.

use super::{Answer, Ask, Guard, Refusal};
use crate::types::Absent;
use crate::wire::http::{Head, Status};

/// There is none.
#[derive(Clone, Copy, Debug)]
pub enum Api {}

/// What there is only with the room: it is not there.
pub type Present<T> = Absent<T>;

impl Api {
    /// `None`.
    pub fn new() -> Option<Api> {
        None
    }

    /// Never called.
    pub fn brings<T>(self, _: T) -> Present<T> {
        match self {}
    }

    /// Never called.
    pub fn understand(self, _: &Head<'_>, _: Guard<'_>) -> Result<Ask, Refusal> {
        match self {}
    }

    /// Never called.
    pub fn answer(self, _: &Answer, _: &mut Vec<u8>) {
        match self {}
    }

    /// Never called.
    pub fn fault(self, _: Status, _: &mut Vec<u8>) {
        match self {}
    }
}

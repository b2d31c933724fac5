//! There is no meta-tracker in this build.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Extra, Millis, Outside, Settings, Wish};
use crate::types::{Absent, Figure, InfoHash};

/// Proof that the room is in this build: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Built {}

impl Built {
    /// `None`.
    pub fn here() -> Option<Built> {
        None
    }

    /// Never called.
    pub fn brings<T>(self, _: T) -> Present<T> {
        match self {}
    }
}

/// What there is only with the room: it is not there.
pub type Present<T> = Absent<T>;

/// There is none.
pub enum Job {}

/// There is nothing.
pub enum Found {}

/// There is none.
pub enum Failure {}

/// There are none.
pub enum Sources {}

impl Sources {
    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn run(&self, _: &Job, _: &dyn Fn() -> Millis) -> Result<Found, Failure> {
        match *self {}
    }

    /// Never called.
    pub fn nodes(&self) -> Vec<SocketAddr> {
        match *self {}
    }

    /// Never called.
    pub fn nodes_known(&self) -> usize {
        match *self {}
    }

    /// Never called.
    pub fn settings(&self) -> &Settings {
        match *self {}
    }
}

/// There is none.
pub enum Engine {}

impl Engine {
    /// `None`.
    pub fn new(_: Millis, _: u64, _: Settings, _: &[u8]) -> Option<(Engine, Vec<SocketAddr>)> {
        None
    }

    /// Never called.
    pub fn sources(&self, _: Settings, _: &[SocketAddr]) -> Arc<Sources> {
        match *self {}
    }

    /// Never called.
    pub fn obey(&mut self, _: Millis, _: Settings) {
        match *self {}
    }

    /// Never called.
    pub fn wish(&mut self, _: Millis, _: &Wish) {
        match *self {}
    }

    /// Never called.
    pub fn handle(&mut self, _: Millis, _: SocketAddr, _: &[u8]) {
        match *self {}
    }

    /// Never called.
    pub fn done(&mut self, _: Millis, _: u32, _: Result<Found, Failure>, _: Millis) {
        match *self {}
    }

    /// Never called.
    pub fn lose(&mut self, _: Millis, _: u32) {
        match *self {}
    }

    /// Never called.
    pub fn handle_timeout(&mut self, _: Millis) {
        match *self {}
    }

    /// Never called.
    pub fn poll_timeout(&self) -> Option<Millis> {
        match *self {}
    }

    /// Never called.
    pub fn poll_transmit(&mut self, _: Millis, _: &mut Vec<u8>) -> Option<SocketAddr> {
        match *self {}
    }

    /// Never called.
    pub fn poll_job(&mut self, _: Millis) -> Option<(u32, Job)> {
        match *self {}
    }

    /// Never called.
    pub fn poll_extra(&mut self) -> Option<Extra> {
        match *self {}
    }

    /// Never called.
    pub fn repeat(&mut self, _: Millis, _: InfoHash) {
        match *self {}
    }

    /// Never called.
    pub fn report(&self, _: Millis, _: Outside) -> String {
        match *self {}
    }

    /// Never called.
    pub fn figures(&self, _: Millis, _: Outside) -> Vec<Figure> {
        match *self {}
    }

    /// Never called.
    pub fn save(&self, _: &[SocketAddr]) -> String {
        match *self {}
    }
}
/// Hears nothing of what a peer says.
pub fn overhear(_: &[u8], _: usize) {}

/// There is nothing to be kept.
pub fn is_kept(_: &[u8]) -> bool {
    true
}

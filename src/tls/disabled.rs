//! Nothing is encrypted in this build.

use std::io::{self, Read, Write};

/// Nothing is one.
#[derive(Clone, Copy, Debug)]
enum Never {}

/// There is none.
#[derive(Clone, Debug)]
pub struct Server(Never);

impl Server {
    /// Never the case.
    ///
    /// # Errors
    /// Always.
    pub fn new(_: &[u8], _: &[u8]) -> Result<Server, String> {
        Err("this build has not the feature `tls`".into())
    }
}

/// There is none.
pub struct Session(Never);

impl Session {
    /// Nothing is held.
    pub const BYTES: usize = 0;

    /// Never called.
    pub fn new(server: &Server) -> io::Result<Session> {
        match server.0 {}
    }

    /// Never called.
    pub fn is_shaking_hands(&self) -> bool {
        match self.0 {}
    }

    /// Never called.
    pub fn is_resumed(&self) -> bool {
        match self.0 {}
    }

    /// Never called.
    pub fn held_bytes(&self) -> usize {
        match self.0 {}
    }

    /// Never called.
    pub fn receive(&mut self, _: &mut dyn Read) -> io::Result<usize> {
        match self.0 {}
    }

    /// Never called.
    pub fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    /// Never called.
    pub fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    /// Never called.
    pub fn end(&mut self) {
        match self.0 {}
    }

    /// Never called.
    pub fn has_to_send(&self) -> bool {
        match self.0 {}
    }

    /// Never called.
    pub fn send(&mut self, _: &mut dyn Write) -> io::Result<usize> {
        match self.0 {}
    }
}

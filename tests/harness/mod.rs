//! The tracker from outside: starts the real program and speaks to it as clients do, in words of
//! its own: nothing here comes from the crate that is tested.

pub mod bencode;
pub mod http;
#[cfg(any(feature = "client", feature = "journal"))]
pub mod json;
pub mod netns;
pub mod peer;
pub mod tracker;
pub mod udp;
pub mod xml;

use std::io::{self, Write};
use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

/// How long things that should happen at once may take on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again, a little apart, until the answer is yes.
#[track_caller]
pub fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < PATIENCE, "it never happened: {what}");
        thread::park_timeout(Duration::from_millis(10));
    }
}

/// Tries again what a stopped and continued process has interrupted.
pub fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Says something even if the test passes, which the test runner would otherwise keep for itself.
pub fn shout(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Whether there is an IPv6 loopback; says loudly if not.
pub fn has_ipv6() -> bool {
    let found = UdpSocket::bind("[::1]:0").is_ok();
    if !found {
        shout("SKIPPED: everything over IPv6: this machine has no ::1");
    }
    found
}

/// Numbers that look random and are the same every time (xorshift).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 32) as u8).collect()
    }
}

//! Mishaps that an announce brings about: of the torrent whose info-hash is twenty times the same
//! byte.

use std::thread;
use std::time::Duration;

use crate::types::InfoHash;

/// The byte of a torrent that makes its worker panic.
const PANIC: u8 = 0xdd;

/// The byte of one that makes it hang.
const HANG: u8 = 0xee;

/// Panics or hangs, if this is a torrent for it.
pub fn befall(info_hash: &InfoHash) {
    if *info_hash == InfoHash([PANIC; 20]) {
        panic!("as was asked for");
    }
    while *info_hash == InfoHash([HANG; 20]) {
        thread::sleep(Duration::from_secs(1));
    }
}

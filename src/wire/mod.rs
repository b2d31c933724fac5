//! Bytes to words and words to bytes, both directions of every message.
//!
//! One format, one file, parse and emit side by side, so that every message round-trips. This
//! room keeps no state, opens nothing, asks no clock and neither logs nor counts. Parsing borrows
//! from the bytes it is given and allocates nothing on the announce path; emitting appends to a
//! buffer of the caller's. Whatever strangers send, nothing here panics, and no input costs more
//! than a time linear in its length. What a `parse` hands out can't be nonsense; what it refuses
//! is `None` where nobody can be told, and otherwise says what to tell.

pub mod answer;
pub mod bencode;
pub mod bus;
pub mod chunked;
pub mod compact;
mod decimal;
pub mod dump;
pub mod gzip;
pub mod http;
pub mod json;
pub mod livesync;
pub mod place;
pub mod proxy;
pub mod query;
mod scan;
pub mod snapshot;
pub mod udp;

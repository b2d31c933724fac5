//! HTTPS: what goes over a connection, encrypted.
//!
//! The room promises that nobody without the key can answer in our name, by a library that is kept
//! by others (rustls, with the ciphers of ring); that connections are resumed without its being
//! remembered who has been here, so strangers can fill no table; and that only HTTP/1 is spoken. It
//! has no socket: bytes are read from and written to what it is given. Without the feature `tls`
//! nothing is encrypted.

#[cfg(not(feature = "tls"))]
mod disabled;
#[cfg(feature = "tls")]
mod enabled;

#[cfg(not(feature = "tls"))]
pub use disabled::{Server, Session};
#[cfg(feature = "tls")]
pub use enabled::{Server, Session};

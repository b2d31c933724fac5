//! Compressed bodies (RFC 1952), where the feature `gzip` is in. Without it nobody gets any.

#[cfg(not(feature = "gzip"))]
mod disabled;
#[cfg(feature = "gzip")]
mod enabled;

#[cfg(not(feature = "gzip"))]
pub use disabled::Gzip;
#[cfg(feature = "gzip")]
pub use enabled::Gzip;

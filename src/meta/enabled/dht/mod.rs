//! The distributed hash table (BEP 5), where the feature `dht` is in. Without it nobody is found
//! there.

#[cfg(not(feature = "dht"))]
mod disabled;
#[cfg(feature = "dht")]
mod enabled;

#[cfg(not(feature = "dht"))]
pub use disabled::Table;
#[cfg(feature = "dht")]
pub use enabled::Table;

//! Mishaps on demand, for the tests of how a tracker survives them. Only builds with the feature
//! `torture` have any.

#[cfg(not(feature = "torture"))]
mod disabled;
#[cfg(feature = "torture")]
mod enabled;

#[cfg(not(feature = "torture"))]
pub use disabled::befall;
#[cfg(feature = "torture")]
pub use enabled::befall;

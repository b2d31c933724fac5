//! What peers tell of others (BEP 11), where the feature `pex` is in. Without it nobody is asked.

#[cfg(not(feature = "pex"))]
mod disabled;
#[cfg(feature = "pex")]
mod enabled;

#[cfg(not(feature = "pex"))]
pub use disabled::{IS_BUILT, parse};
#[cfg(feature = "pex")]
pub use enabled::{IS_BUILT, parse};

//! Trackers as their clients see them: their URLs, and pages by HTTP and HTTPS.
//!
//! The room promises that who is asked may be slow, silent or lie, and that nothing of it takes
//! longer or more memory than was said. It is off the road: what it does may block, for as long as
//! its callers grant it. Without the feature `client` there is none.

#[cfg(feature = "client")]
mod enabled;

#[cfg(feature = "client")]
pub use enabled::*;

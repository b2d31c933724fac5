//! A page that shows how the tracker does, what it shows, and the history of the last hour; where
//! the feature `dashboard` is in. Without it nothing is remembered, and there is no page.

#[cfg(not(feature = "dashboard"))]
mod disabled;
#[cfg(feature = "dashboard")]
mod enabled;

#[cfg(not(feature = "dashboard"))]
pub use disabled::{History, MODES, PAGE, is_due};
#[cfg(feature = "dashboard")]
pub use enabled::{History, MODES, PAGE, is_due};

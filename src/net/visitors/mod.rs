//! Requests on their way to the file in which they are written down, if they are.
//!
//! Each worker gathers its visitors, and once there are enough of them or a second is over, hands
//! them in for somebody who writes. It waits for nobody: where too many wait to be written, those
//! that come next are lost, and counted.

#[cfg(not(feature = "journal"))]
mod disabled;
#[cfg(feature = "journal")]
mod enabled;
#[cfg(feature = "journal")]
mod visit;

#[cfg(not(feature = "journal"))]
pub use disabled::{Book, Visitors};
#[cfg(feature = "journal")]
pub use {
    enabled::{Book, Visitors},
    visit::{Answer, Visit},
};

//! Trackers as their clients see them: the program as a client of its own, and what others need to
//! ask a tracker.
//!
//! The room promises that who is asked may be slow, silent or lie, and that nothing of it takes
//! longer or more memory than was said. It is off the road: what it does may block, for as long as
//! its callers grant it. A datagram can be sent from every build; without the feature `client`
//! there is nothing else.

#[cfg(not(feature = "client"))]
mod disabled;
#[cfg(feature = "client")]
mod enabled;
pub mod udp;

#[cfg(not(feature = "client"))]
pub use disabled::*;
#[cfg(feature = "client")]
pub use enabled::*;

/// What came of a question.
#[derive(Debug)]
pub struct Outcome {
    /// The answer, for people or programs as it was ordered.
    pub text: String,
    /// What is wrong with the tracker, if anything is.
    pub fault: Option<String>,
}

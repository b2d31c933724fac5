//! The interval in force, where it may be one that changes.

use crate::types::Seconds;

/// Where the interval is, came from, and goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trend {
    /// What clients are told.
    pub interval: Seconds,
    /// What they were told at the last look.
    pub previous: Seconds,
    /// What they will be told at the next.
    pub required: Seconds,
}

impl Trend {
    /// One that rests.
    pub fn at(interval: Seconds) -> Trend {
        Trend {
            interval,
            previous: interval,
            required: interval,
        }
    }
}

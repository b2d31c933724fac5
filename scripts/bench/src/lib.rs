//! What the load generator and the null responders share.

pub mod count;
#[allow(unsafe_code)]
pub mod kernel;
pub mod latency;
pub mod population;
pub mod random;

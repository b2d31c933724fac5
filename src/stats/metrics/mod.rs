//! The metrics, in the text format of Prometheus, where the feature `metrics` is in. Without it
//! there are none.

#[cfg(not(feature = "metrics"))]
mod disabled;
#[cfg(feature = "metrics")]
mod enabled;

#[cfg(not(feature = "metrics"))]
pub use disabled::METRICS;
#[cfg(feature = "metrics")]
pub use enabled::METRICS;

//! A build without metrics.

use crate::stats::modes::Telling;

/// There are none.
pub const METRICS: Option<Telling> = None;

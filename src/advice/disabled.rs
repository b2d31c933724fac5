//! No advice.

use super::Plan;

/// There is none.
pub fn advise(_plan: &Plan, _read: impl Fn(&str) -> Option<String>) -> Option<String> {
    None
}

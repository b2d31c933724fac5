//! A build without the page.

use crate::stats::Sheet;
use crate::stats::modes::Mode;
use crate::types::Seconds;

/// No modes lead here.
pub const MODES: &[(&str, Mode)] = &[];

/// There is no page.
pub const PAGE: &str = "";

/// Nothing is to be noted, ever.
pub fn is_due(_: Seconds) -> bool {
    false
}

/// Nothing is remembered.
#[derive(Debug, Default)]
pub struct History;

impl History {
    /// Forgets it.
    pub fn note(&mut self, _: Seconds, _: &Sheet) {}

    /// Nothing.
    pub fn json(&self, _: Seconds) -> String {
        String::new()
    }
}

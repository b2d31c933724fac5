//! Lists of trackers: a URL in each line, with blank lines and comments between them.

use std::collections::BTreeSet;

use crate::client::url::Url;

/// The most trackers of one list.
pub const URLS_MAX: usize = 500;

/// Reads a list: each tracker once, in the order in which they stand. What can't be asked, or looks
/// as if it were somebody's own, is left out.
pub fn parse(text: &[u8]) -> Vec<Url> {
    let mut seen = BTreeSet::new();
    let lines = text.split(|byte| matches!(byte, b'\n' | b'\r'));
    let urls = lines.filter_map(|line| {
        let line = str::from_utf8(line).ok()?.split('#').next()?.trim();
        Url::parse(line).filter(|url| !url.is_private_looking())
    });
    urls.filter(|url| seen.insert(url.clone()))
        .take(URLS_MAX)
        .collect()
}

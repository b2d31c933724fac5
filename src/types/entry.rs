//! Torrents, as lists of all tell of them.

use super::{Counts, InfoHash, Seconds};

/// One torrent of a list; by info-hash in the order of lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Which one.
    pub info_hash: InfoHash,
    /// What a scrape tells of it.
    pub counts: Counts,
    /// How long it has had no peers.
    pub idle_secs: Seconds,
}

impl Entry {
    /// Brings the first so many of a list to the front, in no order; the last of them.
    pub fn bring_forward(entries: &mut [Entry], count: usize) -> Option<&Entry> {
        let last = count.checked_sub(1).filter(|last| *last < entries.len())?;
        let (_, last, _) = entries.select_nth_unstable_by_key(last, |entry| entry.info_hash);
        Some(last)
    }
}

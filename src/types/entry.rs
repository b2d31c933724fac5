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

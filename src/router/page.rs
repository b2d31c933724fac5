//! Lists of all torrents, in order of their info-hashes, a page at a time.
//!
//! The order is that of the info-hashes' bytes, which the store does not keep. So for each page
//! every shard is walked whole, and the first few that follow the page before are kept: time for
//! memory, since a list of millions is asked for rarely and must not take room that peers need.

use std::ops::RangeInclusive;

use crate::swarm::{Cursor, Seen, Shard};
use crate::types::{Entry, InfoHash, Seconds};

/// Torrents looked at in one step, free slots included: some tens of microseconds.
const STEP: usize = 2000;

/// What one shard has for a page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Those of use: up to the last one kept, once there are too many.
    among: RangeInclusive<InfoHash>,
    /// Whether there were too many.
    full: bool,
    /// The most to keep.
    entries_max: usize,
    /// The first ones so far, and some that are superfluous.
    entries: Vec<Entry>,
    cursor: Cursor,
}

impl Page {
    /// A page of at most `entries_max` of a shard's torrents, those that follow `after`.
    pub fn new(after: Option<InfoHash>, entries_max: usize) -> Page {
        let (first, last) = InfoHash::ALL.into_inner();
        Page {
            among: after.map_or(first, InfoHash::next)..=last,
            full: false,
            entries_max,
            entries: Vec::new(),
            cursor: Cursor::default(),
        }
    }

    /// Looks at some more torrents; whether all have been seen.
    pub fn step(&mut self, now: Seconds, shard: &Shard) -> bool {
        if self.entries.is_empty() {
            let torrents = shard.totals().torrents as usize;
            self.entries.reserve_exact(self.room().min(torrents));
        }
        let among = self.among.clone();
        let next = shard.walk(now, self.cursor, STEP, &among, |seen| self.note(seen));
        match next {
            Some(cursor) => self.cursor = cursor,
            None => self.trim(),
        }
        next.is_none()
    }

    /// How many are kept before the superfluous are dropped.
    fn room(&self) -> usize {
        self.entries_max + self.entries_max.div_ceil(4)
    }

    fn note(&mut self, seen: &Seen<'_>) {
        if self.entries.len() == self.room() {
            self.trim();
        }
        let info_hash = seen.info_hash();
        if self.among.contains(&info_hash) {
            self.entries.push(Entry {
                info_hash,
                counts: seen.counts(),
                idle_secs: seen.idle_secs(),
            });
        }
    }

    /// Drops what is too much.
    fn trim(&mut self) {
        if self.entries.len() <= self.entries_max {
            return;
        }
        if let Some(last) = Entry::bring_forward(&mut self.entries, self.entries_max) {
            self.among = *self.among.start()..=last.info_hash;
            self.full = true;
            self.entries.truncate(self.entries_max);
        }
    }

    /// Joins the pages of all shards, in no order; and the last torrent of the page, or `None` if
    /// it is the last page.
    pub fn join(pages: impl IntoIterator<Item = Page>) -> (Vec<Entry>, Option<InfoHash>) {
        let mut entries = Vec::new();
        let mut end = None;
        for page in pages {
            if page.full {
                let last = *page.among.end();
                end = Some(end.map_or(last, |end: InfoHash| end.min(last)));
            }
            match entries.is_empty() {
                true => entries = page.entries,
                false => entries.extend_from_slice(&page.entries),
            }
        }
        if let Some(end) = end {
            entries.retain(|entry| entry.info_hash <= end);
        }
        (entries, end)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::swarm::Limits;

    fn shard(hashes: &BTreeSet<[u8; 2]>, seed: u64) -> Shard {
        let mut shard = Shard::new([seed, 1], Limits::default(), 0);
        for hash in hashes {
            assert!(shard.remember(0, &name(*hash), 1, 0));
        }
        shard
    }

    fn name(hash: [u8; 2]) -> InfoHash {
        let mut name = [7; 20];
        name[..2].copy_from_slice(&hash);
        InfoHash(name)
    }

    /// All pages of all shards, each in order.
    fn pages(shards: &[Shard], entries_max: usize) -> Vec<Vec<InfoHash>> {
        let mut pages = Vec::new();
        let mut after = None;
        loop {
            let parts = shards.iter().map(|shard| {
                let mut page = Page::new(after, entries_max);
                while !page.step(0, shard) {}
                assert!(page.entries.len() <= entries_max);
                page
            });
            let (entries, end) = Page::join(parts);
            let mut page: Vec<_> = entries.iter().map(|entry| entry.info_hash).collect();
            page.sort_unstable();
            pages.push(page);
            match end {
                Some(end) => after = Some(end),
                None => return pages,
            }
        }
    }

    proptest! {
        #![proptest_config(crate::seeded(64))]

        #[test]
        fn pages_list_everything_once_and_in_order(
            one: BTreeSet<[u8; 2]>, two: BTreeSet<[u8; 2]>, seed: u64, entries_max in 1..40usize,
        ) {
            let two = &two - &one;
            let shards = [shard(&one, seed), shard(&two, !seed)];
            let pages = pages(&shards, entries_max);
            let expected: Vec<_> = (&one | &two).into_iter().map(name).collect();
            let (last, others) = pages.split_last().unwrap();
            prop_assert!(others.iter().all(|page| page.len() >= entries_max));
            prop_assert!(last.len() <= 2 * entries_max);
            prop_assert_eq!(pages.concat(), expected);
        }
    }
}

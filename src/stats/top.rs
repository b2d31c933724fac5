//! The largest torrents, for `/stats?mode=top10` and `top100`.

use std::cmp::Reverse;
use std::fmt::Write;

use crate::types::{Counts, InfoHash};

/// The most places of a list.
pub const PLACES_MAX: usize = 100;

/// What torrents are compared by.
type Measure = fn(&Counts) -> u32;

/// The measures, as opentracker calls them.
const LISTS: [(&str, Measure); 3] = [
    ("peers", |counts| {
        counts.seeders.saturating_add(counts.leechers)
    }),
    ("seeds", |counts| counts.seeders),
    ("leechers", |counts| counts.leechers),
];

/// The torrents with the most peers, seeders and leechers; of equal ones those whose info-hashes
/// come first.
#[derive(Clone, Debug, Default)]
pub struct Top([Vec<(Reverse<u32>, InfoHash)>; LISTS.len()]);

impl Top {
    /// Takes a torrent into account.
    pub fn note(&mut self, info_hash: InfoHash, counts: &Counts) {
        for (list, (_, of)) in self.0.iter_mut().zip(LISTS) {
            insert(list, (Reverse(of(counts)), info_hash));
        }
    }

    /// Takes into account what somebody else has noted.
    pub fn merge(&mut self, other: &Top) {
        for (list, others) in self.0.iter_mut().zip(&other.0) {
            others.iter().for_each(|place| insert(list, *place));
        }
    }

    /// The lists, as newer opentrackers write them; older ones have none of leechers.
    pub fn text(&self, places: usize) -> String {
        let mut text = String::new();
        for (list, (name, _)) in self.0.iter().zip(LISTS) {
            // Writing to a String can't fail.
            let _ = writeln!(text, "Top {places} torrents by {name}:");
            for (Reverse(n), info_hash) in list.iter().take(places) {
                let _ = writeln!(text, "\t{n}\t{info_hash}");
            }
        }
        text
    }
}

fn insert(list: &mut Vec<(Reverse<u32>, InfoHash)>, new: (Reverse<u32>, InfoHash)) {
    let is_last = list.len() == PLACES_MAX && list.last().is_some_and(|last| *last < new);
    if is_last || new.0.0 == 0 {
        return;
    }
    list.truncate(PLACES_MAX - 1);
    list.insert(list.partition_point(|place| *place < new), new);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(top: &mut Top, name: u8, seeders: u32, leechers: u32) {
        let counts = Counts {
            seeders,
            leechers,
            ..Counts::default()
        };
        top.note(InfoHash([name; 20]), &counts);
    }

    #[test]
    fn lists_are_those_of_opentracker() {
        let (mut one, mut two) = (Top::default(), Top::default());
        note(&mut one, 3, 0, 5);
        note(&mut one, 2, 0, 0);
        note(&mut two, 1, 2, 3);
        note(&mut two, 4, 9, 0);
        one.merge(&two);
        let [one_, three, four] = [1, 3, 4].map(|n| InfoHash([n; 20]));
        assert_eq!(
            one.text(10),
            format!(
                "Top 10 torrents by peers:\n\t9\t{four}\n\t5\t{one_}\n\t5\t{three}\n\
                 Top 10 torrents by seeds:\n\t9\t{four}\n\t2\t{one_}\n\
                 Top 10 torrents by leechers:\n\t5\t{three}\n\t3\t{one_}\n"
            )
        );
        assert_eq!(one.text(1).lines().count(), 6);
    }

    #[test]
    fn only_the_largest_are_kept() {
        let mut top = Top::default();
        (0..=255).for_each(|n| note(&mut top, n, u32::from(n % 128), 0));
        let text = top.text(PLACES_MAX);
        let mut lines = text.lines().skip(1).take(PLACES_MAX);
        let first = format!("\t127\t{}", InfoHash([127; 20]));
        assert_eq!(lines.next(), Some(first.as_str()));
        let last = format!("\t78\t{}", InfoHash([206; 20]));
        assert_eq!(lines.last(), Some(last.as_str()));
        assert!(top.0.iter().all(|list| list.capacity() <= 2 * PLACES_MAX));
    }
}

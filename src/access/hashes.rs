//! Lists of info-hashes: the whitelist and the blacklist.

use super::lines::{self, BadLines};
use crate::types::{InfoHash, hex};

/// Info-hashes read from a list, 20 bytes each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashList(Box<[InfoHash]>);

impl HashList {
    /// Reads a list in opentracker's form: one info-hash a line, 40 hexadecimal digits of either
    /// case at its very start, and what follows them is a comment. Blank lines and those that
    /// start with `#` mean nothing; any other line is skipped and told of.
    pub fn parse(text: &[u8]) -> (HashList, BadLines) {
        let (mut hashes, bad) = lines::read(text, text.len() / LINE_LEN + 1, info_hash);
        // Their first words decide nearly always, and are compared in no time.
        hashes.sort_unstable_by(|a, b| front(a).cmp(&front(b)).then_with(|| a.cmp(b)));
        hashes.dedup();
        (HashList(hashes.into_boxed_slice()), bad)
    }

    /// This list, and more info-hashes.
    pub fn with(&self, more: &[InfoHash]) -> HashList {
        let mut hashes = [&self.0, more].concat();
        // This one takes little time for what is sorted for the most part.
        hashes.sort();
        hashes.dedup();
        HashList(hashes.into_boxed_slice())
    }

    /// This list without some info-hashes.
    pub fn without(&self, gone: &[InfoHash]) -> HashList {
        let mut gone = gone.to_vec();
        gone.sort_unstable();
        let stays = |hash: &&InfoHash| gone.binary_search(hash).is_err();
        HashList(self.0.iter().filter(stays).copied().collect())
    }

    /// Whether the list names this torrent.
    pub fn contains(&self, hash: &InfoHash) -> bool {
        self.0.binary_search(hash).is_ok()
    }

    /// Those that follow `after` in their order, or all of them.
    pub fn following(&self, after: Option<&InfoHash>) -> &[InfoHash] {
        let skipped = after.map_or(0, |after| self.0.partition_point(|hash| hash <= after));
        &self.0[skipped..]
    }

    /// How many different info-hashes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A list that comes in pieces. It keeps no more of a line than tells what it is.
#[derive(Debug, Default)]
pub struct HashFeed {
    line: Vec<u8>,
}

impl HashFeed {
    /// Takes a piece; the info-hashes of the lines that end in it, in the form of
    /// [`HashList::parse`], and how many lines hold none.
    pub fn read(&mut self, piece: &[u8]) -> (Vec<InfoHash>, usize) {
        let (mut hashes, mut bad) = (Vec::new(), 0);
        for &byte in piece {
            if byte != b'\n' {
                if self.line.len() < LINE_LEN {
                    self.line.push(byte);
                }
                continue;
            }
            match info_hash(&self.line) {
                Some(hash) => hashes.push(hash),
                None if lines::means_nothing(&self.line) => {}
                None => bad += 1,
            }
            self.line.clear();
        }
        (hashes, bad)
    }

    /// The line that has not ended, if it is just an info-hash.
    pub fn last(&mut self) -> Option<InfoHash> {
        let hash = info_hash(&self.line).filter(|_| self.line.len() < LINE_LEN)?;
        self.line.clear();
        Some(hash)
    }
}

/// The shortest line that holds an info-hash.
const LINE_LEN: usize = 2 * InfoHash::LEN + 1;

/// The info-hash at the start of a line, unless a further digit follows: then it is none.
fn info_hash(line: &[u8]) -> Option<InfoHash> {
    let (digits, rest) = line.split_at_checked(2 * InfoHash::LEN)?;
    let mut hash = InfoHash([0; InfoHash::LEN]);
    // Only looked at in the end: lists of millions are read without a branch for each digit.
    let mut seen = 0;
    let (pairs, _) = digits.as_chunks();
    for (byte, [high, low]) in hash.0.iter_mut().zip(pairs) {
        let [high, low] = [high, low].map(|digit| hex::DIGITS[usize::from(*digit)]);
        *byte = high << 4 | low & 15;
        seen |= high | low;
    }
    let goes_on = rest.first().is_some_and(|&byte| hex::digit(byte).is_some());
    (seen < hex::NO_DIGIT && !goes_on).then_some(hash)
}

/// The first bytes as a number that is ordered as they are.
fn front(hash: &InfoHash) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash.0[..8]);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::fmt::Write;

    fn hash(byte: u8) -> InfoHash {
        InfoHash([byte; InfoHash::LEN])
    }

    #[test]
    fn reads_what_opentracker_reads() {
        let (one, two, three) = ("01".repeat(20), "aB".repeat(20), "Ff".repeat(20));
        let text = format!("# mine\r\n\r\n{one}\r\n{two}  a comment\n{one}-x\n \n{three}");
        let (list, bad) = HashList::parse(text.as_bytes());
        assert_eq!(bad, BadLines::default());
        assert_eq!(list.len(), 3);
        assert!(
            [0x01, 0xab, 0xff]
                .iter()
                .all(|&byte| list.contains(&hash(byte)))
        );
        assert!(!list.contains(&hash(0)));
    }

    #[test]
    fn an_empty_file_is_an_empty_list() {
        for text in ["", "\n", "\r\n\r\n", "# nothing"] {
            assert_eq!(
                HashList::parse(text.as_bytes()),
                Default::default(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn bad_lines_are_numbered_and_skipped() {
        let good = "01".repeat(20);
        let text = format!("{good}0\n {good}\n{}\nno hash\n{good}\n", &good[..39]);
        let (list, bad) = HashList::parse(text.as_bytes());
        assert_eq!(list.len(), 1);
        assert_eq!(
            bad,
            BadLines {
                total: 4,
                first: vec![1, 2, 3, 4]
            }
        );
    }

    #[test]
    fn a_hash_without_an_end_of_line_is_one_when_asked_for() {
        let mut feed = HashFeed::default();
        let text = "ab".repeat(20);
        assert_eq!(feed.read(&text.as_bytes()[..39]), (vec![], 0));
        assert_eq!(feed.last(), None);
        assert_eq!(feed.read(&text.as_bytes()[39..]), (vec![], 0));
        assert_eq!(feed.last(), Some(hash(0xab)));
        assert_eq!((feed.read(b"\n"), feed.last()), ((vec![], 0), None));
        feed.read(format!("{text}0").as_bytes());
        assert_eq!(feed.last(), None);
    }

    #[test]
    #[cfg_attr(miri, ignore = "too much of the same for Miri")]
    fn the_report_on_rubbish_is_short() {
        let (list, bad) = HashList::parse(&b"?\n".repeat(100_000));
        assert!(list.is_empty());
        assert_eq!((bad.total, bad.first.len()), (100_000, BadLines::FIRST_MAX));
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn holds_exactly_the_hashes_written(
            written in proptest::collection::vec(any::<[u8; 20]>(), 0..50),
            upper: bool, ask: [u8; 20],
        ) {
            let mut text = String::new();
            for hash in &written {
                let line = hash.iter().fold(String::new(), |mut line, byte| {
                    write!(line, "{byte:02x}").ok();
                    line
                });
                text += &if upper { line.to_uppercase() } else { line };
                text.push('\n');
            }
            let (list, bad) = HashList::parse(text.as_bytes());
            let naive: BTreeSet<_> = written.iter().copied().map(InfoHash).collect();
            prop_assert_eq!(bad.total, 0);
            prop_assert_eq!(list.len(), naive.len());
            prop_assert!(naive.iter().all(|hash| list.contains(hash)));
            prop_assert_eq!(list.contains(&InfoHash(ask)), naive.contains(&InfoHash(ask)));
        }

        #[test]
        fn pieces_are_read_as_the_whole(
            lines in proptest::collection::vec(
                "(ab){19,21}( x)?\r?|#.{0,60}| {0,60}|.{0,60}", 0..20
            ),
            len in 1usize..100,
        ) {
            let text = lines.iter().map(|line| line.replace('\n', "") + "\n").collect::<String>();
            let (whole, bad) = HashList::parse(text.as_bytes());
            let mut feed = HashFeed::default();
            let (mut hashes, mut skipped) = (Vec::new(), 0);
            for piece in text.as_bytes().chunks(len) {
                let (more, bad) = feed.read(piece);
                hashes.extend(more);
                skipped += bad;
            }
            prop_assert_eq!(HashList::default().with(&hashes), whole);
            // Of a line of blanks that is longer than a hash the end isn't looked at.
            prop_assert!(skipped <= bad.total);
            prop_assert_eq!(feed.last(), None);
        }

        #[test]
        fn lists_are_told_in_their_order(hashes: Vec<[u8; 20]>, after: Option<[u8; 20]>) {
            let hashes: Vec<_> = hashes.into_iter().map(InfoHash).collect();
            let after = after.map(InfoHash).or(hashes.first().copied());
            let list = HashList::default().with(&hashes);
            let naive: BTreeSet<_> = hashes.into_iter().collect();
            let naive = naive.iter().filter(|hash| after.is_none_or(|after| **hash > after));
            prop_assert!(list.following(after.as_ref()).iter().eq(naive));
            prop_assert_eq!(list.following(None).len(), list.len());
        }

        #[test]
        fn lists_grow_and_shrink(one: Vec<[u8; 20]>, two: Vec<[u8; 20]>) {
            let list = |hashes: &[[u8; 20]]| -> Vec<_> {
                hashes.iter().copied().map(InfoHash).collect()
            };
            let (one, two) = (list(&one), list(&two));
            let both = HashList::default().with(&one).with(&two);
            let naive: BTreeSet<_> = one.iter().chain(&two).copied().collect();
            prop_assert!(both.0.iter().eq(&naive));
            let less = both.without(&two);
            prop_assert!(less.0.iter().eq(naive.iter().filter(|hash| !two.contains(hash))));
        }

        #[test]
        fn takes_any_bytes(text: Vec<u8>) {
            HashList::parse(&text);
        }
    }
}

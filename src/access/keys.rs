//! The keys of a private tracker (BEP 27): who has one may ask.

use super::lines::{self, BadLines};
use super::siphash::{siphash, word};

/// The keys a file names.
///
/// Kept as what a keyed hash makes of them, 128 bits each. Nobody can read the keys out of memory,
/// and how long a look-up takes depends on bits that nobody knows, so it tells nothing about which
/// keys there are. That a wrong key is taken for a right one is as likely as guessing a right one
/// of 22 letters.
#[derive(Clone)]
pub struct KeyList {
    secret: [[u64; 2]; 2],
    /// In ascending order.
    prints: Box<[u128]>,
}

impl KeyList {
    /// The longest key, in bytes.
    pub const LEN_MAX: usize = 64;

    /// Reads a list of one key a line: 1 to 64 letters, digits, `-` and `_` at its very start, and
    /// after a blank a comment. Blank lines and those that start with `#` mean nothing; any other
    /// line is skipped and told of, also one whose key is a word of the tracker's URLs. `secret`
    /// is to be drawn at random.
    pub fn parse(text: &[u8], secret: [u8; 32]) -> (KeyList, BadLines) {
        let (halves, _) = secret.as_chunks::<8>();
        let words = |at: usize| [word(&halves[at]), word(&halves[at + 1])];
        let mut list = KeyList {
            secret: [words(0), words(2)],
            prints: Box::default(),
        };
        let lines = text.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let (mut prints, bad) =
            lines::read(text, lines, |line| key(line).map(|key| list.print(key)));
        prints.sort_unstable();
        prints.dedup();
        list.prints = prints.into_boxed_slice();
        (list, bad)
    }

    /// These keys and one more, which has to be such as [`KeyList::is_key`] lets pass.
    pub fn with(&self, key: &[u8]) -> KeyList {
        let print = self.print(key);
        let mut prints = self.prints.to_vec();
        if let Err(place) = prints.binary_search(&print) {
            prints.insert(place, print);
        }
        KeyList {
            secret: self.secret,
            prints: prints.into_boxed_slice(),
        }
    }

    /// These keys without this one.
    pub fn without(&self, key: &[u8]) -> KeyList {
        let gone = self.print(key);
        let prints = self.prints.iter().filter(|print| **print != gone);
        KeyList {
            secret: self.secret,
            prints: prints.copied().collect(),
        }
    }

    /// Whether this is such as a list can hold.
    pub fn is_key(text: &[u8]) -> bool {
        key(text) == Some(text)
    }

    /// Whether this key is one of them.
    pub fn contains(&self, key: &[u8]) -> bool {
        key.len() <= KeyList::LEN_MAX && self.prints.binary_search(&self.print(key)).is_ok()
    }

    /// How many different keys there are.
    pub fn len(&self) -> usize {
        self.prints.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.prints.is_empty()
    }

    fn print(&self, key: &[u8]) -> u128 {
        let [high, low] = self.secret.map(|half| u128::from(siphash(half, key)));
        high << 64 | low
    }
}

/// Nobody's business.
impl std::fmt::Debug for KeyList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys", self.len())
    }
}

/// The key at the start of a line.
fn key(line: &[u8]) -> Option<&[u8]> {
    let end = line.iter().position(|byte| b" \t\r".contains(byte));
    let key = &line[..end.unwrap_or(line.len())];
    let fits = (1..=KeyList::LEN_MAX).contains(&key.len());
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let has_other_use = [&b"announce"[..], b"scrape"].contains(&key);
    (fits && key.iter().all(is_plain) && !has_other_use).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn list(text: &str) -> (KeyList, BadLines) {
        KeyList::parse(text.as_bytes(), [7; 32])
    }

    #[test]
    fn reads_one_key_a_line() {
        let long = "k".repeat(64);
        let text = format!("# mine\r\n\nabc\r\nA-_9\t of somebody\n{long}\nabc\nlast");
        let (keys, bad) = list(&text);
        assert_eq!((keys.len(), bad), (4, BadLines::default()));
        for key in ["abc", "A-_9", &long, "last"] {
            assert!(keys.contains(key.as_bytes()), "{key}");
        }
        for key in [
            "",
            "ab",
            "abcd",
            "ABC",
            "abc\r",
            "of",
            "#",
            "# mine",
            &format!("{long}k"),
        ] {
            assert!(!keys.contains(key.as_bytes()), "{key}");
        }
    }

    #[test]
    fn what_is_no_key_is_told_of() {
        let text = format!(
            "good\n blank\na/b\na%20\nannounce\nscrape\n{}\n\u{e4}\na.b\nscrapes\n",
            "k".repeat(65)
        );
        let (keys, bad) = list(&text);
        assert_eq!((keys.len(), bad.total), (2, 8));
        assert_eq!(bad.first, [2, 3, 4, 5, 6, 7, 8, 9]);
        assert!(keys.contains(b"scrapes"));
    }

    #[test]
    fn not_every_text_is_a_key() {
        for text in ["", "a b", "a ", "announce", "a/b", "a%2f", &"k".repeat(65)] {
            assert!(!KeyList::is_key(text.as_bytes()), "{text}");
        }
        assert!(KeyList::is_key("k".repeat(64).as_bytes()));
    }

    #[test]
    fn nothing_of_a_key_is_shown() {
        let (keys, _) = list("secret");
        assert_eq!(format!("{keys:?}"), "1 keys");
        let other = KeyList::parse(b"secret", [8; 32]).0;
        assert_ne!(keys.prints, other.prints);
        assert!(other.contains(b"secret"));
    }

    #[test]
    #[cfg_attr(miri, ignore = "too much of the same for Miri")]
    fn a_million_keys_take_16_bytes_each() {
        let text: String = (0..1 << 20).map(|n| format!("{n:x}\n")).collect();
        let (keys, bad) = list(&text);
        assert_eq!((keys.len(), bad.total), (1 << 20, 0));
        assert_eq!(size_of_val(&*keys.prints), 16 << 20);
        assert!(keys.contains(b"fffff") && !keys.contains(b"100000"));
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn lists_grow_and_shrink(
            written: Vec<bool>,
            names in prop::collection::vec(0u8..20, 0..99),
        ) {
            let (mut keys, _) = list("");
            let mut naive = BTreeSet::new();
            for (add, name) in written.into_iter().zip(names) {
                let name = format!("key-{name}");
                prop_assert!(KeyList::is_key(name.as_bytes()));
                if add {
                    keys = keys.with(name.as_bytes());
                    naive.insert(name);
                } else {
                    keys = keys.without(name.as_bytes());
                    naive.remove(&name);
                }
                prop_assert_eq!(keys.len(), naive.len());
                prop_assert!(naive.iter().all(|key| keys.contains(key.as_bytes())));
            }
        }

        #[test]
        fn holds_exactly_the_keys_written(
            written in proptest::collection::vec("[a-cA-C0-1_-]{1,4}", 0..50),
            ask in "[a-cA-C0-1_-]{0,4}",
        ) {
            let (keys, bad) = list(&written.join("\n"));
            let naive: BTreeSet<_> = written.iter().collect();
            prop_assert_eq!((keys.len(), bad.total), (naive.len(), 0));
            prop_assert!(naive.iter().all(|key| keys.contains(key.as_bytes())));
            prop_assert_eq!(keys.contains(ask.as_bytes()), naive.contains(&ask));
        }
    }
}

//! Bencoding (BEP 3): a writer of dictionaries, and a reader that copies nothing.

use std::ops::Range;

use super::decimal;

/// The longest text that is read: what libtorrent, too, takes of a tracker's answer at most.
pub const LEN_MAX: usize = 1 << 20;

/// How deep lists and dictionaries may nest; a tracker's answers need three.
pub const DEPTH_MAX: usize = 16;

/// Writes a dictionary, key by key in ascending order, straight into the caller's buffer.
#[must_use = "a dictionary ends with `end`"]
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// Where in `out` the last key stands, to check the order.
    last: Range<usize>,
}

impl<'o> Writer<'o> {
    /// Begins a dictionary.
    pub fn begin(out: &'o mut Vec<u8>) -> Writer<'o> {
        out.push(b'd');
        Writer { out, last: 0..0 }
    }

    /// A number.
    pub fn int(&mut self, key: &[u8], value: u64) {
        self.key(key);
        self.out.push(b'i');
        decimal::emit(value, self.out);
        self.out.push(b'e');
    }

    /// A number, if there is one.
    pub fn int_if(&mut self, key: &[u8], value: Option<u32>) {
        if let Some(value) = value {
            self.int(key, value.into());
        }
    }

    /// A string of bytes.
    pub fn bytes(&mut self, key: &[u8], value: &[u8]) {
        self.key(key);
        string(value, self.out);
    }

    /// A string of bytes, if there is one.
    pub fn bytes_if(&mut self, key: &[u8], value: Option<&[u8]>) {
        if let Some(value) = value {
            self.bytes(key, value);
        }
    }

    /// A dictionary.
    pub fn dict(&mut self, key: &[u8]) -> Writer<'_> {
        self.key(key);
        Writer::begin(self.out)
    }

    /// A list of dictionaries, each written by `each`.
    pub fn list<T>(
        &mut self,
        key: &[u8],
        items: impl Iterator<Item = T>,
        mut each: impl FnMut(&mut Writer<'_>, T),
    ) {
        self.key(key);
        self.out.push(b'l');
        for item in items {
            let mut dict = Writer::begin(self.out);
            each(&mut dict, item);
            dict.end();
        }
        self.out.push(b'e');
    }

    /// Ends the dictionary.
    pub fn end(self) {
        self.out.push(b'e');
    }

    fn key(&mut self, key: &[u8]) {
        debug_assert!(self.last.is_empty() || self.out[self.last.clone()] < *key);
        string(key, self.out);
        self.last = self.out.len() - key.len()..self.out.len();
    }
}

fn string(bytes: &[u8], out: &mut Vec<u8>) {
    decimal::emit(bytes.len() as u64, out);
    out.push(b':');
    out.extend_from_slice(bytes);
}

/// A bencoded value. Numbers without leading zeros and without `-0`; keys in any order, because
/// others do not sort theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number; larger ones are malformed.
    Int(i64),
    /// A string of bytes.
    Bytes(&'a [u8]),
    /// A list.
    List(List<'a>),
    /// A dictionary.
    Dict(Dict<'a>),
}

impl<'a> Value<'a> {
    /// Reads the value at the front, all of it checked, and returns what follows it. `None` is
    /// malformed, longer than [`LEN_MAX`], or nested deeper than [`DEPTH_MAX`].
    pub fn parse(bytes: &'a [u8]) -> Option<(Value<'a>, &'a [u8])> {
        if bytes.len() > LEN_MAX {
            return None;
        }
        split_value(bytes, DEPTH_MAX)
    }

    /// The same for values that may be longer, such as the metadata of torrents (BEP 9).
    pub fn parse_long(bytes: &'a [u8]) -> Option<(Value<'a>, &'a [u8])> {
        split_value(bytes, DEPTH_MAX)
    }

    /// The number, if it is one and fits.
    pub fn int<T: TryFrom<i64>>(self) -> Option<T> {
        match self {
            Value::Int(n) => n.try_into().ok(),
            _ => None,
        }
    }

    /// The string, if it is one.
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The dictionary, if it is one.
    pub fn dict(self) -> Option<Dict<'a>> {
        match self {
            Value::Dict(dict) => Some(dict),
            _ => None,
        }
    }
}

/// A list, still encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List<'a>(&'a [u8]);

impl<'a> List<'a> {
    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + 'a {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (value, after) = split_value(rest, DEPTH_MAX)?;
            rest = after;
            Some(value)
        })
    }
}

/// A dictionary, still encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dict<'a>(&'a [u8]);

impl<'a> Dict<'a> {
    /// The first value of that key.
    pub fn value(&self, key: &[u8]) -> Option<Value<'a>> {
        self.iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// Keys and values in the order they stand.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], Value<'a>)> + 'a {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (key, after) = split_string(rest)?;
            let (value, after) = split_value(after, DEPTH_MAX)?;
            rest = after;
            Some((key, value))
        })
    }
}

fn split_value(bytes: &[u8], depth: usize) -> Option<(Value<'_>, &[u8])> {
    match *bytes.first()? {
        b'i' => {
            let (digits, rest) = split_at_byte(&bytes[1..], b'e')?;
            Some((Value::Int(int(digits)?), rest))
        }
        b'l' => {
            let mut rest = &bytes[1..];
            while *rest.first()? != b'e' {
                rest = split_value(rest, depth.checked_sub(1)?)?.1;
            }
            let inside = &bytes[1..bytes.len() - rest.len()];
            Some((Value::List(List(inside)), &rest[1..]))
        }
        b'd' => {
            let mut rest = &bytes[1..];
            while *rest.first()? != b'e' {
                rest = split_string(rest)?.1;
                rest = split_value(rest, depth.checked_sub(1)?)?.1;
            }
            let inside = &bytes[1..bytes.len() - rest.len()];
            Some((Value::Dict(Dict(inside)), &rest[1..]))
        }
        _ => split_string(bytes).map(|(string, rest)| (Value::Bytes(string), rest)),
    }
}

fn split_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (digits, rest) = split_at_byte(bytes, b':')?;
    let len = usize::try_from(natural(digits)?).ok()?;
    rest.split_at_checked(len)
}

/// Numbers are short, so the byte is looked for in the first few only.
fn split_at_byte(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().take(24).position(|&b| b == byte)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn int(digits: &[u8]) -> Option<i64> {
    match digits.strip_prefix(b"-") {
        Some(digits) => match natural(digits)? {
            0 => None,
            n => 0i64.checked_sub_unsigned(n),
        },
        None => natural(digits)?.try_into().ok(),
    }
}

/// Digits without leading zeros; too large a number becomes one that nothing fits.
fn natural(digits: &[u8]) -> Option<u64> {
    match digits {
        [b'0', _, ..] => None,
        _ => decimal::parse(digits),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn strict_about_numbers_and_lengths() {
        for (text, value) in [
            ("i0e", Some(0)),
            ("i-1e", Some(-1)),
            ("i9223372036854775807e", Some(i64::MAX)),
            ("i-9223372036854775808e", Some(i64::MIN)),
            ("i9223372036854775808e", None),
            ("i-9223372036854775809e", None),
            ("i18446744073709551616e", None),
            ("i-0e", None),
            ("i00e", None),
            ("i01e", None),
            ("i-01e", None),
            ("ie", None),
            ("i-e", None),
            ("i+1e", None),
            ("i1", None),
            ("i", None),
            ("i0000000000000000000000000001e", None),
        ] {
            let parsed = Value::parse(text.as_bytes());
            assert_eq!(parsed, value.map(|n| (Value::Int(n), &b""[..])), "{text}");
        }
        for text in [
            "", "e", "1:", "2:a", "01:a", "-1:a", ":a", "1", "d", "l", "le", "x",
        ] {
            assert_eq!(
                Value::parse(text.as_bytes()).is_some(),
                text == "le",
                "{text}"
            );
        }
        for text in [
            "d1:ae",
            "di1e1:ae",
            "d1:a1:b",
            "d1:a1:b1:ce",
            "dlee",
            "li1e",
        ] {
            assert_eq!(Value::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn depth_and_length_are_capped() {
        let nested = |depth: usize| [vec![b'l'; depth], vec![b'e'; depth]].concat();
        assert!(Value::parse(&nested(DEPTH_MAX + 1)).is_some());
        assert!(Value::parse(&nested(DEPTH_MAX + 2)).is_none());
        assert!(Value::parse(&[b'l'; LEN_MAX]).is_none());
        let long = |len: usize| [format!("{len}:").into_bytes(), vec![b'a'; len]].concat();
        assert!(Value::parse(&long(LEN_MAX - 8)).is_some());
        assert!(Value::parse(&long(LEN_MAX)).is_none());
    }

    #[test]
    fn what_follows_is_handed_back() {
        assert_eq!(
            Value::parse(b"1:abc"),
            Some((Value::Bytes(b"a"), &b"bc"[..]))
        );
        let (value, rest) = Value::parse(b"d1:bi1e1:ai2e1:bi3ee\r\n").unwrap();
        assert_eq!(rest, b"\r\n");
        let dict = value.dict().unwrap();
        assert_eq!(dict.value(b"b"), Some(Value::Int(1)));
        assert_eq!(dict.value(b"a").unwrap().int::<u8>(), Some(2));
        assert_eq!(dict.value(b"c"), None);
        assert_eq!(dict.iter().count(), 3);
    }

    #[test]
    #[should_panic]
    #[cfg(debug_assertions)]
    fn keys_out_of_order_are_noticed() {
        let mut out = Vec::new();
        let mut dict = Writer::begin(&mut out);
        dict.int(b"peers6", 1);
        dict.int(b"peers", 1);
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn dictionaries_round_trip(
            ints in btree_map(vec(any::<u8>(), 0..5), 0..=i64::MAX as u64, 0..5),
            strings in btree_map(vec(any::<u8>(), 0..5), vec(any::<u8>(), 0..300), 0..5),
        ) {
            let mut out = Vec::new();
            let mut dict = Writer::begin(&mut out);
            let mut inner = dict.dict(b"a");
            for (key, value) in &ints {
                inner.int(key, *value);
            }
            inner.end();
            dict.list(b"b", strings.iter(), |dict, (key, value)| dict.bytes(key, value));
            dict.end();

            let (value, rest) = Value::parse(&out).unwrap();
            prop_assert!(rest.is_empty());
            let dict = value.dict().unwrap();
            let inner = dict.value(b"a").unwrap().dict().unwrap();
            let read: BTreeMap<_, _> =
                inner.iter().map(|(key, value)| (key.to_vec(), value.int().unwrap())).collect();
            prop_assert_eq!(read, ints);
            let Some(Value::List(list)) = dict.value(b"b") else { panic!("no list") };
            let read: BTreeMap<_, _> = list
                .iter()
                .flat_map(|item| item.dict().unwrap().iter().collect::<Vec<_>>())
                .map(|(key, value)| (key.to_vec(), value.bytes().unwrap().to_vec()))
                .collect();
            prop_assert_eq!(read, strings);
        }
    }
}

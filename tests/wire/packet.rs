//! What is to be read from a golden packet, and what it says it should be.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::str::FromStr;

use crate::wire::{self, Entry, from_hex};

/// One golden packet.
pub struct Packet {
    /// File and name, for failures.
    pub at: String,
    pub kind: String,
    pub bytes: Vec<u8>,
    fields: BTreeMap<String, String>,
}

/// All of them.
pub fn packets() -> impl Iterator<Item = Packet> {
    wire::entries().into_iter().map(Packet::from)
}

impl From<Entry> for Packet {
    fn from(entry: Entry) -> Packet {
        let bytes = entry.bytes();
        let Entry { at, lines } = entry;
        let (mut kind, mut fields) = (String::new(), BTreeMap::new());
        for (key, value) in lines {
            match key.as_str() {
                "kind" => kind = value,
                "hex" | "text" | "repeat" => {}
                _ => {
                    let twice = fields.insert(key.clone(), value);
                    assert!(twice.is_none(), "{at}: {key} twice, once as {twice:?}");
                }
            }
        }
        Packet {
            at,
            kind,
            bytes,
            fields,
        }
    }
}

impl Packet {
    /// Takes a field out; `None` when it is not given.
    pub fn maybe(&mut self, key: &str) -> Option<String> {
        self.fields.remove(key)
    }

    /// Takes a field out that has to be given.
    pub fn text(&mut self, key: &str) -> String {
        self.maybe(key)
            .unwrap_or_else(|| panic!("{}: no {key}", self.at))
    }

    /// Takes out a decimal number, or whatever else is read by `FromStr`.
    pub fn number<T: FromStr<Err: Debug>>(&mut self, key: &str) -> T {
        self.maybe_number(key)
            .unwrap_or_else(|| panic!("{}: no {key}", self.at))
    }

    pub fn maybe_number<T: FromStr<Err: Debug>>(&mut self, key: &str) -> Option<T> {
        let at = self.at.clone();
        self.maybe(key).map(|text| {
            text.parse()
                .unwrap_or_else(|error| panic!("{at}: {key}: {error:?}"))
        })
    }

    /// Takes out a number written in hexadecimal.
    pub fn hex(&mut self, key: &str) -> u64 {
        u64::from_str_radix(&self.text(key), 16).unwrap()
    }

    /// Takes out bytes written in hexadecimal; none if the key is not given.
    pub fn bytes_of(&mut self, key: &str) -> Vec<u8> {
        self.maybe(key)
            .map_or_else(Vec::new, |text| from_hex(&text))
    }

    /// Takes out `yes` or `no`.
    pub fn flag(&mut self, key: &str) -> bool {
        match self.text(key).as_str() {
            "yes" => true,
            "no" => false,
            other => panic!("{}: {key}: {other}", self.at),
        }
    }

    /// Every field has to be taken out: one that is left is misspelt, or not checked.
    pub fn finish(self) {
        assert!(
            self.fields.is_empty(),
            "{}: left over: {:?}",
            self.at,
            self.fields
        );
    }
}

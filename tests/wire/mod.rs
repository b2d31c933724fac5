//! Golden packets: bytes, and what they mean, in text files that are edited by hand.
//!
//! A `#` begins a comment line. A packet begins with its name in brackets and consists of
//! `key = value` lines up to the next one:
//!
//! - `kind` says which message it is, and so which keys may follow;
//! - `hex`, `text` and `repeat` give its bytes and are joined in their order. `hex` may have
//!   spaces; `text` knows `\r`, `\n`, `\\` and `\x` with two digits; `repeat = 100 text` stands
//!   for the text a hundred times;
//! - every other key says what is to be read from the bytes. A key that is missing says that
//!   nothing was sent.
//!
//! The values were worked out from the specifications, not printed by the parser.

#![allow(dead_code, reason = "every test that includes this uses a part of it")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::str::FromStr;

/// One golden packet.
#[derive(Clone, Debug)]
pub struct Packet {
    /// File and name, for failures.
    pub at: String,
    pub kind: String,
    pub bytes: Vec<u8>,
    fields: BTreeMap<String, String>,
}

/// All packets of all files in this directory.
pub fn packets() -> Vec<Packet> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire");
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "txt"));
    files.sort();
    files.iter().flat_map(|path| read(path)).collect()
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

fn read(path: &Path) -> Vec<Packet> {
    let file = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap();
    let mut packets: Vec<Packet> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let at = format!("{file}:{}", index + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            packets.push(Packet {
                at: format!("{at} [{name}]"),
                kind: String::new(),
                bytes: Vec::new(),
                fields: BTreeMap::new(),
            });
            continue;
        }
        let (key, value) = line
            .split_once(" = ")
            .unwrap_or_else(|| panic!("{at}: no ` = `"));
        let packet = packets
            .last_mut()
            .unwrap_or_else(|| panic!("{at}: no [name] yet"));
        match key {
            "kind" => packet.kind = value.to_string(),
            "hex" => packet.bytes.extend(from_hex(value)),
            "text" => packet.bytes.extend(unescape(value)),
            "repeat" => {
                let (times, text) = value.split_once(' ').unwrap();
                packet
                    .bytes
                    .extend(unescape(text).repeat(times.parse().unwrap()));
            }
            _ => {
                let twice = packet.fields.insert(key.to_string(), value.to_string());
                assert!(twice.is_none(), "{at}: {key} twice");
            }
        }
    }
    packets
}

/// Bytes of hexadecimal digits, spaces between them ignored.
pub fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| *c != ' ')
        .map(|c| {
            c.to_digit(16)
                .unwrap_or_else(|| panic!("not hexadecimal: {text}")) as u8
        })
        .collect();
    assert!(digits.len().is_multiple_of(2), "half a byte: {text}");
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// The bytes that a text with `\r`, `\n`, `\\` and `\xHH` stands for.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend(plain.bytes());
        let (byte, len) = match escape.as_bytes().first() {
            Some(b'r') => (b'\r', 1),
            Some(b'n') => (b'\n', 1),
            Some(b'\\') => (b'\\', 1),
            Some(b'x') => (u8::from_str_radix(&escape[1..3], 16).unwrap(), 3),
            _ => panic!("unknown escape: {text}"),
        };
        bytes.push(byte);
        rest = &escape[len..];
    }
    bytes.extend(rest.bytes());
    bytes
}

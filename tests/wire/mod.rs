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

use std::fs;
use std::path::Path;

/// One golden packet as it is written down.
pub struct Entry {
    /// File and name, for failures.
    pub at: String,
    /// Its keys and values, in their order.
    pub lines: Vec<(String, String)>,
}

/// All packets of all files in this directory.
pub fn entries() -> Vec<Entry> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire");
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "txt"));
    files.sort();
    files.iter().flat_map(|path| read(path)).collect()
}

impl Entry {
    /// What goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (key, value) in &self.lines {
            match key.as_str() {
                "hex" => bytes.extend(from_hex(value)),
                "text" => bytes.extend(unescape(value)),
                "repeat" => {
                    let parts = value.split_once(' ');
                    let parts = parts.and_then(|(n, text)| Some((n.parse().ok()?, text)));
                    let (times, text) =
                        parts.unwrap_or_else(|| panic!("{}: repeat = {value}", self.at));
                    bytes.extend(unescape(text).repeat(times));
                }
                _ => {}
            }
        }
        bytes
    }
}

fn read(path: &Path) -> Vec<Entry> {
    let file = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap();
    let mut entries: Vec<Entry> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let at = format!("{file}:{}", index + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            entries.push(Entry {
                at: format!("{at} [{name}]"),
                lines: Vec::new(),
            });
            continue;
        }
        let (key, value) = line
            .split_once(" = ")
            .unwrap_or_else(|| panic!("{at}: no ` = `"));
        let entry = entries
            .last_mut()
            .unwrap_or_else(|| panic!("{at}: no [name] yet"));
        entry.lines.push((key.to_string(), value.to_string()));
    }
    entries
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
fn unescape(text: &str) -> Vec<u8> {
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

//! Lists of all torrents, in opentracker's formats: the full scrape, `/stats?mode=tpbs` and
//! `/stats?mode=statedump`. The last can be read again.

use super::bencode::Writer;
use super::decimal;
use crate::types::{Entry, InfoHash};

/// How torrents are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Bencoded, as a scrape (BEP 48); `tpbs` calls it `ben`.
    Scrape,
    /// `HASH:SEEDERS:LEECHERS`, a line each; `txt`.
    Text,
    /// The same and `:COMPLETED`; `txtp`.
    TextCompleted,
    /// As `txt`, but the info-hash is quoted as in a URL; `url`.
    Url,
    /// Info-hash, seeders and leechers in 28 bytes, big endian; `bin`.
    Binary,
    /// `HASH:MINUTES:COMPLETED`, where the minutes are those from 1970 to the last activity.
    State,
}

impl Format {
    /// The format that `tpbs` knows by this name.
    pub fn named(name: &[u8]) -> Option<Format> {
        match name {
            b"ben" => Some(Format::Scrape),
            b"txt" => Some(Format::Text),
            b"txtp" => Some(Format::TextCompleted),
            b"url" => Some(Format::Url),
            b"bin" => Some(Format::Binary),
            _ => None,
        }
    }

    /// Appends what comes before the first torrent.
    pub fn begin(self, out: &mut Vec<u8>) {
        if self == Format::Scrape {
            out.extend_from_slice(b"d5:filesd");
        }
    }

    /// Appends a torrent; `minutes` are those since 1970.
    pub fn emit(self, entry: &Entry, minutes: u32, out: &mut Vec<u8>) {
        let Entry {
            info_hash, counts, ..
        } = entry;
        let (seeders, leechers) = (counts.seeders, counts.leechers);
        match self {
            Format::Scrape => return emit_file(entry, out),
            Format::Binary => {
                out.extend_from_slice(&info_hash.0);
                out.extend_from_slice(&seeders.to_be_bytes());
                out.extend_from_slice(&leechers.to_be_bytes());
                return;
            }
            Format::Url => emit_quoted(info_hash, out),
            Format::Text | Format::TextCompleted | Format::State => emit_hex(info_hash, out),
        }
        let active = minutes.saturating_sub(entry.idle_secs / 60);
        let numbers = match self {
            Format::State => [Some(active), Some(counts.completed), None],
            Format::TextCompleted => [Some(seeders), Some(leechers), Some(counts.completed)],
            _ => [Some(seeders), Some(leechers), None],
        };
        for number in numbers.into_iter().flatten() {
            out.push(b':');
            decimal::emit(number.into(), out);
        }
        out.push(b'\n');
    }

    /// Appends what comes after the last torrent.
    pub fn end(self, out: &mut Vec<u8>) {
        if self == Format::Scrape {
            out.extend_from_slice(b"ee");
        }
    }
}

/// A line of [`Format::State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Which torrent.
    pub info_hash: InfoHash,
    /// Minutes from 1970 to its last activity.
    pub minutes: u32,
    /// Downloads finished.
    pub completed: u32,
}

impl State {
    /// Reads a line without its end. As opentracker does it takes hexadecimal digits of either
    /// case, and anything after the last number; unlike there, the digits have to be some.
    pub fn parse(line: &[u8]) -> Option<State> {
        let (digits, rest) = line.split_first_chunk::<40>()?;
        let (minutes, rest) = parse_number(rest)?;
        let (completed, _) = parse_number(rest)?;
        Some(State {
            info_hash: parse_hex(digits)?,
            minutes,
            completed,
        })
    }
}

/// `:NUMBER`, and what follows; numbers too large are the largest.
fn parse_number(text: &[u8]) -> Option<(u32, &[u8])> {
    let text = text.strip_prefix(b":")?;
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = decimal::parse(&text[..len])?;
    Some((u32::try_from(number).unwrap_or(u32::MAX), &text[len..]))
}

fn parse_hex(digits: &[u8; 40]) -> Option<InfoHash> {
    let mut bytes = [0; InfoHash::LEN];
    let (pairs, _) = digits.as_chunks::<2>();
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = (high? * 16 + low?) as u8;
    }
    Some(InfoHash(bytes))
}

/// As opentracker has it: without `downloaders`, which a scrape by info-hash tells.
fn emit_file(entry: &Entry, out: &mut Vec<u8>) {
    out.extend_from_slice(b"20:");
    out.extend_from_slice(&entry.info_hash.0);
    let mut file = Writer::begin(out);
    file.int(b"complete", entry.counts.seeders.into());
    file.int(b"downloaded", entry.counts.completed.into());
    file.int(b"incomplete", entry.counts.leechers.into());
    file.end();
}

fn emit_hex(info_hash: &InfoHash, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in info_hash.0 {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Quoted as opentracker does it, which leaves more bytes as they are than it need.
fn emit_quoted(info_hash: &InfoHash, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in info_hash.0 {
        if byte.is_ascii_alphanumeric() || b"$-./=_~".contains(&byte) {
            out.push(byte);
        } else {
            out.push(b'%');
            out.push(DIGITS[usize::from(byte >> 4)]);
            out.push(DIGITS[usize::from(byte & 15)]);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::str;

    use super::*;
    use crate::types::Counts;
    use proptest::prelude::*;

    fn entry(bytes: impl Iterator<Item = u8>) -> Entry {
        let mut info_hash = InfoHash([b'a'; 20]);
        info_hash
            .0
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, byte)| *to = byte);
        Entry {
            info_hash,
            counts: Counts {
                seeders: 2,
                leechers: 256,
                paused: 1,
                completed: 77,
            },
            idle_secs: 119,
        }
    }

    fn text(format: Format, entries: &[Entry]) -> Vec<u8> {
        let mut out = Vec::new();
        format.begin(&mut out);
        entries
            .iter()
            .for_each(|entry| format.emit(entry, 29_920_367, &mut out));
        format.end(&mut out);
        out
    }

    #[test]
    fn formats_are_those_of_opentracker() {
        let hex = "000102030405060708090A0B0C0D0E0F10111213";
        let one = [entry(0..20)];
        for (name, expected) in [
            ("txt", format!("{hex}:2:256\n")),
            ("txtp", format!("{hex}:2:256:77\n")),
            (
                "url",
                "%00%01%02%03%04%05%06%07%08%09%0a%0b%0c%0d%0e%0f%10%11%12%13:2:256\n".into(),
            ),
        ] {
            let format = Format::named(name.as_bytes()).unwrap();
            assert_eq!(text(format, &one), expected.as_bytes(), "{name}");
        }
        let state = format!("{hex}:29920366:77\n");
        assert_eq!(text(Format::State, &one), state.as_bytes());
        let mut binary: Vec<u8> = (0..20).collect();
        binary.extend_from_slice(&[0, 0, 0, 2, 0, 0, 1, 0]);
        assert_eq!(text(Format::named(b"bin").unwrap(), &one), binary);
        let mut bencoded = b"d5:filesd20:".to_vec();
        bencoded.extend(0..20);
        bencoded.extend_from_slice(b"d8:completei2e10:downloadedi77e10:incompletei256eeee");
        assert_eq!(text(Format::named(b"ben").unwrap(), &one), bencoded);
        assert_eq!(text(Format::Scrape, &[]), b"d5:filesdee");
        assert_eq!(Format::named(b""), None);
    }

    #[test]
    fn urls_are_quoted_as_by_opentracker() {
        let entries: Vec<_> = (0..13)
            .map(|n: u8| entry(n * 20..=(n * 20).saturating_add(19)))
            .collect();
        let all = text(Format::Url, &entries);
        let lines: Vec<_> = str::from_utf8(&all)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        assert_eq!(
            lines[1],
            "%14%15%16%17%18%19%1a%1b%1c%1d%1e%1f%20%21%22%23$%25%26%27:2:256"
        );
        assert_eq!(lines[2], "%28%29%2a%2b%2c-./0123456789%3a%3b:2:256");
        assert_eq!(lines[3], "%3c=%3e%3f%40ABCDEFGHIJKLMNO:2:256");
        assert_eq!(lines[4], "PQRSTUVWXYZ%5b%5c%5d%5e_%60abc:2:256");
        assert_eq!(
            lines[6],
            "xyz%7b%7c%7d~%7f%80%81%82%83%84%85%86%87%88%89%8a%8b:2:256"
        );
    }

    #[test]
    fn states_are_read_as_by_opentracker() {
        let hex = "0101010101010101010101010101010101010aBF";
        let parsed = |rest: &str| State::parse(format!("{hex}{rest}").as_bytes());
        let state = parsed(":29920367:1").unwrap();
        assert_eq!((state.minutes, state.completed), (29_920_367, 1));
        assert_eq!(state.info_hash.0[18..], [0x0a, 0xbf]);
        assert_eq!(parsed(":29920367:1:and more\r"), Some(state));
        assert_eq!(parsed(":29920367:99999999999").unwrap().completed, u32::MAX);
        for bad in ["", ":", ":1", ":1:", "::1", " :1:1", ":-1:1", "0:1:1"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
        assert_eq!(
            State::parse(format!("{}:1:1", "0g".repeat(20)).as_bytes()),
            None
        );
        assert_eq!(State::parse(b"01:1:1"), None);
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn states_round_trip(info_hash: [u8; 20], minutes: u32, completed: u32) {
            let entry = Entry {
                info_hash: InfoHash(info_hash),
                counts: Counts { completed, ..Counts::default() },
                idle_secs: 0,
            };
            let mut out = Vec::new();
            Format::State.emit(&entry, minutes, &mut out);
            let state = State { info_hash: entry.info_hash, minutes, completed };
            prop_assert_eq!(State::parse(out.strip_suffix(b"\n").unwrap()), Some(state));
        }
    }
}

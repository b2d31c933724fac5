//! The names of torrents.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The 20 bytes that name a torrent (BEP 3); for BEP 52 the truncated SHA-256.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub [u8; 20]);

impl InfoHash {
    /// Length in bytes on every wire.
    pub const LEN: usize = 20;
    /// All there can be, in their order.
    pub const ALL: RangeInclusive<InfoHash> = InfoHash([0; 20])..=InfoHash([0xff; 20]);

    /// The one that follows in their order; after the last comes the last.
    pub fn next(self) -> InfoHash {
        let mut next = self;
        for byte in next.0.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                return next;
            }
        }
        self
    }
}

/// 40 hexadecimal digits of either case.
impl FromStr for InfoHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<InfoHash, NotAHash> {
        let mut hash = InfoHash([0; InfoHash::LEN]);
        let pairs = text.as_bytes().chunks_exact(2);
        if text.len() != 2 * InfoHash::LEN {
            return Err(NotAHash);
        }
        for (byte, pair) in hash.0.iter_mut().zip(pairs) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16).ok_or(NotAHash);
            *byte = (digit(0)? << 4 | digit(1)?) as u8;
        }
        Ok(hash)
    }
}

/// A text is no info-hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAHash;

/// Upper-case hexadecimal, as opentracker prints hashes.
impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02X}"))
    }
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_written() {
        let hash = InfoHash(*b"\x00\x01\x7f\x80\xff0123456789abcde");
        let text = hash.to_string();
        assert_eq!(text.parse(), Ok(hash));
        assert_eq!(text.to_lowercase().parse(), Ok(hash));
        for bad in [
            &text[1..],
            &format!("{text}0"),
            &text.replace('F', "G"),
            "",
            &"\u{e4}".repeat(20),
        ] {
            assert_eq!(bad.parse::<InfoHash>(), Err(NotAHash), "{bad}");
        }
    }

    #[test]
    fn each_has_a_next() {
        let name = |front: u8, back: [u8; 2]| {
            let mut bytes = [front; 20];
            bytes[18..].copy_from_slice(&back);
            InfoHash(bytes)
        };
        assert_eq!(name(7, [0, 0]).next(), name(7, [0, 1]));
        assert_eq!(name(7, [1, 255]).next(), name(7, [2, 0]));
        assert_eq!(InfoHash([255; 20]).next(), InfoHash([255; 20]));
        assert_eq!(InfoHash::ALL.start().next(), name(0, [0, 1]));
    }
}

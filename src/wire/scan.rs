//! Looking for a byte, a machine word at a time: most of what reading HTTP is.

const LEN: usize = size_of::<usize>();
/// A word with 1 in every byte.
const ONES: usize = usize::MAX / 0xff;
const TOP_BITS: usize = ONES << 7;

/// Where the byte first stands.
pub fn position(byte: u8, bytes: &[u8]) -> Option<usize> {
    let pattern = ONES * byte as usize;
    let (words, rest) = bytes.as_chunks::<LEN>();
    for (index, word) in words.iter().enumerate() {
        // Little endian, so that the first byte is the lowest.
        let differing = usize::from_le_bytes(*word) ^ pattern;
        // The lowest top bit left standing belongs to the lowest byte that is zero; those above
        // it may be wrong.
        let zeros = differing.wrapping_sub(ONES) & !differing & TOP_BITS;
        if zeros != 0 {
            return Some(index * LEN + zeros.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|&b| b == byte)?;
    Some(words.len() * LEN + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn as_byte_by_byte(
            byte in prop::sample::select(vec![0, 1, b'\n', 0x7f, 0x80, 0xff]),
            bytes in vec(prop::sample::select(vec![0, 1, 9, b'\n', 11, 0x7f, 0x80, 0xff]), 0..40),
        ) {
            prop_assert_eq!(position(byte, &bytes), bytes.iter().position(|&b| b == byte));
        }
    }
}

//! Decimal numbers without `format!`: in bencode, in headers, in queries.

/// The numbers below 100, two digits each.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + n as u8 / 10, b'0' + n as u8 % 10];
        n += 1;
    }
    pairs
};

/// Appends `n` in decimal digits.
pub fn emit(n: u64, out: &mut Vec<u8>) {
    if n < 10 {
        return out.push(b'0' + n as u8);
    }
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut wide = n;
    while wide > u64::from(u32::MAX) {
        at -= 1;
        digits[at] = b'0' + (wide % 10) as u8;
        wide /= 10;
    }
    // Most numbers are small, and 64-bit division is slow on 32-bit machines.
    let mut narrow = wide as u32;
    while narrow >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[narrow as usize % 100]);
        narrow /= 100;
    }
    if narrow > 0 {
        at -= 1;
        digits[at] = b'0' + narrow as u8;
    }
    out.extend_from_slice(&digits[at..]);
}

/// Reads digits and nothing else, leading zeros included; a number too large for 64 bits is the
/// largest there is. `None` when a byte is not a digit, or there is none.
pub fn parse(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0u64, |n, &byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| n.saturating_mul(10).saturating_add(digit.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edges() {
        for n in [
            0,
            9,
            10,
            u64::from(u32::MAX),
            u64::from(u32::MAX) + 1,
            u64::MAX,
        ] {
            let mut out = Vec::new();
            emit(n, &mut out);
            assert_eq!(out, n.to_string().into_bytes());
        }
        assert_eq!(parse(b"18446744073709551616"), Some(u64::MAX));
        assert_eq!(parse(b"99999999999999999999999"), Some(u64::MAX));
        assert_eq!(parse(b"007"), Some(7));
        for bad in [&b""[..], b"-1", b"+1", b"1 ", b"1e9", b"0x1", b"\xb1"] {
            assert_eq!(parse(bad), None);
        }
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn round_trip(n: u64) {
            let mut out = Vec::new();
            emit(n, &mut out);
            prop_assert_eq!(parse(&out), Some(n));
        }
    }
}

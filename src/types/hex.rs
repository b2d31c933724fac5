//! Hexadecimal digits by table: they are read by the million.

/// What no hexadecimal digit is worth.
pub const NO_DIGIT: u8 = 16;

/// What each byte is worth as a hexadecimal digit of either case.
pub const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        digits[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

/// What a byte is worth as a hexadecimal digit, if it is one.
pub fn digit(byte: u8) -> Option<u8> {
    Some(DIGITS[usize::from(byte)]).filter(|&value| value < NO_DIGIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_standard_library_has_it() {
        for byte in 0..=u8::MAX {
            let expected = char::from(byte).to_digit(16);
            assert_eq!(digit(byte).map(u32::from), expected, "{byte}");
        }
    }
}

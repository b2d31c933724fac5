//! The word that opens the API.

use std::fmt;
use std::hint;

/// What those have to show who want to be heard.
pub struct Token(Box<[u8]>);

impl Token {
    /// The fewest bytes of one: nobody guesses 16 that were drawn at random.
    pub const LEN_MIN: usize = 16;
    /// The most.
    pub const LEN_MAX: usize = 512;

    /// Reads a file with one token in it, and blanks around it. `None` if that is too short, too
    /// long, or not such as can stand in a header.
    pub fn parse(text: &[u8]) -> Option<Token> {
        let token = text.trim_ascii();
        let fits = (Token::LEN_MIN..=Token::LEN_MAX).contains(&token.len());
        (fits && token.iter().all(u8::is_ascii_graphic)).then(|| Token(token.into()))
    }

    /// Whether this is it. How long the answer takes tells nothing but the length.
    pub fn is(&self, said: &[u8]) -> bool {
        let pairs = self.0.iter().zip(said);
        let differing = pairs.fold(0, |sum, (a, b)| hint::black_box(sum | (a ^ b)));
        self.0.len() == said.len() && differing == 0
    }
}

/// Nobody's business.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_line_of_its_own() {
        let parse = |text: &str| Token::parse(text.as_bytes());
        for text in [
            "0123456789abcdef",
            " 0123456789abcdef\r\n",
            "\n0123456789abcdef",
        ] {
            assert!(parse(text).is_some_and(|token| token.is(b"0123456789abcdef")));
        }
        let long = "x".repeat(513);
        for text in [
            "",
            "0123456789abcde",
            "0123456789 abcdefg",
            "0123456789abcde\u{e4}",
            &long,
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_it() {
        let Some(token) = Token::parse(b"0123456789abcdef") else {
            panic!("a token");
        };
        let others = [
            "",
            "0",
            "0123456789abcdeF",
            "1123456789abcdef",
            "0123456789abcdef0",
        ];
        assert!(others.iter().all(|other| !token.is(other.as_bytes())));
        assert_eq!(format!("{token:?}"), "a token");
    }
}

//! Bodies whose length is not known when they begin: chunks (RFC 9112, 7.1), and whether the
//! client takes them compressed.

use super::http::Headers;

/// Ends a body.
const LAST: &[u8] = b"0\r\n\r\n";

/// Where a chunk will begin in `out`.
pub struct Chunk {
    at: usize,
}

/// Digits for the length of a chunk, which is known only when it is complete. Leading zeros are
/// allowed.
const DIGITS: usize = 8;

impl Chunk {
    /// Begins a chunk: what is appended to `out` from here on.
    pub fn begin(out: &mut Vec<u8>) -> Chunk {
        let at = out.len();
        out.extend_from_slice(b"00000000\r\n");
        Chunk { at }
    }

    /// Ends it. One of no bytes, which would end the body, is taken back.
    pub fn end(self, out: &mut Vec<u8>) {
        let start = self.at + DIGITS + 2;
        let len = out.len() - start;
        if len == 0 {
            return out.truncate(self.at);
        }
        let mut rest = len;
        for digit in out[self.at..self.at + DIGITS].iter_mut().rev() {
            *digit = b"0123456789abcdef"[rest & 15];
            rest >>= 4;
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Ends the body.
pub fn emit_end(out: &mut Vec<u8>) {
    out.extend_from_slice(LAST);
}

/// Whether the client takes gzip (RFC 9110, 12.5.3): it names it, or anything, and does not give
/// it the weight 0.
pub fn accepts_gzip(headers: &Headers<'_>) -> bool {
    let mut any = false;
    for value in headers.named("Accept-Encoding") {
        for choice in value.split(|&byte| byte == b',') {
            let mut parts = choice.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let refused = parts.any(is_zero_weight);
            if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") {
                return !refused;
            }
            any |= name == b"*" && !refused;
        }
    }
    any
}

/// `q=0`, also with decimals.
fn is_zero_weight(parameter: &[u8]) -> bool {
    let mut parts = parameter
        .splitn(2, |&byte| byte == b'=')
        .map(<[u8]>::trim_ascii);
    let is_weight = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case(b"q"));
    let weight = parts.next().unwrap_or_default();
    is_weight && weight.starts_with(b"0") && weight.iter().all(|byte| b"0.".contains(byte))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::http::Head;
    use super::*;

    #[test]
    fn chunks_say_how_long_they_are() {
        let mut out = b"head".to_vec();
        for part in [&b"hello"[..], b"", &[b'x'; 300]] {
            let chunk = Chunk::begin(&mut out);
            out.extend_from_slice(part);
            chunk.end(&mut out);
        }
        emit_end(&mut out);
        let long = "x".repeat(300);
        let expected = format!("head00000005\r\nhello\r\n0000012c\r\n{long}\r\n0\r\n\r\n");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (header, takes) in [
            ("", false),
            ("Accept-Encoding: gzip\r\n", true),
            ("accept-encoding: deflate, GZIP;q=0.5, br\r\n", true),
            ("Accept-Encoding: gzip;q=0\r\n", false),
            ("Accept-Encoding: gzip; q=0.000, *\r\n", false),
            ("Accept-Encoding: *\r\n", true),
            ("Accept-Encoding: *;q=0\r\n", false),
            ("Accept-Encoding: identity\r\n", false),
            ("Accept-Encoding: br\r\nAccept-Encoding: x-gzip\r\n", true),
            ("X-Other: gzip\r\n", false),
        ] {
            let request = format!("GET /scrape HTTP/1.1\r\n{header}\r\n");
            let (head, _) = Head::parse(request.as_bytes(), 0).unwrap().unwrap();
            assert_eq!(accepts_gzip(&head.headers), takes, "{header}");
        }
    }
}

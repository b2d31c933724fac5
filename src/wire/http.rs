//! Heads of HTTP/1.0 and 1.1 requests and responses (RFC 9110, RFC 9112), as far as a tracker
//! needs them: no bodies in requests, no chunks in responses, and GET only, but for those who
//! manage it.
//!
//! Everything has a defined answer: a head is parsed, incomplete, or refused with a [`Status`],
//! after which the connection can't be trusted to be in step and is to be closed. Reading is
//! strict where two readers could disagree about where a message ends, and lenient elsewhere:
//! bare LF ends a line, up to two empty lines before a request are skipped, `Host` is not asked
//! for, raw bytes from 0x80 may stand in a target, and so may spaces before its `?`.

use super::decimal;
use super::scan::position;

/// The longest head. A scrape of the 74 hashes that UDP allows, every byte percent-encoded, is
/// 5.3 KB, and browsers and proxies add up to 8 KB of cookies and names; a slow sender costs no
/// more than this. The request line has no limit of its own.
pub const HEAD_LEN_MAX: usize = 16 * 1024;

/// How much of two empty lines before a request is skipped: some clients end a request with one
/// line end too many.
const LEADING_LEN_MAX: usize = 4;

/// The longest registered method has 17 letters; what is longer is none.
const METHOD_LEN_MAX: usize = 20;

/// A status code. As an error of parsing it is the answer to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    /// It is there now.
    pub const CREATED: Status = Status(201);
    /// It has begun.
    pub const ACCEPTED: Status = Status(202);
    /// The answer follows.
    pub const OK: Status = Status(200);
    /// Look there instead.
    pub const FOUND: Status = Status(302);
    /// Not HTTP, or not unambiguous.
    pub const BAD_REQUEST: Status = Status(400);
    /// Not without saying who you are.
    pub const UNAUTHORIZED: Status = Status(401);
    /// Not for you.
    pub const FORBIDDEN: Status = Status(403);
    /// No such path.
    pub const NOT_FOUND: Status = Status(404);
    /// Only GET.
    pub const METHOD_NOT_ALLOWED: Status = Status(405);
    /// The head took too long to come.
    pub const REQUEST_TIMEOUT: Status = Status(408);
    /// Not as things are.
    pub const CONFLICT: Status = Status(409);
    /// Requests have no body here.
    pub const CONTENT_TOO_LARGE: Status = Status(413);
    /// The request line alone is longer than [`HEAD_LEN_MAX`].
    pub const URI_TOO_LONG: Status = Status(414);
    /// Too often.
    pub const TOO_MANY: Status = Status(429);
    /// The head is longer than [`HEAD_LEN_MAX`].
    pub const HEAD_TOO_LARGE: Status = Status(431);
    /// Not what this tracker can do.
    pub const INTERNAL_ERROR: Status = Status(500);
    /// Not HTTP/1.
    pub const VERSION_NOT_SUPPORTED: Status = Status(505);
    /// Too busy just now.
    pub const UNAVAILABLE: Status = Status(503);

    /// The phrase that goes with the code.
    pub fn reason(self) -> &'static str {
        match self {
            Status::OK => "OK",
            Status::CREATED => "Created",
            Status::ACCEPTED => "Accepted",
            Status::FOUND => "Found",
            Status::BAD_REQUEST => "Bad Request",
            Status::UNAUTHORIZED => "Unauthorized",
            Status::FORBIDDEN => "Forbidden",
            Status::NOT_FOUND => "Not Found",
            Status::METHOD_NOT_ALLOWED => "Method Not Allowed",
            Status::REQUEST_TIMEOUT => "Request Timeout",
            Status::CONFLICT => "Conflict",
            Status::CONTENT_TOO_LARGE => "Content Too Large",
            Status::URI_TOO_LONG => "URI Too Long",
            Status::TOO_MANY => "Too Many Requests",
            Status::HEAD_TOO_LARGE => "Request Header Fields Too Large",
            Status::INTERNAL_ERROR => "Internal Server Error",
            Status::UNAVAILABLE => "Service Unavailable",
            Status::VERSION_NOT_SUPPORTED => "HTTP Version Not Supported",
            _ => "",
        }
    }
}

/// The version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: connections close unless both sides say otherwise.
    V10,
    /// HTTP/1.1, or a later 1.x: connections stay unless one side says otherwise.
    V11,
}

/// What a request wants to be done (RFC 9110, 9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// To be told.
    Get,
    /// That something be there.
    Put,
    /// That something happen.
    Post,
    /// That something be there no more.
    Delete,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 4] = [Method::Get, Method::Put, Method::Post, Method::Delete];

    /// What a request begins with.
    fn word(self) -> &'static [u8] {
        match self {
            Method::Get => b"GET ",
            Method::Put => b"PUT ",
            Method::Post => b"POST ",
            Method::Delete => b"DELETE ",
        }
    }
}

/// The head of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// What to do.
    pub method: Method,
    /// Path and query, as sent; begins with `/`. See [`super::query::split`].
    pub target: &'a [u8],
    /// As sent.
    pub version: Version,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
    /// All the headers.
    pub headers: Headers<'a>,
}

impl<'a> Head<'a> {
    /// Reads the head at the front of `bytes` and says how many bytes it took; `None` when more
    /// are needed. `seen` is how many of the bytes an earlier call has already found incomplete,
    /// 0 at first: with it a head that trickles in is still read in linear time.
    ///
    /// A method that is not GET is refused as soon as it can be told, everything else when the
    /// head is complete or longer than [`HEAD_LEN_MAX`]; how the bytes were cut makes no
    /// difference.
    pub fn parse(bytes: &'a [u8], seen: usize) -> Result<Option<(Head<'a>, usize)>, Status> {
        Head::parse_any(&[Method::Get], bytes, seen)
    }

    /// The same where some more methods are served; others are refused.
    pub fn parse_any(
        methods: &[Method],
        bytes: &'a [u8],
        seen: usize,
    ) -> Result<Option<(Head<'a>, usize)>, Status> {
        let skipped = bytes
            .iter()
            .take(LEADING_LEN_MAX)
            .take_while(|b| matches!(b, b'\r' | b'\n'));
        let start = skipped.count();
        let Some(method) = method(methods, &bytes[start..])? else {
            return Ok(None);
        };
        let Some(end) = end_of_head(bytes, start, seen) else {
            return if bytes.len() < HEAD_LEN_MAX {
                Ok(None)
            } else if bytes[start..HEAD_LEN_MAX].contains(&b'\n') {
                Err(Status::HEAD_TOO_LARGE)
            } else {
                Err(Status::URI_TOO_LONG)
            };
        };
        let (line, block) = split_line(&bytes[start..end]);
        let (target, version) = request_line(&line[method.word().len()..])?;
        let (headers, framing) = Headers::parse(block).ok_or(Status::BAD_REQUEST)?;
        if framing.chunked && framing.content_length.is_some() {
            return Err(Status::BAD_REQUEST);
        }
        if framing.chunked || framing.content_length.is_some_and(|len| len > 0) {
            return Err(Status::CONTENT_TOO_LARGE);
        }
        let keep_alive = framing.keep_alive(version);
        Ok(Some((
            Head {
                method,
                target,
                version,
                keep_alive,
                headers,
            },
            end,
        )))
    }

    /// The value of the first header of that name, in any case; without surrounding spaces.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.named(name).next()
    }
}

/// Appends the head of a GET request. `target` and `headers` are the caller's to keep free of
/// line ends; whether the connection stays is said by a header among them.
pub fn emit_request(target: &[u8], version: Version, headers: &[(&str, &[u8])], out: &mut Vec<u8>) {
    out.extend_from_slice(b"GET ");
    out.extend_from_slice(target);
    out.extend_from_slice(match version {
        Version::V10 => b" HTTP/1.0\r\n",
        Version::V11 => b" HTTP/1.1\r\n",
    });
    for (name, value) in headers {
        emit_header(name, value, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// The head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The status code.
    pub status: Status,
    /// Emitting: the version of the request, which decides what has to be said about the
    /// connection; the status line says HTTP/1.1 whatever the request was (RFC 9110, 2.5).
    /// Parsed: that of the status line.
    pub version: Version,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
    /// Empty for none.
    pub content_type: &'a [u8],
    /// Bytes of the body; `None` when the body comes in chunks, or ends with the connection.
    pub content_length: Option<u64>,
    /// Whether the body comes in chunks ([`super::chunked`]).
    pub chunked: bool,
    /// How the body is compressed; empty for not at all.
    pub encoding: &'a [u8],
    /// Where to look instead.
    pub location: Option<&'a [u8]>,
}

impl<'a> Response<'a> {
    /// Appends the head; the body is the caller's to append.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1 ");
        decimal::emit(self.status.0.into(), out);
        out.push(b' ');
        out.extend_from_slice(self.status.reason().as_bytes());
        out.extend_from_slice(b"\r\n");
        if !self.content_type.is_empty() {
            emit_header("Content-Type", self.content_type, out);
        }
        if let Some(len) = self.content_length {
            out.extend_from_slice(b"Content-Length: ");
            decimal::emit(len, out);
            out.extend_from_slice(b"\r\n");
        }
        if self.chunked {
            emit_header("Transfer-Encoding", b"chunked", out);
        }
        if !self.encoding.is_empty() {
            emit_header("Content-Encoding", self.encoding, out);
        }
        if let Some(location) = self.location {
            emit_header("Location", location, out);
        }
        if self.status == Status::METHOD_NOT_ALLOWED {
            out.extend_from_slice(b"Allow: GET\r\n");
        }
        match (self.version, self.keep_alive) {
            (_, false) => out.extend_from_slice(b"Connection: close\r\n"),
            (Version::V10, true) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            (Version::V11, true) => {}
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Reads the head at the front of `bytes` and says how many bytes it took; `Ok(None)` when
    /// more are needed, with `seen` as in [`Head::parse`]. Chunked bodies are malformed: whoever
    /// asks in HTTP/1.0 gets none.
    pub fn parse(bytes: &'a [u8], seen: usize) -> Result<Option<(Response<'a>, usize)>, Malformed> {
        let Some(end) = end_of_head(bytes, 0, seen) else {
            return if bytes.len() < HEAD_LEN_MAX {
                Ok(None)
            } else {
                Err(Malformed)
            };
        };
        let (line, block) = split_line(&bytes[..end]);
        let (status, version) = status_line(line).ok_or(Malformed)?;
        let (headers, framing) = Headers::parse(block).ok_or(Malformed)?;
        if framing.chunked {
            return Err(Malformed);
        }
        let response = Response {
            status,
            version,
            keep_alive: framing.keep_alive(version),
            content_type: headers.named("Content-Type").next().unwrap_or_default(),
            content_length: framing.content_length,
            chunked: false,
            encoding: headers.named("Content-Encoding").next().unwrap_or_default(),
            location: headers.named("Location").next(),
        };
        Ok(Some((response, end)))
    }
}

/// Not the head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The headers of a message, kept as they came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Headers<'a>(&'a [u8]);

impl<'a> Headers<'a> {
    /// Names and values in the order they came, values without surrounding spaces.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + 'a {
        Lines(self.0).map_while(header)
    }

    /// The values of all headers of that name, in any case.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, v)| v)
    }

    /// Checks every line up to the empty one, and notes what decides where the message ends.
    fn parse(block: &'a [u8]) -> Option<(Headers<'a>, Framing)> {
        let mut framing = Framing::default();
        for line in Lines(block).take_while(|line| !line.is_empty()) {
            let (name, value) = header(line)?;
            framing.note(name, value)?;
        }
        Some((Headers(block), framing))
    }
}

impl std::fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy;
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (text(name), text(value))))
            .finish()
    }
}

/// What the headers say about the end of the message and of the connection.
#[derive(Default)]
struct Framing {
    content_length: Option<u64>,
    chunked: bool,
    close: bool,
    stay: bool,
}

impl Framing {
    fn keep_alive(&self, version: Version) -> bool {
        !self.close && (self.stay || version == Version::V11)
    }

    /// `None` when the length of the body is no number, or differs from an earlier one.
    fn note(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        if name.eq_ignore_ascii_case(b"Content-Length") {
            let len = decimal::parse(value)?;
            if self
                .content_length
                .replace(len)
                .is_some_and(|earlier| earlier != len)
            {
                return None;
            }
        } else if name.eq_ignore_ascii_case(b"Transfer-Encoding") {
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"Connection") {
            for token in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
                self.close |= token.eq_ignore_ascii_case(b"close");
                self.stay |= token.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        Some(())
    }
}

/// The method that the bytes begin with; `None` while they may yet. Anything that is no method
/// (a TLS hello) is refused at once, and so is the preface of HTTP/2, which looks like one.
fn method(methods: &[Method], bytes: &[u8]) -> Result<Option<Method>, Status> {
    let mut known = methods.iter();
    if let Some(method) = known.find(|method| bytes.starts_with(method.word())) {
        return Ok(Some(*method));
    }
    let Some(len) = bytes
        .iter()
        .take(METHOD_LEN_MAX)
        .position(|&b| !is_token(b))
    else {
        return if bytes.len() < METHOD_LEN_MAX {
            Ok(None)
        } else {
            Err(Status::BAD_REQUEST)
        };
    };
    match &bytes[..len] {
        b"" | b"PRI" => Err(Status::BAD_REQUEST),
        _ if bytes[len] == b' ' => Err(Status::METHOD_NOT_ALLOWED),
        _ => Err(Status::BAD_REQUEST),
    }
}

/// Where the head ends: past the first empty line, which is a line end after a line end.
fn end_of_head(bytes: &[u8], start: usize, seen: usize) -> Option<usize> {
    let bytes = &bytes[..bytes.len().min(HEAD_LEN_MAX)];
    // An empty line that was incomplete may have begun two bytes before the end.
    let mut at = start.max(seen.saturating_sub(2));
    loop {
        at += position(b'\n', bytes.get(at..)?)? + 1;
        match bytes[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

/// Target and version of `target HTTP/1.1`.
fn request_line(rest: &[u8]) -> Result<(&[u8], Version), Status> {
    let space = rest
        .iter()
        .rposition(|&b| b == b' ')
        .ok_or(Status::BAD_REQUEST)?;
    let (target, version) = (&rest[..space], &rest[space + 1..]);
    if !is_graphic(target) && !spaces_in_place(target) {
        return Err(Status::BAD_REQUEST);
    }
    let target = origin_form(target).ok_or(Status::BAD_REQUEST)?;
    match *version {
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            b'1',
            b'.',
            minor @ b'0'..=b'9',
        ] => Ok((
            target,
            if minor == b'0' {
                Version::V10
            } else {
                Version::V11
            },
        )),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            Err(Status::VERSION_NOT_SUPPORTED)
        }
        _ => Err(Status::BAD_REQUEST),
    }
}

/// Whether there are no control characters, and all spaces stand right before the first `?`.
/// Broken clients put one there, as opentracker knows, and the line remains unambiguous.
fn spaces_in_place(target: &[u8]) -> bool {
    if has_control(target) || target.contains(&b'\t') {
        return false;
    }
    let Some(first) = position(b' ', target) else {
        return true;
    };
    let rest = target[first..].trim_ascii_start();
    rest.first() == Some(&b'?')
        && position(b' ', rest).is_none()
        && position(b'?', &target[..first]).is_none()
}

/// Path and query of a target that may also be a whole URL, as proxies are sent it.
fn origin_form(target: &[u8]) -> Option<&[u8]> {
    if target.starts_with(b"/") {
        return Some(target);
    }
    let authority = ["http://", "https://"].iter().find_map(|scheme| {
        let (front, rest) = target.split_at_checked(scheme.len())?;
        front
            .eq_ignore_ascii_case(scheme.as_bytes())
            .then_some(rest)
    })?;
    match authority.iter().position(|b| matches!(b, b'/' | b'?')) {
        Some(at) if authority[at] == b'/' => Some(&authority[at..]),
        Some(_) => None,
        None => Some(b"/"),
    }
}

/// Code and version of `HTTP/1.1 200 OK`.
fn status_line(line: &[u8]) -> Option<(Status, Version)> {
    let (version, rest) = line.split_at_checked(b"HTTP/1.1".len())?;
    let version = match version {
        b"HTTP/1.0" => Version::V10,
        b"HTTP/1.1" => Version::V11,
        _ => return None,
    };
    match *rest {
        [
            b' ',
            a @ b'1'..=b'9',
            b @ b'0'..=b'9',
            c @ b'0'..=b'9',
            ref phrase @ ..,
        ] if phrase.is_empty() || phrase[0] == b' ' => {
            let digit = |byte: u8| u16::from(byte - b'0');
            Some((Status(digit(a) * 100 + digit(b) * 10 + digit(c)), version))
        }
        _ => None,
    }
}

/// Name and value of a header line; `None` for a folded one, a space before the colon, a
/// control character anywhere.
fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&b| !is_token(b))?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let fine = line[colon] == b':' && colon > 0 && !has_control(value);
    fine.then(|| (name, value.trim_ascii()))
}

fn emit_header(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The lines of a head without their ends.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let (line, rest) = split_line(self.0);
        self.0 = rest;
        Some(line)
    }
}

fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let len = position(b'\n', bytes).unwrap_or(bytes.len());
    let line = &bytes[..len];
    (
        line.strip_suffix(b"\r").unwrap_or(line),
        bytes.get(len + 1..).unwrap_or_default(),
    )
}

/// Whether neither control characters nor spaces are among the bytes. Written without a way out,
/// which lets the compiler look at many bytes at once.
fn is_graphic(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(true, |graphic, &b| graphic & (b > b' ') & (b != 0x7f))
}

/// Whether a control character other than a tab is among the bytes.
fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, &b| {
        found | (b < 0x20 && b != b'\t') | (b == 0x7f)
    })
}

/// Whether the byte may stand in a method or a header's name.
fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x7f {
        let sign = matches!(
            byte,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'|' | b'~'
        );
        let letter = byte.is_ascii_alphanumeric() || matches!(byte, b'^'..=b'`');
        table[byte as usize] = sign || letter;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    /// Target, keep-alive and length of every head, and what was wrong in the end.
    type Heads = (Vec<(Vec<u8>, bool, usize)>, Option<Status>);

    /// Parses as a connection does: with what has come so far, from where the last head ended.
    fn heads(bytes: &[u8], cuts: &[usize]) -> Heads {
        let mut heads = Vec::new();
        let (mut begin, mut seen) = (0, 0);
        for &cut in cuts {
            loop {
                match Head::parse(&bytes[begin..cut], seen) {
                    Ok(Some((head, len))) => {
                        heads.push((head.target.to_vec(), head.keep_alive, len));
                        begin += len;
                        seen = 0;
                    }
                    Ok(None) => {
                        seen = cut - begin;
                        break;
                    }
                    Err(status) => return (heads, Some(status)),
                }
            }
        }
        (heads, None)
    }

    #[test]
    fn byte_by_byte() {
        let bytes = b"GET /a HTTP/1.1\r\nX: y\r\n\r\n\r\nGET /b HTTP/1.0\n\nGET /c HTTP/1.1\n\r\n";
        let cuts: Vec<usize> = (0..=bytes.len()).collect();
        let (trickled, fault) = heads(bytes, &cuts);
        assert_eq!((trickled.len(), fault), (3, None));
        assert_eq!(trickled, heads(bytes, &[bytes.len()]).0);
        assert_eq!(
            trickled.iter().map(|head| head.2).sum::<usize>(),
            bytes.len()
        );
    }

    #[test]
    fn a_method_is_refused_as_soon_as_it_shows() {
        for (bytes, status) in [
            (&b"HEAD /"[..], Status::METHOD_NOT_ALLOWED),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Status::BAD_REQUEST),
            (b"\x16\x03\x01", Status::BAD_REQUEST),
        ] {
            let end = bytes.iter().position(|&b| b == b' ').unwrap_or(0);
            for len in 0..=end {
                assert_eq!(Head::parse(&bytes[..len], 0), Ok(None), "{len}");
            }
            assert_eq!(Head::parse(&bytes[..=end], 0), Err(status));
        }
    }

    #[test]
    fn headers_are_found_in_any_case_and_all_of_them() {
        let bytes = b"GET / HTTP/1.1\r\n\
            X-Forwarded-For: 1.2.3.4\r\nA:\r\nx-forwarded-for:  ::1 \r\n\r\n";
        let (head, _) = Head::parse(bytes, 0).unwrap().unwrap();
        assert_eq!(head.header("x-FORWARDED-for"), Some(&b"1.2.3.4"[..]));
        let all: Vec<_> = head.headers.named("X-Forwarded-For").collect();
        assert_eq!(all, [&b"1.2.3.4"[..], b"::1"]);
        assert_eq!(head.header("A"), Some(&b""[..]));
        assert_eq!(head.header("Forwarded"), None);
        assert_eq!(head.headers.iter().count(), 3);
    }

    #[test]
    fn a_scrape_of_74_encoded_hashes_fits() {
        let query = format!("info_hash={}&", "%ff".repeat(20)).repeat(74);
        let mut bytes = Vec::new();
        emit_request(
            format!("/scrape?{query}").as_bytes(),
            Version::V11,
            &[],
            &mut bytes,
        );
        assert!(bytes.len() > 5000);
        assert!(matches!(Head::parse(&bytes, 0), Ok(Some((_, len))) if len == bytes.len()));
    }

    #[test]
    fn every_status_has_a_phrase() {
        for status in [
            Status::OK,
            Status::FOUND,
            Status::FORBIDDEN,
            Status::NOT_FOUND,
            Status::REQUEST_TIMEOUT,
            Status::UNAVAILABLE,
        ] {
            assert_ne!(status.reason(), "");
        }
    }

    /// Names, none of which says where a message ends, and values without surrounding spaces.
    const NAME: &str = "X[A-Za-z0-9!#$%&'*+.^_`|~-]{0,20}";
    const VALUE: &str = "([!-~\u{80}-\u{ff}]([ -~]{0,20}[!-~])?)?";

    /// Pieces of heads, good and bad, from which streams are put together.
    const PIECES: &[&[u8]] = &[
        b"GET ",
        b"/announce?info_hash=%00 ",
        b"/a?",
        b"http://h/",
        b"\xff",
        b" ",
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"Connection: close\r\n",
        b"Connection: keep-alive, TE\r\n",
        b"Content-Length: 0\r\n",
        b"Content-Length: 1\r\n",
        b" folded\r\n",
        b"X",
        b":",
        b"\0",
        b"GET /a HTTP/1.1\r\n\r\n",
        b"GET /b HTTP/1.0\nHost: x\n\n",
    ];

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let request = (
            select(vec![
                &b"/"[..],
                b"/announce?a=b",
                b"/\x80 ?c",
                b"http://h/d",
            ]),
            select(vec![&b"HTTP/1.0"[..], b"HTTP/1.1"]),
            subsequence(PIECES[11..14].to_vec(), 0..3),
            select(vec![&b"\r\n"[..], b"\n"]),
        );
        let request = request.prop_map(|(target, version, headers, end)| {
            [b"GET ", target, b" ", version, end, &headers.concat(), end].concat()
        });
        (vec(request, 0..5), vec(select(PIECES), 0..12))
            .prop_map(|(requests, pieces)| [requests.concat(), pieces.concat()].concat())
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn cuts_make_no_difference(
            stream in stream(),
            cuts in vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.push(stream.len());
            cuts.sort_unstable();
            let cut = heads(&stream, &cuts);
            prop_assert_eq!(cut, heads(&stream, &[stream.len()]));
        }

        #[test]
        fn requests_round_trip(
            target in "/[!-~\u{80}-\u{ff}]{0,40}",
            version in select(vec![Version::V10, Version::V11]),
            headers in vec((NAME, VALUE), 0..6),
        ) {
            let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
            let mut bytes = Vec::new();
            emit_request(target.as_bytes(), version, &headers, &mut bytes);
            let (head, len) = Head::parse(&bytes, 0).unwrap().unwrap();
            prop_assert_eq!((head.target, head.version), (target.as_bytes(), version));
            prop_assert_eq!(len, bytes.len());
            let named = headers.iter().map(|(name, value)| (name.as_bytes(), *value));
            prop_assert!(head.headers.iter().eq(named));
        }

        #[test]
        fn responses_round_trip(
            code in 100u16..1000,
            asked in select(vec![Version::V10, Version::V11]),
            keep_alive: bool,
            content_type in "([a-z]{1,9}/[a-z]{1,9})?",
            content_length: Option<u64>,
            encoding in "(gzip)?",
            location in proptest::option::of("https?://[a-z.]{1,20}/"),
        ) {
            let response = Response {
                status: Status(code),
                version: asked,
                keep_alive,
                content_type: content_type.as_bytes(),
                content_length,
                chunked: false,
                encoding: encoding.as_bytes(),
                location: location.as_deref().map(str::as_bytes),
            };
            let mut bytes = Vec::new();
            response.emit(&mut bytes);
            let expected = Response { version: Version::V11, ..response };
            prop_assert_eq!(Response::parse(&bytes, 0), Ok(Some((expected, bytes.len()))));
            prop_assert_eq!(Response::parse(&bytes[..bytes.len() - 1], 0), Ok(None));
        }
    }
}

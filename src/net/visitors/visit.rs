//! A request as it is written down.

use std::net::IpAddr;

use crate::types::{InfoHash, Seconds};
use crate::wire::answer::Failure;
use crate::wire::udp::{Reply, Request};

/// A request, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// When it came.
    pub at: Seconds,
    /// By what: `udp`, `http` or `https`.
    pub protocol: &'static str,
    /// Where it came from; behind a proxy, the client.
    pub ip: IpAddr,
    /// What is asked.
    pub kind: &'static str,
    /// The torrent, or the first of several.
    pub info_hash: Option<InfoHash>,
    /// What is said to it.
    pub answer: Answer,
}

/// What is said to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What was asked for.
    Ok,
    /// Nothing.
    None,
    /// No, in these words.
    Refused(String),
    /// An HTTP status.
    Status(u16),
}

impl Visit {
    /// A datagram, and what is said to it at once, if anything is. What is not said at once may
    /// follow by another worker, unless it `is_ignored`.
    pub fn by_udp(
        at: Seconds,
        ip: IpAddr,
        bytes: &[u8],
        reply: Option<&[u8]>,
        is_ignored: bool,
    ) -> Visit {
        let (kind, info_hash) = match Request::parse(bytes) {
            None => ("malformed", None),
            Some(Request::Connect { .. }) => ("connect", None),
            Some(Request::Announce(announce)) => ("announce", Some(announce.info_hash)),
            Some(Request::Scrape(scrape)) => ("scrape", scrape.hashes().next()),
        };
        let answer = match reply.and_then(Reply::parse) {
            Some(Reply::Error { message, .. }) => Answer::refused(message),
            Some(_) => Answer::Ok,
            None if is_ignored || kind == "malformed" => Answer::None,
            None => Answer::Ok,
        };
        Visit {
            at,
            protocol: "udp",
            ip,
            kind,
            info_hash,
            answer,
        }
    }
}

impl Answer {
    /// That of a response by HTTP, head and body; what is not there yet will come.
    pub fn of_response(response: &[u8]) -> Answer {
        let status = response
            .get(9..12)
            .and_then(|digits| str::from_utf8(digits).ok());
        let Some(status) = status.and_then(|digits| digits.parse().ok()) else {
            return Answer::Ok;
        };
        let end = response.windows(4).position(|four| four == b"\r\n\r\n");
        let body = end.map_or(&[][..], |end| &response[end + 4..]);
        match (status, Failure::parse(body)) {
            (_, Some(failure)) => Answer::refused(failure.reason),
            (200, None) => Answer::Ok,
            (status, None) => Answer::Status(status),
        }
    }

    fn refused(words: &[u8]) -> Answer {
        Answer::Refused(String::from_utf8_lossy(words).into_owned())
    }

    /// In words.
    pub fn text(&self) -> String {
        match self {
            Answer::Ok => "ok".into(),
            Answer::None => "none".into(),
            Answer::Refused(words) => format!("refused: {words}"),
            Answer::Status(status) => status.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let mut connect = Vec::new();
        Request::Connect { transaction: 1 }.emit(&mut connect);
        let error = b"\0\0\0\x03\0\0\0\x01no";
        let granted = [0; 16];
        let visit = |bytes: &[u8], reply: Option<&[u8]>, is_ignored| {
            let ip = [127, 0, 0, 1].into();
            let visit = Visit::by_udp(7, ip, bytes, reply, is_ignored);
            (visit.kind, visit.answer)
        };
        let refused = Answer::Refused("no".into());
        assert_eq!(visit(b"x", None, false), ("malformed", Answer::None));
        assert_eq!(
            visit(&connect, Some(&granted), false),
            ("connect", Answer::Ok)
        );
        assert_eq!(
            visit(&connect, Some(error), false),
            ("connect", refused.clone())
        );
        assert_eq!(visit(&connect, None, true), ("connect", Answer::None));
        for (response, answer) in [
            (&b""[..], Answer::Ok),
            (b"HTTP/1.1 200 OK\r\n\r\nd5:filesdee", Answer::Ok),
            (
                b"HTTP/1.1 404 Not Found\r\n\r\n<title>",
                Answer::Status(404),
            ),
            (b"HTTP/1.1 200 OK\r\n\r\nd14:failure reason2:noe", refused),
        ] {
            assert_eq!(Answer::of_response(response), answer);
        }
    }
}

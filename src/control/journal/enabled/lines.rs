//! Messages and requests as lines.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::control::journal::Privacy;
use crate::net::visitors::Visit;
use crate::types::{Family, date};
use crate::wire::json::Json;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// In words.
    Text,
    /// A JSON object each.
    Json,
}

impl Format {
    /// The format of that name.
    pub fn named(name: &str) -> Format {
        match name {
            "json" => Format::Json,
            _ => Format::Text,
        }
    }
}

/// A message in JSON, of so many seconds since 1970 began.
pub fn message(out: &mut impl Write, record: &log::Record<'_>, wall: u64) -> io::Result<()> {
    let line = Json::object(|json| {
        json.text("time", date(wall));
        json.text("level", record.level().as_str().to_ascii_lowercase());
        json.text("target", record.target());
        json.text("message", record.args());
    });
    out.write_all(line.as_bytes())
}

/// Appends the line of a request, of so many seconds since 1970 began.
pub fn visit(visit: &Visit, wall: u64, format: Format, privacy: Privacy, out: &mut String) {
    let address = privacy.show(visit.ip);
    let hash = visit.info_hash.map(|hash| hash.to_string().to_lowercase());
    let family = match Family::of(visit.ip) {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    };
    match format {
        Format::Text => {
            let said = |text: Option<String>| text.unwrap_or_else(|| "-".into());
            // Writing to a string can't fail.
            let _ = writeln!(
                out,
                "{} {} {family} {} {} {} {}",
                date(wall),
                visit.protocol,
                said(address),
                visit.kind,
                said(hash),
                visit.answer.text()
            );
        }
        Format::Json => {
            *out += &Json::object(|json| {
                json.text("time", date(wall));
                json.text("protocol", visit.protocol);
                json.text("family", family);
                address.iter().for_each(|text| json.text("address", text));
                json.text("kind", visit.kind);
                hash.iter().for_each(|text| json.text("info_hash", text));
                json.text("answer", visit.answer.text());
            });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::net::visitors::Answer;
    use crate::types::InfoHash;

    #[test]
    fn messages_are_one_line_each_whatever_is_in_them() {
        let mut out = Vec::new();
        let record = log::Record::builder()
            .level(log::Level::Warn)
            .target("trackerd::net")
            .args(format_args!("a \"b\"\nc"))
            .build();
        message(&mut out, &record, 86_400).unwrap();
        let expected = "{\"time\":\"1970-01-02T00:00:00Z\",\"level\":\"warn\",\
                        \"target\":\"trackerd::net\",\"message\":\"a \\\"b\\\"\\u000ac\"}\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    fn line(visit: &Visit, format: Format, privacy: Privacy) -> String {
        let mut out = String::new();
        super::visit(visit, 86_400, format, privacy, &mut out);
        out
    }

    #[test]
    fn a_visit_is_a_line() {
        let visit = Visit {
            at: 0,
            protocol: "http",
            ip: "2001:db8:1:2::3".parse().unwrap(),
            kind: "announce",
            info_hash: Some(InfoHash([0xab; 20])),
            answer: Answer::Refused("not \"you\"".into()),
        };
        let hash = "ab".repeat(20);
        assert_eq!(
            line(&visit, Format::Text, Privacy::Prefix),
            format!(
                "1970-01-02T00:00:00Z http ipv6 2001:db8:1::/48 announce {hash} \
                 refused: not \"you\"\n"
            )
        );
        assert_eq!(
            line(&visit, Format::Json, Privacy::None),
            format!(
                "{{\"time\":\"1970-01-02T00:00:00Z\",\"protocol\":\"http\",\"family\":\"ipv6\",\
                 \"kind\":\"announce\",\"info_hash\":\"{hash}\",\
                 \"answer\":\"refused: not \\\"you\\\"\"}}\n"
            )
        );
        let bare = Visit {
            info_hash: None,
            answer: Answer::Status(404),
            kind: "page",
            ..visit
        };
        let text = line(&bare, Format::Text, Privacy::None);
        assert_eq!(text, "1970-01-02T00:00:00Z http ipv6 - page - 404\n");
    }
}

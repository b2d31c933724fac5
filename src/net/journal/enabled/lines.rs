//! Messages and requests as lines.

use std::io::{self, Write};

use crate::types::date;
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
}

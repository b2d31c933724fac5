//! JSON (RFC 8259), read strictly.

use std::iter::Peekable;
use std::str::Chars;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Truth(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The one value of a text.
    #[track_caller]
    pub fn parse(text: &str) -> Json {
        let mut chars = text.chars().peekable();
        let value = value(&mut chars);
        let rest: String = chars.collect();
        assert_eq!(rest.trim(), "", "after the value of {text:?}");
        value.unwrap_or_else(|| panic!("no JSON: {text:?}"))
    }

    /// A member of an object.
    pub fn find(&self, name: &str) -> Option<&Json> {
        let Json::Object(members) = self else {
            return None;
        };
        let mut members = members.iter();
        members
            .find(|(found, _)| found == name)
            .map(|(_, value)| value)
    }

    /// A member that is there.
    #[track_caller]
    pub fn at(&self, name: &str) -> &Json {
        match self.find(name) {
            Some(value) => value,
            None => panic!("no {name} in {self:?}"),
        }
    }

    #[track_caller]
    pub fn text(&self, name: &str) -> &str {
        match self.at(name) {
            Json::Text(text) => text,
            other => panic!("{name} is {other:?}"),
        }
    }

    #[track_caller]
    pub fn number(&self, name: &str) -> f64 {
        match self.at(name) {
            Json::Number(number) => *number,
            other => panic!("{name} is {other:?}"),
        }
    }

    #[track_caller]
    pub fn truth(&self, name: &str) -> bool {
        match self.at(name) {
            Json::Truth(truth) => *truth,
            other => panic!("{name} is {other:?}"),
        }
    }

    #[track_caller]
    pub fn list(&self, name: &str) -> &[Json] {
        match self.at(name) {
            Json::List(list) => list,
            other => panic!("{name} is {other:?}"),
        }
    }
}

type Text<'t> = Peekable<Chars<'t>>;

fn blanks(text: &mut Text<'_>) {
    while text.next_if(|char| " \t\r\n".contains(*char)).is_some() {}
}

fn value(text: &mut Text<'_>) -> Option<Json> {
    blanks(text);
    let value = match text.peek()? {
        '{' => Json::Object(items(text, '}', |text| {
            blanks(text);
            let name = string(text)?;
            blanks(text);
            text.next_if_eq(&':')?;
            Some((name, value(text)?))
        })?),
        '[' => Json::List(items(text, ']', value)?),
        '"' => Json::Text(string(text)?),
        _ => word(text)?,
    };
    blanks(text);
    Some(value)
}

fn items<T>(
    text: &mut Text<'_>,
    close: char,
    item: impl Fn(&mut Text<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    text.next();
    blanks(text);
    let mut items = Vec::new();
    if text.next_if_eq(&close).is_some() {
        return Some(items);
    }
    loop {
        items.push(item(text)?);
        match text.next()? {
            ',' => {}
            char if char == close => return Some(items),
            _ => return None,
        }
    }
}

fn string(text: &mut Text<'_>) -> Option<String> {
    text.next_if_eq(&'"')?;
    let mut string = String::new();
    loop {
        string.push(match text.next()? {
            '"' => return Some(string),
            '\\' => match text.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'u' => {
                    let digits: String = text.by_ref().take(4).collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                }
                char if "\"\\/".contains(char) => char,
                _ => return None,
            },
            '\0'..='\x1f' => return None,
            char => char,
        });
    }
}

fn word(text: &mut Text<'_>) -> Option<Json> {
    let mut word = String::new();
    while let Some(char) = text.next_if(|char| char.is_alphanumeric() || "+-.".contains(*char)) {
        word.push(char);
    }
    match word.as_str() {
        "null" => Some(Json::Null),
        "true" => Some(Json::Truth(true)),
        "false" => Some(Json::Truth(false)),
        _ if word.starts_with(|char: char| char == '-' || char.is_ascii_digit()) => {
            word.parse().ok().map(Json::Number)
        }
        _ => None,
    }
}

//! JSON (RFC 8259), written.

use std::fmt::{Display, Write};

/// A document that is being written. Members and elements come one after the other; commas are put
/// where they belong.
#[derive(Default)]
pub struct Json {
    text: String,
    /// Whether something precedes at this place.
    follows: bool,
}

impl Json {
    /// A document that is one object.
    pub fn object(members: impl FnOnce(&mut Json)) -> String {
        let mut json = Json::default();
        json.nest(['{', '}'], members);
        json.text.push('\n');
        json.text
    }

    /// A member that is an object.
    pub fn object_at(&mut self, name: &str, members: impl FnOnce(&mut Json)) {
        self.name(name);
        self.nest(['{', '}'], members);
    }

    /// A member that is a list, whose elements are objects.
    pub fn list_at<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut element: impl FnMut(&mut Json, T),
    ) {
        self.name(name);
        self.nest(['[', ']'], |json| {
            for item in items {
                json.comma();
                json.nest(['{', '}'], |json| element(json, item));
            }
        });
    }

    /// A member that is a list of strings.
    pub fn texts_at<T: Display>(&mut self, name: &str, items: impl IntoIterator<Item = T>) {
        self.name(name);
        self.nest(['[', ']'], |json| {
            for item in items {
                json.comma();
                json.string(&item.to_string());
                json.follows = true;
            }
        });
    }

    /// A member that is a list of what is written as it is.
    pub fn plains_at<T: Display>(&mut self, name: &str, items: impl IntoIterator<Item = T>) {
        self.name(name);
        self.nest(['[', ']'], |json| {
            for item in items {
                json.comma();
                json.put(item);
                json.follows = true;
            }
        });
    }

    /// A member that is a string.
    pub fn text(&mut self, name: &str, value: impl Display) {
        self.name(name);
        self.string(&value.to_string());
        self.follows = true;
    }

    /// A member that is written as it is: a number, a truth.
    pub fn plain(&mut self, name: &str, value: impl Display) {
        self.name(name);
        self.put(value);
        self.follows = true;
    }

    fn name(&mut self, name: &str) {
        self.comma();
        self.string(name);
        self.text.push(':');
    }

    fn comma(&mut self) {
        if self.follows {
            self.text.push(',');
        }
    }

    fn nest(&mut self, [open, close]: [char; 2], inside: impl FnOnce(&mut Json)) {
        self.text.push(open);
        self.follows = false;
        inside(self);
        self.text.push(close);
        self.follows = true;
    }

    fn string(&mut self, value: &str) {
        self.text.push('"');
        for char in value.chars() {
            match char {
                '"' | '\\' => self.text.extend(['\\', char]),
                '\0'..='\x1f' => self.put(format_args!("\\u{:04x}", char as u32)),
                _ => self.text.push(char),
            }
        }
        self.text.push('"');
    }

    fn put(&mut self, value: impl Display) {
        // Writing to a string can't fail.
        let _ = write!(self.text, "{value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_stand_between_and_nowhere_else() {
        let text = Json::object(|json| {
            json.plain("a", 1);
            json.object_at("b", |_| {});
            json.list_at("c", [1, 2], |json, n| json.plain("n", n));
            json.list_at("d", [0; 0], |_, _| {});
            json.texts_at("e", ["x", "y"]);
            json.plains_at("n", [1, 2]);
            json.object_at("f", |json| {
                json.text("g", "h");
                json.plain("i", true);
            });
        });
        let expected = "{\"a\":1,\"b\":{},\"c\":[{\"n\":1},{\"n\":2}],\"d\":[],\
                        \"e\":[\"x\",\"y\"],\"n\":[1,2],\"f\":{\"g\":\"h\",\"i\":true}}\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn strings_are_escaped() {
        let text = Json::object(|json| json.text("\"", "a\\b\n\u{1}\u{e4}"));
        assert_eq!(text, "{\"\\\"\":\"a\\\\b\\u000a\\u0001\u{e4}\"}\n");
    }
}

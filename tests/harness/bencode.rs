//! Bencoded values (BEP 3), read strictly: keys ascend, numbers have no leading zeros, and nothing
//! follows.

use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Int(i64),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Dict(BTreeMap<Vec<u8>, Value>),
}

impl Value {
    #[track_caller]
    pub fn parse(bytes: &[u8]) -> Value {
        let mut rest = bytes;
        let value = parse(&mut rest)
            .unwrap_or_else(|| panic!("no bencoding: {}", String::from_utf8_lossy(bytes)));
        assert!(rest.is_empty(), "something follows the value");
        value
    }

    pub fn find(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Dict(pairs) => pairs.get(key.as_bytes()),
            _ => None,
        }
    }

    #[track_caller]
    pub fn at(&self, key: &str) -> &Value {
        self.find(key)
            .unwrap_or_else(|| panic!("no `{key}` in {self:?}"))
    }

    #[track_caller]
    pub fn int(&self, key: &str) -> i64 {
        match self.at(key) {
            Value::Int(number) => *number,
            other => panic!("`{key}` is {other:?}"),
        }
    }

    #[track_caller]
    pub fn bytes(&self, key: &str) -> &[u8] {
        match self.at(key) {
            Value::Bytes(bytes) => bytes,
            other => panic!("`{key}` is {other:?}"),
        }
    }

    #[track_caller]
    pub fn text(&self, key: &str) -> &str {
        std::str::from_utf8(self.bytes(key)).unwrap()
    }
}

fn parse(rest: &mut &[u8]) -> Option<Value> {
    match rest.first()? {
        b'i' => {
            *rest = &rest[1..];
            let digits = until(rest, b'e')?;
            let number: i64 = digits.parse().ok()?;
            (number.to_string() == digits).then_some(Value::Int(number))
        }
        b'l' => {
            *rest = &rest[1..];
            let mut list = Vec::new();
            while *rest.first()? != b'e' {
                list.push(parse(rest)?);
            }
            *rest = &rest[1..];
            Some(Value::List(list))
        }
        b'd' => {
            *rest = &rest[1..];
            let mut pairs = BTreeMap::new();
            while *rest.first()? != b'e' {
                let key = string(rest)?;
                if pairs.last_key_value().is_some_and(|(last, _)| *last >= key) {
                    return None;
                }
                pairs.insert(key, parse(rest)?);
            }
            *rest = &rest[1..];
            Some(Value::Dict(pairs))
        }
        _ => string(rest).map(Value::Bytes),
    }
}

fn string(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let digits = until(rest, b':')?;
    let len: usize = digits.parse().ok()?;
    if len.to_string() != digits {
        return None;
    }
    let (bytes, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(bytes.to_vec())
}

fn until(rest: &mut &[u8], end: u8) -> Option<String> {
    let at = rest.iter().position(|&byte| byte == end)?;
    let text = String::from_utf8(rest[..at].to_vec()).ok()?;
    *rest = &rest[at + 1..];
    Some(text)
}

//! XML, as far as it is needed to read what says that it is.

use std::collections::BTreeMap;

/// What every innermost element says, by its path with attributes: `stats/peers/count`. Panics
/// at what is not well-formed.
pub fn leaves(text: &str) -> BTreeMap<String, String> {
    let mut rest = text;
    if let Some(declared) = text.strip_prefix("<?xml ") {
        rest = declared.split_once("?>").expect("an open declaration").1;
    }
    let mut leaves = BTreeMap::new();
    let mut path: Vec<&str> = Vec::new();
    let mut opened = false;
    while let Some((said, tag)) = rest.split_once('<') {
        let (tag, after) = tag.split_once('>').expect("an open tag");
        assert!(!said.contains(['>', '&']), "{said}");
        assert!(!tag.contains(['<', '&']), "{tag}");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if opened {
                let said = said.trim().to_owned();
                assert_eq!(leaves.insert(path.join("/"), said), None, "{path:?} twice");
            } else {
                assert!(said.trim().is_empty(), "{said} beside elements");
            }
            let open = path.pop().expect("nothing to close");
            assert_eq!(open.split(' ').next(), Some(name), "closed");
            opened = false;
        } else {
            assert!(opened || said.trim().is_empty(), "{said} beside elements");
            assert!(!path.is_empty() || leaves.is_empty(), "two roots");
            is_tag(tag);
            path.push(tag);
            opened = true;
        }
    }
    assert!(path.is_empty() && rest.is_empty(), "ends in {path:?}");
    assert!(!leaves.is_empty(), "no element");
    leaves
}

/// A name, and at most one attribute.
fn is_tag(tag: &str) {
    let name = |name: &str| {
        let letters = |c: char| c.is_ascii_alphabetic() || c == '_';
        assert!(!name.is_empty() && name.chars().all(letters), "{tag}");
    };
    match tag.split_once(' ') {
        None => name(tag),
        Some((element, attribute)) => {
            let (key, value) = attribute.split_once('=').expect("an attribute of no value");
            name(element);
            name(key);
            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            assert!(value.is_some_and(|value| !value.contains('"')), "{tag}");
        }
    }
}

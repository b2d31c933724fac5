//! What the operator may have meant.

/// The name most like `word`, unless none is much like it.
pub fn nearest<'a>(word: &str, names: &'a [String]) -> Option<&'a str> {
    let tail = |name: &str| word_after_dot(name) == word.trim_start_matches('-');
    if let Some(name) = names.iter().find(|name| tail(name)) {
        return Some(name);
    }
    let near = names
        .iter()
        .map(|name| (distance(word, name), name))
        .min()?;
    (near.0 <= word.len() / 4 + 1).then_some(near.1)
}

/// `interval` of `tracker.interval`, which is what people remember.
fn word_after_dot(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, tail)| tail)
}

/// How many letters must be inserted, removed or exchanged to make `b` of `a` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.bytes().enumerate() {
            let exchanged = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, apart) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "abc", 3),
            ("interval", "interval", 0),
            ("intervall", "interval", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (apart, apart), "{a} {b}");
        }
    }

    #[test]
    fn what_is_near_is_suggested_and_what_is_far_is_not() {
        let names = ["tracker.interval", "listen.tcp", "listen.udp"].map(String::from);
        for (word, name) in [
            ("interval", Some("tracker.interval")),
            ("--interval", Some("tracker.interval")),
            ("traker.interval", Some("tracker.interval")),
            ("listen.tpc", Some("listen.tcp")),
            ("bind_address", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &names), name, "{word}");
        }
    }
}

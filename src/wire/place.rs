//! What a tracker's URL asks for, and by whose key (BEP 27): `/announce`, `/announce/KEY` and
//! `/KEY/announce`, the same with `scrape` (BEP 48), or `?passkey=KEY`; `announce.php` is as good.
//!
//! By HTTP it is the target of a request, by UDP the option of an announce (BEP 41). Keys are taken
//! as they are: none that is any good needs percent-encoding.

use super::query;

/// The pages of the tracker protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Joins, stays in or leaves a swarm.
    Announce,
    /// Asks for the counts of torrents.
    Scrape,
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// What is asked for, if the path names it.
    pub page: Option<Page>,
    /// What stands in the place of a key.
    pub key: Option<&'a [u8]>,
}

impl<'a> Place<'a> {
    /// Reads a path, without its query. What names neither page in full is read as opentracker
    /// does, by its first letters.
    pub fn parse(path: &'a [u8]) -> Place<'a> {
        let mut parts = path.split(|&byte| byte == b'/');
        let mut parts = parts.by_ref().filter(|part| !part.is_empty());
        let first = parts.next().unwrap_or_default();
        if let page @ Some(_) = named(first) {
            let key = parts.next();
            return Place { page, key };
        }
        let (last, before) = parts.fold((first, None), |(last, _), part| (part, Some(last)));
        if let page @ Some(_) = named(last) {
            return Place { page, key: before };
        }
        let page = match first {
            [b'a', ..] => Some(Page::Announce),
            [b's', b'c', ..] => Some(Page::Scrape),
            _ => None,
        };
        Place { page, key: None }
    }
}

/// The key in path and query of a URL; the one in the path if there are two.
pub fn key(url: &[u8]) -> Option<&[u8]> {
    let (path, query) = query::split(url);
    let in_query = || query::first(query?, b"passkey");
    Place::parse(path).key.or_else(in_query)
}

/// The page that a part of a path is the whole name of, whatever the ending of the name.
fn named(part: &[u8]) -> Option<Page> {
    let stem = part.split(|&byte| byte == b'.').next();
    match stem {
        Some(b"announce") => Some(Page::Announce),
        Some(b"scrape") => Some(Page::Scrape),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pages_and_keys_of_paths() {
        let (announce, scrape) = (Some(Page::Announce), Some(Page::Scrape));
        for (path, page, key) in [
            ("/announce", announce, None),
            ("/announce/", announce, None),
            ("//announce.php", announce, None),
            ("/announce/k", announce, Some("k")),
            ("/announce/k/more", announce, Some("k")),
            ("/announce.php/k/", announce, Some("k")),
            ("/k/announce", announce, Some("k")),
            ("/site/k//announce.php", announce, Some("k")),
            ("/scrape/k", scrape, Some("k")),
            ("/k/scrape", scrape, Some("k")),
            ("/announce/scrape", announce, Some("scrape")),
            ("/announces/announce", announce, Some("announces")),
            ("/a", announce, None),
            ("/abc/def", announce, None),
            ("/sc", scrape, None),
            ("/scrapes/k", scrape, None),
            ("/s", None, None),
            ("/k/announcer", None, None),
            ("/", None, None),
            ("", None, None),
        ] {
            let key = key.map(str::as_bytes);
            assert_eq!(Place::parse(path.as_bytes()), Place { page, key }, "{path}");
        }
    }

    #[test]
    fn keys_of_urls() {
        for (url, expected) in [
            ("/announce/k?passkey=q", Some("k")),
            ("/k/announce?x=/y", Some("k")),
            ("/announce?a=b&passkey=q&passkey=r", Some("q")),
            ("/announce.php?passkey=", Some("")),
            ("/announce?passkey", None),
            ("/announce?x=passkey=q", None),
            ("?passkey=q", Some("q")),
            ("/announce", None),
            ("", None),
        ] {
            assert_eq!(key(url.as_bytes()), expected.map(str::as_bytes), "{url}");
        }
    }

    proptest! {
        #![proptest_config(crate::seeded(256))]

        #[test]
        fn a_key_is_found_in_every_form(key in "[a-zA-Z0-9_-]{1,64}") {
            prop_assume!(key != "announce" && key != "scrape");
            for url in [
                format!("/announce/{key}"),
                format!("/{key}/announce"),
                format!("/scrape/{key}?info_hash=x"),
                format!("/{key}/scrape.php"),
                format!("/announce?passkey={key}"),
            ] {
                prop_assert_eq!(super::key(url.as_bytes()), Some(key.as_bytes()), "{}", url);
            }
        }
    }
}

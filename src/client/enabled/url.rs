//! Trackers by their URLs.

use std::fmt;
use std::net::Ipv6Addr;

use crate::wire::query;

/// How a tracker is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// BEP 15.
    Udp,
    /// BEP 3.
    Http,
    /// The same, encrypted.
    Https,
}

/// The URL of a tracker, in the one form that all ways to write it have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url {
    /// How it is asked.
    pub scheme: Scheme,
    /// In lower case; an IPv6 address without its brackets.
    pub host: String,
    /// Never 0.
    pub port: u16,
    /// Path and query; begins with `/`. Empty for UDP trackers that need none.
    pub path: String,
}

impl Url {
    /// The longest that is read.
    pub const LEN_MAX: usize = 512;

    /// Reads a URL. `None` if it is none of a tracker that can be asked.
    pub fn parse(text: &str) -> Option<Url> {
        let text = text.trim();
        if text.len() > Url::LEN_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let (scheme, default) = match scheme.to_ascii_lowercase().as_str() {
            "udp" => (Scheme::Udp, None),
            "http" => (Scheme::Http, Some(80)),
            "https" => (Scheme::Https, Some(443)),
            _ => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (place, path) = rest.split_at(end);
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                (host.parse::<Ipv6Addr>().ok()?.to_string(), port)
            }
            None => {
                let end = place.find(':').unwrap_or(place.len());
                (place[..end].to_ascii_lowercase(), &place[end..])
            }
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => digits.parse().ok().filter(|port| *port != 0)?,
            None => default.filter(|_| port.is_empty())?,
        };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_host) {
            return None;
        }
        let path = path.split('#').next().unwrap_or_default();
        let path = match (scheme, path) {
            (Scheme::Udp, "" | "/") => String::new(),
            (_, path) if path.starts_with('/') => path.to_owned(),
            (_, path) => format!("/{path}"),
        };
        Some(Url {
            scheme,
            host,
            port,
            path,
        })
    }

    /// Where the tracker is asked for counts, if it has a place for that (BEP 48).
    pub fn scrape_path(&self) -> Option<String> {
        let (path, query) = match self.path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.path.as_str(), None),
        };
        let (folder, page) = path.rsplit_once('/')?;
        let rest = page.strip_prefix("announce")?;
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        Some(format!("{folder}/scrape{rest}{query}"))
    }

    /// Whether it looks as if it were somebody's own, with a key to a private tracker in it.
    pub fn is_private_looking(&self) -> bool {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let query = query.as_bytes();
        let is_long = |part: &str| {
            let word = |byte: u8| byte.is_ascii_alphanumeric();
            part.len() >= 16 && part.bytes().all(word) && part.bytes().any(|b| b.is_ascii_digit())
        };
        query::has_key(query)
            || query::first(query, b"key").is_some()
            || path.split('/').any(is_long)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::Udp => "udp",
            Scheme::Http => "http",
            Scheme::Https => "https",
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme;
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}{}", self.host, self.port, self.path),
            false => write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.path),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::seeded(512))]

        #[test]
        fn what_is_a_url_has_one_form(
            text in "(udp|HTTP|https)://(a.b|A-b|\\[::1\\]|\\PC{0,9})(:[0-9]{1,6})?[/?#x%a]{0,9}",
        ) {
            if let Some(url) = Url::parse(&text) {
                prop_assert!(url.port != 0 && !url.host.is_empty());
                prop_assert_eq!(Url::parse(&url.to_string()), Some(url));
            }
        }
    }

    #[test]
    fn the_place_of_scrapes_follows_from_that_of_announces() {
        for (announce, scrape) in [
            ("/announce", Some("/scrape")),
            ("/x/announce?key=1", Some("/x/scrape?key=1")),
            ("/announce.php", Some("/scrape.php")),
            ("/a", None),
            ("/announce/x", None),
        ] {
            let url = Url::parse(&format!("http://a.example{announce}")).unwrap();
            assert_eq!(url.scrape_path().as_deref(), scrape, "{announce}");
        }
    }
}

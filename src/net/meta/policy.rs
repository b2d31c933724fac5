//! Whose announces are passed on, as far as address, URL and lists are concerned.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::access::{HashList, Nets};
use crate::meta::{Built, Millis, Present, Settings};
use crate::net::meta::Way;
use crate::types::InfoHash;
use crate::wire::{place, query};

/// Whose announces are passed on.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The room is there.
    pub built: Built,
    /// Whose; `None` means everybody's.
    pub clients: Option<Arc<Nets>>,
    /// Torrents that need no proof of being public.
    pub allow: Option<Arc<HashList>>,
    /// Torrents that are not passed on.
    pub deny: Option<Arc<HashList>>,
    /// Addresses of ours where every announce is meant to be passed on.
    pub listens: Arc<[SocketAddr]>,
    /// How long an answer may wait.
    pub hold: Millis,
    /// How others are asked, but for where we listen ourselves.
    pub settings: Arc<Settings>,
    /// The way to the thread, once there is one.
    pub way: Option<Present<Way>>,
}

/// Why an announce that asks for it is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It comes from elsewhere.
    Stranger,
    /// Its torrent is on the list of those that are not.
    Denied,
    /// Its URL has a key in it: a private one.
    Private,
}

impl Policy {
    /// How many torrents are passed on at a time.
    pub fn swarms_max(&self) -> usize {
        self.settings.swarms_max
    }

    /// Whether everything that comes in at this address of ours is meant to be passed on.
    pub fn listens_at(&self, addr: SocketAddr) -> bool {
        self.listens.contains(&addr)
    }

    /// Whether an address is one of those whose announces are passed on.
    pub fn serves(&self, ip: IpAddr) -> bool {
        self.clients.as_ref().is_none_or(|nets| nets.contains(ip))
    }

    /// Whether an announce that asks for it is passed on, and if so, whether its torrent is allowed
    /// without proof.
    pub fn admit(&self, ips: [IpAddr; 2], url: &[u8], hash: &InfoHash) -> Result<bool, Refusal> {
        if !ips.into_iter().all(|ip| self.serves(ip)) {
            return Err(Refusal::Stranger);
        }
        let holds = |list: &Option<Arc<HashList>>| list.as_ref().is_some_and(|l| l.contains(hash));
        if holds(&self.deny) {
            return Err(Refusal::Denied);
        }
        if has_key(url) {
            return Err(Refusal::Private);
        }
        Ok(holds(&self.allow))
    }
}

/// Whether a URL asks for what others know.
pub fn asks(url: &[u8]) -> bool {
    let (_, query) = query::split(url);
    query.and_then(|query| query::first(query, b"meta")) == Some(b"1")
}

/// Whether a URL has somebody's key in it.
fn has_key(url: &[u8]) -> bool {
    let (_, query) = query::split(url);
    place::key(url).is_some() || query.is_some_and(query::has_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_says_so_in_the_query() {
        for (url, expected) in [
            ("/announce?meta=1", true),
            ("/announce?x=2&meta=1&info_hash=a", true),
            ("/announce?meta=0", false),
            ("/announce?meta=11", false),
            ("/announce?meta", false),
            ("/announce/meta=1", false),
            ("/meta/announce", false),
            ("", false),
        ] {
            assert_eq!(asks(url.as_bytes()), expected, "{url}");
        }
    }

    #[test]
    fn keys_in_urls_are_noticed() {
        for (url, expected) in [
            ("/announce?meta=1", false),
            ("/announce?meta=1&key=12345678&peer_id=x", false),
            ("/0123456789abcdef/announce?meta=1", true),
            ("/announce/0123456789abcdef?meta=1", true),
            ("/announce?passkey=a&meta=1", true),
            ("/announce?meta=1&authkey=a", true),
            ("/announce?pk=a&meta=1", true),
            ("/announce?meta=1&PassKey=a", true),
            ("/announce?secure=a&meta=1", true),
            ("/announce?meta=1&PID=a", true),
        ] {
            assert_eq!(has_key(url.as_bytes()), expected, "{url}");
        }
    }
}

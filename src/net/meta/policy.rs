//! Whose announces are passed on, as far as address, URL and lists are concerned.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::access::{HashList, Nets, neighbourhood};
use crate::config::{self, Config};
use crate::error::{Exit, Fatal};
use crate::meta::{Built, Dht, LIST_URLS, Millis, Publish, Select, Settings};
use crate::net::meta::Link;
use crate::net::rules::{LIST_BYTES_MAX, Occasion, read_list};
use crate::sys::file;
use crate::types::InfoHash;
use crate::wire::{place, query};

/// The largest file of trackers that is read.
const TRACKERS_BYTES_MAX: usize = 1 << 20;

/// Whose announces are passed on.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Without the room there is no policy.
    _built: Built,
    /// Whose; `None` means everybody's.
    clients: Option<Arc<Nets>>,
    allow: Option<Arc<HashList>>,
    deny: Option<Arc<HashList>>,
    /// Addresses of ours where every announce is meant to be passed on.
    listens: Arc<[SocketAddr]>,
    /// How long an answer may wait.
    pub hold: Millis,
    settings: Arc<Settings>,
    /// The way to the thread, once there is one.
    pub link: Option<Link>,
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
    /// The policy as configured; `None` if nothing is passed on.
    ///
    /// # Errors
    /// When a list can't be read.
    pub fn new(config: &Config, occasion: Occasion) -> Result<Option<Policy>, Fatal> {
        let meta = &config.meta;
        let Some(built) = Built::here().filter(|_| meta.mode != "off") else {
            return Ok(None);
        };
        let clients: Option<Nets> = match (meta.clients.as_slice(), meta.mode) {
            ([], "all") => None,
            ([], _) => Some(neighbourhood().collect()),
            (nets, _) => Some(nets.iter().copied().collect()),
        };
        let hashes = |path: &Option<PathBuf>| {
            let path = path.as_deref();
            path.map(|path| read_hashes(path, occasion)).transpose()
        };
        Ok(Some(Policy {
            _built: built,
            clients: clients.map(Arc::new),
            allow: hashes(&meta.allow)?,
            deny: hashes(&meta.deny)?,
            listens: meta.listens.clone().into(),
            hold: meta.hold_millis.into(),
            settings: Arc::new(settings(config)?),
            link: None,
        }))
    }

    /// How others are asked, but for where we listen ourselves.
    pub fn settings(&self) -> Settings {
        Settings::clone(&self.settings)
    }

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

fn read_hashes(path: &Path, occasion: Occasion) -> Result<Arc<HashList>, Fatal> {
    let list = read_list(path, LIST_BYTES_MAX, occasion, HashList::parse);
    list.map_err(|error| fatal(path, error.to_string()))
}

fn fatal(path: &Path, what: String) -> Fatal {
    Fatal::new(Exit::NoInput, path.display().to_string(), what)
}

/// The texts of files of trackers, if these are not those known. All empty, they may just be being
/// written.
///
/// # Errors
/// When one can't be read.
pub fn changed_lists(paths: &[PathBuf], known: &[Vec<u8>]) -> Result<Option<Vec<Vec<u8>>>, Fatal> {
    let texts = tracker_lists(paths)?;
    let is_news = texts != known && texts.iter().any(|text| !text.is_empty());
    Ok(is_news.then_some(texts))
}

fn tracker_lists(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, Fatal> {
    let texts = paths.iter().map(|path| {
        let text = file::read_regular(path, TRACKERS_BYTES_MAX);
        text.map_err(|error| fatal(path, error.to_string()))
    });
    texts.collect()
}

fn settings(config: &Config) -> Result<Settings, Fatal> {
    let config::Meta {
        upstreams,
        list_urls,
        ..
    } = &config.meta;
    let texts = tracker_lists(upstreams)?;
    let usual = || LIST_URLS.map(str::to_owned).to_vec();
    let meta = &config.meta;
    Ok(Settings {
        // That is known once it is bound.
        own: Vec::new(),
        texts,
        list_urls: list_urls.clone().unwrap_or_else(usual),
        k: meta.k as usize,
        select: match meta.select {
            "ratio" => Select::Ratio,
            _ => Select::Score,
        },
        refresh: meta.refresh,
        public_proof: meta.public_proof,
        never_first: meta.never_first,
        publish: match meta.announce {
            "always" => Publish::Always,
            "never" => Publish::Never,
            _ => Publish::Nat,
        },
        dht: match meta.dht {
            "announce" => Dht::Announce,
            "lookup" => Dht::Lookup,
            _ => Dht::Off,
        },
        dht_port: meta.dht_port,
        dht_bootstrap: meta.dht_bootstrap.clone(),
        pex: meta.pex,
        swarms_max: meta.swarms_max as usize,
        client_swarms: meta.client_swarms as usize,
        pps: meta.pps,
        tcp: meta.tcp as usize,
        allow_private: meta.allow_private,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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
    fn files_of_trackers_are_taken_when_they_have_changed() {
        let dir = std::env::temp_dir();
        let name = |n| dir.join(format!("trackerd-trackers-{}-{n}", std::process::id()));
        let paths = [name(1), name(2)];
        let write = |n: usize, text: &str| std::fs::write(&paths[n], text).unwrap();
        write(0, "udp://a.example:1\n");
        write(1, "");
        let known = changed_lists(&paths, &[]).unwrap().unwrap();
        assert_eq!(known, [&b"udp://a.example:1\n"[..], b""]);
        assert_eq!(changed_lists(&paths, &known).unwrap(), None);
        write(0, "");
        assert_eq!(changed_lists(&paths, &known).unwrap(), None);
        write(1, "udp://b.example:1\n");
        let texts = changed_lists(&paths, &known).unwrap().unwrap();
        assert_eq!(texts, [&b""[..], b"udp://b.example:1\n"]);
        std::fs::remove_file(&paths[0]).unwrap();
        assert!(changed_lists(&paths, &known).is_err());
        std::fs::remove_file(&paths[1]).unwrap();
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

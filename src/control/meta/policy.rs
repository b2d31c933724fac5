//! Whose announces are passed on, and how others are asked: as configured.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::access::{HashList, Nets, neighbourhood};
use crate::config::{self, Config};
use crate::control::rules::{LIST_BYTES_MAX, Occasion, read_list};
use crate::error::{Exit, Fatal};
use crate::meta::{Built, Dht, LIST_URLS, Present, Publish, Select, Settings};
use crate::net::meta::Policy;
use crate::sys::file;

/// The largest file of trackers that is read.
const TRACKERS_BYTES_MAX: usize = 1 << 20;

/// The policy as configured; `None` if nothing is passed on.
///
/// # Errors
/// When a list can't be read.
pub fn policy(config: &Config, occasion: Occasion) -> Result<Option<Present<Policy>>, Fatal> {
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
    Ok(Some(built.brings(Policy {
        built,
        clients: clients.map(Arc::new),
        allow: hashes(&meta.allow)?,
        deny: hashes(&meta.deny)?,
        listens: meta.listens.clone().into(),
        hold: meta.hold_millis.into(),
        settings: Arc::new(settings(config)?),
        way: None,
    })))
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
}

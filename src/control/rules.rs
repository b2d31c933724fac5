//! Makes the rules by which workers answer from the configuration and the files that it names.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::access::{BadLines, Cookie, Gate, HashList, KeyList, Nets, Proxies, Torrents};
use crate::api::Token;
use crate::config::{Certificate, Config, HashFile};
use crate::control::journal::progress;
use crate::control::memory::Means;
use crate::control::meta::policy;
use crate::control::strangers;
use crate::error::{Exit, Fatal};
use crate::net::{Budget, Rules, Terms};
use crate::sys::{clock, file};
use crate::tls::Server;
use crate::types::{Net, Seconds};

/// The largest list that is read: some six million info-hashes.
pub const LIST_BYTES_MAX: usize = 256 << 20;

/// The largest file of keys that is read: a million of the longest.
const KEYS_BYTES_MAX: usize = (KeyList::LEN_MAX + 1) << 20;

/// The largest file with a certificate, or a key, that is read.
const CERTIFICATE_BYTES_MAX: usize = 1 << 20;

/// The largest file with a token in it that is read.
const TOKEN_BYTES_MAX: usize = 4096;

/// The largest file with the secret of connection ids that is read.
pub const SECRET_BYTES_MAX: usize = 4096;

/// Descriptors kept for everything that is not a client's connection, besides the listening
/// sockets: the polls, the log, files that are read again, other trackers.
pub fn descriptors_kept(config: &Config) -> usize {
    let others = if config.meta.mode == "off" {
        0
    } else {
        config.meta.tcp as usize
    };
    32 + others
}

/// What the start has settled.
#[derive(Clone, Copy, Debug)]
pub struct Grants {
    /// Open files that the system grants.
    pub descriptors: usize,
    /// Those of sockets that listen and of polls.
    pub used: usize,
    /// What memory there is.
    pub means: Means,
    /// How long the shards can remember a silent peer.
    pub keep_secs_max: Seconds,
}

/// Whether there are rules in force already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// There are none.
    Start,
    /// There are: in doubt they stay.
    Reload,
}

/// The rules as configured, their list read from its file.
///
/// # Errors
/// When the list can't be read, or at a reload is empty. At the start a whitelist that can't
/// be read allows nothing, which is safe, and is said.
pub fn read(config: &Config, grants: Grants, occasion: Occasion) -> Result<Rules, Fatal> {
    for key in &config.ignored {
        log::warn!("{key}: this setting has no effect");
    }
    if config.livesync.is_some() && config.nodes.is_empty() {
        log::warn!("live sync: without livesync.cluster.node_ip no other tracker is believed");
    }
    let gate = gate(config, occasion)?;
    let budget = grants.means.budget(config, &gate)?;
    Ok(Rules {
        gate,
        terms: terms(config, grants, budget),
        paces: strangers::paces(config),
        nodes: config.nodes.clone().into(),
        quota: strangers::quota(config),
        meta: policy::policy(config, occasion)?,
        cookie: cookie(config)?,
        api_token: api_token(config)?,
        tls: tls(config)?,
    })
}

fn gate(config: &Config, occasion: Occasion) -> Result<Gate, Fatal> {
    let fatal = |path: &Path, what| Fatal::new(Exit::NoInput, path.display().to_string(), what);
    let torrents = match &config.hashes {
        HashFile::None => Torrents::All,
        HashFile::White(path) => Torrents::Only(match read_hashes(path, occasion) {
            Ok(list) => list,
            Err(error) if occasion == Occasion::Reload => {
                return Err(fatal(path, error.to_string()));
            }
            Err(error) => {
                log::error!("{}: {error}; no torrent is served", path.display());
                Arc::default()
            }
        }),
        HashFile::Black(path) => {
            let list = read_hashes(path, occasion).map_err(|error| {
                let what = match occasion {
                    Occasion::Start => "; without its blacklist the tracker would be open",
                    Occasion::Reload => "",
                };
                fatal(path, format!("{error}{what}"))
            })?;
            Torrents::AllBut(list)
        }
    };
    let readers = &config.stats_readers;
    Ok(Gate {
        torrents,
        keys: keys(config, occasion)?,
        stats_readers: (!readers.is_empty()).then(|| nets(readers)),
        full_scrapers: config.full_scrapers.as_deref().map(nets),
        watched: nets(&config.watched),
        proxies: Arc::new(Proxies {
            trusted: config.proxies.iter().copied().collect(),
            header: config.proxy_header.clone(),
            preface: config.proxy_protocol,
        }),
        denied: Arc::new(strangers::denied(config, occasion)?),
        clients: Arc::new(strangers::clients(config)),
        ip_from_query: nets(&config.ip_from_query),
    })
}

/// How connection ids are made, if the secret is in a file.
fn cookie(config: &Config) -> Result<Option<Cookie>, Fatal> {
    let Some(path) = &config.secret_file else {
        return Ok(None);
    };
    let fatal = |what| Fatal::new(Exit::NoInput, path.display().to_string(), what);
    let text = match file::read_regular(path, SECRET_BYTES_MAX) {
        Ok(text) => text,
        Err(error) if config.bus.as_ref().is_some_and(|bus| bus.secret) => {
            log::info!(
                "{}: {error}; until the bus tells it, the secret is drawn",
                path.display()
            );
            return Ok(None);
        }
        Err(error) => return Err(fatal(error.to_string())),
    };
    let cookie = Cookie::shared(&text).ok_or_else(|| {
        let what = "the secret has to have 32 characters or more, such as those of openssl rand \
                    -hex 32";
        fatal(what.into())
    })?;
    Ok(Some(cookie))
}

/// The certificate and its key.
fn tls(config: &Config) -> Result<Option<Server>, Fatal> {
    let Some(Certificate { chain, key }) = &config.certificate else {
        return Ok(None);
    };
    let read = |path: &Path| {
        file::read_regular(path, CERTIFICATE_BYTES_MAX).map_err(|error| {
            Fatal::new(Exit::NoInput, path.display().to_string(), error.to_string())
        })
    };
    let server = Server::new(&read(chain)?, &read(key)?).map_err(|what| {
        let at = format!("{}, {}", chain.display(), key.display());
        Fatal::new(Exit::NoInput, at, what)
    })?;
    Ok(Some(server))
}

/// The token of the management API.
fn api_token(config: &Config) -> Result<Option<Arc<Token>>, Fatal> {
    let Some(path) = &config.api_token else {
        return Ok(None);
    };
    let fatal = |what| Fatal::new(Exit::NoInput, path.display().to_string(), what);
    let text =
        file::read_regular(path, TOKEN_BYTES_MAX).map_err(|error| fatal(error.to_string()))?;
    let token = Token::parse(&text).ok_or_else(|| {
        let (min, max) = (Token::LEN_MIN, Token::LEN_MAX);
        fatal(format!(
            "the token has to be {min} to {max} printable ASCII characters, such as those of \
             openssl rand -hex 32"
        ))
    })?;
    Ok(Some(Arc::new(token)))
}

fn read_hashes(path: &Path, occasion: Occasion) -> io::Result<Arc<HashList>> {
    read_list(path, LIST_BYTES_MAX, occasion, HashList::parse)
}

/// The keys of a private tracker.
fn keys(config: &Config, occasion: Occasion) -> Result<Option<Arc<KeyList>>, Fatal> {
    let Some(path) = &config.keys else {
        return Ok(None);
    };
    let at = || path.display().to_string();
    let secret = clock::entropy().map_err(|error| Fatal::new(Exit::Os, at(), error.to_string()))?;
    let parse = |text: &[u8]| KeyList::parse(text, secret);
    match read_list(path, KEYS_BYTES_MAX, occasion, parse) {
        Ok(list) => Ok(Some(list)),
        Err(error) if occasion == Occasion::Reload => {
            Err(Fatal::new(Exit::NoInput, at(), error.to_string()))
        }
        Err(error) => {
            log::error!("{}: {error}; nobody is served", at());
            Ok(Some(Arc::new(parse(&[]).0)))
        }
    }
}

/// A file of one thing a line.
pub trait List {
    /// One of what it holds, and several.
    const NAMES: [&str; 2];
    /// How many there are.
    fn len(&self) -> usize;
}

impl List for HashList {
    const NAMES: [&str; 2] = ["info-hash", "info-hashes"];
    fn len(&self) -> usize {
        self.len()
    }
}

impl List for Vec<Net> {
    const NAMES: [&str; 2] = ["network", "networks"];
    fn len(&self) -> usize {
        self.len()
    }
}

impl List for KeyList {
    const NAMES: [&str; 2] = ["key", "keys"];
    fn len(&self) -> usize {
        self.len()
    }
}

fn nets(nets: &[Net]) -> Arc<Nets> {
    Arc::new(nets.iter().copied().collect())
}

/// A file in which nothing can be understood is no list. One of no bytes at a reload is taken, as
/// by opentracker, for one that is just being written.
pub fn read_list<L: List>(
    path: &Path,
    bytes_max: usize,
    occasion: Occasion,
    parse: impl FnOnce(&[u8]) -> (L, BadLines),
) -> io::Result<Arc<L>> {
    let [one, several] = L::NAMES;
    let text = file::read_regular(path, bytes_max)?;
    if text.is_empty() && occasion == Occasion::Reload {
        return Err(io::Error::other("the file is empty"));
    }
    progress::taking_in(path, &text);
    let (list, bad) = parse(&text);
    progress::make_way();
    for line in &bad.first {
        log::warn!("{}:{line}: no {one}, skipped", path.display());
    }
    if bad.total > bad.first.len() {
        log::warn!("{}: {} lines skipped in all", path.display(), bad.total);
    }
    if list.len() == 0 && bad.total > 0 {
        return Err(io::Error::other(format!("there is no {one} in it")));
    }
    log::info!("{}: {} {several}", path.display(), list.len());
    Ok(Arc::new(list))
}

/// What clients are told, as configured.
fn terms(config: &Config, grants: Grants, budget: Budget) -> Terms {
    Terms {
        interval: config.intervals.interval,
        intervals: config.intervals,
        min_interval: config.intervals.min_interval,
        numwant_default: config.numwant_default,
        numwant_max: config.numwant_max,
        external_ip: config.external_ip,
        peer_ids: config.keep_ids,
        scrape_interval: config.scrape_interval,
        id: config.tracker_id.clone(),
        warning: config.warning.clone(),
        keep_alive: config.keep_alive,
        page_type: match &config.stats_charset {
            Some(charset) => format!("text/plain; charset={charset}"),
            None => "text/plain".into(),
        },
        separator: config.stats_separator,
        failed: config.failed,
        status: config.status,
        redirect_url: config.redirect_url.clone(),
        stats_path: config.stats_path.clone(),
        metrics_path: config.metrics_path.clone(),
        log_completed: config.log_completed,
        log_access: config.log.access.is_some(),
        woodpeckers: config.woodpeckers,
        full_scrape_interval: config.full_scrape_interval,
        budget,
        connections_max: connections(config, grants),
        hang_secs_max: config.hang_secs_max,
        idle_secs_max: config.idle_secs_max,
        request_secs_max: config.request_secs_max,
    }
}

/// How many connections there may be, given how many descriptors the system grants and how many
/// are needed for other things.
fn connections(config: &Config, grants: Grants) -> usize {
    let Grants {
        descriptors, used, ..
    } = grants;
    let wanted = config.connections_max;
    let possible = descriptors.saturating_sub(used + descriptors_kept(config));
    if possible < wanted {
        log::warn!(
            "http.connections_max: {possible} instead of {wanted}, since the system grants no \
             more than {descriptors} open files; see `ulimit -n`"
        );
    }
    wanted.min(possible).max(1)
}

//! Off the road: privileges, files, signals. Runs on the main thread and may take its time.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::access::{Gate, HashList, Nets, Proxies, Torrents};
use crate::config::{Config, HashFile};
use crate::error::{Exit, Fatal};
use crate::router::Wake;
use crate::sys::clock::Clock;
use crate::sys::process::{self, User};
use crate::sys::signal::{Signal, Signals};

/// Whom to become when nobody of the configured name exists: as opentracker does.
const NOBODY: User = User {
    uid: 65534,
    gid: 65534,
};

/// How long workers have to let go of an old list before nobody waits for them any longer.
const RETIRE_TRIES: u32 = 100;
const RETIRE_PAUSE: Duration = Duration::from_millis(5);

/// What the control thread and the workers have in common.
pub struct Shared {
    /// The one clock, so that all agree on the time.
    pub clock: Clock,
    /// Set when everybody shall come to an end.
    pub stopping: AtomicBool,
    gate: Mutex<Gate>,
    /// Counts the gates there have been.
    version: AtomicUsize,
}

impl Shared {
    /// Starts the clock.
    pub fn new(gate: Gate) -> Shared {
        Shared {
            clock: Clock::start(),
            stopping: AtomicBool::new(false),
            gate: Mutex::new(gate),
            version: AtomicUsize::new(0),
        }
    }

    /// The gate in force.
    pub fn gate(&self) -> Gate {
        self.gate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes over a new gate, if there is one since `version`.
    pub fn refresh(&self, version: &mut usize, gate: &mut Gate) {
        let newest = self.version.load(Ordering::Acquire);
        if *version != newest {
            *version = newest;
            *gate = self.gate();
        }
    }

    /// Brings everybody to an end.
    fn stop(&self, wakes: &[Wake]) {
        self.stopping.store(true, Ordering::Release);
        wakes.iter().for_each(|wake| wake());
    }

    fn replace(&self, gate: Gate, wakes: &[Wake]) {
        *self.gate.lock().unwrap_or_else(PoisonError::into_inner) = gate;
        self.version.fetch_add(1, Ordering::Release);
        wakes.iter().for_each(|wake| wake());
    }
}

/// Enters the root directory and becomes the user of the configuration, as far as root can.
///
/// # Errors
/// When any of it fails: serving strangers as root is not what was asked for.
pub fn drop_privileges(config: &Config) -> Result<(), Fatal> {
    let fatal =
        |setting: &str, error: io::Error| Fatal::new(Exit::of(&error), setting, error.to_string());
    if !process::is_root() {
        // As opentracker does: without the right to confine itself, it at least moves there.
        return match &config.rootdir {
            Some(dir) => process::change_dir(dir).map_err(|error| fatal("tracker.rootdir", error)),
            None => Ok(()),
        };
    }
    let name = config.user.as_deref().unwrap_or("nobody");
    let user = match process::user(name).map_err(|error| fatal("tracker.user", error))? {
        Some(user) => user,
        None if config.user.is_none() => NOBODY,
        None => {
            let what = format!("there is no user `{name}`; see /etc/passwd");
            return Err(Fatal::new(Exit::Config, "tracker.user", what));
        }
    };
    if let Some(dir) = &config.rootdir {
        process::enter_root(dir).map_err(|error| fatal("tracker.rootdir", error))?;
    }
    process::become_user(user).map_err(|error| fatal("tracker.user", error))
}

/// The gate as configured, its list read from the file.
///
/// # Errors
/// When a blacklist can't be read. A whitelist that can't be read allows nothing, which is safe,
/// and is said.
pub fn gate(config: &Config) -> Result<Gate, Fatal> {
    let torrents = match &config.hashes {
        HashFile::None => Torrents::All,
        HashFile::White(path) => Torrents::Only(read_list(path).unwrap_or_else(|error| {
            log::error!("{}: {error}; no torrent is served", path.display());
            Arc::default()
        })),
        HashFile::Black(path) => {
            let list = read_list(path).map_err(|error| {
                let what = format!("{error}; without its blacklist the tracker would be open");
                Fatal::new(Exit::NoInput, path.display().to_string(), what)
            })?;
            Torrents::AllBut(list)
        }
    };
    let readers = &config.stats_readers;
    let readers = (!readers.is_empty()).then(|| Arc::new(Nets::from_iter(readers.iter().copied())));
    Ok(Gate {
        torrents,
        stats_readers: readers,
        proxies: Arc::new(Proxies {
            trusted: config.proxies.iter().copied().collect(),
            header: config.proxy_header.clone(),
            preface: config.proxy_protocol,
        }),
        ip_from_query: Arc::new(config.ip_from_query.iter().copied().collect()),
    })
}

/// Heeds signals until one says stop, then brings the workers to an end.
pub fn run(
    config: &Config,
    mut signals: Signals,
    shared: &Shared,
    wakes: &[Wake],
) -> io::Result<()> {
    while signals.wait()? == Signal::Reload {
        reload(config, shared, wakes);
    }
    shared.stop(wakes);
    Ok(())
}

/// Reads the list again and swaps it whole; one that can't be read leaves the old one in force.
fn reload(config: &Config, shared: &Shared, wakes: &[Wake]) {
    let (HashFile::White(path) | HashFile::Black(path)) = &config.hashes else {
        return log::info!("reload: there is no list to read again");
    };
    let list = match read_list(path) {
        Ok(list) => list,
        Err(error) => {
            return log::error!("{}: {error}; the list in force stays", path.display());
        }
    };
    let mut gate = shared.gate();
    let (torrents, old) = match gate.torrents {
        Torrents::AllBut(old) => (Torrents::AllBut(list), old),
        Torrents::Only(old) => (Torrents::Only(list), old),
        Torrents::All => return,
    };
    gate.torrents = torrents;
    shared.replace(gate, wakes);
    retire(&old);
}

/// Waits, not for long, until nobody else holds the old list: giving back the memory of a large
/// one takes a moment, which shall not pass on the road.
fn retire(list: &Arc<HashList>) {
    for _ in 0..RETIRE_TRIES {
        if Arc::strong_count(list) == 1 {
            return;
        }
        thread::sleep(RETIRE_PAUSE);
    }
}

fn read_list(path: &Path) -> io::Result<Arc<HashList>> {
    let (list, bad) = HashList::parse(&fs::read(path)?);
    for line in &bad.first {
        log::warn!("{}:{line}: not an info-hash, skipped", path.display());
    }
    if bad.total > bad.first.len() {
        log::warn!("{}: {} lines skipped in all", path.display(), bad.total);
    }
    log::info!("{}: {} info-hashes", path.display(), list.len());
    Ok(Arc::new(list))
}

//! What the bus is put together from.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::keeper::{Copied, Keeper};
use super::listener::Listener;
use super::publisher::Publisher;
use super::told::Told;
use crate::bus::{self, Account, Backoff, Inbox, Outbox, Roster, Signer};
use crate::config::{self, Config, HashFile};
use crate::control::errands::Errands;
use crate::error::{Exit, Fatal};
use crate::net::Shared;
use crate::net::bus::{Lane, Learned, Ring};
use crate::router::{Owners, Wake};
use crate::sys::{clock, file};
use crate::wire::bus::Record;

/// The key of signatures: at least what `openssl rand -hex 16` says.
const KEY_LEN_MIN: usize = 32;
const KEY_BYTES_MAX: usize = 4096;

/// A bus that has not started.
pub struct Bus {
    config: config::Bus,
    /// Which number this node has drawn.
    node: u64,
    signer: Option<Signer>,
    copies: Vec<Copied>,
    secret: Option<std::path::PathBuf>,
    rings: Vec<(Ring<Record>, Ring<Learned>)>,
}

impl Bus {
    /// The bus as configured, if there is one. To be called after privileges are dropped.
    ///
    /// # Errors
    /// When the key can't be read, or is none.
    pub fn open(config: &Config, workers: usize) -> Result<Option<Bus>, Fatal> {
        let Some(bus) = &config.bus else {
            return Ok(None);
        };
        let signer = bus.key_file.as_deref().map(signer).transpose()?.flatten();
        let entropy = clock::entropy();
        let node = entropy.map_err(|error| Fatal::new(Exit::Os, "entropy", error.to_string()))?;
        let rings = || (Ring::new(bus.ring_len), Ring::new(bus.ring_len));
        Ok(Some(Bus {
            node: u64::from_ne_bytes(node),
            signer,
            copies: if bus.lists {
                copies(config)
            } else {
                Vec::new()
            },
            secret: config.secret_file.clone().filter(|_| bus.secret),
            rings: std::iter::repeat_with(rings).take(workers).collect(),
            config: bus.clone(),
        }))
    }

    /// The end of a worker.
    pub fn lane(&self, worker: usize) -> Lane {
        let (told, learned) = &self.rings[worker];
        Lane::new(told.clone(), learned.clone())
    }

    /// Starts the threads. What is returned ends when the workers have, having told what was left.
    pub fn start(
        self,
        shared: &Arc<Shared>,
        clerk: &Arc<Errands>,
        wakes: &[Wake],
        owners: Owners,
    ) -> io::Result<JoinHandle<()>> {
        let account = Account {
            servers: self.config.servers,
            name: self.config.name,
            stream_frames_max: self.config.stream_frames,
        };
        let backoff = || io::Result::Ok(Backoff::new(u32::from_ne_bytes(clock::entropy()?)));
        let (told, learned): (Vec<_>, Vec<_>) = self.rings.into_iter().unzip();
        // As much as the rings hold.
        let waiting_max = told.len() * self.config.ring_len;
        let told = Arc::new(Mutex::new(Told::new(told, waiting_max)));
        let listener = Listener {
            account: account.clone(),
            inbox: Inbox::new(self.node, self.signer.clone()),
            learned: learned.into_iter().zip(wakes.iter().cloned()).collect(),
            owners,
            told: Arc::clone(&told),
            shared: Arc::clone(shared),
            backoff: backoff()?,
            sure: None,
        };
        spawn("bus in", move || listener.run())?;
        if !self.copies.is_empty() || self.secret.is_some() {
            let keeper = Keeper {
                account: account.clone(),
                copies: self.copies,
                secret: self.secret,
                clerk: Arc::clone(clerk),
                backoff: backoff()?,
            };
            spawn("bus files", move || keeper.run())?;
        }
        let publisher = Publisher {
            account,
            outbox: Outbox::new(self.node, self.signer, self.config.backlog_bytes_max),
            told,
            shared: Arc::clone(shared),
            backoff: backoff()?,
            delay_millis: self.config.delay_millis,
        };
        spawn("bus out", move || publisher.run())
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.into()).spawn(run)
}

fn signer(path: &Path) -> Result<Option<Signer>, Fatal> {
    let fatal = |what| Fatal::new(Exit::NoInput, path.display().to_string(), what);
    let key = file::read_regular(path, KEY_BYTES_MAX).map_err(|error| fatal(error.to_string()))?;
    let key = key.trim_ascii();
    if key.len() < KEY_LEN_MIN {
        let what = "the key has to have 32 characters or more, such as those of openssl rand \
                    -hex 32";
        return Err(fatal(what.into()));
    }
    Ok(bus::Signer::new(key))
}

/// What is copied into which files.
fn copies(config: &Config) -> Vec<Copied> {
    let hashes = match &config.hashes {
        HashFile::None => None,
        HashFile::White(path) => Some((Roster::Whitelist, path)),
        HashFile::Black(path) => Some((Roster::Blacklist, path)),
    };
    let keys = config.keys.as_ref().map(|path| (Roster::Keys, path));
    let copied = hashes.into_iter().chain(keys).map(|(roster, path)| Copied {
        roster,
        path: path.clone(),
        version: None,
    });
    copied.collect()
}

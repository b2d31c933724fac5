//! The clerk: reads the configuration and its lists again, and hands the workers new rules.
//!
//! A thread of its own, off the road and apart from the one that heeds signals: a file system
//! that hangs keeps neither requests nor the end of the process waiting.

use std::env;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::access::{HashList, Torrents};
use crate::config::{self, Config, Listen};
use crate::control::errands::{Errand, Errands};
use crate::control::fifo::{Change, Fifo, Note};
use crate::control::herald::Herald;
use crate::control::journal::{self, Journal};
use crate::control::meta::{self, Service};
use crate::control::orders;
use crate::control::rules::{self, Grants, Occasion};
use crate::control::service;
use crate::control::snapshots::Snapshots;
use crate::control::tempo::Tempo;
use crate::error::{Exit, Fatal};
use crate::net::{Rules, Shared, Terms, Trend};
use crate::router::Wake;
use crate::sys::process;
use crate::types::{InfoHash, Intervals, Seconds};

/// How often the interval that follows the load is looked after.
const TICK: Duration = Duration::from_secs(1);

/// How long workers have to let go of an old list before nobody waits for them any longer.
const RETIRE_TRIES: u32 = 2000;
const RETIRE_PAUSE: Duration = Duration::from_millis(5);

/// Where the configuration came from.
pub struct Origin {
    args: Vec<OsString>,
    /// The directory that names in `args` start from, if the system tells.
    start_dir: PathBuf,
    /// The root directory of the process since, as named from outside.
    root: Option<PathBuf>,
}

impl Origin {
    /// The command line, without the program's name. To be called before privileges are dropped,
    /// where `confined` says whether `config.rootdir` will be the root.
    pub fn new(args: Vec<OsString>, config: &Config, confined: bool) -> Origin {
        let start_dir = env::current_dir().unwrap_or_default();
        let root = config.rootdir.as_ref().filter(|_| confined);
        Origin {
            args,
            root: root.map(|dir| start_dir.join(dir)),
            start_dir,
        }
    }

    /// Where a file named at the start is now.
    fn place(&self, path: &Path) -> PathBuf {
        let path = self.start_dir.join(path);
        match self.root.as_ref().map(|root| path.strip_prefix(root)) {
            Some(Ok(inside)) => Path::new("/").join(inside),
            _ => path,
        }
    }
}

/// Keeps the rules up to date.
pub struct Clerk {
    /// Where the configuration is read again.
    origin: Origin,
    /// The configuration in force.
    config: Arc<Config>,
    /// What the start has settled.
    grants: Grants,
    /// What the workers read.
    shared: Arc<Shared>,
    /// What makes them read it.
    wakes: Vec<Wake>,
    tempo: Option<Tempo>,
    /// The meta-tracker.
    meta: Service,
    /// Where requests are written down.
    journal: Journal,
    /// Who writes news to the standard output.
    herald: Herald,
    /// Where snapshots are asked for, if there are any.
    snapshots: Option<Arc<Snapshots>>,
}

impl Clerk {
    /// A clerk who keeps to this configuration. The workers are woken so, and listen there.
    pub fn new(
        origin: Origin,
        config: Config,
        grants: Grants,
        shared: Arc<Shared>,
        (wakes, own): (Vec<Wake>, Vec<SocketAddr>),
        journal: Journal,
        snapshots: Option<Arc<Snapshots>>,
    ) -> Clerk {
        let mut clerk = Clerk {
            origin,
            config: Arc::new(config),
            grants,
            meta: Service::new(shared.clock, wakes.clone(), own),
            shared,
            wakes,
            tempo: None,
            journal,
            herald: Herald::default(),
            snapshots,
        };
        clerk.set_tempo();
        clerk
    }

    /// Begins what goes on beside the workers: what is passed on to other trackers, and news.
    pub fn begin(&mut self) {
        let rules = self.shared.rules();
        self.call_herald(&rules.terms);
        if rules.meta.is_some() {
            self.begin_meta(rules);
        }
    }

    fn begin_meta(&mut self, mut rules: Rules) {
        self.meta.obey(&self.config, &mut rules);
        self.shared.replace(rules, &self.wakes);
    }

    /// Sets the clerk to work on a thread of its own, and has the fifos read. What is returned
    /// takes errands.
    pub fn start(self, fifos: Vec<Fifo>) -> io::Result<Arc<Errands>> {
        let errands = Arc::<Errands>::default();
        for fifo in fifos {
            fifo.start(Arc::clone(&errands))?;
        }
        let tray = Arc::clone(&errands);
        let thread = thread::Builder::new().name("clerk".into());
        thread.spawn(move || {
            // Where there is but one CPU, requests come first. If that can't be, all is well still.
            let _ = process::give_way();
            self.run(&tray)
        })?;
        Ok(errands)
    }

    fn run(mut self, errands: &Errands) -> ! {
        loop {
            match errands.next(self.patience()) {
                Some(Errand::Reload) => service::reload(|| self.reload()),
                Some(Errand::Lists) => self.put_in_force(Arc::clone(&self.config)),
                Some(Errand::Amend(note)) => self.amend(&note),
                Some(Errand::Order(order)) => orders::carry_out(&order, &self.shared, &self.wakes),
                None => {}
            }
            self.tick();
        }
    }

    /// How long to wait for an errand before there is something else to do.
    fn patience(&self) -> Option<Duration> {
        match (&self.tempo, self.meta.is_wanted()) {
            (Some(_), _) => Some(TICK),
            (None, true) => Some(Duration::from_secs(meta::PAUSE_SECS.into())),
            (None, false) => None,
        }
    }

    /// Has the interval follow the load, and the meta-tracker go on.
    fn tick(&mut self) {
        // Whose thread ends now is not missed.
        let stopping = self.shared.stopping.load(Ordering::Acquire);
        if !stopping && self.meta.is_missed(self.shared.clock.read()) {
            self.begin_meta(self.shared.rules());
        }
        if let Some(tempo) = &mut self.tempo {
            let before = tempo.trend();
            let cpus = process::cpus_online();
            let averages = || process::load_averages().ok();
            tempo.tick(self.shared.clock.read(), cpus, averages);
            if tempo.trend() != before {
                self.shared.set_trend(tempo.trend());
            }
        }
    }

    /// Puts the intervals of the configuration in force. One that follows the load goes on from
    /// where it is.
    fn set_tempo(&mut self) {
        let Intervals { interval, load, .. } = self.config.intervals;
        match (&mut self.tempo, load) {
            (Some(tempo), Some(load)) => tempo.change(load),
            (_, None) => self.tempo = None,
            (None, Some(load)) => {
                self.tempo = Some(Tempo::new(load, interval, self.shared.clock.read()));
            }
        }
        let trend = self.tempo.as_ref().map(Tempo::trend);
        self.shared.set_trend(trend.unwrap_or(Trend::at(interval)));
    }

    /// Has the herald come, if by these terms there are news for him.
    fn call_herald(&mut self, terms: &Terms) {
        if let Err(error) = self.herald.heed(terms, &self.shared.bulletin) {
            log::warn!("nothing is written to the standard output: {error}");
        }
    }

    /// Does to the list in force what a fifo says. The next reload makes it what the file says.
    fn amend(&self, note: &Note) {
        let (done, change): (_, fn(&HashList, &[InfoHash]) -> HashList) = match note.change {
            Change::Add => ("added", HashList::with),
            Change::Delete => ("deleted", HashList::without),
        };
        let mut rules = self.shared.rules();
        let (Torrents::Only(list) | Torrents::AllBut(list)) = &mut rules.gate.torrents else {
            return log::warn!("no info-hash {done}: there is neither whitelist nor blacklist");
        };
        let before = list.len();
        *list = Arc::new(change(list, &note.hashes));
        let now = list.len();
        log::info!("{} info-hashes {done}, {now} in all", now.abs_diff(before));
        let old = self.shared.replace(rules, &self.wakes);
        retire_torrents(&old.gate.torrents);
    }

    /// Reads everything again and swaps it whole. What can't be read or understood leaves all as
    /// it is.
    fn reload(&mut self) {
        let new = config::read_again(&self.origin.args, |path| self.origin.place(path));
        let config = match new {
            Ok(new) => keep_fixed(&self.config, new, self.grants.keep_secs_max).map(Arc::new),
            Err(fatal) if fatal.exit == Exit::NoInput => {
                log::warn!(
                    "{fatal} (files must be readable for tracker.user and, if there is a \
                     tracker.rootdir, lie inside); the settings in force stay"
                );
                Ok(Arc::clone(&self.config))
            }
            Err(fatal) => Err(fatal),
        };
        let config = match config {
            Ok(config) => config,
            Err(fatal) => return log::error!("{fatal}; the configuration in force stays"),
        };
        self.put_in_force(config);
    }

    /// Reads the files that a configuration names, and goes by both.
    fn put_in_force(&mut self, config: Arc<Config>) {
        match rules::read(&config, self.grants, Occasion::Reload) {
            Ok(mut rules) => {
                journal::keep_to(&config);
                self.meta.obey(&config, &mut rules);
                self.config = config;
                self.set_tempo();
                if let Err(fatal) = journal::open(&mut self.journal, &self.config, &self.shared) {
                    log::warn!("{fatal}; requests are written where they were");
                }
                self.call_herald(&rules.terms);
                if let Some(snapshots) = &self.snapshots {
                    snapshots.set_interval(self.config.snapshots.interval());
                }
                let old = self.shared.replace(rules, &self.wakes);
                log::info!("reload: done");
                retire_torrents(&old.gate.torrents);
                if let Some(keys) = &old.gate.keys {
                    retire(keys);
                }
            }
            Err(fatal) => log::error!("{fatal}; the list in force stays, and so do the settings"),
        }
    }
}

/// Files that the bus keeps as the server has them stay those it began with.
fn keep_copies(old: &Config, new: &mut Config) {
    let Some(bus) = &old.bus else {
        return;
    };
    let mut kept = Vec::new();
    if bus.lists && new.hashes != old.hashes {
        new.hashes = old.hashes.clone();
        kept.push("access.whitelist and access.blacklist");
    }
    if bus.lists && new.keys != old.keys {
        new.keys = old.keys.clone();
        kept.push("access.keys");
    }
    if bus.secret && new.secret_file != old.secret_file {
        new.secret_file = old.secret_file.clone();
        kept.push("udp.secret_file");
    }
    for key in kept {
        log::warn!("{key}: the bus keeps this file; the change takes effect at the next start");
    }
}

/// The new configuration as far as a running tracker can follow it; says what it can't.
fn keep_fixed(old: &Config, mut new: Config, keep_secs_max: Seconds) -> Result<Config, Fatal> {
    keep_copies(old, &mut new);
    let keep_secs = new.intervals.keep_secs(new.intervals.highest());
    if keep_secs > keep_secs_max {
        let what = format!(
            "until the next start peers are remembered for {keep_secs_max} seconds at most, not \
             for {keep_secs}"
        );
        return Err(Fatal::new(Exit::Config, "tracker.peer_timeout", what));
    }
    let differs = [
        ("listen.*", ordinary(&new) != ordinary(old)),
        ("meta.listen", new.meta.listens != old.meta.listens),
        ("tracker.workers", new.workers != old.workers),
        (
            "listen.udp.receive_buffer",
            new.receive_buffer != old.receive_buffer,
        ),
        ("tracker.nofile", new.open_files != old.open_files),
        ("tracker.core", new.core_bytes != old.core_bytes),
        ("tracker.pin_workers", new.pin_workers != old.pin_workers),
        ("tracker.rootdir", new.rootdir != old.rootdir),
        ("tracker.load", new.load != old.load),
        ("tracker.user", new.user != old.user),
        ("access.fifo_add", new.fifo_add != old.fifo_add),
        ("access.fifo_delete", new.fifo_delete != old.fifo_delete),
        ("livesync.cluster.listen", new.livesync != old.livesync),
        ("bus.*", new.bus != old.bus),
        ("api.listen", new.api != old.api),
        ("persist.file", new.snapshots.file != old.snapshots.file),
    ];
    for (key, _) in differs.iter().filter(|(_, differs)| *differs) {
        log::warn!("{key}: the change takes effect at the next start");
    }
    Ok(Config {
        listens: old.listens.clone(),
        workers: old.workers,
        receive_buffer: old.receive_buffer,
        open_files: old.open_files,
        core_bytes: old.core_bytes,
        pin_workers: old.pin_workers,
        rootdir: old.rootdir.clone(),
        load: old.load.clone(),
        user: old.user.clone(),
        fifo_add: old.fifo_add.clone(),
        fifo_delete: old.fifo_delete.clone(),
        livesync: old.livesync,
        bus: old.bus.clone(),
        api: old.api.clone(),
        snapshots: config::Snapshots {
            file: old.snapshots.file.clone(),
            ..new.snapshots
        },
        // Its listeners stay too.
        certificate: new.certificate.clone().or_else(|| old.certificate.clone()),
        meta: config::Meta {
            listens: old.meta.listens.clone(),
            ..new.meta
        },
        ..new
    })
}

/// Where it listens, but for addresses of the meta-tracker.
fn ordinary(config: &Config) -> Vec<&Listen> {
    let is_metas = |listen: &&Listen| config.meta.listens.contains(&listen.addr);
    let listens = config.listens.iter();
    listens.filter(|listen| !is_metas(listen)).collect()
}

fn retire_torrents(old: &Torrents) {
    if let Torrents::Only(list) | Torrents::AllBut(list) = old {
        retire(list);
    }
}

/// Waits, not for ever, until nobody else holds the old list: giving back the memory of a large
/// one takes a moment, which shall not pass on the road.
pub fn retire<L>(old: &Arc<L>) {
    for _ in 0..RETIRE_TRIES {
        if Arc::strong_count(old) == 1 {
            return;
        }
        thread::sleep(RETIRE_PAUSE);
    }
}

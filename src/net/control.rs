//! Off the road: privileges and signals, on the main thread; and what it shares with the workers.

use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::{Amount, Config};
use crate::error::{Exit, Fatal};
use crate::net::Router;
use crate::net::desk::Desk;
use crate::net::errands::Errands;
use crate::net::inquiry::Hatch;
use crate::net::journal::Book;
use crate::net::memory::Shares;
use crate::net::rates::Board;
use crate::net::rules::Rules;
use crate::net::seats::Seats;
use crate::net::snapshots::Snapshots;
use crate::net::tempo::Pace;
use crate::persist::Persist;
use crate::router::Wake;
use crate::stats::Counters;
use crate::sys::clock::{self, Clock};
use crate::sys::process::{self, Limit, Ration, User};
use crate::sys::signal::{Signal, Signals};
use crate::types::Seconds;

/// Whom to become when nobody of the configured name exists: as opentracker does.
const NOBODY: User = User {
    uid: 65534,
    gid: 65534,
};

/// What the control thread and the workers have in common.
pub struct Shared {
    /// The one clock, so that all agree on the time.
    pub clock: Clock,
    /// When it began, by the time of day.
    pub started: u64,
    /// What the workers serve in a second.
    pub rates: Board,
    /// Set when everybody shall come to an end.
    pub stopping: AtomicBool,
    /// Set when they shall finish what is under way and take on nothing more.
    draining: AtomicBool,
    /// Workers that have not finished.
    undrained: AtomicUsize,
    /// Where the management API asks.
    pub hatch: Hatch,
    /// The interval in force, and where it comes from and goes to.
    interval: AtomicU32,
    previous: AtomicU32,
    required: AtomicU32,
    /// Counts the workers that had to be rebuilt.
    pub panics: AtomicUsize,
    /// Who may hold how much of the memory that is for torrents and peers.
    pub shares: Shares,
    /// What is counted beside the workers.
    pub beside: Arc<Mutex<Counters>>,
    /// Where requests are written down, if they are.
    pub book: Arc<Book>,
    /// The connections of all workers.
    pub seats: Arc<Seats>,
    /// Where snapshots are asked for, if there are any.
    pub snapshots: Option<Snapshots>,
    rules: Mutex<Rules>,
    /// Counts the rules there have been.
    version: AtomicUsize,
}

impl Shared {
    /// Starts the clock; it is for a tracker that keeps its swarms so, if it does.
    pub fn new(rules: Rules, workers: usize, persist: Option<Persist>) -> Shared {
        let interval = rules.snapshot_interval;
        Shared {
            started: clock::wall(),
            rates: Board::new(workers),
            clock: Clock::start(),
            stopping: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            undrained: AtomicUsize::new(workers),
            hatch: Hatch::default(),
            interval: AtomicU32::new(rules.terms.interval),
            previous: AtomicU32::new(rules.terms.interval),
            required: AtomicU32::new(rules.terms.interval),
            panics: AtomicUsize::new(0),
            shares: Shares::new(workers),
            beside: Arc::default(),
            book: Arc::default(),
            seats: Seats::new(workers),
            snapshots: persist.map(|persist| Snapshots::new(persist, workers, interval)),
            rules: Mutex::new(rules),
            version: AtomicUsize::new(0),
        }
    }

    /// The interval in force, and where it comes from and goes to.
    pub fn pace(&self) -> Pace {
        Pace {
            interval: self.interval.load(Ordering::Relaxed),
            previous: self.previous.load(Ordering::Relaxed),
            required: self.required.load(Ordering::Relaxed),
        }
    }

    /// Puts another interval in force, within a second.
    pub fn set_pace(&self, pace: Pace) {
        self.interval.store(pace.interval, Ordering::Relaxed);
        self.previous.store(pace.previous, Ordering::Relaxed);
        self.required.store(pace.required, Ordering::Relaxed);
    }

    /// The rules in force.
    pub fn rules(&self) -> Rules {
        self.lock().clone()
    }

    /// How long a worker may stand still; 0 means for ever.
    pub fn hang_secs_max(&self) -> Seconds {
        self.lock().terms.hang_secs_max
    }

    /// The rules in force, if there are others since `version`.
    pub fn refresh(&self, version: &mut usize) -> Option<Rules> {
        let newest = self.version.load(Ordering::Acquire);
        (mem::replace(version, newest) != newest).then(|| self.rules())
    }

    /// Puts other rules in force, and returns the old ones.
    pub fn replace(&self, rules: Rules, wakes: &[Wake]) -> Rules {
        if let Some(snapshots) = &self.snapshots {
            snapshots.set_interval(rules.snapshot_interval);
        }
        let old = mem::replace(&mut *self.lock(), rules);
        self.version.fetch_add(1, Ordering::Release);
        wakes.iter().for_each(|wake| wake());
        old
    }

    /// Does a turn's worth for a snapshot at the worker whose desk this is, if one is being made.
    pub fn serve_scribe(&self, router: &Router, desk: &mut Desk) {
        if let Some(snapshots) = &self.snapshots {
            snapshots.serve(router, desk);
        }
    }

    /// Has everybody finish what is under way, and come to an end then.
    pub fn drain(&self, wakes: &[Wake]) {
        if !self.draining.swap(true, Ordering::AcqRel) {
            log::info!("draining: no more connections are accepted");
        }
        wakes.iter().for_each(|wake| wake());
    }

    /// Whether nothing more shall be taken on.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Takes note that one worker more has finished what was under way; after the last the process
    /// ends.
    pub fn note_drained(&self) {
        if self.undrained.fetch_sub(1, Ordering::AcqRel) == 1 {
            Signal::Stop.raise();
        }
    }

    /// Brings everybody to an end.
    fn stop(&self, wakes: &[Wake]) {
        self.stopping.store(true, Ordering::Release);
        wakes.iter().for_each(|wake| wake());
    }

    fn lock(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the system for what the configuration wants of it, and says what came of that; how many
/// files may be open.
///
/// # Errors
/// When the system doesn't even say what there is.
pub fn raise_limits(config: &Config) -> io::Result<usize> {
    let wanted = |amount| match amount {
        Some(Amount::Of(n)) => Some(u64::from(n)),
        Some(Amount::Max) | None => None,
    };
    let files = wanted(config.open_files);
    let open_files = raise(Ration::OpenFiles, "open files", "tracker.nofile", files)?;
    if config.core_bytes.is_some() {
        let bytes = wanted(config.core_bytes);
        raise(Ration::CoreBytes, "core bytes", "tracker.core", bytes)?;
    }
    Ok(usize::try_from(open_files.soft).unwrap_or(usize::MAX))
}

fn raise(ration: Ration, what: &str, key: &str, wanted: Option<u64>) -> io::Result<Limit> {
    let before = ration.limit()?;
    // Where nothing can be changed, what there is will have to do.
    let after = ration.set(wanted).or_else(|_| ration.limit())?;
    log::info!("limit of {what}: {before} until now, {after} from now on");
    if wanted.is_some_and(|wanted| after.soft < wanted) {
        log::warn!(
            "{key}: the system grants no more than {}; root may have more",
            after.soft
        );
    }
    Ok(after)
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

/// Heeds signals until one says stop, then brings the workers to an end. For a reload the clerk is
/// told, who has a thread of his own: signals are heard while files are read.
pub fn run(
    mut signals: Signals,
    clerk: &Errands,
    shared: &Shared,
    wakes: &[Wake],
) -> io::Result<()> {
    loop {
        match (signals.wait()?, &shared.snapshots) {
            (Signal::Reload, _) => clerk.ask_reload(false),
            (Signal::Snapshot, Some(snapshots)) => drop(snapshots.ask()),
            (Signal::Snapshot, None) => log::info!("there are no snapshots: set persist.file"),
            (Signal::Stop, _) => break,
        }
    }
    if let Some(snapshots) = &shared.snapshots {
        snapshots.finish();
    }
    shared.stop(wakes);
    Ok(())
}

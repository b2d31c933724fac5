//! What the workers have in common, with each other and with those who direct them.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::net::bulletin::Bulletin;
use crate::net::inquiry::Hatch;
use crate::net::pieces::Pieces;
use crate::net::rates::Board;
use crate::net::rules::Rules;
use crate::net::seats::Seats;
use crate::net::shares::Shares;
use crate::net::trend::Trend;
use crate::net::visitors::Book;
use crate::persist::{Persist, Present};
use crate::router::Wake;
use crate::stats::{Count, Counters};
use crate::sys::clock::{self, Clock};
use crate::sys::signal::Signal;
use crate::types::{Family, Seconds};

/// What all workers see, and who directs them changes.
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
    /// What is wanted of them for snapshots, if there are any.
    pub pieces: Option<Present<Pieces>>,
    /// What is written to the standard output of what happens.
    pub bulletin: Arc<Bulletin>,
    rules: Mutex<Rules>,
    /// Counts the rules there have been.
    version: AtomicUsize,
}

impl Shared {
    /// Starts the clock; it is for a tracker that keeps its swarms so, if it does.
    pub fn new(rules: Rules, workers: usize, persist: Option<Persist>) -> Shared {
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
            pieces: persist.map(|persist| Pieces::new(persist, workers)),
            bulletin: Arc::default(),
            rules: Mutex::new(rules),
            version: AtomicUsize::new(0),
        }
    }

    /// The interval in force, and where it comes from and goes to.
    pub fn trend(&self) -> Trend {
        Trend {
            interval: self.interval.load(Ordering::Relaxed),
            previous: self.previous.load(Ordering::Relaxed),
            required: self.required.load(Ordering::Relaxed),
        }
    }

    /// Puts another interval in force, within a second.
    pub fn set_trend(&self, trend: Trend) {
        self.interval.store(trend.interval, Ordering::Relaxed);
        self.previous.store(trend.previous, Ordering::Relaxed);
        self.required.store(trend.required, Ordering::Relaxed);
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
        let old = mem::replace(&mut *self.lock(), rules);
        self.version.fetch_add(1, Ordering::Release);
        wakes.iter().for_each(|wake| wake());
        old
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
    pub fn stop(&self, wakes: &[Wake]) {
        self.stopping.store(true, Ordering::Release);
        wakes.iter().for_each(|wake| wake());
    }

    /// Counts for a thread that is no worker.
    pub fn count(&self, what: Count, n: u64) {
        let mut counters = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        counters.add(Family::V4, what, n);
    }

    fn lock(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

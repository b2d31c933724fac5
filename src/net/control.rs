//! Off the road: privileges and signals, on the main thread; and what it shares with the workers.

use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::Sender;

use crate::config::Config;
use crate::error::{Exit, Fatal};
use crate::net::rules::Rules;
use crate::router::Wake;
use crate::sys::clock::Clock;
use crate::sys::process::{self, User};
use crate::sys::signal::{Signal, Signals};

/// Whom to become when nobody of the configured name exists: as opentracker does.
const NOBODY: User = User {
    uid: 65534,
    gid: 65534,
};

/// What the control thread and the workers have in common.
pub struct Shared {
    /// The one clock, so that all agree on the time.
    pub clock: Clock,
    /// Set when everybody shall come to an end.
    pub stopping: AtomicBool,
    rules: Mutex<Rules>,
    /// Counts the rules there have been.
    version: AtomicUsize,
}

impl Shared {
    /// Starts the clock.
    pub fn new(rules: Rules) -> Shared {
        Shared {
            clock: Clock::start(),
            stopping: AtomicBool::new(false),
            rules: Mutex::new(rules),
            version: AtomicUsize::new(0),
        }
    }

    /// The rules in force.
    pub fn rules(&self) -> Rules {
        self.lock().clone()
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

    /// Brings everybody to an end.
    fn stop(&self, wakes: &[Wake]) {
        self.stopping.store(true, Ordering::Release);
        wakes.iter().for_each(|wake| wake());
    }

    fn lock(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Heeds signals until one says stop, then brings the workers to an end. For a reload the clerk is
/// told, who has a thread of his own: signals are heard while files are read.
pub fn run(
    mut signals: Signals,
    clerk: &Sender<()>,
    shared: &Shared,
    wakes: &[Wake],
) -> io::Result<()> {
    while signals.wait()? == Signal::Reload {
        // If it is full, an errand waits that has not begun and so will see what there is now.
        let _ = clerk.try_send(());
    }
    shared.stop(wakes);
    Ok(())
}

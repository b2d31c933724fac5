//! The meta-tracker's own threads: the one on which it works, and those for what may block. Workers
//! meet it by a [`Way`].

mod ask;
pub mod policy;
mod thread;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use mio::{Poll, Token, Waker};

pub use ask::report;

use crate::config::Config;
use crate::meta::{Present, Settings};
use crate::net::Rules;
use crate::net::meta::{Brief, Unheeded, Way};
use crate::router::Wake;
use crate::sys::clock::Clock;
use crate::types::Seconds;
use thread::Thread;

/// The token of the waker of the thread.
const WAKE: Token = Token(0);

/// How long to wait before a thread that has ended is started anew: what has ended it may do so
/// again.
pub const PAUSE_SECS: Seconds = 60;

/// Starts the thread when it is wanted, and tells it what it shall go by.
pub struct Service {
    clock: Clock,
    wakes: Vec<Wake>,
    /// Where we listen.
    own: Vec<SocketAddr>,
    /// `None` if no thread is wanted.
    start: Option<Present<Start>>,
}

/// How the thread was started last.
struct Start {
    at: Seconds,
    /// The way to it, unless it could not be started.
    thread: Option<(Present<Way>, JoinHandle<()>)>,
}

impl Service {
    /// A service to workers that are woken so and listen at these addresses.
    pub fn new(clock: Clock, wakes: Vec<Wake>, own: Vec<SocketAddr>) -> Service {
        Service {
            clock,
            wakes,
            own,
            start: None,
        }
    }

    /// Goes by the configuration, whose `rules` get to know the way to the thread, if there is one.
    pub fn obey(&mut self, config: &Config, rules: &mut Rules) {
        let Some(policy) = &mut rules.meta else {
            if let Some(way) = self.way() {
                way.close();
                log::info!("meta: off");
            }
            self.start = None;
            return;
        };
        let brief = Brief {
            settings: Settings {
                own: self.own.clone(),
                ..Settings::clone(&policy.settings)
            },
            upstreams: config.meta.upstreams.clone(),
            state: config.meta.state.clone(),
        };
        if !self.direct(&brief) {
            let thread = self.start(brief).unwrap_or_else(|error| {
                log::error!("meta: it can't start, and is tried again in a minute: {error}");
                None
            });
            let at = self.clock.read();
            self.start = Some(policy.built.brings(Start { at, thread }));
        }
        policy.way = self.way().cloned();
    }

    /// Whether there shall be a thread.
    pub fn is_wanted(&self) -> bool {
        self.start.is_some()
    }

    /// Whether the thread is not there, though it is wanted, and may be started anew.
    pub fn is_missed(&self, now: Seconds) -> bool {
        self.start.as_ref().is_some_and(|start| {
            let runs = |(_, thread): &(_, JoinHandle<_>)| !thread.is_finished();
            now.saturating_sub(start.at) >= PAUSE_SECS && !start.thread.as_ref().is_some_and(runs)
        })
    }

    fn way(&self) -> Option<&Present<Way>> {
        let thread = self.start.as_ref()?.thread.as_ref();
        thread.map(|(way, _)| way)
    }

    /// Has the thread go by this; `false` if there is none.
    fn direct(&self, brief: &Brief) -> bool {
        let Some(way) = self.way() else {
            return false;
        };
        match way.direct(brief.clone()) {
            Ok(()) => true,
            Err(Unheeded::Busy) => {
                log::warn!("meta: the settings in force stay, since the thread is too busy");
                true
            }
            Err(Unheeded::Ended) => {
                log::warn!("meta: its thread has ended, and is started anew");
                false
            }
        }
    }

    fn start(&self, brief: Brief) -> io::Result<Option<(Present<Way>, JoinHandle<()>)>> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let wake: Wake = Arc::new(move || {
            // It fails only when the thread is gone, and then there is nobody to wake.
            let _ = waker.wake();
        });
        let Some((way, inbox)) = Way::new(self.wakes.len(), Arc::clone(&wake)) else {
            return Ok(None);
        };
        let wakes = self.wakes.clone();
        let Some(thread) = Thread::new(poll, self.clock, brief, inbox, wake, wakes)? else {
            return Ok(None);
        };
        Ok(Some((way, thread.start()?)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::{self, Command};
    use crate::control::memory::Means;
    use crate::control::rules::{self, Grants, Occasion};
    use crate::meta::Built;

    #[test]
    fn a_thread_that_has_ended_is_started_anew_after_a_while() {
        if Built::here().is_none() {
            return;
        }
        let args = ["--meta.mode=all", "--meta.list_url=none"];
        let Ok(Command::Run(config)) = config::parse(args) else {
            panic!("{args:?}");
        };
        let grants = Grants {
            descriptors: 1000,
            used: 10,
            means: Means::new(None, 1),
            keep_secs_max: Seconds::MAX,
        };
        let mut rules = rules::read(&config, grants, Occasion::Start).unwrap();
        let clock = Clock::start();
        let mut service = Service::new(clock, Vec::new(), Vec::new());
        assert!(!service.is_missed(PAUSE_SECS));
        service.obey(&config, &mut rules);
        let (way, later) = (service.way().cloned().unwrap(), 2 * PAUSE_SECS);
        assert!(service.is_wanted() && !service.is_missed(later));
        way.close();
        while !service.is_missed(later) {
            assert!(clock.read() < 20, "it goes on");
            std::thread::yield_now();
        }
        assert!(!service.is_missed(clock.read()));
        service.obey(&config, &mut rules);
        assert!(!service.is_missed(later));
        let anew = rules.meta.as_ref().and_then(|policy| policy.way.clone());
        anew.unwrap().close();
        rules.meta = None;
        service.obey(&config, &mut rules);
        assert!(!service.is_wanted() && !service.is_missed(later));
    }
}

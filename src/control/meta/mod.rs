//! The meta-tracker's own threads: the one on which it works, and those for what may block. Workers
//! meet it by a [`Way`].

mod ask;
pub mod policy;
mod thread;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::{Poll, Token, Waker};

pub use ask::report;

use crate::config::Config;
use crate::meta::Settings;
use crate::net::Rules;
use crate::net::meta::{Brief, Unheeded, Way};
use crate::router::Wake;
use crate::sys::clock::Clock;
use thread::Thread;

/// The token of the waker of the thread.
const WAKE: Token = Token(0);

/// Starts the thread when it is wanted, and tells it what it shall go by.
pub struct Service {
    clock: Clock,
    wakes: Vec<Wake>,
    /// Where we listen.
    own: Vec<SocketAddr>,
    way: Option<Way>,
}

impl Service {
    /// A service to workers that are woken so and listen at these addresses.
    pub fn new(clock: Clock, wakes: Vec<Wake>, own: Vec<SocketAddr>) -> Service {
        Service {
            clock,
            wakes,
            own,
            way: None,
        }
    }

    /// Goes by the configuration, whose `rules` get to know the way to the thread, if there is one.
    pub fn obey(&mut self, config: &Config, rules: &mut Rules) {
        let Some(policy) = &mut rules.meta else {
            if let Some(way) = self.way.take() {
                way.close();
                log::info!("meta: off");
            }
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
            self.way = self.start(brief).unwrap_or_else(|error| {
                log::error!("meta: off, since it can't start: {error}");
                None
            });
        }
        policy.way.clone_from(&self.way);
    }

    /// Has the thread go by this; `false` if there is none.
    fn direct(&self, brief: &Brief) -> bool {
        let Some(way) = &self.way else {
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

    fn start(&self, brief: Brief) -> io::Result<Option<Way>> {
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
        thread.start()?;
        Ok(Some(way))
    }
}

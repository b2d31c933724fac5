//! The meta-tracker's place among the workers: they pass wishes on and are told what others know.
//!
//! Between them and the thread on which it all happens there are bounded queues, which nobody
//! waits for: what finds no room is dropped and counted. Without a mode there is neither thread nor
//! queue.

mod ask;
mod policy;
mod relay;
mod thread;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, TrySendError, bounded};
use mio::{Poll, Token, Waker};

pub use ask::report;
pub use policy::Policy;
pub use relay::{Calling, Relay, Slot};

use crate::config::Config;
use crate::meta::{Built, Extra, Settings, Wish};
use crate::net::rules::Rules;
use crate::net::tcp;
use crate::router::Wake;
use crate::sys::clock::Clock;
use crate::types::Figure;
use thread::Thread;

/// Wishes that wait for the thread.
const WISHES_MAX: usize = 1024;

/// Words that wait for a worker.
const WORDS_MAX: usize = 256;

/// How long the end of the process waits for what is known of others to be written.
const PATIENCE: Duration = Duration::from_secs(3);

/// The token of the waker of the thread.
const WAKE: Token = Token(0);

/// A message to the thread.
enum Letter {
    /// An announce that may be passed on.
    Wish(Wish),
    /// A worker's connection wants to read how it goes.
    Report(usize, tcp::Return),
    /// Go by these settings.
    Obey(Box<Terms>),
    /// Write down what is known, and end.
    End(Sender<()>),
}

/// What the thread goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Terms {
    settings: Settings,
    /// Files of trackers.
    upstreams: Vec<PathBuf>,
    /// Where to keep what is known.
    state: Option<PathBuf>,
}

/// A message to a worker.
pub enum Word {
    /// What others know of a torrent.
    Extra(Arc<Extra>),
    /// How it goes, for a connection.
    Report(tcp::Return, Arc<str>),
}

/// Where it is written how it goes.
type Board = Arc<Mutex<Vec<Figure>>>;

/// The way to the thread, and back.
#[derive(Clone)]
pub struct Link {
    /// Without the room there is no thread, and no way.
    built: Built,
    ends: Arc<Ends>,
}

struct Ends {
    letters: Sender<Letter>,
    waker: Arc<Waker>,
    /// One for each worker.
    words: Vec<Receiver<Word>>,
    board: Board,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

impl Link {
    /// A way between these ends; `None` without the room.
    fn new(ends: Ends) -> Option<Link> {
        Some(Link {
            built: Built::here()?,
            ends: Arc::new(ends),
        })
    }

    /// Leaves a letter; `false` if there is no room. It is read after a [`wake`](Self::wake).
    fn post(&self, letter: Letter) -> bool {
        match self.ends.letters.try_send(letter) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// Has the thread read its letters.
    fn wake(&self) {
        // It fails only when the thread is gone, and then there is nobody to wake.
        let _ = self.ends.waker.wake();
    }

    /// How it goes, not long ago.
    fn figures(&self) -> Vec<Figure> {
        let board = self.ends.board.lock();
        board.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The words for a worker.
    fn words(&self, worker: usize) -> &Receiver<Word> {
        &self.ends.words[worker]
    }

    /// Has what is known written down, and waits for that, not for ever.
    pub fn close(&self) {
        let (done, over) = bounded(1);
        if self
            .ends
            .letters
            .send_timeout(Letter::End(done), PATIENCE)
            .is_ok()
        {
            self.wake();
            let _ = over.recv_timeout(PATIENCE);
        }
    }
}

/// Starts the thread when it is wanted, and tells it what it shall go by.
pub struct Service {
    clock: Clock,
    wakes: Vec<Wake>,
    /// Where we listen.
    own: Vec<SocketAddr>,
    link: Option<Link>,
}

impl Service {
    /// A service to workers that are woken so and listen at these addresses.
    pub fn new(clock: Clock, wakes: Vec<Wake>, own: Vec<SocketAddr>) -> Service {
        Service {
            clock,
            wakes,
            own,
            link: None,
        }
    }

    /// Goes by the configuration, whose `rules` get to know the way to the thread, if there is one.
    pub fn obey(&mut self, config: &Config, rules: &mut Rules) {
        let Some(policy) = &mut rules.meta else {
            if let Some(link) = self.link.take() {
                link.close();
                log::info!("meta: off");
            }
            return;
        };
        let terms = Terms {
            settings: Settings {
                own: self.own.clone(),
                ..policy.settings()
            },
            upstreams: config.meta.upstreams.clone(),
            state: config.meta.state.clone(),
        };
        if !self.tell(&terms) {
            self.link = self.start(terms).unwrap_or_else(|error| {
                log::error!("meta: off, since it can't start: {error}");
                None
            });
        }
        policy.link.clone_from(&self.link);
    }

    /// Has the thread go by these terms; `false` if there is none.
    fn tell(&self, terms: &Terms) -> bool {
        let Some(link) = &self.link else {
            return false;
        };
        let letter = Letter::Obey(Box::new(terms.clone()));
        // The thread empties its queue many times a second.
        match link.ends.letters.send_timeout(letter, PATIENCE) {
            Ok(()) => link.wake(),
            Err(SendTimeoutError::Timeout(_)) => {
                log::warn!("meta: the settings in force stay, since the thread is too busy");
            }
            Err(SendTimeoutError::Disconnected(_)) => {
                log::warn!("meta: its thread has ended, and is started anew");
                return false;
            }
        }
        true
    }

    fn start(&self, terms: Terms) -> std::io::Result<Option<Link>> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (letters, inbox) = bounded(WISHES_MAX);
        let (outs, words) = self.wakes.iter().map(|_| bounded(WORDS_MAX)).unzip();
        let board = Board::default();
        let workers = (outs, self.wakes.clone(), Arc::clone(&board));
        let clock = self.clock;
        let Some(thread) = Thread::new(poll, clock, terms, inbox, Arc::clone(&waker), workers)?
        else {
            return Ok(None);
        };
        thread.start()?;
        Ok(Link::new(Ends {
            letters,
            waker,
            words,
            board,
        }))
    }
}

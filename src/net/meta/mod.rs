//! The meta-tracker's place among the workers: they pass wishes on and are told what others know.
//!
//! Between them and the thread on which it all happens there are bounded queues, which nobody
//! waits for: what finds no room is dropped and counted. Without a mode there is neither thread nor
//! queue.

mod policy;
mod relay;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, TrySendError, bounded};

pub use policy::Policy;
pub use relay::{Calling, Relay, Slot};

use crate::meta::{Built, Extra, Present, Settings, Wish};
use crate::net::tcp;
use crate::router::Wake;
use crate::types::Figure;

/// Wishes that wait for the thread.
const WISHES_MAX: usize = 1024;

/// Words that wait for a worker.
const WORDS_MAX: usize = 256;

/// How long the end of the process waits for what is known of others to be written, and other
/// settings to be taken.
const PATIENCE: Duration = Duration::from_secs(3);

/// A message to the thread.
pub enum Message {
    /// An announce that may be passed on.
    Wish(Wish),
    /// A worker's connection wants to read how it goes.
    Report(usize, tcp::Return),
    /// Go by this.
    Obey(Box<Brief>),
    /// Write down what is known, and end.
    End(Sender<()>),
}

/// What the thread goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// How others are asked.
    pub settings: Settings,
    /// Files of trackers.
    pub upstreams: Vec<PathBuf>,
    /// Where to keep what is known.
    pub state: Option<PathBuf>,
}

/// A message to a worker.
pub enum Word {
    /// What others know of a torrent.
    Extra(Arc<Extra>),
    /// How it goes, for a connection.
    Report(tcp::Return, Arc<str>),
}

/// Where it is written how it goes.
pub type Figures = Arc<Mutex<Vec<Figure>>>;

/// The way to the thread, and back.
#[derive(Clone)]
pub struct Way {
    ends: Arc<Ends>,
}

struct Ends {
    messages: Sender<Message>,
    wake: Wake,
    /// One for each worker.
    words: Vec<Receiver<Word>>,
    figures: Figures,
}

/// The thread's ends of the way.
pub struct Inbox {
    /// From workers, and who directs the thread.
    pub messages: Receiver<Message>,
    /// One to each worker.
    pub words: Vec<Sender<Word>>,
    /// For everybody to read.
    pub figures: Figures,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Way")
    }
}

impl Way {
    /// A way between so many workers and a thread that is woken so; `None` without the room.
    pub fn new(workers: usize, wake: Wake) -> Option<(Present<Way>, Inbox)> {
        let built = Built::here()?;
        let (sender, messages) = bounded(WISHES_MAX);
        let (outs, words) = (0..workers).map(|_| bounded(WORDS_MAX)).unzip();
        let inbox = Inbox {
            messages,
            words: outs,
            figures: Figures::default(),
        };
        let ends = Ends {
            messages: sender,
            wake,
            words,
            figures: Arc::clone(&inbox.figures),
        };
        let ends = Arc::new(ends);
        Some((built.brings(Way { ends }), inbox))
    }

    /// Has the thread go by something else.
    ///
    /// # Errors
    /// When it is too busy, or has ended.
    pub fn direct(&self, brief: Brief) -> Result<(), Unheeded> {
        let message = Message::Obey(Box::new(brief));
        // The thread empties its queue many times a second.
        match self.ends.messages.send_timeout(message, PATIENCE) {
            Ok(()) => self.wake(),
            Err(SendTimeoutError::Timeout(_)) => return Err(Unheeded::Busy),
            Err(SendTimeoutError::Disconnected(_)) => return Err(Unheeded::Ended),
        }
        Ok(())
    }

    /// Has what is known written down, and waits for that, not for ever.
    pub fn close(&self) {
        let (done, over) = bounded(1);
        let message = Message::End(done);
        if self.ends.messages.send_timeout(message, PATIENCE).is_ok() {
            self.wake();
            let _ = over.recv_timeout(PATIENCE);
        }
    }

    /// Leaves a message; `false` if there is no room. It is read after a [`wake`](Self::wake).
    fn post(&self, message: Message) -> bool {
        match self.ends.messages.try_send(message) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// Has the thread read its messages.
    fn wake(&self) {
        (self.ends.wake)();
    }

    /// How it goes, not long ago.
    fn figures(&self) -> Vec<Figure> {
        let figures = self.ends.figures.lock();
        figures.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The words for a worker.
    fn words(&self, worker: usize) -> &Receiver<Word> {
        &self.ends.words[worker]
    }

    /// Whether it leads to the same thread.
    fn is(&self, other: &Way) -> bool {
        Arc::ptr_eq(&self.ends, &other.ends)
    }
}

/// Why the thread goes on by what it went by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheeded {
    /// Too many messages wait.
    Busy,
    /// It is not there any more.
    Ended,
}

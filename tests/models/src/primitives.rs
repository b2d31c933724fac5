//! What letter boxes are made of, with loom watching.

use std::collections::VecDeque;
use std::sync::Arc;

use loom::sync::Mutex;
use loom::sync::atomic::{self, Ordering};

/// A flag all of whose operations are in one order, SeqCst. loom has it that a store of that kind
/// may fall behind an exchange; made an exchange too, it is what the language promises.
#[derive(Default)]
pub struct AtomicBool(atomic::AtomicBool);

impl AtomicBool {
    pub fn swap(&self, value: bool, order: Ordering) -> bool {
        assert_eq!(order, Ordering::SeqCst);
        self.0.swap(value, order)
    }

    pub fn store(&self, value: bool, order: Ordering) {
        self.swap(value, order);
    }
}

/// A channel as crossbeam promises it: what was sent is there for who looks later.
struct Channel<L> {
    letters: Mutex<VecDeque<L>>,
    letters_max: usize,
}

pub struct Sender<L>(Arc<Channel<L>>);

pub struct Receiver<L>(Arc<Channel<L>>);

#[expect(dead_code)]
pub enum TrySendError<L> {
    Full(L),
    Disconnected(L),
}

pub fn bounded<L>(letters_max: usize) -> (Sender<L>, Receiver<L>) {
    let channel = Arc::new(Channel {
        letters: Mutex::new(VecDeque::new()),
        letters_max,
    });
    (Sender(Arc::clone(&channel)), Receiver(channel))
}

impl<L> Clone for Sender<L> {
    fn clone(&self) -> Sender<L> {
        Sender(Arc::clone(&self.0))
    }
}

impl<L> Sender<L> {
    pub fn try_send(&self, letter: L) -> Result<(), TrySendError<L>> {
        let mut letters = self.0.letters.lock().unwrap();
        if letters.len() == self.0.letters_max {
            return Err(TrySendError::Full(letter));
        }
        letters.push_back(letter);
        Ok(())
    }
}

impl<L> Receiver<L> {
    pub fn try_recv(&self) -> Result<L, ()> {
        self.0.letters.lock().unwrap().pop_front().ok_or(())
    }
}

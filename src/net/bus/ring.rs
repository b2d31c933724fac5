//! Rooms of a fixed size between threads, in which nobody waits: the oldest makes way.

use crossbeam_channel::{Receiver, Sender, TrySendError};

/// How often to make room before giving up: others may fill it as fast.
const TRIES_MAX: u32 = 4;

/// A ring; clones share it.
pub struct Ring<T> {
    sender: Sender<T>,
    receiver: Receiver<T>,
}

impl<T> Clone for Ring<T> {
    fn clone(&self) -> Ring<T> {
        Ring {
            sender: self.sender.clone(),
            receiver: self.receiver.clone(),
        }
    }
}

impl<T> Ring<T> {
    /// A ring for so many.
    pub fn new(len: usize) -> Ring<T> {
        let (sender, receiver) = crossbeam_channel::bounded(len);
        Ring { sender, receiver }
    }

    /// Puts one in, if there is room.
    ///
    /// # Errors
    /// Gives it back if there is none.
    pub fn offer(&self, item: T) -> Result<(), T> {
        self.sender.try_send(item).map_err(TrySendError::into_inner)
    }

    /// Puts one in; how many were lost for it.
    pub fn push(&self, mut item: T) -> u64 {
        let mut lost = 0;
        for _ in 0..TRIES_MAX {
            match self.offer(item) {
                Ok(()) => return lost,
                Err(back) => item = back,
            }
            lost += u64::from(self.pop().is_some());
        }
        lost + 1
    }

    /// Takes the oldest out.
    pub fn pop(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_way() {
        let ring = Ring::new(3);
        assert_eq!((1..=3).map(|n| ring.push(n)).sum::<u64>(), 0);
        assert_eq!(ring.offer(4), Err(4));
        assert_eq!((4..=5).map(|n| ring.push(n)).sum::<u64>(), 2);
        let other = ring.clone();
        assert_eq!([ring.pop(), other.pop(), ring.pop()], [3, 4, 5].map(Some));
        assert_eq!(ring.pop(), None);
    }
}

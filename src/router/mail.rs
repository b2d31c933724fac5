//! Letters between workers: one bounded inbox each, woken at most once a turn.
//!
//! Posting never blocks. A request that finds the inbox full comes back to the poster, who says so
//! to the client; an answer waits with its writer and is tried again, since somebody keeps a place
//! for it: there are never more answers under way than places kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::primitives::{AtomicBool, Receiver, Sender, TrySendError, bounded};

/// Ends the sleep of a worker.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// One worker's letter box, and the way to everybody else's.
pub struct Mail<L> {
    inbox: Receiver<L>,
    woken: Arc<AtomicBool>,
    neighbours: Vec<Neighbour<L>>,
}

struct Neighbour<L> {
    inbox: Sender<L>,
    /// Set by whoever wakes the neighbour first, taken back when it opens its inbox.
    woken: Arc<AtomicBool>,
    wake: Wake,
    /// Whether something was posted since the last flush.
    posted: bool,
    /// Answers that found the inbox full.
    late: VecDeque<L>,
}

impl<L> Mail<L> {
    /// Letter boxes for as many workers as there are `wakes`, each holding `letters_max`.
    pub fn boxes(wakes: &[Wake], letters_max: usize) -> Vec<Mail<L>> {
        let (senders, inboxes): (Vec<_>, Vec<_>) =
            wakes.iter().map(|_| bounded(letters_max)).unzip();
        let woken: Vec<Arc<AtomicBool>> = wakes.iter().map(|_| Arc::default()).collect();
        let neighbours = || {
            let each = senders.iter().zip(&woken).zip(wakes);
            each.map(|((inbox, woken), wake)| Neighbour {
                inbox: inbox.clone(),
                woken: Arc::clone(woken),
                wake: Arc::clone(wake),
                posted: false,
                late: VecDeque::new(),
            })
            .collect()
        };
        let boxes = inboxes.into_iter().zip(&woken);
        boxes
            .map(|(inbox, woken)| Mail {
                inbox,
                woken: Arc::clone(woken),
                neighbours: neighbours(),
            })
            .collect()
    }

    /// How many letter boxes there are, ours among them.
    pub fn boxes_total(&self) -> usize {
        self.neighbours.len()
    }

    /// Posts a request; `false` if the neighbour's inbox is full, or nobody will ever open it.
    pub fn post(&mut self, to: usize, letter: L) -> bool {
        let neighbour = &mut self.neighbours[to];
        neighbour.posted = true;
        neighbour.inbox.try_send(letter).is_ok()
    }

    /// Posts an answer, at once or as soon as there is room.
    pub fn answer(&mut self, to: usize, letter: L) {
        let neighbour = &mut self.neighbours[to];
        neighbour.late.push_back(letter);
        neighbour.deliver_late();
    }

    /// Tells the neighbours that they have mail; once a turn. Whether answers are still waiting
    /// for room, so that the caller should come again soon.
    pub fn flush(&mut self) -> bool {
        let mut waiting = false;
        for neighbour in &mut self.neighbours {
            neighbour.deliver_late();
            waiting |= !neighbour.late.is_empty();
            if neighbour.posted {
                neighbour.posted = false;
                if !neighbour.woken.swap(true, Ordering::SeqCst) {
                    (neighbour.wake)();
                }
            }
        }
        waiting
    }

    /// To be called before a round of [`take`](Self::take): what is posted from here on wakes us
    /// again, what was posted before will be found.
    pub fn open(&mut self) {
        self.woken.store(false, Ordering::SeqCst);
    }

    /// The next letter.
    pub fn take(&mut self) -> Option<L> {
        self.inbox.try_recv().ok()
    }
}

impl<L> Neighbour<L> {
    fn deliver_late(&mut self) {
        while let Some(letter) = self.late.pop_front() {
            self.posted = true;
            match self.inbox.try_send(letter) {
                Ok(()) => {}
                Err(TrySendError::Full(letter)) => return self.late.push_front(letter),
                // The neighbour has ended: nobody waits for the answer.
                Err(TrySendError::Disconnected(_)) => {}
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn two_boxes(letters_max: usize) -> (Mail<u32>, Mail<u32>, Arc<AtomicUsize>) {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&wakes);
        let wake: Wake = Arc::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let mut boxes = Mail::boxes(&[Arc::clone(&wake), wake], letters_max);
        let second = boxes.pop().unwrap();
        (boxes.pop().unwrap(), second, wakes)
    }

    #[test]
    fn many_letters_wake_once() {
        let (mut a, mut b, wakes) = two_boxes(8);
        for turn in 1..=3 {
            assert!(a.post(1, 1) && a.post(1, 2));
            assert!(!a.flush());
            assert!(a.post(1, 3));
            assert!(!a.flush(), "still awake: no second wake");
            assert_eq!(wakes.load(Ordering::SeqCst), turn);
            b.open();
            assert_eq!(
                [b.take(), b.take(), b.take(), b.take()],
                [Some(1), Some(2), Some(3), None]
            );
        }
    }

    #[test]
    fn full_inboxes_refuse_requests_and_delay_answers() {
        let (mut a, mut b, _) = two_boxes(2);
        assert!(a.post(1, 1) && a.post(1, 2) && !a.post(1, 3));
        a.answer(1, 4);
        assert!(a.flush(), "the answer waits");
        b.open();
        assert_eq!((b.take(), b.take(), b.take()), (Some(1), Some(2), None));
        assert!(!a.flush());
        assert_eq!(b.take(), Some(4));
        drop(b);
        assert!(!a.post(1, 5));
        a.answer(1, 6);
        assert!(!a.flush());
    }
}

//! Seats: how many connections all workers together hold, so that the limit is one for all of them
//! however the kernel spreads those who come.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The seats of all workers.
pub struct Seats {
    workers: usize,
    taken: AtomicUsize,
    /// How often a worker had none to give, and nobody of its own to send away.
    shortages: AtomicUsize,
}

/// The seat of one connection, which is free again when this is dropped.
pub struct Seat(Arc<Seats>);

/// A worker's way to the seats.
pub struct Usher {
    seats: Arc<Seats>,
    /// The shortages that were heeded here.
    heeded: usize,
}

impl Seats {
    /// For so many workers.
    pub fn new(workers: usize) -> Arc<Seats> {
        Arc::new(Seats {
            workers,
            taken: AtomicUsize::new(0),
            shortages: AtomicUsize::new(0),
        })
    }
}

impl Usher {
    /// To these seats.
    pub fn new(seats: Arc<Seats>) -> Usher {
        Usher { seats, heeded: 0 }
    }

    /// A seat, unless `seats_max` are taken.
    pub fn seat(&self, seats_max: usize) -> Option<Seat> {
        let one_more = |taken| (taken < seats_max).then_some(taken + 1);
        let taken = &self.seats.taken;
        // Nothing else is handed over with it.
        let is_free = taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        is_free.ok().map(|_| Seat(Arc::clone(&self.seats)))
    }

    /// Asks the other workers to make room.
    pub fn complain(&self) {
        self.seats.shortages.fetch_add(1, Ordering::Relaxed);
    }

    /// Of so many seats, how many a worker may go on to give to those who only wait, if some worker
    /// has complained since the last call; the others are for those who have something to say.
    pub fn part(&mut self, seats_max: usize) -> Option<usize> {
        let shortages = self.seats.shortages.load(Ordering::Relaxed);
        let is_short = mem::replace(&mut self.heeded, shortages) != shortages;
        is_short.then_some(seats_max / self.seats.workers)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn there_are_never_more_than_the_limit_says() {
        let seats = Seats::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                let usher = Usher::new(Arc::clone(&seats));
                scope.spawn(move || {
                    for _ in 0..2000 {
                        let held: Vec<_> = (0..5).filter_map(|_| usher.seat(7)).collect();
                        assert!(usher.seats.taken.load(Ordering::Relaxed) <= 7);
                        drop(held);
                    }
                });
            }
        });
        let usher = Usher::new(seats);
        let held: Vec<_> = (0..10).filter_map(|_| usher.seat(7)).collect();
        assert_eq!(held.len(), 7);
        assert!(usher.seat(3).is_none() && usher.seat(8).is_some());
    }

    #[test]
    fn all_hear_of_a_shortage_once() {
        let seats = Seats::new(2);
        let mut ushers = [0, 1].map(|_| Usher::new(Arc::clone(&seats)));
        assert_eq!(ushers.each_mut().map(|usher| usher.part(9)), [None; 2]);
        ushers[0].complain();
        ushers[1].complain();
        assert_eq!(ushers.each_mut().map(|usher| usher.part(9)), [Some(4); 2]);
        assert_eq!(ushers.each_mut().map(|usher| usher.part(9)), [None; 2]);
    }
}

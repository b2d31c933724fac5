//! Requests a second, all workers together, without locks.
//!
//! Each worker writes down what it served in a second as soon as that is over, in cells of its
//! own; one of them adds up the second before the last, which all have written down by then.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::net::desk::Desk;
use crate::stats::Count;
use crate::stats::traffic::{Rates, Traffic};
use crate::types::{Family, Seconds};

/// Seconds that are kept apart.
const SECONDS: usize = 4;

/// What everybody has written down: for each worker, the last seconds.
pub struct Board(Vec<[[AtomicU32; 4]; SECONDS]>);

/// One worker's part in it.
#[derive(Default)]
pub struct Meter {
    worker: usize,
    /// The second that was over last.
    over: Seconds,
    /// What had been served by then.
    seen: [u64; 4],
}

impl Board {
    /// A board for so many workers.
    pub fn new(workers: usize) -> Board {
        Board((0..workers).map(|_| Default::default()).collect())
    }

    fn sum(&self, second: Seconds) -> Rates {
        let mut sum = [0_u64; 4];
        for cells in &self.0 {
            for (sum, cell) in sum.iter_mut().zip(&cells[second as usize % SECONDS]) {
                *sum += u64::from(cell.load(Ordering::Relaxed));
            }
        }
        let [tcp4, tcp6, udp4, udp6] = sum;
        Rates {
            tcp: [tcp4, tcp6],
            udp: [udp4, udp6],
        }
    }
}

impl Meter {
    /// That of one worker.
    pub fn new(worker: usize) -> Meter {
        Meter {
            worker,
            ..Meter::default()
        }
    }

    /// At the beginning of every second: writes down the one before, and if it is this worker's
    /// task, adds up what all have written. What was slept through counts as nothing.
    pub fn tick(&mut self, board: &Board, desk: &mut Desk) {
        let now = desk.now;
        let total = served(desk, &desk.traffic);
        let cells = &board.0[self.worker];
        let over = now.saturating_sub(1);
        let slept = over.saturating_sub(self.over).min(SECONDS as Seconds);
        for second in over.saturating_sub(slept)..=over {
            for (lane, cell) in cells[second as usize % SECONDS].iter().enumerate() {
                let new = match second == over {
                    true => total[lane].wrapping_sub(self.seen[lane]),
                    false if second > self.over => 0,
                    false => continue,
                };
                cell.store(u32::try_from(new).unwrap_or(u32::MAX), Ordering::Relaxed);
            }
        }
        (self.over, self.seen) = (over, total);
        if self.worker == 0 && now >= 2 {
            let rates = board.sum(now - 2);
            desk.traffic.last = rates;
            desk.traffic.most.raise(&rates);
        }
    }
}

fn served(desk: &Desk, traffic: &Traffic) -> [u64; 4] {
    let udp = |family| desk.counters.of(family, Count::UdpReceived);
    let [tcp4, tcp6] = traffic.requests();
    [tcp4, tcp6, udp(Family::V4), udp(Family::V6)]
}

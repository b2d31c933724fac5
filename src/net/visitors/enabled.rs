//! Visitors, and the book in which they are handed in.

use std::collections::VecDeque;
use std::mem;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::visit::{Answer, Visit};
use crate::stats::{Count, Counters};
use crate::types::{Family, InfoHash, Seconds};

/// Visitors that are handed over at a time: some 20 KiB of them.
const BATCH: usize = 256;

/// Batches that may wait to be written, of all workers.
const WAITING_MAX: usize = 32;

/// How long the end of the process waits for the last of them.
const FINISH_MAX: Duration = Duration::from_secs(1);

/// Where visitors are handed in.
#[derive(Default)]
pub struct Book {
    tray: Mutex<Tray>,
    changed: Condvar,
}

#[derive(Default)]
struct Tray {
    full: VecDeque<Vec<Visit>>,
    /// Emptied, for those that come next.
    spare: Vec<Vec<Visit>>,
    /// Whether there is somebody who writes, and whether he is at it.
    has_writer: bool,
    is_busy: bool,
    /// Whether he shall look for something else first.
    is_nudged: bool,
}

impl Book {
    /// Waits for the next batch, which its writer brings [back](Self::put_back); `None` if he shall
    /// look for something else first.
    pub fn next(&self) -> Option<Vec<Visit>> {
        let mut tray = self.lock();
        tray.has_writer = true;
        tray.is_busy = false;
        self.changed.notify_all();
        loop {
            if mem::take(&mut tray.is_nudged) {
                return None;
            }
            if let Some(batch) = tray.full.pop_front() {
                tray.is_busy = true;
                return Some(batch);
            }
            let waited = self.changed.wait(tray);
            tray = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes a batch back that is written.
    pub fn put_back(&self, mut batch: Vec<Visit>) {
        batch.clear();
        let mut tray = self.lock();
        if tray.spare.len() < WAITING_MAX {
            tray.spare.push(batch);
        }
    }

    /// Has the writer look for something else.
    pub fn nudge(&self) {
        self.lock().is_nudged = true;
        self.changed.notify_all();
    }

    /// Waits, not for long, until all that was handed in is written.
    pub fn finish(&self) {
        let tray = self.lock();
        let unfinished =
            |tray: &mut Tray| tray.has_writer && (tray.is_busy || !tray.full.is_empty());
        // If the file is too slow, the rest is lost.
        let _ = self
            .changed
            .wait_timeout_while(tray, FINISH_MAX, unfinished);
    }

    /// Takes a batch, and leaves an empty one. False if too many wait, and it is lost.
    fn take(&self, batch: &mut Vec<Visit>) -> bool {
        let mut tray = self.lock();
        let is_taken = tray.full.len() < WAITING_MAX;
        if is_taken {
            let empty = tray.spare.pop().unwrap_or_default();
            tray.full.push_back(mem::replace(batch, empty));
            self.changed.notify_all();
        }
        drop(tray);
        batch.clear();
        is_taken
    }

    fn lock(&self) -> MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker's visitors, if there is a book.
#[derive(Default)]
pub struct Visitors(Option<Box<Batch>>);

struct Batch {
    book: Arc<Book>,
    visits: Vec<Visit>,
    lost: u64,
}

impl Visitors {
    /// Whether they are written down.
    pub fn are_noted(&self) -> bool {
        self.0.is_some()
    }

    /// Has them written down in this book from now on, or not; then hands in those there are.
    pub fn keep(&mut self, book: Option<&Arc<Book>>, counters: &mut Counters) {
        match (&mut self.0, book) {
            (None, Some(book)) => {
                self.0 = Some(Box::new(Batch {
                    book: Arc::clone(book),
                    visits: Vec::with_capacity(BATCH),
                    lost: 0,
                }));
            }
            (Some(_), None) => {
                self.hand_in(counters);
                self.0 = None;
            }
            _ => {}
        }
    }

    /// A datagram, and what is said to it at once, if anything is. What is not said at once may
    /// follow by another worker, unless it `is_ignored`.
    pub fn note_udp(
        &mut self,
        at: Seconds,
        ip: IpAddr,
        bytes: &[u8],
        reply: Option<&[u8]>,
        is_ignored: bool,
    ) {
        self.note(Visit::by_udp(at, ip, bytes, reply, is_ignored));
    }

    /// A request by HTTP, or HTTPS if it `is_encrypted`, and what is said to it, or nothing if that
    /// follows.
    pub fn note_http(
        &mut self,
        at: Seconds,
        is_encrypted: bool,
        ip: IpAddr,
        kind: &'static str,
        info_hash: Option<InfoHash>,
        response: &[u8],
    ) {
        self.note(Visit {
            at,
            protocol: if is_encrypted { "https" } else { "http" },
            ip,
            kind,
            info_hash,
            answer: Answer::of_response(response),
        });
    }

    fn note(&mut self, visit: Visit) {
        if let Some(batch) = &mut self.0 {
            batch.visits.push(visit);
            if batch.visits.len() >= BATCH {
                batch.hand_in();
            }
        }
    }

    /// Once a second: hands in what there is, and counts what was lost.
    pub fn hand_in(&mut self, counters: &mut Counters) {
        if let Some(batch) = &mut self.0 {
            batch.hand_in();
            counters.add(Family::V4, Count::AccessLost, mem::take(&mut batch.lost));
        }
    }
}

impl Batch {
    fn hand_in(&mut self) {
        let len = self.visits.len() as u64;
        if len > 0 && !self.book.take(&mut self.visits) {
            self.lost += len;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(at: Seconds) -> Visit {
        Visit {
            at,
            protocol: "udp",
            ip: [127, 0, 0, 1].into(),
            kind: "connect",
            info_hash: None,
            answer: Answer::Ok,
        }
    }

    #[test]
    fn too_many_are_lost_and_counted() {
        let book = Arc::<Book>::default();
        let mut visitors = Visitors::default();
        let mut counters = Counters::default();
        visitors.note(visit(1));
        assert!(!visitors.are_noted());
        visitors.keep(Some(&book), &mut counters);
        for at in 0..(BATCH * WAITING_MAX + 2 * BATCH + 7) {
            visitors.note(visit(at as Seconds));
        }
        visitors.hand_in(&mut counters);
        assert_eq!(counters.total(Count::AccessLost), 2 * BATCH as u64 + 7);
        let tray = book.lock();
        let kept: Vec<_> = tray.full.iter().flatten().map(|visit| visit.at).collect();
        assert!(kept.into_iter().eq(0..(BATCH * WAITING_MAX) as Seconds));
        drop(tray);
        // Nor is anybody missed when it is turned off, be there room or not.
        let before = counters.total(Count::AccessLost);
        visitors.note(visit(1));
        visitors.keep(None, &mut counters);
        assert_eq!(counters.total(Count::AccessLost), before + 1);
        book.lock().full.clear();
        visitors.keep(Some(&book), &mut counters);
        visitors.note(visit(1));
        visitors.keep(None, &mut counters);
        assert_eq!(book.lock().full.len(), 1);
        assert_eq!(counters.total(Count::AccessLost), before + 1);
    }

    #[test]
    fn who_writes_looks_for_something_else_first() {
        let book = Arc::<Book>::default();
        let mut visitors = Visitors::default();
        visitors.keep(Some(&book), &mut Counters::default());
        visitors.note(visit(7));
        visitors.hand_in(&mut Counters::default());
        book.nudge();
        assert_eq!(book.next(), None);
        let batch = book.next().unwrap_or_default();
        assert_eq!(batch, [visit(7)]);
        assert!(book.lock().is_busy);
        book.put_back(batch);
        assert_eq!(book.lock().spare, [vec![]]);
    }
}

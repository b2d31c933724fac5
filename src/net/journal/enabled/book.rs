//! The book of visitors: a line for each request, in a file.
//!
//! Each worker gathers its visitors, and once there are enough of them or a second is over, hands
//! them to a thread that writes. It waits for nobody: where too many wait to be written, those that
//! come next are lost, and counted, as are those that the file does not take.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::lines::Format;
use super::visit::{Answer, Visit};
use crate::config::Config;
use crate::net::journal::privacy;
use crate::stats::{Count, Counters};
use crate::sys::clock::{self, Clock};
use crate::sys::{file, process};
use crate::types::{Family, InfoHash, Seconds};

/// Visitors that are handed over at a time: some 20 KiB of them.
const BATCH: usize = 256;

/// Batches that may wait to be written, of all workers.
const WAITING_MAX: usize = 32;

/// How often the log may complain of the file.
const COMPLAINT_SECS: Seconds = 60;

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
    /// What is to be written to from now on, if that was said anew.
    change: Option<Option<Page>>,
    /// Whether there is somebody who writes, and whether he is at it.
    has_writer: bool,
    is_busy: bool,
}

/// A file, and how it is written.
struct Page {
    file: File,
    path: PathBuf,
    format: Format,
}

impl Book {
    /// Opens the file that is configured, if one is, or opens it anew.
    ///
    /// # Errors
    /// When it can't be opened; then all stays as it was.
    pub fn open(
        self: &Arc<Book>,
        config: &Config,
        clock: Clock,
        counters: &Arc<Mutex<Counters>>,
    ) -> io::Result<()> {
        let page = config.log.access.as_ref().map(|path| {
            Ok::<_, io::Error>(Page {
                file: file::append_regular(path)?,
                path: path.clone(),
                format: Format::named(config.log.format),
            })
        });
        let page = page.transpose()?;
        let mut tray = self.lock();
        if page.is_some() && !tray.has_writer {
            let book = Arc::clone(self);
            let writer = Writer {
                page: None,
                is_torn: false,
                complained: None,
                clock,
                counters: Arc::clone(counters),
            };
            let thread = thread::Builder::new().name("visitors".into());
            thread.spawn(move || writer.run(&book))?;
            tray.has_writer = true;
        }
        tray.change = Some(page);
        self.changed.notify_all();
        Ok(())
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

    /// Has them written down in this book from now on, or not.
    pub fn keep(&mut self, book: Option<&Arc<Book>>) {
        match (&mut self.0, book) {
            (None, Some(book)) => {
                self.0 = Some(Box::new(Batch {
                    book: Arc::clone(book),
                    visits: Vec::with_capacity(BATCH),
                    lost: 0,
                }));
            }
            (Some(batch), None) => {
                batch.hand_in();
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

/// Who writes.
struct Writer {
    page: Option<Page>,
    /// Whether the last line is not whole.
    is_torn: bool,
    complained: Option<Seconds>,
    clock: Clock,
    counters: Arc<Mutex<Counters>>,
}

impl Writer {
    fn run(mut self, book: &Book) -> ! {
        // Where there is but one CPU, requests come first. If that can't be, all is well still.
        let _ = process::give_way();
        let mut text = String::new();
        loop {
            let mut batch = self.next(book);
            self.write(&batch, &mut text);
            batch.clear();
            let mut tray = book.lock();
            if tray.spare.len() < WAITING_MAX {
                tray.spare.push(batch);
            }
        }
    }

    /// Waits for the next batch, and sees to it that it is written where it shall be.
    fn next(&mut self, book: &Book) -> Vec<Visit> {
        let mut tray = book.lock();
        tray.is_busy = false;
        book.changed.notify_all();
        loop {
            if let Some(page) = tray.change.take() {
                self.page = page;
                self.is_torn = false;
            }
            if let Some(batch) = tray.full.pop_front() {
                tray.is_busy = true;
                return batch;
            }
            let waited = book.changed.wait(tray);
            tray = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn write(&mut self, batch: &[Visit], text: &mut String) {
        let Some(page) = &mut self.page else {
            return;
        };
        let (wall, now) = (clock::wall(), self.clock.read());
        text.clear();
        if self.is_torn {
            text.push('\n');
        }
        for visit in batch {
            let ago = now.saturating_sub(visit.at).into();
            let wall = wall.saturating_sub(ago);
            visit.emit(wall, page.format, privacy(), text);
        }
        let (written, outcome) = write_some(&mut page.file, text.as_bytes());
        let written = &text.as_bytes()[..written];
        if !written.is_empty() {
            self.is_torn = !written.ends_with(b"\n");
        }
        if let Err(error) = outcome {
            let whole = written.iter().filter(|byte| **byte == b'\n').count();
            let lost = batch.len().saturating_sub(whole);
            self.complain(&error, lost as u64);
        }
    }

    /// Counts lines that the file didn't take, and says so once in a while.
    fn complain(&mut self, error: &io::Error, lost: u64) {
        let counters = self.counters.lock();
        let mut counters = counters.unwrap_or_else(PoisonError::into_inner);
        counters.add(Family::V4, Count::AccessLost, lost);
        drop(counters);
        let now = self.clock.read();
        let is_due = |last: Seconds| now.saturating_sub(last) >= COMPLAINT_SECS;
        if let Some(page) = &self.page
            && self.complained.is_none_or(is_due)
        {
            self.complained = Some(now);
            log::warn!("{}: {error}; requests are not written", page.path.display());
        }
    }
}

/// Writes as much as goes; how much that was, and why it was not all.
fn write_some(file: &mut impl Write, mut bytes: &[u8]) -> (usize, io::Result<()>) {
    let len = bytes.len();
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return (len - bytes.len(), Err(io::ErrorKind::WriteZero.into())),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (len - bytes.len(), Err(error)),
        }
    }
    (len, Ok(()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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
        visitors.keep(Some(&book));
        for at in 0..(BATCH * WAITING_MAX + 2 * BATCH + 7) {
            visitors.note(visit(at as Seconds));
        }
        visitors.hand_in(&mut counters);
        assert_eq!(counters.total(Count::AccessLost), 2 * BATCH as u64 + 7);
        let tray = book.lock();
        let kept: Vec<_> = tray.full.iter().flatten().map(|visit| visit.at).collect();
        assert!(kept.into_iter().eq(0..(BATCH * WAITING_MAX) as Seconds));
        drop(tray);
        // Whoever turns it off loses nothing.
        book.lock().full.clear();
        visitors.note(visit(1));
        visitors.keep(None);
        assert_eq!(book.lock().full.len(), 1);
    }

    /// Takes so many bytes, and no more until it is emptied.
    struct Disk(Vec<u8>, usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let len = bytes.len().min(self.1 - self.0.len()).min(7);
            self.0.extend_from_slice(&bytes[..len]);
            match len {
                0 => Err(io::ErrorKind::StorageFull.into()),
                len => Ok(len),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn as_much_is_written_as_there_is_room_for() {
        let mut disk = Disk(Vec::new(), 20);
        let (written, outcome) = write_some(&mut disk, b"one\ntwo\n");
        assert_eq!((written, outcome.is_ok()), (8, true));
        let (written, outcome) = write_some(&mut disk, b"three\nfour\nfive\n");
        assert_eq!(written, 12);
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.0, b"one\ntwo\nthree\nfour\nf");
    }
}

//! Who writes down requests: a line for each, in a file, on a thread of his own.
//!
//! What the file doesn't take is lost, and counted.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::lines::{self, Format};
use crate::config::Config;
use crate::control::journal::privacy;
use crate::net::Shared;
use crate::net::visitors::Visit;
use crate::stats::Count;
use crate::sys::{clock, file, process};
use crate::types::Seconds;

/// How often the log may complain of the file.
const COMPLAINT_SECS: Seconds = 60;

/// The way to the writer, who comes when there is first something to write to.
#[derive(Default)]
pub struct Journal(Option<Slot>);

/// What is to be written to from now on, nothing or a file, when that is said anew. Only the last
/// word counts, so that while a disk hangs no more than one file waits.
type Slot = Arc<Mutex<Option<Option<Page>>>>;

/// A file, and how it is written.
struct Page {
    file: File,
    path: PathBuf,
    format: Format,
}

impl Journal {
    /// Opens the file that is configured, if one is, or opens it anew.
    ///
    /// # Errors
    /// When it can't be opened; then all stays as it was.
    pub fn open(&mut self, config: &Config, shared: &Arc<Shared>) -> io::Result<()> {
        let page = config.log.access.as_ref().map(|path| {
            Ok::<_, io::Error>(Page {
                file: file::append_regular(path)?,
                path: path.clone(),
                format: Format::named(config.log.format),
            })
        });
        let page = page.transpose()?;
        if page.is_some() && self.0.is_none() {
            self.0 = Some(start(shared)?);
        }
        if let Some(slot) = &self.0 {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(page);
            shared.book.nudge();
        }
        Ok(())
    }
}

fn start(shared: &Arc<Shared>) -> io::Result<Slot> {
    let slot = Slot::default();
    let writer = Writer {
        slot: Arc::clone(&slot),
        page: None,
        is_torn: false,
        complained: None,
        shared: Arc::clone(shared),
    };
    let thread = thread::Builder::new().name("visitors".into());
    thread.spawn(move || writer.run())?;
    Ok(slot)
}

/// Who writes.
struct Writer {
    slot: Slot,
    page: Option<Page>,
    /// Whether the last line is not whole.
    is_torn: bool,
    complained: Option<Seconds>,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self) -> ! {
        // Where there is but one CPU, requests come first. If that can't be, all is well still.
        let _ = process::give_way();
        let shared = Arc::clone(&self.shared);
        let mut text = String::new();
        loop {
            let next = self
                .slot
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(page) = next {
                self.page = page;
                self.is_torn = false;
            }
            if let Some(batch) = shared.book.next() {
                self.write(&batch, &mut text);
                shared.book.put_back(batch);
            }
        }
    }

    fn write(&mut self, batch: &[Visit], text: &mut String) {
        let Some(page) = &mut self.page else {
            // They came just before nothing was to be written any more.
            return self.shared.count(Count::AccessLost, batch.len() as u64);
        };
        let (wall, now) = (clock::wall(), self.shared.clock.read());
        text.clear();
        let was_torn = self.is_torn;
        if was_torn {
            text.push('\n');
        }
        for visit in batch {
            let ago = now.saturating_sub(visit.at).into();
            let wall = wall.saturating_sub(ago);
            lines::visit(visit, wall, page.format, privacy(), text);
        }
        let (written, outcome) = write_some(&mut page.file, text.as_bytes());
        let written = &text.as_bytes()[..written];
        if !written.is_empty() {
            self.is_torn = !written.ends_with(b"\n");
        }
        if let Err(error) = outcome {
            let lost = batch.len().saturating_sub(whole_lines(written, was_torn));
            self.complain(&error, lost as u64);
        }
    }

    /// Counts lines that the file didn't take, and says so once in a while.
    fn complain(&mut self, error: &io::Error, lost: u64) {
        self.shared.count(Count::AccessLost, lost);
        let now = self.shared.clock.read();
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

/// How many lines are whole in what was written; if one `was_torn` before, its end comes first, and
/// it is lost already.
fn whole_lines(written: &[u8], was_torn: bool) -> usize {
    let written = written.iter().skip(usize::from(was_torn));
    written.filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
        assert_eq!(whole_lines(&disk.0[8..], false), 2, "fifth is torn");
        disk.0.clear();
        let (written, _) = write_some(&mut disk, b"\nsix\nseven\neight\nnine\n");
        assert_eq!(whole_lines(&disk.0[..written], true), 3);
        let (written, _) = write_some(&mut disk, b"\nten\n");
        assert_eq!((written, whole_lines(b"", true)), (0, 0));
    }
}

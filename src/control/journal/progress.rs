//! How far long work has got, for who watches it at a terminal: one line, written again and again.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sys::clock::Clock;

/// Milliseconds between two looks at the line, and before the first.
const PAUSE_MILLIS: u64 = 300;

/// How much at a time is much to read, and of less, how often it is read between two looks at the
/// clock.
const LARGE_LEN: usize = 4096;
const STRIDE: u32 = 64;

/// A text that takes long: some hundred thousand info-hashes.
const LONG_LEN: usize = 8 << 20;

/// Whether the line is there.
static IS_SHOWN: AtomicBool = AtomicBool::new(false);

/// Takes the line away, for another to stand there.
pub fn make_way() {
    if IS_SHOWN.swap(false, Ordering::Relaxed) {
        // Who doesn't watch any more misses nothing.
        let _ = io::stderr().write_all(b"\r\x1b[K");
    }
}

/// Says, until something else is said, that a long text is being taken in.
pub fn taking_in(path: &Path, text: &[u8]) {
    if text.len() >= LONG_LEN && io::stderr().is_terminal() {
        show(&format!("{}: {} MB", path.display(), text.len() >> 20));
    }
}

fn show(line: &str) {
    IS_SHOWN.store(true, Ordering::Relaxed);
    let _ = write!(io::stderr(), "\r\x1b[K{line}");
}

/// A file that is read while somebody may watch.
pub struct Watched<R> {
    file: R,
    /// What is said of it, if anybody watches.
    watcher: Option<Watcher>,
}

struct Watcher {
    what: String,
    len: u64,
    read: u64,
    clock: Clock,
    shown: u64,
    calls: u32,
}

/// Shows how much of a file was read.
pub fn watched(file: File, path: &Path) -> Watched<File> {
    let len = file.metadata().map_or(0, |about| about.len());
    let watcher = (len > 0 && io::stderr().is_terminal()).then(|| Watcher {
        what: path.display().to_string(),
        len,
        read: 0,
        clock: Clock::start(),
        shown: 0,
        calls: 0,
    });
    Watched { file, watcher }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read(bytes)?;
        if let Some(watcher) = &mut self.watcher {
            let line = watcher.note(len, Clock::millis);
            line.iter().for_each(|line| show(line));
        }
        Ok(len)
    }
}

/// Who reads twice, to check first, is seen to do so.
impl<R: Seek> Seek for Watched<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = self.file.seek(to)?;
        if let Some(watcher) = &mut self.watcher {
            watcher.read = place;
        }
        Ok(place)
    }
}

impl<R> Drop for Watched<R> {
    fn drop(&mut self) {
        make_way();
    }
}

impl Watcher {
    /// Takes note of bytes that were read; what is to be shown now, if it is time for that.
    fn note(&mut self, len: usize, millis: impl FnOnce(&Clock) -> u64) -> Option<String> {
        self.read += len as u64;
        self.calls = self.calls.wrapping_add(1);
        // Large pieces take their time, small ones are many.
        if len < LARGE_LEN && !self.calls.is_multiple_of(STRIDE) {
            return None;
        }
        let now = millis(&self.clock);
        if now.saturating_sub(self.shown) < PAUSE_MILLIS {
            return None;
        }
        self.shown = now;
        let percent = self.read.saturating_mul(100) / self.len.max(1);
        Some(format!("{}: {}%", self.what, percent.min(100)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_who_watches_is_told_a_few_times_a_second() {
        let mut watcher = Watcher {
            what: "file".into(),
            len: 1000 * LARGE_LEN as u64,
            read: 0,
            clock: Clock::start(),
            shown: 0,
            calls: 0,
        };
        let mut told = Vec::new();
        for millis in 0..1000 {
            told.extend(watcher.note(LARGE_LEN, |_| millis));
        }
        assert_eq!(told, ["file: 30%", "file: 60%", "file: 90%"]);
        // A file that grows meanwhile is no more than read.
        assert_eq!(
            watcher.note(LARGE_LEN, |_| 2000).as_deref(),
            Some("file: 100%")
        );
        // For small pieces nobody looks at the clock each time.
        let mut looks = 0;
        for _ in 0..10 * STRIDE {
            watcher.note(1, |_| {
                looks += 1;
                0
            });
        }
        assert_eq!(looks, 10);
    }
}

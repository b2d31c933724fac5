//! Snapshots: the scribe, who writes on a thread of his own what the workers hand him.
//!
//! He asks one worker at a time for one piece at a time (`net::pieces`), and asks for the
//! next when it is written. The file takes the place of the one before when all of it is on the
//! disk.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::config::Config;
use crate::error::{Exit, Fatal};
use crate::net::{Piece, Pieces, Shared};
use crate::persist::{Census, Persist};
use crate::router::Wake;
use crate::stats::Count;
use crate::swarm::PeersCursor;
use crate::sys::{clock, file, process};
use crate::types::Seconds;

/// What may wait to be written to the disk. Of a large file, all at once would keep a CPU in the
/// kernel for tens of milliseconds, and others waiting for it.
const UNSYNCED_BYTES_MAX: usize = 1 << 20;

/// How long a worker may take to fill a piece.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the last snapshot may take.
const LAST_PATIENCE: Duration = Duration::from_secs(60);

/// What is added to the name of a file that is not whole yet, and to that of one that was found
/// damaged.
const NEW: &str = ".new";
const BAD: &str = ".bad";

/// Where snapshots are asked for.
pub struct Snapshots {
    /// There is nothing to ask for without the room.
    _persist: Persist,
    tray: Mutex<Tray>,
    changed: Condvar,
}

#[derive(Default)]
struct Tray {
    interval: Seconds,
    asked: bool,
    /// How many were begun and ended, whatever came of them.
    begun: u32,
    ended: u32,
    /// A worker is gone: there will be no more.
    given_up: bool,
}

impl Snapshots {
    /// Nothing is asked for yet; 0 is no interval.
    pub fn new(persist: Persist, interval: Seconds) -> Arc<Snapshots> {
        let tray = Tray {
            interval,
            ..Tray::default()
        };
        Arc::new(Snapshots {
            _persist: persist,
            tray: Mutex::new(tray),
            changed: Condvar::new(),
        })
    }

    /// Asks for one. Whether another is under way, which will be ended before.
    pub fn ask(&self) -> bool {
        let mut tray = self.lock();
        tray.asked = true;
        self.changed.notify_all();
        tray.begun != tray.ended
    }

    /// Asks for the last one, and waits for it, not for ever.
    pub fn finish(&self) {
        let mut tray = self.lock();
        tray.asked = true;
        self.changed.notify_all();
        let last = tray.begun.wrapping_add(1);
        let unfinished = |tray: &mut Tray| tray.ended != last && !tray.given_up;
        let waited = self
            .changed
            .wait_timeout_while(tray, LAST_PATIENCE, unfinished);
        let (tray, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() || tray.given_up {
            log::warn!("persist.file: no last snapshot; the one before stays");
        }
    }

    /// Says that a worker is gone: nobody shall wait for it.
    pub fn give_up(&self) {
        self.lock().given_up = true;
        self.changed.notify_all();
    }

    /// Has them written so often; 0 for when asked only.
    pub fn set_interval(&self, interval: Seconds) {
        let mut tray = self.lock();
        if mem::replace(&mut tray.interval, interval) != interval {
            self.changed.notify_all();
        }
    }

    /// Waits until one is to be begun, as it is asked for or the last was begun long enough ago.
    fn wait(&self, since: Seconds, now: impl Fn() -> Seconds) {
        let mut tray = self.lock();
        while !tray.asked {
            let waited = match tray.interval {
                0 => self.changed.wait(tray),
                interval => {
                    let left = since.saturating_add(interval).saturating_sub(now());
                    if left == 0 {
                        break;
                    }
                    let left = Duration::from_secs(left.into());
                    let waited = self.changed.wait_timeout(tray, left);
                    waited
                        .map(|(tray, _)| tray)
                        .map_err(|poison| PoisonError::new(poison.into_inner().0))
                }
            };
            tray = waited.unwrap_or_else(PoisonError::into_inner);
        }
        tray.asked = false;
        tray.begun = tray.begun.wrapping_add(1);
    }

    fn end(&self) {
        let mut tray = self.lock();
        tray.ended = tray.begun;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file in which swarms are kept.
pub struct Archive {
    /// The snapshots of this build.
    pub persist: Persist,
    /// Where the file is.
    pub path: PathBuf,
    snapshots: Arc<Snapshots>,
}

impl Archive {
    /// Sees whether it can be written, as the user that serves and inside the root directory.
    ///
    /// # Errors
    /// When not: swarms that are thought to be kept must not be lost.
    pub fn open(config: &Config) -> Result<Option<Archive>, Fatal> {
        let (Some(path), Some(persist)) = (&config.snapshots.file, Persist::new()) else {
            return Ok(None);
        };
        let archive = Archive {
            persist,
            path: path.clone(),
            snapshots: Snapshots::new(persist, config.snapshots.interval()),
        };
        let new = archive.beside(NEW);
        let tried = file::create_private(&new).and_then(|_| fs::remove_file(&new));
        let tried = tried.and_then(|()| match fs::metadata(path) {
            Ok(about) if !about.is_file() => Err(io::Error::other("not a regular file")),
            _ => Ok(()),
        });
        tried.map_err(|error| {
            let what = format!(
                "{}: {error}; its directory has to be there and writable for tracker.user, as \
                 seen from within tracker.rootdir",
                path.display()
            );
            Fatal::new(Exit::of(&error), "persist.file", what)
        })?;
        Ok(Some(archive))
    }

    /// Where snapshots for it are asked for.
    pub fn snapshots(&self) -> Arc<Snapshots> {
        Arc::clone(&self.snapshots)
    }

    /// Renames the file, lest it be written over; to what.
    ///
    /// # Errors
    /// When it stays.
    pub fn set_aside(&self) -> io::Result<PathBuf> {
        let bad = self.beside(BAD);
        fs::rename(&self.path, &bad).map(|()| bad)
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(ending);
        name.into()
    }
}

/// What came of a snapshot that was written.
struct Written {
    census: Census,
    /// The most CPU time that a worker spent on it without doing anything else.
    longest_micros: u64,
}

/// A file that is on the disk but for the last of it.
struct Steady {
    file: File,
    unsynced: usize,
}

impl Write for Steady {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.file.write(bytes)?;
        self.unsynced += len;
        if self.unsynced > UNSYNCED_BYTES_MAX {
            self.unsynced = 0;
            self.file.sync_data()?;
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Who writes snapshots.
pub struct Scribe {
    archive: Archive,
    shared: Arc<Shared>,
    wakes: Vec<Wake>,
    /// Of the last piece.
    number: u32,
    /// Whether the last one failed: it is said once.
    fails: bool,
}

impl Scribe {
    /// Sets him to work on a thread of his own, if there is a file.
    ///
    /// # Errors
    /// When there can't be one.
    pub fn start(archive: Option<Archive>, shared: &Arc<Shared>, wakes: &[Wake]) -> io::Result<()> {
        let Some(archive) = archive else {
            return Ok(());
        };
        let scribe = Scribe {
            archive,
            shared: Arc::clone(shared),
            wakes: wakes.to_vec(),
            number: 0,
            fails: false,
        };
        let thread = thread::Builder::new().name("scribe".into());
        thread.spawn(move || {
            // Where there is but one CPU, requests come first. If that can't be, all is well still.
            let _ = process::give_way();
            scribe.run();
        })?;
        Ok(())
    }

    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let Some(pieces) = &shared.pieces else {
            return;
        };
        let snapshots = self.archive.snapshots();
        let mut began = shared.clock.read();
        loop {
            snapshots.wait(began, || shared.clock.read());
            began = shared.clock.read();
            let new = self.archive.beside(NEW);
            let written = self.write(pieces, &new, began);
            let done = match &written {
                Ok(_) => Count::Snapshots,
                Err(_) => Count::SnapshotFailures,
            };
            shared.count(done, 1);
            self.say(&written, began);
            if written.is_err() {
                let _ = fs::remove_file(&new);
            }
            snapshots.end();
        }
    }

    fn say(&mut self, written: &io::Result<Written>, began: Seconds) {
        let path = self.archive.path.display();
        match written {
            Ok(written) => {
                let secs = self.shared.clock.read().saturating_sub(began);
                let (peers, longest) = (written.census.peers, written.longest_micros);
                log::info!(
                    "{path}: snapshot of {peers} peers, in {secs} s; no worker spent more than \
                     {longest} µs on it at a time"
                );
            }
            Err(error) if self.fails => log::debug!("{path}: {error}"),
            Err(error) => {
                log::warn!(
                    "{path}: {error}; the snapshot before stays, and until there is another this \
                     is not said again"
                );
            }
        }
        self.fails = written.is_err();
    }

    fn write(&mut self, pieces: &Pieces, new: &Path, began: Seconds) -> io::Result<Written> {
        let to = Steady {
            file: file::create_private(new)?,
            unsynced: 0,
        };
        let mut writing = self.archive.persist.write(clock::wall(), to)?;
        let mut piece = Piece {
            persist: self.archive.persist,
            number: 0,
            began,
            cursor: PeersCursor::default(),
            more: true,
            frame: Vec::new(),
            census: Census::default(),
            micros: 0,
        };
        let mut longest_micros = 0;
        for worker in 0..self.wakes.len() {
            (piece.cursor, piece.more) = (PeersCursor::default(), true);
            while piece.more {
                self.number = self.number.wrapping_add(1);
                piece.number = self.number;
                piece.frame.clear();
                piece.census = Census::default();
                piece = self.fetch(pieces, worker, piece)?;
                longest_micros = longest_micros.max(piece.micros);
                writing.frame(&mut piece.frame, piece.census)?;
            }
        }
        let (to, census) = writing.end()?;
        file::take_place(&to.file, new, &self.archive.path)?;
        Ok(Written {
            census,
            longest_micros,
        })
    }

    /// Has a worker fill a piece.
    fn fetch(&self, pieces: &Pieces, worker: usize, piece: Piece) -> io::Result<Piece> {
        let number = piece.number;
        let late = || io::Error::other("a worker did not hand in its torrents in time");
        if !pieces.hand(worker, piece) {
            return Err(late());
        }
        (self.wakes[worker])();
        loop {
            let filled = pieces.filled().recv_timeout(PATIENCE);
            let filled = filled.map_err(|_| late())?;
            if filled.number == number {
                return Ok(filled);
            }
        }
    }
}

//! Fifos by which single info-hashes are put onto the list in force, or taken off it.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use crate::access::HashFeed;
use crate::config::Config;
use crate::control::errands::Errands;
use crate::error::{Exit, Fatal};
use crate::sys::file;
use crate::types::InfoHash;

/// Bytes taken at a time: as much as Linux keeps in a fifo.
const READ_BYTES_MAX: usize = 64 << 10;

/// What a fifo is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Info-hashes go onto the list.
    Add,
    /// Info-hashes go off the list.
    Delete,
}

/// Info-hashes that came by a fifo.
#[derive(Debug)]
pub struct Note {
    /// What to do with them.
    pub change: Change,
    /// At least one.
    pub hashes: Vec<InfoHash>,
}

/// A fifo that is open.
pub struct Fifo {
    change: Change,
    path: PathBuf,
    file: File,
}

/// Opens the fifos as configured, and makes those that are not there.
///
/// # Errors
/// When one can't be made or opened: scripts would wait for ever to write to it.
pub fn open(config: &Config) -> Result<Vec<Fifo>, Fatal> {
    let add = config.fifo_add.iter().map(|path| (Change::Add, path));
    let delete = config.fifo_delete.iter().map(|path| (Change::Delete, path));
    let fifos = add.chain(delete).map(|(change, path)| {
        let file = file::open_fifo(path).map_err(|error| {
            let what = format!(
                "can't open the fifo: {error}; tracker.user must be able to read and write it, or \
                 to make it in its directory"
            );
            Fatal::new(Exit::of(&error), path.display().to_string(), what)
        })?;
        Ok(Fifo {
            change,
            path: path.clone(),
            file,
        })
    });
    fifos.collect()
}

impl Fifo {
    /// Reads on a thread of its own for as long as the process lives. When the clerk is slower
    /// than those who write, they have to wait.
    pub fn start(self, clerk: Arc<Errands>) -> io::Result<()> {
        let thread = thread::Builder::new().name("fifo".into());
        thread.spawn(move || {
            let path = self.path.clone();
            let error = self.run(&clerk);
            log::error!("{}: {error}; not read any more", path.display());
        })?;
        Ok(())
    }

    fn run(mut self, clerk: &Errands) -> io::Error {
        let mut feed = HashFeed::default();
        let mut room = vec![0; READ_BYTES_MAX];
        loop {
            let len = match self.file.read(&mut room) {
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return error,
            };
            let (mut hashes, bad) = feed.read(&room[..len]);
            // Somebody may have written a hash and no more.
            if len < room.len() {
                hashes.extend(feed.last());
            }
            if bad > 0 {
                log::warn!("{}: {bad} lines skipped", self.path.display());
            }
            let change = self.change;
            if !hashes.is_empty() {
                clerk.hand_in(Note { change, hashes });
            }
        }
    }
}

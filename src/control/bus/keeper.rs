//! The keeper: keeps the files of lists, keys and secret as they are at the server, so that they
//! are there at the next start, whether the server is or not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::access::Cookie;
use crate::bus::{Account, Backoff, Link, Roster};
use crate::control::errands::Errands;
use crate::control::rules::{LIST_BYTES_MAX, SECRET_BYTES_MAX};
use crate::sys::{clock, file};

/// How often to look.
const EVERY: Duration = Duration::from_secs(5);

/// A set that a file is a copy of.
pub struct Copied {
    pub roster: Roster,
    pub path: PathBuf,
    /// What the server said when it was copied.
    pub version: Option<(Option<Vec<u8>>, u64)>,
}

pub struct Keeper {
    pub account: Account,
    pub copies: Vec<Copied>,
    /// The file of the secret of connection ids.
    pub secret: Option<PathBuf>,
    pub clerk: Arc<Errands>,
    pub backoff: Backoff,
}

impl Keeper {
    /// Keeps them for as long as the process lives.
    pub fn run(mut self) -> ! {
        let mut link = None;
        let mut trouble = None;
        loop {
            match self.look(&mut link) {
                Ok(()) => {
                    self.backoff.succeed();
                    trouble = None;
                    thread::sleep(EVERY);
                }
                Err(error) => {
                    link = None;
                    if trouble.as_ref() != Some(&error) {
                        log::warn!("bus: lists are not looked after: {error}; it is tried again");
                        trouble = Some(error);
                    }
                    thread::sleep(Duration::from_millis(self.backoff.fail().into()));
                }
            }
        }
    }

    fn look(&mut self, link: &mut Option<Link>) -> Result<(), String> {
        let link = match link {
            Some(link) => link,
            None => link.insert(Link::connect(&self.account)?),
        };
        let mut changed = false;
        for copied in &mut self.copies {
            changed |= copied.look(link)?;
        }
        if let Some(path) = &self.secret {
            changed |= share_secret(path, link)?;
        }
        if changed {
            self.clerk.ask_reload(true);
        }
        Ok(())
    }
}

impl Copied {
    /// Copies the set again if it has changed; whether the file is another now.
    fn look(&mut self, link: &mut Link) -> Result<bool, String> {
        let version = link.version(self.roster)?;
        // A set that isn't there is none: the server may have lost it, the file hasn't.
        if self.version.as_ref() == Some(&version) || version.1 == 0 {
            return Ok(false);
        }
        let text = link.members(self.roster, LIST_BYTES_MAX)?;
        let changed = put(&self.path, &text)?;
        self.version = Some(version);
        Ok(changed)
    }
}

/// Agrees on a secret with the other nodes; whether the file is another now.
fn share_secret(path: &Path, link: &mut Link) -> Result<bool, String> {
    let ours = file::read_regular(path, SECRET_BYTES_MAX).ok();
    let ours = ours.filter(|ours| Cookie::shared(ours).is_some());
    let ours = match ours.and_then(|ours| String::from_utf8(ours).ok()) {
        Some(ours) => ours.trim().to_owned(),
        None => {
            let drawn: [u8; 32] = clock::entropy().map_err(|error| error.to_string())?;
            drawn.iter().map(|byte| format!("{byte:02x}")).collect()
        }
    };
    let theirs = link.secret(&ours)?;
    if Cookie::shared(&theirs).is_none() || theirs.len() > SECRET_BYTES_MAX {
        return Err("the secret at the server is too short, or too long".into());
    }
    put(path, &theirs)
}

/// Writes a file unless that is what is in it already.
fn put(path: &Path, bytes: &[u8]) -> Result<bool, String> {
    if file::read_regular(path, bytes.len()).is_ok_and(|there| there == bytes) {
        return Ok(false);
    }
    let written = file::replace(path, bytes);
    written.map_err(|error| format!("{}: can't be written: {error}", path.display()))?;
    log::info!("{}: as at the server now", path.display());
    Ok(true)
}

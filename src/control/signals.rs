//! What signals ask for, on the main thread.

use std::io;

use crate::control::errands::Errands;
use crate::control::snapshots::Snapshots;
use crate::net::Shared;
use crate::router::Wake;
use crate::sys::signal::{Signal, Signals};

/// Heeds signals until one says stop, then brings the workers to an end. For a reload the clerk is
/// told, who has a thread of his own: signals are heard while files are read.
pub fn heed(
    mut signals: Signals,
    clerk: &Errands,
    snapshots: Option<&Snapshots>,
    shared: &Shared,
    wakes: &[Wake],
) -> io::Result<()> {
    loop {
        match (signals.wait()?, snapshots) {
            (Signal::Reload, _) => clerk.ask_reload(false),
            (Signal::Snapshot, Some(snapshots)) => drop(snapshots.ask()),
            (Signal::Snapshot, None) => log::info!("there are no snapshots: set persist.file"),
            (Signal::Stop, _) => break,
        }
    }
    if let Some(snapshots) = snapshots {
        snapshots.finish();
    }
    shared.stop(wakes);
    Ok(())
}

//! Reading a dump of an earlier run (`-l`): which torrents were completed how often.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::access::{BadLines, Gate, Verdict};
use crate::control::journal::progress::watched;
use crate::router::Owners;
use crate::swarm::Shard;
use crate::sys::clock;
use crate::types::{Event, Seconds};
use crate::wire::dump::State;

/// The longest line that is read: opentracker's own have 64 bytes at most.
const LINE_LEN_MAX: u64 = 4096;

/// What a dump came to.
#[derive(Debug, Default)]
struct Tally {
    remembered: usize,
    bad: BadLines,
}

/// Has the shards remember the torrents of a dump that the gate lets in. One that can't be read is
/// no reason not to serve, as for opentracker: at the first start there is none.
pub fn load(path: &Path, gate: &Gate, owners: &Owners, shards: &mut [Shard], now: Seconds) {
    let file = match File::open(path) {
        Ok(file) => watched(file, path),
        Err(error) => {
            return log::warn!("{}: {error}; no torrents are remembered", path.display());
        }
    };
    let mut tally = Tally::default();
    let minutes = u32::try_from(clock::wall() / 60).unwrap_or(u32::MAX);
    let read = lines(BufReader::new(file), |number, line| {
        let Some(state) = State::parse(line) else {
            if !line.trim_ascii().is_empty() {
                tally.bad.note(number);
            }
            return;
        };
        let shard = &mut shards[owners.owner(&state.info_hash)];
        let idle_secs = minutes.saturating_sub(state.minutes).saturating_mul(60);
        let is_allowed = gate.announce(&state.info_hash, Event::None) == Verdict::Allow;
        if is_allowed && shard.remember(now, &state.info_hash, state.completed, idle_secs) {
            tally.remembered += 1;
        }
    });
    for line in &tally.bad.first {
        log::warn!(
            "{}:{line}: not HASH:MINUTES:COMPLETED, skipped",
            path.display()
        );
    }
    let all = (tally.bad.total > tally.bad.first.len()).then_some(tally.bad.total);
    if let Some(total) = all {
        log::warn!("{}: {total} lines skipped in all", path.display());
    }
    if let Err(error) = read {
        log::warn!("{}: {error}; the rest is not remembered", path.display());
    }
    log::info!(
        "{}: {} torrents remembered",
        path.display(),
        tally.remembered
    );
}

/// Shows every line with its number, from 1. What exceeds the longest is another line.
fn lines(mut from: impl BufRead, mut show: impl FnMut(usize, &[u8])) -> io::Result<()> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if from
            .by_ref()
            .take(LINE_LEN_MAX)
            .read_until(b'\n', &mut line)?
            == 0
        {
            break;
        }
        show(number, &line);
    }
    Ok(())
}

//! Reading the snapshot of an earlier run: who was in which swarm.

use std::io;

use crate::access::{Gate, Verdict};
use crate::control::journal::progress::watched;
use crate::control::snapshots::Archive;
use crate::net::{Shared, random_seed};
use crate::persist::{Census, Failure};
use crate::router::Owners;
use crate::swarm::Shard;
use crate::sys::{clock, file};
use crate::types::{Event, Kept, KeptPeer, KeptTorrent, Seconds};
use crate::wire::snapshot::Flaw;

/// Peers that are taken in before memory is shared out anew.
const PEERS_A_SHARE: u64 = 10_000;

/// A clock that shows less, 2020, was never set.
const CLOCK_MIN: u64 = 1_577_836_800;

/// Takes back what the file has of peers that may still be there, as far as lists and memory allow.
/// A file that is not whole is set aside, and nothing is taken of it.
///
/// # Errors
/// When the system has no randomness.
pub fn load(
    archive: &Archive,
    owners: &Owners,
    shards: &mut [Shard],
    shared: &Shared,
) -> io::Result<()> {
    let path = archive.path.display();
    let mut bench = Bench {
        gate: shared.rules().gate,
        owners,
        shared,
        now: shared.clock.read(),
        wall: clock::wall(),
        keep_ids: shared.rules().terms.peer_ids,
        torrent: None,
        shards,
        tally: Tally::default(),
    };
    let began = shared.clock.micros();
    bench.expect(true);
    let read = match file::open_regular(&archive.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bench.expect(false);
            log::info!("{path}: no snapshot yet");
            return Ok(());
        }
        Err(error) => Err(Failure::System(error)),
        Ok(file) => (archive.persist).read(watched(file, &archive.path), |written, taken, kept| {
            bench.take(written, taken, kept);
        }),
    };
    bench.close();
    bench.expect(false);
    match read {
        Ok(census) => {
            let millis = shared.clock.micros().wrapping_sub(began) / 1000;
            bench.say(&path.to_string(), census, millis);
        }
        Err(failure) => {
            bench.forget_all()?;
            let why = reason(&failure);
            match archive.set_aside() {
                Ok(bad) => log::warn!("{path}: {why}; it is {} now", bad.display()),
                Err(error) => log::warn!("{path}: {why}; it can't be set aside: {error}"),
            }
        }
    }
    Ok(())
}

fn reason(failure: &Failure) -> String {
    match failure {
        Failure::Flaw(Flaw::Foreign) => "this is no snapshot".into(),
        Failure::Flaw(Flaw::Version(version)) => {
            format!("this is a snapshot of version {version}, which this build can't read")
        }
        Failure::Flaw(Flaw::Damaged) => "the snapshot is damaged, and nothing of it taken".into(),
        Failure::System(error) => error.to_string(),
    }
}

/// What came of a snapshot.
#[derive(Default)]
struct Tally {
    peers: u64,
    expired: u64,
    denied: u64,
    unstored: u64,
    /// Whether the clock was not to be believed.
    odd_clock: bool,
}

/// Where it is sorted.
struct Bench<'a> {
    gate: Gate,
    owners: &'a Owners,
    shared: &'a Shared,
    now: Seconds,
    wall: u64,
    keep_ids: bool,
    torrent: Option<Open>,
    shards: &'a mut [Shard],
    tally: Tally,
}

/// The torrent whose peers come.
struct Open {
    kept: KeptTorrent,
    owner: usize,
    is_allowed: bool,
    has_peers: bool,
    /// How long ago this was.
    age: Seconds,
}

impl Bench<'_> {
    fn take(&mut self, written: u64, taken: Seconds, kept: &Kept) {
        match kept {
            Kept::Torrent(torrent) => {
                self.close();
                let age = self.age(written, taken);
                let verdict = self.gate.announce(&torrent.info_hash, Event::None);
                self.torrent = Some(Open {
                    kept: *torrent,
                    owner: self.owners.owner(&torrent.info_hash),
                    is_allowed: verdict == Verdict::Allow,
                    has_peers: false,
                    age,
                });
            }
            Kept::Peer(peer) => self.peer(*peer),
        }
    }

    fn peer(&mut self, mut peer: KeptPeer) {
        let Some(open) = &mut self.torrent else {
            return;
        };
        let tally = &mut self.tally;
        if !open.is_allowed || self.gate.denied.contains(peer.addr.ip()) {
            tally.denied += 1;
            return;
        }
        let Some(left_secs) = peer.left_secs.checked_sub(open.age) else {
            tally.expired += 1;
            return;
        };
        peer.left_secs = left_secs;
        peer.id = peer.id.filter(|_| self.keep_ids);
        if self.shards[open.owner].restore(self.now, &open.kept, &peer) {
            open.has_peers = true;
            tally.peers += 1;
        } else {
            tally.unstored += 1;
        }
        if (tally.peers + tally.unstored).is_multiple_of(PEERS_A_SHARE) {
            self.share();
        }
    }

    /// Tells the shards that peers come back, or that all have.
    fn expect(&mut self, is_expected: bool) {
        for shard in &mut *self.shards {
            shard.expect_restore(is_expected);
        }
    }

    /// Remembers a torrent of which no peers were left.
    fn close(&mut self) {
        if let Some(open) = self.torrent.take()
            && open.is_allowed
            && !open.has_peers
        {
            let KeptTorrent {
                info_hash,
                completed,
                idle_secs,
                ..
            } = open.kept;
            let idle = idle_secs.unwrap_or(0).saturating_add(open.age);
            self.shards[open.owner].remember(self.now, &info_hash, completed, idle);
        }
    }

    /// Every shard gets its part of the memory that is left.
    fn share(&mut self) {
        let room = self.shared.rules().terms.budget.room;
        for (me, shard) in self.shards.iter_mut().enumerate() {
            shard.set_room(self.shared.shares.claim(me, shard.held(), room));
        }
    }

    /// How long ago this was. Where a clock was not set, or has gone backwards since, nobody knows,
    /// and no time has passed: the peers expire as if they had just been heard of.
    fn age(&mut self, written: u64, taken: Seconds) -> Seconds {
        // Both clocks are read in whole seconds: it may seem to be one too early.
        let since = written.saturating_add(taken.into());
        match (self.wall.saturating_add(1)).checked_sub(since) {
            Some(age) if written >= CLOCK_MIN => {
                Seconds::try_from(age.saturating_sub(1)).unwrap_or(Seconds::MAX)
            }
            _ => {
                self.tally.odd_clock = true;
                0
            }
        }
    }

    /// Begins with empty shards.
    fn forget_all(&mut self) -> io::Result<()> {
        if self.tally.peers > 0 {
            for shard in &mut *self.shards {
                *shard = shard.anew(random_seed()?, self.now);
            }
        }
        Ok(())
    }

    fn say(&self, path: &str, census: Census, millis: u32) {
        let Tally {
            peers,
            expired,
            denied,
            unstored,
            odd_clock,
        } = self.tally;
        let torrents: u32 = self
            .shards
            .iter()
            .map(|shard| shard.totals().torrents)
            .sum();
        log::info!(
            "{path}: {peers} peers of {} are back, in {torrents} torrents, after {millis} ms; \
             {expired} expired, {denied} not allowed, {unstored} without room",
            census.peers
        );
        if odd_clock && census.peers > 0 {
            log::warn!(
                "{path}: by the clock it was written in the future, or before the clock was set; \
                 peers are taken to be as they were"
            );
        }
    }
}

//! The one accounting of memory: what the process may take, and what of it the stores get.
//!
//! ```text
//!   limit │ the process at its start │ workers │ connections │ lists │ rooms │ slack │ stores … │
//! ```
//!
//! What is not the stores' is set aside in full, used or not, so that nothing that happens later
//! can exceed the limit. The stores' part is shared out anew every second (`net::shares`).

use crate::access::{Gate, Torrents};
use crate::config::Config;
use crate::error::{Exit, Fatal};
use crate::net::Budget;
use crate::swarm::Room;
use crate::sys::memory as heap;
use crate::tls::Session;
use crate::types::InfoHash;
use crate::wire::bus::Record;

/// What the process takes at first, if the system does not tell.
const BASE_BYTES: usize = 4 << 20;

/// Threads that are no workers: the clerk, those who read fifos or files, manage, or keep watch;
/// those of the bus, of snapshots and of the meta-tracker, but for its connections.
const OTHER_THREADS: usize = 16;

/// The address space that each thread reserves for its stack.
const STACK_BYTES: usize = 2 << 20;

/// What a worker takes besides its connections and its shard: buffers of datagrams, and its stack.
const WORKER_BYTES: usize = 512 << 10;

/// What a worker remembers of each source.
const SOURCE_BYTES: usize = 64;

/// What a list has for each key.
const KEY_BYTES: usize = 32;

/// The inbox of a worker that has neighbours.
const INBOX_BYTES: usize = 512 << 10;

/// What the connections of a worker may hold where memory has no limit: unfinished requests, and
/// answers that are not read. It is what thousands of slow clients need.
const HELD_BYTES: usize = 4 << 20;

/// The part of the limit that connections get at most, all workers together. Where there is HTTPS,
/// it may be a few hundred of them, of which those that only wait make room for others.
const HELD_PART: usize = 8;

/// The part of the limit that the allocator may lose between allocations.
const SLACK_PART: usize = 16;

/// What a snapshot under way takes.
const SNAPSHOT_BYTES: usize = 1 << 20;

/// What the bus takes besides what waits: what it heard lately, and of whom.
const BUS_BYTES: usize = 3 << 20;

/// What the meta-tracker takes: the trackers it knows, their lists, nodes of the hash table.
const META_BYTES: usize = 2 << 20;

/// What it takes for each torrent that is passed on: peers, and what each tracker was told.
const META_SWARM_BYTES: usize = 8 << 10;

/// What it takes for each of its connections: a thread, a session of TLS, an answer.
const META_CONNECTION_BYTES: usize = 128 << 10;

/// What a reload needs for a list: the one in force, the next one, and its text, which is twice as
/// long.
const LIST_TIMES: usize = 4;

/// The least a store can work with.
const STORES_BYTES_MIN: usize = 1 << 20;

/// What the start has found out.
#[derive(Clone, Copy, Debug)]
pub struct Means {
    /// The least limit that the system sets, if any, less what is cautious.
    pub ceiling: Option<usize>,
    /// Memory of the process before it serves.
    pub base: usize,
    /// How many workers there are.
    pub workers: usize,
}

/// What the system lets the process have at most, less a quarter: sockets and threads count there
/// too. Says so where it is what counts, since more was `set`, or nothing.
fn ceiling(set: Option<usize>, workers: usize) -> Option<usize> {
    let threads = workers + OTHER_THREADS;
    let (bytes, what) = heap::ceiling(threads * STACK_BYTES)?;
    let cautious = bytes / 4 * 3;
    if set.is_none_or(|set| set > cautious) {
        let (limit, bytes) = (cautious >> 20, bytes >> 20);
        log::warn!("memory: keeping to {limit}M, since {what} allows {bytes}M");
    }
    Some(cautious)
}

impl Means {
    /// Looks at the process as it is before it serves, and before it enters a root directory or
    /// has threads. `set` is the operator's limit.
    pub fn new(set: Option<usize>, workers: usize) -> Means {
        let ceiling = ceiling(set, workers);
        if ceiling.or(set).is_some() {
            heap::keep_to_one_heap();
        }
        Means {
            ceiling,
            base: heap::resident().unwrap_or(BASE_BYTES),
            workers,
        }
    }

    /// The limit that is in force: the operator's or the system's, whichever is lower.
    pub fn limit(&self, config: &Config) -> Option<usize> {
        let set = config.memory.limit;
        set.into_iter().chain(self.ceiling).min()
    }

    /// Divides the limit up.
    ///
    /// # Errors
    /// When it is too low, with one that would do.
    pub fn budget(&self, config: &Config, gate: &Gate) -> Result<Budget, Fatal> {
        let counts = Room {
            bytes: usize::MAX,
            torrents: config.memory.torrents_max.unwrap_or(u32::MAX),
            peers: config.memory.peers_max.unwrap_or(u32::MAX),
        };
        let Some(limit) = self.limit(config) else {
            return Ok(Budget {
                room: counts,
                held_bytes_max: HELD_BYTES.saturating_add(sessions(config)),
            });
        };
        let fixed = self.fixed(config, gate);
        let wanted = (HELD_BYTES * self.workers).saturating_add(sessions(config));
        let held = (limit / HELD_PART).min(wanted);
        let aside = fixed + held + limit / SLACK_PART;
        let bytes = limit.saturating_sub(aside);
        if bytes < STORES_BYTES_MIN {
            return Err(too_low(limit, fixed));
        }
        Ok(Budget {
            room: Room { bytes, ..counts },
            held_bytes_max: held / self.workers,
        })
    }

    /// What is needed whatever the limit.
    fn fixed(&self, config: &Config, gate: &Gate) -> usize {
        let list = match &gate.torrents {
            Torrents::All => 0,
            Torrents::Only(list) | Torrents::AllBut(list) => list.len() * InfoHash::LEN,
        };
        let inbox = if self.workers > 1 { INBOX_BYTES } else { 0 };
        let sources = config.limits.sources * SOURCE_BYTES;
        let keys = gate.keys.as_ref().map_or(0, |keys| keys.len() * KEY_BYTES);
        let lists = (list + keys) * LIST_TIMES;
        let snapshot = config.snapshots.file.as_ref().map_or(0, |_| SNAPSHOT_BYTES);
        let rooms = snapshot + self.bus(config) + meta(config);
        self.base + self.workers * (WORKER_BYTES + sources + inbox) + lists + rooms
    }

    /// What waits for the bus, or comes from it.
    fn bus(&self, config: &Config) -> usize {
        let Some(bus) = &config.bus else {
            return 0;
        };
        // Each way, and once more while the publisher waits for the server. A channel has a number
        // beside each of its items.
        let item = size_of::<Record>() + size_of::<usize>();
        BUS_BYTES + bus.backlog_bytes_max + 3 * self.workers * bus.ring_len * item
    }
}

/// What is asked of other trackers, and known by them.
fn meta(config: &Config) -> usize {
    let meta = &config.meta;
    if meta.mode == "off" {
        return 0;
    }
    let swarms = meta.swarms_max as usize * META_SWARM_BYTES;
    META_BYTES + swarms + meta.tcp as usize * META_CONNECTION_BYTES
}

/// What connections hold if all of them are encrypted.
fn sessions(config: &Config) -> usize {
    match config.certificate {
        Some(_) => config.connections_max.saturating_mul(Session::BYTES),
        None => 0,
    }
}

fn too_low(limit: usize, fixed: usize) -> Fatal {
    const MEGA: usize = 1 << 20;
    // What is left of a part of the limit must be enough.
    let parts = HELD_PART * SLACK_PART;
    // Another start may take a little more.
    let needed = fixed + fixed / 16 + STORES_BYTES_MIN;
    let least = needed / (parts - HELD_PART - SLACK_PART) * parts;
    let what = format!(
        "{} KiB are too little: the process itself takes {} KiB; at least {}M would do, with fewer \
         workers or shorter lists less",
        limit >> 10,
        fixed >> 10,
        least.div_ceil(MEGA)
    );
    Fatal::new(Exit::Config, "tracker.memory_limit", what)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::{self, Command};
    use crate::control::rules::{self, Grants, Occasion};

    fn config(line: &str) -> Config {
        match config::parse(line.split_ascii_whitespace()) {
            Ok(Command::Run(config)) => config,
            other => panic!("{other:?}"),
        }
    }

    fn gate() -> Gate {
        let config = config("");
        let grants = Grants {
            descriptors: 100,
            used: 1,
            means: MEANS,
            keep_secs_max: 86_400,
        };
        let rules = rules::read(&config, grants, Occasion::Start);
        rules.unwrap().gate
    }

    const MEANS: Means = Means {
        ceiling: None,
        base: 2 << 20,
        workers: 1,
    };

    #[test]
    fn what_is_said_to_be_too_low_and_what_would_do_agree() {
        let gate = gate();
        for workers in [1, 4] {
            for base in [300 << 10, 5 << 20] {
                let means = Means {
                    base,
                    workers,
                    ..MEANS
                };
                let refusal = means
                    .budget(&config("--tracker.memory_limit 1M"), &gate)
                    .unwrap_err();
                let (_, least) = refusal.what.split_once("at least ").unwrap();
                let (least, _) = least.split_once('M').unwrap();
                let limit = format!("--tracker.memory_limit {least}M");
                let budget = means.budget(&config(&limit), &gate).unwrap();
                assert!(budget.room.bytes >= STORES_BYTES_MIN);
                // And little less would not.
                let less: usize = least.parse::<usize>().unwrap() - 3;
                let limit = format!("--tracker.memory_limit {less}M");
                assert!(means.budget(&config(&limit), &gate).is_err(), "{limit}");
            }
        }
    }

    #[test]
    fn the_parts_make_the_whole() {
        let gate = gate();
        let budget = MEANS
            .budget(&config("--tracker.memory_limit 64M"), &gate)
            .unwrap();
        assert_eq!(budget.held_bytes_max, HELD_BYTES);
        let parts = budget.room.bytes + HELD_BYTES + (64 << 20) / SLACK_PART;
        assert_eq!(parts + MEANS.fixed(&config(""), &gate), 64 << 20);
        // Whichever is lower.
        let means = Means {
            ceiling: Some(16 << 20),
            ..MEANS
        };
        let lower = means.budget(&config(""), &gate).unwrap();
        assert!(lower.room.bytes < budget.room.bytes && lower.held_bytes_max < HELD_BYTES);
        assert_eq!(
            MEANS.budget(&config(""), &gate).unwrap().room,
            Room::UNLIMITED
        );
    }

    #[test]
    fn rooms_that_are_used_are_set_aside() {
        let gate = gate();
        let fixed = |line: &str| MEANS.fixed(&config(line), &gate);
        let bare = fixed("");
        if cfg!(feature = "bus") {
            let bus = fixed("--bus.server redis://192.0.2.1 --bus.backlog 5M");
            assert!(bus > bare + (5 << 20) + BUS_BYTES);
        }
        if cfg!(feature = "meta") {
            assert_eq!(fixed("--meta.mode off"), bare);
            let [few, more] = ["1", "3"].map(|n| fixed(&format!("--meta.mode lan --meta.tcp {n}")));
            assert_eq!(more - few, 2 * META_CONNECTION_BYTES);
            assert!(few > bare + META_BYTES);
        }
    }
}

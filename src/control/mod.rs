//! Off the road: all that there is to a tracker besides workers and what they do.
//!
//! Promises that what the operator said is in force, or that it is said why not; that no worker is
//! kept waiting by a file, a name or another program; and that the process ends in order when told
//! to. It never stands on the road: what it changes, workers see at their next turn.
//!
//! [`run`] is the story of a process: limits of the system and sockets (`bind`) while it is root,
//! then `privileges` are dropped, files are read (`rules`, with `strangers`) and what there was
//! before comes back (`restore`, `remember`); workers are put together and set to work (`assembly`,
//! `memory`), and beside them others, each on threads of his own, until `signals` say stop.
//!
//! Those are the clerk (`reload`, with `tempo`), who reads files again and does the `errands` that
//! `signals`, `fifo`, `api` (as `orders`) and `bus` leave for him; the scribe (`snapshots`), the
//! `herald` and the `journal`, who write down what workers hand them; the `watchdog`, who sees to
//! it that workers go on, and `service`, who says so; `api`, `meta` and `bus`, who talk to others.
//! What the program does instead of serving is in `health`, `client`, `system` and `meta::ask`.

mod api;
mod assembly;
mod bind;
mod bus;
mod client;
mod errands;
mod fifo;
mod health;
mod herald;
mod journal;
mod memory;
mod meta;
mod orders;
mod privileges;
mod reload;
mod remember;
mod restore;
mod rules;
mod service;
mod signals;
mod snapshots;
mod strangers;
mod system;
mod tempo;
mod watchdog;

use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::config::Config;
use crate::error::{Exit, Fatal};
use crate::net::{Shared, Worker};
use crate::router::Owners;
use crate::swarm::{self, Shard};
use crate::sys::signal::Signals;
use crate::sys::{memory as heap, process};
use assembly::{Assembly, random};
use bind::Bound;
use bus::Bus;
use journal::Journal;
use memory::Means;
use reload::{Clerk, Origin};
use rules::{Grants, Occasion};
use snapshots::{Archive, Scribe};

pub use client::ask;
pub use health::check as health;
pub use journal::{Outlet, write as write_message};
pub use meta::report as meta_report;
pub use system::check as check_system;

/// Serves as configured until told to stop. On SIGHUP, `args`, the command line that led to
/// `config`, is read again with the files it names.
///
/// # Errors
/// When the start fails: an address in use, a user that doesn't exist, a list that can't be read.
pub fn run(config: Config, args: Vec<OsString>) -> Result<(), Fatal> {
    journal::keep_to(&config);
    heap::give_back_early();
    // Before any thread starts: threads inherit which signals are taken out of their hands.
    let signals = Signals::open().map_err(os("signals"))?;
    let descriptors = privileges::raise_limits(&config).map_err(os("open files"))?;
    let workers = workers(&config);
    // Inside a root directory the system says less.
    let means = Means::new(config.memory.limit, workers);
    let bound = listen(&config, workers)?;
    let door = api::open(&config)?;
    let origin = Origin::new(args, &config, process::is_root());
    privileges::drop_privileges(&config)?;
    let peer_secs = config.intervals.keep_secs(config.intervals.highest());
    let sockets = bound.names.len() + usize::from(config.livesync.is_some());
    let grants = Grants {
        descriptors,
        used: descriptors_used(workers, sockets),
        means,
        keep_secs_max: swarm::life_secs_max(peer_secs),
    };
    let fifos = fifo::open(&config)?;
    let bus = Bus::open(&config, workers)?;
    let archive = Archive::open(&config)?;
    let rules = rules::read(&config, grants, Occasion::Start)?;
    let persist = archive.as_ref().map(|archive| archive.persist);
    let shared = Arc::new(Shared::new(rules, workers, persist));
    let owners = Owners::new(workers, random().map_err(os("entropy"))?);
    let mut journal = Journal::default();
    journal::open(&mut journal, &config, &shared)?;
    if workers > 1 {
        steer(&bound, &owners);
    }
    let addresses = bound.names.join(" ");
    let assembly = Assembly::new(peer_secs, owners);
    let mut shards = assembly.shards(workers, &shared).map_err(os("entropy"))?;
    load(&config, archive.as_ref(), &owners, &mut shards, &shared).map_err(os("entropy"))?;
    let workers = assembly.assemble(bound.sockets, shards, bus.as_ref(), &shared);
    let (wakes, workers): (Vec<_>, Vec<_>) = workers.map_err(os("workers"))?.into_iter().unzip();
    let pulses: Vec<_> = workers.iter().map(Worker::pulse).collect();
    watchdog::start(pulses.clone(), Arc::clone(&shared)).map_err(os("threads"))?;
    let snapshots = archive.as_ref().map(Archive::snapshots);
    let threads = assembly::start(workers, config.pin_workers, snapshots.as_ref());
    let threads = threads.map_err(os("threads"))?;
    Scribe::start(archive, &shared, &wakes).map_err(os("threads"))?;
    let mut clerk = Clerk::new(
        origin,
        config,
        grants,
        Arc::clone(&shared),
        (wakes.clone(), bound.places),
        journal,
        snapshots.clone(),
    );
    clerk.begin();
    let clerk = clerk.start(fifos).map_err(os("threads"))?;
    if let Some(door) = door {
        let started = door.start(&shared, &clerk, snapshots.as_ref(), &wakes);
        started.map_err(os("threads"))?;
    }
    let bus = bus.map(|bus| bus.start(&shared, &clerk, &wakes, owners));
    let bus = bus.transpose().map_err(os("threads"))?;
    journal::ready(&addresses);
    service::ready(&addresses, pulses).map_err(os("threads"))?;
    signals::heed(signals, &clerk, snapshots.as_deref(), &shared, &wakes).map_err(os("signals"))?;
    service::stopping();
    end(threads, bus, &shared)
}

/// Sees all off: the workers, and what they have told last.
fn end(
    workers: Vec<JoinHandle<io::Result<()>>>,
    bus: Option<JoinHandle<()>>,
    shared: &Shared,
) -> Result<(), Fatal> {
    let way = shared.rules().meta.and_then(|policy| policy.way.clone());
    if let Some(way) = way {
        way.close();
    }
    workers.into_iter().try_for_each(join)?;
    shared.book.finish();
    // Should it fail, other nodes hear of it when peers announce again.
    bus.into_iter().for_each(|bus| drop(bus.join()));
    Ok(())
}

/// Takes back what there was before, as far as it was kept.
fn load(
    config: &Config,
    archive: Option<&Archive>,
    owners: &Owners,
    shards: &mut [Shard],
    shared: &Shared,
) -> io::Result<()> {
    if let Some(archive) = archive {
        restore::load(archive, owners, shards, shared)?;
    }
    if let Some(path) = &config.load {
        let gate = shared.rules().gate;
        remember::load(path, &gate, owners, shards, shared.clock.read());
    }
    Ok(())
}

/// Waits for the end of a worker.
fn join(thread: JoinHandle<io::Result<()>>) -> Result<(), Fatal> {
    match thread.join() {
        Ok(ended) => ended.map_err(os("worker")),
        Err(_) => Err(Fatal::new(Exit::Os, "worker", "panicked")),
    }
}

/// How many workers there are to be.
fn workers(config: &Config) -> usize {
    let online = || thread::available_parallelism().map_or(1, Into::into);
    config.workers.unwrap_or_else(online)
}

/// Those of each worker's sockets that listen or hear others, and of its poll.
fn descriptors_used(workers: usize, sockets: usize) -> usize {
    workers * (3 + sockets)
}

/// Binds what is configured.
fn listen(config: &Config, workers: usize) -> Result<Bound, Fatal> {
    let mut bound = bind::bind(&config.listens, workers)?;
    for missing in &bound.missing {
        log::warn!("{missing}");
    }
    if let Some(bytes) = config.receive_buffer {
        bound
            .widen(bytes)
            .map_err(os("listen.udp.receive_buffer"))?;
    }
    if let Some(livesync) = config.livesync {
        bound.join(livesync)?;
    }
    Ok(bound)
}

fn os(at: &'static str) -> impl Fn(io::Error) -> Fatal {
    move |error| Fatal::new(Exit::Os, at, error.to_string())
}

/// Has the kernel do the workers' sorting, and says who does it.
fn steer(bound: &Bound, owners: &Owners) {
    match bound.steer(owners) {
        Ok(()) => log::info!("the kernel steers datagrams to their worker"),
        Err(error) => log::info!("workers pass datagrams on by letter: {error}"),
    }
}

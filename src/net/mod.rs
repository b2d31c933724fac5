//! Sockets and the loop: the only room that does IO on the road.
//!
//! Promises that every request is answered from the address it was sent to, or dropped and
//! counted; that nobody, by what or how much or how slowly he sends, keeps others waiting for more
//! than a turn; and that the process ends in order when told to. Each worker has its own sockets,
//! its own shard and its own loop; this file only brings them up and down.

mod api;
mod bind;
mod bus;
mod client;
mod conn;
mod control;
#[cfg(test)]
mod cuts;
mod desk;
mod door;
mod errands;
mod fifo;
mod health;
mod herald;
mod http;
mod inquiry;
mod journal;
mod livesync;
mod memory;
mod meta;
mod orders;
mod rates;
mod reload;
mod remember;
mod requests;
mod restore;
#[cfg(any(test, fuzzing))]
mod rig;
mod rounds;
mod rules;
mod scroll;
mod seats;
mod service;
mod snapshots;
mod statistics;
mod strangers;
mod stream;
mod system;
mod tcp;
mod tempo;
mod torture;
mod udp;
mod watchdog;
mod worker;
mod workspace;

use std::ffi::OsString;
use std::io;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use mio::{Poll, Waker};

use crate::access::{Cookie, Modest, Pace};
use crate::api::Api;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::error::{Exit, Fatal};
use crate::router::{self, LETTERS_MAX, Letter, Mail, Owners, Wake};
use crate::stats::dashboard::History;
use crate::swarm::{self, Limits, Shard};
use crate::sys::signal::{Signal, Signals};
use crate::sys::{clock, memory as heap, process};
use bind::{Bound, Sockets};
use bus::Bus;
use control::Shared;
use desk::Desk;
use livesync::Livesync;
use memory::Means;
use reload::{Clerk, Origin};
use rounds::Round;
use rules::{Grants, Occasion, Rules};
use snapshots::{Keeper, Scribe};
use worker::Worker;

/// Where an answer goes.
#[derive(Clone, Copy, Debug)]
pub enum Ticket {
    /// To a UDP client.
    Udp(udp::Return),
    /// To a connection.
    Http(tcp::Return),
    /// To all connections that wait for the sheets of all workers.
    Survey,
    /// To who asked by the hatch.
    Hatch(Api, u32),
    /// To an answer that is to be completed by what others know.
    Relay(meta::Slot),
}

pub use client::ask;
pub use health::check as health;
pub use journal::{Outlet, write as write_message};
pub use meta::report as meta_report;
#[cfg(fuzzing)]
pub use rig::whole_connection;
pub use system::check as check_system;

type Router = router::Router<Ticket, Round>;

/// What it takes to answer: who owns what, and by which rules.
pub struct Office<'a> {
    router: &'a mut Router,
    desk: &'a mut Desk,
}

/// Serves as configured until told to stop. On SIGHUP, `args`, the command line that led to
/// `config`, is read again with the files it names.
///
/// # Errors
/// When the start fails: an address in use, a user that doesn't exist, a list that can't be read.
pub fn run(config: &Config, args: Vec<OsString>) -> Result<(), Fatal> {
    journal::keep_to(config);
    heap::give_back_early();
    // Before any thread starts: threads inherit which signals are taken out of their hands.
    let signals = Signals::open().map_err(os("signals"))?;
    let descriptors = control::raise_limits(config).map_err(os("open files"))?;
    let workers = workers(config);
    // Inside a root directory the system says less.
    let means = Means::new(config.memory.limit, workers);
    let bound = listen(config, workers)?;
    let door = api::open(config)?;
    let origin = Origin::new(args, config, process::is_root());
    control::drop_privileges(config)?;
    let peer_secs = config.intervals.keep_secs(config.intervals.highest());
    let sockets = bound.names.len() + usize::from(config.livesync.is_some());
    let grants = Grants {
        descriptors,
        used: descriptors_used(workers, sockets),
        means,
        keep_secs_max: swarm::life_secs_max(peer_secs),
    };
    let fifos = fifo::open(config)?;
    let bus = Bus::open(config, workers)?;
    let keeper = Keeper::open(config)?;
    let rules = Rules::new(config, grants, Occasion::Start)?;
    let persist = keeper.as_ref().map(|keeper| keeper.persist);
    let shared = Arc::new(Shared::new(rules, workers, persist));
    let owners = Owners::new(workers, random().map_err(os("entropy"))?);
    journal::open(config, &shared)?;
    if workers > 1 {
        steer(&bound, &owners);
    }
    let addresses = bound.names.join(" ");
    let limits = Limits {
        peer_secs,
        ..Limits::default()
    };
    let assembly = Assembly { limits, owners };
    let mut shards = assembly.shards(workers, &shared).map_err(os("entropy"))?;
    let loaded = load(config, keeper.as_ref(), &owners, &mut shards, &shared);
    loaded.map_err(os("entropy"))?;
    let workers = assembly
        .assemble(bound.sockets, shards, bus.as_ref(), &shared)
        .map_err(os("workers"))?;
    let (wakes, workers): (Vec<_>, Vec<_>) = workers.into_iter().unzip();
    let pulses: Vec<_> = workers.iter().map(Worker::pulse).collect();
    watchdog::start(pulses.clone(), Arc::clone(&shared)).map_err(os("threads"))?;
    let threads = start(workers, config.pin_workers, &shared).map_err(os("threads"))?;
    Scribe::start(keeper, &shared, &wakes).map_err(os("threads"))?;
    let mut clerk = Clerk::new(
        origin,
        config.clone(),
        grants,
        Arc::clone(&shared),
        (wakes.clone(), bound.places),
    );
    clerk.begin();
    let clerk = clerk.start(fifos).map_err(os("threads"))?;
    if let Some(door) = door {
        let started = door.start(&shared, &clerk, &wakes);
        started.map_err(os("threads"))?;
    }
    let bus = bus.map(|bus| bus.start(&shared, &clerk, &wakes, owners));
    let bus = bus.transpose().map_err(os("threads"))?;
    journal::ready(&addresses);
    service::ready(&addresses, pulses).map_err(os("threads"))?;
    control::run(signals, &clerk, &shared, &wakes).map_err(os("signals"))?;
    service::stopping();
    end(threads, bus, &shared)
}

/// Sees all off: the workers, and what they have told last.
fn end(
    workers: Vec<JoinHandle<io::Result<()>>>,
    bus: Option<JoinHandle<()>>,
    shared: &Shared,
) -> Result<(), Fatal> {
    if let Some(link) = shared.rules().meta.and_then(|policy| policy.link) {
        link.close();
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
    keeper: Option<&Keeper>,
    owners: &Owners,
    shards: &mut [Shard],
    shared: &Shared,
) -> io::Result<()> {
    if let Some(keeper) = keeper {
        restore::load(keeper, owners, shards, shared)?;
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

/// What the workers are put together from.
struct Assembly {
    limits: Limits,
    owners: Owners,
}

impl Assembly {
    /// A shard for each worker.
    fn shards(&self, workers: usize, shared: &Shared) -> io::Result<Vec<Shard>> {
        let now = shared.clock.read();
        let room = shared.rules().terms.budget.room;
        let shards = (0..workers).map(|me| {
            let mut shard = Shard::new(random_seed()?, self.limits, now);
            shard.set_room(shared.shares.claim(me, shard.held(), room));
            Ok(shard)
        });
        shards.collect()
    }

    /// The workers, each with what wakes it.
    fn assemble(
        &self,
        sockets: Vec<Sockets>,
        shards: Vec<Shard>,
        bus: Option<&Bus>,
        shared: &Arc<Shared>,
    ) -> io::Result<Vec<(Wake, Worker)>> {
        let polls = sockets.iter().map(|_| Poll::new());
        let polls = polls.collect::<io::Result<Vec<_>>>()?;
        let wakes = polls.iter().map(wake).collect::<io::Result<Vec<_>>>()?;
        // Nobody writes to a worker that is alone.
        let letters_max = if wakes.len() > 1 { LETTERS_MAX } else { 1 };
        let boxes: Vec<Mail<Letter<Ticket, Round>>> = Mail::boxes(&wakes, letters_max);
        let cookie = Cookie::new(clock::entropy()?);
        let tracker_id = random()?;
        let modest: Arc<Mutex<Modest>> = Arc::default();
        let history: Arc<Mutex<History>> = Arc::default();
        let mut workers = Vec::with_capacity(boxes.len());
        let parts = sockets.into_iter().zip(polls).zip(boxes).zip(shards);
        for (me, (((mut sockets, poll), mail), shard)) in parts.enumerate() {
            let router = Router::new(me, self.owners, shard, mail);
            let secret = [clock::entropy()?, clock::entropy()?, clock::entropy()?];
            let pace = Pace::new(secret.map(u64::from_ne_bytes));
            let rules = shared.rules();
            let socket = sockets.livesync.take();
            let livesync = socket.map(|socket| livesync(socket, tracker_id, &rules, me == 0));
            let mut desk = Desk::new(
                rules,
                pace,
                cookie.clone(),
                Arc::clone(&modest),
                tracker_id,
                random()?,
            );
            (desk.worker, desk.started) = (me, shared.started);
            desk.history = Arc::clone(&history);
            desk.follow(shared.pace());
            desk.beside = (me == 0).then(|| Arc::clone(&shared.beside));
            let mut worker = Worker::new(
                me,
                poll,
                sockets,
                router,
                desk,
                livesync.transpose()?.flatten(),
                Arc::clone(shared),
            )?;
            worker.ride(bus.map(|bus| bus.lane(me)));
            workers.push(worker);
        }
        Ok(wakes.into_iter().zip(workers).collect())
    }
}

/// The secret of a shard.
fn random_seed() -> io::Result<[u64; 2]> {
    Ok([clock::entropy()?, clock::entropy()?].map(u64::from_ne_bytes))
}

/// A worker's part in live sync, if there is live sync in this build; one of them `counts`.
fn livesync(
    socket: UdpSocket,
    tracker_id: u32,
    rules: &Rules,
    counts: bool,
) -> io::Result<Option<Livesync>> {
    // It hears the group that it is bound to.
    let group = socket.local_addr()?;
    let engine = Cluster::new(tracker_id.to_ne_bytes(), Arc::clone(&rules.nodes));
    Ok(engine.map(|engine| Livesync::new(socket, group, engine, counts)))
}

fn random() -> io::Result<u32> {
    Ok(u32::from_ne_bytes(clock::entropy()?))
}

fn wake(poll: &Poll) -> io::Result<Wake> {
    let waker = Waker::new(poll.registry(), worker::WAKE)?;
    Ok(Arc::new(move || {
        // It fails only when the worker is gone, and then there is nobody to wake.
        let _ = waker.wake();
    }))
}

/// Gives every worker its thread. When one fails, all come to an end.
fn start(
    workers: Vec<Worker>,
    pin: bool,
    shared: &Arc<Shared>,
) -> io::Result<Vec<JoinHandle<io::Result<()>>>> {
    let threads = workers.into_iter().enumerate().map(|(me, worker)| {
        let thread = thread::Builder::new().name(format!("worker {me}"));
        let shared = Arc::clone(shared);
        thread.spawn(move || {
            if pin && let Err(error) = process::keep_to_cpu(me) {
                log::warn!("tracker.pin_workers: {error}");
            }
            worker.run().inspect_err(|_| {
                if let Some(snapshots) = &shared.snapshots {
                    snapshots.give_up();
                }
                Signal::Stop.raise();
            })
        })
    });
    threads.collect()
}

//! Sockets and the loop: the only room that does IO on the road.
//!
//! Promises that every request is answered from the address it was sent to, or dropped and
//! counted; that nobody, by what or how much or how slowly he sends, keeps others waiting for more
//! than a turn; and that the process ends in order when told to. Each worker has its own sockets,
//! its own shard and its own loop; this file only brings them up and down.

mod bind;
mod conn;
mod control;
mod desk;
mod http;
mod tcp;
mod udp;
mod worker;

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use mio::{Poll, Waker};

use crate::access::Cookie;
use crate::config::Config;
use crate::error::{Exit, Fatal};
use crate::router::{self, LETTERS_MAX, Letter, Mail, Owners, Wake};
use crate::stats::Sheet;
use crate::swarm::{Limits, Shard};
use crate::sys::clock;
use crate::sys::process;
use crate::sys::signal::{Signal, Signals};
use bind::Sockets;
use control::Shared;
use desk::{Desk, Terms};
use worker::Worker;

/// Where an answer goes.
#[derive(Clone, Copy, Debug)]
pub enum Ticket {
    /// To a UDP client.
    Udp(udp::Return),
    /// To a connection.
    Http(tcp::Return),
}

type Router = router::Router<Ticket, Sheet>;

/// What it takes to answer: who owns what, and by which rules.
pub struct Office<'a> {
    router: &'a mut Router,
    desk: &'a mut Desk,
}

/// Descriptors kept for everything that is not a connection, besides the listening sockets: the
/// polls, the log, files that are read again.
const DESCRIPTORS_KEPT: usize = 32;

/// Serves as configured until told to stop.
///
/// # Errors
/// When the start fails: an address in use, a user that doesn't exist, a list that can't be read.
pub fn run(config: &Config) -> Result<(), Fatal> {
    let os = |at: &'static str| move |error| Fatal::new(Exit::Os, at, format!("{error}"));
    // Before any thread starts: threads inherit which signals are taken out of their hands.
    let signals = Signals::open().map_err(os("signals"))?;
    let descriptors = process::raise_open_files().map_err(os("open files"))?;
    let workers = config
        .workers
        .unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into));
    let bound = bind::bind(&config.listens, workers)?;
    bound
        .missing
        .iter()
        .for_each(|missing| log::warn!("{missing}"));
    control::drop_privileges(config)?;
    let gate = control::gate(config)?;
    let shared = Arc::new(Shared::new(gate));
    let kept = DESCRIPTORS_KEPT + workers * (2 + bound.names.len());
    let connections_max = config.connections_max.min(descriptors.saturating_sub(kept));
    if connections_max < config.connections_max {
        log::warn!(
            "http.connections_max: {connections_max} instead of {}, since the system grants no \
             more than {descriptors} open files; see `ulimit -n`",
            config.connections_max
        );
    }
    let workers =
        assemble(config, bound.sockets, connections_max, &shared).map_err(os("workers"))?;
    let (wakes, workers): (Vec<_>, Vec<_>) = workers.into_iter().unzip();
    let threads = start(workers).map_err(os("threads"))?;
    eprintln!("ready: {}", bound.names.join(" "));
    control::run(config, signals, &shared, &wakes).map_err(os("signals"))?;
    for thread in threads {
        match thread.join() {
            Ok(ended) => ended.map_err(os("worker"))?,
            Err(_) => return Err(Fatal::new(Exit::Os, "worker", "panicked")),
        }
    }
    Ok(())
}

/// Puts the workers together; each comes with what wakes it.
fn assemble(
    config: &Config,
    sockets: Vec<Sockets>,
    connections_max: usize,
    shared: &Arc<Shared>,
) -> io::Result<Vec<(Wake, Worker)>> {
    let workers = sockets.len();
    let polls = sockets
        .iter()
        .map(|_| Poll::new())
        .collect::<Result<Vec<_>, _>>()?;
    let wakes = polls.iter().map(wake).collect::<Result<Vec<_>, _>>()?;
    let boxes: Vec<Mail<Letter<Ticket, Sheet>>> = Mail::boxes(&wakes, LETTERS_MAX);
    let owners = Owners::new(workers, u32::from_ne_bytes(clock::entropy()?));
    let cookie = Cookie::new(clock::entropy()?);
    let limits = Limits {
        peer_secs_max: config.peer_timeout,
    };
    let mut assembled = Vec::with_capacity(workers);
    let parts = sockets
        .into_iter()
        .zip(polls)
        .zip(boxes)
        .zip(wakes)
        .enumerate();
    for (me, (((sockets, poll), mail), wake)) in parts {
        let seed = [clock::entropy()?, clock::entropy()?].map(u64::from_ne_bytes);
        let shard = Shard::new(seed, limits, shared.clock.read());
        let router = Router::new(me, owners, shard, mail);
        let random = u32::from_ne_bytes(clock::entropy()?);
        let desk = Desk::new(terms(config), shared.gate(), cookie.clone(), random);
        let share = connections_max.div_ceil(workers);
        let worker = Worker::new(poll, sockets, share, router, desk, Arc::clone(shared))?;
        assembled.push((wake, worker));
    }
    Ok(assembled)
}

fn wake(poll: &Poll) -> io::Result<Wake> {
    let waker = Waker::new(poll.registry(), worker::WAKE)?;
    Ok(Arc::new(move || {
        // It fails only when the worker is gone, and then there is nobody to wake.
        let _ = waker.wake();
    }))
}

/// Gives every worker its thread. When one fails, all come to an end.
fn start(workers: Vec<Worker>) -> io::Result<Vec<JoinHandle<io::Result<()>>>> {
    let threads = workers.into_iter().enumerate().map(|(me, worker)| {
        let thread = thread::Builder::new().name(format!("worker {me}"));
        thread.spawn(|| worker.run().inspect_err(|_| Signal::Stop.raise()))
    });
    threads.collect()
}

/// What clients are told, as configured.
fn terms(config: &Config) -> Terms {
    Terms {
        interval: config.interval,
        interval_jitter: config.interval_jitter,
        min_interval: config.min_interval,
        numwant_default: config.numwant_default,
        numwant_max: config.numwant_max,
        redirect_url: config.redirect_url.clone(),
        stats_path: config.stats_path.clone(),
        idle_secs_max: config.idle_secs_max,
        request_secs_max: config.request_secs_max,
    }
}

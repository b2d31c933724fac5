//! Puts the workers together, and sets them to work.

use std::io;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use mio::{Poll, Waker};

use crate::access::{Cookie, Modest, Pace};
use crate::cluster::Cluster;
use crate::control::bus::Bus;
use crate::control::snapshots::Snapshots;
use crate::net::{
    Desk, Livesync, Round, Rules, Shared, Sockets, Ticket, WAKE, Worker, random_seed,
};
use crate::router::{LETTERS_MAX, Letter, Mail, Owners, Router, Wake};
use crate::stats::dashboard::History;
use crate::swarm::{Limits, Shard};
use crate::sys::signal::Signal;
use crate::sys::{clock, process};
use crate::types::Seconds;

/// What the workers are put together from.
pub struct Assembly {
    limits: Limits,
    owners: Owners,
}

impl Assembly {
    /// For peers that are remembered for so long as a rule, and torrents owned so.
    pub fn new(peer_secs: Seconds, owners: Owners) -> Assembly {
        let limits = Limits {
            peer_secs,
            ..Limits::default()
        };
        Assembly { limits, owners }
    }

    /// A shard for each worker.
    pub fn shards(&self, workers: usize, shared: &Shared) -> io::Result<Vec<Shard>> {
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
    pub fn assemble(
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
            desk.follow(shared.trend());
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

pub fn random() -> io::Result<u32> {
    Ok(u32::from_ne_bytes(clock::entropy()?))
}

fn wake(poll: &Poll) -> io::Result<Wake> {
    let waker = Waker::new(poll.registry(), WAKE)?;
    Ok(Arc::new(move || {
        // It fails only when the worker is gone, and then there is nobody to wake.
        let _ = waker.wake();
    }))
}

/// Gives every worker its thread. When one fails, all come to an end.
pub fn start(
    workers: Vec<Worker>,
    pin: bool,
    snapshots: Option<&Arc<Snapshots>>,
) -> io::Result<Vec<JoinHandle<io::Result<()>>>> {
    let threads = workers.into_iter().enumerate().map(|(me, worker)| {
        let thread = thread::Builder::new().name(format!("worker {me}"));
        let snapshots = snapshots.cloned();
        thread.spawn(move || {
            if pin && let Err(error) = process::keep_to_cpu(me) {
                log::warn!("tracker.pin_workers: {error}");
            }
            worker.run().inspect_err(|_| {
                if let Some(snapshots) = &snapshots {
                    snapshots.give_up();
                }
                Signal::Stop.raise();
            })
        })
    });
    threads.collect()
}

//! One worker: its sockets, its shard, its loop.

use std::io;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Token};

use crate::net::bulletin::Bulletin;
use crate::net::bus::Lane;
use crate::net::desk::Desk;
use crate::net::inquiry::Teller;
use crate::net::livesync::Livesync;
use crate::net::pulse::Pulse;
use crate::net::rates::Meter;
use crate::net::rounds::{self, Quest, Round};
use crate::net::seats::Usher;
use crate::net::shared::Shared;
use crate::net::shares::Budget;
use crate::net::tcp::{self, Tcp};
use crate::net::udp::Udp;
use crate::net::{Office, Router, Sockets, Ticket, random_seed};
use crate::router::Lanes;
use crate::stats::status::Pass;
use crate::stats::{Count, dashboard};
use crate::swarm::{Shard, Sights};
use crate::sys::clock::Clock;
use crate::sys::memory;
use crate::types::{Family, Reply, Seconds};

/// The token of the waker: somebody has posted a letter, or changed the rules.
pub const WAKE: Token = Token(0);

/// The token of live sync's socket.
const LIVESYNC: Token = Token(1);

/// Tokens from here on are sockets that serve, UDP first.
const FIRST_SOCKET: usize = 2;

/// Events taken from the kernel at a time.
const EVENTS: usize = 256;

/// How long to sleep when nothing happens: the sweep and the time-outs go by the second.
const TICK: Duration = Duration::from_secs(1);

/// How long to sleep when a neighbour's inbox had no room.
const RETRY: Duration = Duration::from_millis(1);

/// Peers and torrents that may expire before the allocator is asked to tidy up, which takes it a
/// few milliseconds for each 100 MB.
const LITTER_MAX: u32 = 100_000;

/// Panics within so many seconds that a worker survives.
const PANICS_MAX: u32 = 8;
const PANIC_SECS: Seconds = 60;

/// Readers of statistics who are served in one turn; each takes a tenth of a millisecond or two.
const READERS_A_TURN: usize = 16;

/// How long what is under way may take once nothing more is accepted.
const DRAIN_SECS_MAX: Seconds = 60;

/// A worker, ready to run on a thread of its own.
pub struct Worker {
    poll: Poll,
    clock: Clock,
    pulse: Pulse,
    router: Router,
    lanes: Desks,
    shared: Arc<Shared>,
    ticked: Seconds,
    meter: Meter,
    /// Its number, from 0.
    me: usize,
    /// The version of the rules in force here.
    rules: usize,
    /// How many panics of any worker have been heeded.
    panics: usize,
    /// Whether some expiry is due still.
    sweeping: bool,
    /// What has expired since memory was last given back, peers and torrents.
    litter: u32,
    /// How long the present pass of the sweep has taken, in microseconds.
    sweep_micros: u32,
    drain: Drain,
}

/// How far a worker is with finishing what is under way.
#[derive(Clone, Copy)]
enum Drain {
    /// It has not begun.
    No,
    /// It began at this moment.
    Since(Seconds),
    /// Nothing is left.
    Done,
}

/// The protocols of one worker, and what they answer with.
struct Desks {
    udp: Udp,
    tcp: Tcp,
    livesync: Option<Livesync>,
    bus: Option<Lane>,
    desk: Desk,
    /// Connections that wait for the sheets of all workers, and whether those are on their way.
    readers: Vec<tcp::Return>,
    surveying: bool,
    /// Whether the sheets are wanted for a status line.
    status_due: bool,
    /// Whether they are wanted for the history of the last hour.
    history_due: bool,
    bulletin: Arc<Bulletin>,
    teller: Teller,
}

impl Worker {
    /// Puts a worker together and registers its sockets.
    pub fn new(
        me: usize,
        poll: Poll,
        sockets: Sockets,
        mut router: Router,
        desk: Desk,
        mut livesync: Option<Livesync>,
        shared: Arc<Shared>,
    ) -> io::Result<Worker> {
        let Budget {
            room,
            held_bytes_max,
        } = desk.terms.budget;
        router.set_room(shared.shares.claim(me, router.held(), room));
        let mut udp = Udp::new(sockets.udp)?;
        udp.register(poll.registry(), FIRST_SOCKET)?;
        let first_listener = FIRST_SOCKET + udp.len();
        let registry = poll.registry().try_clone()?;
        let usher = Usher::new(Arc::clone(&shared.seats));
        let listeners = [sockets.tcp, sockets.https];
        let tcp = Tcp::new(listeners, registry, first_listener, held_bytes_max, usher)?;
        if let Some(livesync) = &mut livesync {
            livesync.register(poll.registry(), LIVESYNC)?;
            router.keep_news();
        }
        let status_due = desk.worker == 0 && desk.terms.status != "off";
        let lanes = Desks {
            udp,
            tcp,
            livesync,
            bus: None,
            desk,
            readers: Vec::new(),
            surveying: false,
            status_due,
            history_due: false,
            bulletin: Arc::clone(&shared.bulletin),
            teller: Teller::default(),
        };
        let meter = Meter::new(lanes.desk.worker);
        let clock = shared.clock;
        Ok(Worker {
            poll,
            clock,
            pulse: Pulse::default(),
            router,
            lanes,
            shared,
            ticked: 0,
            meter,
            me,
            rules: usize::MAX,
            panics: 0,
            sweeping: false,
            litter: 0,
            sweep_micros: 0,
            drain: Drain::No,
        })
    }

    /// Shares what it knows with other nodes, if there is a bus.
    pub fn ride(&mut self, bus: Option<Lane>) {
        if bus.is_some() {
            self.router.keep_news();
        }
        self.lanes.bus = bus;
    }

    /// Its sign of life.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Serves until told to stop. A panic costs it its torrents and its connections, nothing else:
    /// with the same sockets it goes on. That takes a build in which panics unwind.
    ///
    /// # Errors
    /// Those of polling, which only a broken system makes, and panics again and again.
    pub fn run(mut self) -> io::Result<()> {
        let mut panics = Panics::default();
        loop {
            let served = panic::catch_unwind(AssertUnwindSafe(|| self.serve()));
            if let Ok(ended) = served {
                // The process ends: the system takes everything back at once, where giving back
                // the store piece by piece could take seconds.
                mem::forget(self);
                return ended;
            }
            if panics.is_one_too_many(self.clock.read()) {
                return Err(io::Error::other("it panics again and again"));
            }
            let rebuilt = panic::catch_unwind(AssertUnwindSafe(|| self.rebuild()));
            rebuilt.unwrap_or_else(|_| Err(io::Error::other("it panicked and can't go on")))?;
            log::error!("a worker has panicked; its torrents are forgotten, and it goes on");
        }
    }

    /// Throws away all that may be broken: torrents, connections, what was under way.
    fn rebuild(&mut self) -> io::Result<()> {
        self.lanes.udp.rebuild();
        self.lanes.tcp.rebuild();
        if let Some(livesync) = &mut self.lanes.livesync {
            livesync.rebuild();
        }
        self.lanes.readers.clear();
        if let Some(relay) = &mut self.lanes.desk.relay {
            relay.rebuild();
        }
        self.router.rebuild(random_seed()?, self.clock.read());
        self.lanes
            .desk
            .counters
            .count(Family::V4, Count::WorkerPanics);
        self.litter = 0;
        // All others shall know that some of their questions won't be answered.
        self.shared.panics.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        // Something may be left to do from before a panic.
        let mut sleep = Duration::ZERO;
        loop {
            match self.poll.poll(&mut events, Some(sleep)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            if self.shared.stopping.load(Ordering::Acquire) {
                let desk = &mut self.lanes.desk;
                desk.visitors.hand_in(&mut desk.counters);
                if let Some(livesync) = &mut self.lanes.livesync {
                    livesync.leave(&mut self.lanes.desk);
                }
                return Ok(());
            }
            self.pulse.beat();
            sleep = self.turn(&events);
            if self.shared.is_draining() {
                sleep = sleep.min(self.finish());
            }
        }
    }

    /// Finishes what is under way, and takes on nothing more; how long there is to sleep after it.
    fn finish(&mut self) -> Duration {
        let Worker { router, lanes, .. } = self;
        let desk = &mut lanes.desk;
        let now = desk.now;
        let is_over = lanes.tcp.drain(&mut Office { router, desk });
        match self.drain {
            Drain::No => self.drain = Drain::Since(now),
            Drain::Since(since) if is_over || now.saturating_sub(since) > DRAIN_SECS_MAX => {
                self.drain = Drain::Done;
                self.shared.note_drained();
            }
            Drain::Since(_) | Drain::Done => return TICK,
        }
        Duration::ZERO
    }

    /// Serves one batch of events; how long there is to sleep after it.
    fn turn(&mut self, events: &Events) -> Duration {
        let Worker { router, lanes, .. } = self;
        let now = self.clock.read();
        lanes.desk.now = now;
        if let Some(rules) = self.shared.refresh(&mut self.rules) {
            if let Some(livesync) = &mut lanes.livesync {
                livesync.engine().set_nodes(Arc::clone(&rules.nodes));
            }
            router.restrict(rules.quota);
            router.keep_woodpeckers(rules.terms.woodpeckers);
            router.keep_completed(rules.terms.log_completed);
            lanes.desk.obey(rules, &self.shared.book);
            lanes.desk.follow(self.shared.trend());
        }
        if lanes.desk.relay.is_some() {
            lanes.desk.millis = self.clock.millis();
        }
        let panics = self.shared.panics.load(Ordering::Acquire);
        if mem::replace(&mut self.panics, panics) != panics {
            router
                .give_up()
                .into_iter()
                .for_each(|ticket| lanes.give_up(ticket));
        }
        if self.shared.is_draining() {
            lanes.desk.terms.keep_alive = false;
        }
        lanes.go_on(router);
        for event in events {
            lanes.ready(event, router);
        }
        let mut hurry = router.collect(now, lanes);
        for announce in router.completed() {
            lanes.bulletin.tell_completed(announce);
        }
        for ip in router.woodpeckers() {
            lanes.desk.woodpeckers.count(ip);
        }
        if now != self.ticked {
            self.ticked = now;
            lanes.desk.follow(self.shared.trend());
            lanes.tcp.tick(&mut lanes.desk);
            lanes.desk.watch();
            lanes.history_due |= self.me == 0 && dashboard::is_due(now);
            lanes.tcp.hand_in(&mut lanes.desk.traffic);
            self.meter.tick(&self.shared.rates, &mut lanes.desk);
            self.sweeping = true;
            let room = lanes.desk.terms.budget.room;
            router.set_room(self.shared.shares.claim(self.me, router.held(), room));
        }
        hurry |= self.sweep(now);
        let Worker { router, lanes, .. } = self;
        lanes.tell(router);
        let mut waiting = lanes.send_rounds(router);
        if self.me == 0 {
            waiting |= lanes.teller.serve(&self.shared.hatch, router);
        }
        if let Some(pieces) = &self.shared.pieces {
            pieces.serve(self.me, router, now);
        }
        hurry |= router.attend(lanes);
        let due = lanes.hear_meta();
        lanes.udp.flush(&mut lanes.desk);
        waiting |= router.flush();
        match (hurry || lanes.is_unfinished(), waiting) {
            (true, _) => Duration::ZERO,
            (false, true) => RETRY,
            (false, false) => due.map_or(TICK, |due| due.min(TICK)),
        }
    }
}

/// Panics of one worker.
#[derive(Default)]
struct Panics {
    since: Seconds,
    count: u32,
}

impl Panics {
    /// One more panic; whether there were so many lately that it makes no sense to go on.
    fn is_one_too_many(&mut self, now: Seconds) -> bool {
        if now.saturating_sub(self.since) > PANIC_SECS {
            *self = Panics {
                since: now,
                count: 0,
            };
        }
        self.count += 1;
        self.count > PANICS_MAX
    }
}

impl Worker {
    /// Lets go who has been silent for too long, if some are due; whether there is more to do now.
    fn sweep(&mut self, now: Seconds) -> bool {
        let Worker { router, lanes, .. } = self;
        if self.sweeping {
            let began = self.clock.micros();
            let swept = router.sweep(now);
            let micros = self.clock.micros().wrapping_sub(began);
            lanes.desk.count_swept(&swept);
            self.sweep_micros = self.sweep_micros.saturating_add(micros);
            self.sweeping = swept.more;
            self.litter = self.litter.saturating_add(swept.peers + swept.torrents);
            if let Some(sights) = swept.pass {
                lanes.pass_ended(sights, mem::take(&mut self.sweep_micros));
            }
        }
        if self.litter > LITTER_MAX && !self.sweeping {
            self.litter = 0;
            memory::give_back_now();
        }
        self.sweeping
    }
}

impl Desks {
    /// Takes note of a pass of the sweep. The first worker's passes are those that are told.
    fn pass_ended(&mut self, sights: Sights, micros: u32) {
        let desk = &mut self.desk;
        desk.pass = Pass {
            large: sights.large.into(),
            peers_most: sights.peers_most.into(),
            piece_peers_most: sights.piece_peers_most.into(),
            piece_torrents_most: sights.piece_torrents_most.into(),
            peers_gone: sights.peers_gone.into(),
            torrents_gone: sights.torrents_gone.into(),
            micros: micros.into(),
        };
        self.status_due |= desk.worker == 0 && desk.terms.status != "off";
    }

    fn ready(&mut self, event: &Event, router: &mut Router) {
        match event.token() {
            WAKE => {}
            LIVESYNC => self.livesync(router, Livesync::ready),
            Token(token) if token < FIRST_SOCKET + self.udp.len() => {
                self.udp.ready(token - FIRST_SOCKET, router, &mut self.desk);
            }
            _ => self.tcp.ready(
                event,
                &mut Office {
                    router,
                    desk: &mut self.desk,
                },
            ),
        }
    }

    fn go_on(&mut self, router: &mut Router) {
        self.udp.go_on(router, &mut self.desk);
        self.tcp.go_on(&mut Office {
            router,
            desk: &mut self.desk,
        });
        self.livesync(router, Livesync::go_on);
        if let Some(bus) = &mut self.bus {
            bus.learn(router, &mut self.desk);
        }
    }

    /// Tells other trackers what is news here.
    fn tell(&mut self, router: &mut Router) {
        let desk = &mut self.desk;
        for news in router.news() {
            if let Some(livesync) = &mut self.livesync {
                livesync.tell(&news, desk);
            }
            if let Some(bus) = &self.bus {
                bus.tell(&news, desk);
            }
        }
        if let Some(livesync) = &mut self.livesync {
            livesync.flush(desk);
        }
    }

    fn is_unfinished(&self) -> bool {
        let livesync = self.livesync.as_ref();
        self.udp.is_unfinished()
            || self.tcp.is_unfinished()
            || livesync.is_some_and(Livesync::is_unfinished)
            || self.bus.as_ref().is_some_and(Lane::is_unfinished)
    }

    fn livesync(&mut self, router: &mut Router, act: fn(&mut Livesync, &mut Office<'_>)) {
        if let Some(livesync) = &mut self.livesync {
            let desk = &mut self.desk;
            act(livesync, &mut Office { router, desk });
        }
    }

    /// Takes note that an answer won't come.
    fn give_up(&mut self, ticket: Ticket) {
        match ticket {
            Ticket::Http(at) => self.tcp.hang_up(at),
            // Its readers wait for another.
            Ticket::Survey => self.surveying = false,
            Ticket::Hatch(_, number) => self.teller.deliver(number, None),
            Ticket::Udp(_) | Ticket::Relay(_) => {}
        }
    }

    /// Hears what others know, and lets go what has waited for that; how long until more has to go.
    fn hear_meta(&mut self) -> Option<Duration> {
        let (now, millis) = (self.desk.now, self.desk.millis);
        let (mut settled, mut reports) = (Vec::new(), Vec::new());
        let relay = self.desk.relay.as_mut()?;
        relay.hear(now, millis, &mut settled, &mut reports);
        for (to, counts, peers) in settled {
            self.deliver(to, Reply::Announce(counts, &peers));
        }
        for (at, text) in reports {
            self.tcp.deliver_text(at, &text, &mut self.desk);
        }
        let relay = self.desk.relay.as_mut()?;
        let due = relay.flush(millis);
        if relay.is_over() {
            self.desk.relay = None;
        }
        due
    }

    /// Sends the rounds that connections ask for. Whether some have to wait for room.
    fn send_rounds(&mut self, router: &mut Router) -> bool {
        let workers = router.workers();
        let mut waiting = false;
        for (at, quest) in self.tcp.take_quests() {
            if quest == Quest::Sheet {
                self.readers.push(at);
            } else if !router.send_round(Ticket::Http(at), || quest.begin(workers)) {
                self.tcp.put_off(at, quest);
                waiting = true;
            }
        }
        // While sheets are on their way no others are asked for: they will do.
        let is_due = self.status_due || self.history_due || !self.readers.is_empty();
        if is_due && !self.surveying {
            self.surveying = router.send_round(Ticket::Survey, || Quest::Sheet.begin(workers));
            waiting |= !self.surveying;
        }
        waiting
    }
}

impl Lanes<Ticket, Round> for Desks {
    fn deliver(&mut self, ticket: Ticket, reply: Reply<'_>) {
        let Desks { udp, tcp, desk, .. } = self;
        let mut hand_over = |desk: &mut Desk, ticket, reply: Reply<'_>| match ticket {
            Ticket::Udp(to) => udp.deliver(to, reply, desk),
            Ticket::Http(at) => tcp.deliver(at, reply, desk),
            Ticket::Survey | Ticket::Hatch(..) | Ticket::Relay(_) => {}
        };
        match ticket {
            Ticket::Relay(slot) => {
                desk.complete(slot, reply, hand_over);
            }
            ticket => hand_over(desk, ticket, reply),
        }
    }

    fn attend(&mut self, round: &mut Round, shard: &Shard) -> bool {
        self.tcp.hand_in(&mut self.desk.traffic);
        round.attend(shard, &mut self.desk)
    }

    fn deliver_round(&mut self, ticket: Ticket, parts: Vec<Round>) {
        match ticket {
            Ticket::Hatch(_, number) => self.teller.deliver(number, Some(parts)),
            Ticket::Http(at) => self.tcp.deliver_round(at, parts, &mut self.desk),
            Ticket::Survey => {
                self.surveying = false;
                let sum = rounds::sheets(&parts);
                if mem::take(&mut self.status_due) {
                    self.bulletin.proclaim(&sum, &self.desk);
                }
                if mem::take(&mut self.history_due) {
                    let history = self.desk.history.lock();
                    let mut history = history.unwrap_or_else(PoisonError::into_inner);
                    history.note(self.desk.now, &sum);
                }
                // The others read the next sheet, in another turn.
                let served = self.readers.len().min(READERS_A_TURN);
                let rest = self.readers.split_off(served);
                for at in mem::replace(&mut self.readers, rest) {
                    self.tcp.deliver_sheet(at, &sum, &mut self.desk);
                }
            }
            Ticket::Udp(_) | Ticket::Relay(_) => {}
        }
    }
}

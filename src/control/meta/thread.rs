//! The thread on which the meta-tracker works: its engine, its sockets, and threads for what may
//! block.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

use crate::control::meta::policy::changed_lists;
use crate::meta::{Engine, Failure, Found, Job, Millis, Outside, Sources};
use crate::net::meta::{Brief, Inbox, Message, Word};
use crate::router::Wake;
use crate::sys::clock::{self, Clock};
use crate::sys::{file, process};

/// The tokens of the sockets.
const SOCKETS: [Token; 2] = [Token(1), Token(2)];

/// Datagrams and messages taken in a turn.
const DATAGRAMS_A_TURN: usize = 64;
const MESSAGES_A_TURN: usize = 256;

/// The longest datagram that is heeded: more than a tracker sends.
const DATAGRAM_LEN_MAX: usize = 8192;

/// How often what is known is written down at most, for the sake of flash memory.
const SAVE_MILLIS: Millis = 10 * 60_000;

/// How often files of trackers are looked at.
const LOOK_MILLIS: Millis = 10 * 60_000;

/// How often figures are put up at most.
const BOARD_MILLIS: Millis = 1000;

/// The largest file of what is known that is read.
const STATE_BYTES_MAX: usize = 1 << 20;

/// How long to sleep at most.
const TICK: Duration = Duration::from_secs(60);

/// What a job came to; `None` if it went to pieces.
type Result = std::result::Result<Found, Failure>;
type Done = (u32, Option<Result>, Millis);

/// The thread's own.
pub struct Thread {
    poll: Poll,
    clock: Clock,
    brief: Brief,
    inbox: Inbox,
    /// Wakes itself, and the workers.
    wake: Wake,
    wakes: Vec<Wake>,
    /// When it was put up last how it goes.
    boarded: Option<Millis>,
    engine: Engine,
    sources: Arc<Sources>,
    /// For IPv4 and IPv6, as far as there is such a thing here.
    sockets: [Option<UdpSocket>; 2],
    jobs: (Sender<Task>, Receiver<Task>),
    dones: (Sender<Done>, Receiver<Done>),
    /// Threads for jobs, and jobs under way.
    threads: usize,
    running: usize,
    /// What was written down last, and when.
    saved: String,
    saved_at: Millis,
    /// When files of trackers were looked at last.
    looked_at: Millis,
    /// Words for which workers had no room.
    unheard: u32,
}

struct Task {
    ticket: u32,
    job: Job,
    sources: Arc<Sources>,
}

impl Thread {
    /// Makes ready; `None` in a build without the room.
    pub fn new(
        poll: Poll,
        clock: Clock,
        brief: Brief,
        inbox: Inbox,
        wake: Wake,
        wakes: Vec<Wake>,
    ) -> io::Result<Option<Thread>> {
        let saved = brief.state.as_deref().map(load).unwrap_or_default();
        let (now, wall) = (clock.millis(), clock::wall());
        let engine = Engine::new(now, wall, brief.settings.clone(), saved.as_bytes());
        let Some((engine, nodes)) = engine else {
            return Ok(None);
        };
        let sources = engine.sources(brief.settings.clone(), &nodes);
        let any: [SocketAddr; 2] = [
            (Ipv4Addr::UNSPECIFIED, 0).into(),
            (Ipv6Addr::UNSPECIFIED, 0).into(),
        ];
        let mut sockets = any.map(|addr| UdpSocket::bind(addr).ok());
        for (socket, token) in sockets.iter_mut().zip(SOCKETS) {
            if let Some(socket) = socket {
                poll.registry()
                    .register(socket, token, Interest::READABLE)?;
            }
        }
        Ok(Some(Thread {
            poll,
            clock,
            brief,
            inbox,
            wake,
            wakes,
            boarded: None,
            engine,
            sources,
            sockets,
            jobs: unbounded(),
            dones: unbounded(),
            threads: 0,
            running: 0,
            saved,
            saved_at: now,
            // Started anew, it may have been given older texts than the files have now.
            looked_at: 0,
            unheard: 0,
        }))
    }

    /// Sets it to work. If it should panic, the tracker serves on without it until it is started
    /// anew.
    pub fn start(self) -> io::Result<JoinHandle<()>> {
        let thread = thread::Builder::new().name("meta".into());
        thread.spawn(move || {
            // Requests come first. If that can't be, all is well still.
            let _ = process::give_way();
            match panic::catch_unwind(AssertUnwindSafe(|| self.run())) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => log::error!("meta: {error}; nothing is passed on for a while"),
                Err(_) => log::error!("meta: it has panicked; nothing is passed on for a while"),
            }
        })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(16);
        let mut sleep = Duration::ZERO;
        loop {
            match self.poll.poll(&mut events, Some(sleep)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let now = self.clock.millis();
            let mut hurry = self.hear_datagrams(now);
            for (ticket, result, millis) in self.dones.1.try_iter() {
                self.running -= 1;
                match result {
                    Some(result) => self.engine.done(now, ticket, result, millis),
                    None => self.engine.lose(now, ticket),
                }
            }
            for number in 0..MESSAGES_A_TURN {
                let Ok(message) = self.inbox.messages.try_recv() else {
                    break;
                };
                if let Message::End(done) = message {
                    self.save(now);
                    // Who asked may have gone.
                    let _ = done.try_send(());
                    return Ok(());
                }
                self.read(now, message);
                hurry |= number + 1 == MESSAGES_A_TURN;
            }
            self.engine.handle_timeout(now);
            self.transmit(now);
            self.set_to_work(now);
            self.tell(now);
            if now.saturating_sub(self.saved_at) > SAVE_MILLIS {
                self.save(now);
            }
            if now.saturating_sub(self.looked_at) > LOOK_MILLIS {
                self.look(now);
            }
            let due = self
                .put_up(now)
                .into_iter()
                .chain(self.engine.poll_timeout());
            let due = due
                .min()
                .map(|due| Duration::from_millis(due.saturating_sub(now).max(1)));
            sleep = match hurry {
                true => Duration::ZERO,
                false => due.unwrap_or(TICK).min(TICK),
            };
        }
    }

    /// Whether there may be more.
    fn hear_datagrams(&mut self, now: Millis) -> bool {
        let mut room = [0; DATAGRAM_LEN_MAX];
        let mut more = false;
        for socket in self.sockets.iter().flatten() {
            let mut taken = 0;
            // An error is about one that was sent earlier, or says that there is none.
            while taken < DATAGRAMS_A_TURN {
                match socket.recv_from(&mut room) {
                    Ok((len, from)) => self.engine.handle(now, from, &room[..len]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => {}
                }
                taken += 1;
            }
            more |= taken == DATAGRAMS_A_TURN;
        }
        more
    }

    fn read(&mut self, now: Millis, message: Message) {
        match message {
            Message::Wish(wish) => self.engine.wish(now, &wish),
            Message::Report(worker, to) => {
                let text = self.engine.report(now, self.outside());
                self.post(worker, Word::Report(to, text.into()));
            }
            Message::Obey(brief) if *brief == self.brief => {}
            Message::Obey(brief) => {
                if brief.settings != *self.sources.settings() {
                    let nodes = self.sources.nodes();
                    self.sources = self.engine.sources(brief.settings.clone(), &nodes);
                }
                self.engine.obey(now, brief.settings.clone());
                self.brief = *brief;
            }
            Message::End(_) => {}
        }
    }

    fn transmit(&mut self, now: Millis) {
        let mut bytes = Vec::new();
        while let Some(to) = self.engine.poll_transmit(now, &mut bytes) {
            if let Some(socket) = &self.sockets[usize::from(to.is_ipv6())] {
                // What is not sent is taken for lost, and asked again.
                let _ = socket.send_to(&bytes, to);
            }
        }
    }

    /// Gives out jobs, with a thread more if all are at work.
    fn set_to_work(&mut self, now: Millis) {
        while let Some((ticket, job)) = self.engine.poll_job(now) {
            if self.running >= self.threads && !self.hire() && self.threads == 0 {
                self.engine.lose(now, ticket);
                continue;
            }
            self.running += 1;
            let sources = Arc::clone(&self.sources);
            // It fails only without a receiver, and one is here.
            let _ = self.jobs.0.send(Task {
                ticket,
                job,
                sources,
            });
        }
    }

    fn hire(&mut self) -> bool {
        let (tasks, dones) = (self.jobs.1.clone(), self.dones.0.clone());
        let (wake, clock) = (Arc::clone(&self.wake), self.clock);
        let thread = thread::Builder::new().name("meta job".into());
        let spawned = thread.spawn(move || {
            let _ = process::give_way();
            for task in tasks {
                let begun = clock.millis();
                let run = || task.sources.run(&task.job, &|| clock.millis());
                let result = panic::catch_unwind(AssertUnwindSafe(run)).ok();
                let millis = clock.millis().saturating_sub(begun);
                if dones.send((task.ticket, result, millis)).is_err() {
                    return;
                }
                wake();
            }
        });
        self.threads += usize::from(spawned.is_ok());
        spawned.is_ok()
    }

    /// Tells all workers what others know.
    fn tell(&mut self, now: Millis) {
        while let Some(extra) = self.engine.poll_extra() {
            let extra = Arc::new(extra);
            let mut is_heard = true;
            for worker in 0..self.inbox.words.len() {
                is_heard &= self.post(worker, Word::Extra(Arc::clone(&extra)));
            }
            if !is_heard {
                self.engine.repeat(now, extra.info_hash);
            }
        }
    }

    /// Leaves word for a worker; `false` if there is no room.
    fn post(&mut self, worker: usize, word: Word) -> bool {
        let sent = self.inbox.words[worker].try_send(word);
        match sent {
            Ok(()) => (self.wakes[worker])(),
            Err(_) => self.unheard = self.unheard.wrapping_add(1),
        }
        sent.is_ok()
    }

    /// Looks whether files of trackers have changed.
    fn look(&mut self, now: Millis) {
        self.looked_at = now;
        match changed_lists(&self.brief.upstreams, &self.brief.settings.texts) {
            Ok(None) => {}
            Ok(Some(texts)) => {
                self.brief.settings.texts = texts;
                self.engine.obey(now, self.brief.settings.clone());
                log::info!("meta: the files of trackers have changed, and were read again");
            }
            Err(error) => log::warn!("meta: {error}; the trackers in force stay"),
        }
    }

    /// Puts up how it goes, for workers to read; when to do it again if nothing happens before.
    fn put_up(&mut self, now: Millis) -> Option<Millis> {
        let due = self.boarded.map(|at| at.saturating_add(BOARD_MILLIS));
        if due.is_some_and(|due| due > now) {
            return due;
        }
        self.boarded = Some(now);
        let figures = self.engine.figures(now, self.outside());
        *self
            .inbox
            .figures
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = figures;
        None
    }

    fn outside(&self) -> Outside {
        Outside {
            nodes: self.sources.nodes_known(),
            unheard: self.unheard,
        }
    }

    /// Writes down what is known, if it is something new.
    fn save(&mut self, now: Millis) {
        self.saved_at = now;
        let Some(path) = &self.brief.state else {
            return;
        };
        let text = self.engine.save(&self.sources.nodes());
        if text == self.saved {
            return;
        }
        match file::replace(path, text.as_bytes()) {
            Ok(()) => self.saved = text,
            Err(error) => log::warn!("{}: {error}", path.display()),
        }
    }
}

/// What an earlier run has written down.
fn load(path: &Path) -> String {
    match file::read_regular(path, STATE_BYTES_MAX) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            log::warn!("{}: {error}; it is begun anew", path.display());
            String::new()
        }
    }
}

//! The management API's own threads: few, so that whoever reaches it can't take more than these
//! away from others. They read one request from a connection, ask the workers or the clerk, answer
//! and close. The road doesn't know of them.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::access::{KeyList, Torrents};
use crate::api::{Answer, Api, Ask, Change, Guard, Refusal, Stats};
use crate::config::{ApiPlace, Config, VERSION};
use crate::control::errands::Errands;
use crate::control::orders::{ABSENT, Order};
use crate::control::os;
use crate::control::snapshots::Snapshots;
use crate::error::{Exit, Fatal};
use crate::net::inquiry::{self, Question};
use crate::net::{Round, Shared, sheets};
use crate::router::Wake;
use crate::stats::COUNTS;
use crate::sys::socket;
use crate::types::{Family, Seconds};
use crate::wire::http::{HEAD_LEN_MAX, Head, Method, Status};

/// Threads, and so connections that are served at a time.
const THREADS: usize = 4;

/// What a thread needs for itself.
const STACK_BYTES: usize = 256 << 10;

/// How long a request may take to arrive.
const REQUEST_SECS_MAX: Seconds = 5;

/// How long one call may wait; deadlines are looked at in between.
const CALL: Duration = Duration::from_secs(1);

/// How long an answer may take to leave, and workers to know one.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is read of a request that was refused, so that the answer arrives.
const REST_BYTES_MAX: u64 = 64 << 10;

/// How long to wait after an accept that went wrong.
const PAUSE: Duration = Duration::from_secs(1);

const BUSY: Refusal = Refusal {
    status: Status::UNAVAILABLE,
    reason: "the workers did not answer in time, or one of them had to begin anew: try again",
};
const NO_BANS: Refusal = Refusal {
    status: Status::CONFLICT,
    reason: "there are no bans: set limit.strikes, or deny the network by PUT /v1/denied/ADDRESS",
};
const NO_SNAPSHOTS: Refusal = Refusal {
    status: Status::CONFLICT,
    reason: "there are no snapshots: set persist.file",
};
const NO_KEYS: Refusal = Refusal {
    status: Status::NOT_FOUND,
    reason: "the tracker is not private: there are no keys",
};

/// Where it is served.
pub struct Door {
    api: Api,
    listener: Listener,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Binds what is configured, if anything.
///
/// # Errors
/// When that can't be done.
pub fn open(config: &Config) -> Result<Option<Door>, Fatal> {
    let (Some(place), Some(api)) = (&config.api, Api::new()) else {
        return Ok(None);
    };
    let (listener, name) = match place {
        ApiPlace::At(addr) => (TcpListener::bind(addr).map(Listener::Tcp), addr.to_string()),
        ApiPlace::File(path) => {
            let listener = socket::unix(path).map(Listener::Unix);
            (listener, path.display().to_string())
        }
    };
    let fatal = |error: io::Error| {
        let what = format!("can't listen on {name}: {error}");
        Fatal::new(Exit::of(&error), "api.listen", what)
    };
    let listener = listener.map_err(fatal)?;
    match &listener {
        Listener::Tcp(tcp) => {
            let addr = tcp.local_addr().map_err(os("api.listen"))?;
            log::info!("api: listening on {addr}");
        }
        Listener::Unix(_) => log::info!("api: listening on unix:{name}"),
    }
    Ok(Some(Door { api, listener }))
}

impl Door {
    /// Serves on threads of its own.
    ///
    /// # Errors
    /// When there can't be threads.
    pub fn start(
        self,
        shared: &Arc<Shared>,
        clerk: &Arc<Errands>,
        snapshots: Option<&Arc<Snapshots>>,
        wakes: &[Wake],
    ) -> io::Result<()> {
        let server = Arc::new(Server {
            api: self.api,
            listener: self.listener,
            shared: Arc::clone(shared),
            clerk: Arc::clone(clerk),
            snapshots: snapshots.cloned(),
            wakes: wakes.to_vec(),
        });
        for _ in 0..THREADS {
            let server = Arc::clone(&server);
            let thread = thread::Builder::new().name("api".into());
            thread.stack_size(STACK_BYTES).spawn(move || server.run())?;
        }
        Ok(())
    }
}

struct Server {
    api: Api,
    listener: Listener,
    shared: Arc<Shared>,
    clerk: Arc<Errands>,
    snapshots: Option<Arc<Snapshots>>,
    wakes: Vec<Wake>,
}

/// A connection of either kind.
trait Stream: Read + Write {
    fn set_timeouts(&self) -> io::Result<()>;
    fn end(&self) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn set_timeouts(&self) -> io::Result<()> {
        self.set_read_timeout(Some(CALL))?;
        self.set_write_timeout(Some(PATIENCE))
    }

    fn end(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Stream for UnixStream {
    fn set_timeouts(&self) -> io::Result<()> {
        self.set_read_timeout(Some(CALL))?;
        self.set_write_timeout(Some(PATIENCE))
    }

    fn end(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Server {
    fn run(&self) {
        loop {
            let served = match &self.listener {
                Listener::Tcp(tcp) => tcp.accept().map(|(stream, _)| self.converse(stream)),
                Listener::Unix(unix) => unix.accept().map(|(stream, _)| self.converse(stream)),
            };
            match served {
                // What goes wrong with one connection is its own affair.
                Ok(_) => {}
                Err(error) => {
                    log::debug!("api: {error}");
                    thread::sleep(PAUSE);
                }
            }
        }
    }

    fn converse(&self, mut stream: impl Stream) -> io::Result<()> {
        stream.set_timeouts()?;
        let mut out = Vec::new();
        let mut drains = false;
        match self.hear(&mut stream) {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(ask))) => {
                let answer = self.do_it(ask).unwrap_or_else(Answer::Refused);
                drains = answer == Answer::Draining;
                self.api.answer(&answer, &mut out);
            }
            Ok(Some(Err(refusal))) => self.api.answer(&Answer::Refused(refusal), &mut out),
            Err(status) => self.api.fault(status, &mut out),
        }
        let told = stream.write_all(&out).and_then(|()| stream.end());
        // Closed with something unread, the connection would be reset, and the answer lost. Whoever
        // goes on sending is not waited for.
        let rest = told.and_then(|()| io::copy(&mut stream.take(REST_BYTES_MAX), &mut io::sink()));
        if drains {
            self.shared.drain(&self.wakes);
        }
        rest.map(|_| ())
    }

    /// Reads a request; `None` if none comes.
    fn hear(&self, stream: &mut impl Stream) -> Result<Option<Result<Ask, Refusal>>, Status> {
        let began = self.shared.clock.read();
        let mut held = Vec::new();
        let mut seen = 0;
        let mut room = [0; 4096];
        loop {
            if let Some((head, _)) = Head::parse_any(&Method::ALL, &held, seen)? {
                let rules = self.shared.rules();
                let guard = Guard {
                    token: rules.api_token.as_deref(),
                    by_file: matches!(self.listener, Listener::Unix(_)),
                };
                return Ok(Some(self.api.understand(&head, guard)));
            }
            seen = held.len();
            if self.shared.clock.read().saturating_sub(began) > REQUEST_SECS_MAX {
                return Err(Status::REQUEST_TIMEOUT);
            }
            let left = HEAD_LEN_MAX.saturating_sub(held.len()).min(room.len());
            match stream.read(&mut room[..left]) {
                Ok(0) => return Ok(None),
                Ok(len) => held.extend_from_slice(&room[..len]),
                Err(error) if is_passing(&error) => {}
                Err(_) => return Ok(None),
            }
        }
    }

    fn do_it(&self, ask: Ask) -> Result<Answer, Refusal> {
        match ask {
            Ask::Stats => self.stats(),
            Ask::Swarm(info_hash, peers_max) => {
                let found = self.inquire(Question::Swarm(info_hash, peers_max))?;
                let (counts, mut peers) = found.swarm.ok_or(ABSENT)?;
                peers.truncate(peers_max);
                Ok(Answer::Swarm(info_hash, counts, peers))
            }
            Ask::Bans(after, limit) => {
                let found = self.inquire(Question::Bans(after, limit))?;
                let more = found.bans.len() > limit;
                Ok(Answer::Bans(
                    found.bans.into_iter().take(limit).collect(),
                    more,
                ))
            }
            Ask::Ban(ip) => {
                let found = self.inquire(Question::Ban(ip))?;
                let left = found.bans.into_values().next().ok_or(ABSENT)?;
                Ok(Answer::There(Some(left)))
            }
            Ask::Change(Change::Ban(ip, secs)) => self.ban(ip, secs),
            Ask::Change(change) => {
                let (answer, answers) = mpsc::channel();
                self.clerk.place(Order::new(self.api, change, answer));
                wait(&answers)
            }
            Ask::Snapshot => {
                let snapshots = self.snapshots.as_ref().ok_or(NO_SNAPSHOTS)?;
                let under_way = snapshots.ask();
                Ok(Answer::Snapshot { under_way })
            }
            Ask::Drain => Ok(Answer::Draining),
            ask => self.look_up(ask),
        }
    }

    /// What stands in the rules.
    fn look_up(&self, ask: Ask) -> Result<Answer, Refusal> {
        let gate = self.shared.rules().gate;
        let (name, list) = match &gate.torrents {
            Torrents::All => ("none", None),
            Torrents::Only(list) => ("whitelist", Some(list)),
            Torrents::AllBut(list) => ("blacklist", Some(list)),
        };
        let is_there = match ask {
            Ask::Hashes(after, limit) => {
                let rest = list.map_or(&[][..], |list| list.following(after.as_ref()));
                let total = list.map_or(0, |list| list.len());
                let page = rest[..limit.min(rest.len())].to_vec();
                let more = rest.len() > limit;
                return Ok(Answer::Hashes(name, total, page, more));
            }
            Ask::Keys => {
                let keys = gate.keys.as_ref().ok_or(NO_KEYS)?;
                return Ok(Answer::Keys(keys.len()));
            }
            Ask::Denied(after, limit) => {
                let mut nets: Vec<_> = gate.denied.nets(after).take(limit + 1).collect();
                let more = nets.len() > limit;
                nets.truncate(limit);
                return Ok(Answer::Denied(nets, more));
            }
            Ask::Hash(info_hash) => list.is_some_and(|list| list.contains(&info_hash)),
            Ask::Key(key) => {
                let keys = gate.keys.as_ref();
                keys.is_some_and(|keys| KeyList::contains(keys, &key))
            }
            Ask::IsDenied(net) => gate.denied.covers(&net),
            _ => false,
        };
        match is_there {
            true => Ok(Answer::There(None)),
            false => Err(ABSENT),
        }
    }

    fn stats(&self) -> Result<Answer, Refusal> {
        let sum = sheets(&self.ask_workers(Question::Sheets)?);
        let counters = &sum.counters;
        let count = |&(count, name)| {
            let of = |family| counters.of(family, count);
            (name, [Family::V4, Family::V6].map(of))
        };
        Ok(Answer::Stats(Box::new(Stats {
            version: VERSION,
            uptime: self.shared.clock.read(),
            started: self.shared.started,
            workers: self.wakes.len(),
            interval: self.shared.trend().interval,
            draining: self.shared.is_draining(),
            torrents: sum.torrents,
            seeders: sum.seeders,
            leechers: sum.leechers,
            completed: sum.completed,
            bytes: sum.bytes,
            bytes_max: Some(sum.bytes_max).filter(|max| *max > 0),
            counts: COUNTS.iter().map(count).collect(),
        })))
    }

    /// Bans a source for so long, or no longer.
    fn ban(&self, ip: IpAddr, secs: Option<Seconds>) -> Result<Answer, Refusal> {
        let found = self.inquire(Question::SetBan(ip, secs.unwrap_or(0)))?;
        let was = !found.bans.is_empty();
        match secs {
            Some(_) if !found.has_bans => Err(NO_BANS),
            Some(_) => Ok(Answer::Added {
                is_new: !was,
                total: None,
            }),
            None if was => Ok(Answer::Removed { total: None }),
            None => Err(ABSENT),
        }
    }

    fn inquire(&self, question: Question) -> Result<inquiry::Found, Refusal> {
        self.ask_workers(question).map(inquiry::found)
    }

    fn ask_workers(&self, question: Question) -> Result<Vec<Round>, Refusal> {
        let answers = self.shared.hatch.ask(self.api, question);
        self.wakes.first().ok_or(BUSY)?();
        wait(&answers)
    }
}

fn wait<T>(answers: &Receiver<T>) -> Result<T, Refusal> {
    answers.recv_timeout(PATIENCE).map_err(|_| BUSY)
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

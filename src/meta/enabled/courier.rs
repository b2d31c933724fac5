//! Questions to trackers by UDP (BEP 15): datagrams and the time go in, datagrams and outcomes come
//! out.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use super::budget::Bucket;
use super::job::{Ask, Failure};
use crate::client::answer::{Answer, words};
use crate::meta::Millis;
use crate::types::{Counts, Event, Family, InfoHash};
use crate::wire::udp::{Announce, Reply, Request, Scrape, url_data};

/// How long a connection id is good for (BEP 15: a client may use it for one minute).
const CONNECTION_MILLIS: Millis = 60_000;

/// How long to wait for an answer, and how often to ask.
const PATIENCE_MILLIS: Millis = 5000;
const TRIES_MAX: u32 = 2;

/// Datagrams whose answer is awaited, at a time.
const FLIGHTS_MAX: usize = 64;

/// Questions that wait for their turn.
const WAITING_MAX: usize = 1024;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// An announce, by this path and query of the tracker's URL (BEP 41), if it has any.
    Announce(Ask, String),
    /// The counts of at most [`HASHES_MAX`](crate::wire::udp::HASHES_MAX) torrents.
    Scrape(Vec<InfoHash>),
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<T> {
    /// What it was asked with.
    pub tag: T,
    /// How long the last datagram was under way, if there was an answer.
    pub millis: Millis,
    /// The answer.
    pub result: Result<Told, Failure>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// To an announce.
    Answer(Answer),
    /// To a scrape, those torrents that are known there.
    Counts(Vec<(InfoHash, Counts)>),
}

/// Asks, waits, asks again.
pub struct Courier<T> {
    queue: VecDeque<Parcel<T>>,
    /// Under way, by transaction.
    flights: HashMap<u32, Flight<T>>,
    /// What waits for a connection id.
    waiting: HashMap<SocketAddr, Vec<Task<T>>>,
    connections: HashMap<SocketAddr, Connection>,
    bucket: Bucket,
    outcomes: VecDeque<Outcome<T>>,
    /// For transactions that nobody guesses.
    random: RandomState,
    counter: u64,
    /// Datagrams that were no answer to anything.
    pub strays: u32,
}

#[derive(Clone, Copy)]
struct Connection {
    id: u64,
    until: Millis,
}

struct Task<T> {
    to: SocketAddr,
    question: Question,
    tag: T,
    tries: u32,
}

enum Parcel<T> {
    Connect { to: SocketAddr, tries: u32 },
    Ask(Task<T>),
}

struct Flight<T> {
    parcel: Parcel<T>,
    sent: Millis,
}

impl<T> Courier<T> {
    /// A courier who sends no more than `pps` datagrams a second.
    pub fn new(pps: u32) -> Courier<T> {
        Courier {
            queue: VecDeque::new(),
            flights: HashMap::new(),
            waiting: HashMap::new(),
            connections: HashMap::new(),
            bucket: Bucket::new(pps, 1),
            outcomes: VecDeque::new(),
            random: RandomState::new(),
            counter: 0,
            strays: 0,
        }
    }

    /// Sends no more than `pps` datagrams a second from now on.
    pub fn set_pace(&mut self, pps: u32) {
        self.bucket = Bucket::new(pps, 1);
    }

    /// Asks; `false` if there is no room for more questions.
    pub fn ask(&mut self, to: SocketAddr, question: Question, tag: T) -> bool {
        let waiting: usize = self.waiting.values().map(Vec::len).sum();
        if self.queue.len() + waiting >= WAITING_MAX {
            return false;
        }
        self.queue.push_back(Parcel::Ask(Task {
            to,
            question,
            tag,
            tries: 0,
        }));
        true
    }

    /// The next datagram that may be sent, if there is one, in the place of what is in `bytes`.
    pub fn poll_transmit(&mut self, now: Millis, bytes: &mut Vec<u8>) -> Option<SocketAddr> {
        while self.flights.len() < FLIGHTS_MAX {
            let parcel = match self.queue.pop_front()? {
                Parcel::Ask(task) if self.connection(now, task.to).is_none() => {
                    let to = task.to;
                    let waiting = self.waiting.entry(to).or_default();
                    waiting.push(task);
                    if waiting.len() > 1 {
                        continue;
                    }
                    Parcel::Connect { to, tries: 0 }
                }
                parcel => parcel,
            };
            if !self.bucket.take(now) {
                self.queue.push_front(parcel);
                return None;
            }
            return Some(self.send(now, parcel, bytes));
        }
        None
    }

    /// Takes a datagram.
    pub fn handle(&mut self, now: Millis, from: SocketAddr, bytes: &[u8]) {
        let transaction = bytes.get(4..8).and_then(|bytes| bytes.try_into().ok());
        let transaction = transaction.map(u32::from_be_bytes);
        let is_his = |flight: &Flight<T>| flight.parcel.to() == from;
        let Some(transaction) =
            transaction.filter(|transaction| self.flights.get(transaction).is_some_and(is_his))
        else {
            self.strays = self.strays.wrapping_add(1);
            return;
        };
        let Some(flight) = self.flights.remove(&transaction) else {
            return;
        };
        let millis = now.saturating_sub(flight.sent);
        match (flight.parcel, Reply::parse(bytes)) {
            (Parcel::Connect { to, .. }, Some(Reply::Connect { connection, .. })) => {
                let until = now.saturating_add(CONNECTION_MILLIS);
                self.connections.retain(|_, other| other.until > now);
                let id = connection;
                self.connections.insert(to, Connection { id, until });
                for task in self.waiting.remove(&to).unwrap_or_default() {
                    self.queue.push_front(Parcel::Ask(task));
                }
            }
            (Parcel::Connect { to, .. }, reply) => {
                self.give_up(to, millis, &refusal(reply.as_ref()));
            }
            (Parcel::Ask(task), reply) => {
                let result = told(&task, reply.as_ref());
                if let Err(failure) = &result {
                    // The id may be why.
                    self.connections.remove(&task.to);
                    if is_about_connection(failure) && task.tries < task.question.tries_max() {
                        self.queue.push_front(Parcel::Ask(task));
                        return;
                    }
                }
                self.outcomes.push_back(Outcome {
                    tag: task.tag,
                    millis,
                    result,
                });
            }
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) or
    /// [`poll_transmit`](Self::poll_transmit), if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Millis> {
        let patience = |flight: &Flight<T>| flight.sent.saturating_add(PATIENCE_MILLIS);
        let waiting = self.flights.values().map(patience).min();
        let is_free = !self.queue.is_empty() && self.flights.len() < FLIGHTS_MAX;
        let sending = is_free.then(|| self.bucket.next());
        waiting.into_iter().chain(sending).min()
    }

    /// Asks again what has gone unanswered for long enough, or gives it up.
    pub fn handle_timeout(&mut self, now: Millis) {
        let is_late = |flight: &Flight<T>| flight.sent.saturating_add(PATIENCE_MILLIS) <= now;
        let late = self.flights.iter().filter(|(_, flight)| is_late(flight));
        let late: Vec<u32> = late.map(|(transaction, _)| *transaction).collect();
        for transaction in late {
            let Some(flight) = self.flights.remove(&transaction) else {
                continue;
            };
            match flight.parcel {
                Parcel::Connect { to, tries } if tries >= TRIES_MAX => {
                    self.give_up(to, PATIENCE_MILLIS, &Failure::Unreachable);
                }
                Parcel::Ask(task) if task.tries >= task.question.tries_max() => {
                    self.connections.remove(&task.to);
                    self.outcomes.push_back(Outcome {
                        tag: task.tag,
                        millis: PATIENCE_MILLIS,
                        result: Err(Failure::Unreachable),
                    });
                }
                parcel => self.queue.push_front(parcel),
            }
        }
    }

    /// What came of a question.
    pub fn poll_outcome(&mut self) -> Option<Outcome<T>> {
        self.outcomes.pop_front()
    }

    fn connection(&self, now: Millis, to: SocketAddr) -> Option<u64> {
        let connection = self.connections.get(&to)?;
        (connection.until > now).then_some(connection.id)
    }

    fn send(&mut self, now: Millis, mut parcel: Parcel<T>, bytes: &mut Vec<u8>) -> SocketAddr {
        let transaction = loop {
            self.counter = self.counter.wrapping_add(1);
            let transaction = self.random.hash_one(self.counter) as u32;
            if !self.flights.contains_key(&transaction) {
                break transaction;
            }
        };
        let to = parcel.to();
        bytes.clear();
        match &mut parcel {
            Parcel::Connect { tries, .. } => {
                *tries += 1;
                Request::Connect { transaction }.emit(bytes);
            }
            Parcel::Ask(task) => {
                task.tries += 1;
                let connection = self.connection(now, to).unwrap_or_default();
                task.question.emit(connection, transaction, bytes);
            }
        }
        self.flights
            .insert(transaction, Flight { parcel, sent: now });
        to
    }

    /// There is no connection id to be had.
    fn give_up(&mut self, to: SocketAddr, millis: Millis, failure: &Failure) {
        for task in self.waiting.remove(&to).unwrap_or_default() {
            self.outcomes.push_back(Outcome {
                tag: task.tag,
                millis,
                result: Err(failure.clone()),
            });
        }
    }
}

impl<T> Parcel<T> {
    fn to(&self) -> SocketAddr {
        match self {
            Parcel::Connect { to, .. } => *to,
            Parcel::Ask(task) => task.to,
        }
    }
}

impl Question {
    /// Whoever leaves says so once.
    fn tries_max(&self) -> u32 {
        match self {
            Question::Announce(ask, _) if ask.event == Event::Stopped => 1,
            _ => TRIES_MAX,
        }
    }

    fn emit(&self, connection: u64, transaction: u32, bytes: &mut Vec<u8>) {
        match self {
            Question::Announce(ask, path) => Request::Announce(Announce {
                connection,
                transaction,
                info_hash: ask.info_hash,
                peer_id: ask.peer_id,
                downloaded: ask.downloaded,
                left: ask.left,
                uploaded: ask.uploaded,
                event: ask.event,
                ip: [0; 4],
                key: ask.key,
                numwant: Some(ask.numwant),
                port: ask.port,
                options: &url_data(path.as_bytes()),
            })
            .emit(bytes),
            Question::Scrape(hashes) => {
                let hashes: Vec<_> = hashes.iter().map(|hash| hash.0).collect();
                Request::Scrape(Scrape {
                    connection,
                    transaction,
                    hashes: &hashes,
                })
                .emit(bytes);
            }
        }
    }
}

/// What a reply means for who asked.
fn told<T>(task: &Task<T>, reply: Option<&Reply<'_>>) -> Result<Told, Failure> {
    let told = match (&task.question, reply) {
        (Question::Announce(..), Some(reply)) => {
            Answer::by_udp(reply, Family::of(task.to.ip())).map(Told::Answer)
        }
        (Question::Scrape(hashes), Some(Reply::Scrape { counts, .. })) => {
            // Less than all is all that fitted.
            let counts = hashes.iter().copied().zip(counts.iter());
            Some(Told::Counts(counts.collect()))
        }
        _ => None,
    };
    told.ok_or_else(|| refusal(reply))
}

/// Whether a tracker says that it has forgotten the connection id, as those do that were started
/// anew.
fn is_about_connection(failure: &Failure) -> bool {
    let Failure::Refused(words, _) = failure else {
        return false;
    };
    words.to_ascii_lowercase().contains("connection")
}

fn refusal(reply: Option<&Reply<'_>>) -> Failure {
    match reply {
        Some(Reply::Error { message, .. }) => Failure::Refused(words(message), None),
        _ => Failure::Malformed,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Sends the next datagram, and has it answered with this action and text or id.
    fn answer(courier: &mut Courier<()>, action: u32, rest: &[u8]) -> usize {
        let mut asked = Vec::new();
        let to = courier.poll_transmit(1, &mut asked).unwrap();
        let reply = [&action.to_be_bytes()[..], &asked[12..16], rest].concat();
        courier.handle(1, to, &reply);
        asked.len()
    }

    #[test]
    fn who_has_forgotten_the_connection_is_asked_once_more() {
        for (words, again) in [
            ("Connection ID missmatch.\0", true),
            ("not on my list", false),
        ] {
            let mut courier = Courier::new(100);
            let to = "192.0.2.1:6969".parse().unwrap();
            let question = Question::Scrape(vec![InfoHash([7; 20])]);
            assert!(courier.ask(to, question, ()));
            assert_eq!(answer(&mut courier, 0, &[1; 8]), 16);
            assert_eq!(answer(&mut courier, 3, words.as_bytes()), 36);
            if again {
                assert_eq!(courier.poll_outcome(), None);
                assert_eq!(answer(&mut courier, 0, &[2; 8]), 16);
                assert_eq!(answer(&mut courier, 3, words.as_bytes()), 36);
            }
            let outcome = courier.poll_outcome().unwrap();
            assert!(matches!(outcome.result, Err(Failure::Refused(..))));
            assert_eq!(courier.poll_transmit(1, &mut Vec::new()), None);
        }
    }
}

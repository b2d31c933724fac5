//! One connection: reading → waiting → writing, and again.
//!
//! Bytes come in by [`Conn::feed`] and go out by [`Conn::write`]. A connection that waits, for an
//! answer or for a slow reader, takes nothing in, so what a stranger can make it hold is bounded:
//! one head and one read of input, [`OUT_LEN_MAX`] and one answer, or one piece of a long one, of
//! output. All connections of a worker together are bounded by what [`crate::net::tcp`] allows
//! them.

use std::io;
use std::mem;
use std::net::SocketAddr;

use mio::net::TcpStream;

use crate::net::desk::Desk;
use crate::net::http::{self, Asked, Http, Outcome, Pending};
use crate::net::rounds::{Quest, Round};
use crate::net::scroll::{Rest, Scroll};
use crate::net::seats::Seat;
use crate::net::stream::{Got, Stream};
use crate::net::workspace::Workspace;
use crate::net::{Office, Ticket};
use crate::stats::Count;
use crate::stats::traffic::{Call, Fate, Flow, Handshake, Traffic};
use crate::sys::socket::errno;
use crate::types::{Family, Seconds};
use crate::wire::http::{Head, Status};
use crate::wire::proxy::{Malformed, Preface};

/// Output gathered from pipelined requests before it has to be written, in bytes.
const OUT_LEN_MAX: usize = 8 * 1024;

/// How long the rest of a faulty request is swallowed. Closing at once would make the kernel
/// reset the connection, and the client lose the answer that says what is wrong.
const SWALLOW_SECS_MAX: Seconds = 2;

/// A connection.
pub struct Conn {
    stream: Stream,
    /// Its own, once it has one.
    seat: Option<Seat>,
    /// The other end, or what a preface said instead.
    from: SocketAddr,
    /// Whether a preface has to come first.
    prefaced: bool,
    /// Whether its announces are meant for other trackers too, whatever they say.
    pub opted: bool,
    state: State,
    /// The answer under way, if it is a long one.
    scroll: Option<Box<Scroll>>,
    /// Input not yet understood.
    held: Vec<u8>,
    /// How much of it was found to be no whole head.
    seen: usize,
    /// Output the kernel has not taken yet.
    unsent: Vec<u8>,
    /// When the present wait began.
    since: Seconds,
    /// Whether the socket may have input that no further event will tell of.
    unread: bool,
    /// Whether an event told of the end of the input, which no other will do again.
    ended: bool,
}

#[derive(Clone, Copy)]
enum State {
    /// For a request.
    Reading,
    /// For the answer to one.
    Waiting(Pending),
    /// For the client to take a piece of a long answer, which has a next.
    Unrolling(Pending),
    /// For the last answer to leave; then swallow what is left of the input, or close.
    Leaving { swallow: bool },
    /// For the end of the input.
    Swallowing,
}

/// What a connection is good for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing, until its socket is ready or an answer comes.
    Rest,
    /// More at once: its turn was over before its input was.
    Again,
    /// What a round brings home, for an answer.
    Ask(Quest),
    /// Closing.
    Close,
}

impl Conn {
    /// A connection just accepted; `prefaced` if a proxy has to say first whose it is.
    pub fn new(stream: impl Into<Stream>, from: SocketAddr, prefaced: bool, now: Seconds) -> Conn {
        Conn {
            stream: stream.into(),
            seat: None,
            from,
            prefaced,
            opted: false,
            state: State::Reading,
            scroll: None,
            held: Vec::new(),
            seen: 0,
            unsent: Vec::new(),
            since: now,
            unread: true,
            ended: false,
        }
    }

    /// Takes its seat.
    pub fn sit(&mut self, seat: Seat) {
        self.seat = Some(seat);
    }

    /// The socket, to be registered.
    pub fn socket(&mut self) -> &mut TcpStream {
        self.stream.socket()
    }

    /// The family of the other end.
    pub fn family(&self) -> Family {
        Family::of(self.from.ip())
    }

    /// Whether it waits for its socket to take more.
    pub fn is_writing(&self) -> bool {
        !self.unsent.is_empty() || self.stream.is_writing()
    }

    /// How many bytes it holds.
    pub fn held_bytes(&self) -> usize {
        let scroll = self.scroll.as_ref().map_or(0, |scroll| scroll.held_bytes());
        self.held.capacity() + self.unsent.capacity() + scroll + self.stream.held_bytes()
    }

    /// Since when it has been waiting for a next request that has not begun; `None` if it is busy.
    pub fn idle_since(&self) -> Option<Seconds> {
        let idle = matches!(self.state, State::Reading) && self.held.is_empty();
        (idle && !self.is_writing()).then_some(self.since)
    }

    /// Does what can be done without waiting, after an event: write, read, answer. `ended` says
    /// that the end of the input has come.
    pub fn work(
        &mut self,
        ended: bool,
        ticket: Ticket,
        office: &mut Office<'_>,
        with: &mut Workspace,
    ) -> Next {
        self.unread = true;
        self.ended |= ended;
        self.resume(ticket, office, with)
    }

    /// The same, after [`Next::Again`].
    pub fn resume(
        &mut self,
        ticket: Ticket,
        office: &mut Office<'_>,
        with: &mut Workspace,
    ) -> Next {
        if self.is_writing() {
            let unsent = mem::take(&mut self.unsent);
            if self.stream.flush().is_err() || !self.write(&unsent, &mut with.traffic) {
                return Next::Close;
            }
            if self.is_writing() {
                return Next::Rest;
            }
            self.since = office.desk.now;
            if self.after_write(office.desk.now) == Next::Close {
                return Next::Close;
            }
        }
        if matches!(self.state, State::Unrolling(_)) {
            return self.unroll(office.desk, with);
        }
        if matches!(self.state, State::Reading) && self.seen < self.held.len() {
            let held = mem::take(&mut self.held);
            let next = self.feed(&held, ticket, office, with);
            if next != Next::Rest {
                return next;
            }
        }
        self.read(ticket, office, with)
    }

    /// Takes the answer it was waiting for; `write` puts it into words.
    pub fn answer(
        &mut self,
        now: Seconds,
        with: &mut Workspace,
        write: impl FnOnce(&Pending, &mut Http, &mut Vec<u8>) -> bool,
    ) -> Next {
        let State::Waiting(pending) = self.state else {
            return Next::Rest;
        };
        with.out.clear();
        let stays = write(&pending, &mut with.http, &mut with.out);
        self.count_answer(0, with);
        self.state = State::Leaving { swallow: false };
        if !self.write(&with.out, &mut with.traffic) {
            return Next::Close;
        }
        self.finish(stays, now)
    }

    /// Takes what a round brought home for it.
    pub fn take_round(&mut self, parts: Vec<Round>, desk: &mut Desk, with: &mut Workspace) -> Next {
        let State::Waiting(pending) = self.state else {
            return Next::Rest;
        };
        let Some(scroll) = &mut self.scroll else {
            return self.answer(desk.now, with, |pending, http, out| {
                http.finish_round(pending, parts, out)
            });
        };
        scroll.fill(parts);
        self.state = State::Unrolling(pending);
        // A reader who has not taken the piece before gets no other; and to have put the page
        // together is enough for a turn.
        match self.is_writing() {
            true => Next::Rest,
            false => Next::Again,
        }
    }

    /// Writes the next piece of a long answer.
    fn unroll(&mut self, desk: &mut Desk, with: &mut Workspace) -> Next {
        let (State::Unrolling(pending), Some(scroll)) = (self.state, &mut self.scroll) else {
            return Next::Rest;
        };
        with.out.clear();
        let begins = !scroll.has_begun();
        let rest = scroll.unroll(&mut with.out);
        if begins {
            self.count_answer(0, with);
        }
        let (family, len) = (self.family(), with.out.len() as u64);
        desk.counters.add(family, Count::FullScrapeBytes, len);
        self.since = desk.now;
        if !self.write(&with.out, &mut with.traffic) {
            return Next::Close;
        }
        match rest {
            Rest::Piece if self.is_writing() => Next::Rest,
            Rest::Piece => Next::Again,
            Rest::Page(quest) => {
                self.state = State::Waiting(pending);
                Next::Ask(quest)
            }
            Rest::Nothing => {
                self.scroll = None;
                self.finish(pending.keep_alive, desk.now)
            }
        }
    }

    /// What follows an answer that is written whole, as far as the kernel took it.
    fn finish(&mut self, stays: bool, now: Seconds) -> Next {
        let swallow = !self.held.is_empty();
        self.state = match stays {
            true => State::Reading,
            false => State::Leaving { swallow },
        };
        self.since = now;
        match self.after_write(now) {
            Next::Rest if self.unread => Next::Again,
            next => next,
        }
    }

    /// Says that there is no room, and closes. The request is read first, if it is there: closing
    /// with input unread would reset the connection. To say it encrypted would cost a handshake.
    pub fn turn_away(mut self, with: &mut Workspace) {
        if self.stream.is_encrypted() {
            return self.close(&mut with.traffic);
        }
        let _ = self.stream.read_plain(&mut with.scratch);
        with.out.clear();
        http::emit_fault(Status::UNAVAILABLE, &mut with.out);
        with.traffic.answer(&with.out);
        self.write(&with.out, &mut with.traffic);
        self.close(&mut with.traffic);
    }

    /// Looks at the clock. `Close` when it has been waited for long enough.
    pub fn tick(&mut self, desk: &mut Desk, with: &mut Workspace) -> Next {
        let terms = &desk.terms;
        let secs_max = match self.state {
            State::Reading if self.stream.is_shaking_hands() => terms.request_secs_max,
            _ if self.idle_since().is_some() => terms.idle_secs_max,
            State::Swallowing => SWALLOW_SECS_MAX,
            _ => terms.request_secs_max,
        };
        // Both are whole seconds, so the difference may be up to one too many.
        let is_slow = desk.now.saturating_sub(self.since) > secs_max;
        let took_all = !self.is_writing();
        let scroll = self.scroll.as_mut();
        if !is_slow && !scroll.is_some_and(|scroll| scroll.tick(desk.now, took_all)) {
            return Next::Rest;
        }
        if self.idle_since().is_none() {
            desk.counters.count(self.family(), Count::HttpTimeout);
        }
        let status = match self.state {
            State::Reading if took_all && !self.held.is_empty() => Status::REQUEST_TIMEOUT,
            State::Waiting(_) if self.owes_answer() => Status::UNAVAILABLE,
            _ => return Next::Close,
        };
        with.out.clear();
        http::emit_fault(status, &mut with.out);
        match self.owes_answer() {
            true => self.count_answer(0, with),
            false => with.traffic.answer(&with.out),
        }
        self.state = State::Leaving { swallow: false };
        self.write(&with.out, &mut with.traffic);
        Next::Close
    }

    fn read(&mut self, ticket: Ticket, office: &mut Office<'_>, with: &mut Workspace) -> Next {
        while self.unread && !self.is_writing() && !matches!(self.state, State::Waiting(_)) {
            let mut scratch = mem::take(&mut with.scratch);
            let had_shaken = self.stream.handshake().is_some();
            let read = match self.prefaced {
                true => self.stream.read_plain(&mut scratch),
                false => self.stream.read(&mut scratch, &mut with.handshakes),
            };
            if let Some(handshake) = self.stream.handshake().filter(|_| !had_shaken) {
                with.traffic.shake(self.family(), handshake);
            }
            let next = match &read {
                Ok(Got { len: 0, .. }) => {
                    with.traffic.add(self.end(), 1);
                    Next::Close
                }
                Ok(Got { len, emptied }) => {
                    with.traffic.add(Flow::ReceivedBytes, *len);
                    self.unread = !emptied || self.ended;
                    self.feed(&scratch[..*len], ticket, office, with)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unread = false;
                    Next::Rest
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Next::Again,
                Err(error) => {
                    with.traffic.fail(Call::Receive, errno(error), 1);
                    Next::Close
                }
            };
            with.scratch = scratch;
            if next != Next::Rest {
                return next;
            }
            if self.unread {
                // One full read is enough for a turn: others wait.
                return Next::Again;
            }
        }
        Next::Rest
    }

    /// Takes input, and answers every request in it.
    fn feed(
        &mut self,
        bytes: &[u8],
        ticket: Ticket,
        office: &mut Office<'_>,
        with: &mut Workspace,
    ) -> Next {
        if !matches!(self.state, State::Reading) {
            return Next::Rest;
        }
        with.out.clear();
        let mut held = mem::take(&mut self.held);
        let (done, quest);
        if held.is_empty() {
            let bytes = self.past_blank_lines(bytes);
            if bytes.is_empty() {
                return Next::Rest;
            }
            self.since = office.desk.now;
            (done, quest) = self.understand(bytes, ticket, office, with);
            held.extend_from_slice(self.past_blank_lines(&bytes[done..]));
        } else {
            held.extend_from_slice(bytes);
            (done, quest) = self.understand(&held, ticket, office, with);
            let rest = self.past_blank_lines(&held[done..]).len();
            held.drain(..held.len() - rest);
        }
        self.seen = self.seen.min(held.len());
        // An empty buffer keeps no room: most connections are idle most of the time.
        let is_needed = !held.is_empty() && !matches!(self.state, State::Leaving { .. });
        self.held = if is_needed { held } else { Vec::new() };
        if !self.write(&with.out, &mut with.traffic) {
            return Next::Close;
        }
        match quest {
            Some(quest) => Next::Ask(quest),
            None => self.after_write(office.desk.now),
        }
    }

    /// Answers the requests in `bytes`; how many bytes they took, and what the last one asks a
    /// round for.
    fn understand(
        &mut self,
        bytes: &[u8],
        ticket: Ticket,
        office: &mut Office<'_>,
        with: &mut Workspace,
    ) -> (usize, Option<Quest>) {
        let mut done = self.take_preface(bytes, office, with);
        let mut quest = None;
        if self.prefaced {
            return (done, quest);
        }
        while matches!(self.state, State::Reading) && with.out.len() < OUT_LEN_MAX {
            match Head::parse(&bytes[done..], self.seen) {
                Ok(None) => {
                    self.seen = bytes.len() - done;
                    break;
                }
                Ok(Some((head, len))) => {
                    self.seen = 0;
                    self.since = office.desk.now;
                    let asked = Asked {
                        head,
                        bytes: &bytes[done..done + len],
                        from: self.from.ip(),
                        encrypted: self.stream.is_encrypted(),
                        opted: self.opted,
                        ticket,
                    };
                    done += len;
                    let stays = head.keep_alive && office.desk.terms.keep_alive;
                    with.traffic.request(self.family(), stays);
                    let begun = with.out.len();
                    self.state = match with.http.serve(&asked, office, &mut with.out) {
                        Outcome::Answered(true) => State::Reading,
                        Outcome::Answered(false) => State::Leaving {
                            swallow: done < bytes.len(),
                        },
                        Outcome::Waits(pending) => State::Waiting(pending),
                        Outcome::Asks(pending, for_what) => {
                            quest = Some(for_what);
                            State::Waiting(pending)
                        }
                        Outcome::Unrolls(pending, scroll) => {
                            quest = Some(scroll.quest());
                            self.scroll = Some(scroll);
                            State::Waiting(pending)
                        }
                    };
                    if with.out.len() > begun {
                        self.count_answer(begun, with);
                    }
                }
                Err(status) => self.fail(status, office.desk, with),
            }
        }
        (done, quest)
    }

    /// Counts the answer to a whole request, which begins at `begun` of the output.
    fn count_answer(&self, begun: usize, with: &mut Workspace) {
        with.traffic.answer(&with.out[begun..]);
        with.traffic.meet(self.family(), Fate::Answered);
    }

    /// Whether a request is there whose answer has not begun.
    fn owes_answer(&self) -> bool {
        let scroll = self.scroll.as_ref();
        matches!(self.state, State::Waiting(_) | State::Unrolling(_))
            && !scroll.is_some_and(|scroll| scroll.has_begun())
    }

    /// Takes the preface, if there has to be one, and says how many bytes it took.
    fn take_preface(
        &mut self,
        bytes: &[u8],
        office: &mut Office<'_>,
        with: &mut Workspace,
    ) -> usize {
        if !self.prefaced {
            return 0;
        }
        match Preface::parse(bytes) {
            Ok(None) => {
                self.seen = bytes.len();
                0
            }
            Ok(Some((preface, len))) => {
                self.prefaced = false;
                self.seen = 0;
                self.from = preface.ends.map_or(self.from, |(source, _)| source);
                // What is kept there then is read even if nothing more comes.
                self.unread |= self.stream.is_encrypted();
                len + self.stream.begin(&bytes[len..])
            }
            Err(Malformed) => {
                self.fail(Status::BAD_REQUEST, office.desk, with);
                0
            }
        }
    }

    /// Answers what can't be understood.
    fn fail(&mut self, status: Status, desk: &mut Desk, with: &mut Workspace) {
        desk.counters.count(self.family(), Count::HttpMalformed);
        let begun = with.out.len();
        http::emit_fault(status, &mut with.out);
        with.traffic.answer(&with.out[begun..]);
        self.state = State::Leaving { swallow: true };
        let encrypted = self.stream.is_encrypted();
        http::note_fault(self.from.ip(), encrypted, &with.out[begun..], desk);
    }

    /// What follows when output was written, as far as the kernel took it.
    fn after_write(&mut self, now: Seconds) -> Next {
        if self.is_writing() {
            return Next::Rest;
        }
        match self.state {
            State::Leaving { swallow: true } => {
                if self.stream.shutdown().is_err() {
                    return Next::Close;
                }
                self.state = State::Swallowing;
                self.since = now;
                Next::Again
            }
            State::Leaving { swallow: false } => Next::Close,
            // What was left aside while there was an answer to wait for or to write.
            State::Reading if self.seen < self.held.len() => Next::Again,
            _ => Next::Rest,
        }
    }

    /// Gives output to the kernel and keeps what it doesn't take; `false` if it is of no use.
    fn write(&mut self, out: &[u8], traffic: &mut Traffic) -> bool {
        if self.is_writing() {
            self.unsent.extend_from_slice(out);
            return true;
        }
        let mut done = 0;
        while done < out.len() {
            match self.stream.write(&out[done..]) {
                Ok(0) => return false,
                Ok(len) => done += len,
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => break,
                    _ => {
                        traffic.fail(Call::Send, errno(&error), 1);
                        return false;
                    }
                },
            }
        }
        traffic.add(Flow::SentBytes, done);
        traffic.add(Flow::Sent, usize::from(done > 0 && done == out.len()));
        self.unsent.extend_from_slice(&out[done..]);
        true
    }

    /// As what the end of its input counts.
    fn end(&self) -> Flow {
        match self.state {
            State::Reading if !self.held.is_empty() => Flow::Cut,
            _ => Flow::Ended,
        }
    }

    /// Closes the socket, and leaves its seat.
    pub fn close(self, traffic: &mut Traffic) {
        traffic.add(Flow::SendSkipped, usize::from(self.is_writing()));
        if self.owes_answer() {
            traffic.meet(self.family(), Fate::Unanswered);
        }
        if self.stream.is_amid_handshake() {
            traffic.shake(self.family(), Handshake::Failed);
        }
        match self.stream.close() {
            Ok(()) => traffic.add(Flow::Closed, 1),
            Err(error) => traffic.fail(Call::Close, errno(&error), 1),
        }
    }

    /// Input without line ends at its front: some clients send one after a request, and it begins
    /// no other. A preface may begin with one.
    fn past_blank_lines<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        if self.prefaced {
            return bytes;
        }
        let begin = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n'));
        &bytes[begin.unwrap_or(bytes.len())..]
    }
}

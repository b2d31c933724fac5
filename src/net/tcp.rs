//! TCP: listeners, and the connections they accept.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::net::SocketAddr;

use mio::event::Event;
use mio::net::TcpListener;
use mio::{Interest, Registry, Token};

use crate::net::conn::{Conn, Next};
use crate::net::desk::Desk;
use crate::net::rounds::{Quest, Round};
use crate::net::seats::{Seat, Usher};
use crate::net::stream::Stream;
use crate::net::workspace::Workspace;
use crate::net::{Office, Ticket};
use crate::stats::traffic::{Call, Traffic};
use crate::stats::{Count, Sheet};
use crate::sys::socket::{self, errno};
use crate::tls::Session;
use crate::types::{Family, Reply, Seconds};

/// Connections accepted from one listener before others get their turn.
const ACCEPTS_A_TURN: usize = 64;

/// Connections that go on in one turn, of those whose turn was over before their work was.
const RESUMED_A_TURN: usize = 32;

/// Where an answer by HTTP goes. The generation tells the tenants of a place apart, so that an
/// answer that comes too late goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Return {
    place: usize,
    generation: u32,
}

/// The listeners and connections of one worker.
pub struct Tcp {
    listeners: Vec<Listener>,
    places: Vec<Place>,
    free: Vec<usize>,
    registry: Registry,
    /// Token of the first listener; the connections' follow.
    first_token: usize,
    /// Whose turn was over before their work was.
    unfinished: VecDeque<Unfinished>,
    /// What all connections hold: unfinished requests, and answers that are not read.
    held_bytes: usize,
    /// What they may hold; whoever wants more then loses the connection.
    held_bytes_max: usize,
    /// Connections that ask for rounds.
    quests: Vec<(Return, Quest)>,
    usher: Usher,
    with: Workspace,
}

struct Listener {
    /// None once nothing more shall be accepted.
    listener: Option<TcpListener>,
    family: Family,
    /// Where it listens.
    addr: SocketAddr,
    /// Whether its connections are encrypted.
    encrypts: bool,
    /// Out of descriptors: nothing is accepted until some may be free again.
    paused: bool,
    /// Whether it is among the unfinished.
    unfinished: bool,
}

struct Place {
    generation: u32,
    conn: Option<Conn>,
    registered: Option<Interest>,
    /// Whether the connection is among the unfinished. Listed twice it would get two turns of
    /// each, and three the next time.
    unfinished: bool,
}

enum Unfinished {
    Listener(usize),
    Conn(Return),
}

impl Tcp {
    /// Takes the listeners over, those for HTTP and those for HTTPS, and registers them: listener
    /// `i` reports as `Token(first_token + i)`, everything above is a connection.
    pub fn new(
        [http, https]: [Vec<std::net::TcpListener>; 2],
        registry: Registry,
        first_token: usize,
        held_bytes_max: usize,
        usher: Usher,
    ) -> io::Result<Tcp> {
        let http = http.into_iter().map(|listener| (listener, false));
        let https = https.into_iter().map(|listener| (listener, true));
        let all = http.chain(https).zip(first_token..);
        let listeners = all.map(|((listener, encrypts), token)| {
            let addr = listener.local_addr()?;
            let mut listener = TcpListener::from_std(listener);
            registry.register(&mut listener, Token(token), Interest::READABLE)?;
            Ok(Listener {
                listener: Some(listener),
                family: Family::of(addr.ip()),
                addr,
                encrypts,
                paused: false,
                unfinished: false,
            })
        });
        let listeners = listeners.collect::<io::Result<_>>()?;
        Ok(Tcp {
            listeners,
            places: Vec::new(),
            free: Vec::new(),
            registry,
            first_token,
            unfinished: VecDeque::new(),
            held_bytes: 0,
            held_bytes_max,
            quests: Vec::new(),
            usher,
            with: Workspace::new(),
        })
    }

    /// Serves what an event is about.
    pub fn ready(&mut self, event: &Event, office: &mut Office<'_>) {
        let index = event.token().0 - self.first_token;
        match index.checked_sub(self.listeners.len()) {
            None => self.accept(index, office),
            Some(place) => {
                let generation = self.places.get(place).map(|place| place.generation);
                if let Some(generation) = generation {
                    let ended = event.is_read_closed();
                    self.work(Return { place, generation }, |conn, ticket, with| {
                        conn.work(ended, ticket, office, with)
                    });
                }
            }
        }
    }

    /// Goes on with what was left over from the turn before.
    pub fn go_on(&mut self, office: &mut Office<'_>) {
        self.with.turn();
        for _ in 0..self.unfinished.len().min(RESUMED_A_TURN) {
            let Some(unfinished) = self.unfinished.pop_front() else {
                return;
            };
            match unfinished {
                Unfinished::Listener(index) => {
                    self.listeners[index].unfinished = false;
                    self.accept(index, office);
                }
                Unfinished::Conn(at) => {
                    let place = &mut self.places[at.place];
                    if place.generation == at.generation {
                        place.unfinished = false;
                    }
                    self.work(at, |conn, ticket, with| conn.resume(ticket, office, with));
                }
            }
        }
    }

    /// Whether something was left over.
    pub fn is_unfinished(&self) -> bool {
        !self.unfinished.is_empty()
    }

    /// Takes the answer to a request.
    pub fn deliver(&mut self, at: Return, reply: Reply<'_>, desk: &mut Desk) {
        self.work(at, |conn, _, with| {
            conn.answer(desk.now, with, |pending, http, out| {
                http.finish(pending, reply, desk, out)
            })
        });
    }

    /// Whom rounds are to be sent for.
    pub fn take_quests(&mut self) -> Vec<(Return, Quest)> {
        mem::take(&mut self.quests)
    }

    /// Takes a quest back: it has to wait for another turn.
    pub fn put_off(&mut self, at: Return, quest: Quest) {
        self.quests.push((at, quest));
    }

    /// Takes the sum of all workers' sheets for whoever waits for it.
    pub fn deliver_sheet(&mut self, at: Return, sum: &Sheet, desk: &mut Desk) {
        self.work(at, |conn, _, with| {
            conn.answer(desk.now, with, |pending, http, out| {
                http.finish_sheet(pending, sum, desk, out)
            })
        });
    }

    /// Takes a text.
    pub fn deliver_text(&mut self, at: Return, text: &str, desk: &mut Desk) {
        self.work(at, |conn, _, with| {
            conn.answer(desk.now, with, |pending, _, out| {
                pending.text(text.as_bytes(), out)
            })
        });
    }

    /// Takes what a round brought home.
    pub fn deliver_round(&mut self, at: Return, parts: Vec<Round>, desk: &mut Desk) {
        self.work(at, |conn, _, with| conn.take_round(parts, desk, with));
    }

    /// Closes a connection whose answer won't come.
    pub fn hang_up(&mut self, at: Return) {
        self.work(at, |_, _, _| Next::Close);
    }

    /// Hands in what went over the sockets since the last time.
    pub fn hand_in(&mut self, traffic: &mut Traffic) {
        traffic.merge(&mem::take(&mut self.with.traffic));
    }

    /// Once a second: closes what has been waited for long enough, and tries paused listeners.
    pub fn tick(&mut self, desk: &mut Desk) {
        self.held_bytes_max = desk.terms.budget.held_bytes_max;
        for place in 0..self.places.len() {
            let generation = self.places[place].generation;
            self.work(Return { place, generation }, |conn, _, with| {
                conn.tick(desk, with)
            });
        }
        self.make_way(desk);
        self.accept_further();
    }

    /// Accepts who waits already, then nobody; closes connections that have nothing to say. Whether
    /// none is left.
    pub fn drain(&mut self, office: &mut Office<'_>) -> bool {
        for index in 0..self.listeners.len() {
            self.accept(index, office);
            let listener = &mut self.listeners[index];
            if !listener.unfinished {
                listener.listener = None;
            }
        }
        let now = office.desk.now;
        for place in 0..self.places.len() {
            let conn = self.places[place].conn.as_ref();
            let idle = conn.and_then(Conn::idle_since);
            // A request may be on its way.
            if idle.is_some_and(|since| since < now) {
                self.close(place);
            }
        }
        let accepts = self.listeners.iter().any(|l| l.listener.is_some());
        !accepts && self.free.len() == self.places.len()
    }

    /// After a panic: closes all connections, and looks at every listener.
    pub fn rebuild(&mut self) {
        let traffic = mem::take(&mut self.with.traffic);
        self.with = Workspace {
            traffic,
            ..Workspace::new()
        };
        self.unfinished.clear();
        self.quests.clear();
        for place in &mut self.places {
            if let Some(conn) = place.leave() {
                conn.close(&mut self.with.traffic);
            }
        }
        self.free = (0..self.places.len()).collect();
        self.held_bytes = 0;
        for index in 0..self.listeners.len() {
            self.listeners[index].paused = false;
            self.listeners[index].unfinished = false;
            self.accept_again(index);
        }
    }

    fn accept(&mut self, index: usize, office: &mut Office<'_>) {
        let mut failures = 0;
        for _ in 0..ACCEPTS_A_TURN {
            let Listener {
                listener,
                family,
                addr,
                encrypts,
                paused,
                ..
            } = &mut self.listeners[index];
            let Some(listener) = listener.as_ref().filter(|_| !*paused) else {
                return;
            };
            match listener.accept() {
                Ok((stream, from)) => {
                    office.desk.counters.count(*family, Count::TcpAccept);
                    if !office.desk.welcomes(from.ip()) {
                        Conn::new(stream, from, false, 0).close(&mut self.with.traffic);
                        continue;
                    }
                    let prefaced = office.desk.gate.proxies.expect_preface(from.ip());
                    let stream = match &office.desk.tls {
                        _ if !*encrypts => Stream::from(stream),
                        Some(server) => Stream::encrypted(stream, server.clone()),
                        // Rather nothing than something in the clear.
                        None => {
                            Conn::new(stream, from, false, 0).close(&mut self.with.traffic);
                            continue;
                        }
                    };
                    let mut conn = Conn::new(stream, from, prefaced, office.desk.now);
                    conn.opted = office.desk.opts_in(*addr);
                    if *encrypts {
                        self.make_room(office.desk.now);
                    }
                    self.welcome(conn, office);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    self.with.traffic.fail(Call::Accept, errno(&error), 1);
                    // Else the client has given up already, or the network: the next may be fine.
                    match socket::is_shortage(&error) {
                        true => *paused = true,
                        false => failures += 1,
                    }
                }
            }
        }
        // What fails all the time is left alone for a while.
        if failures == ACCEPTS_A_TURN {
            self.listeners[index].paused = true;
        } else {
            self.accept_again(index);
        }
    }

    /// Tries the listeners that are paused: there may be descriptors again.
    fn accept_further(&mut self) {
        for index in 0..self.listeners.len() {
            if mem::take(&mut self.listeners[index].paused) {
                self.accept_again(index);
            }
        }
    }

    fn accept_again(&mut self, index: usize) {
        if !mem::replace(&mut self.listeners[index].unfinished, true) {
            self.unfinished.push_back(Unfinished::Listener(index));
        }
    }

    /// Gives a connection its place, if there is one, and serves it at once: its first request is
    /// mostly there already.
    fn welcome(&mut self, mut conn: Conn, office: &mut Office<'_>) {
        let Some(seat) = self.seat(office.desk) else {
            self.usher.complain();
            office.desk.counters.count(conn.family(), Count::TcpRefused);
            return conn.turn_away(&mut self.with);
        };
        conn.sit(seat);
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place {
                generation: 0,
                conn: None,
                registered: None,
                unfinished: false,
            });
            self.places.len() - 1
        });
        self.places[place].conn = Some(conn);
        let at = Return {
            place,
            generation: self.places[place].generation,
        };
        self.work(at, |conn, ticket, with| {
            conn.work(false, ticket, office, with)
        });
    }

    /// A seat, if need be that of the connection that has been idle the longest.
    fn seat(&mut self, desk: &Desk) -> Option<Seat> {
        let seats_max = desk.terms.connections_max;
        self.usher.seat(seats_max).or_else(|| {
            let (_, place) = self.idle(desk.now).min()?;
            self.close(place);
            self.usher.seat(seats_max)
        })
    }

    /// If there is none for one more session, closes the connection that has been idle the longest,
    /// of those that hold something.
    fn make_room(&mut self, now: Seconds) {
        if self.held_bytes + Session::BYTES <= self.held_bytes_max {
            return;
        }
        let conn = |place: usize| self.places[place].conn.as_ref();
        let idle = self.idle(now);
        let holds = |(_, place): &_| conn(*place).is_some_and(|conn| conn.held_bytes() > 0);
        if let Some((_, place)) = idle.filter(holds).min() {
            self.close(place);
        }
    }

    /// When there are no seats for some other worker's connections, closes idle ones that have more
    /// than this worker's part of them.
    fn make_way(&mut self, desk: &Desk) {
        let Some(part) = self.usher.part(desk.terms.connections_max) else {
            return;
        };
        let taken = self.places.len() - self.free.len();
        let mut idle: Vec<_> = self.idle(desk.now).collect();
        idle.sort_unstable();
        idle.truncate(taken.saturating_sub(part));
        for (_, place) in idle {
            self.close(place);
        }
    }

    /// Connections that have been idle for a second at least, and since when: who asks again and
    /// again is in nobody's way.
    fn idle(&self, now: Seconds) -> impl Iterator<Item = (Seconds, usize)> {
        let places = self.places.iter().enumerate();
        let idle = places.filter_map(|(place, taken)| {
            let since = taken.conn.as_ref()?.idle_since()?;
            Some((since, place))
        });
        // Both are whole seconds, so the difference may be up to one too many.
        idle.filter(move |(since, _)| now.saturating_sub(*since) > 1)
    }

    /// Lets a connection do something, and sees to what it is good for next.
    fn work(&mut self, at: Return, task: impl FnOnce(&mut Conn, Ticket, &mut Workspace) -> Next) {
        let Some(place) = self.places.get_mut(at.place) else {
            return;
        };
        let Some(conn) = place
            .conn
            .as_mut()
            .filter(|_| place.generation == at.generation)
        else {
            return;
        };
        let before = conn.held_bytes();
        let next = task(conn, Ticket::Http(at), &mut self.with);
        let after = conn.held_bytes();
        self.held_bytes = self.held_bytes + after - before;
        match next {
            _ if after > before && self.held_bytes > self.held_bytes_max => {
                return self.close(at.place);
            }
            Next::Close => return self.close(at.place),
            Next::Rest => {}
            Next::Again => {
                if !mem::replace(&mut place.unfinished, true) {
                    self.unfinished.push_back(Unfinished::Conn(at));
                }
            }
            Next::Ask(quest) => self.quests.push((at, quest)),
        }
        let token = Token(self.first_token + self.listeners.len() + at.place);
        if place.listen(&self.registry, token).is_err() {
            self.close(at.place);
        }
    }

    fn close(&mut self, at: usize) {
        let place = &mut self.places[at];
        if let Some(conn) = place.leave() {
            self.held_bytes -= conn.held_bytes();
            conn.close(&mut self.with.traffic);
        }
        self.free.push(at);
        self.accept_further();
    }
}

impl Place {
    /// Makes the place free.
    fn leave(&mut self) -> Option<Conn> {
        self.registered = None;
        self.unfinished = false;
        self.generation = self.generation.wrapping_add(1);
        self.conn.take()
    }

    /// Asks for the events the connection needs, if it didn't before. One that is served whole
    /// while it is accepted never gets here.
    fn listen(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let Some(conn) = &mut self.conn else {
            return Ok(());
        };
        let wanted = if conn.is_writing() {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        let socket = conn.socket();
        match self.registered {
            None => registry.register(socket, token, wanted)?,
            Some(now) if now != wanted => registry.reregister(socket, token, wanted)?,
            Some(_) => return Ok(()),
        }
        self.registered = Some(wanted);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::sync::Arc;

    use mio::Poll;

    use super::*;
    use crate::net::Router;
    use crate::net::rig;
    use crate::net::seats::Seats;
    use crate::stats::traffic::Handshake;
    use crate::tls::Server;

    /// What one worker has.
    struct Worker {
        tcp: Tcp,
        router: Router,
        desk: Desk,
        at: SocketAddr,
        _poll: Poll,
    }

    impl Worker {
        fn new(seats: &Arc<Seats>) -> Worker {
            let poll = Poll::new().unwrap();
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let at = listener.local_addr().unwrap();
            let registry = poll.registry().try_clone().unwrap();
            let usher = Usher::new(Arc::clone(seats));
            let mut desk = rig::desk(1);
            desk.terms.connections_max = 5;
            Worker {
                tcp: Tcp::new([vec![listener], vec![]], registry, 0, 1 << 20, usher).unwrap(),
                router: rig::router(),
                desk,
                at,
                _poll: poll,
            }
        }

        /// A client, as far as the worker lets it in.
        fn client(&mut self) -> TcpStream {
            let client = self.connect();
            self.accept();
            client
        }

        fn connect(&self) -> TcpStream {
            TcpStream::connect(self.at).unwrap()
        }

        fn accept(&mut self) {
            let Worker {
                tcp, router, desk, ..
            } = self;
            tcp.accept(0, &mut Office { router, desk });
        }

        fn taken(&self) -> usize {
            self.tcp.places.len() - self.tcp.free.len()
        }

        fn tick(&mut self) {
            self.tcp.tick(&mut self.desk);
        }
    }

    fn is_turned_away(mut client: TcpStream) -> bool {
        let mut answer = String::new();
        client.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 503")
    }

    #[test]
    fn idle_connections_make_way_for_those_of_other_workers() {
        let seats = Seats::new(2);
        let mut workers = [0, 1].map(|_| Worker::new(&seats));
        let [crowded, lonely] = &mut workers;
        let mut clients: Vec<_> = (0..5).map(|_| crowded.client()).collect();
        assert_eq!(crowded.taken(), 5);
        assert!(is_turned_away(lonely.client()));
        // Each may have said something a moment ago, though the clock has moved on since.
        for now in 0..2 {
            crowded.desk.now = now;
            lonely.client();
            crowded.tick();
            assert_eq!(crowded.taken(), 5);
        }
        for worker in [&mut *crowded, &mut *lonely] {
            worker.desk.now = 2;
        }
        assert!(is_turned_away(lonely.client()));
        crowded.tick();
        assert_eq!(crowded.taken(), 2, "its part");
        clients.extend((0..3).map(|_| lonely.client()));
        assert_eq!(lonely.taken(), 3);
        // Of its own the oldest goes at once.
        lonely.desk.now = 4;
        clients.push(lonely.client());
        assert_eq!(lonely.taken(), 3);
        crowded.tick();
        assert_eq!(crowded.taken(), 2, "nobody has complained since");
    }

    #[test]
    fn seats_are_free_again_after_a_panic() {
        let seats = Seats::new(1);
        let mut worker = Worker::new(&seats);
        let mut clients: Vec<_> = (0..5).map(|_| worker.client()).collect();
        clients[0].write_all(b"GET /").unwrap();
        worker.tcp.rebuild();
        assert_eq!(worker.taken(), 0);
        clients = (0..5).map(|_| worker.client()).collect();
        assert_eq!(worker.taken(), 5);
        drop(clients);
    }

    #[test]
    fn handshakes_under_way_have_failed_however_they_are_cut() {
        let pem = include_bytes!("../../tests/tls/one.pem");
        let Ok(server) = Server::new(pem, include_bytes!("../../tests/tls/one.key")) else {
            // Nothing is encrypted in this build.
            return;
        };
        let mut worker = Worker::new(&Seats::new(1));
        worker.desk.tls = Some(server);
        worker.tcp.listeners[0].encrypts = true;
        // Two begin one, and one says nothing.
        let clients = [&b"\x16\x03\x01"[..], b"\x16", b""].map(|bytes| {
            let mut client = worker.connect();
            client.write_all(bytes).unwrap();
            worker.accept();
            client
        });
        let cut = |worker: &Worker| {
            let [ipv4, ipv6] = worker.tcp.with.traffic.handshakes(Handshake::Failed);
            (worker.taken(), ipv4 + ipv6)
        };
        assert_eq!(cut(&worker), (3, 0));
        worker.tcp.close(0);
        assert_eq!(cut(&worker), (2, 1));
        worker.tcp.rebuild();
        assert_eq!(cut(&worker), (0, 2));
        drop(clients);
    }
}

//! Datagrams: BEP 15 requests in, replies out, a batch at a time.

use std::io;
use std::mem;
use std::net::SocketAddr;

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};

use crate::access::{Reason, Verdict};
use crate::net::desk::Desk;
use crate::net::door::Visit;
use crate::net::meta::{Calling, Slot};
use crate::net::{Office, Router, Ticket};
use crate::router::Home;
use crate::stats::Count;
use crate::stats::traffic::{Call, Flow};
use crate::sys::socket::errno;
use crate::sys::udp::{Inbox, Outbox, Source};
use crate::types::{self, Family, PeerAddr, Reply, Seconds, Want};
use crate::wire::place;
use crate::wire::udp::{self as wire, Request};

/// Datagrams per system call. More would not be there to take, on the usual machine.
const BATCH: usize = 32;

/// Batches from one socket before the other sockets and the timers get their turn.
const BATCHES_A_TURN: usize = 16;

/// Where a reply by UDP goes.
#[derive(Clone, Copy, Debug)]
pub struct Return {
    listener: usize,
    source: Source,
    transaction: u32,
    /// What the answer to an announce promises.
    interval: Seconds,
    /// Whether what others know goes into it, whatever it asks for.
    opted: bool,
}

/// The UDP sockets of one worker.
pub struct Udp {
    sockets: Vec<Listener>,
    inbox: Inbox,
    outbox: Outbox,
    /// Whose replies are in the outbox.
    outbox_of: usize,
    /// Sockets whose turn was over before they were empty.
    unfinished: Vec<usize>,
}

struct Listener {
    socket: UdpSocket,
    family: Family,
    addr: SocketAddr,
}

impl Udp {
    /// Takes the sockets over. They are named by their place, so every worker must have the same
    /// addresses in the same order.
    pub fn new(sockets: Vec<std::net::UdpSocket>) -> io::Result<Udp> {
        let sockets = sockets.into_iter().map(|socket| {
            let addr = socket.local_addr()?;
            Ok(Listener {
                socket: UdpSocket::from_std(socket),
                family: Family::of(addr.ip()),
                addr,
            })
        });
        let sockets: Vec<_> = sockets.collect::<io::Result<_>>()?;
        // Without UDP there is nothing to keep buffers for.
        let slots = if sockets.is_empty() { 0 } else { BATCH };
        let (inbox, outbox) = (Inbox::new(slots), Outbox::new(slots));
        Ok(Udp {
            sockets,
            inbox,
            outbox,
            outbox_of: 0,
            unfinished: Vec::new(),
        })
    }

    /// How many sockets there are.
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Asks for events; socket `i` reports as `Token(first + i)`.
    pub fn register(&mut self, registry: &Registry, first: usize) -> io::Result<()> {
        let tokens = (first..).map(Token);
        self.sockets
            .iter_mut()
            .zip(tokens)
            .try_for_each(|(listener, token)| {
                registry.register(&mut listener.socket, token, Interest::READABLE)
            })
    }

    /// Serves what has arrived at a socket.
    pub fn ready(&mut self, listener: usize, router: &mut Router, desk: &mut Desk) {
        // Listed twice it would get two turns of each, and three the next time.
        if self.drain(listener, router, desk) && !self.unfinished.contains(&listener) {
            self.unfinished.push(listener);
        }
    }

    /// Goes on with sockets that had more than a turn's worth.
    pub fn go_on(&mut self, router: &mut Router, desk: &mut Desk) {
        for listener in mem::take(&mut self.unfinished) {
            self.ready(listener, router, desk);
        }
    }

    /// Whether there are such sockets.
    pub fn is_unfinished(&self) -> bool {
        !self.unfinished.is_empty()
    }

    /// Takes an answer that came by letter.
    pub fn deliver(&mut self, to: Return, reply: Reply<'_>, desk: &mut Desk) {
        self.use_outbox_for(to.listener, desk);
        if self.outbox.is_full() {
            self.flush(desk);
        }
        emit(&to, reply, &mut self.outbox, desk);
    }

    /// Sends what is waiting in the outbox; once a turn.
    pub fn flush(&mut self, desk: &mut Desk) {
        if !self.outbox.is_empty() {
            flush(&mut self.outbox, &self.sockets[self.outbox_of], desk);
        }
    }

    /// Whether the socket may have more than one turn's worth.
    fn drain(&mut self, listener: usize, router: &mut Router, desk: &mut Desk) -> bool {
        self.use_outbox_for(listener, desk);
        let Udp {
            sockets,
            inbox,
            outbox,
            ..
        } = self;
        let Listener {
            socket,
            family,
            addr,
        } = &sockets[listener];
        let opted = desk.opts_in(*addr);
        for _ in 0..BATCHES_A_TURN {
            let received = inbox.receive(socket, |error| {
                desk.traffic.fail(Call::ReceiveUdp, errno(error), 1);
            });
            desk.counters
                .add(*family, Count::UdpReceived, received as u64);
            let mut office = Office { router, desk };
            let mut nameless = received as u64;
            for (bytes, source) in inbox.datagrams() {
                nameless -= 1;
                let traffic = &mut office.desk.traffic;
                traffic.add(Flow::ReceivedBytesUdp, bytes.len());
                if outbox.is_full() {
                    flush(outbox, &sockets[listener], office.desk);
                }
                let before = (office.desk.visitors.are_noted())
                    .then(|| (outbox.waiting().len(), ignored(office.desk)));
                answer(bytes, (listener, opted), source, outbox, &mut office);
                if let Some((waiting, ignored)) = before {
                    let reply = outbox.waiting().get(waiting).map(Vec::as_slice);
                    note(bytes, source, reply, ignored, office.desk);
                }
            }
            // Whose sender makes no sense.
            desk.counters.add(*family, Count::UdpMalformed, nameless);
            if received < inbox.slots() {
                return false;
            }
        }
        true
    }

    /// After a panic: what was to be sent is gone, and every socket may have something to read.
    pub fn rebuild(&mut self) {
        let slots = self.inbox.slots();
        (self.inbox, self.outbox) = (Inbox::new(slots), Outbox::new(slots));
        self.unfinished = (0..self.sockets.len()).collect();
    }

    fn use_outbox_for(&mut self, listener: usize, desk: &mut Desk) {
        if self.outbox_of != listener {
            self.flush(desk);
            self.outbox_of = listener;
        }
    }
}

/// Requests that were not answered so far.
fn ignored(desk: &Desk) -> u64 {
    desk.counters.total(Count::UdpUnanswered)
}

/// Writes a request down, and what is said to it.
#[cold]
fn note(bytes: &[u8], source: Source, reply: Option<&[u8]>, before: u64, desk: &mut Desk) {
    let is_ignored = ignored(desk) > before;
    let ip = source.addr.ip();
    desk.visitors
        .note_udp(desk.now, ip, bytes, reply, is_ignored);
}

fn flush(outbox: &mut Outbox, listener: &Listener, desk: &mut Desk) {
    let sent = outbox.send(&listener.socket, |error, n| {
        desk.traffic.fail(Call::SendUdp, errno(error), n as u64);
    });
    desk.traffic.add(Flow::SentBytesUdp, sent.bytes);
    desk.counters
        .add(listener.family, Count::UdpSent, sent.sent as u64);
    desk.counters
        .add(listener.family, Count::UdpSendDropped, sent.dropped as u64);
}

// In its place it costs less than called.
#[inline(always)]
fn answer(
    bytes: &[u8],
    (listener, opted): (usize, bool),
    source: Source,
    outbox: &mut Outbox,
    office: &mut Office<'_>,
) {
    let Office { desk, .. } = office;
    let ip = source.addr.ip();
    let family = Family::of(ip);
    let to = |transaction| Return {
        listener,
        source,
        transaction,
        interval: 0,
        opted,
    };
    match Request::parse(bytes) {
        None => desk.counters.count(family, Count::UdpMalformed),
        Some(Request::Connect { .. }) if !desk.answers_connect(ip) => {
            desk.counters.count(family, Count::UdpUnanswered);
        }
        Some(Request::Connect { transaction }) => {
            desk.counters.count(family, Count::UdpConnect);
            let connection = desk.cookie.issue(desk.now, ip);
            wire::Reply::Connect {
                transaction,
                connection,
            }
            .emit(outbox.reply(&source));
        }
        Some(Request::Announce(announce)) => {
            let to = to(announce.transaction);
            if is_proven(&to, announce.connection, bytes.len(), outbox, desk) {
                announce_at(to, &announce, outbox, office);
            }
        }
        Some(Request::Scrape(scrape)) => {
            let to = to(scrape.transaction);
            if is_proven(&to, scrape.connection, bytes.len(), outbox, desk) {
                scrape_at(to, &scrape, outbox, office);
            }
        }
    }
}

/// Whether the client has the connection id that was sent to its address. If not, it is told so,
/// unless that takes more bytes than the request had: the address may be somebody else's.
fn is_proven(
    to: &Return,
    connection: u64,
    request_len: usize,
    outbox: &mut Outbox,
    desk: &mut Desk,
) -> bool {
    let ip = to.source.addr.ip();
    if desk.cookie.check(desk.now, ip, connection) {
        return true;
    }
    let family = Family::of(ip);
    desk.counters.count(family, Count::UdpMismatch);
    if desk.answers_mismatch(ip) {
        let reply = refuse(to, b"Connection ID mismatch.", outbox);
        if reply.len() <= request_len {
            return false;
        }
        reply.clear();
    }
    desk.counters.count(family, Count::UdpUnanswered);
    false
}

fn announce_at(
    mut to: Return,
    announce: &wire::Announce<'_>,
    outbox: &mut Outbox,
    office: &mut Office<'_>,
) {
    let Office { router, desk } = office;
    let ip = to.source.addr.ip();
    let peer = PeerAddr::new(ip, announce.port);
    let family = peer.family();
    desk.counters.count(family, Count::UdpAnnounce);
    let verdict = desk.admit_announce(&Visit {
        source: ip,
        key: key(announce, desk),
        info_hash: &announce.info_hash,
        event: announce.event,
        peer_id: Some(&announce.peer_id),
        headers: None,
    });
    if let Verdict::Refuse(reason) = verdict {
        return turn_away(&to, reason, outbox, desk);
    }
    if announce.port == 0 {
        desk.counters.count(family, Count::UdpFailure);
        refuse(&to, b"port must not be 0", outbox);
        return;
    }
    // Who doesn't say how many gets as many as fit, as opentracker does.
    let fit = wire::peers_max(family) as u16;
    let numwant = desk.numwant(announce.numwant, fit).min(fit);
    let promise = desk.promise();
    to.interval = promise.interval;
    let said = announce;
    let announce = types::Announce {
        info_hash: announce.info_hash,
        peer,
        peer_id: desk.terms.peer_ids.then_some(announce.peer_id),
        event: announce.event,
        seeder: announce.seeder(),
        want: Want {
            numwant,
            both: false,
            ids: false,
        },
        keep_secs: promise.keep_secs,
    };
    if let Some(slot) = call(&to, said, &announce, desk) {
        return complete(&to, &announce, slot, outbox, office);
    }
    let ticket = Ticket::Udp(to);
    match router.announce(desk.now, &announce, ticket, Home::Anywhere) {
        Some(reply) => emit(&to, reply, outbox, desk),
        None => desk.counters.count(family, Count::UdpLetter),
    }
}

/// Passes an announce on to other trackers, if that is wanted.
fn call(
    to: &Return,
    said: &wire::Announce<'_>,
    announce: &types::Announce,
    desk: &mut Desk,
) -> Option<Slot> {
    desk.relay.as_ref()?;
    desk.call(&Calling {
        announce,
        ticket: Ticket::Udp(*to),
        source: to.source.addr.ip(),
        opted: to.opted,
        url: &said.url_data(),
        agent: None,
        peer_id: Some(said.peer_id),
        key: Some(said.key),
        bytes: (said.uploaded, said.downloaded, Some(said.left)),
    })
}

/// Answers an announce by what others know as well, now or later.
fn complete(
    to: &Return,
    announce: &types::Announce,
    slot: Slot,
    outbox: &mut Outbox,
    office: &mut Office<'_>,
) {
    let Office { router, desk } = office;
    // Only here it is known what the answer waits for.
    match router.announce(desk.now, announce, Ticket::Relay(slot), Home::Here) {
        Some(reply) => {
            desk.complete(slot, reply, |desk, _, reply| emit(to, reply, outbox, desk));
        }
        None => desk
            .counters
            .count(announce.peer.family(), Count::UdpLetter),
    }
}

fn scrape_at(to: Return, scrape: &wire::Scrape<'_>, outbox: &mut Outbox, office: &mut Office<'_>) {
    let Office { router, desk } = office;
    let ip = to.source.addr.ip();
    desk.counters.count(Family::of(ip), Count::UdpScrape);
    // BEP 41 gives scrapes no room for a key.
    let key = desk.gate.key(None);
    if let Verdict::Refuse(reason) = desk.admit_scrape(ip, key) {
        return turn_away(&to, reason, outbox, desk);
    }
    if let Some(reply) = router.scrape(desk.now, scrape.hashes(), Ticket::Udp(to)) {
        emit(&to, reply, outbox, desk);
    }
}

/// Refuses, or says nothing to those who ask too often: silence costs nothing, and has them wait
/// longer from try to try.
fn turn_away(to: &Return, reason: Reason, outbox: &mut Outbox, desk: &mut Desk) {
    let family = Family::of(to.source.addr.ip());
    if matches!(reason, Reason::TooFast | Reason::Struck(_)) {
        return desk.counters.count(family, Count::UdpUnanswered);
    }
    desk.counters.count(family, Count::UdpFailure);
    refuse(to, desk.gate.clients.words(reason).as_bytes(), outbox);
}

/// Whether the URL, which clients append (BEP 41), has the key it takes, if it takes one.
fn key(announce: &wire::Announce<'_>, desk: &Desk) -> Verdict {
    match desk.gate.is_private() {
        true => desk.gate.key(place::key(&announce.url_data())),
        false => Verdict::Allow,
    }
}

fn emit(to: &Return, reply: Reply<'_>, outbox: &mut Outbox, desk: &mut Desk) {
    let transaction = to.transaction;
    let family = Family::of(to.source.addr.ip());
    match reply {
        Reply::Announce(counts, peers) => wire::Reply::Announce {
            transaction,
            interval: to.interval,
            leechers: counts.leechers,
            seeders: counts.seeders,
            peers: peers.of(family),
        }
        .emit(outbox.reply(&to.source)),
        Reply::Scrape(scraped) => {
            let ip = to.source.addr.ip();
            let widens = to.opted && desk.widens_scrape(ip, true, &[]);
            let widened = if widens { desk.widen(scraped) } else { None };
            let scraped = widened.as_deref().unwrap_or(scraped);
            let counts = scraped.iter().map(|(_, counts)| counts.unwrap_or_default());
            wire::emit_scrape(transaction, counts, outbox.reply(&to.source));
        }
        Reply::Busy => {
            desk.counters.count(family, Count::Busy);
            desk.counters.count(family, Count::UdpUnanswered);
        }
    }
}

fn refuse<'a>(to: &Return, message: &[u8], outbox: &'a mut Outbox) -> &'a mut Vec<u8> {
    let reply = outbox.reply(&to.source);
    wire::Reply::Error {
        transaction: to.transaction,
        message,
    }
    .emit(reply);
    reply
}

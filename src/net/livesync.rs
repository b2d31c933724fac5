//! Live sync: packets of other trackers in, news of our own out.
//!
//! Every worker hears every packet and heeds the records of the torrents it owns, so that nothing
//! has to cross threads; and every worker tells of its own torrents.

use std::io;
use std::net::SocketAddr;

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};

use crate::access::Verdict;
use crate::cluster::{Cluster, Refusal};
use crate::net::Office;
use crate::net::desk::Desk;
use crate::stats::Count;
use crate::stats::traffic::Call;
use crate::sys::socket::errno;
use crate::sys::udp::Inbox;
use crate::types::{Announce, Family, Seconds};

/// Packets per system call.
const BATCH: usize = 8;

/// Batches before the requests and the timers get their turn.
const BATCHES_A_TURN: usize = 16;

/// One worker's part in live sync.
pub struct Livesync {
    socket: UdpSocket,
    /// Where packets go.
    group: SocketAddr,
    engine: Cluster,
    inbox: Inbox,
    /// The packet that is being sent.
    packet: Vec<u8>,
    /// Whether this worker counts what all of them hear.
    counts: bool,
    /// Whether its turn was over before the socket was empty.
    unfinished: bool,
}

impl Livesync {
    /// Takes over a socket that hears `group`. Of all workers one `counts` packets.
    pub fn new(
        socket: std::net::UdpSocket,
        group: SocketAddr,
        engine: Cluster,
        counts: bool,
    ) -> Livesync {
        Livesync {
            socket: UdpSocket::from_std(socket),
            group,
            engine,
            inbox: Inbox::new(BATCH),
            packet: Vec::new(),
            counts,
            unfinished: false,
        }
    }

    /// Asks for events.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    /// The engine, to tell it whom to believe.
    pub fn engine(&mut self) -> &mut Cluster {
        &mut self.engine
    }

    /// Heeds what has arrived.
    pub fn ready(&mut self, office: &mut Office<'_>) {
        for _ in 0..BATCHES_A_TURN {
            let traffic = &mut office.desk.traffic;
            let received = self.inbox.receive(&self.socket, |error| {
                traffic.fail(Call::ReceiveUdp, errno(error), 1);
            });
            for (bytes, source) in self.inbox.datagrams() {
                self.hear(source.addr, bytes, office);
            }
            self.unfinished = received == self.inbox.slots();
            if !self.unfinished {
                return;
            }
        }
    }

    /// Goes on if there was more than a turn's worth.
    pub fn go_on(&mut self, office: &mut Office<'_>) {
        if self.unfinished {
            self.ready(office);
        }
    }

    /// Whether there was.
    pub fn is_unfinished(&self) -> bool {
        self.unfinished
    }

    /// Tells others what is news here.
    pub fn tell(&mut self, news: &Announce, desk: &mut Desk) {
        self.engine.tell(desk.now, news);
        self.transmit(desk);
    }

    /// Sends what has waited for long enough; once a turn.
    pub fn flush(&mut self, desk: &mut Desk) {
        if self.engine.poll_timeout().is_some_and(|at| at <= desk.now) {
            self.engine.handle_timeout(desk.now);
            self.transmit(desk);
        }
    }

    /// After a panic: throws away all that may be broken.
    pub fn rebuild(&mut self) {
        self.engine.rebuild();
        self.inbox = Inbox::new(BATCH);
        // What the kernel told of may not have been read.
        self.unfinished = true;
    }

    /// Sends what is waiting still: this worker comes to its end.
    pub fn leave(&mut self, desk: &mut Desk) {
        self.engine.handle_timeout(Seconds::MAX);
        self.transmit(desk);
    }

    fn transmit(&mut self, desk: &mut Desk) {
        while self.engine.poll_transmit(&mut self.packet) {
            let sent = self.socket.send_to(&self.packet, self.group);
            let count = match sent {
                Ok(_) => Count::SyncSent,
                Err(error) => {
                    desk.traffic.fail(Call::SendUdp, errno(&error), 1);
                    Count::SyncUnsent
                }
            };
            desk.counters.count(Family::V4, count);
        }
    }

    fn hear(&self, from: SocketAddr, bytes: &[u8], office: &mut Office<'_>) {
        let Office { router, desk } = office;
        let intervals = desk.terms.intervals;
        let keep_secs = intervals.keep_secs(desk.terms.interval);
        let records = self.engine.handle(from.ip(), bytes, keep_secs);
        if self.counts {
            let count = match records {
                Ok(_) => Some(Count::SyncReceived),
                Err(Refusal::Stranger) => Some(Count::SyncRefused),
                Err(Refusal::Malformed) => Some(Count::SyncMalformed),
                Err(Refusal::Own) => None,
            };
            count
                .into_iter()
                .for_each(|count| desk.counters.count(Family::V4, count));
        }
        for record in records.into_iter().flatten() {
            let Some(announce) = record else {
                if self.counts {
                    desk.counters.count(Family::V4, Count::SyncMalformed);
                }
                continue;
            };
            if !router.owns(&announce.info_hash) {
                continue;
            }
            let family = announce.peer.family();
            desk.counters.count(family, Count::SyncRecord);
            match desk.gate.learn(&announce) {
                Verdict::Allow => router.learn(desk.now, &announce),
                Verdict::Refuse(_) => desk.counters.count(family, Count::SyncDenied),
            }
        }
    }
}

//! Asking a tracker by UDP (BEP 15), from a socket of one's own.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::sys::clock::{self, Clock};
use crate::wire::udp::{Announce, Reply, Request, Scrape};

/// How often to ask for an answer, since datagrams get lost.
const TRIES: u32 = 3;

/// The longest datagram there is.
const DATAGRAM_LEN_MAX: usize = 65_536;

/// The least that a socket can be told to wait.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// Why there is no answer.
#[derive(Debug)]
pub enum Fault {
    /// What the system says: nobody listens there, or no way leads there.
    System(io::Error),
    /// Nothing came.
    Silent,
    /// What came is no answer.
    Malformed,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::System(error) => error.fmt(f),
            Fault::Silent => f.write_str("nothing comes back"),
            Fault::Malformed => f.write_str("what answers is no tracker"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Fault::Silent,
            _ => Fault::System(error),
        }
    }
}

/// A tracker that has granted a connection id.
///
/// It is heard only if it answers from the address that was asked.
#[derive(Debug)]
pub struct Talk {
    socket: UdpSocket,
    /// How long to wait for each answer.
    time_max: Duration,
    connection: u64,
}

impl Talk {
    /// Asks the tracker there for a connection id, and waits so long for this and each further
    /// answer.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(to: SocketAddr, time_max: Duration) -> Result<Talk, Fault> {
        let socket = socket_for(to)?;
        socket.connect(to)?;
        let mut talk = Talk {
            socket,
            time_max,
            connection: 0,
        };
        let answer = talk.ask(|transaction| Request::Connect { transaction })?;
        match Reply::parse(&answer) {
            Some(Reply::Connect { connection, .. }) => talk.connection = connection,
            _ => return Err(Fault::Malformed),
        }
        Ok(talk)
    }

    /// Announces; the connection id and the transaction are filled in. The datagram that answers,
    /// which is a [`Reply`].
    ///
    /// # Errors
    /// When there is none.
    pub fn announce(&self, announce: Announce<'_>) -> Result<Vec<u8>, Fault> {
        self.ask(|transaction| {
            Request::Announce(Announce {
                connection: self.connection,
                transaction,
                ..announce
            })
        })
    }

    /// Asks for the counts of torrents. The datagram that answers, which is a [`Reply`].
    ///
    /// # Errors
    /// When there is none.
    pub fn scrape(&self, hashes: &[[u8; 20]]) -> Result<Vec<u8>, Fault> {
        self.ask(|transaction| {
            Request::Scrape(Scrape {
                connection: self.connection,
                transaction,
                hashes,
            })
        })
    }

    /// Asks until there is an answer to this.
    fn ask<'r>(&self, request: impl Fn(u32) -> Request<'r>) -> Result<Vec<u8>, Fault> {
        let asked = transaction()?;
        let mut datagram = Vec::new();
        request(asked).emit(&mut datagram);
        let mut fault = Fault::Silent;
        for _ in 0..TRIES {
            self.socket.send(&datagram)?;
            match hear(&self.socket, asked, self.time_max / TRIES) {
                Ok((answer, _)) => return Ok(answer),
                Err(Fault::System(error)) => return Err(Fault::System(error)),
                // Who has talked nonsense once is no better for saying nothing later.
                Err(Fault::Silent) => {}
                Err(Fault::Malformed) => fault = Fault::Malformed,
            }
        }
        Err(fault)
    }
}

/// From where a tracker answers that does not from where it is asked; `None` if it says nothing
/// at all.
pub fn elsewhere(to: SocketAddr, time_max: Duration) -> Option<SocketAddr> {
    let socket = socket_for(to).ok()?;
    let transaction = transaction().ok()?;
    let mut datagram = Vec::new();
    Request::Connect { transaction }.emit(&mut datagram);
    socket.send_to(&datagram, to).ok()?;
    let (_, from) = hear(&socket, transaction, time_max).ok()?;
    (from != to).then_some(from)
}

fn socket_for(to: SocketAddr) -> io::Result<UdpSocket> {
    let from: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((from, 0))
}

fn transaction() -> io::Result<u32> {
    Ok(u32::from_ne_bytes(clock::entropy()?))
}

/// Waits for the answer to this transaction. Answers to others are late ones.
fn hear(
    socket: &UdpSocket,
    asked: u32,
    time_max: Duration,
) -> Result<(Vec<u8>, SocketAddr), Fault> {
    let clock = Clock::start();
    let mut room = vec![0; DATAGRAM_LEN_MAX];
    loop {
        let waited = Duration::from_millis(clock.millis());
        let left = time_max.checked_sub(waited).ok_or(Fault::Silent)?;
        socket.set_read_timeout(Some(left.max(WAIT_MIN)))?;
        let (len, from) = match socket.recv_from(&mut room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            heard => heard?,
        };
        let transaction = match Reply::parse(&room[..len]).ok_or(Fault::Malformed)? {
            Reply::Connect { transaction, .. }
            | Reply::Announce { transaction, .. }
            | Reply::Scrape { transaction, .. }
            | Reply::Error { transaction, .. } => transaction,
        };
        if transaction == asked {
            room.truncate(len);
            return Ok((room, from));
        }
    }
}

//! A client of the UDP tracker protocol (BEP 15).

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::peer::{Announce, InfoHash, compact};
use super::{PATIENCE, uninterrupted};

const MAGIC: u64 = 0x0417_2710_1980;

/// The transaction id of connects that [`Udp::told`] sends.
const PROBE: u32 = 0xfeed_0000;

/// Datagrams of this length may be sorted by their info-hash, shorter ones by transaction id.
const STEERED_BY_HASH: usize = 36;

/// One socket, which takes nothing but from the address it asks.
pub struct Udp {
    pub socket: UdpSocket,
    ipv6: bool,
    /// The connection id.
    pub id: u64,
}

/// What an announce by UDP was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    pub interval: u32,
    pub leechers: u32,
    pub seeders: u32,
    pub peers: Vec<SocketAddr>,
}

/// What a scrape was told of one torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub seeders: u32,
    pub completed: u32,
    pub leechers: u32,
}

impl Udp {
    /// With a connection id, from the usual address.
    #[track_caller]
    pub fn connect(to: SocketAddr) -> Udp {
        let ip = if to.is_ipv6() { "::1" } else { "127.0.0.1" };
        Udp::connect_from(ip.parse().unwrap(), to)
    }

    /// From another address of this machine.
    #[track_caller]
    pub fn connect_from(ip: IpAddr, to: SocketAddr) -> Udp {
        let mut client = Udp::stranger(ip, to);
        client.id = client.fresh_id();
        client
    }

    /// Without a connection id.
    #[track_caller]
    pub fn stranger(ip: IpAddr, to: SocketAddr) -> Udp {
        let socket = UdpSocket::bind(SocketAddr::new(ip, 0)).unwrap();
        socket.connect(to).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let ipv6 = to.is_ipv6();
        Udp {
            socket,
            ipv6,
            id: 0,
        }
    }

    #[track_caller]
    pub fn fresh_id(&self) -> u64 {
        let reply = self.ask(&connect(77));
        assert_eq!(reply.len(), 16, "{reply:?}");
        assert_eq!(reply[..8], [0, 0, 0, 0, 0, 0, 0, 77]);
        u64::from_be_bytes(reply[8..].try_into().unwrap())
    }

    /// Sends a datagram and waits for the next to come.
    #[track_caller]
    pub fn ask(&self, request: &[u8]) -> Vec<u8> {
        self.send(request);
        self.reply()
    }

    #[track_caller]
    pub fn send(&self, request: &[u8]) {
        self.socket.send(request).unwrap();
    }

    #[track_caller]
    pub fn reply(&self) -> Vec<u8> {
        let mut room = vec![0; 65_536];
        let len = match uninterrupted(|| self.socket.recv(&mut room)) {
            Ok(len) => len,
            Err(error) => panic!("no reply: {error}"),
        };
        room.truncate(len);
        room
    }

    /// What comes back for a request that is no connect, be it nothing. The tracker has dealt with
    /// it when it answers a connect sent after it, which is made to go to the same worker.
    #[track_caller]
    pub fn told(&self, request: &[u8]) -> Vec<Vec<u8>> {
        self.send(request);
        let transaction = match request.get(12..16) {
            Some(same) if request.len() < STEERED_BY_HASH => word(same, 0),
            _ => PROBE,
        };
        let mut probe = connect(transaction);
        if request.len() >= STEERED_BY_HASH {
            probe.extend(&request[16..STEERED_BY_HASH]);
        }
        self.send(&probe);
        let mut told = Vec::new();
        loop {
            let reply = self.reply();
            if reply.len() == 16 && (word(&reply, 0), word(&reply, 4)) == (0, transaction) {
                return told;
            }
            told.push(reply);
        }
    }

    /// Whether the torrent is served.
    #[track_caller]
    pub fn announce_is_accepted(&self, info_hash: InfoHash) -> bool {
        let reply = self.ask(&Announce::leecher(info_hash, 7000).datagram(self.id, 7));
        Refusal::parse(&reply).is_none()
    }

    #[track_caller]
    pub fn announce(&self, announce: &Announce) -> Announced {
        self.announced(&self.ask(&announce.datagram(self.id, 5)), 5)
    }

    /// Reads the reply to an announce.
    #[track_caller]
    pub fn announced(&self, reply: &[u8], transaction: u32) -> Announced {
        assert!(reply.len() >= 20, "{:?}", Refusal::parse(reply));
        assert_eq!(word(reply, 0), 1, "{reply:?}");
        assert_eq!(word(reply, 4), transaction, "{reply:?}");
        Announced {
            interval: word(reply, 8),
            leechers: word(reply, 12),
            seeders: word(reply, 16),
            peers: compact(&reply[20..], self.ipv6),
        }
    }

    #[track_caller]
    pub fn scrape(&self, info_hashes: &[InfoHash]) -> Vec<Counts> {
        let reply = self.ask(&scrape(self.id, 6, info_hashes));
        assert_eq!((word(&reply, 0), word(&reply, 4)), (2, 6), "{reply:?}");
        assert_eq!(reply.len() % 12, 8, "{reply:?}");
        let counts = reply[8..].chunks(12).map(|counts| Counts {
            seeders: word(counts, 0),
            completed: word(counts, 4),
            leechers: word(counts, 8),
        });
        counts.collect()
    }

    /// Whether the tracker answers a connect within `patience`.
    pub fn is_answered(&self, patience: Duration) -> bool {
        let start = Instant::now();
        self.socket.set_read_timeout(Some(patience)).unwrap();
        self.send(&connect(78));
        let answered = loop {
            let mut room = [0; 2048];
            match uninterrupted(|| self.socket.recv(&mut room)) {
                Ok(len) if room[..len].starts_with(&[0, 0, 0, 0, 0, 0, 0, 78]) => break true,
                Err(error) if error.kind() != ErrorKind::ConnectionRefused => break false,
                _ if start.elapsed() > patience => break false,
                _ => {}
            }
        };
        self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
        answered
    }
}

/// An error reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub transaction: u32,
    pub text: String,
}

impl Refusal {
    pub fn parse(reply: &[u8]) -> Option<Refusal> {
        (reply.len() >= 8 && word(reply, 0) == 3).then(|| Refusal {
            transaction: word(reply, 4),
            text: String::from_utf8(reply[8..].to_vec()).unwrap(),
        })
    }
}

pub fn connect(transaction: u32) -> Vec<u8> {
    let mut bytes = MAGIC.to_be_bytes().to_vec();
    bytes.extend(0u32.to_be_bytes());
    bytes.extend(transaction.to_be_bytes());
    bytes
}

pub fn scrape(connection: u64, transaction: u32, info_hashes: &[InfoHash]) -> Vec<u8> {
    let mut bytes = connection.to_be_bytes().to_vec();
    bytes.extend(2u32.to_be_bytes());
    bytes.extend(transaction.to_be_bytes());
    bytes.extend(info_hashes.as_flattened());
    bytes
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

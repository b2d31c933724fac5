//! The vocabulary every room shares.
//!
//! Values only: nothing here allocates behind one's back, asks the time or knows a socket.

mod absent;
mod date;
mod entry;
pub mod hex;
mod info_hash;
mod intervals;
mod kept;
mod network;
mod order;
mod peers;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub use absent::Absent;
pub use date::date;
pub use entry::Entry;
pub use info_hash::InfoHash;
pub use intervals::{Ceiling, Intervals, Load};
pub use kept::{Kept, KeptPeer, KeptTorrent};
pub use network::{Net, is_global};
pub use order::{Join, Order, Quest};
pub use peers::{PeerId, Peers};

/// Whole seconds: as a moment, seconds on the monotonic clock of this process; as a span, a
/// duration. 32 bits last for 136 years of uptime.
pub type Seconds = u32;

/// A number that is told under a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// The name, words of small letters joined by `_`.
    pub name: &'static str,
    /// What it means, as a sentence.
    pub help: &'static str,
    /// Whether it counts what has happened, and never gets less.
    pub grows: bool,
    /// How many.
    pub value: u32,
}

/// Address family of a peer and of the packet it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4, and IPv4-mapped IPv6.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address; IPv4-mapped IPv6 is IPv4.
    pub fn of(ip: IpAddr) -> Family {
        match ip.to_canonical() {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    /// Bytes of one compact peer of this family: address and port (BEP 23, BEP 7).
    pub const fn peer_len(self) -> usize {
        match self {
            Family::V4 => 6,
            Family::V6 => 18,
        }
    }
}

/// A peer as it goes over the wire: address and port, big endian (BEP 23: 6 bytes; BEP 7: 18).
///
/// Made by [`PeerAddr::new`] of what the system tells about a packet, so that an IPv4-mapped
/// address is [`PeerAddr::V4`]. Address and port are a peer's identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerAddr {
    /// IPv4 address (4 bytes) and port (2 bytes).
    V4([u8; 6]),
    /// IPv6 address (16 bytes) and port (2 bytes).
    V6([u8; 18]),
}

impl PeerAddr {
    /// Packs an address; IPv4-mapped IPv6 addresses become IPv4.
    pub fn new(ip: IpAddr, port: u16) -> PeerAddr {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let mut bytes = [0; 6];
                bytes[..4].copy_from_slice(&ip.octets());
                bytes[4..].copy_from_slice(&port.to_be_bytes());
                PeerAddr::V4(bytes)
            }
            IpAddr::V6(ip) => {
                let mut bytes = [0; 18];
                bytes[..16].copy_from_slice(&ip.octets());
                bytes[16..].copy_from_slice(&port.to_be_bytes());
                PeerAddr::V6(bytes)
            }
        }
    }

    /// Reads a compact peer; `None` unless it is 6 or 18 bytes long.
    pub fn from_bytes(bytes: &[u8]) -> Option<PeerAddr> {
        match bytes.len() {
            6 => bytes.try_into().ok().map(PeerAddr::V4),
            18 => bytes.try_into().ok().map(PeerAddr::V6),
            _ => None,
        }
    }

    /// The compact form.
    pub fn bytes(&self) -> &[u8] {
        match self {
            PeerAddr::V4(bytes) => bytes,
            PeerAddr::V6(bytes) => bytes,
        }
    }

    /// The family this peer belongs to.
    pub fn family(&self) -> Family {
        match self {
            PeerAddr::V4(_) => Family::V4,
            PeerAddr::V6(_) => Family::V6,
        }
    }

    /// The address without the port.
    pub fn ip(&self) -> IpAddr {
        match self {
            PeerAddr::V4(b) => Ipv4Addr::new(b[0], b[1], b[2], b[3]).into(),
            PeerAddr::V6(b) => {
                let mut octets = [0; 16];
                octets.copy_from_slice(&b[..16]);
                Ipv6Addr::from(octets).into()
            }
        }
    }

    /// The port the peer listens on.
    pub fn port(&self) -> u16 {
        match self {
            PeerAddr::V4(b) => u16::from_be_bytes([b[4], b[5]]),
            PeerAddr::V6(b) => u16::from_be_bytes([b[16], b[17]]),
        }
    }
}

impl From<SocketAddr> for PeerAddr {
    fn from(addr: SocketAddr) -> PeerAddr {
        PeerAddr::new(addr.ip(), addr.port())
    }
}

impl fmt::Debug for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.ip(), self.port()).fmt(f)
    }
}

/// What a client says about itself (BEP 3, BEP 21).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Event {
    /// A regular announce; also what every unknown event means.
    #[default]
    None,
    /// The first announce.
    Started,
    /// The download has just finished.
    Completed,
    /// The client leaves the swarm.
    Stopped,
    /// A partial seed (BEP 21): incomplete, but it wants nothing more.
    Paused,
}

/// One announce, whatever protocol it came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The announcing peer; its port is never 0.
    pub peer: PeerAddr,
    /// What the peer calls itself, if that is to be kept.
    pub peer_id: Option<PeerId>,
    /// What happened.
    pub event: Event,
    /// Whether nothing is left to download.
    pub seeder: bool,
    /// Which peers the answer should list.
    pub want: Want,
    /// How long the peer may be silent from now on: longer than it is asked to.
    pub keep_secs: Seconds,
}

/// Which peers an announce asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// The most peers to list, both families together; 0 is legal and lists none.
    pub numwant: u16,
    /// Whether peers of the other family are of use as well.
    pub both: bool,
    /// Whether the peers' ids are of use, as far as they are kept.
    pub ids: bool,
}

/// What a scrape tells of one torrent (BEP 48), both families together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Peers with nothing left to download.
    pub seeders: u32,
    /// Peers that have not got everything, paused ones included.
    pub leechers: u32,
    /// Those of them that want nothing more (BEP 21). Counted for scrapes only: with an announce
    /// nobody asks, and it is 0.
    pub paused: u32,
    /// Downloads finished since the torrent is known.
    pub completed: u32,
}

impl Counts {
    /// The larger of each: two who count the same swarm may both have missed somebody.
    pub fn larger(self, other: Counts) -> Counts {
        Counts {
            seeders: self.seeders.max(other.seeders),
            leechers: self.leechers.max(other.leechers),
            paused: self.paused.max(other.paused),
            completed: self.completed.max(other.completed),
        }
    }
}

/// One line of a scrape's answer; `None` when the torrent is not known.
pub type Scraped = (InfoHash, Option<Counts>);

/// What a shard, or several, found out about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The answer to an announce.
    Announce(Counts, &'a Peers),
    /// The answer to a scrape, in the order of the question.
    Scrape(&'a [Scraped]),
    /// A worker's inbox was full: nothing was done, and UDP stays silent where HTTP says 503.
    Busy,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_are_ipv4() {
        let peer = PeerAddr::new("::ffff:10.0.0.1".parse().unwrap(), 6881);
        assert_eq!(peer, PeerAddr::V4([10, 0, 0, 1, 0x1a, 0xe1]));
        assert_eq!(
            (peer.ip(), peer.port()),
            ("10.0.0.1".parse().unwrap(), 6881)
        );
    }

    #[test]
    fn compact_form_round_trips() {
        for text in ["1.2.3.4:80", "[2001:db8::1]:65535"] {
            let peer = PeerAddr::from(text.parse::<SocketAddr>().unwrap());
            assert_eq!(PeerAddr::from_bytes(peer.bytes()), Some(peer));
            assert_eq!(peer.bytes().len(), peer.family().peer_len());
            assert_eq!(format!("{peer:?}"), text);
        }
    }
}

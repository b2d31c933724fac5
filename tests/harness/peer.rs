//! What a client says in an announce, in either protocol, and the torrents it talks about.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Random;

pub type InfoHash = [u8; 20];

/// The info-hash of torrent number `n`; neighbours in number are no neighbours in hash.
pub fn torrent(n: u64) -> InfoHash {
    let bytes = Random::new(n + 1).bytes(40);
    bytes[20..].try_into().unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    None,
    Completed,
    Started,
    Stopped,
    /// A partial seed (BEP 21); by UDP as libtorrent says it.
    Paused,
    /// One that no protocol knows.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
pub struct Announce {
    pub info_hash: InfoHash,
    pub port: u16,
    pub left: u64,
    pub event: Event,
    pub numwant: Option<i32>,
}

impl Announce {
    pub fn leecher(info_hash: InfoHash, port: u16) -> Announce {
        Announce {
            info_hash,
            port,
            left: 1000,
            event: Event::None,
            numwant: None,
        }
    }

    pub fn seeder(info_hash: InfoHash, port: u16) -> Announce {
        Announce {
            left: 0,
            ..Announce::leecher(info_hash, port)
        }
    }

    pub fn event(self, event: Event) -> Announce {
        Announce { event, ..self }
    }

    pub fn numwant(self, numwant: i32) -> Announce {
        let numwant = Some(numwant);
        Announce { numwant, ..self }
    }

    /// Path and query.
    pub fn target(&self) -> String {
        let event = match self.event {
            Event::None => "",
            Event::Completed => "&event=completed",
            Event::Started => "&event=started",
            Event::Stopped => "&event=stopped",
            Event::Paused => "&event=paused",
            Event::Unknown => "&event=dancing",
        };
        let numwant = self.numwant.map(|n| format!("&numwant={n}"));
        format!(
            "/announce?info_hash={}&peer_id=-XX0001-abcdefghijkl&port={}&uploaded=0&downloaded=0\
             &left={}&compact=1{event}{}",
            percent(&self.info_hash),
            self.port,
            self.left,
            numwant.unwrap_or_default(),
        )
    }

    /// The 98 bytes of BEP 15.
    pub fn datagram(&self, connection: u64, transaction: u32) -> Vec<u8> {
        let event: u32 = match self.event {
            Event::None => 0,
            Event::Completed => 1,
            Event::Started => 2,
            Event::Stopped => 3,
            Event::Paused => 4,
            Event::Unknown => 99,
        };
        let mut bytes = connection.to_be_bytes().to_vec();
        bytes.extend(1u32.to_be_bytes());
        bytes.extend(transaction.to_be_bytes());
        bytes.extend(self.info_hash);
        bytes.extend(b"-XX0001-abcdefghijkl");
        bytes.extend(0u64.to_be_bytes());
        bytes.extend(self.left.to_be_bytes());
        bytes.extend(0u64.to_be_bytes());
        bytes.extend(event.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(0x1234_5678u32.to_be_bytes());
        bytes.extend(self.numwant.unwrap_or(-1).to_be_bytes());
        bytes.extend(self.port.to_be_bytes());
        bytes
    }
}

/// Path and query of a scrape.
pub fn scrape_target(info_hashes: &[InfoHash]) -> String {
    let pairs = info_hashes
        .iter()
        .map(|info_hash| format!("info_hash={}", percent(info_hash)));
    format!("/scrape?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// Every byte percent-encoded.
pub fn percent(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02x}");
        text
    })
}

/// Compact peers of one family (BEP 23, BEP 7), sorted.
#[track_caller]
pub fn compact(bytes: &[u8], ipv6: bool) -> Vec<SocketAddr> {
    let ip_len = if ipv6 { 16 } else { 4 };
    assert_eq!(bytes.len() % (ip_len + 2), 0, "a peer was cut off");
    let peer = |peer: &[u8]| {
        let (ip, port) = peer.split_at(ip_len);
        let ip: IpAddr = if ipv6 {
            Ipv6Addr::from(<[u8; 16]>::try_from(ip).unwrap()).into()
        } else {
            Ipv4Addr::from(<[u8; 4]>::try_from(ip).unwrap()).into()
        };
        SocketAddr::new(ip, u16::from_be_bytes(port.try_into().unwrap()))
    };
    let mut peers: Vec<_> = bytes.chunks(ip_len + 2).map(peer).collect();
    peers.sort();
    peers
}

//! What a tracker says to an announce, however it was asked.

use std::net::IpAddr;

use crate::types::{Counts, Family, PeerAddr, Peers, Seconds};
use crate::wire::{answer, udp};

/// What is kept of a tracker's words, in characters.
const WORDS_LEN_MAX: usize = 200;

/// The answer to an announce.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// When it wants to be asked again.
    pub interval: Seconds,
    /// How long to wait at least.
    pub min_interval: Option<Seconds>,
    /// Of the whole swarm.
    pub counts: Counts,
    /// The peers, as they came.
    pub peers: Vec<PeerAddr>,
    /// Our own address, as the tracker sees it (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// A text for people.
    pub warning: Option<String>,
    /// How it came by HTTP, for those who look at that.
    pub form: Option<Form>,
}

/// In which form an answer came by HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Peers of IPv4 in 6 bytes each (BEP 23).
    pub compact: bool,
    /// A place for peers of IPv6 (BEP 7).
    pub peers6: bool,
    /// The connection could have stayed.
    pub keeps_alive: bool,
}

impl Answer {
    /// One that came by HTTP (BEP 3, 7, 23); `None` if it is none.
    pub fn by_http(body: &[u8]) -> Option<Answer> {
        let mut peers = Peers::default();
        let answer = answer::Announce::parse(body, &mut peers)?;
        Some(Answer {
            interval: answer.interval,
            min_interval: answer.min_interval,
            counts: answer.counts,
            external_ip: answer.external_ip,
            warning: answer.warning.map(words),
            peers: answer.peers.iter().collect(),
            form: None,
        })
    }

    /// One that came by UDP from an address of that family (BEP 15); `None` if it is none.
    pub fn by_udp(reply: &udp::Reply<'_>, family: Family) -> Option<Answer> {
        let udp::Reply::Announce {
            interval,
            leechers,
            seeders,
            peers,
            ..
        } = *reply
        else {
            return None;
        };
        let peers = peers.chunks_exact(family.peer_len());
        Some(Answer {
            interval,
            counts: Counts {
                seeders,
                leechers,
                ..Counts::default()
            },
            peers: peers.filter_map(PeerAddr::from_bytes).collect(),
            ..Answer::default()
        })
    }
}

/// A tracker's words, as far as they can be shown.
pub fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.chars().filter(|letter| !letter.is_control());
    text.take(WORDS_LEN_MAX).collect()
}

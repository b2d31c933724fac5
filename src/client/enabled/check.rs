//! What a tracker can do, found out at each of its addresses by two peers of a torrent that nobody
//! else knows, who leave at the end.

use std::net::{IpAddr, SocketAddr};
use std::panic::resume_unwind;
use std::thread;

use super::answer::Answer;
use super::line::{Line, Peer, Trouble};
use super::report::{self, Report};
use super::url::{Scheme, Url};
use super::{addresses, time_max};
use crate::client::Outcome;
use crate::sys::clock::{self, Clock};
use crate::types::{Event, Family, InfoHash, Join, Order};

/// The most addresses that are asked by each protocol.
const ADDRS_MAX: usize = 8;

/// The port of the first peer, which the second looks for, and of the second.
const PORTS: [u16; 2] = [6881, 6882];

/// How many peers the second asks for; where the torrent is one of others, ours may not be among
/// them.
const NUMWANT: u32 = 50;

/// An address of a tracker, and what was found there.
#[derive(Debug)]
pub struct Finding {
    pub scheme: Scheme,
    /// None if the tracker has none.
    pub addr: Option<SocketAddr>,
    pub state: State,
}

/// How a tracker is, at one address.
#[derive(Debug)]
pub enum State {
    /// It serves.
    Up(Box<Abilities>),
    /// It answers, and doesn't serve this torrent.
    Refuses(String),
    /// It doesn't answer, or nonsense.
    Down(String),
    /// This machine can't ask it.
    NoWay(String),
}

/// What a tracker can do.
#[derive(Debug)]
pub struct Abilities {
    /// How long the first answer took.
    pub micros: u32,
    pub answer: Answer,
    /// Whether the second peer was told of the first; `None` if it wasn't answered.
    pub tells_peers: Option<bool>,
    /// Where it sees us.
    pub sees_us: Option<IpAddr>,
    /// Whether it tells counts.
    pub scrape: Result<(), String>,
    /// The extensions it was seen to have, by their numbers.
    pub beps: Vec<u8>,
}

impl Finding {
    /// Whether nothing is wrong there; `strict`ly, it has to serve the torrent, too.
    pub fn is_well(&self, strict: bool) -> bool {
        match self.state {
            State::Up(_) | State::NoWay(_) => true,
            State::Refuses(_) => !strict,
            State::Down(_) => false,
        }
    }

    /// Whether there was an answer.
    pub fn answers(&self) -> bool {
        matches!(self.state, State::Up(_) | State::Refuses(_))
    }
}

/// Checks a tracker, at all addresses at once.
pub fn check(order: &Order, hash: Option<InfoHash>) -> Result<Outcome, String> {
    let urls = urls(&order.tracker)?;
    let drawn = clock::entropy().map(InfoHash);
    let info_hash = hash.map_or(drawn, Ok).map_err(|error| error.to_string())?;
    let places = urls.iter().flat_map(|url| places(order, url));
    let findings: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = places
            .map(|(url, place)| scope.spawn(move || finding(order, url, place, info_hash)))
            .collect();
        let found = threads.into_iter().map(|thread| thread.join());
        found
            .map(|found| found.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    Ok(report::check(&Report {
        order,
        findings,
        strict: hash.is_some(),
    }))
}

/// The URLs that are meant.
fn urls(tracker: &str) -> Result<Vec<Url>, String> {
    let urls: Vec<_> = match tracker.contains("://") {
        true => Url::parse(tracker).into_iter().collect(),
        false => ["udp", "http"]
            .iter()
            .filter_map(|scheme| Url::parse(&format!("{scheme}://{tracker}/announce")))
            .collect(),
    };
    match urls.first() {
        // HTTP has a port by itself, but who names no protocol has to say it.
        Some(url) if url.scheme == Scheme::Udp || tracker.contains("://") => Ok(urls),
        _ => Err("no tracker's URL, such as udp://HOST:PORT/announce, and no HOST:PORT".into()),
    }
}

type Place = Result<SocketAddr, Trouble>;

fn places<'u>(order: &Order, url: &'u Url) -> Vec<(&'u Url, Place)> {
    match addresses(order, url) {
        Ok(mut addrs) => {
            addrs.truncate(ADDRS_MAX);
            addrs.into_iter().map(|addr| (url, Ok(addr))).collect()
        }
        Err(trouble) => vec![(url, Err(trouble))],
    }
}

fn finding(order: &Order, url: &Url, place: Place, info_hash: InfoHash) -> Finding {
    let addr = place.as_ref().ok().copied();
    let found = place.and_then(|addr| look(order, url, addr, info_hash));
    Finding {
        scheme: url.scheme,
        addr,
        state: match found {
            Ok(abilities) => State::Up(Box::new(abilities)),
            Err(Trouble::Refused(why)) => State::Refuses(why),
            Err(Trouble::Failed(why)) => State::Down(why),
            Err(Trouble::NoWay(why)) => State::NoWay(why),
        },
    }
}

fn look(
    order: &Order,
    url: &Url,
    addr: SocketAddr,
    info_hash: InfoHash,
) -> Result<Abilities, Trouble> {
    let mut peers = [peer(info_hash, PORTS[0])?, peer(info_hash, PORTS[1])?];
    let opening = Clock::start();
    let line = Line::open(url, addr, time_max(order))?;
    let opened = opening.micros();
    let announcing = Clock::start();
    let answer = line.announce(&peers[0])?;
    let micros = match url.scheme {
        // The connection id was the first answer.
        Scheme::Udp => opened,
        Scheme::Http | Scheme::Https => announcing.micros(),
    };
    let second = line.announce(&peers[1]).ok();
    let scrape = line.scrape(&[info_hash]);
    for peer in &mut peers {
        peer.leave();
        // He who doesn't hear of it forgets us later.
        let _ = line.announce(peer);
    }
    let ours = second.as_ref().map(|second| {
        let mut ours = second.peers.iter().filter(|peer| peer.port() == PORTS[0]);
        ours.next().map(|peer| peer.ip())
    });
    let tells_downloaders = scrape.as_ref().is_ok_and(|census| census.tells_downloaders);
    let mut abilities = Abilities {
        micros,
        tells_peers: ours.map(|ours| ours.is_some()),
        sees_us: answer.external_ip.or(ours.flatten()),
        scrape: scrape.map(drop).map_err(|trouble| match trouble {
            Trouble::Refused(why) | Trouble::Failed(why) | Trouble::NoWay(why) => why,
        }),
        beps: Vec::new(),
        answer,
    };
    abilities.beps = beps(url, addr, &abilities, tells_downloaders);
    Ok(abilities)
}

/// Somebody who has yet to download the torrent.
fn peer(info_hash: InfoHash, port: u16) -> Result<Peer, Trouble> {
    Peer::new(&Join {
        info_hash,
        port: Some(port),
        event: Event::Started,
        left: 1,
        numwant: NUMWANT,
    })
}

/// The extensions that it was seen to have.
fn beps(url: &Url, addr: SocketAddr, seen: &Abilities, tells_downloaders: bool) -> Vec<u8> {
    let is_udp = url.scheme == Scheme::Udp;
    let form = seen.answer.form.unwrap_or_default();
    let is_v6 = Family::of(addr.ip()) == Family::V6;
    let scrapes = seen.scrape.is_ok();
    [
        (3, !is_udp),
        (7, is_v6 || form.peers6),
        (15, is_udp),
        (21, tells_downloaders),
        (23, form.compact),
        (24, seen.answer.external_ip.is_some()),
        // It has not minded.
        (41, is_udp && !url.path.is_empty()),
        (48, !is_udp && scrapes),
    ]
    .into_iter()
    .filter_map(|(bep, has)| has.then_some(bep))
    .collect()
}

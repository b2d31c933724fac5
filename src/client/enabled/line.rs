//! One address of a tracker, asked by the protocol of its URL.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::PORT;
use super::answer::{Answer, Form, words};
use super::url::{Scheme, Url};
use super::web::{Manners, Page, Web};
use crate::client::udp::{Fault, Talk, elsewhere};
use crate::sys::clock;
use crate::types::{Counts, Event, Family, InfoHash, Join, Scraped};
use crate::wire::answer::{self, RetryIn};
use crate::wire::bencode::Value;
use crate::wire::{query, udp};

/// What we call ourselves by HTTP.
const AGENT: &str = concat!("trackerd/", env!("CARGO_PKG_VERSION"));

/// What our peer ids begin with.
const PEER_ID: &[u8] = b"-td0001-";

/// Redirects that are followed.
const REDIRECTS_MAX: u32 = 2;

/// The longest answer, unpacked.
const ANSWER_LEN_MAX: usize = 1 << 20;

/// Why there is no answer that is of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// This machine has no way there, as one without IPv6: it says nothing of the tracker.
    NoWay(String),
    /// There is no answer, or none that can be understood.
    Failed(String),
    /// The tracker answers, and says no.
    Refused(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Failed(error.to_string())
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Trouble::Failed(fault.to_string())
    }
}

impl From<Box<Error>> for Trouble {
    fn from(error: Box<Error>) -> Trouble {
        Trouble::Failed(match *error {
            Error::Io(error) => error.to_string(),
            Error::Timeout(_) => Fault::Silent.to_string(),
            Error::Protocol(_) => Fault::Malformed.to_string(),
            error => error.to_string(),
        })
    }
}

/// As whom we announce.
pub struct Peer {
    info_hash: InfoHash,
    id: [u8; 20],
    key: u32,
    pub port: u16,
    event: Event,
    left: u64,
    numwant: u32,
}

impl Peer {
    /// Somebody nobody has heard of.
    pub fn new(join: &Join) -> Result<Peer, Trouble> {
        let mut id: [u8; 20] = clock::entropy()?;
        id[..PEER_ID.len()].copy_from_slice(PEER_ID);
        Ok(Peer {
            info_hash: join.info_hash,
            id,
            key: u32::from_ne_bytes(clock::entropy()?),
            port: join.port.unwrap_or(PORT),
            event: join.event,
            left: join.left,
            numwant: join.numwant,
        })
    }

    /// What is announced next is that this peer is gone.
    pub fn leave(&mut self) {
        (self.event, self.numwant) = (Event::Stopped, 0);
    }
}

/// The counts of torrents.
#[derive(Debug, Default)]
pub struct Census {
    /// As far as the torrents are known.
    pub files: Vec<(InfoHash, Counts)>,
    /// Whether it tells partial seeds from others (BEP 21).
    pub tells_downloaders: bool,
}

/// A tracker at one of its addresses.
pub struct Line {
    url: Url,
    addr: SocketAddr,
    wire: Wire,
}

enum Wire {
    Udp(Talk),
    Web(Web),
}

impl Line {
    /// Finds the way there, and by UDP asks for a connection id.
    pub fn open(url: &Url, addr: SocketAddr, time_max: Duration) -> Result<Line, Trouble> {
        way(addr).map_err(|error| Trouble::NoWay(error.to_string()))?;
        let wire = match url.scheme {
            Scheme::Udp => Wire::Udp(talk(addr, time_max)?),
            Scheme::Http | Scheme::Https => Wire::Web(web(url, addr, time_max)),
        };
        Ok(Line {
            url: url.clone(),
            addr,
            wire,
        })
    }

    /// Announces.
    pub fn announce(&self, peer: &Peer) -> Result<Answer, Trouble> {
        match &self.wire {
            Wire::Udp(talk) => {
                let options = udp::url_data(self.url.path.as_bytes());
                let announce = udp::Announce {
                    connection: 0,
                    transaction: 0,
                    info_hash: peer.info_hash,
                    peer_id: peer.id,
                    downloaded: 0,
                    left: peer.left,
                    uploaded: 0,
                    event: peer.event,
                    ip: [0; 4],
                    key: peer.key,
                    numwant: Some(peer.numwant),
                    port: peer.port,
                    options: &options,
                };
                by_udp(&talk.announce(announce)?, Family::of(self.addr.ip()))
            }
            Wire::Web(web) => {
                let announce = query::Announce {
                    info_hash: peer.info_hash,
                    peer_id: Some(peer.id),
                    port: peer.port,
                    uploaded: 0,
                    downloaded: 0,
                    left: Some(peer.left),
                    event: peer.event,
                    numwant: Some(peer.numwant),
                    compact: true,
                    no_peer_id: true,
                    key: Some(peer.key),
                    ip: None,
                };
                let mut query = Vec::new();
                announce.emit(&mut query);
                by_http(&web.get(&self.url, &self.url.path, &query, ANSWER_LEN_MAX)?)
            }
        }
    }

    /// Asks for the counts of torrents.
    pub fn scrape(&self, hashes: &[InfoHash]) -> Result<Census, Trouble> {
        match &self.wire {
            Wire::Udp(talk) => {
                let names: Vec<_> = hashes.iter().map(|hash| hash.0).collect();
                let answer = talk.scrape(&names)?;
                match udp::Reply::parse(&answer) {
                    Some(udp::Reply::Scrape { counts, .. }) => Ok(Census {
                        files: hashes.iter().copied().zip(counts.iter()).collect(),
                        tells_downloaders: false,
                    }),
                    other => Err(no_answer(other)),
                }
            }
            Wire::Web(web) => {
                let path = self.url.scrape_path();
                let no_place = "its URL has no place for scrapes (BEP 48)";
                let path = path.ok_or_else(|| Trouble::Failed(no_place.into()))?;
                let mut query = Vec::new();
                query::emit_scrape(hashes, &mut query);
                census(&web.get(&self.url, &path, &query, ANSWER_LEN_MAX)?, hashes)
            }
        }
    }
}

/// Whether this machine knows a way to an address. Nothing is sent.
fn way(addr: SocketAddr) -> io::Result<()> {
    let from: IpAddr = match addr {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((from, 0))?.connect(addr)
}

/// Looks, where nothing comes, whether it comes from somewhere else.
fn talk(addr: SocketAddr, time_max: Duration) -> Result<Talk, Trouble> {
    Talk::open(addr, time_max).map_err(|fault| match fault {
        Fault::Silent => match elsewhere(addr, time_max) {
            Some(other) => Trouble::Failed(format!(
                "the answer comes from {other}, where no client expects it"
            )),
            None => fault.into(),
        },
        _ => fault.into(),
    })
}

fn web(url: &Url, addr: SocketAddr, time_max: Duration) -> Web {
    let manners = Manners {
        agent: AGENT,
        time_max,
        redirects_max: REDIRECTS_MAX,
    };
    let host = url.host.clone();
    Web::new(manners, Only { host, addr })
}

/// Resolves one host to the address that is meant, and others, to which it may redirect, as ever.
#[derive(Clone, Debug)]
struct Only {
    host: String,
    addr: SocketAddr,
}

impl Resolver for Only {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().unwrap_or_default();
        if host.trim_matches(['[', ']']) != self.host {
            return DefaultResolver::default().resolve(uri, config, timeout);
        }
        let mut addrs = self.empty();
        let port = uri.port_u16().unwrap_or(self.addr.port());
        addrs.push(SocketAddr::new(self.addr.ip(), port));
        Ok(addrs)
    }
}

fn by_udp(datagram: &[u8], family: Family) -> Result<Answer, Trouble> {
    let reply = udp::Reply::parse(datagram);
    let len = family.peer_len();
    match &reply {
        Some(udp::Reply::Announce { peers, .. }) if !peers.len().is_multiple_of(len) => {
            let what = format!("its peers are not of {len} bytes each, as this family has them");
            return Err(Trouble::Failed(what));
        }
        _ => {}
    }
    let answer = reply.as_ref().and_then(|r| Answer::by_udp(r, family));
    answer.ok_or_else(|| no_answer(reply))
}

/// What a datagram means that is no answer to what was asked.
fn no_answer(reply: Option<udp::Reply<'_>>) -> Trouble {
    match reply {
        Some(udp::Reply::Error { message, .. }) => Trouble::Refused(words(message)),
        _ => Fault::Malformed.into(),
    }
}

fn by_http(page: &Page) -> Result<Answer, Trouble> {
    let answer = Answer::by_http(&page.body).ok_or_else(|| no_page(page))?;
    if page.status != 200 {
        return Err(status(page));
    }
    let dict = Value::parse(&page.body).and_then(|(value, _)| value.dict());
    let value = |key: &[u8]| dict.and_then(|dict| dict.value(key));
    Ok(Answer {
        form: Some(Form {
            compact: matches!(value(b"peers"), Some(Value::Bytes(_))),
            peers6: value(b"peers6").is_some(),
            keeps_alive: page.keeps_alive,
        }),
        ..answer
    })
}

fn census(page: &Page, hashes: &[InfoHash]) -> Result<Census, Trouble> {
    let mut files: Vec<Scraped> = Vec::new();
    if answer::Scrape::parse(&page.body, &mut files).is_none() {
        return Err(no_page(page));
    }
    if page.status != 200 {
        return Err(status(page));
    }
    let known = files
        .into_iter()
        .filter_map(|(hash, counts)| Some((hash, counts?)));
    Ok(Census {
        files: known.filter(|(hash, _)| hashes.contains(hash)).collect(),
        tells_downloaders: page.body.windows(14).any(|part| part == b"11:downloaders"),
    })
}

/// What a page means that is no answer to what was asked.
fn no_page(page: &Page) -> Trouble {
    let Some(failure) = answer::Failure::parse(&page.body) else {
        return status(page);
    };
    let reason = words(failure.reason);
    Trouble::Refused(match failure.retry_in {
        Some(RetryIn::Minutes(minutes)) => format!("{reason} (again in {minutes} minutes)"),
        Some(RetryIn::Never) => format!("{reason} (for ever)"),
        None => reason,
    })
}

fn status(page: &Page) -> Trouble {
    match page.status {
        200 => Fault::Malformed.into(),
        status => Trouble::Failed(format!("it answers with status {status}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::types::PeerAddr;

    fn page(status: u16, body: &[u8]) -> Page {
        Page {
            status,
            keeps_alive: true,
            body: body.to_vec(),
        }
    }

    #[test]
    fn pages_are_answers_refusals_or_nonsense() {
        let body = b"d8:completei3e10:incompletei4e8:intervali1800e12:min intervali900e\
                     5:peers6:\x01\x02\x03\x04\x1a\xe16:peers60:15:warning message4:a\nbce";
        let answer = by_http(&page(200, body)).unwrap();
        assert_eq!((answer.interval, answer.min_interval), (1800, Some(900)));
        assert_eq!((answer.counts.seeders, answer.counts.leechers), (3, 4));
        assert_eq!(answer.peers, [PeerAddr::new([1, 2, 3, 4].into(), 6881)]);
        assert_eq!(answer.warning.as_deref(), Some("abc"));
        let form = answer.form.unwrap();
        assert!(form.compact && form.peers6 && form.keeps_alive);
        let listed = b"d8:intervali900e5:peersld2:ip7:1.2.3.44:porti6881eeee";
        let form = by_http(&page(200, listed)).unwrap().form.unwrap();
        assert!(!form.compact && !form.peers6);

        let failed = |what: &str| Trouble::Failed(what.into());
        let refused = |what: &str| Trouble::Refused(what.into());
        for (status, body, trouble) in [
            (200, &b"<html>"[..], failed("what answers is no tracker")),
            (404, b"<html>", failed("it answers with status 404")),
            (503, body, failed("it answers with status 503")),
            (404, b"d14:failure reason2:noe", refused("no")),
            (
                200,
                b"d14:failure reason2:no8:retry in2:10e",
                refused("no (again in 10 minutes)"),
            ),
            (
                200,
                b"d14:failure reason2:no8:retry in5:nevere",
                refused("no (for ever)"),
            ),
        ] {
            assert_eq!(by_http(&page(status, body)), Err(trouble));
        }
    }

    #[test]
    fn scrapes_tell_of_what_was_asked_only() {
        let [ours, other] = [InfoHash([7; 20]), InfoHash([8; 20])];
        let mut body = Vec::new();
        let counts = Counts {
            leechers: 5,
            ..Counts::default()
        };
        answer::Scrape {
            files: &[(ours, Some(counts)), (other, Some(counts))],
            min_request_interval: None,
        }
        .emit(&mut body);
        let found = census(&page(200, &body), &[ours]).unwrap();
        assert_eq!(found.files, [(ours, counts)]);
        assert!(found.tells_downloaders);
        let failed = census(&page(200, b"d5:peers"), &[ours]).unwrap_err();
        assert_eq!(failed, Fault::Malformed.into());
    }

    #[test]
    fn peers_come_whole_by_udp() {
        let mut datagram = Vec::new();
        udp::Reply::Announce {
            transaction: 1,
            interval: 1800,
            leechers: 2,
            seeders: 3,
            peers: &[1, 2, 3, 4, 0x1a, 0xe1],
        }
        .emit(&mut datagram);
        let answer = by_udp(&datagram, Family::V4).unwrap();
        assert_eq!(answer.peers, [PeerAddr::new([1, 2, 3, 4].into(), 6881)]);
        assert!(matches!(
            by_udp(&datagram, Family::V6),
            Err(Trouble::Failed(_))
        ));
        let no = by_udp(b"\0\0\0\x03\0\0\0\x01not\x07 you", Family::V4);
        assert_eq!(no, Err(Trouble::Refused("not you".into())));
    }
}

//! The door: what every request is asked before anything is done for it, and the count of those
//! who are turned away.

use std::net::IpAddr;

use crate::access::{Deed, Fault, Pass, Reason, Verdict};
use crate::net::desk::Desk;
use crate::net::torture;
use crate::stats::Count;
use crate::types::{Event, Family, InfoHash};
use crate::wire::http::Headers;

/// An announce at the door.
pub struct Visit<'a> {
    /// Where it comes from, proven.
    pub source: IpAddr,
    /// Whether it has the key it takes.
    pub key: Verdict,
    /// The torrent.
    pub info_hash: &'a InfoHash,
    /// What it says has happened.
    pub event: Event,
    /// What the program calls itself; by HTTP it need not.
    pub peer_id: Option<&'a [u8; 20]>,
    /// What else it says of itself, by HTTP.
    pub headers: Option<&'a Headers<'a>>,
}

impl Desk {
    /// Whether to give a connection id to what seems to be this address.
    pub fn answers_connect(&mut self, ip: IpAddr) -> bool {
        if !self.hears(ip) {
            return false;
        }
        let answers = self.pace.connect(self.now, ip);
        if !answers {
            self.counters.count(Family::of(ip), Count::TooFast);
        }
        answers
    }

    /// Whether to tell what seems to be this address that its connection id is wrong.
    pub fn answers_mismatch(&mut self, ip: IpAddr) -> bool {
        let answers = self.hears(ip) && self.pace.mismatch(self.now, ip);
        if !answers {
            self.counters.count(Family::of(ip), Count::UdpMuted);
        }
        answers
    }

    /// Whether a connection from this address may stay. Proxies open one for each client.
    pub fn welcomes(&mut self, ip: IpAddr) -> bool {
        self.gate.proxies.trusted.contains(ip) || self.admit(ip, Deed::Connection) == Verdict::Allow
    }

    /// Whether a scrape is served, given what is said of its key.
    pub fn admit_scrape(&mut self, source: IpAddr, key: Verdict) -> Verdict {
        match self.admit(source, Deed::Scrape) {
            Verdict::Allow => self.noted(source, key),
            refused => refused,
        }
    }

    /// Whether an announce is served. Who leaves a swarm may do so by any program, for any torrent.
    pub fn admit_announce(&mut self, visit: &Visit<'_>) -> Verdict {
        torture::befall(visit.info_hash);
        let source = visit.source;
        if let refused @ Verdict::Refuse(_) = self.admit(source, Deed::Announce) {
            return refused;
        }
        if visit.event != Event::Stopped && !self.gate.clients.is_open() && !self.knows(visit) {
            self.counters.count(Family::of(source), Count::Program);
            return Verdict::Refuse(Reason::Program);
        }
        let verdict = match visit.key {
            Verdict::Allow => self.gate.announce(visit.info_hash, visit.event),
            refused => refused,
        };
        self.noted(source, verdict)
    }

    /// Whether this address may do what it wants, as often as it does.
    fn admit(&mut self, source: IpAddr, deed: Deed) -> Verdict {
        if !self.hears(source) {
            return Verdict::Refuse(Reason::Denied);
        }
        let (pass, fault) = self.pace.request(self.now, source, deed);
        let (count, reason) = match pass {
            Pass::Free => return Verdict::Allow,
            Pass::TooFast => (Count::TooFast, Reason::TooFast),
            Pass::Banned(secs) => (Count::Banned, Reason::Struck(secs)),
        };
        self.counters.count(Family::of(source), count);
        self.note(source, fault);
        Verdict::Refuse(reason)
    }

    /// Whether an address is not on the deny list.
    fn hears(&mut self, ip: IpAddr) -> bool {
        let denied = !self.gate.denied.is_empty() && self.gate.denied.contains(ip);
        if denied {
            self.counters.count(Family::of(ip), Count::Denied);
        }
        !denied
    }

    /// Takes it for a fault to ask for what is refused.
    fn noted(&mut self, source: IpAddr, verdict: Verdict) -> Verdict {
        if verdict != Verdict::Allow {
            let fault = self.pace.fault(self.now, source);
            self.note(source, fault);
        }
        verdict
    }

    fn note(&mut self, source: IpAddr, fault: Fault) {
        if fault == Fault::Banned {
            self.counters.count(Family::of(source), Count::Bans);
        }
    }

    /// Whether the program is one of those that may announce.
    fn knows(&self, visit: &Visit<'_>) -> bool {
        let clients = &self.gate.clients;
        let agent = |headers: &Headers<'_>| {
            let said = headers.named("User-Agent").next();
            clients.allow_agent(said)
        };
        clients.allow_id(visit.peer_id)
            && (clients.agents.is_open() || visit.headers.is_none_or(agent))
    }
}

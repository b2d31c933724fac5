//! One torrent that others are asked about: for whom, whom, and what they said.

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};

use super::directory::Id;
use super::job::{Ask, Failure, Retry};
use super::merge::Pool;
use crate::client::answer::Answer;
use crate::meta::{Millis, Wish};
use crate::types::{Counts, Event, PeerAddr};

/// The most clients of one torrent that others are told of.
pub const CLIENTS_MAX: usize = 16;

/// Peers wanted of a tracker.
const NUMWANT: u32 = 200;

/// How long to wait before an upstream is asked again that failed, or said nothing about it.
pub const PAUSE_MILLIS: Millis = 60_000;

/// How long to wait before a client is asked for proof again, at first and at most.
const DOUBT_MILLIS: Millis = 10_000;
const DOUBT_MILLIS_MAX: Millis = 15 * 60_000;

/// A torrent.
#[derive(Default)]
pub struct Swarm {
    /// Those who wish to know of it.
    pub clients: Vec<Client>,
    /// Whether it may be passed on.
    pub stand: Stand,
    /// How often it was asked for proof in vain.
    pub tries: u32,
    /// The upstreams that are asked, always the same.
    pub links: Vec<Link>,
    /// When others may be chosen.
    pub choice: Millis,
    /// What they told.
    pub pool: Pool,
    /// The distributed hash table.
    pub dht: Turn,
    /// Whether somebody else is known there.
    pub foreign: bool,
    /// When peers are to be asked for others next.
    pub pex: Millis,
    /// How many of them are being asked.
    pub probes: usize,
    /// When somebody wished for it last.
    pub touched: Millis,
    /// When there is something to do next.
    pub due: Millis,
    /// When workers were told of it last.
    pub told: Millis,
    /// Whether there is something that they don't know.
    pub dirty: bool,
    /// Whether waiting for more was found to be of no use, once.
    pub settled: bool,
}

/// Whether a torrent may be passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stand {
    /// Nobody has been asked yet.
    #[default]
    Unasked,
    /// A client is being asked for proof.
    Asking,
    /// It is public, until it has to be proven again.
    Public(Millis),
    /// It may be private; until when not to ask again.
    Unproven(Millis),
}

/// When a source is asked, and whether it is being asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    /// When to ask next.
    pub next: Millis,
    /// Whether an answer is due.
    pub busy: bool,
}

/// Somebody who wishes to know.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// What he said last.
    pub wish: Wish,
    /// When.
    pub seen: Millis,
    /// Whether he has left.
    pub gone: bool,
    /// Whether he has finished while he was here.
    pub completed: bool,
    /// When the hash table is to be told of him.
    pub publish: Millis,
}

/// An upstream as far as one torrent is concerned.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// Which.
    pub id: Id,
    /// Questions for its counts.
    pub scrape: Turn,
    /// Whether it knew the torrent before we told it.
    pub known: bool,
    /// What it counted.
    pub counts: Counts,
    /// Whether its address is being looked up.
    pub waiting: bool,
    /// Of whom it was told.
    pub notices: Vec<Notice>,
}

/// What an upstream knows of a client.
#[derive(Clone, Copy, Debug)]
pub struct Notice {
    /// The client.
    pub peer: PeerAddr,
    /// Whether it was told that he is there.
    pub started: bool,
    /// Whether it was told that he has finished.
    pub completed: bool,
    /// Whether an answer is due.
    pub busy: bool,
    /// When to announce him again.
    pub next: Millis,
    /// When he may be announced anew at the earliest.
    pub earliest: Millis,
}

impl Swarm {
    /// Takes note of a wish; `false` if there are enough clients.
    pub fn hear(&mut self, now: Millis, wish: &Wish) -> bool {
        self.touched = now;
        let known = self.clients.iter_mut().find(|c| c.wish.peer == wish.peer);
        let gone = wish.event == Event::Stopped;
        if let Some(client) = known {
            client.wish = *wish;
            client.seen = now;
            client.gone = gone;
            client.completed |= wish.event == Event::Completed;
            return true;
        }
        if gone || self.clients.len() >= CLIENTS_MAX {
            return gone;
        }
        self.clients.push(Client {
            wish: *wish,
            seen: now,
            gone,
            completed: wish.event == Event::Completed,
            publish: 0,
        });
        true
    }

    /// Where the announces of a client come from.
    pub fn source(&self, peer: &PeerAddr) -> Option<IpAddr> {
        let his = self.clients.iter().find(|c| c.wish.peer == *peer)?;
        Some(his.wish.source)
    }

    /// Forgets clients that were silent for `ttl`, and those that have left as soon as all who
    /// should know do.
    pub fn expire_clients(&mut self, now: Millis, ttl: Millis) {
        let Swarm { clients, links, .. } = self;
        clients.retain(|client| {
            let is_his = |notice: &&Notice| notice.peer == client.wish.peer;
            let mut notices = links.iter().flat_map(|l| l.notices.iter().filter(is_his));
            let is_owed = notices.any(|notice| notice.started || notice.busy);
            client.seen.saturating_add(ttl) > now && (!client.gone || is_owed)
        });
        for link in links {
            link.notices.retain(|notice| {
                let here = clients.iter().any(|client| client.wish.peer == notice.peer);
                here || notice.earliest > now && notice.earliest < Millis::MAX
            });
            let len = link.notices.len();
            link.notices.drain(..len.saturating_sub(2 * CLIENTS_MAX));
        }
    }

    /// Whether somebody is here still.
    pub fn is_wanted(&self) -> bool {
        self.clients.iter().any(|client| !client.gone)
    }

    /// Whether one of them needs no proof.
    pub fn is_allowed(&self) -> bool {
        self.clients.iter().any(|client| client.wish.allowed)
    }

    /// The one whom to ask for proof, where he speaks from, whatever address he gives: who was
    /// heard of last; when he has failed, all in turn.
    pub fn witness(&self) -> Option<SocketAddr> {
        let mut here: Vec<_> = self.clients.iter().filter(|client| !client.gone).collect();
        here.sort_by_key(|client| Reverse(client.seen));
        let turn = self.tries as usize % here.len().max(1);
        let wish = here.get(turn).map(|client| client.wish)?;
        Some(SocketAddr::new(wish.source, wish.peer.port()))
    }

    /// Takes note that the torrent was not proven public.
    pub fn doubt(&mut self, now: Millis) {
        let pause = (DOUBT_MILLIS << self.tries.min(10)).min(DOUBT_MILLIS_MAX);
        self.tries = self.tries.saturating_add(1);
        self.stand = Stand::Unproven(now.saturating_add(pause));
    }

    /// Whether an answer of somebody is due that may tell of peers.
    pub fn is_waiting(&self) -> bool {
        // Only for him peers are wanted, see [`Client::ask`].
        let first = self.clients.first().map(|client| client.wish.peer);
        let is_first = |notice: &Notice| notice.busy && Some(notice.peer) == first;
        let waits =
            |link: &Link| link.waiting || link.scrape.busy || link.notices.iter().any(is_first);
        self.stand == Stand::Asking
            || self.dht.busy
            || self.probes > 0
            || self.links.iter().any(waits)
    }

    /// The link to an upstream.
    pub fn link(&mut self, id: Id) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.id == id)
    }
}

impl Link {
    /// A new one.
    pub fn new(id: Id) -> Link {
        Link {
            id,
            ..Link::default()
        }
    }

    /// What it knows of a client.
    pub fn notice(&mut self, peer: PeerAddr) -> &mut Notice {
        let at = self.notices.iter().position(|notice| notice.peer == peer);
        let at = at.unwrap_or_else(|| {
            self.notices.push(Notice {
                peer,
                started: false,
                completed: false,
                busy: false,
                next: 0,
                earliest: 0,
            });
            self.notices.len() - 1
        });
        &mut self.notices[at]
    }
}

impl Notice {
    /// What the upstream has to be told now, given whether it may be told that he is there.
    pub fn event(&self, now: Millis, client: &Client, may: bool) -> Option<Event> {
        match (self.started, client.gone) {
            _ if self.busy => None,
            (true, true) => Some(Event::Stopped),
            (false, true) => None,
            _ if !may => None,
            (false, false) => (self.earliest <= now).then_some(Event::Started),
            (true, false) if client.completed && !self.completed => Some(Event::Completed),
            (true, false) => (self.next <= now).then_some(Event::None),
        }
    }

    /// When it has to be told something, if nothing happens before.
    pub fn due(&self, client: &Client, may: bool) -> Option<Millis> {
        match self.started {
            _ if self.busy || client.gone || !may => None,
            true => Some(self.next),
            false => Some(self.earliest),
        }
    }

    /// Takes note of what is being told.
    pub fn tell(&mut self, client: &Client, event: Event) {
        self.busy = true;
        match event {
            // It is told once, whatever comes of it.
            Event::Stopped => self.started = false,
            Event::Started | Event::Completed => self.completed = client.completed,
            Event::None | Event::Paused => {}
        }
    }

    /// Takes an answer; `period` is how long to wait before the next announce.
    pub fn take(&mut self, now: Millis, event: Event, answer: &Answer, period: Millis) {
        self.busy = false;
        let least = answer
            .min_interval
            .map_or(0, |secs| Millis::from(secs) * 1000);
        self.earliest = now.saturating_add(least.max(PAUSE_MILLIS));
        self.next = now.saturating_add(period.max(least));
        self.started = event != Event::Stopped;
    }

    /// Takes a failure.
    pub fn fail(&mut self, now: Millis, event: Event, failure: &Failure, period: Millis) {
        self.busy = false;
        let pause = match failure {
            Failure::Refused(_, Some(Retry::Never)) | Failure::Unable => Millis::MAX,
            Failure::Refused(_, Some(Retry::After(secs))) => Millis::from(*secs) * 1000,
            Failure::Refused(_, None) | Failure::Forbidden(_) => period,
            Failure::Unreachable | Failure::Malformed => PAUSE_MILLIS,
        };
        self.next = now.saturating_add(pause.max(PAUSE_MILLIS));
        self.earliest = self.next;
        if event == Event::Completed {
            // Whoever does not hear of it counts one less.
            self.completed = true;
        }
    }
}

impl Client {
    /// The announce for him; only for the `first` client of a torrent peers are wanted.
    pub fn ask(&self, event: Event, key: u32, first: bool) -> Ask {
        let Wish {
            info_hash,
            peer,
            peer_id,
            uploaded,
            downloaded,
            left,
            ..
        } = self.wish;
        Ask {
            info_hash,
            peer_id,
            port: peer.port(),
            uploaded,
            downloaded,
            // Who doesn't say is taken for a leecher, as everywhere.
            left: left.unwrap_or(1),
            event,
            key,
            numwant: if first && event != Event::Stopped {
                NUMWANT
            } else {
                0
            },
        }
    }
}

//! What the engine does for one torrent: proof first, then questions to all sources, and word to
//! the workers.

use std::net::SocketAddr;

use super::courier::Question;
use super::directory::Id;
use super::engine::{Engine, Errand};
use super::health::choose;
use super::job::{Ask, Job};
use super::swarm::{Client, Link, Stand, Swarm};
use crate::meta::{Dht, Extra, Millis};
use crate::types::{Counts, Event, Family, InfoHash, PeerAddr, Seconds};
use crate::wire::udp::HASHES_MAX;

/// As many peers are enough not to wait for more.
const ENOUGH: usize = 10;

/// Peers are asked for others only where fewer are known.
const FEW: usize = 20;

/// How many peers are asked at a time.
const PROBES: usize = 2;

/// Torrents in a scrape by HTTP.
const HTTP_HASHES_MAX: usize = 20;

/// How often workers are told of one torrent.
pub const WORD_MILLIS: Millis = 500;

/// How often others are chosen for a torrent that has too few upstreams.
const CHOICE_MILLIS: Millis = 30_000;

/// After how many failures in a row a torrent looks for another upstream.
const FAILURES_MAX: u32 = 3;

impl Engine {
    /// Does what is to be done; when there will be more.
    pub(super) fn serve(&mut self, now: Millis, hash: &InfoHash, swarm: &mut Swarm) -> Millis {
        let mut due = now.saturating_add(60_000);
        if swarm.pool.expire(now, self.ttl()) {
            swarm.dirty = true;
        }
        if self.is_open(now, hash, swarm) {
            if swarm.is_wanted() {
                self.fill(now, swarm);
            }
            due = due.min(self.ask_upstreams(now, hash, swarm));
            due = due.min(self.ask_dht(now, hash, swarm));
            due = due.min(self.ask_peers(now, hash, swarm));
        } else if let Stand::Unproven(again) = swarm.stand
            && swarm.is_wanted()
        {
            due = due.min(again.max(now + 1));
        }
        due.min(self.tell(now, hash, swarm))
    }

    /// Whether the torrent may be passed on. If that is not known, a client is asked.
    fn is_open(&mut self, now: Millis, hash: &InfoHash, swarm: &mut Swarm) -> bool {
        if !self.settings.public_proof || swarm.is_allowed() {
            return true;
        }
        match swarm.stand {
            Stand::Public(until) if until > now => return true,
            Stand::Asking => return false,
            Stand::Unproven(again) if again > now => return false,
            _ => {}
        }
        let Some(peer) = swarm.witness() else {
            // Those who left are owed a last word by those who were told of them.
            return matches!(swarm.stand, Stand::Public(_));
        };
        let job = Job::Probe {
            info_hash: *hash,
            peer,
            // All wait for the proof, and it takes peers a while to tell of others.
            pex: false,
        };
        swarm.stand = Stand::Asking;
        if !self.order(Errand::Proof(*hash, peer.ip()), job) {
            swarm.doubt(now);
        }
        false
    }

    /// Gives the torrent upstreams, if it has too few that are any good.
    fn fill(&mut self, now: Millis, swarm: &mut Swarm) {
        let directory = &mut self.directory;
        swarm.links.retain(|link| {
            let upstream = directory.at(link.id);
            let is_owed = link.notices.iter().any(|n| n.started || n.busy) || link.scrape.busy;
            is_owed || upstream.is_open(now) && upstream.health.failed < FAILURES_MAX
        });
        let missing = self.settings.k.saturating_sub(swarm.links.len());
        if missing == 0 || swarm.choice > now {
            return;
        }
        swarm.choice = now.saturating_add(CHOICE_MILLIS);
        let dice: Vec<f32> = (0..2 * self.directory.len()).map(|_| self.roll()).collect();
        let mut dice = dice.into_iter();
        let links = &swarm.links;
        let candidates = self.directory.iter().filter(|(id, upstream)| {
            upstream.is_open(now) && !links.iter().any(|link| link.id == *id)
        });
        let candidates = candidates.map(|(id, upstream)| (id, &upstream.health));
        let random = || dice.next().unwrap_or(0.5);
        let chosen = choose(self.settings.select, now, missing, candidates, random);
        swarm.links.extend(chosen.into_iter().map(Link::new));
    }

    fn ask_upstreams(&mut self, now: Millis, hash: &InfoHash, swarm: &mut Swarm) -> Millis {
        let mut due = Millis::MAX;
        let clients = &swarm.clients;
        let allowed = swarm.is_allowed();
        for link in &mut swarm.links {
            let upstream = self.directory.at(link.id);
            let rest = upstream.health.paused;
            if link.waiting || !upstream.is_open(now) {
                continue;
            }
            if rest > now {
                due = due.min(rest);
                continue;
            }
            let before = due;
            let free = link.known || !self.settings.never_first || allowed;
            let mut told = false;
            for (place, client) in clients.iter().enumerate() {
                let may = free && self.publishes(&client.wish.peer);
                told |= may && !client.gone;
                let event = link.notice(client.wish.peer).event(now, client, may);
                if let Some(event) = event {
                    self.announce(now, hash, link, client, (event, place == 0));
                }
                let next = link.notice(client.wish.peer).due(client, may);
                due = due.min(next.unwrap_or(Millis::MAX));
            }
            // Counts come with answers to announces as well.
            if !told && clients.iter().any(|client| !client.gone) && !link.scrape.busy {
                if link.scrape.next <= now {
                    self.scrape(now, hash, link);
                }
                due = due.min(link.scrape.next);
            }
            if due < before {
                self.directory.at(link.id).next = due;
            }
        }
        due
    }

    /// Has an announce sent, as soon as it is known where to.
    fn announce(
        &mut self,
        now: Millis,
        hash: &InfoHash,
        link: &mut Link,
        client: &Client,
        (event, first): (Event, bool),
    ) {
        let peer = client.wish.peer;
        let ask = client.ask(event, self.key(hash, peer.port()), first);
        let id = link.id;
        let errand = Errand::Announce {
            id,
            info_hash: *hash,
            peer,
            event,
        };
        if self.directory.at(id).is_udp() && !self.is_resolved(now, hash, link) {
            return;
        }
        if self.send_announce(id, errand, ask) {
            link.notice(peer).tell(client, event);
        } else {
            let notice = link.notice(peer);
            notice.next = now.saturating_add(5000);
            notice.earliest = notice.next;
            notice.started &= event != Event::Stopped;
        }
    }

    fn send_announce(&mut self, id: Id, errand: Errand, ask: Ask) -> bool {
        let upstream = self.directory.at(id);
        let url = upstream.url.clone();
        if !upstream.is_udp() {
            return self.order(errand, Job::Announce(url, ask));
        }
        // By IPv6 a tracker would take another address for the client's.
        match upstream.addr(Family::V4).filter(|addr| addr.is_ipv4()) {
            Some(addr) => {
                let path = if url.path == "/announce" {
                    ""
                } else {
                    &url.path
                };
                let question = Question::Announce(ask, path.to_owned());
                self.courier.ask(addr, question, errand)
            }
            None => false,
        }
    }

    /// Has the counts asked for, with those of other torrents that want them.
    fn scrape(&mut self, now: Millis, hash: &InfoHash, link: &mut Link) {
        if self.directory.at(link.id).is_udp() && !self.is_resolved(now, hash, link) {
            return;
        }
        link.scrape.busy = true;
        let upstream = self.directory.at(link.id);
        if !upstream.scrapes.contains(hash) {
            upstream.scrapes.push(*hash);
        }
        let is_first = upstream.scrapes.len() == 1;
        if is_first {
            self.scraped.push(link.id);
        }
    }

    /// Sends the scrapes of this turn: those of many torrents in one.
    pub(super) fn send_scrapes(&mut self) {
        for id in std::mem::take(&mut self.scraped) {
            let upstream = self.directory.at(id);
            let hashes = std::mem::take(&mut upstream.scrapes);
            let url = upstream.url.clone();
            let addr = upstream.addr(Family::V4).filter(|_| upstream.is_udp());
            let most = if addr.is_some() {
                HASHES_MAX
            } else {
                HTTP_HASHES_MAX
            };
            for part in hashes.chunks(most) {
                let hashes = part.to_vec();
                let errand = Errand::Scrape {
                    id,
                    hashes: hashes.clone(),
                };
                let asked = match addr {
                    Some(addr) => self.courier.ask(addr, Question::Scrape(hashes), errand),
                    None => self.order(errand, Job::Scrape(url.clone(), hashes)),
                };
                if !asked {
                    self.unscraped.extend(part.iter().map(|hash| (id, *hash)));
                }
            }
        }
    }

    /// Whether the addresses of an upstream are known; if not, they are looked up.
    fn is_resolved(&mut self, now: Millis, hash: &InfoHash, link: &mut Link) -> bool {
        let upstream = self.directory.at(link.id);
        if upstream.addrs_until > now {
            return true;
        }
        link.waiting = true;
        upstream.waiting.push(*hash);
        if !upstream.resolving {
            upstream.resolving = true;
            let job = Job::Resolve(upstream.url.clone());
            if !self.order(Errand::Resolve(link.id), job) {
                let upstream = self.directory.at(link.id);
                upstream.resolving = false;
                upstream.waiting.clear();
                upstream.health.paused = now.saturating_add(5000);
                link.waiting = false;
            }
        }
        false
    }

    fn ask_dht(&mut self, now: Millis, hash: &InfoHash, swarm: &mut Swarm) -> Millis {
        if self.settings.dht == Dht::Off || !swarm.is_wanted() {
            return Millis::MAX;
        }
        if !swarm.dht.busy && swarm.dht.next <= now {
            swarm.dht.busy = self.order(Errand::Lookup(*hash), Job::Lookup(*hash));
            swarm.dht.next = now.saturating_add(self.period(0));
        }
        let may = swarm.foreign || !self.settings.never_first || swarm.is_allowed();
        if self.settings.dht == Dht::Announce && may {
            let period = self.period(0);
            for client in &mut swarm.clients {
                let peer = client.wish.peer;
                if !client.gone && client.publish <= now && self.publishes(&peer) {
                    client.publish = now.saturating_add(period);
                    self.order(Errand::Publish(*hash), Job::Publish(*hash, peer.port()));
                }
            }
        }
        match swarm.dht.busy {
            true => Millis::MAX,
            false => swarm.dht.next,
        }
    }

    /// Asks peers for peers, where nobody else knew enough of them. Answers that wait, do so for
    /// what comes of that as well.
    fn ask_peers(&mut self, now: Millis, hash: &InfoHash, swarm: &mut Swarm) -> Millis {
        let is_enough = swarm.is_waiting() || swarm.pool.len() >= FEW;
        if !self.settings.pex || is_enough || !swarm.is_wanted() {
            return Millis::MAX;
        }
        if swarm.pex > now {
            return swarm.pex;
        }
        // Our own clients are told by us, and may not know anybody else yet: the others first.
        let is_other = |peer: &PeerAddr| !self.is_ours(&swarm.clients, peer);
        let known = swarm
            .pool
            .peers(|peer| peer.family() == Family::V4 && is_other(peer));
        let known = known.iter().map(|peer| (peer.ip(), peer.port()).into());
        let asked: Vec<SocketAddr> = known.chain(swarm.witness()).take(PROBES).collect();
        swarm.pex = now.saturating_add(self.period(0));
        for peer in asked {
            let job = Job::Probe {
                info_hash: *hash,
                peer,
                pex: true,
            };
            swarm.probes += usize::from(self.order(Errand::Pex(*hash), job));
        }
        swarm.pex
    }

    /// Tells the workers what is new; when they are to be told more.
    fn tell(&mut self, now: Millis, hash: &InfoHash, swarm: &mut Swarm) -> Millis {
        // What was told fades, even where there is nothing new to tell.
        let half = self.ttl() / 2;
        let fades = match swarm.told {
            0 => Millis::MAX,
            told => told.saturating_add(half),
        };
        swarm.dirty |= fades <= now;
        let settles = !swarm.settled && (swarm.pool.len() >= ENOUGH || !swarm.is_waiting());
        let may = swarm.told.saturating_add(WORD_MILLIS) <= now || swarm.told == 0;
        if !(settles || swarm.dirty && may) {
            return match swarm.dirty {
                true => swarm.told.saturating_add(WORD_MILLIS),
                false => fades,
            };
        }
        swarm.settled |= settles;
        swarm.dirty = false;
        swarm.told = now.max(1);
        let expires = now.saturating_add(self.ttl()) / 1000;
        let told = swarm.links.iter().map(|link| link.counts);
        self.push_extra(Extra {
            info_hash: *hash,
            peers: swarm.pool.peers(|peer| !self.is_ours(&swarm.clients, peer)),
            counts: told.fold(Counts::default(), Counts::larger),
            settled: swarm.settled,
            expires: Seconds::try_from(expires).unwrap_or(Seconds::MAX),
        });
        now.saturating_add(half)
    }

    /// Whether a peer is one of our clients, be it at our address outside.
    fn is_ours(&self, clients: &[Client], peer: &PeerAddr) -> bool {
        let (ip, own) = (peer.ip(), &self.settings.own);
        let is_here = self.external_ip == Some(ip) || own.iter().any(|own| own.ip() == ip);
        let mut clients = clients.iter().map(|client| client.wish.peer);
        clients.any(|own| own.port() == peer.port() && (own.ip() == ip || is_here))
    }
}

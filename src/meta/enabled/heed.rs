//! What the engine makes of answers.

use super::courier::Told;
use super::directory::Id;
use super::engine::{Engine, Errand};
use super::job::{Failure, Found, Proof};
use super::merge::Pool;
use super::swarm::{PAUSE_MILLIS, Stand, Swarm};
use crate::client::answer::Answer;
use crate::meta::Millis;
use crate::types::{Counts, Event, InfoHash, PeerAddr};

/// How long a proof is good for.
const PROOF_MILLIS: Millis = 24 * 3600 * 1000;

/// Peers taken of one answer.
const PEERS_MAX: usize = 400;

impl Engine {
    /// Heeds what came of an errand.
    pub(super) fn heed(
        &mut self,
        now: Millis,
        errand: Errand,
        result: Result<Found, Failure>,
        millis: Millis,
    ) {
        match errand {
            Errand::Resolve(id) => self.take_addresses(now, id, result),
            Errand::Announce {
                id,
                info_hash,
                peer,
                event,
            } => {
                let result = match result {
                    Ok(Found::Answer(answer)) => Ok(answer),
                    Ok(_) => Err(Failure::Malformed),
                    Err(failure) => Err(failure),
                };
                self.judge(now, id, result.as_ref().err(), millis);
                self.take_answer(now, (id, info_hash), (peer, event), result);
                self.tend(now, info_hash);
            }
            Errand::Scrape { id, hashes } => {
                let result = match result {
                    Ok(Found::Counts(counts)) => Ok(counts),
                    Ok(_) => Err(Failure::Malformed),
                    Err(failure) => Err(failure),
                };
                self.judge(now, id, result.as_ref().err(), millis);
                for info_hash in hashes {
                    self.take_counts(now, id, info_hash, result.as_deref());
                    self.tend(now, info_hash);
                }
            }
            Errand::List(at) => self.take_list(now, at, result),
            Errand::Lookup(info_hash) => self.take_lookup(now, info_hash, result),
            Errand::Publish(_) => {}
            Errand::Proof(info_hash, _) => self.take_proof(now, info_hash, result),
            Errand::Pex(info_hash) => {
                if let Some(swarm) = self.swarms.get_mut(&info_hash) {
                    swarm.probes = swarm.probes.saturating_sub(1);
                }
                if let Ok(Found::Probed { peers, .. }) = result {
                    self.take_peers(now, info_hash, &peers);
                }
                self.tend(now, info_hash);
            }
        }
        self.settle_scrapes(now);
    }

    /// Sends the scrapes that have come together, and puts off those for which there is no room.
    pub(super) fn settle_scrapes(&mut self, now: Millis) {
        self.send_scrapes();
        for (id, info_hash) in std::mem::take(&mut self.unscraped) {
            self.take_counts(now, id, info_hash, Err(&Failure::Unreachable));
        }
    }

    /// Takes note of how an upstream has done.
    fn judge(&mut self, now: Millis, id: Id, failure: Option<&Failure>, millis: Millis) {
        let wall = self.wall(now);
        let upstream = self.directory.at(id);
        match failure {
            None => upstream.health.succeed(now, millis, wall),
            Some(failure) => {
                upstream.fail(now, wall, failure);
                // It may be somewhere else by now.
                upstream.addrs_until = 0;
            }
        }
    }

    fn take_addresses(&mut self, now: Millis, id: Id, result: Result<Found, Failure>) {
        let wall = self.wall(now);
        let upstream = self.directory.at(id);
        upstream.resolving = false;
        let is_barred = matches!(result, Err(Failure::Forbidden(_)));
        match result {
            Ok(Found::Addresses { addrs, ttl }) => {
                upstream.addrs = addrs;
                upstream.addrs_until = now.saturating_add(Millis::from(ttl.max(60)) * 1000);
            }
            Err(failure @ Failure::Forbidden(_)) => upstream.fail(now, wall, &failure),
            // Whatever it is, there is no address, and so it is left alone for a while.
            _ => upstream.fail(now, wall, &Failure::Unreachable),
        }
        for info_hash in std::mem::take(&mut upstream.waiting) {
            if let Some(swarm) = self.swarms.get_mut(&info_hash) {
                if let Some(link) = swarm.link(id) {
                    link.waiting = false;
                }
                if is_barred {
                    // Its place is free for another, at once.
                    swarm.choice = now;
                }
                self.tend(now, info_hash);
            }
        }
    }

    fn take_answer(
        &mut self,
        now: Millis,
        (id, info_hash): (Id, InfoHash),
        (peer, event): (PeerAddr, Event),
        result: Result<Answer, Failure>,
    ) {
        let wanted = result.as_ref().map_or(0, |answer| answer.interval);
        let period = self.period(wanted);
        let Some(swarm) = self.swarms.get_mut(&info_hash) else {
            return;
        };
        let Some(link) = swarm.link(id) else {
            return;
        };
        let notice = link.notice(peer);
        let answer = match result {
            Ok(answer) => answer,
            Err(failure) => return notice.fail(now, event, &failure, period),
        };
        notice.take(now, event, &answer, period);
        if event == Event::Stopped {
            return;
        }
        link.counts = answer.counts;
        swarm.dirty = true;
        self.external_ip = answer.external_ip.or(self.external_ip);
        let news = self.take_peers(now, info_hash, &answer.peers);
        let told = answer.peers.len();
        self.directory.at(id).health.tell(told, news);
    }

    /// Takes what an upstream counts; a torrent is known there if it counts anybody.
    fn take_counts(
        &mut self,
        now: Millis,
        id: Id,
        info_hash: InfoHash,
        result: Result<&[(InfoHash, Counts)], &Failure>,
    ) {
        let period = self.period(0);
        let Some(swarm) = self.swarms.get_mut(&info_hash) else {
            return;
        };
        let Some(link) = swarm.link(id) else {
            return;
        };
        link.scrape.busy = false;
        let pause = match result {
            Ok(counts) => {
                let counts = counts.iter().find(|(hash, _)| *hash == info_hash);
                let counts = counts.map(|(_, counts)| *counts).unwrap_or_default();
                link.counts = counts;
                link.known |= counts.seeders > 0 || counts.leechers > 0;
                period
            }
            Err(Failure::Unable) => Millis::MAX,
            Err(Failure::Unreachable) => PAUSE_MILLIS,
            Err(_) => period,
        };
        link.scrape.next = now.saturating_add(pause);
        swarm.dirty |= result.is_ok();
    }

    fn take_lookup(&mut self, now: Millis, info_hash: InfoHash, result: Result<Found, Failure>) {
        let swarm = self.swarms.get_mut(&info_hash);
        if let Some(swarm) = swarm {
            swarm.dht.busy = false;
            match result {
                Ok(Found::Peers(peers)) => {
                    swarm.foreign |= is_foreign(swarm, &peers);
                    self.take_peers(now, info_hash, &peers);
                }
                Err(Failure::Unable) => swarm.dht.next = Millis::MAX,
                _ => {}
            }
        }
        self.tend(now, info_hash);
    }

    fn take_proof(&mut self, now: Millis, info_hash: InfoHash, result: Result<Found, Failure>) {
        let Some(swarm) = self.swarms.get_mut(&info_hash) else {
            return;
        };
        match result {
            Ok(Found::Probed {
                proof: Proof::Public,
                peers,
            }) => {
                swarm.stand = Stand::Public(now.saturating_add(PROOF_MILLIS));
                swarm.tries = 0;
                self.take_peers(now, info_hash, &peers);
            }
            _ => {
                swarm.doubt(now);
                self.tally.unproven = self.tally.unproven.wrapping_add(1);
            }
        }
        self.tend(now, info_hash);
    }

    /// Takes the peers that a source tells of; how many of them were news.
    fn take_peers(&mut self, now: Millis, info_hash: InfoHash, peers: &[PeerAddr]) -> usize {
        let allow_private = self.settings.allow_private;
        let Some(swarm) = self.swarms.get_mut(&info_hash) else {
            return 0;
        };
        let mut news = 0;
        for peer in peers.iter().take(PEERS_MAX) {
            if Pool::takes(peer, allow_private) {
                news += usize::from(swarm.pool.put(now, *peer));
            }
        }
        swarm.dirty |= !peers.is_empty();
        news
    }
}

/// Whether there is somebody else among the peers of the hash table. Of each of our clients it may
/// know the port, at an address outside that we need not know.
fn is_foreign(swarm: &Swarm, peers: &[PeerAddr]) -> bool {
    let own = || swarm.clients.iter().map(|client| client.wish.peer.port());
    let like_ours = peers
        .iter()
        .filter(|peer| own().any(|port| port == peer.port()));
    peers.len() > like_ours.count().min(own().count())
}

impl From<Told> for Found {
    fn from(told: Told) -> Found {
        match told {
            Told::Answer(answer) => Found::Answer(answer),
            Told::Counts(counts) => Found::Counts(counts),
        }
    }
}

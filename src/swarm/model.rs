//! What a shard should know and answer, told in the plainest way.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::tests::{LIMITS, START, TICK_SECS, listed, sweep_all, walk_all};
use super::*;
use crate::types::{Family, PeerId};

/// Ticks of silence after which a peer is news again.
const NEWS_TICKS: Seconds = 600 / TICK_SECS;

#[derive(Clone, Copy, Debug)]
struct ModelPeer {
    seeder: bool,
    paused: bool,
    completed: bool,
    id: Option<PeerId>,
    /// The last tick it may be silent in.
    end: Seconds,
}

#[derive(Default)]
struct ModelTorrent {
    peers: BTreeMap<PeerAddr, ModelPeer>,
    completed: u32,
    /// The last moment at which there may have been peers.
    idle: Seconds,
}

pub struct Model {
    torrents: HashMap<InfoHash, ModelTorrent>,
    pub shard: Shard,
    pub now: Seconds,
    found: Peers,
}

impl Model {
    pub fn new(seed: u64) -> Model {
        let shard = Shard::new([seed, seed ^ 1], LIMITS, START);
        Model {
            torrents: HashMap::new(),
            shard,
            now: START,
            found: Peers::default(),
        }
    }

    fn tick(&self) -> Seconds {
        (self.now - START) / TICK_SECS
    }

    fn is_live(&self, peer: &ModelPeer) -> bool {
        self.tick() <= peer.end
    }

    pub fn announce(&mut self, a: &Announce) {
        let counts = self.shard.announce(self.now, a, &mut self.found);
        let (now, tick, news) = (self.now, self.tick(), self.shard.is_news());
        let torrent = self.torrents.entry(a.info_hash).or_default();
        let is_small = torrent.peers.len() <= 16;
        let before = torrent.peers.remove(&a.peer);
        let live = before.filter(|peer| tick <= peer.end);
        if a.event == Event::Stopped {
            // Whether one who is silent for too long has been swept up, nobody knows.
            assert!(live.is_none() || news, "nobody noticed");
            assert!(before.is_some() || !news, "nobody has left");
        }
        let before = live;
        self.check_memory(
            a.info_hash,
            counts.completed,
            a.event == Event::Completed && a.seeder,
        );
        let torrent = self.torrents.get_mut(&a.info_hash).unwrap();
        if a.event != Event::Stopped {
            torrent.idle = now;
            let known = before.is_some_and(|peer| peer.completed);
            let completes = a.seeder && a.event == Event::Completed;
            torrent.completed += u32::from(completes && !known);
            // What the shard can know, which is off where the times to live differ.
            let life = a.keep_secs.div_ceil(TICK_SECS);
            let silent = before.map_or(life, |peer| life.saturating_sub(peer.end - tick));
            let fresh = completes && !known || a.event == Event::Started;
            assert!(news || !fresh && silent < NEWS_TICKS, "silent for {silent}");
            assert!(!news || fresh || silent > 0, "heard just now");
            let peer = ModelPeer {
                seeder: a.seeder,
                paused: a.event == Event::Paused && !a.seeder,
                completed: known || completes,
                id: a.peer_id,
                end: tick + a.keep_secs.div_ceil(TICK_SECS),
            };
            torrent.peers.insert(a.peer, peer);
        }
        assert_eq!(counts.paused, 0);
        self.check_counts(a.info_hash, counts, is_small);
        self.check_sample(a);
    }

    /// A torrent without peers may have been forgotten after a day.
    fn check_memory(&mut self, info_hash: InfoHash, completed: u32, one_more: bool) {
        let now = self.now;
        let torrent = self.torrents.get_mut(&info_hash).unwrap();
        let tick = (now - START) / TICK_SECS;
        let has_live = torrent.peers.values().any(|peer| tick <= peer.end);
        let silent = now - torrent.idle;
        if !has_live && silent > LIMITS.memory_secs_max && completed <= u32::from(one_more) {
            torrent.completed = 0;
        }
    }

    fn check_counts(&self, info_hash: InfoHash, counts: Counts, exact: bool) {
        let torrent = &self.torrents[&info_hash];
        let count = |seeder, all: bool| {
            let fit = |peer: &&ModelPeer| peer.seeder == seeder && (all || self.is_live(peer));
            torrent.peers.values().filter(fit).count() as u32
        };
        // Those not yet swept up may be counted.
        let (seeders, leechers) = (count(true, false), count(false, false));
        assert!(
            counts.seeders >= seeders && counts.leechers >= leechers,
            "{counts:?}"
        );
        assert!(counts.seeders <= count(true, true) && counts.leechers <= count(false, true));
        if exact {
            assert_eq!((counts.seeders, counts.leechers), (seeders, leechers));
        }
        assert_eq!(counts.completed, torrent.completed);
    }

    fn check_paused(&self, info_hash: InfoHash, counts: Counts, exact: bool) {
        let paused = self.torrents[&info_hash].peers.values();
        let (live, all) = paused
            .filter(|peer| peer.paused)
            .fold((0, 0), |(live, all), peer| {
                (live + u32::from(self.is_live(peer)), all + 1)
            });
        assert!((live..=all).contains(&counts.paused), "{counts:?}");
        assert!(!exact || counts.paused == live);
    }

    fn check_sample(&self, a: &Announce) {
        let peers = &self.torrents[&a.info_hash].peers;
        let drawn = listed(&self.found);
        let leechers_only = a.seeder || a.event == Event::Paused;
        let unique: BTreeSet<_> = drawn.iter().collect();
        assert_eq!(unique.len(), drawn.len(), "drawn twice");
        assert_eq!(drawn.len(), self.found.len());
        let ids: Vec<_> = drawn.iter().map(|peer| peers[peer].id).collect();
        let told = &self.found.ids;
        if a.want.ids && !self.shard.ids.is_empty() {
            assert_eq!(told, &ids);
        } else {
            assert!(told.is_empty() && (!a.want.ids || ids.iter().all(Option::is_none)));
        }
        for peer in &drawn {
            let model = peers.get(peer).expect("not in the swarm");
            assert!(self.is_live(model), "silent for too long");
            assert!(*peer != a.peer, "the asker itself");
            assert!(!(leechers_only && model.seeder), "a seeder for a seeder");
            assert!(
                a.want.both || peer.family() == a.peer.family(),
                "wrong family"
            );
        }
        if a.event == Event::Stopped {
            assert!(drawn.is_empty());
            return;
        }
        let numwant = usize::from(a.want.numwant);
        assert!(drawn.len() <= numwant);
        if peers.values().all(|peer| self.is_live(peer)) {
            let fit = |own: bool| {
                let fit = |(addr, peer): &(&PeerAddr, &ModelPeer)| {
                    let is_own = addr.family() == a.peer.family();
                    **addr != a.peer && !(leechers_only && peer.seeder) && is_own == own
                };
                peers.iter().filter(fit).count()
            };
            let (own, other) = (fit(true), if a.want.both { fit(false) } else { 0 });
            assert_eq!(drawn.len(), numwant.min(own + other));
            let others = drawn
                .iter()
                .filter(|p| p.family() != a.peer.family())
                .count();
            assert!(
                others >= other.min(numwant / 4),
                "too few of the other family"
            );
            self.check_roles(a, &drawn, leechers_only, other > 0);
        }
    }

    /// A quarter of each role, when one family is asked for.
    fn check_roles(&self, a: &Announce, drawn: &[PeerAddr], leechers_only: bool, both: bool) {
        if leechers_only || both {
            return;
        }
        let peers = &self.torrents[&a.info_hash].peers;
        let own = peers
            .iter()
            .filter(|(addr, _)| addr.family() == a.peer.family());
        let all = own.clone().filter(|(addr, _)| **addr != a.peer);
        for seeder in [true, false] {
            let there = all
                .clone()
                .filter(|(_, peer)| peer.seeder == seeder)
                .count();
            let here = drawn
                .iter()
                .filter(|addr| peers[addr].seeder == seeder)
                .count();
            let quarter = usize::from(a.want.numwant).min(all.clone().count()) / 4;
            assert!(
                here >= quarter.min(there),
                "{here} of {there}, seeder: {seeder}"
            );
        }
    }

    pub fn scrape(&mut self, info_hash: InfoHash) {
        let counts = self.shard.scrape(self.now, &info_hash);
        let Some(torrent) = self.torrents.get(&info_hash) else {
            return assert_eq!(counts, None);
        };
        match counts {
            Some(counts) => {
                let exact = torrent.peers.len() <= 16;
                self.check_counts(info_hash, counts, exact);
                self.check_paused(info_hash, counts, exact);
            }
            None => {
                assert!(!torrent.peers.values().any(|peer| self.is_live(peer)));
                let silent = self.now - torrent.idle;
                assert!(torrent.completed == 0 || silent > LIMITS.memory_secs_max);
                self.torrents.remove(&info_hash);
            }
        }
    }

    /// Sweeps, and compares all there is.
    pub fn settle(&mut self) {
        sweep_all(&mut self.shard, &mut self.now);
        let tick = self.tick();
        let hashes: Vec<_> = self.torrents.keys().copied().collect();
        hashes
            .into_iter()
            .for_each(|info_hash| self.scrape(info_hash));
        for torrent in self.torrents.values_mut() {
            torrent.peers.retain(|_, peer| tick <= peer.end);
        }
        let count = |fit: &dyn Fn(&PeerAddr, &ModelPeer) -> bool| {
            let peers = self.torrents.values().flat_map(|torrent| &torrent.peers);
            peers.filter(|(addr, peer)| fit(addr, peer)).count() as u32
        };
        assert_eq!(self.shard.ids.len(), count(&|_, peer| peer.id.is_some()));
        assert_eq!(
            self.shard.held().bytes,
            self.shard.store.cost() + self.shard.ids.cost()
        );
        let totals = self.shard.totals();
        assert_eq!(totals.seeders, count(&|_, peer| peer.seeder));
        assert_eq!(totals.leechers, count(&|_, peer| !peer.seeder));
        assert_eq!(totals.v4, count(&|addr, _| addr.family() == Family::V4));
        assert_eq!(totals.v6, count(&|addr, _| addr.family() == Family::V6));
        let walked = walk_all(&self.shard, 3);
        assert_eq!(walked.len(), totals.torrents as usize);
        for (info_hash, counts) in walked {
            self.check_counts(info_hash, counts, true);
            self.check_paused(info_hash, counts, true);
        }
    }
}

//! The engine: who is asked what, and when; what is told to the workers.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::budget::Bucket;
use super::courier::Courier;
use super::directory::{Directory, Id};
use super::job::{Failure, Found, Job};
use super::lists;
use super::sources::Sources;
use super::swarm::Swarm;
use super::tend::WORD_MILLIS;
use crate::meta::{Extra, Millis, Publish, Settings, Wish};
use crate::types::{Event, Family, InfoHash, PeerAddr, Peers, Seconds, is_global};

/// How long a client may be silent before nothing is done for him any more.
const CLIENT_MILLIS: Millis = 90 * 60_000;

/// How often lists are fetched, and how long to wait when one can't be.
const LIST_MILLIS: Millis = 6 * 3600 * 1000;
const LIST_PAUSE_MILLIS: Millis = 10 * 60_000;

/// Jobs that wait for a thread.
const JOBS_MAX: usize = 1024;

/// Proofs of one address at a time: it may be slow with them.
const PROOFS_MAX: usize = 2;

/// Requests by HTTP in a second.
const HTTP_PER_SEC: u32 = 2;

/// How long those whose wish is not heeded need not ask again.
const REFUSED_SECS: Seconds = 60;

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Wishes.
    pub wishes: u32,
    /// Of these, those that were our own, come round.
    pub echoes: u32,
    /// Those of clients with too many torrents.
    pub over_quota: u32,
    /// Those of torrents with too many clients.
    pub crowded: u32,
    /// Proofs that failed.
    pub unproven: u32,
    /// Torrents that had to make room for others.
    pub evicted: u32,
    /// Questions for which there was no room.
    pub overflows: u32,
}

/// What a job or a datagram is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// The addresses of an upstream.
    Resolve(Id),
    /// An announce for a client.
    Announce {
        id: Id,
        info_hash: InfoHash,
        peer: PeerAddr,
        event: Event,
    },
    /// Counts of torrents.
    Scrape { id: Id, hashes: Vec<InfoHash> },
    /// A list of trackers: its place among those configured.
    List(usize),
    /// Peers in the distributed hash table.
    Lookup(InfoHash),
    /// A client for it.
    Publish(InfoHash),
    /// A client's proof, and where the client is.
    Proof(InfoHash, IpAddr),
    /// Peers of a peer.
    Pex(InfoHash),
}

/// A list of trackers that is fetched.
struct List {
    url: String,
    next: Millis,
    busy: bool,
}

/// Asks others about torrents.
pub struct Engine {
    pub(super) settings: Settings,
    pub(super) directory: Directory,
    pub(super) swarms: HashMap<InfoHash, Swarm>,
    /// Torrents by when there is something to do for them.
    due: BTreeSet<(Millis, InfoHash)>,
    /// Torrents by when they were wished for last.
    order: BTreeSet<(Millis, InfoHash)>,
    /// How many torrents each address has from which announces come.
    holdings: HashMap<IpAddr, usize>,
    pub(super) courier: Courier<Errand>,
    jobs: VecDeque<(Errand, Job)>,
    running: HashMap<u32, Errand>,
    ticket: u32,
    http: Bucket,
    lists: Vec<List>,
    /// Upstreams that are to be scraped this turn.
    pub(super) scraped: Vec<Id>,
    /// What could not be scraped for want of room.
    pub(super) unscraped: Vec<(Id, InfoHash)>,
    extras: VecDeque<Extra>,
    /// Our own address, as upstreams see it.
    pub(super) external_ip: Option<IpAddr>,
    /// For keys and dice.
    random: RandomState,
    rolls: u64,
    /// What the time of day was at moment 0.
    epoch: u64,
    pub(super) tally: Tally,
}

impl Engine {
    /// An engine that goes by these settings. `wall` is the time of day, `state` what an earlier
    /// one [saved](Self::save), or nothing; the nodes in it are returned as well.
    pub fn new(
        now: Millis,
        wall: u64,
        settings: Settings,
        state: &[u8],
    ) -> Option<(Engine, Vec<SocketAddr>)> {
        let mut directory = Directory::default();
        let nodes = directory.load(state, wall);
        let mut engine = Engine {
            courier: Courier::new(settings.pps),
            directory,
            swarms: HashMap::new(),
            due: BTreeSet::new(),
            order: BTreeSet::new(),
            holdings: HashMap::new(),
            jobs: VecDeque::new(),
            running: HashMap::new(),
            ticket: 0,
            http: Bucket::new(HTTP_PER_SEC, 4),
            lists: Vec::new(),
            scraped: Vec::new(),
            unscraped: Vec::new(),
            extras: VecDeque::new(),
            external_ip: None,
            random: RandomState::new(),
            rolls: 0,
            epoch: wall.saturating_sub(now / 1000),
            tally: Tally::default(),
            settings,
        };
        engine.take_files();
        engine.take_lists();
        Some((engine, nodes))
    }

    /// Goes by other settings from now on. Lists are fetched again if they are others.
    pub fn obey(&mut self, now: Millis, settings: Settings) {
        self.courier.set_pace(settings.pps);
        let others = settings.list_urls != self.settings.list_urls;
        self.settings = settings;
        self.take_files();
        if others {
            self.directory.forget_lists();
            self.take_lists();
        }
        self.choose_anew(now);
        while self.swarms.len() > self.settings.swarms_max {
            self.evict();
        }
    }

    fn take_files(&mut self) {
        let texts = self.settings.texts.iter();
        let urls = texts.flat_map(|text| lists::parse(text));
        let taken = self.directory.name_in_files(urls);
        self.unlink(&taken);
    }

    /// Others are in these places now.
    fn unlink(&mut self, taken: &[Id]) {
        if !taken.is_empty() {
            let swarms = self.swarms.values_mut();
            swarms.for_each(|swarm| swarm.links.retain(|link| !taken.contains(&link.id)));
        }
    }

    fn take_lists(&mut self) {
        let urls = self.settings.list_urls.iter();
        self.lists = urls
            .map(|url| List {
                url: url.clone(),
                next: 0,
                busy: false,
            })
            .collect();
        self.jobs
            .retain(|(errand, _)| !matches!(errand, Errand::List(_)));
        self.running
            .retain(|_, errand| !matches!(errand, Errand::List(_)));
    }

    /// There may be better upstreams than before.
    fn choose_anew(&mut self, now: Millis) {
        let hashes: Vec<_> = self.swarms.keys().copied().collect();
        for info_hash in hashes {
            if let Some(swarm) = self.swarms.get_mut(&info_hash) {
                swarm.choice = 0;
            }
            self.tend(now, info_hash);
        }
        self.settle_scrapes(now);
    }

    /// Hears an announce.
    pub fn wish(&mut self, now: Millis, wish: &Wish) {
        self.tally.wishes = self.tally.wishes.wrapping_add(1);
        let info_hash = wish.info_hash;
        if wish.key == Some(self.key(&info_hash, wish.peer.port())) {
            self.tally.echoes = self.tally.echoes.wrapping_add(1);
            return self.tell_nothing(now, info_hash);
        }
        if !self.swarms.contains_key(&info_hash) {
            if wish.event == Event::Stopped {
                return;
            }
            let held = self.holdings.get(&wish.source).copied().unwrap_or(0);
            if held >= self.settings.client_swarms {
                self.tally.over_quota = self.tally.over_quota.wrapping_add(1);
                return self.tell_nothing(now, info_hash);
            }
            if self.swarms.len() >= self.settings.swarms_max {
                self.evict();
            }
        }
        let swarm = self.swarms.entry(info_hash).or_default();
        self.order.remove(&(swarm.touched, info_hash));
        let before = swarm.source(&wish.peer);
        if !swarm.hear(now, wish) {
            self.tally.crowded = self.tally.crowded.wrapping_add(1);
        }
        self.order.insert((swarm.touched, info_hash));
        let after = swarm.source(&wish.peer);
        self.settle_holdings(before.as_slice(), after.as_slice());
        self.tend(now, info_hash);
        self.settle_scrapes(now);
    }

    /// Takes a datagram of an upstream.
    pub fn handle(&mut self, now: Millis, from: SocketAddr, bytes: &[u8]) {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        self.courier.handle(now, from, bytes);
        self.heed_outcomes(now);
    }

    /// Takes what came of a job, which took so many milliseconds.
    pub fn done(
        &mut self,
        now: Millis,
        ticket: u32,
        result: Result<Found, Failure>,
        millis: Millis,
    ) {
        if let Some(errand) = self.running.remove(&ticket) {
            self.heed(now, errand, result, millis);
        }
    }

    /// Takes note that a job went to pieces.
    pub fn lose(&mut self, now: Millis, ticket: u32) {
        self.done(now, ticket, Err(Failure::Malformed), 0);
    }

    /// Those who do the jobs, under these settings; `nodes` are those of the distributed hash table
    /// that were good lately.
    pub fn sources(&self, settings: Settings, nodes: &[SocketAddr]) -> Arc<Sources> {
        Arc::new(Sources::new(settings, nodes))
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Millis) {
        self.courier.handle_timeout(now);
        self.heed_outcomes(now);
        self.fetch_lists(now);
        while let Some(&(at, info_hash)) = self.due.first() {
            if at > now {
                break;
            }
            self.due.pop_first();
            self.tend(now, info_hash);
        }
        self.settle_scrapes(now);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), [`poll_job`](Self::poll_job) and
    /// [`poll_transmit`](Self::poll_transmit), if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Millis> {
        let lists = self
            .lists
            .iter()
            .filter(|list| !list.busy)
            .map(|list| list.next);
        let swarm = self.due.first().map(|(at, _)| *at);
        let waits_http = self.jobs.iter().any(|(errand, _)| is_http(errand));
        let is_free = self.running.len() < self.settings.tcp;
        let http = (waits_http && is_free).then(|| self.http.next());
        let all = lists
            .chain(swarm)
            .chain(self.courier.poll_timeout())
            .chain(http);
        all.min()
    }

    /// The next datagram that may be sent, in the place of what is in `bytes`, and where it goes.
    pub fn poll_transmit(&mut self, now: Millis, bytes: &mut Vec<u8>) -> Option<SocketAddr> {
        self.courier.poll_transmit(now, bytes)
    }

    /// The next job that may be done, and the ticket that its result has to come with.
    pub fn poll_job(&mut self, now: Millis) -> Option<(u32, Job)> {
        if self.running.len() >= self.settings.tcp {
            return None;
        }
        // The others shall not wait for those that take seconds, nor for clients who are silent.
        let half = (self.settings.tcp / 2).max(1);
        let running = || self.running.values();
        let slow = running().filter(|errand| is_slow(errand)).count();
        let provers: Vec<IpAddr> = running().filter_map(prover).collect();
        let http = &mut self.http;
        let may = |errand: &Errand| match errand {
            Errand::Proof(_, ip) => {
                let his = provers.iter().filter(|other| *other == ip);
                provers.len() < half && his.count() < PROOFS_MAX
            }
            errand if is_slow(errand) => slow < half,
            errand if is_http(errand) => http.next() <= now && http.take(now),
            _ => true,
        };
        let mut errands = self.jobs.iter().map(|(errand, _)| errand);
        let at = errands.position(may)?;
        let (errand, job) = self.jobs.remove(at)?;
        self.ticket = self.ticket.wrapping_add(1);
        self.running.insert(self.ticket, errand);
        Some((self.ticket, job))
    }

    /// What the workers should know.
    pub fn poll_extra(&mut self) -> Option<Extra> {
        self.extras.pop_front()
    }

    /// Tells of a torrent again, soon: not all have heard of it.
    pub fn repeat(&mut self, now: Millis, info_hash: InfoHash) {
        if let Some(swarm) = self.swarms.get_mut(&info_hash) {
            swarm.dirty = true;
            self.due.remove(&(swarm.due, info_hash));
            swarm.due = swarm.due.min(now.saturating_add(WORD_MILLIS));
            self.due.insert((swarm.due, info_hash));
        }
    }

    /// What is worth to be kept for the next start, with nodes of the distributed hash table.
    pub fn save(&self, nodes: &[SocketAddr]) -> String {
        self.directory.save(nodes)
    }

    /// The key by which an announce of ours is known again.
    pub(super) fn key(&self, info_hash: &InfoHash, port: u16) -> u32 {
        self.random.hash_one((info_hash.0, port)) as u32
    }

    /// A number from 0 to 1, 1 excluded.
    pub(super) fn roll(&mut self) -> f32 {
        self.rolls = self.rolls.wrapping_add(1);
        (self.random.hash_one(self.rolls) >> 40) as f32 / (1 << 24) as f32
    }

    /// The time of day.
    pub(super) fn wall(&self, now: Millis) -> u64 {
        self.epoch.saturating_add(now / 1000)
    }

    /// How long to wait before a source is asked again: at least what it wants itself, and up to a
    /// fifth more, so that not all are asked at once.
    pub(super) fn period(&mut self, wanted: Seconds) -> Millis {
        let secs = Millis::from(wanted.min(86_400).max(self.settings.refresh));
        let more = self.roll() * 200.0;
        secs.saturating_mul(1000 + more as Millis)
    }

    /// Whether others may be told that a peer is there.
    pub(super) fn publishes(&self, peer: &PeerAddr) -> bool {
        // The address of an IPv6 client is his own: nobody can speak for him.
        peer.family() == Family::V4
            && match self.settings.publish {
                Publish::Nat => !is_global(peer.ip()) || self.external_ip == Some(peer.ip()),
                Publish::Always => true,
                Publish::Never => false,
            }
    }

    /// Gives a job to whoever is free for it next; those that others wait for go first.
    pub(super) fn order(&mut self, errand: Errand, job: Job) -> bool {
        if self.jobs.len() >= JOBS_MAX {
            self.tally.overflows = self.tally.overflows.wrapping_add(1);
            return false;
        }
        match errand {
            Errand::Proof(..) | Errand::Resolve(_) => self.jobs.push_front((errand, job)),
            _ => self.jobs.push_back((errand, job)),
        }
        true
    }

    /// Does what is to be done for a torrent now, and notes when there will be more.
    pub(super) fn tend(&mut self, now: Millis, info_hash: InfoHash) {
        let Some(mut swarm) = self.swarms.remove(&info_hash) else {
            return;
        };
        self.due.remove(&(swarm.due, info_hash));
        let before: Vec<_> = swarm.clients.iter().map(|c| c.wish.source).collect();
        swarm.expire_clients(now, CLIENT_MILLIS);
        if before.len() != swarm.clients.len() {
            let after: Vec<_> = swarm.clients.iter().map(|c| c.wish.source).collect();
            self.settle_holdings(&before, &after);
        }
        let stays = swarm.touched.saturating_add(self.ttl()) > now || !swarm.clients.is_empty();
        if !stays {
            self.order.remove(&(swarm.touched, info_hash));
            return self.forget(info_hash);
        }
        let due = self.serve(now, &info_hash, &mut swarm);
        swarm.due = due.max(now.saturating_add(20));
        self.due.insert((swarm.due, info_hash));
        self.swarms.insert(info_hash, swarm);
    }

    /// How long what others told may be told on.
    pub(super) fn ttl(&self) -> Millis {
        Millis::from(self.settings.refresh) * 2000
    }

    pub(super) fn push_extra(&mut self, extra: Extra) {
        self.extras.push_back(extra);
    }

    fn settle_holdings(&mut self, before: &[IpAddr], after: &[IpAddr]) {
        for ip in before {
            self.let_go(*ip);
        }
        for ip in after {
            *self.holdings.entry(*ip).or_default() += 1;
        }
    }

    fn let_go(&mut self, ip: IpAddr) {
        if let Some(held) = self.holdings.get_mut(&ip) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.holdings.remove(&ip);
            }
        }
    }

    /// Makes room: the torrent goes that nobody wished for the longest.
    fn evict(&mut self) {
        let Some((_, info_hash)) = self.order.pop_first() else {
            return;
        };
        if let Some(swarm) = self.swarms.remove(&info_hash) {
            self.due.remove(&(swarm.due, info_hash));
            for client in &swarm.clients {
                self.let_go(client.wish.source);
            }
            self.tally.evicted = self.tally.evicted.wrapping_add(1);
            self.forget(info_hash);
        }
    }

    /// Has the workers forget a torrent.
    fn forget(&mut self, info_hash: InfoHash) {
        self.push_extra(Extra {
            info_hash,
            peers: Peers::default(),
            counts: Default::default(),
            settled: true,
            expires: 0,
        });
    }

    /// Tells the workers that there is nothing to wait for, if they know nothing yet.
    fn tell_nothing(&mut self, now: Millis, info_hash: InfoHash) {
        if !self.swarms.contains_key(&info_hash) {
            let now = Seconds::try_from(now / 1000).unwrap_or(Seconds::MAX);
            self.push_extra(Extra {
                info_hash,
                peers: Peers::default(),
                counts: Default::default(),
                settled: true,
                expires: now.saturating_add(REFUSED_SECS),
            });
        }
    }

    fn fetch_lists(&mut self, now: Millis) {
        for at in 0..self.lists.len() {
            let list = &mut self.lists[at];
            if list.busy || list.next > now {
                continue;
            }
            let url = list.url.clone();
            list.busy = true;
            if !self.order(Errand::List(at), Job::List(url)) {
                self.take_list(now, at, Err(Failure::Unable));
            }
        }
    }

    /// Takes a list, or waits for another try: what was on it before is good still.
    pub(super) fn take_list(&mut self, now: Millis, at: usize, found: Result<Found, Failure>) {
        let Some(list) = self.lists.get_mut(at) else {
            return;
        };
        list.busy = false;
        let Ok(Found::Urls(urls)) = found else {
            list.next = now.saturating_add(LIST_PAUSE_MILLIS);
            return;
        };
        list.next = now.saturating_add(LIST_MILLIS);
        let known = self.directory.len();
        let urls = urls.into_iter().filter(|url| !url.is_private_looking());
        let taken = self.directory.name_in_list(urls);
        self.unlink(&taken);
        if self.directory.len() > known || !taken.is_empty() {
            self.choose_anew(now);
        }
    }

    fn heed_outcomes(&mut self, now: Millis) {
        while let Some(outcome) = self.courier.poll_outcome() {
            let result = outcome.result.map(Found::from);
            self.heed(now, outcome.tag, result, outcome.millis);
        }
    }
}

fn is_http(errand: &Errand) -> bool {
    matches!(
        errand,
        Errand::Announce { .. } | Errand::Scrape { .. } | Errand::List(_)
    )
}

/// Whose proof is asked for, if that is what it is about.
fn prover(errand: &Errand) -> Option<IpAddr> {
    match errand {
        Errand::Proof(_, ip) => Some(*ip),
        _ => None,
    }
}

fn is_slow(errand: &Errand) -> bool {
    matches!(
        errand,
        Errand::Lookup(_) | Errand::Publish(_) | Errand::Pex(_)
    )
}

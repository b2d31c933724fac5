//! From what was said to what is meant: defaults, and the relations between settings.

use super::bus::BusSaid;
use super::intervals::{self, Contradiction};
use super::limits::{LimitsSaid, Programs};
use super::logs::LogSaid;
use super::memory::Memory;
use super::meta::MetaSaid;
use super::parse::Said;
use super::settings::{Kind, PORT, Serves, Setting, YES_NO};
use super::snapshots::Snapshots;
use super::values::{self, Place};
use super::{Amount, ApiPlace, Certificate, Config, HashFile, Listen};
use crate::error::{Exit, Fatal};
use crate::types::{Ceiling, Intervals, Load, Net};
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

/// What was said so far; `None` where nothing was.
#[derive(Default)]
pub struct Draft {
    pub listens: Vec<Listen>,
    pub workers: Option<u32>,
    pub udp_workers: Option<u32>,
    pub no_tcp: Option<bool>,
    pub no_udp: Option<bool>,
    pub nofile: Option<Amount>,
    pub core: Option<Amount>,
    pub receive_buffer: Option<u32>,
    pub pin_workers: Option<bool>,
    pub rootdir: Option<PathBuf>,
    pub load: Option<PathBuf>,
    pub user: Option<String>,
    pub redirect_url: Option<String>,
    pub interval: Option<u32>,
    pub interval_jitter: Option<u32>,
    pub min_interval: Option<u32>,
    pub load_limit: Option<Ceiling>,
    pub load_interval_min: Option<u32>,
    pub load_interval_max: Option<u32>,
    pub peer_timeout: Option<u32>,
    pub numwant_default: Option<u32>,
    pub numwant_max: Option<u32>,
    pub external_ip: Option<bool>,
    pub keep_ids: Option<bool>,
    pub scrape_interval: Option<u32>,
    pub tracker_id: Option<String>,
    pub warning: Option<String>,
    pub keys: Option<PathBuf>,
    pub hashes: HashFile,
    pub fifo_add: Option<PathBuf>,
    pub fifo_delete: Option<PathBuf>,
    pub stats_readers: Vec<Net>,
    pub full_scrape: Option<bool>,
    pub full_scrapers: Vec<Net>,
    pub full_scrape_interval: Option<u32>,
    pub log_completed: Option<bool>,
    pub woodpeckers: Option<bool>,
    pub watched: Vec<Net>,
    pub stats_path: Option<String>,
    pub metrics_path: Option<String>,
    pub stats_charset: Option<String>,
    pub stats_separator: Option<char>,
    pub failed: Option<u32>,
    pub proxies: Vec<Net>,
    pub proxy_header: Option<String>,
    pub proxy_protocol: Option<bool>,
    pub ip_from_query: Vec<Net>,
    pub denied: Vec<Net>,
    pub deny_file: Option<PathBuf>,
    pub peer_ids: Programs,
    pub agents: Programs,
    pub program_text: Option<String>,
    pub enforce_interval: Option<bool>,
    pub limits: LimitsSaid,
    pub livesync: Option<SocketAddrV4>,
    pub nodes: Vec<Net>,
    pub bus: BusSaid,
    pub secret_file: Option<PathBuf>,
    pub api: Option<ApiPlace>,
    pub api_token: Option<PathBuf>,
    pub tls_chain: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub meta: MetaSaid,
    pub snapshots: Snapshots,
    pub blessed: Vec<Net>,
    pub ignored: Vec<&'static str>,
    pub memory: Memory,
    pub connections_max: Option<u32>,
    pub keep_alive: Option<bool>,
    pub idle_secs_max: Option<u32>,
    pub request_secs_max: Option<u32>,
    pub hang_secs_max: Option<u32>,
    pub status: Option<&'static str>,
    pub log: LogSaid,
}

/// The configuration that all of `said` amounts to. Of a setting given again the last counts.
pub fn config(said: &[Said]) -> Result<Config, Fatal> {
    let mut draft = Draft::default();
    for said in said {
        draft
            .put(said.setting, &said.value)
            .map_err(|what| said.fatal(&what))?;
    }
    let idle = draft.idle();
    let config = draft.finish();
    match idle.or_else(|| config.contradiction()) {
        None => Ok(config),
        Some((keys, what)) => {
            let culprit = said.iter().rfind(|said| keys.contains(&said.setting.key));
            // Without a culprit the defaults contradict each other.
            Err(culprit.map_or_else(
                || Fatal::new(Exit::Config, keys[0], &what),
                |c| c.fatal(&what),
            ))
        }
    }
}

impl Draft {
    fn put(&mut self, setting: &'static Setting, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err(format!("needs a value: {}", setting.value));
        }
        if !setting.is_built() {
            return Err(format!(
                "needs the feature `{}`, which this build has not: leave it out, or use another",
                setting.feature
            ));
        }
        match setting.kind {
            Kind::Number(min, max, slot) => *slot(self) = Some(values::number(text, min, max)?),
            Kind::Size(slot) => *slot(self) = Some(values::size(text)?),
            Kind::Flag(slot) => *slot(self) = Some(values::word(text, YES_NO)? == "yes"),
            Kind::Word(words, slot) => *slot(self) = Some(values::word(text, words)?),
            Kind::Text(check, slot) => *slot(self) = Some(check(text)?.to_owned()),
            Kind::Path(slot) => *slot(self) = Some(text.into()),
            Kind::Texts(check, slot) => slot(self).push(check(text)?.to_owned()),
            Kind::Net(slot) => slot(self).push(values::net(text)?),
            Kind::Hashes(list) => self.put_hashes(list(text.into()))?,
            Kind::Own(put) => put(self, text)?,
            Kind::Listen(serves) => self.put_listen(values::place(text)?, serves),
        }
        Ok(())
    }

    fn put_hashes(&mut self, hashes: HashFile) -> Result<(), String> {
        use HashFile::{Black, White};
        if let (White(_), Black(_)) | (Black(_), White(_)) = (&self.hashes, &hashes) {
            return Err("there can be a whitelist or a blacklist, not both: remove one".into());
        }
        self.hashes = hashes;
        Ok(())
    }

    /// `[::]` means both families, as in opentracker, but IPv6 is the one asked for.
    fn put_listen(&mut self, place: Place, serves: Serves) {
        let Serves { tcp, udp, https } = serves;
        let ipv4 = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let ipv6 = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        let mut add = |addr, optional| {
            self.add(Listen {
                addr,
                tcp,
                udp,
                https,
                optional,
            })
        };
        match place {
            Place::Everywhere(port) => {
                add(ipv4(port), true);
                add(ipv6(port), true);
            }
            Place::At(addr) => {
                add(addr, false);
                if addr == ipv6(addr.port()) {
                    add(ipv4(addr.port()), true);
                }
            }
        }
    }

    /// Where there is no address, the usual ones; those for the meta-tracker come on top.
    fn settle_listens(&mut self) {
        if self.listens.is_empty() {
            self.put_listen(Place::Everywhere(PORT), Serves::BOTH);
        }
        for addr in self.meta.listens.clone() {
            self.put_listen(Place::At(addr), Serves::BOTH);
        }
        self.leave_out();
    }

    /// Joins what is said about one address; port 0 is a different one every time.
    fn add(&mut self, new: Listen) {
        let same = self
            .listens
            .iter_mut()
            .find(|listen| listen.addr == new.addr);
        match same {
            Some(listen) if new.addr.port() != 0 => {
                listen.tcp |= new.tcp;
                listen.udp |= new.udp;
                listen.https |= new.https;
                listen.optional &= new.optional;
            }
            _ => self.listens.push(new),
        }
    }

    /// Who is blessed may do everything there is.
    fn bless(&mut self) {
        self.stats_readers.extend(&self.blessed);
        self.proxies.extend(&self.blessed);
        if self.livesync.is_some() {
            self.nodes.extend(&self.blessed);
        }
    }

    /// Ours, or opentracker's.
    fn workers(&self) -> Option<usize> {
        let theirs = self.udp_workers.filter(|&workers| workers > 0);
        self.workers.or(theirs).map(|workers| workers as usize)
    }

    /// Who may have the list of all torrents, if not everybody.
    fn full_scrapers(&mut self) -> Option<Vec<Net>> {
        let nets = mem::take(&mut self.full_scrapers);
        match self.full_scrape {
            Some(false) => Some(Vec::new()),
            _ => (!nets.is_empty()).then_some(nets),
        }
    }

    fn finish(mut self) -> Config {
        self.settle_listens();
        self.bless();
        let numwant_max = self.numwant_max.unwrap_or(200);
        Config {
            workers: self.workers(),
            intervals: self.intervals(),
            full_scrapers: self.full_scrapers(),
            listens: self.listens,
            open_files: self.nofile,
            core_bytes: self.core,
            receive_buffer: self.receive_buffer.map(|bytes| bytes as usize),
            pin_workers: self.pin_workers.unwrap_or(false),
            rootdir: self.rootdir,
            load: self.load,
            user: self.user,
            redirect_url: self.redirect_url,
            numwant_default: self.numwant_default.unwrap_or(50.min(numwant_max)) as u16,
            numwant_max: numwant_max as u16,
            external_ip: self.external_ip.unwrap_or(false),
            keep_ids: self.keep_ids.unwrap_or(false),
            scrape_interval: self.scrape_interval,
            tracker_id: self.tracker_id,
            warning: self.warning,
            keys: self.keys,
            hashes: self.hashes,
            fifo_add: self.fifo_add,
            fifo_delete: self.fifo_delete,
            stats_readers: self.stats_readers,
            full_scrape_interval: self.full_scrape_interval.unwrap_or(300),
            log_completed: self.log_completed.unwrap_or(false),
            woodpeckers: self.woodpeckers.unwrap_or(false),
            watched: self.watched,
            stats_charset: self.stats_charset,
            stats_separator: self.stats_separator,
            failed: self.failed.unwrap_or(0),
            stats_path: self.stats_path.unwrap_or_else(|| "stats".into()),
            metrics_path: self.metrics_path.unwrap_or_else(|| "metrics".into()),
            proxies: self.proxies,
            proxy_header: self.proxy_header.unwrap_or_else(usual_header),
            proxy_protocol: self.proxy_protocol.unwrap_or(false),
            ip_from_query: self.ip_from_query,
            denied: self.denied,
            deny_file: self.deny_file,
            peer_ids: self.peer_ids,
            agents: self.agents,
            program_text: self.program_text,
            enforce_interval: self.enforce_interval.unwrap_or(false),
            limits: self.limits.finish(),
            livesync: self.livesync,
            nodes: self.nodes,
            bus: self.bus.finish(),
            secret_file: self.secret_file,
            api: self.api,
            api_token: self.api_token,
            certificate: Certificate::of(self.tls_chain, self.tls_key),
            meta: self.meta.finish(),
            snapshots: self.snapshots.finish(),
            ignored: self.ignored,
            memory: self.memory,
            connections_max: self.connections_max.unwrap_or(4000) as usize,
            keep_alive: self.keep_alive.unwrap_or(true),
            idle_secs_max: self.idle_secs_max.unwrap_or(30),
            request_secs_max: self.request_secs_max.unwrap_or(10),
            hang_secs_max: self.hang_secs_max.unwrap_or(60),
            status: self.status.unwrap_or("off"),
            log: self.log.finish(),
        }
    }

    /// What was said to no effect, though it sounds as if it had one.
    fn idle(&self) -> Option<Contradiction> {
        match (&self.tls_chain, &self.tls_key) {
            (Some(_), None) => {
                let what = "a certificate is of no use without its key: set tls.key too";
                return Some((&["tls.certificate"], what.into()));
            }
            (None, Some(_)) => {
                let what = "a key is of no use without its certificate: set tls.certificate too";
                return Some((&["tls.key"], what.into()));
            }
            _ => {}
        }
        if self.proxy_header.is_some() && self.proxies.is_empty() {
            let what = "the header is believed from proxies only: name them with access.proxy";
            return Some((&["access.proxy_header"], what.into()));
        }
        self.bus.idle()
    }

    /// Takes out the protocol that shall not be served.
    fn leave_out(&mut self) {
        let (no_tcp, no_udp) = (self.no_tcp.unwrap_or(false), self.no_udp.unwrap_or(false));
        for listen in &mut self.listens {
            listen.tcp &= !no_tcp;
            listen.https &= !no_tcp;
            listen.udp &= !no_udp;
        }
        self.listens
            .retain(|listen| listen.connects() || listen.udp);
    }

    fn intervals(&self) -> Intervals {
        let (least, most) = (self.load_interval_min, self.load_interval_max);
        let driven = self.load_limit.is_some() || least.is_some() || most.is_some();
        let load = driven.then(|| {
            let max = most.unwrap_or_else(|| least.unwrap_or(0).max(1800));
            Load {
                limit: self.load_limit.unwrap_or(Ceiling::Auto),
                min: least.unwrap_or_else(|| max.min(240)),
                max,
            }
        });
        let begin = load.map_or(1800, |load| load.max);
        let intervals = Intervals {
            interval: self.interval.unwrap_or(begin),
            jitter: self.interval_jitter,
            min_interval: 0,
            peer_timeout: self.peer_timeout,
            load,
        };
        let unsaid = intervals.lowest() / 2;
        let min_interval = self.min_interval.unwrap_or(unsaid);
        Intervals {
            min_interval: match load {
                // Whoever was told the shortest interval shall not be found too early later on.
                Some(_) => min_interval.min(intervals.shortest()),
                None => min_interval,
            },
            ..intervals
        }
    }
}

impl Config {
    fn https_contradiction(&self) -> Option<Contradiction> {
        let served = self.listens.iter().any(|listen| listen.https);
        let twice = self
            .listens
            .iter()
            .find(|listen| listen.https && listen.tcp);
        match (served, &self.certificate, twice) {
            (true, None, _) => Some((
                &["listen.https"],
                "there is no HTTPS without a certificate: set tls.certificate and tls.key too"
                    .into(),
            )),
            (false, Some(_), _) => Some((
                &["tls.certificate", "tls.key"],
                "nothing is encrypted without listen.https: set that too".into(),
            )),
            (_, _, Some(listen)) => Some((
                &["listen.https", "listen.tcp", "listen.tcp_udp"],
                format!(
                    "{} can't serve both HTTP and HTTPS: name another port",
                    listen.addr
                ),
            )),
            _ => None,
        }
    }

    fn contradiction(&self) -> Option<Contradiction> {
        if let Some(contradiction) = intervals::contradiction(&self.intervals) {
            return Some(contradiction);
        }
        if self.listens.is_empty() {
            return Some((
                &["listen.no_tcp", "listen.no_udp"],
                "nothing would be left to listen on: leave this out, or name other addresses"
                    .into(),
            ));
        }
        if let Some(contradiction) = self.https_contradiction() {
            return Some(contradiction);
        }
        if self.enforce_interval && self.intervals.load.is_some() {
            return Some((
                &["tracker.enforce_interval", "load.limit"],
                "where the load drives the interval, nobody can be held to it: leave one out"
                    .into(),
            ));
        }
        if self.fifo_add.is_some() && self.fifo_add == self.fifo_delete {
            return Some((
                &["access.fifo_delete", "access.fifo_add"],
                "one fifo can't both add and delete: name another".into(),
            ));
        }
        if self.livesync.is_none() && !self.nodes.is_empty() {
            return Some((
                &["livesync.cluster.node_ip"],
                "there is no live sync without livesync.cluster.listen: set that too".into(),
            ));
        }
        if let Some(contradiction) = self.nothing_to_share() {
            return Some(contradiction);
        }
        if self.load.is_some() && self.load == self.snapshots.file {
            return Some((
                &["persist.file", "tracker.load"],
                "a snapshot is no statedump, and would take its place: name another file".into(),
            ));
        }
        match (&self.api, &self.api_token) {
            (Some(ApiPlace::At(addr)), None) if !addr.ip().is_loopback() => {
                return Some((
                    &["api.listen"],
                    "others can reach this address: set api.token_file too, or listen on a \
                     loopback address or unix:PATH"
                        .into(),
                ));
            }
            (None, Some(_)) => {
                return Some((
                    &["api.token_file"],
                    "there is no API without api.listen: set that too".into(),
                ));
            }
            _ => {}
        }
        if self.numwant_default > self.numwant_max {
            return Some((
                &["tracker.numwant_default", "tracker.numwant_max"],
                format!(
                    "{} peers exceed the most, {}",
                    self.numwant_default, self.numwant_max
                ),
            ));
        }
        None
    }

    /// What the bus shall share goes into files, which have to be named.
    fn nothing_to_share(&self) -> Option<Contradiction> {
        let bus = self.bus.as_ref()?;
        if bus.lists && self.hashes == HashFile::None && self.keys.is_none() {
            let what = "there is nothing to keep: set access.whitelist, access.blacklist or \
                        access.keys too";
            return Some((&["bus.lists"], what.into()));
        }
        if bus.secret && self.secret_file.is_none() {
            let what = "there is no file to keep it in: set udp.secret_file too";
            return Some((&["bus.secret"], what.into()));
        }
        None
    }
}

/// The header that most proxies say it in.
fn usual_header() -> String {
    "X-Forwarded-For".into()
}

//! What a worker knows when it answers: the terms, the gate, the clock's reading, the counters.

use std::mem;
use std::sync::{Arc, Mutex};

use crate::access::{Cookie, Gate, Modest, Pace};
use crate::meta::{Millis, Present};
use crate::net::meta::{Policy, Relay};
use crate::net::requests::Requests;
use crate::net::rules::Rules;
use crate::net::shares::Budget;
use crate::net::trend::Trend;
use crate::net::visitors::{Book, Visitors};
use crate::stats::dashboard::History;
use crate::stats::page::About;
use crate::stats::status;
use crate::stats::traffic::Traffic;
use crate::stats::{Count, Counters, NUMWANTS, Networks, Tally};
use crate::swarm::Swept;
use crate::sys::process::{self, Ration};
use crate::sys::{clock, memory};
use crate::tls::Server;
use crate::types::{Family, Intervals, Seconds};

/// What clients are told and granted; the same on every worker.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Middle of the interval clients are told at present.
    pub interval: Seconds,
    /// What goes with it.
    pub intervals: Intervals,
    /// The least time between two announces.
    pub min_interval: Seconds,
    /// Peers listed when a client doesn't say how many.
    pub numwant_default: u16,
    /// The most peers listed.
    pub numwant_max: u16,
    /// Whether clients are told at which address they are seen.
    pub external_ip: bool,
    /// Whether what peers call themselves is kept and told.
    pub peer_ids: bool,
    /// The least time between two scrapes, if that is said.
    pub scrape_interval: Option<Seconds>,
    /// What clients shall send back as `trackerid`.
    pub id: Option<String>,
    /// A text for the users of clients.
    pub warning: Option<String>,
    /// Whether connections may stay for a next request.
    pub keep_alive: bool,
    /// Where `/` leads, if anywhere.
    pub redirect_url: Option<String>,
    /// The path of the statistics, without a leading slash.
    pub stats_path: String,
    /// The path of the metrics, without a leading slash.
    pub metrics_path: String,
    /// What the page of statistics is sent as.
    pub page_type: String,
    /// What stands between its thousands.
    pub separator: Option<char>,
    /// Whether a line is written for each pass of the sweep, and how: `off`, `line` or `json`.
    pub status: &'static str,
    /// How often the process has failed before, as it was told.
    pub failed: u32,
    /// The most connections of all workers together.
    pub connections_max: usize,
    /// Whether requests are written to a file.
    pub log_access: bool,
    /// Whether completed downloads are written to the standard output.
    pub log_completed: bool,
    /// Whether those who come much too early are counted by their networks.
    pub woodpeckers: bool,
    /// The least time between two full scrapes of one address; 0 for none.
    pub full_scrape_interval: Seconds,
    /// How long a worker may not move; 0 for any time.
    pub hang_secs_max: Seconds,
    /// What there is of memory.
    pub budget: Budget,
    /// How long a connection may wait for its next request.
    pub idle_secs_max: Seconds,
    /// How long a request may take to arrive, and its answer to leave.
    pub request_secs_max: Seconds,
}

/// What an answer promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    /// When the client shall announce again.
    pub interval: Seconds,
    /// How long it is remembered without that, which is longer.
    pub keep_secs: Seconds,
}

/// How often the log may complain.
const WATCH_SECS: Seconds = 60;

/// What the operator can do something about.
const WATCHED: [(Count, &str); 8] = [
    (
        Count::TcpRefused,
        "connections turned away: see http.connections_max",
    ),
    (Count::UdpSendDropped, "udp replies that could not be sent"),
    (
        Count::Busy,
        "requests dropped since another worker was too busy",
    ),
    (
        Count::TooFast,
        "requests turned away of sources that ask too often: see limit.*",
    ),
    (Count::Bans, "bans of sources: see limit.strikes"),
    (
        Count::AccessLost,
        "requests not written, since too many waited for that: see log.access",
    ),
    (
        Count::Evicted,
        "new torrents of one peer made room for others: see tracker.memory_limit, max_torrents \
         and max_peers",
    ),
    (
        Count::Unstored,
        "announces found no room and were not stored: see tracker.memory_limit, max_torrents and \
         max_peers",
    ),
];

/// One worker's view of the rules, and its tally.
pub struct Desk {
    /// The reading of the clock for this turn.
    pub now: Seconds,
    /// The same in milliseconds, where something waits for less than a second.
    pub millis: Millis,
    /// What clients are told and granted.
    pub terms: Terms,
    /// What is passed on to other trackers, if anything is.
    pub relay: Option<Present<Relay>>,
    /// Who may ask for what.
    pub gate: Gate,
    /// In whose name HTTPS is answered, if it is.
    pub tls: Option<Server>,
    /// Who asks how often.
    pub pace: Pace,
    /// Connection ids.
    pub cookie: Cookie,
    /// What happened so far.
    pub counters: Counters,
    /// What is counted beside the workers; one of them tells it.
    pub beside: Option<Arc<Mutex<Counters>>>,
    /// What went over the sockets.
    pub traffic: Traffic,
    /// What the last pass of the sweep came to.
    pub pass: status::Pass,
    /// The number of this worker.
    pub worker: usize,
    /// When the process started, by the time of day.
    pub started: u64,
    /// Where the interval is, came from, and goes to.
    pub trend: Trend,
    /// Announces by their numwant, as far as it is granted.
    pub numwants: Tally<NUMWANTS>,
    /// Networks of those who come much too early.
    pub woodpeckers: Networks,
    /// Requests kept for `/stats?mode=fulllog`.
    pub requests: Requests,
    /// Those that are written to a file.
    pub visitors: Visitors,
    /// Who had the list of all torrents lately, at whatever worker.
    pub modest: Arc<Mutex<Modest>>,
    /// What there was in the last hour, at all workers.
    pub history: Arc<Mutex<History>>,
    /// What this run of the tracker is told apart by in the statistics, the same on every worker.
    pub tracker_id: u32,
    random: u32,
    /// When [`Desk::watch`] looked last, and what it saw.
    watched: Seconds,
    seen: [u64; WATCHED.len()],
}

impl Desk {
    /// A desk of tracker `tracker_id`; `random` seeds the jitter of the intervals.
    pub fn new(
        rules: Rules,
        pace: Pace,
        cookie: Cookie,
        modest: Arc<Mutex<Modest>>,
        tracker_id: u32,
        random: u32,
    ) -> Desk {
        let counters = Counters::default();
        let mut desk = Desk {
            now: 0,
            millis: 0,
            relay: None,
            terms: rules.terms,
            gate: rules.gate,
            tls: rules.tls,
            pace,
            cookie: rules.cookie.unwrap_or(cookie),
            counters,
            beside: None,
            traffic: Traffic::default(),
            pass: status::Pass::default(),
            worker: 0,
            started: 0,
            trend: Trend::default(),
            numwants: Tally::default(),
            woodpeckers: Networks::default(),
            requests: Requests::default(),
            visitors: Visitors::default(),
            modest,
            history: Arc::default(),
            tracker_id,
            random: random | 1,
            watched: 0,
            seen: [0; WATCHED.len()],
        };
        desk.pace.keep_to(rules.paces);
        desk
    }

    /// Takes over the interval of this second, if it is one that changes, and the time of day.
    pub fn follow(&mut self, trend: Trend) {
        self.cookie.keep_time(self.now, clock::wall());
        self.trend = trend;
        if self.terms.intervals.load.is_some() {
            self.terms.interval = trend.interval;
        }
    }

    /// What the page of statistics tells besides counts.
    pub fn about(&self) -> About {
        let trend = self.trend;
        let limit = Ration::OpenFiles.limit();
        About {
            started: self.started,
            failed: self.terms.failed,
            worker: self.worker,
            load: process::load_averages().unwrap_or_default(),
            interval: [self.terms.interval, trend.previous, trend.required],
            open_files: limit.map_or([0, 0], |limit| [limit.soft, limit.hard]),
            usage: process::usage(),
            resident: memory::resident(),
            cpus: process::cpus_online(),
            now: clock::wall(),
            meta: self.relay.as_ref().and_then(|relay| relay.figures()),
            separator: self.terms.separator,
        }
    }

    /// Goes by other rules from now on.
    pub fn obey(&mut self, rules: Rules, book: &Arc<Book>) {
        let is_kept = rules.terms.log_access;
        let book = is_kept.then_some(book);
        self.visitors.keep(book, &mut self.counters);
        self.terms = rules.terms;
        self.gate = rules.gate;
        self.tls = rules.tls;
        self.pace.keep_to(rules.paces);
        if let Some(cookie) = rules.cookie {
            self.cookie = cookie;
        }
        self.pass_on(rules.meta);
    }

    /// Passes on to other trackers what this lets pass.
    fn pass_on(&mut self, policy: Option<Present<Policy>>) {
        match (&mut self.relay, policy) {
            (Some(relay), policy) => relay.obey(policy, self.millis),
            (None, Some(policy)) => self.relay = Relay::new(policy, self.worker),
            (None, None) => {}
        }
    }

    /// Counts what a shard had to do for want of room.
    pub fn count_swept(&mut self, swept: &Swept) {
        for (what, counts) in [
            (Count::Evicted, swept.evicted),
            (Count::Unstored, swept.unstored),
        ] {
            for (family, n) in [Family::V4, Family::V6].into_iter().zip(counts) {
                self.counters.add(family, what, n.into());
            }
        }
    }

    /// Once a second: hands in who was here, and says once a minute what went wrong for want of
    /// room, and how often. Strangers can't fill the log with more.
    pub fn watch(&mut self) {
        self.visitors.hand_in(&mut self.counters);
        if self.now.saturating_sub(self.watched) < WATCH_SECS {
            return;
        }
        self.watched = self.now;
        // Every other time, as often as opentracker does it.
        if (self.now / WATCH_SECS).is_multiple_of(2) {
            self.woodpeckers.fade();
        }
        for ((what, text), seen) in WATCHED.iter().zip(&mut self.seen) {
            let total = self.counters.total(*what);
            let new = total.wrapping_sub(mem::replace(seen, total));
            if new > 0 {
                log::warn!("{new} {text} in the last minute");
            }
        }
    }

    /// What one answer promises. The interval is drawn evenly around the middle: clients that came
    /// at the same moment shall not come back at the same moment.
    pub fn promise(&mut self) -> Promise {
        // Marsaglia's xorshift: nothing depends on this being hard to guess.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        let Terms {
            interval,
            intervals,
            ..
        } = self.terms;
        let jitter = intervals.jitter_of(interval);
        let spread = self.random % jitter.saturating_mul(2).max(1);
        Promise {
            interval: interval.saturating_sub(jitter).saturating_add(spread),
            keep_secs: intervals.keep_secs(interval),
        }
    }

    /// How many peers an answer may list, when `asked` for, or `unsaid`.
    pub fn numwant(&mut self, asked: Option<u32>, unsaid: u16) -> u16 {
        let asked = asked.map_or(unsaid, |n| u16::try_from(n).unwrap_or(u16::MAX));
        let granted = asked.min(self.terms.numwant_max);
        self.numwants.count(granted.into());
        granted
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::net::rig::desk;
    use crate::swarm::{Limits, Shard};
    use crate::types::{self, Event, InfoHash, PeerAddr, Peers, Want};
    use proptest::prelude::*;

    fn hear(shard: &mut Shard, now: Seconds, port: u16, keep_secs: Seconds) -> u32 {
        let announce = types::Announce {
            info_hash: InfoHash([7; 20]),
            peer: PeerAddr::new([10, 0, 0, 1].into(), port),
            peer_id: None,
            event: Event::None,
            seeder: false,
            want: Want {
                numwant: 10,
                both: false,
                ids: false,
            },
            keep_secs,
        };
        shard
            .announce(now, &announce, &mut Peers::default())
            .leechers
    }

    proptest! {
        #![proptest_config(crate::seeded(64))]

        /// Two peers that come back when told to, while the middle of the intervals goes wherever
        /// it may: neither is ever forgotten, by draws, counts or sweeps.
        #[test]
        fn who_keeps_to_what_was_promised_is_never_forgotten(
            start in 60..7200_u32, jitter in prop::option::of(0..=15_u32), random: u32,
            middles in prop::collection::vec(60..7200_u32, 1..60),
        ) {
            let mut desk = desk(random);
            (desk.terms.intervals.interval, desk.terms.intervals.jitter) = (start, jitter);
            desk.terms.interval = start;
            let peer_secs = desk.terms.intervals.keep_secs(start);
            let limits = Limits { peer_secs, ..Limits::default() };
            let mut shard = Shard::new([1, 2], limits, 0);
            let mut due: [Seconds; 2] = [0, 0];
            for (number, middle) in (0..).zip(middles) {
                desk.terms.interval = middle.min(start * 8);
                let port = (due[1] < due[0]) as usize;
                let now = due[port];
                for second in (now.saturating_sub(300)..=now).step_by(17) {
                    shard.sweep(second);
                }
                let promise = desk.promise();
                prop_assert!(promise.keep_secs > promise.interval);
                let there = hear(&mut shard, now, port as u16 + 1, promise.keep_secs);
                prop_assert_eq!(there, if number == 0 { 1 } else { 2 }, "at {}", now);
                due[port] = now + promise.interval;
            }
        }
    }
}

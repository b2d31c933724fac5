//! What a worker knows when it answers: the terms, the gate, the clock's reading, the counters.

use std::mem;

use crate::access::{Cookie, Gate};
use crate::net::rules::Rules;
use crate::stats::{Count, Counters, NUMWANTS, Tally};
use crate::types::Seconds;

/// What clients are told and granted; the same on every worker.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Middle of the interval clients are told.
    pub interval: Seconds,
    /// How far the interval of one answer may be off the middle, either way.
    pub interval_jitter: Seconds,
    /// The least time between two announces.
    pub min_interval: Seconds,
    /// Peers listed when a client doesn't say how many.
    pub numwant_default: u16,
    /// The most peers listed.
    pub numwant_max: u16,
    /// Where `/` leads, if anywhere.
    pub redirect_url: Option<String>,
    /// The path of the statistics, without a leading slash.
    pub stats_path: String,
    /// The most connections of one worker.
    pub connections_max: usize,
    /// How long a connection may wait for its next request.
    pub idle_secs_max: Seconds,
    /// How long a request may take to arrive, and its answer to leave.
    pub request_secs_max: Seconds,
}

/// How often the log may complain.
const WATCH_SECS: Seconds = 60;

/// What the operator can do something about.
const WATCHED: [(Count, &str); 3] = [
    (
        Count::TcpRefused,
        "connections turned away: see http.connections_max",
    ),
    (Count::UdpSendDropped, "udp replies that could not be sent"),
    (
        Count::Busy,
        "requests dropped since another worker was too busy",
    ),
];

/// One worker's view of the rules, and its tally.
pub struct Desk {
    /// The reading of the clock for this turn.
    pub now: Seconds,
    /// What clients are told and granted.
    pub terms: Terms,
    /// Who may ask for what.
    pub gate: Gate,
    /// Connection ids.
    pub cookie: Cookie,
    /// What happened so far.
    pub counters: Counters,
    /// Announces by their numwant, as far as it is granted.
    pub numwants: Tally<NUMWANTS>,
    /// What this run of the tracker is told apart by in the statistics, the same on every worker.
    pub tracker_id: u32,
    random: u32,
    /// When [`Desk::watch`] looked last, and what it saw.
    watched: Seconds,
    seen: [u64; WATCHED.len()],
}

impl Desk {
    /// A desk of tracker `tracker_id`; `random` seeds the jitter of the intervals.
    pub fn new(rules: Rules, cookie: Cookie, tracker_id: u32, random: u32) -> Desk {
        let counters = Counters::default();
        Desk {
            now: 0,
            terms: rules.terms,
            gate: rules.gate,
            cookie,
            counters,
            numwants: Tally::default(),
            tracker_id,
            random: random | 1,
            watched: 0,
            seen: [0; WATCHED.len()],
        }
    }

    /// Once a second: says once a minute what went wrong for want of room, and how often. Strangers
    /// can't fill the log with more.
    pub fn watch(&mut self) {
        if self.now.saturating_sub(self.watched) < WATCH_SECS {
            return;
        }
        self.watched = self.now;
        for ((what, text), seen) in WATCHED.iter().zip(&mut self.seen) {
            let total = self.counters.total(*what);
            let new = total.wrapping_sub(mem::replace(seen, total));
            if new > 0 {
                log::warn!("{new} {text} in the last minute");
            }
        }
    }

    /// The interval for one answer, drawn evenly around the middle: clients that came at the same
    /// moment shall not come back at the same moment.
    pub fn interval(&mut self) -> Seconds {
        // Marsaglia's xorshift: nothing depends on this being hard to guess.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        let Terms {
            interval,
            interval_jitter,
            ..
        } = self.terms;
        let spread = self.random % interval_jitter.saturating_mul(2).max(1);
        interval
            .saturating_sub(interval_jitter)
            .saturating_add(spread)
    }

    /// How many peers an answer may list, when `asked` for, or `unsaid`.
    pub fn numwant(&mut self, asked: Option<u32>, unsaid: u16) -> u16 {
        let asked = asked.map_or(unsaid, |n| u16::try_from(n).unwrap_or(u16::MAX));
        let granted = asked.min(self.terms.numwant_max);
        self.numwants.count(granted.into());
        granted
    }
}

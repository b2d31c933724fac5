//! A worker's end of the bus.

use super::ring::Ring;
use crate::access::Verdict;
use crate::net::Router;
use crate::net::desk::Desk;
use crate::stats::Count;
use crate::types::{Announce, Seconds};
use crate::wire::bus::Record;

/// What is taken in before requests and timers get their turn.
const LEARNED_A_TURN: usize = 512;

/// What another node told of a peer, and how long ago.
#[derive(Clone, Copy)]
pub struct Learned {
    /// What it told.
    pub record: Record,
    /// How long ago.
    pub age: Seconds,
}

/// The rings of one worker.
pub struct Lane {
    told: Ring<Record>,
    learned: Ring<Learned>,
    /// Whether its turn was over before its ring was empty.
    unfinished: bool,
}

impl Lane {
    /// To other nodes, and from them.
    pub fn new(told: Ring<Record>, learned: Ring<Learned>) -> Lane {
        Lane {
            told,
            learned,
            // Something may have come before the start.
            unfinished: true,
        }
    }

    /// Has other nodes told what is news here.
    pub fn tell(&self, news: &Announce, desk: &mut Desk) {
        let family = news.peer.family();
        desk.counters.count(family, Count::BusTold);
        let dropped = self.told.push(Record::of(news));
        desk.counters.add(family, Count::BusDropped, dropped);
    }

    /// Takes in what other nodes told, a turn's worth.
    pub fn learn(&mut self, router: &mut Router, desk: &mut Desk) {
        for _ in 0..LEARNED_A_TURN {
            let Some(learned) = self.learned.pop() else {
                self.unfinished = false;
                return;
            };
            learn(&learned, router, desk);
        }
        self.unfinished = true;
    }

    /// Whether there was more.
    pub fn is_unfinished(&self) -> bool {
        self.unfinished
    }
}

fn learn(learned: &Learned, router: &mut Router, desk: &mut Desk) {
    let Learned { record, age } = learned;
    let family = record.peer.family();
    // It has been silent for so long already.
    let intervals = desk.terms.intervals;
    let keep_secs = intervals
        .keep_secs(desk.terms.interval)
        .saturating_sub(*age);
    if keep_secs == 0 {
        desk.counters.count(family, Count::BusExpired);
        return;
    }
    let announce = record.announce(keep_secs);
    match desk.gate.learn(&announce) {
        Verdict::Allow => {
            desk.counters.count(family, Count::BusLearned);
            router.learn(desk.now, &announce);
        }
        Verdict::Refuse(_) => desk.counters.count(family, Count::BusDenied),
    }
}

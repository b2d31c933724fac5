//! The listener: hears what other nodes tell, and sorts it by the workers that own the torrents.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::told::Told;
use crate::bus::{Account, Backoff, Inbox, Link, Refusal};
use crate::net::Shared;
use crate::net::bus::{Learned, Ring};
use crate::router::{Owners, Wake};
use crate::stats::Count;
use crate::sys::clock;
use crate::types::Seconds;
use crate::wire::bus::Frame;

/// How much further back than the silence to look in the stream: what was said last may have been
/// on its way.
const MARGIN_MILLIS: u64 = 10_000;

/// How long workers may take to make room for a frame before the oldest makes way: one that stands
/// still must not keep the others from their news.
const PATIENCE_MILLIS: u32 = 1000;

/// The least time between two looks for frames that are missing.
const MISSING_SECS: Seconds = 2;

pub struct Listener {
    pub account: Account,
    pub inbox: Inbox,
    /// The rings of all workers, and what wakes them.
    pub learned: Vec<(Ring<Learned>, Wake)>,
    pub owners: Owners,
    pub told: Arc<Mutex<Told>>,
    pub shared: Arc<Shared>,
    pub backoff: Backoff,
    /// When it was last sure that nothing is missing.
    pub sure: Option<Seconds>,
}

impl Listener {
    /// Listens for as long as the process lives.
    pub fn run(mut self) -> ! {
        let mut trouble = None;
        loop {
            let Err(error) = self.session(&mut trouble);
            self.shared.count(Count::BusFailures, 1);
            if trouble.as_ref() != Some(&error) {
                log::warn!("bus: other nodes are not heard: {error}; it is tried again");
                trouble = Some(error);
            }
            thread::sleep(Duration::from_millis(self.backoff.fail().into()));
        }
    }

    fn session(
        &mut self,
        trouble: &mut Option<String>,
    ) -> Result<std::convert::Infallible, String> {
        let mut live = Link::connect(&self.account)?;
        live.listen()?;
        // Whatever is said from here on waits in the connection while we read up on the rest.
        self.catch_up()?;
        self.shared.count(Count::BusConnects, 1);
        log::info!("bus: other nodes are heard, {} so far", self.inbox.nodes());
        *trouble = None;
        let mut searched = self.shared.clock.read();
        let mut is_owed = false;
        loop {
            let bytes = live.hear()?;
            // A server that takes connections and ends them at once isn't tried all the time.
            self.backoff.succeed();
            let now = self.shared.clock.read();
            let missing = self.inbox.read(&bytes).map_or(0, |heard| heard.missing);
            self.shared.count(Count::BusMissing, missing);
            is_owed |= missing > 0;
            if is_owed && now.saturating_sub(searched) >= MISSING_SECS {
                self.catch_up()?;
                searched = self.shared.clock.read();
                is_owed = false;
            }
            self.take(&bytes);
            if !is_owed {
                self.sure = Some(now);
            }
        }
    }

    /// Reads in the stream what was said since the last time that nothing was missing.
    fn catch_up(&mut self) -> Result<(), String> {
        let mut link = Link::connect(&self.account)?;
        let terms = self.shared.rules().terms;
        // What is older is of no use.
        let keep_secs = terms.intervals.keep_secs(terms.intervals.highest());
        let began = self.shared.clock.read();
        let silence = self
            .sure
            .map_or(keep_secs, |sure| began - sure)
            .min(keep_secs);
        let back = u64::from(silence) * 1000 + MARGIN_MILLIS;
        let mut place = link.millis()?.saturating_sub(back).to_string();
        loop {
            let page = link.page(&place)?;
            page.frames.iter().for_each(|bytes| self.take(bytes));
            match page.next {
                Some(next) => place = next,
                None => break,
            }
        }
        self.sure = Some(began);
        self.shared.count(Count::BusCaughtUp, 1);
        Ok(())
    }

    /// Takes a frame for what it is worth.
    fn take(&mut self, bytes: &[u8]) {
        let heard = match self.inbox.read(bytes) {
            Ok(heard) => heard,
            Err(refusal) => {
                let count = match refusal {
                    Refusal::Own => Count::BusOwn,
                    Refusal::Duplicate => Count::BusDuplicate,
                    Refusal::Malformed => Count::BusMalformed,
                    Refusal::Forged => Count::BusForged,
                };
                return self.shared.count(count, 1);
            }
        };
        self.inbox.take(&heard);
        self.shared.count(Count::BusReceived, 1);
        self.shared
            .count(Count::BusReceivedBytes, bytes.len() as u64);
        self.hand_on(&heard.frame);
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the records of a frame to those who own their torrents.
    fn hand_on(&mut self, frame: &Frame<'_>) {
        let now = clock::wall_millis();
        // Whose clock is ahead of ours can't have told it later than now.
        let millis = frame.head.millis.min(now);
        let age = Seconds::try_from((now - millis) / 1000).unwrap_or(Seconds::MAX);
        let (mut stale, mut lost) = (0, 0);
        let mut patience = PATIENCE_MILLIS;
        self.told().gather_if_late(now);
        for record in frame.records() {
            let is_new = self.told().note(&record.info_hash, &record.peer, millis);
            if !is_new {
                stale += 1;
                continue;
            }
            let owner = self.owners.owner(&record.info_hash);
            if let Some((ring, wake)) = self.learned.get(owner) {
                lost += put(ring, wake, Learned { record, age }, &mut patience);
            }
        }
        self.shared.count(Count::BusStale, stale);
        self.shared.count(Count::BusLost, lost);
        if frame.len > 0 {
            self.learned.iter().for_each(|(_, wake)| wake());
        }
    }
}

/// Waits for room, as long as there is patience; how many were lost for want of it. What comes
/// meanwhile waits at the server.
fn put(ring: &Ring<Learned>, wake: &Wake, mut learned: Learned, patience: &mut u32) -> u64 {
    while *patience > 0 {
        match ring.offer(learned) {
            Ok(()) => return 0,
            Err(back) => learned = back,
        }
        *patience -= 1;
        wake();
        thread::sleep(Duration::from_millis(1));
    }
    ring.push(learned)
}

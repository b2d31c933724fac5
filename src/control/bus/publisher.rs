//! The publisher: gathers what workers have to tell, and sends it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::told::Told;
use crate::bus::{Account, Backoff, Link, Outbox};
use crate::net::Shared;
use crate::stats::Count;
use crate::sys::clock;

/// Frames sent at a time: two megabytes at most.
const FRAMES_AT_ONCE: usize = 32;

/// How often the nodes hear that this one is there, and which frame was its last.
const HEARTBEAT_MILLIS: u32 = 1000;

pub struct Publisher {
    pub account: Account,
    pub outbox: Outbox,
    pub told: Arc<Mutex<Told>>,
    pub shared: Arc<Shared>,
    pub backoff: Backoff,
    pub delay_millis: u32,
}

/// Where the publisher stands with the server.
#[derive(Default)]
struct Standing {
    link: Option<Link>,
    /// How long until the next try, in milliseconds, while there is no link.
    wait_millis: u32,
    /// How long ago the last heartbeat was.
    beat_millis: u32,
    /// What was said last about the server, so that it is said once.
    trouble: Option<String>,
}

/// The publisher, ready to run on a thread of its own.
impl Publisher {
    /// Works until the process ends, and sends what is left then.
    pub fn run(mut self) {
        let mut standing = Standing::default();
        loop {
            let is_last = self.shared.stopping.load(Ordering::Acquire);
            self.gather();
            if is_last && standing.link.is_none() {
                return;
            }
            if let Err(error) = self.send(&mut standing) {
                self.shared.count(Count::BusFailures, 1);
                standing.link = None;
                standing.wait_millis = self.backoff.fail();
                if standing.trouble.as_ref() != Some(&error) {
                    log::warn!("bus: other nodes are not told: {error}; it is tried again");
                    standing.trouble = Some(error);
                }
            }
            if is_last {
                return;
            }
            thread::sleep(Duration::from_millis(self.delay_millis.into()));
            standing.wait_millis = standing.wait_millis.saturating_sub(self.delay_millis);
            standing.beat_millis += self.delay_millis;
        }
    }

    /// Makes frames of what the rings hold.
    fn gather(&mut self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let batches = told.take(clock::wall_millis());
        drop(told);
        for (millis, records) in &batches {
            self.outbox.tell(*millis, records);
        }
        let dropped = self.outbox.take_dropped();
        self.shared.count(Count::BusDropped, dropped);
    }

    fn send(&mut self, at: &mut Standing) -> Result<(), String> {
        if at.link.is_none() {
            if at.wait_millis > 0 {
                return Ok(());
            }
            let link = Link::connect(&self.account)?;
            let kind = if link.is_cluster() {
                "a cluster"
            } else {
                "one server"
            };
            log::info!("bus: other nodes are told by {kind}");
            self.shared.count(Count::BusConnects, 1);
            at.link = Some(link);
            at.beat_millis = HEARTBEAT_MILLIS;
            // It may have lost its memory before all had heard what was sent last.
            self.outbox.repeat();
        }
        let Some(link) = &mut at.link else {
            return Ok(());
        };
        loop {
            let frames = self.outbox.next(FRAMES_AT_ONCE);
            let (count, bytes) = frames.fold((0, 0), |(n, sum), f| (n + 1, sum + f.len() as u64));
            if count == 0 {
                break;
            }
            let full = link.publish(self.outbox.next(count))?;
            let sent = self.outbox.sent(count, clock::wall_millis());
            self.shared.count(Count::BusSent, sent);
            self.shared.count(Count::BusFrames, count as u64);
            self.shared.count(Count::BusBytes, bytes);
            self.backoff.succeed();
            if full != at.trouble {
                if let Some(error) = &full {
                    log::warn!("bus: nodes that were away won't catch up: {error}");
                }
                at.trouble = full;
            }
            // Rings are not to run over meanwhile.
            self.gather();
        }
        if at.beat_millis >= HEARTBEAT_MILLIS {
            let millis = clock::wall_millis();
            link.beat(&self.outbox.heartbeat(millis))?;
            self.outbox.forget(millis);
            self.backoff.succeed();
            at.beat_millis = 0;
        }
        Ok(())
    }
}

//! How it goes, in words and figures.

use std::fmt::Write;

use super::directory::Upstream;
use super::engine::{Engine, Tally};
use super::swarm::Stand;
use crate::meta::{Dht, Millis};

impl Engine {
    /// Lines of what is passed on and of what is not, then one for each tracker that is known, the
    /// most useful first; `unheard` words found no room at a worker.
    pub fn report(&self, now: Millis, unheard: u32) -> String {
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = self.sums(now, unheard, &mut text);
        let _ = self.trackers(now, &mut text);
        text
    }

    fn sums(&self, now: Millis, unheard: u32, text: &mut String) -> std::fmt::Result {
        let swarms = self.swarms.values();
        let public = swarms
            .clone()
            .filter(|s| matches!(s.stand, Stand::Public(_)));
        let unproven = swarms
            .clone()
            .filter(|s| matches!(s.stand, Stand::Unproven(_)));
        let clients: usize = swarms.clone().map(|swarm| swarm.clients.len()).sum();
        let peers: usize = swarms.clone().map(|swarm| swarm.pool.len()).sum();
        writeln!(
            text,
            "swarms {} public {} unproven {} clients {clients} peers {peers}",
            swarms.len(),
            public.count(),
            unproven.count(),
        )?;
        let Tally {
            wishes,
            echoes,
            over_quota,
            crowded,
            unproven,
            evicted,
            overflows,
        } = self.tally;
        writeln!(
            text,
            "wishes {wishes} echoes {echoes} over_quota {over_quota} crowded {crowded} \
             unproven {unproven} evicted {evicted} overflows {overflows} unheard {unheard} \
             strays {}",
            self.courier.strays
        )?;
        let dht = match self.settings.dht {
            Dht::Off => "off",
            Dht::Lookup => "lookup",
            Dht::Announce => "announce",
        };
        let lookups = swarms.filter(|swarm| swarm.dht.busy).count();
        writeln!(
            text,
            "dht {dht} lookups {lookups} pex {}",
            self.settings.pex
        )?;
        let open = self.directory.iter().filter(|(_, up)| up.is_open(now));
        writeln!(
            text,
            "trackers {} open {}",
            self.directory.len(),
            open.count()
        )
    }

    fn trackers(&self, now: Millis, text: &mut String) -> std::fmt::Result {
        let mut all: Vec<&Upstream> = self.directory.iter().map(|(_, up)| up).collect();
        all.sort_by(|a, b| b.health.score(now).total_cmp(&a.health.score(now)));
        writeln!(
            text,
            "state success fail rate score rtt_ms peers next_s url"
        )?;
        for upstream in all {
            let health = &upstream.health;
            let rtt = health.rtt.map_or("-".to_owned(), |rtt| format!("{rtt:.0}"));
            let next = match upstream.next.max(health.paused).checked_sub(now) {
                Some(millis) if millis > 0 => (millis / 1000).to_string(),
                _ => "-".to_owned(),
            };
            writeln!(
                text,
                "{} {} {} {:.2} {:.2} {rtt} {} {next} {}",
                state(upstream, now),
                health.successes,
                health.failures,
                health.ratio(),
                health.score(now),
                health.peers,
                upstream.url,
            )?;
        }
        Ok(())
    }
}

/// What stands in the way of asking a tracker.
fn state(upstream: &Upstream, now: Millis) -> &'static str {
    match upstream.barred {
        Some((_, until)) if until > now => "barred",
        _ if !upstream.is_open(now) => "unlisted",
        _ if upstream.health.paused > now => "paused",
        _ if upstream.health.answered == 0 => "untried",
        _ => "good",
    }
}

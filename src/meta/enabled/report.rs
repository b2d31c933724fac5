//! How it goes, in words and figures.

use std::fmt::Write;

use super::directory::Upstream;
use super::engine::{Engine, Tally};
use super::swarm::Stand;
use crate::meta::{Dht, Millis, Outside};
use crate::types::Figure;

/// How it stands at a moment.
struct Sums {
    swarms: usize,
    public: usize,
    unproven: usize,
    clients: usize,
    peers: usize,
    lookups: usize,
    trackers: usize,
    open: usize,
}

impl Engine {
    /// Lines of what is passed on and of what is not, then one for each tracker that is known, the
    /// most useful first. `outside` is what the engine itself does not know.
    pub fn report(&self, now: Millis, outside: Outside) -> String {
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = self.lines(now, outside, &mut text);
        let _ = self.trackers(now, &mut text);
        text
    }

    /// The same in numbers, without single trackers.
    pub fn figures(&self, now: Millis, outside: Outside) -> Vec<Figure> {
        let standing = self.standing(now, outside.nodes);
        let standing = standing.map(|(name, help, n)| (name, help, number(n), false));
        let tallied = self.tallied(outside.unheard);
        let tallied = tallied.map(|(name, help, n)| (name, help, n, true));
        let all = standing.into_iter().chain(tallied);
        all.map(|(name, help, value, grows)| Figure {
            name,
            help,
            grows,
            value,
        })
        .collect()
    }

    /// What there is at present.
    #[rustfmt::skip]
    fn standing(&self, now: Millis, nodes: usize) -> [(&'static str, &'static str, usize); 9] {
        let sums = self.sums(now);
        [
            ("swarms", "Torrents that others are asked about.", sums.swarms),
            ("swarms_public", "Those that were proven public.", sums.public),
            ("swarms_unproven", "Those that may be private.", sums.unproven),
            ("clients", "Peers of ours that wish to know.", sums.clients),
            ("peers", "Peers that others told of.", sums.peers),
            ("trackers", "Other trackers that are known.", sums.trackers),
            ("trackers_open", "Those that may be asked.", sums.open),
            ("dht_nodes", "Nodes known of the distributed hash table.", nodes),
            ("dht_lookups", "Torrents being looked up there.", sums.lookups),
        ]
    }

    /// What has happened so far.
    #[rustfmt::skip]
    fn tallied(&self, unheard: u32) -> [(&'static str, &'static str, u32); 8] {
        let tally = self.tally;
        [
            ("echoes", "Wishes that were our own, come round.", tally.echoes),
            ("over_quota", "Wishes of clients with too many torrents.", tally.over_quota),
            ("crowded", "Wishes for torrents with too many clients.", tally.crowded),
            ("proofs_failed", "Torrents that were not proven public.", tally.unproven),
            ("swarms_evicted", "Torrents that made room for others.", tally.evicted),
            ("overflows", "Questions for which there was no room.", tally.overflows),
            ("unheard", "Words for which workers had no room.", unheard),
            ("strays", "Datagrams that answered no question.", self.courier.strays),
        ]
    }

    fn sums(&self, now: Millis) -> Sums {
        let swarms = || self.swarms.values();
        let stands = |is_so: fn(&Stand) -> bool| swarms().filter(|s| is_so(&s.stand)).count();
        Sums {
            swarms: self.swarms.len(),
            public: stands(|stand| matches!(stand, Stand::Public(_))),
            unproven: stands(|stand| matches!(stand, Stand::Unproven(_))),
            clients: swarms().map(|swarm| swarm.clients.len()).sum(),
            peers: swarms().map(|swarm| swarm.pool.len()).sum(),
            lookups: swarms().filter(|swarm| swarm.dht.busy).count(),
            trackers: self.directory.len(),
            open: self
                .directory
                .iter()
                .filter(|(_, up)| up.is_open(now))
                .count(),
        }
    }

    fn lines(&self, now: Millis, outside: Outside, text: &mut String) -> std::fmt::Result {
        let Sums {
            swarms,
            public,
            unproven,
            clients,
            peers,
            lookups,
            trackers,
            open,
        } = self.sums(now);
        writeln!(
            text,
            "swarms {swarms} public {public} unproven {unproven} clients {clients} peers {peers}",
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
        let Outside { nodes, unheard } = outside;
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
        let pex = self.settings.pex;
        writeln!(text, "dht {dht} nodes {nodes} lookups {lookups} pex {pex}")?;
        writeln!(text, "trackers {trackers} open {open}")
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

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
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

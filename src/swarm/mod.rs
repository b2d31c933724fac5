//! stand-in
use crate::types::*;
use std::collections::{BTreeMap, HashMap};
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    pub peer_secs_max: Seconds,
}
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    pub torrents: usize,
    pub seeders: usize,
    pub leechers: usize,
}
#[derive(Clone, Copy, Debug, Default)]
pub struct Swept {
    pub more: bool,
}
pub struct Shard {
    t: HashMap<InfoHash, (u32, BTreeMap<PeerAddr, bool>)>,
}
impl Shard {
    pub fn new(_seed: [u64; 2], _l: Limits, _now: Seconds) -> Shard {
        Shard { t: HashMap::new() }
    }
    pub fn announce(&mut self, now: Seconds, a: &Announce, found: &mut Peers) -> Counts {
        found.clear();
        let t = self.t.entry(a.info_hash).or_default();
        if a.event == Event::Stopped {
            t.1.remove(&a.peer);
        } else {
            if a.event == Event::Completed {
                t.0 += 1;
            }
            t.1.insert(a.peer, a.seeder);
            for (p, _) in
                t.1.iter()
                    .filter(|p| *p.0 != a.peer)
                    .take(a.want.numwant as usize)
            {
                match p {
                    PeerAddr::V4(b) => found.v4.extend(b),
                    PeerAddr::V6(b) => found.v6.extend(b),
                }
            }
        }
        self.scrape(now, &a.info_hash).unwrap_or_default()
    }
    pub fn scrape(&mut self, _now: Seconds, h: &InfoHash) -> Option<Counts> {
        self.t.get(h).map(|t| {
            let s = t.1.values().filter(|s| **s).count() as u32;
            Counts {
                seeders: s,
                leechers: t.1.len() as u32 - s,
                completed: t.0,
            }
        })
    }
    pub fn sweep(&mut self, _now: Seconds) -> Swept {
        Swept::default()
    }
    pub fn totals(&self) -> Totals {
        Totals {
            torrents: self.t.len(),
            ..Default::default()
        }
    }
}

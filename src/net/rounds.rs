//! What goes round all workers, to be brought back by the router: sheets, pages, lists.

use std::sync::PoisonError;

use crate::api::Present;
use crate::net::desk::Desk;
use crate::net::inquiry::Inquiry;
use crate::router::Page;
use crate::stats::{Count, Networks, Sheet, Tally, Top};
use crate::swarm::{Cursor, PeersCursor, Shard};
use crate::sys::clock;
use crate::types::{Entry, Family, InfoHash, PeerAddr, Peers};

/// Torrents of a page, all workers together. They and what it takes to choose them are some two
/// megabytes at most, for as long as somebody reads the page.
const PAGE_ENTRIES_MAX: usize = 20_000;

/// Torrents looked at in one step, and peers of large swarms: some tens of microseconds.
const TORRENTS_A_STEP: usize = 2000;
const PEERS_A_STEP: usize = 200;

/// What a connection needs a round for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quest {
    /// The sheets of all workers.
    Sheet,
    /// The torrents that follow this one in the order of info-hashes.
    Page(Option<InfoHash>),
    /// The largest torrents.
    Top,
    /// The networks with the most peers.
    Networks,
    /// The networks from which announces came too early.
    Woodpeckers,
    /// Requests that were kept.
    Requests,
}

/// A quest under way: what was found at the workers it has been to.
pub enum Round {
    /// See [`Quest::Sheet`].
    Sheet(Option<Box<Sheet>>),
    /// See [`Quest::Page`].
    Page(Page),
    /// See [`Quest::Top`].
    Top(Top, Cursor),
    /// See [`Quest::Networks`].
    Networks(Networks, PeersCursor, Peers),
    /// See [`Quest::Woodpeckers`].
    Woodpeckers(Networks),
    /// See [`Quest::Requests`].
    Requests(Vec<u8>),
    /// What the management API wants to know.
    Inquiry(Present<Box<Inquiry>>),
}

impl Quest {
    /// What each of so many workers is sent.
    pub fn begin(self, workers: usize) -> Round {
        match self {
            Quest::Sheet => Round::Sheet(None),
            Quest::Page(after) => {
                let entries_max = PAGE_ENTRIES_MAX.div_ceil(workers);
                Round::Page(Page::new(after, entries_max))
            }
            Quest::Top => Round::Top(Top::default(), Cursor::default()),
            Quest::Networks => Round::Networks(
                Networks::default(),
                PeersCursor::default(),
                Peers::default(),
            ),
            Quest::Woodpeckers => Round::Woodpeckers(Networks::default()),
            Quest::Requests => Round::Requests(Vec::new()),
        }
    }
}

impl Round {
    /// Does a turn's worth at a worker; whether that was all.
    pub fn attend(&mut self, shard: &Shard, desk: &mut Desk) -> bool {
        match self {
            Round::Sheet(to) => {
                *to = Some(Box::new(sheet(shard, desk)));
                true
            }
            Round::Page(page) => page.step(desk.now, shard),
            Round::Top(top, cursor) => {
                let all = &InfoHash::ALL;
                let next = shard.walk(desk.now, *cursor, TORRENTS_A_STEP, all, |torrent| {
                    top.note(torrent.info_hash(), &torrent.counts());
                });
                *cursor = next.unwrap_or_default();
                next.is_none()
            }
            Round::Networks(networks, cursor, peers) => {
                peers.clear();
                let more = shard.walk_peers(cursor, PEERS_A_STEP, peers);
                let (bytes, _) = peers.v4.as_chunks();
                for address in bytes.iter().map(|bytes| PeerAddr::V4(*bytes).ip()) {
                    networks.count(address);
                }
                !more
            }
            Round::Woodpeckers(networks) => {
                *networks = desk.woodpeckers.clone();
                true
            }
            Round::Inquiry(inquiry) => inquiry.attend(shard, desk),
            Round::Requests(text) => {
                *text = desk.requests.take();
                true
            }
        }
    }
}

/// The sum of all sheets.
pub fn sheets(parts: &[Round]) -> Sheet {
    let sheets = parts.iter().filter_map(|part| match part {
        Round::Sheet(sheet) => sheet.as_deref(),
        _ => None,
    });
    Sheet::sum(sheets)
}

/// The torrents of a page, in no order, and the last of them unless it is the last page.
pub fn page(parts: Vec<Round>) -> (Vec<Entry>, Option<InfoHash>) {
    Page::join(parts.into_iter().filter_map(|part| match part {
        Round::Page(page) => Some(page),
        _ => None,
    }))
}

/// The largest torrents of all.
pub fn top(parts: &[Round]) -> Top {
    let mut sum = Top::default();
    for part in parts {
        if let Round::Top(top, _) = part {
            sum.merge(top);
        }
    }
    sum
}

/// The busiest networks of all.
pub fn networks(parts: &[Round]) -> Networks {
    let mut sum = Networks::default();
    for part in parts {
        if let Round::Networks(networks, ..) | Round::Woodpeckers(networks) = part {
            sum.merge(networks);
        }
    }
    sum
}

/// All requests that were kept.
pub fn requests(parts: Vec<Round>) -> Vec<u8> {
    let texts = parts.into_iter().map(|part| match part {
        Round::Requests(text) => text,
        _ => Vec::new(),
    });
    texts.collect::<Vec<_>>().concat()
}

fn sheet(shard: &Shard, desk: &Desk) -> Sheet {
    let totals = shard.totals();
    let mut counters = desk.counters.clone();
    if let Some(beside) = &desk.beside {
        counters.merge(&beside.lock().unwrap_or_else(PoisonError::into_inner));
    }
    for family in [Family::V4, Family::V6] {
        let curbs = shard.curbs(family);
        counters.add(family, Count::Early, curbs.early);
        counters.add(family, Count::SwarmFull, curbs.full);
        counters.add(family, Count::AddressFull, curbs.crowded);
    }
    Sheet {
        counters,
        traffic: desk.traffic.clone(),
        pass: desk.pass,
        numwants: desk.numwants.clone(),
        renewals: Tally(*shard.renewals()),
        torrents: totals.torrents.into(),
        seeders: totals.seeders.into(),
        leechers: totals.leechers.into(),
        completed: totals.completed,
        bytes: shard.held().bytes as u64,
        bytes_max: match shard.room().bytes {
            usize::MAX => 0,
            bytes => bytes as u64,
        },
        workers: vec![(desk.worker, clock::thread_cpu_micros())],
    }
}

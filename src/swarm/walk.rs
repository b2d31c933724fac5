//! Walks: everything that is stored, shown a little at a time.

use std::ops::RangeInclusive;

use crate::types::{Counts, InfoHash, PeerAddr, Peers, Seconds};

use super::block;
use super::clock::Moment;
use super::crowd::Crowd;
use super::hash::Keys;
use super::peer::Peer;
use super::store::Store;
use super::table::Table;
use super::torrent::{Shape, Torrent};

/// A place in a walk over the torrents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor(u32);

/// A torrent as a walk shows it.
pub struct Seen<'a> {
    store: &'a Store,
    torrent: &'a Torrent,
    /// Until when a torrent that loses its last peer now is remembered.
    keep: Seconds,
}

impl Seen<'_> {
    /// Its name.
    pub fn info_hash(&self) -> InfoHash {
        self.torrent.info_hash()
    }

    /// What a scrape tells of it.
    pub fn counts(&self) -> Counts {
        self.store.census(self.torrent)
    }

    /// How long it has had no peers.
    pub fn idle_secs(&self) -> Seconds {
        match self.torrent.shape() {
            Shape::Memory(until) => self.keep.saturating_sub(until),
            _ => 0,
        }
    }
}

/// How far a walk over the peers has got.
#[derive(Clone, Debug)]
pub struct PeersCursor {
    /// The hash to go on at; `None` when all torrents were met.
    next: Option<u32>,
    /// Crowds that were met and are still to be walked through.
    pub(super) crowds: Vec<InfoHash>,
    /// In the last of these: which of the four tables, and from which hash on.
    within: (u8, u32),
}

impl Default for PeersCursor {
    fn default() -> PeersCursor {
        PeersCursor {
            next: Some(0),
            crowds: Vec::new(),
            within: (0, 0),
        }
    }
}

/// Who is shown peers.
pub trait Visitor {
    /// Those that follow are of this torrent; it may come again with others.
    fn torrent(&mut self, torrent: &Torrent);
    /// One of them, perhaps silent for too long.
    fn peer<P: Peer>(&mut self, peer: &P);
}

impl Visitor for Peers {
    fn torrent(&mut self, _: &Torrent) {}

    fn peer<P: Peer>(&mut self, peer: &P) {
        peer.append(self);
    }
}

impl Store {
    pub(super) fn walk(
        &self,
        cursor: Cursor,
        slots: usize,
        keep: Seconds,
        among: &RangeInclusive<InfoHash>,
        mut show: impl FnMut(&Seen<'_>),
    ) -> Option<Cursor> {
        let first_words = first_word(among.start())..=first_word(among.end());
        let wanted = |torrent: &Torrent| first_words.contains(&torrent.first_word());
        let show = |torrent: &Torrent| {
            if among.contains(&torrent.info_hash()) {
                show(&Seen {
                    store: self,
                    torrent,
                    keep,
                });
            }
        };
        self.torrents
            .walk(&self.keys, cursor.0, slots, wanted, show)
            .map(Cursor)
    }

    pub(super) fn walk_peers(
        &self,
        cursor: &mut PeersCursor,
        slots: usize,
        visitor: &mut impl Visitor,
    ) -> bool {
        if let Some(info_hash) = cursor.crowds.last() {
            match self.crowd(info_hash) {
                Some((torrent, crowd)) if cursor.within.0 < 4 => {
                    visitor.torrent(torrent);
                    crowd.walk(&self.keys, &mut cursor.within, slots, visitor);
                }
                _ => {
                    cursor.crowds.pop();
                    cursor.within = (0, 0);
                }
            }
            return true;
        }
        let Some(from) = cursor.next else {
            return false;
        };
        cursor.next = self.torrents.walk(
            &self.keys,
            from,
            slots,
            |_| true,
            |torrent| {
                visitor.torrent(torrent);
                match torrent.shape() {
                    Shape::One(peer) => visitor.peer(&peer),
                    Shape::Block(handle, lens) => {
                        let lists = block::lists(self.pool.words(handle), lens);
                        lists.v4.iter().for_each(|peer| visitor.peer(peer));
                        lists.v6.iter().for_each(|peer| visitor.peer(peer));
                    }
                    Shape::Crowd(_) => cursor.crowds.push(torrent.info_hash()),
                    Shape::Memory(_) => {}
                }
            },
        );
        true
    }

    pub(super) fn look(
        &self,
        info_hash: &InfoHash,
        moment: Moment,
        peers_max: usize,
    ) -> Option<(Counts, Vec<(PeerAddr, bool)>)> {
        let torrent = self.torrent(self.find(info_hash)?);
        let mut peers = Vec::new();
        match torrent.shape() {
            Shape::One(peer) => show(&[peer], moment, peers_max, &mut peers),
            Shape::Block(handle, lens) => {
                let lists = block::lists(self.pool.words(handle), lens);
                show(lists.v4, moment, peers_max, &mut peers);
                show(lists.v6, moment, peers_max, &mut peers);
            }
            Shape::Crowd(number) => {
                let Crowd { v4, v6, .. } = &self.crowds[number as usize][0];
                show(v4.iter(), moment, peers_max, &mut peers);
                show(v6.iter(), moment, peers_max, &mut peers);
            }
            Shape::Memory(_) => {}
        }
        Some((self.census(torrent), peers))
    }

    /// The crowd of a torrent, if it still has one.
    fn crowd(&self, info_hash: &InfoHash) -> Option<(&Torrent, &Crowd)> {
        let torrent = self.torrent(self.find(info_hash)?);
        match torrent.shape() {
            Shape::Crowd(number) => Some((torrent, &self.crowds[number as usize][0])),
            _ => None,
        }
    }
}

/// Appends the first of these peers that are not silent for too long.
fn show<'a, P: Peer>(
    peers: impl IntoIterator<Item = &'a P>,
    moment: Moment,
    peers_max: usize,
    shown: &mut Vec<(PeerAddr, bool)>,
) {
    let mut found = Peers::default();
    // Where most are silent, nobody wants to look through millions of them.
    let awake = peers
        .into_iter()
        .take(peers_max.saturating_mul(8))
        .filter(|peer| !moment.is_stale(peer.state()));
    for peer in awake.take(peers_max) {
        found.clear();
        peer.append(&mut found);
        shown.extend(found.iter().map(|addr| (addr, peer.is_seeder())));
    }
}

fn first_word(info_hash: &InfoHash) -> u32 {
    Torrent::new(info_hash, Shape::Memory(0)).first_word()
}

impl Crowd {
    /// Shows some peers of the table `at` names, from the hash it names on, and moves it on; past
    /// the fourth when all have been shown.
    fn walk(&self, keys: &Keys, at: &mut (u8, u32), slots: usize, visitor: &mut impl Visitor) {
        let next = match at.0 {
            0 => visit(&self.v4.seeders, keys, at.1, slots, visitor),
            1 => visit(&self.v4.leechers, keys, at.1, slots, visitor),
            2 => visit(&self.v6.seeders, keys, at.1, slots, visitor),
            _ => visit(&self.v6.leechers, keys, at.1, slots, visitor),
        };
        *at = next.map_or((at.0 + 1, 0), |hash| (at.0, hash));
    }
}

fn visit<P: Peer>(
    table: &Table<P>,
    keys: &Keys,
    from: u32,
    slots: usize,
    visitor: &mut impl Visitor,
) -> Option<u32> {
    table.walk(keys, from, slots, |_| true, |peer| visitor.peer(peer))
}

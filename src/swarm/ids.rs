//! The ids that peers give themselves (BEP 3), beside the store: only some operators want them
//! kept, and only answers that are not compact tell them.
//!
//! ```text
//!   │ print 8 │ id 20 │ 1 · stamp 13 │     32 bytes
//! ```
//!
//! An id is found by a print of torrent and peer, 64 bits of a keyed hash, so that of two million
//! million pairs two may be taken for each other. It carries its peer's stamp and so goes when the
//! peer does: at once when this stops, else with a sweep of its own, in step with the store's.

use crate::types::{InfoHash, PeerAddr, PeerId, Peers};

use super::clock::Moment;
use super::hash::Keys;
use super::ledger::Ledger;
use super::peer::STAMP;
use super::sweep::END;
use super::table::{Slot, Table};

/// Slots that are swept before the budget is looked at again.
const SLOTS_PER_STEP: usize = 256;
/// What a slot costs to look at, in IPv4 slots of a crowd.
const COST: usize = 4;

/// The ids of one shard's peers, as far as they are kept.
pub struct Ids {
    keys: [Keys; 2],
    table: Table<Named>,
    /// How far the sweep has got.
    at: u64,
}

/// Somebody's id.
#[derive(Clone, Copy)]
struct Named {
    print: [u32; 2],
    id: PeerId,
    state: u32,
}

/// Tells a stamp of 0 from a free slot.
const TAKEN: u32 = 1 << 31;

impl Ids {
    /// None yet; they take no memory then.
    pub fn new(seed: u64) -> Ids {
        Ids {
            keys: [Keys::new(seed), Keys::new(!seed)],
            table: Table::new(),
            at: 0,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// The memory they take.
    #[cfg(test)]
    pub fn cost(&self) -> usize {
        self.table.cost()
    }

    /// How many there are, those included that wait for the sweep.
    #[cfg(test)]
    pub fn len(&self) -> u32 {
        self.table.len()
    }

    /// Notes the id of a peer that is kept until the tick of `state`, or with `None` that it has
    /// none.
    pub fn note(
        &mut self,
        ledger: &mut Ledger,
        info_hash: &InfoHash,
        peer: PeerAddr,
        id: Option<PeerId>,
        state: u32,
    ) {
        let mut named = self.named(info_hash, peer);
        let known = self.table.find(named.print[0], &named);
        match (known, id) {
            (known, Some(id)) => {
                named.id = id;
                named.state = TAKEN | state & STAMP;
                match known {
                    Some(place) => *self.table.at_mut(place) = named,
                    None => {
                        let max = ledger.hold_back();
                        // Where there is no room, peers come first.
                        let _ = (self.table).insert(&self.keys[0], ledger, named.print[0], named);
                        ledger.set_max(max);
                    }
                }
            }
            (Some(place), None) => {
                self.table.remove(&self.keys[0], ledger, place);
            }
            (None, None) => {}
        }
    }

    /// The id of a peer, if it is kept.
    pub fn id(&self, info_hash: &InfoHash, peer: PeerAddr) -> Option<PeerId> {
        let named = self.named(info_hash, peer);
        let place = self.table.find(named.print[0], &named)?;
        Some(self.table.at(place).id)
    }

    /// Adds their ids to the peers of an answer.
    pub fn tell(&self, info_hash: &InfoHash, found: &mut Peers) {
        let mut ids = std::mem::take(&mut found.ids);
        ids.extend(found.iter().map(|peer| {
            let named = self.named(info_hash, peer);
            let place = self.table.find(named.print[0], &named)?;
            Some(self.table.at(place).id)
        }));
        found.ids = ids;
    }

    /// Lets the ids of peers go that have been silent for too long, up to those of the hash `to`
    /// or until the budget is used up. True when it got there.
    pub fn sweep(
        &mut self,
        ledger: &mut Ledger,
        to: u64,
        moment: Moment,
        budget: &mut usize,
    ) -> bool {
        while *budget > 0 && self.at < to {
            let Some(stretch) = self.table.stretch(self.at as u32, SLOTS_PER_STEP) else {
                self.at = END;
                break;
            };
            let stays = |named: &Named| !moment.is_stale(named.state);
            let dropped = (self.table).retain(&self.keys[0], ledger, stretch, stays);
            *budget = budget.saturating_sub(COST * (SLOTS_PER_STEP + dropped));
            self.at = stretch.next.map_or(END, u64::from);
        }
        self.at >= to
    }

    /// The sweep begins again.
    pub fn begin_pass(&mut self) {
        self.at = 0;
    }

    /// A slot with the key of this peer.
    fn named(&self, info_hash: &InfoHash, peer: PeerAddr) -> Named {
        let mut bytes = [0; 40];
        bytes[..20].copy_from_slice(&info_hash.0);
        let peer = peer.bytes();
        // Or an IPv6 peer that begins with zeros could pass for an IPv4 one.
        bytes[20] = peer.len() as u8;
        bytes[40 - peer.len()..].copy_from_slice(peer);
        let (chunks, _) = bytes.as_chunks();
        let mut words = [0; 10];
        words
            .iter_mut()
            .zip(chunks)
            .for_each(|(word, bytes)| *word = u32::from_be_bytes(*bytes));
        Named {
            print: [self.keys[0].hash(words), self.keys[1].hash(words)],
            ..Named::EMPTY
        }
    }
}

impl Slot for Named {
    const EMPTY: Self = Named {
        print: [0; 2],
        id: [0; 20],
        state: 0,
    };
    const FULL: usize = 116;
    const ROOMY: usize = 107;

    fn is_empty(&self) -> bool {
        self.state == 0
    }

    fn is_same(&self, other: &Self) -> bool {
        self.print == other.print
    }

    fn hash(&self, _: &Keys) -> u32 {
        self.print[0]
    }
}

const _: () = assert!(size_of::<Named>() == 32);

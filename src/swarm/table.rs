//! A hash table that grows and shrinks in small steps.
//!
//! ```text
//!   top bits of the hash      directory        segments
//!                    00 ───►  │ · │ ────────►  │▒▒▒▒▒▒▒ │
//!                    01 ───►  │ · │ ────────►  │▒▒▒▒ │
//!                    10 ───►  │ · │ ───┬────►  │▒▒▒▒▒▒▒▒▒ │   one bit shared: both point here
//!                    11 ───►  │ · │ ───┘
//! ```
//!
//! Extendible hashing: a segment that is full moves to a slightly larger allocation, and one that
//! has reached its greatest size is split in two by the next bit of the hash. Emptied ones move
//! to smaller allocations and merge again, later than they were split. Whatever the number of
//! slots, no step touches more than one or two segments, of 144 KB at most, the tables are some
//! 90 % full at all times, and their memory goes back.

use std::mem;

use super::hash::Keys;
use super::ledger::{Full, Ledger, cost};
use super::segment::Segment;

/// What a table holds: small plain values that know their key.
pub trait Slot: Copy {
    /// What a free slot holds.
    const EMPTY: Self;
    /// How many of 128 slots are in use when a segment grows.
    const FULL: usize;
    /// How many of 128 slots are in use when it has grown.
    const ROOMY: usize;

    /// Whether this is no value but a free slot.
    fn is_empty(&self) -> bool;
    /// Whether both have the same key.
    fn is_same(&self, other: &Self) -> bool;
    /// The hash of the key.
    fn hash(&self, keys: &Keys) -> u32;
}

/// More directory bits than any honest number of slots needs: keys chosen to share a segment, if
/// that could be done, would cost time and not memory.
const DEPTH_MAX: u32 = 20;

/// The table.
pub struct Table<S> {
    /// Which segment holds the hashes that begin with these `depth` bits.
    directory: Vec<u32>,
    segments: Vec<Segment<S>>,
    depth: u32,
    len: u32,
}

/// Where a slot is, until the table is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    segment: usize,
    slot: usize,
}

/// Some slots in a row.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// The place to look at now.
    pub place: Place,
    /// How many slots are still to be looked at.
    left: usize,
    /// How many may follow, up to the next free one.
    overhang: usize,
    /// The hash at which the next stretch begins; `None` when this is the last.
    pub next: Option<u32>,
}

impl<S: Slot> Table<S> {
    /// A table that owns no memory yet.
    pub const fn new() -> Table<S> {
        Table {
            directory: Vec::new(),
            segments: Vec::new(),
            depth: 0,
            len: 0,
        }
    }

    /// Slots in use.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// How many slots of the fullest segment are in use.
    pub fn fullest(&self) -> usize {
        self.segments.iter().map(Segment::len).max().unwrap_or(0)
    }

    /// Whether it is one segment at most.
    pub fn is_small(&self) -> bool {
        self.segments.len() <= 1
    }

    /// The slot with the key of `key`.
    pub fn find(&self, hash: u32, key: &S) -> Option<Place> {
        self.find_by(hash, |slot| slot.is_same(key))
    }

    /// The slot of this hash that `wanted` takes.
    pub fn find_by(&self, hash: u32, wanted: impl Fn(&S) -> bool) -> Option<Place> {
        let segment = self.segment_of(hash);
        let slot = self.segments.get(segment)?.find(hash, wanted)?;
        Some(Place { segment, slot })
    }

    /// What lies at a place.
    pub fn at(&self, place: Place) -> &S {
        self.segments[place.segment].at(place.slot)
    }

    /// The same, to change all but its key.
    pub fn at_mut(&mut self, place: Place) -> &mut S {
        self.segments[place.segment].at_mut(place.slot)
    }

    /// All slots in use, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &S> {
        self.segments
            .iter()
            .flat_map(Segment::slots)
            .filter(|slot| !slot.is_empty())
    }

    /// Puts in a slot whose key is not in the table.
    pub fn insert(
        &mut self,
        keys: &Keys,
        ledger: &mut Ledger,
        hash: u32,
        new: S,
    ) -> Result<Place, Full> {
        if self.segments.is_empty() {
            self.found(ledger)?;
        }
        if self.segments[self.segment_of(hash)].is_full() {
            self.grow(keys, ledger, self.segment_of(hash))?;
        }
        self.len += 1;
        let segment = self.segment_of(hash);
        Ok(Place {
            segment,
            slot: self.segments[segment].put(hash, new),
        })
    }

    /// Takes a slot out. Memory is given back by [`Table::retain`], but for the very last.
    pub fn remove(&mut self, keys: &Keys, ledger: &mut Ledger, place: Place) -> S {
        self.len -= 1;
        let taken = self.segments[place.segment].take(keys, place.slot);
        self.close(ledger);
        taken
    }

    /// Keeps of a stretch what `keep` says, and gives memory back at the end of a segment, where
    /// all of it has been seen. Returns how many slots were dropped.
    pub fn retain(
        &mut self,
        keys: &Keys,
        ledger: &mut Ledger,
        stretch: Stretch,
        keep: impl FnMut(&S) -> bool,
    ) -> usize {
        let Place { segment, slot } = stretch.place;
        let ends_segment = self.ends_segment(&stretch);
        let dropped = self.segments[segment].retain(keys, slot, stretch.left, keep);
        self.len -= dropped;
        if ends_segment {
            self.settle(keys, ledger, segment);
        }
        dropped as usize
    }

    /// Whether the stretch reaches to the end of its segment.
    pub fn ends_segment(&self, stretch: &Stretch) -> bool {
        let Place { segment, slot } = stretch.place;
        slot + stretch.left == self.segments[segment].capacity()
    }

    /// Shows, of about `slots` slots from the hash `from` on, those that are `wanted`; returns
    /// where to go on, `None` at the end. What stays in the table is shown once, also when others
    /// come and go in between.
    pub fn walk(
        &self,
        keys: &Keys,
        from: u32,
        slots: usize,
        wanted: impl Fn(&S) -> bool,
        mut show: impl FnMut(&S),
    ) -> Option<u32> {
        let mut stretch = self.stretch(from, slots)?;
        let next = stretch.next;
        while self.find_next(&mut stretch) {
            let slot = self.at(stretch.place);
            if wanted(slot) {
                let hash = slot.hash(keys);
                // Others lie here too: those before were shown already, those after will be.
                if hash >= from && next.is_none_or(|next| hash < next) {
                    show(slot);
                }
            }
            self.advance(&mut stretch);
        }
        next
    }

    /// The stretch that begins with the hash `from` and has about `slots` slots. Stretches that
    /// follow each other from 0 to the end meet every slot that stays in the table, also when
    /// others come and go in between; some are met twice.
    pub fn stretch(&self, from: u32, slots: usize) -> Option<Stretch> {
        let segment = self.segment_of(from);
        let home = self.segments.get(segment)?;
        let slot = home.home(from);
        let left = slots.clamp(1, home.capacity() - slot);
        let overhang = home.capacity() - left;
        let next = home.first_hash(slot + left);
        Some(Stretch {
            place: Place { segment, slot },
            left,
            overhang,
            next,
        })
    }

    /// Whether there is something at the stretch's place; free slots are passed over.
    pub fn find_next(&self, stretch: &mut Stretch) -> bool {
        while self.at(stretch.place).is_empty() {
            if stretch.left == 0 {
                return false;
            }
            self.advance(stretch);
        }
        stretch.left + stretch.overhang > 0
    }

    /// Moves on to the stretch's next slot.
    pub fn advance(&self, stretch: &mut Stretch) {
        match stretch.left.checked_sub(1) {
            Some(left) => stretch.left = left,
            None => stretch.overhang = stretch.overhang.saturating_sub(1),
        }
        stretch.place.slot = self.segments[stretch.place.segment].next(stretch.place.slot);
    }

    /// The place, perhaps free, where this hash belongs; the table must not be empty.
    pub fn home(&self, hash: u32) -> Place {
        let segment = self.segment_of(hash);
        Place {
            segment,
            slot: self.segments[segment].home(hash),
        }
    }

    /// The next place of all, free or not, round the end of the table.
    pub fn next(&self, place: Place) -> Place {
        let segment = &self.segments[place.segment];
        if place.slot + 1 < segment.capacity() {
            return Place {
                slot: place.slot + 1,
                ..place
            };
        }
        Place {
            segment: self.segment_of(segment.first_hash(segment.capacity()).unwrap_or(0)),
            slot: 0,
        }
    }

    /// A place, free or not, in the segment of this hash; `None` if there is no memory yet.
    pub fn beside(&self, hash: u32, random: u32) -> Option<Place> {
        let segment = self.segment_of(hash);
        let capacity = self.segments.get(segment)?.capacity() as u64;
        let slot = ((u64::from(random) * capacity) >> 32) as usize;
        Some(Place { segment, slot })
    }

    /// The next place in the same segment, round its end.
    pub fn next_beside(&self, place: Place) -> Place {
        let slot = self.segments[place.segment].next(place.slot);
        Place { slot, ..place }
    }

    /// How many places there are in the same segment.
    pub fn capacity_beside(&self, place: Place) -> usize {
        self.segments[place.segment].capacity()
    }

    /// All of the segment of this hash.
    pub fn all_beside(&self, hash: u32) -> Option<Stretch> {
        let prefix = self.segments.get(self.segment_of(hash))?.prefix;
        self.stretch(prefix, usize::MAX)
    }

    /// All slots, in use or not.
    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.segments.iter().map(Segment::capacity).sum()
    }

    /// The memory it takes.
    pub fn cost(&self) -> usize {
        let segments: usize = self.segments.iter().map(Segment::cost).sum();
        segments
            + cost::<Segment<S>>(self.segments.capacity())
            + cost::<u32>(self.directory.capacity())
    }

    /// Gives all memory back, whatever is in use.
    pub fn clear(&mut self, ledger: &mut Ledger) {
        ledger.credit(self.cost());
        *self = Table::new();
    }

    /// Takes the first memory.
    fn found(&mut self, ledger: &mut Ledger) -> Result<(), Full> {
        let result = (|| {
            ledger.reserve(&mut self.segments)?;
            ledger.reserve(&mut self.directory)?;
            Segment::with_room(ledger, 1, (0, 0), 0)
        })();
        match result {
            Ok(first) => {
                self.segments.push(first);
                self.directory.push(0);
                Ok(())
            }
            Err(full) => {
                self.clear(ledger);
                Err(full)
            }
        }
    }

    /// Moves the segment of this hash to the smallest allocation that will do, with hardly any
    /// room to grow, if it is larger.
    pub fn squeeze(&mut self, keys: &Keys, ledger: &mut Ledger, hash: u32) {
        let number = self.segment_of(hash);
        let Some(segment) = self.segments.get(number) else {
            return;
        };
        // As if it were to be emptier than it will.
        let len = segment.len() * S::ROOMY / (S::FULL - 1);
        if Segment::<S>::cost_with_room(len, segment.prefix) < segment.cost() {
            // Where there is no memory to move it to, it stays.
            let _ = self.resize(keys, ledger, number, len);
        }
    }

    /// Gives back what memory a segment no longer needs. Where there is none to move it to, it
    /// stays as it is.
    fn settle(&mut self, keys: &Keys, ledger: &mut Ledger, mut segment: usize) {
        while let Some(buddy) = self.buddy(keys, segment) {
            match self.merge(keys, ledger, segment, buddy) {
                Ok(merged) => segment = merged,
                Err(_) => break,
            }
        }
        let sparse = &self.segments[segment];
        if sparse.is_sparse() && !sparse.is_skewed(keys) {
            let _ = self.resize(keys, ledger, segment, sparse.len());
        }
        self.close(ledger);
    }

    /// Gives back all memory if nothing is in use and it is one step to do so.
    fn close(&mut self, ledger: &mut Ledger) {
        if self.len == 0 && self.is_small() {
            self.clear(ledger);
        }
    }

    fn segment_of(&self, hash: u32) -> usize {
        let top = u64::from(hash) << self.depth >> 32;
        self.directory
            .get(top as usize)
            .map_or(0, |&segment| segment as usize)
    }

    fn grow(&mut self, keys: &Keys, ledger: &mut Ledger, segment: usize) -> Result<(), Full> {
        let full = &self.segments[segment];
        let too_large = full.len() * 128 >= Segment::<S>::SLOTS_MAX * S::ROOMY;
        if too_large && full.depth < DEPTH_MAX {
            self.split(keys, ledger, segment)
        } else {
            self.resize(keys, ledger, segment, full.len() + 1)
        }
    }

    fn resize(
        &mut self,
        keys: &Keys,
        ledger: &mut Ledger,
        segment: usize,
        len: usize,
    ) -> Result<(), Full> {
        let old = &self.segments[segment];
        let mut new = Segment::with_room(ledger, len, (old.prefix, old.depth), old.cost())?;
        pour(keys, old, &mut new);
        mem::replace(&mut self.segments[segment], new).give_back(ledger);
        Ok(())
    }

    /// Splits a segment by the next bit of the hash.
    fn split(&mut self, keys: &Keys, ledger: &mut Ledger, segment: usize) -> Result<(), Full> {
        let old = &self.segments[segment];
        // At its limit the table is asked to grow again and again, so this must be quick.
        let half = Segment::<S>::cost_with_room(old.len() / 2 + 1, old.prefix);
        ledger.check(2 * half, old.cost())?;
        ledger.reserve(&mut self.segments)?;
        let old = &self.segments[segment];
        let depth = old.depth + 1;
        let bit = 1 << (32 - depth);
        let in_use = old.slots().iter().filter(|slot| !slot.is_empty());
        let upper_len = in_use
            .clone()
            .filter(|slot| slot.hash(keys) & bit != 0)
            .count();
        let mut wider = match depth > self.depth {
            true => ledger.take(self.directory.len() * 2, cost::<u32>(self.directory.len()))?,
            false => Vec::new(),
        };
        let lower = (old.len() - upper_len + 1, old.prefix);
        let upper = (upper_len + 1, old.prefix | bit);
        let Ok([mut lower, mut upper]) = pair(ledger, lower, upper, depth, old.cost()) else {
            ledger.give::<u32>(wider.capacity());
            return Err(Full::Bytes);
        };
        for slot in in_use {
            let hash = slot.hash(keys);
            if hash & bit != 0 {
                upper.put(hash, *slot)
            } else {
                lower.put(hash, *slot)
            };
        }
        mem::replace(&mut self.segments[segment], lower).give_back(ledger);
        self.segments.push(upper);
        if depth > self.depth {
            self.depth = depth;
            wider.extend(self.directory.iter().flat_map(|&entry| [entry; 2]));
            self.direct_by(wider, ledger);
        }
        self.point_to(self.segments.len() - 1);
        Ok(())
    }

    fn direct_by(&mut self, mut directory: Vec<u32>, ledger: &mut Ledger) {
        mem::swap(&mut self.directory, &mut directory);
        ledger.give::<u32>(directory.capacity());
    }

    /// The other half of what was split last, if the two are better off as one.
    fn buddy(&self, keys: &Keys, segment: usize) -> Option<usize> {
        let one = &self.segments[segment];
        let bit = if one.depth > 0 {
            1 << (32 - one.depth)
        } else {
            return None;
        };
        let buddy = self.segment_of(one.prefix ^ bit);
        let two = &self.segments[buddy];
        let both = one.len() + two.len();
        let fit = two.depth == one.depth
            && both * 128 < Segment::<S>::SLOTS_MAX * S::ROOMY / 4 * 3
            && one.len().max(two.len()) <= both * 3 / 4 + 16;
        (fit && !one.is_skewed(keys) && !two.is_skewed(keys)).then_some(buddy)
    }

    /// Makes one segment of two and says which.
    fn merge(
        &mut self,
        keys: &Keys,
        ledger: &mut Ledger,
        one: usize,
        two: usize,
    ) -> Result<usize, Full> {
        let [a, b] = [&self.segments[one], &self.segments[two]];
        let depth = a.depth - 1;
        let (len, bits) = (a.len() + b.len(), (a.prefix & b.prefix, depth));
        let mut merged = Segment::with_room(ledger, len, bits, a.cost() + b.cost())?;
        pour(keys, a, &mut merged);
        pour(keys, b, &mut merged);
        let (kept, gone) = (one.min(two), one.max(two));
        mem::replace(&mut self.segments[kept], merged).give_back(ledger);
        self.segments.swap_remove(gone).give_back(ledger);
        self.point_to(kept);
        if gone < self.segments.len() {
            self.point_to(gone);
        }
        if depth + 1 == self.depth
            && self.segments.iter().all(|s| s.depth <= depth)
            && let Ok(mut half) = ledger.take(self.directory.len() / 2, self.directory.len() * 4)
        {
            self.depth = depth;
            half.extend(self.directory.iter().step_by(2));
            self.direct_by(half, ledger);
        }
        Ok(kept)
    }

    /// Lets the directory's entries for a segment name it.
    fn point_to(&mut self, segment: usize) {
        let Segment { prefix, depth, .. } = self.segments[segment];
        let first = (u64::from(prefix) << self.depth >> 32) as usize;
        let entries = 1 << (self.depth - depth);
        self.directory[first..first + entries].fill(segment as u32);
    }
}

/// Two segments, each for so many slots with this prefix, in the place of one.
fn pair<S: Slot>(
    ledger: &mut Ledger,
    one: (usize, u32),
    two: (usize, u32),
    depth: u32,
    instead_of: usize,
) -> Result<[Segment<S>; 2], Full> {
    let cost = |(len, prefix)| Segment::<S>::cost_with_room(len, prefix);
    ledger.check(cost(one) + cost(two), instead_of)?;
    // The limit has been asked: that leaves the system.
    let first = Segment::with_room(ledger, one.0, (one.1, depth), usize::MAX)?;
    match Segment::with_room(ledger, two.0, (two.1, depth), usize::MAX) {
        Ok(second) => Ok([first, second]),
        Err(full) => {
            first.give_back(ledger);
            Err(full)
        }
    }
}

/// Copies all slots of one segment into another.
fn pour<S: Slot>(keys: &Keys, from: &Segment<S>, into: &mut Segment<S>) {
    for slot in from.slots().iter().filter(|slot| !slot.is_empty()) {
        into.put(slot.hash(keys), *slot);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Large slots make small segments.
    #[derive(Clone, Copy)]
    struct Fat {
        key: u32,
        value: u32,
        _rest: [u32; 98],
    }

    impl Fat {
        fn new(key: u32, value: u32) -> Fat {
            Fat {
                key,
                value,
                _rest: [0; 98],
            }
        }
    }

    impl Slot for Fat {
        const EMPTY: Self = Fat {
            key: 0,
            value: 0,
            _rest: [0; 98],
        };
        const FULL: usize = 121;
        const ROOMY: usize = 114;

        fn is_empty(&self) -> bool {
            self.value == 0
        }

        fn is_same(&self, other: &Self) -> bool {
            self.key == other.key
        }

        fn hash(&self, keys: &Keys) -> u32 {
            keys.hash([self.key])
        }
    }

    fn check(table: &mut Table<Fat>, keys: &Keys, ledger: &mut Ledger, model: &BTreeMap<u32, u32>) {
        let mut from = Some(0);
        while let Some(stretch) = from.and_then(|hash| table.stretch(hash, 1000)) {
            table.retain(keys, ledger, stretch, |_| true);
            from = stretch.next;
        }
        assert_eq!(table.len() as usize, model.len());
        let all: BTreeMap<_, _> = table.iter().map(|slot| (slot.key, slot.value)).collect();
        assert_eq!(&all, model);
        for (&key, &value) in model {
            let slot = Fat::new(key, 1);
            let place = table.find(slot.hash(keys), &slot).unwrap();
            assert_eq!(table.at(place).value, value);
        }
        let mut lens = 0;
        for (number, segment) in table.segments.iter().enumerate() {
            lens += segment.len();
            assert_eq!(table.segment_of(segment.prefix), number);
            assert!(segment.depth <= table.depth);
            assert!(segment.len() < segment.capacity());
            assert!(segment.capacity() <= Segment::<Fat>::SLOTS_MAX + 128);
            assert!(segment.capacity() <= 16 || segment.len() * 2 > segment.capacity());
        }
        assert_eq!(lens, model.len());
        assert_eq!(ledger.held(), table.cost());
        assert_eq!(
            table.directory.len(),
            if model.is_empty() {
                0
            } else {
                1 << table.depth
            }
        );
    }

    proptest! {
        #![proptest_config(crate::seeded(64))]

        #[test]
        fn holds_what_a_map_holds(
            seed: u64,
            steps in prop::collection::vec((any::<bool>(), 0..3000_u32, 1..1500_u32), 1..12),
        ) {
            let keys = Keys::new(seed);
            let (mut table, mut model) = (Table::new(), BTreeMap::new());
            let mut ledger = Ledger::new();
            for (add, first, count) in steps {
                for key in first..first + count {
                    let slot = Fat::new(key, first + 1);
                    let hash = slot.hash(&keys);
                    match (add, table.find(hash, &slot)) {
                        (true, Some(place)) => table.at_mut(place).value = slot.value,
                        (true, None) => {
                            let place = table.insert(&keys, &mut ledger, hash, slot).unwrap();
                            assert_eq!(table.at(place).key, key);
                        }
                        (false, Some(place)) => {
                            assert_eq!(table.remove(&keys, &mut ledger, place).key, key);
                        }
                        (false, None) => assert!(!model.contains_key(&key)),
                    }
                    if add { model.insert(key, slot.value) } else { model.remove(&key) };
                }
                check(&mut table, &keys, &mut ledger, &model);
            }
        }

        #[test]
        fn stretches_meet_everything(
            seed: u64,
            count in 1..4000_u32,
            slots in 1..700_usize,
            gone in 1..5_u32,
        ) {
            let keys = Keys::new(seed);
            let (mut table, mut ledger) = (Table::new(), Ledger::new());
            for key in 0..count {
                let slot = Fat::new(key, 1);
                table.insert(&keys, &mut ledger, slot.hash(&keys), slot).unwrap();
            }
            // Take every other one out on the way.
            let (mut from, mut met) = (Some(0), vec![0; count as usize]);
            while let Some(hash) = from {
                let Some(stretch) = table.stretch(hash, slots) else { break };
                let mut walk = stretch;
                while table.find_next(&mut walk) {
                    met[table.at(walk.place).key as usize] += 1;
                    table.advance(&mut walk);
                }
                table.retain(&keys, &mut ledger, stretch, |slot| slot.key % gone != 0);
                from = stretch.next;
            }
            assert!(met.iter().all(|&times| times > 0));
            let model = (0..count).filter(|key| key % gone != 0).map(|key| (key, 1)).collect();
            check(&mut table, &keys, &mut ledger, &model);
        }
    }

    /// The longest way from home to the next free slot.
    fn longest_probe(table: &Table<[u32; 2]>) -> usize {
        let longest = |segment: &Segment<[u32; 2]>| {
            let slots = segment.slots();
            slots
                .split(|slot| slot.is_empty())
                .map(<[_]>::len)
                .max()
                .unwrap_or(0)
        };
        table.segments.iter().map(longest).max().unwrap_or(0)
    }

    #[test]
    #[cfg_attr(miri, ignore = "too much of the same for Miri")]
    fn chosen_keys_make_no_long_probes() {
        let keys = Keys::new(77);
        let fill = |key: &dyn Fn(u32) -> [u32; 2]| {
            let (mut table, mut ledger) = (Table::new(), Ledger::new());
            for number in 0..100_000 {
                let slot = key(number);
                table
                    .insert(&keys, &mut ledger, slot.hash(&keys), slot)
                    .unwrap();
            }
            longest_probe(&table)
        };
        let mut dice = crate::swarm::dice::Dice::new(5);
        let dice = std::cell::RefCell::new(&mut dice);
        let random = fill(&|_| [dice.borrow_mut().word(), 1 << 16]);
        for (name, chosen) in [
            ("consecutive", fill(&|n| [n, 1 << 16])),
            ("prefix", fill(&|n| [n << 12 | 0xabc, 1 << 16])),
            (
                "ports",
                fill(&|n| [0x7f00_0001 + n / 60_000, (n % 60_000 + 1) << 16]),
            ),
        ] {
            assert!(chosen < random * 3, "{name}: {chosen}, random: {random}");
        }
    }
}

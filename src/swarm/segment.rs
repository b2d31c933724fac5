//! One piece of a [`Table`](super::table::Table): open addressing in an allocation of its own.
//!
//! ```text
//!                hash  │ depth bits: which segment │ the rest: home slot │
//!
//!   slots   │ a │ a'│ b │   │   │ d │ d'│ d"│ e │   │ h │ ↺
//!             └ homes rise with the hash ─────────────►
//! ```
//!
//! A slot's home is the rest of its hash scaled to the capacity, which may be any number; it lies
//! in the first free slot from there. So the slots from one home to another, and on to the next
//! free slot, hold all hashes between: a segment can be walked by hash while it changes. Removal
//! moves later slots back and leaves no marks.

use super::hash::Keys;
use super::ledger::{Full, Ledger, cost, filled};
use super::table::Slot;

/// Some slots, at least one of which is free.
pub struct Segment<S> {
    slots: Box<[S]>,
    len: u32,
    /// The bits of the hash that all slots share, at the top.
    pub prefix: u32,
    /// How many bits these are.
    pub depth: u32,
}

impl<S: Slot> Segment<S> {
    /// The most slots of a segment that may be split instead.
    pub const SLOTS_MAX: usize = (144 << 10) / size_of::<S>();

    /// A segment with room for `len` slots and some more, in the place of one or two that took
    /// `instead_of` bytes and are about to be given back.
    pub fn with_room(
        ledger: &mut Ledger,
        len: usize,
        (prefix, depth): (u32, u32),
        instead_of: usize,
    ) -> Result<Segment<S>, Full> {
        let capacity = room(len, prefix, size_of::<S>(), S::ROOMY);
        let mut slots = ledger.take(capacity, instead_of)?;
        slots.resize(capacity, S::EMPTY);
        Ok(Segment {
            slots: slots.into_boxed_slice(),
            len: 0,
            prefix,
            depth,
        })
    }

    /// What [`Segment::with_room`] takes.
    pub fn cost_with_room(len: usize, prefix: u32) -> usize {
        cost::<S>(room(len, prefix, size_of::<S>(), S::ROOMY))
    }

    /// The memory it takes.
    pub fn cost(&self) -> usize {
        cost::<S>(self.capacity())
    }

    /// Gives its memory back.
    pub fn give_back(self, ledger: &mut Ledger) {
        ledger.give::<S>(self.capacity());
    }

    /// Slots in use.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// All slots, in use or not.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Whether it must grow before one more slot is put in.
    pub fn is_full(&self) -> bool {
        let most = (self.capacity() / 128 * S::FULL + self.capacity() % 128 * S::FULL / 128)
            .min(self.capacity() - 1);
        self.len() >= most
    }

    /// Whether it is much larger than need be.
    pub fn is_sparse(&self) -> bool {
        self.capacity() > 8 && self.len() < self.capacity() / 8 * 5
    }

    /// Whether some part of it is much fuller than others, as when half of it was swept since many
    /// peers fell silent. In less room the fuller part would make a single heap.
    pub fn is_skewed(&self, keys: &Keys) -> bool {
        let mut parts = [0; 8];
        for slot in self.slots.iter().filter(|slot| !slot.is_empty()) {
            parts[(slot.hash(keys) << self.depth >> 29) as usize] += 1;
        }
        parts.iter().any(|&part| part > self.len() * 3 / 16 + 16)
    }

    /// What lies in a slot, [`Slot::EMPTY`] included.
    pub fn at(&self, slot: usize) -> &S {
        &self.slots[slot]
    }

    /// The same, to change all but its key.
    pub fn at_mut(&mut self, slot: usize) -> &mut S {
        &mut self.slots[slot]
    }

    /// All slots, the free ones too.
    pub fn slots(&self) -> &[S] {
        &self.slots
    }

    /// Where slots of this hash belong.
    pub fn home(&self, hash: u32) -> usize {
        let rest = u64::from(hash << self.depth);
        ((rest * self.capacity() as u64) >> 32) as usize
    }

    /// The lowest hash whose home is this slot or a later one, in this segment or the next;
    /// `None` past the end of all hashes.
    pub fn first_hash(&self, slot: usize) -> Option<u32> {
        let rest = ((slot as u64) << 32).div_ceil(self.capacity() as u64);
        let hash = u64::from(self.prefix) + rest.div_ceil(1 << self.depth);
        u32::try_from(hash).ok()
    }

    /// The slot after, round the end.
    pub fn next(&self, slot: usize) -> usize {
        if slot + 1 == self.capacity() {
            0
        } else {
            slot + 1
        }
    }

    /// The first slot of this hash that `wanted` takes.
    pub fn find(&self, hash: u32, wanted: impl Fn(&S) -> bool) -> Option<usize> {
        let mut slot = self.home(hash);
        loop {
            let found = &self.slots[slot];
            if wanted(found) && !found.is_empty() {
                return Some(slot);
            }
            if found.is_empty() {
                return None;
            }
            slot = self.next(slot);
        }
    }

    /// Puts in what is not yet in; the caller has seen to it that the segment is not full.
    pub fn put(&mut self, hash: u32, new: S) -> usize {
        let mut slot = self.home(hash);
        while !self.slots[slot].is_empty() {
            slot = self.next(slot);
        }
        self.slots[slot] = new;
        self.len += 1;
        slot
    }

    /// Takes a slot out and closes the gap.
    pub fn take(&mut self, keys: &Keys, slot: usize) -> S {
        let taken = self.slots[slot];
        let mut gap = slot;
        let mut slot = self.next(slot);
        while !self.slots[slot].is_empty() {
            let home = self.home(self.slots[slot].hash(keys));
            if self.distance(home, slot) >= self.distance(gap, slot) {
                self.slots[gap] = self.slots[slot];
                gap = slot;
            }
            slot = self.next(slot);
        }
        self.slots[gap] = S::EMPTY;
        self.len -= 1;
        taken
    }

    /// Looks at `count` slots and those up to the next free one, and drops what is not to be
    /// kept. Returns how many that were. What stays moves back as far as it may, in one go: to
    /// take out one by one would move it again and again.
    pub fn retain(
        &mut self,
        keys: &Keys,
        mut slot: usize,
        mut count: usize,
        mut keep: impl FnMut(&S) -> bool,
    ) -> u32 {
        let len = self.len;
        // Nothing has to move before the first gap.
        let mut has_gap = false;
        while count > 0 || !self.slots[slot].is_empty() {
            let here = self.slots[slot];
            if here.is_empty() {
                has_gap = false;
            } else if !keep(&here) {
                has_gap = true;
                self.slots[slot] = S::EMPTY;
                self.len -= 1;
            } else if has_gap {
                self.slots[slot] = S::EMPTY;
                self.len -= 1;
                self.put(here.hash(keys), here);
            }
            count = count.saturating_sub(1);
            slot = self.next(slot);
        }
        len - self.len
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from {
            to - from
        } else {
            to + self.capacity() - from
        }
    }
}

/// The capacity for `len` slots of `size` bytes and a few more. How many more varies from segment
/// to segment, or all would grow in the same moment, since hashes fill them alike.
fn room(len: usize, prefix: u32, size: usize, roomy: usize) -> usize {
    let jitter = (prefix.wrapping_mul(0x9e37_79b9) >> 29) as usize;
    let slots = (len * 128).div_ceil(roomy - jitter / 2) + 2;
    filled(slots * size) / size
}

//! What a shard's memory comes to, and how much there may be.
//!
//! Everything in the store that can become large is taken and given back here, so that the sum is
//! right at any time and a limit holds before the memory is touched. When the limit or the system
//! says no, the caller gets [`Full`] and everything is as it was.

use std::hint::black_box;

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// For one more torrent.
    Torrents,
    /// For one more peer.
    Peers,
    /// For what they would take.
    Bytes,
}

/// Bytes taken, as the system sees them.
pub struct Ledger {
    held: usize,
    max: usize,
    /// What the system must have left after a grant.
    spare: usize,
    /// Whether it had not when it was asked last.
    is_short: bool,
}

/// The part of the limit that is left to swarms which grow.
const HELD_BACK: usize = 32;
/// A page of memory.
const PAGE: usize = 4096;
/// What an allocator keeps to itself of an allocation.
const MALLOC: usize = 16;
/// Allocations from here on are whole pages.
const LARGE: usize = 8 * PAGE;
/// What the system must have left for the rest of the program, whose allocations are small, in
/// many places, and the end of the process when they are refused.
const SPARE: usize = 256 << 10;

impl Ledger {
    /// Nothing is taken, and there may be any amount.
    pub const fn new() -> Ledger {
        Ledger {
            held: 0,
            max: usize::MAX,
            spare: SPARE,
            is_short: false,
        }
    }

    /// Bytes taken.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Bytes that may be taken.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Sets how much there may be. What is there already stays.
    pub fn set_max(&mut self, bytes: usize) {
        self.max = bytes;
        self.spare = SPARE;
    }

    /// Lowers the limit a little, for those who leave the rest to others; the limit to set again
    /// after them.
    pub fn hold_back(&mut self) -> usize {
        let max = self.max;
        self.max -= max / HELD_BACK;
        self.spare = 2 * SPARE + self.held / HELD_BACK;
        max
    }

    /// Whether there is more than there may be.
    pub fn is_over(&self) -> bool {
        self.held > self.max
    }

    /// Takes note of so many bytes more.
    pub fn charge(&mut self, bytes: usize) -> Result<(), Full> {
        self.check(bytes, 0)?;
        self.held += bytes;
        Ok(())
    }

    /// Takes note of so many bytes less.
    pub fn credit(&mut self, bytes: usize) {
        self.held -= bytes;
    }

    /// Whether there may be so many bytes more in the place of others.
    pub fn check(&self, new: usize, instead_of: usize) -> Result<(), Full> {
        match new.checked_sub(instead_of) {
            Some(more) if self.held.saturating_add(more) > self.max => Err(Full::Bytes),
            _ => Ok(()),
        }
    }

    /// An empty vector with room for exactly `len`. It may come in the place of another that is
    /// about to be given back, and then never fails for the limit if it is no larger.
    pub fn take<T>(&mut self, len: usize, instead_of: usize) -> Result<Vec<T>, Full> {
        let new = cost::<T>(len);
        self.check(new, instead_of)?;
        let mut vec = Vec::new();
        self.obtain(&mut vec, len)?;
        self.held += new;
        Ok(vec)
    }

    /// Room for so many more, from the system; takes no note of it.
    pub fn obtain<T>(&mut self, vec: &mut Vec<T>, more: usize) -> Result<(), Full> {
        let bytes = more.saturating_mul(size_of::<T>());
        // Nobody asks for little each time, unless little is left.
        if bytes >= LARGE || self.is_short {
            self.is_short = !is_there(bytes.saturating_add(self.spare));
            if self.is_short {
                return Err(Full::Bytes);
            }
        }
        vec.try_reserve_exact(more).map_err(|_| Full::Bytes)
    }

    /// Gives a vector of this capacity back.
    pub fn give<T>(&mut self, capacity: usize) {
        self.held -= cost::<T>(capacity);
    }

    /// Makes sure that one more can be pushed.
    pub fn reserve<T>(&mut self, vec: &mut Vec<T>) -> Result<(), Full> {
        let old = vec.capacity();
        if vec.len() < old {
            return Ok(());
        }
        let (before, after) = (cost::<T>(old), cost::<T>((old * 2).max(4)));
        self.charge(after - before)?;
        let more = (old * 2).max(4) - vec.len();
        self.obtain(vec, more)
            .inspect_err(|_| self.credit(after - before))
    }
}

/// Whether the system would grant so many bytes. They are not touched, so that they take nothing.
fn is_there(bytes: usize) -> bool {
    let mut vec = Vec::<u8>::new();
    let answer = vec.try_reserve_exact(bytes);
    // An allocation that nobody looks at might be left out.
    black_box(&mut vec);
    answer.is_ok()
}

/// What room for so many takes.
pub fn cost<T>(len: usize) -> usize {
    match len * size_of::<T>() {
        0 => 0,
        bytes if bytes < LARGE => (bytes + MALLOC).next_multiple_of(MALLOC),
        bytes => (bytes + MALLOC).next_multiple_of(PAGE),
    }
}

/// The most bytes that cost no more than so many, if they are large.
pub fn filled(bytes: usize) -> usize {
    match bytes + MALLOC {
        small if small < LARGE => bytes,
        large => large.next_multiple_of(PAGE) - MALLOC,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_and_refusals_change_nothing() {
        let mut ledger = Ledger::new();
        ledger.set_max(10_000);
        let mut vec = ledger.take::<u64>(1000, 0).unwrap();
        assert_eq!((vec.capacity(), ledger.held()), (1000, 8016));
        assert_eq!(ledger.take::<u64>(1000, 0), Err(Full::Bytes));
        assert_eq!(ledger.charge(2000), Err(Full::Bytes));
        vec.resize(1000, 1);
        assert_eq!(ledger.reserve(&mut vec), Err(Full::Bytes));
        assert_eq!((vec.capacity(), ledger.held()), (1000, 8016));
        // In the place of the first there may be another.
        let other = ledger.take::<u64>(1100, cost::<u64>(1000)).unwrap();
        ledger.give::<u64>(vec.capacity());
        assert_eq!(ledger.held(), cost::<u64>(1100));
        ledger.set_max(0);
        assert!(ledger.is_over());
        ledger.give::<u64>(other.capacity());
        assert_eq!(ledger.held(), 0);
    }

    #[test]
    fn what_the_system_does_not_have_is_refused() {
        let mut ledger = Ledger::new();
        assert_eq!(ledger.take::<u8>(isize::MAX as usize, 0), Err(Full::Bytes));
        assert_eq!(ledger.held(), 0);
        assert!(ledger.take::<u8>(100, 0).is_ok());
    }

    #[test]
    fn large_allocations_fill_their_pages() {
        for bytes in [100, 32_000, 32_769, 147_000] {
            assert_eq!(cost::<u8>(filled(bytes)), cost::<u8>(bytes), "{bytes}");
        }
        assert_eq!(filled(33_000), 9 * PAGE - MALLOC);
    }
}

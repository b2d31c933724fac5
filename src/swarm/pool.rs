//! Blocks of memory for the small swarms, without an allocator's overhead.
//!
//! ```text
//!   handle  │ class 7 bits │ number 25 bits │
//!
//!   class 3 │ 0 │ 1 │ 2 │ 3 │   slab of some 64 to 128 KB
//!           │ 4 │ 5 │ 6 │ ░ │   the last one is filled from the front, and never has holes
//!
//!   block   │ owner │ words … │
//! ```
//!
//! Memory counts from when it is used for the first time: the system does not give it before.
//!
//! There is an array of slabs for each size. When a block is freed, the last one of its class
//! takes its place, so that all slabs but the last are full, and go back to the system one by one
//! as swarms leave. The block's owner, known by the hash it gave, must be told: see [`Moved`].

use super::ledger::{Full, Ledger, cost};

/// Sizes of blocks.
const CLASSES: usize = 96;
/// Words of the largest block, its owner included.
const WORDS_MAX: u16 = 1023;
/// Words of a block, by class, owner included: at first what one more IPv4 peer takes, then some
/// 5 % more each.
const SIZES: [u16; CLASSES] = sizes();
/// A slab has as many words at most, and half as many at least.
const SLAB_WORDS: usize = 128 << 10 >> 2;
const NUMBER_BITS: u32 = 25;
const _: () = assert!(CLASSES <= 1 << (32 - NUMBER_BITS));

/// All blocks.
#[derive(Default)]
pub struct Pool {
    classes: Vec<Class>,
    /// Whether nothing is given back for now.
    hoards: bool,
}

/// Names a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(pub u32);

/// A block that has got another name since another one was freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "its owner must be told"]
pub struct Moved {
    /// What the owner gave when it asked for the block.
    pub owner: u32,
    /// Its name until now.
    pub from: Handle,
    /// Its new name.
    pub to: Handle,
}

/// The blocks of one size.
#[derive(Default)]
struct Class {
    slabs: Vec<Vec<u32>>,
    len: usize,
    /// Blocks in the slabs that have ever been used.
    touched: usize,
}

/// What a slab takes besides its blocks: the part of a page at its end.
const SLAB_COST: usize = 2048;

impl Pool {
    /// The smallest class with room for so many words; `None` if there is none so large.
    pub fn class_for(words: usize) -> Option<usize> {
        let class = SIZES.partition_point(|&size| usize::from(size) <= words);
        (class < CLASSES).then_some(class)
    }

    /// Words in a block of this class.
    pub fn room(class: usize) -> usize {
        usize::from(SIZES[class]) - 1
    }

    /// A block of zeros, of this class; or of a larger one in the odd case that there are 32
    /// million of this. More than all classes can have fits into no machine.
    pub fn alloc(&mut self, ledger: &mut Ledger, class: usize, owner: u32) -> Result<Handle, Full> {
        if self.classes.is_empty() {
            self.classes = ledger.take(CLASSES, 0)?;
            self.classes.resize_with(CLASSES, Class::default);
        }
        let has_numbers = |&class: &usize| self.classes[class].len >> NUMBER_BITS == 0;
        let class = (class..CLASSES - 1)
            .find(has_numbers)
            .unwrap_or(CLASSES - 1);
        let blocks = &mut self.classes[class];
        let number = blocks.len as u32;
        let size = usize::from(SIZES[class]);
        let slab = blocks.len >> slab_shift(class);
        if slab == blocks.slabs.len() {
            blocks.extend(ledger, size << slab_shift(class))?;
        }
        if blocks.len == blocks.touched {
            ledger.charge(size * size_of::<u32>())?;
            blocks.touched += 1;
        }
        let words = &mut blocks.slabs[slab];
        words.push(owner);
        words.resize(words.len() + size - 1, 0);
        blocks.len += 1;
        Ok(Handle((class as u32) << NUMBER_BITS | number))
    }

    /// Frees a block.
    pub fn free(&mut self, ledger: &mut Ledger, block: Handle) -> Option<Moved> {
        let class = block.class();
        let size = usize::from(SIZES[class]);
        let blocks = &mut self.classes[class];
        let last = Handle((block.0 >> NUMBER_BITS << NUMBER_BITS) + blocks.len as u32 - 1);
        let (last_slab, last_at) = last.spot();
        let (slab, at) = block.spot();
        let moved = (last != block).then(|| {
            if slab == last_slab {
                blocks.slabs[slab].copy_within(last_at..last_at + size, at);
            } else if let Ok([to, from]) = blocks.slabs.get_disjoint_mut([slab, last_slab]) {
                to[at..at + size].copy_from_slice(&from[last_at..last_at + size]);
            }
            Moved {
                owner: blocks.slabs[slab][at],
                from: last,
                to: block,
            }
        });
        blocks.slabs[last_slab].truncate(last_at);
        blocks.len -= 1;
        if !self.hoards {
            blocks.shrink(ledger, slab_shift(class), size);
        }
        moved
    }

    /// Gives nothing back to the system from now on, or does so again, with all that was kept.
    /// Where one swarm after the other is filled, each goes through all classes up to its own: to
    /// take and give back a slab every time would be most of the work.
    pub fn hoard(&mut self, ledger: &mut Ledger, hoards: bool) {
        self.hoards = hoards;
        if !hoards {
            for (class, blocks) in self.classes.iter_mut().enumerate() {
                blocks.shrink(ledger, slab_shift(class), SIZES[class].into());
            }
        }
    }

    /// Moves a block to one of another class, with as many of its words as there is room for.
    pub fn resize(
        &mut self,
        ledger: &mut Ledger,
        block: Handle,
        class: usize,
    ) -> Result<(Handle, Option<Moved>), Full> {
        let (slab, at) = block.spot();
        let owner = self.classes[block.class()].slabs[slab][at];
        let new = self.alloc(ledger, class, owner)?;
        let old = std::mem::take(&mut self.classes[block.class()].slabs[slab]);
        let words = Pool::room(class).min(Pool::room(block.class()));
        self.words_mut(new)[..words].copy_from_slice(&old[at + 1..at + 1 + words]);
        self.classes[block.class()].slabs[slab] = old;
        Ok((new, self.free(ledger, block)))
    }

    /// The memory it takes.
    #[cfg(test)]
    pub fn cost(&self) -> usize {
        let classes = self.classes.iter().zip(SIZES);
        let blocks: usize = classes.map(|(blocks, size)| blocks.cost(size.into())).sum();
        blocks + cost::<Class>(self.classes.capacity())
    }

    /// The words of a block.
    pub fn words(&self, block: Handle) -> &[u32] {
        let (slab, at) = block.spot();
        &self.classes[block.class()].slabs[slab][at + 1..at + 1 + Pool::room(block.class())]
    }

    /// The words of a block, to change them.
    pub fn words_mut(&mut self, block: Handle) -> &mut [u32] {
        let (slab, at) = block.spot();
        &mut self.classes[block.class()].slabs[slab][at + 1..at + 1 + Pool::room(block.class())]
    }
}

impl Class {
    /// A slab more.
    fn extend(&mut self, ledger: &mut Ledger, words: usize) -> Result<(), Full> {
        ledger.reserve(&mut self.slabs)?;
        ledger.charge(SLAB_COST)?;
        let mut slab = Vec::new();
        if let Err(full) = ledger.obtain(&mut slab, words) {
            ledger.credit(SLAB_COST);
            return Err(full);
        }
        self.slabs.push(slab);
        Ok(())
    }

    /// Gives empty slabs back, but for one while the last is more than half full.
    fn shrink(&mut self, ledger: &mut Ledger, shift: u32, size: usize) {
        let full = 1 << shift;
        let half_more = if self.len == 0 {
            0
        } else {
            self.len + full / 2
        };
        let kept = self.len.max(half_more - half_more % full).div_ceil(full);
        if kept < self.slabs.len() {
            let before = self.cost(size);
            self.slabs.truncate(kept);
            self.touched = self.touched.min(kept << shift);
            if kept == 0 {
                self.slabs = Vec::new();
            }
            ledger.credit(before - self.cost(size));
        }
    }

    /// The memory that the blocks of so many words take.
    fn cost(&self, size: usize) -> usize {
        cost::<Vec<u32>>(self.slabs.capacity())
            + self.slabs.len() * SLAB_COST
            + self.touched * size * size_of::<u32>()
    }
}

impl Handle {
    /// The size of the block.
    pub fn class(self) -> usize {
        (self.0 >> NUMBER_BITS) as usize
    }

    /// The slab, and the place in it.
    fn spot(self) -> (usize, usize) {
        let number = self.0 as usize & ((1 << NUMBER_BITS) - 1);
        let shift = slab_shift(self.class());
        (
            number >> shift,
            (number & ((1 << shift) - 1)) * usize::from(SIZES[self.class()]),
        )
    }
}

/// A slab of this class has 2 to the power of this many blocks.
fn slab_shift(class: usize) -> u32 {
    (SLAB_WORDS / usize::from(SIZES[class])).ilog2()
}

const fn sizes() -> [u16; CLASSES] {
    // Two and more IPv4 peers, and between them a single IPv6 peer.
    let mut sizes = [0; CLASSES];
    sizes[0] = 5;
    sizes[1] = 6;
    let mut class = 2;
    while class < CLASSES {
        let last = sizes[class - 1] + sizes[class - 1] % 2;
        let step = (last / 20) & !1;
        let size = last - 1 + if step < 2 { 2 } else { step };
        sizes[class] = if size < WORDS_MAX { size } else { WORDS_MAX };
        class += 1;
    }
    assert!(sizes[CLASSES - 1] == WORDS_MAX && sizes[CLASSES - 2] < WORDS_MAX);
    sizes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_rise_and_fit_handles() {
        assert!(SIZES.is_sorted() && SIZES.windows(2).all(|pair| pair[0] != pair[1]));
        for words in 1..usize::from(WORDS_MAX) {
            let class = Pool::class_for(words).unwrap_or(CLASSES);
            assert!(Pool::room(class) >= words);
            assert!(class == 0 || Pool::room(class - 1) < words);
        }
        assert_eq!(Pool::class_for(usize::from(WORDS_MAX)), None);
    }

    /// All blocks, each filled with its owner's number.
    struct Owners {
        pool: Pool,
        ledger: Ledger,
        blocks: HashMap<u32, Handle>,
    }

    impl Owners {
        fn new() -> Owners {
            Owners {
                pool: Pool::default(),
                ledger: Ledger::new(),
                blocks: HashMap::new(),
            }
        }

        fn alloc(&mut self, owner: u32, class: usize) {
            let block = self.pool.alloc(&mut self.ledger, class, owner).unwrap();
            self.pool.words_mut(block).fill(owner);
            self.blocks.insert(owner, block);
        }

        fn tell(&mut self, moved: Option<Moved>) {
            if let Some(Moved { owner, from, to }) = moved {
                assert_eq!(self.blocks.insert(owner, to), Some(from));
            }
        }

        fn check(&self) {
            for (&owner, &block) in &self.blocks {
                assert!(self.pool.words(block).iter().all(|&word| word == owner));
            }
            let mut words = 0;
            for (class, blocks) in self.pool.classes.iter().enumerate() {
                words += blocks.len * usize::from(SIZES[class]);
                let held: usize = blocks.slabs.iter().map(Vec::len).sum();
                assert_eq!(held, blocks.len * usize::from(SIZES[class]));
                assert!(blocks.slabs.len() <= (blocks.len >> slab_shift(class)) + 2);
                assert!(blocks.len > 0 || blocks.slabs.capacity() == 0);
            }
            let owned = self
                .blocks
                .values()
                .map(|block| Pool::room(block.class()) + 1);
            assert_eq!(words, owned.sum::<usize>());
            assert_eq!(self.ledger.held(), self.pool.cost());
            assert!(self.ledger.held() >= words * 4);
        }
    }

    proptest! {
        #![proptest_config(crate::seeded(64))]

        #[test]
        fn blocks_keep_their_words(
            steps in prop::collection::vec((0..3, 0..90_u32, 0..CLASSES), 1..400),
        ) {
            let mut owners = Owners::new();
            for (step, owner, class) in steps {
                // Few classes are used much, so that slabs fill.
                let class = if owner % 3 == 0 { class } else { CLASSES - 1 - class % 3 };
                match (step, owners.blocks.get(&owner).copied()) {
                    (0 | 1, None) => owners.alloc(owner, class),
                    (0, Some(block)) => {
                        owners.blocks.remove(&owner);
                        let moved = owners.pool.free(&mut owners.ledger, block);
                        owners.tell(moved);
                    }
                    (_, Some(block)) if block.class() != class => {
                        let Owners { pool, ledger, .. } = &mut owners;
                        let (new, moved) = pool.resize(ledger, block, class).unwrap();
                        owners.pool.words_mut(new).fill(owner);
                        owners.blocks.insert(owner, new);
                        owners.tell(moved);
                    }
                    _ => {}
                }
            }
            owners.check();
            for owner in 0..90 {
                if let Some(block) = owners.blocks.remove(&owner) {
                    let moved = owners.pool.free(&mut owners.ledger, block);
                    owners.tell(moved);
                }
            }
            owners.check();
        }
    }
}

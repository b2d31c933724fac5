//! Which worker owns an info-hash.

use crate::types::InfoHash;

/// Maps info-hashes to workers: `((first word × odd key) >> 16) mod workers` in wrapping 32-bit
/// arithmetic, which the kernel can compute as well.
///
/// The key is drawn at start: who does not know it can't aim at one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owners {
    odd_key: u32,
    workers: u32,
}

impl Owners {
    /// Ownership among `workers` (at least 1), keyed by a random number.
    pub fn new(workers: usize, random: u32) -> Owners {
        let workers = u32::try_from(workers).unwrap_or(u32::MAX).max(1);
        Owners {
            odd_key: random | 1,
            workers,
        }
    }

    /// The key, for the kernel to do the same sum.
    pub fn odd_key(&self) -> u32 {
        self.odd_key
    }

    /// The index of the owner.
    pub fn owner(&self, info_hash: &InfoHash) -> usize {
        let [a, b, c, d, ..] = info_hash.0;
        let mixed = u32::from_be_bytes([a, b, c, d]).wrapping_mul(self.odd_key) >> 16;
        (mixed % self.workers) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "too much of the same for Miri")]
    fn hashes_spread_evenly_over_workers() {
        for workers in 1..=16 {
            let owners = Owners::new(workers, 0x9e37_79b9);
            let mut owned = vec![0; workers];
            for i in 0..16_000u32 {
                let mut hash = [0; 20];
                hash[..4].copy_from_slice(&i.wrapping_mul(0x85eb_ca6b).to_be_bytes());
                owned[owners.owner(&InfoHash(hash))] += 1;
            }
            let fair = 16_000 / workers;
            assert!(
                owned
                    .iter()
                    .all(|n| (fair * 8 / 10..=fair * 12 / 10).contains(n)),
                "{owned:?}"
            );
        }
    }
}

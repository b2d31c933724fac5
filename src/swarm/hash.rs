//! The keyed hash that spreads torrents and peers over their tables.
//!
//! Strangers choose every bit of an info-hash and of a peer's port and IPv6 address, so the place
//! of a key in a table must not be known to who does not know the keys.

/// Words a key may have: 20 bytes of info-hash, and an IPv6 address and its port.
const WORDS_MAX: usize = 10;

/// The secret of one shard.
pub struct Keys {
    start: u64,
    factors: [u64; WORDS_MAX],
}

impl Keys {
    /// Stretches a secret seed.
    pub fn new(seed: u64) -> Keys {
        let mut state = seed;
        let start = split_mix(&mut state);
        Keys {
            start,
            factors: std::array::from_fn(|_| split_mix(&mut state)),
        }
    }

    /// Multilinear hashing (Lemire and Kaser, "Strongly universal string hashing is fast"): for
    /// any two different keys of one length the results are independent and even, whoever chose
    /// them. 64-bit sums of 32-bit words times 64-bit secrets are cheap on 32-bit machines too.
    ///
    /// The finish, a bijection, breaks up rows of keys that differ by a constant, which a linear
    /// function would leave in step.
    pub fn hash<const WORDS: usize>(&self, words: [u32; WORDS]) -> u32 {
        const { assert!(WORDS <= WORDS_MAX) };
        let sum = words
            .iter()
            .zip(&self.factors)
            .fold(self.start, |sum, (&word, &factor)| {
                sum.wrapping_add(factor.wrapping_mul(u64::from(word)))
            });
        finish((sum >> 32) as u32)
    }
}

/// The finish of MurmurHash3.
fn finish(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

/// SplitMix64: from one seed, any number of well mixed words.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut x = *state;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fullest of 1024 buckets, taken from the top bits, for 64 Ki keys.
    fn fullest(keys: impl Iterator<Item = [u32; 5]>) -> u32 {
        let hash = Keys::new(7);
        let mut buckets = vec![0; 1024];
        keys.for_each(|key| buckets[(hash.hash(key) >> 22) as usize] += 1);
        buckets.into_iter().max().unwrap_or(0)
    }

    #[test]
    fn chosen_keys_spread_evenly() {
        // 64 are expected in each; eight standard deviations more are 128.
        for word in 0..5 {
            for shift in [0, 8, 16] {
                let most = fullest((0..1 << 16).map(|n: u32| {
                    let mut key = [0xffff_ffff; 5];
                    key[word] = n << shift;
                    key
                }));
                assert!(most < 128, "word {word} shift {shift}: {most}");
            }
        }
    }

    #[test]
    fn seeds_matter() {
        let [one, two] = [1, 2].map(Keys::new);
        let same = (0..1000).filter(|&n| one.hash([n, 0]) >> 24 == two.hash([n, 0]) >> 24);
        assert!(same.count() < 30);
    }
}

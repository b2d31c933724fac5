//! How long to wait before the next try.

/// Waits that double from try to try, each drawn anew, so that nodes that lost the same server
/// don't all come back at once.
pub struct Backoff {
    tries: u32,
    random: u32,
}

const FIRST_MILLIS: u32 = 100;
/// After this many tries waits don't grow any more: 100 ms × 2⁶ are six seconds.
const DOUBLINGS_MAX: u32 = 6;

impl Backoff {
    /// Nothing has failed yet; `random` is where the drawing begins.
    pub fn new(random: u32) -> Backoff {
        Backoff {
            tries: 0,
            random: random | 1,
        }
    }

    /// How long to wait after one more failure, in milliseconds: from half the present length to
    /// all of it.
    pub fn fail(&mut self) -> u32 {
        let longest = FIRST_MILLIS << self.tries;
        self.tries = (self.tries + 1).min(DOUBLINGS_MAX);
        // Marsaglia's xorshift: nothing depends on this being hard to guess.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        longest / 2 + self.random % (longest / 2 + 1)
    }

    /// It went well: the next failure is a first one.
    pub fn succeed(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_differ() {
        let waits = |random| {
            let mut backoff = Backoff::new(random);
            (0..20).map(|_| backoff.fail()).collect::<Vec<_>>()
        };
        let (one, other) = (waits(1), waits(2));
        assert_ne!(one, other);
        for (number, wait) in one.iter().enumerate() {
            let longest = 100 << number.min(6);
            assert!((longest / 2..=longest).contains(&wait.to_owned()), "{wait}");
        }
        let mut backoff = Backoff::new(3);
        let longest = (0..9).map(|_| backoff.fail()).max();
        assert!(longest > Some(3000));
        backoff.succeed();
        assert!(backoff.fail() <= 100);
    }
}

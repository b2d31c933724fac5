//! How much may be sent.

use crate::meta::Millis;

/// Tokens that come in at a steady rate, up to a few seconds' worth.
#[derive(Clone, Debug)]
pub struct Bucket {
    per_sec: u32,
    /// The most tokens, in thousandths.
    full: u64,
    /// What there is, in thousandths.
    level: u64,
    /// When that was.
    at: Millis,
}

impl Bucket {
    /// A full bucket, of so many tokens a second and `secs` seconds' worth.
    pub fn new(per_sec: u32, secs: u32) -> Bucket {
        let full = u64::from(per_sec) * u64::from(secs) * 1000;
        Bucket {
            per_sec,
            full,
            level: full,
            at: 0,
        }
    }

    /// Takes one token, if there is one.
    pub fn take(&mut self, now: Millis) -> bool {
        let new = now.saturating_sub(self.at);
        let new = new.saturating_mul(self.per_sec.into());
        self.level = self.level.saturating_add(new).min(self.full);
        self.at = self.at.max(now);
        let taken = self.level.checked_sub(1000);
        self.level = taken.unwrap_or(self.level);
        taken.is_some()
    }

    /// When there will be a token.
    pub fn next(&self) -> Millis {
        let missing = 1000_u64.saturating_sub(self.level);
        self.at
            .saturating_add(missing.div_ceil(self.per_sec.max(1).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::seeded(128))]

        #[test]
        fn no_more_is_taken_than_comes_in(
            per_sec in 1..50_u32, secs in 1..5_u32,
            gaps in prop::collection::vec(0..3000_u64, 1..300),
        ) {
            let mut bucket = Bucket::new(per_sec, secs);
            let (mut now, mut taken) = (0, 0_u64);
            for gap in gaps {
                now += gap;
                let due = bucket.next();
                let got = bucket.take(now);
                prop_assert_eq!(got, due <= now, "due {}, now {}", due, now);
                taken += u64::from(got);
                let most = u64::from(per_sec) * u64::from(secs) + now * u64::from(per_sec) / 1000;
                prop_assert!(taken <= most);
            }
        }
    }
}

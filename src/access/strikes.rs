//! Faults of a source, and the ban that too many of them bring.

use super::sources::Memory;
use crate::types::Seconds;

/// What bans are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Penalties {
    /// How many faults make a ban; 0 for none.
    pub strikes: u32,
    /// Within how many seconds.
    pub window_secs: Seconds,
    /// How long a ban lasts.
    pub ban_secs: Seconds,
}

impl Penalties {
    /// Whether there are bans at all.
    pub fn is_on(&self) -> bool {
        self.strikes > 0
    }
}

/// The faults of one source.
#[derive(Clone, Debug, Default)]
pub struct Strikes {
    count: u32,
    /// When the first of them was.
    since: Seconds,
    /// When the ban ends.
    until: Seconds,
}

impl Memory for Strikes {
    fn is_dear(&self, now: Seconds) -> bool {
        self.left(now).is_some()
    }
}

impl Strikes {
    /// One fault more; whether it brings a ban.
    pub fn add(&mut self, now: Seconds, penalties: &Penalties) -> bool {
        if now.saturating_sub(self.since) >= penalties.window_secs {
            self.count = 0;
        }
        if self.count == 0 {
            self.since = now;
        }
        self.count = self.count.saturating_add(1);
        if self.count < penalties.strikes {
            return false;
        }
        self.count = 0;
        self.until = now.saturating_add(penalties.ban_secs);
        true
    }

    /// Bans from now on, for so long.
    pub fn ban(&mut self, now: Seconds, secs: Seconds) {
        self.count = 0;
        self.until = now.saturating_add(secs);
    }

    /// How many seconds of a ban are left, if there is one.
    pub fn left(&self, now: Seconds) -> Option<Seconds> {
        self.until.checked_sub(now).filter(|left| *left > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PENALTIES: Penalties = Penalties {
        strikes: 3,
        window_secs: 60,
        ban_secs: 600,
    };

    #[test]
    fn faults_far_apart_are_forgiven() {
        let mut strikes = Strikes::default();
        for n in 0..100 {
            assert!(!strikes.add(n * 60, &PENALTIES));
            assert!(!strikes.add(n * 60 + 1, &PENALTIES));
        }
        assert!(strikes.add(99 * 60 + 59, &PENALTIES));
    }

    #[test]
    fn a_ban_ends_and_the_count_begins_anew() {
        let mut strikes = Strikes::default();
        let added: Vec<_> = (10..13).map(|now| strikes.add(now, &PENALTIES)).collect();
        assert_eq!(added, [false, false, true]);
        assert_eq!((strikes.left(12), strikes.left(611)), (Some(600), Some(1)));
        assert_eq!(
            (strikes.left(612), strikes.left(Seconds::MAX)),
            (None, None)
        );
        assert!(!strikes.add(612, &PENALTIES));
        let one = Penalties {
            strikes: 1,
            ..PENALTIES
        };
        assert!(Strikes::default().add(Seconds::MAX, &one));
    }
}

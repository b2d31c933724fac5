//! How old a peer is, in 13 bits.
//!
//! Time is told in ticks of about 1/128 of a peer's life. A peer carries the low 13 bits of the
//! tick it last announced in:
//!
//! ```text
//!   0 ······ 123                          4096                         8191
//!   ├─ alive ─┼─ silent too long: waits for the sweep ─┼─ never reached ─┤
//! ```
//!
//! Two rules keep these ages from ever wrapping round into looking young. A gap, as when the
//! process was stopped, counts as one life and a tick: all are gone then, and how long is of no
//! interest. And within one pass of the sweep the clock goes on by 4095 ticks at most, then waits.
//! A peer is met by two passes in a row at the latest.

use crate::types::Seconds;

use super::peer::STAMP;

/// Ticks in one pass of the sweep at most; two passes must fit into the 13 bits.
const PASS_TICKS_MAX: u32 = STAMP / 2;

/// Turns seconds into ticks.
pub struct Clock {
    tick_secs: Seconds,
    /// When the present tick began.
    began: Seconds,
    /// Ticks since the sweep's present pass began.
    pass_ticks: u32,
    moment: Moment,
}

/// One reading of the clock.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The present tick, 13 bits.
    pub stamp: u32,
    /// Ticks a peer may stay silent.
    life: u32,
}

impl Clock {
    /// A clock for peers that may be silent for `peer_secs_max`.
    pub fn new(peer_secs_max: Seconds, now: Seconds) -> Clock {
        let tick_secs = peer_secs_max.div_ceil(128).max(1);
        let life = peer_secs_max.div_ceil(tick_secs);
        Clock {
            tick_secs,
            began: now,
            pass_ticks: 0,
            moment: Moment { stamp: 0, life },
        }
    }

    /// Moves on to `now`; a clock that goes backwards stands still.
    pub fn read(&mut self, now: Seconds) -> Moment {
        let ticks = now.saturating_sub(self.began) / self.tick_secs;
        if ticks > 0 {
            self.began += ticks * self.tick_secs;
            let ticks = ticks
                .min(self.moment.life + 1)
                .min(PASS_TICKS_MAX - self.pass_ticks);
            self.pass_ticks += ticks;
            self.moment.stamp = (self.moment.stamp + ticks) & STAMP;
        }
        self.moment
    }

    /// How long ago a peer of this state was heard, give or take a tick. It must not be stale.
    pub fn silent_secs(&self, state: u32) -> Seconds {
        (self.moment.stamp.wrapping_sub(state) & STAMP) * self.tick_secs
    }

    /// The sweep has met every peer and begins again.
    pub fn begin_pass(&mut self) {
        self.pass_ticks = 0;
    }
}

impl Moment {
    /// Whether a peer of this state has been silent for too long.
    pub fn is_stale(self, state: u32) -> bool {
        self.stamp.wrapping_sub(state) & STAMP > self.life
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_kept_to_within_two_ticks() {
        for max in [1, 60, 128, 129, 2700, 86_400] {
            let tick = max / 128 + 1;
            for start in [0, 5, 1000] {
                let mut clock = Clock::new(max, 0);
                let born = clock.read(start).stamp;
                assert!(!clock.read(start + max - 1).is_stale(born), "{max} {start}");
                assert!(
                    clock.read(start + max + 2 * tick).is_stale(born),
                    "{max} {start}"
                );
            }
        }
    }

    #[test]
    fn ages_never_wrap() {
        let mut clock = Clock::new(2700, 0);
        let born = clock.read(0).stamp;
        let mut now = 0;
        // One pass that never ends, and after it another.
        for gap in (0..10_000).map(|n| n % 50 * 300) {
            now += gap;
            assert!(clock.read(now).is_stale(born) || now < 2 * 2700);
        }
        clock.begin_pass();
        for _ in 0..100 {
            now += 100_000;
            assert!(clock.read(now).is_stale(born));
        }
    }

    #[test]
    fn a_gap_makes_all_stale_and_time_goes_on() {
        let mut clock = Clock::new(2700, 10);
        let born = clock.read(10).stamp;
        let moment = clock.read(4_000_000_000);
        assert!(moment.is_stale(born));
        assert!(!clock.read(4_000_002_000).is_stale(moment.stamp));
        assert!(clock.read(4_000_003_000).is_stale(moment.stamp));
        // Backwards is no gap.
        assert_eq!(clock.read(5).stamp, clock.read(4_000_003_000).stamp);
    }
}

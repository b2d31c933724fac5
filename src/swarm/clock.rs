//! How long a peer may still be silent, in 13 bits.
//!
//! Time is told in ticks of about 1/128 of a peer's usual life. A peer carries the low 13 bits of
//! the tick its life ends in unless it is heard again, so that each is kept for as long as it was
//! promised, whatever others are promised later:
//!
//! ```text
//!   end - 2047 ····· end                                          end + 6144
//!   ├──── alive ──────┼─ silent too long: waits for the sweep ─┼─ never reached ─┤
//! ```
//!
//! Two rules keep a past end from ever wrapping round into looking like one to come. A gap, as when
//! the process was stopped, counts as the longest life so far and a tick: all are gone then, and
//! how long is of no interest. And within one pass of the sweep the clock goes on by 3072 ticks at
//! most, then waits. A peer whose life is over is met by two passes in a row at the latest.

use crate::types::Seconds;

use super::peer::STAMP;

/// Ticks in a usual life.
const USUAL_TICKS: u32 = 128;

/// Ticks in the longest life.
const LIFE_TICKS_MAX: u32 = 2047;

/// Ticks in one pass of the sweep at most.
const PASS_TICKS_MAX: u32 = 3072;

// Two passes after its end, a life must not look as if it were still to come.
const _: () = assert!(2 * PASS_TICKS_MAX + LIFE_TICKS_MAX <= STAMP);
// A gap in which all lives end fits into a pass.
const _: () = assert!(LIFE_TICKS_MAX < PASS_TICKS_MAX);

/// How often others are told of a peer that goes on announcing: opentracker's ten minutes, and if
/// peers are forgotten early, a quarter of their life.
const NEWS_SECS: Seconds = 600;

/// Turns seconds into ticks.
pub struct Clock {
    tick_secs: Seconds,
    /// When the present tick began.
    began: Seconds,
    /// Ticks since the sweep's present pass began.
    pass_ticks: u32,
    /// Ticks of the longest life that was told so far.
    longest: u32,
    /// Ticks in a window of news, and since the present one began.
    news_ticks: u32,
    window_ticks: u32,
    moment: Moment,
}

/// One reading of the clock: the present tick, 13 bits.
#[derive(Clone, Copy, Debug)]
pub struct Moment(u32);

impl Clock {
    /// A clock for peers that mostly live for `usual_secs`.
    pub fn new(usual_secs: Seconds, now: Seconds) -> Clock {
        Clock {
            tick_secs: tick_secs(usual_secs),
            began: now,
            pass_ticks: 0,
            longest: 0,
            news_ticks: (NEWS_SECS.min(usual_secs / 4) / tick_secs(usual_secs)).max(1),
            window_ticks: 0,
            moment: Moment(0),
        }
    }

    /// The last reading.
    pub fn moment(&self) -> Moment {
        self.moment
    }

    /// Moves on to `now`; a clock that goes backwards stands still.
    pub fn read(&mut self, now: Seconds) -> Moment {
        let ticks = now.saturating_sub(self.began) / self.tick_secs;
        if ticks > 0 {
            self.began += ticks * self.tick_secs;
            let ticks = ticks
                .min(self.longest + 1)
                .min(PASS_TICKS_MAX - self.pass_ticks);
            self.pass_ticks += ticks;
            self.window_ticks = (self.window_ticks + ticks) % self.news_ticks;
            self.moment.0 = (self.moment.0 + ticks) & STAMP;
        }
        self.moment
    }

    /// The stamp of a peer that is heard now and may be silent for `secs`.
    pub fn stamp(&mut self, secs: Seconds) -> u32 {
        let life = self.life(secs);
        self.longest = self.longest.max(life);
        (self.moment.0 + life) & STAMP
    }

    /// How long ago a peer of this state was heard, give or take a tick, if it could be silent for
    /// `secs` then. It must not be stale.
    pub fn silent_secs(&self, state: u32, secs: Seconds) -> Seconds {
        self.silent_ticks(state, secs) * self.tick_secs
    }

    /// How long a peer of this state may still be silent, give or take a tick; `None` if it has
    /// been silent for too long.
    pub fn left_secs(&self, state: u32) -> Option<Seconds> {
        let left = state.wrapping_sub(self.moment.0) & STAMP;
        (left <= LIFE_TICKS_MAX).then(|| left.saturating_mul(self.tick_secs))
    }

    /// Whether a peer was for sure heard within the last `within` seconds; `state` and `secs` as
    /// above. Where a peer could be silent for longer then than now, nothing is sure.
    pub fn is_heard_within(&self, state: u32, secs: Seconds, within: Seconds) -> bool {
        let left = state.wrapping_sub(self.moment.0) & STAMP;
        let silent = self.life(secs).checked_sub(left);
        silent.is_some_and(|ticks| (ticks + 1) * self.tick_secs <= within)
    }

    /// Whether a peer was last heard before the present window of news began, so that this is the
    /// first time in it; `state` and `secs` as above. Of a peer that is heard again and again this
    /// is true once in a window, and of one that has been silent for a window it always is.
    pub fn is_first_in_window(&self, state: u32, secs: Seconds) -> bool {
        self.silent_ticks(state, secs) > self.window_ticks
    }

    /// The sweep has met every peer and begins again.
    pub fn begin_pass(&mut self) {
        self.pass_ticks = 0;
    }

    fn silent_ticks(&self, state: u32, secs: Seconds) -> u32 {
        let left = state.wrapping_sub(self.moment.0) & STAMP;
        self.life(secs).saturating_sub(left)
    }

    fn life(&self, secs: Seconds) -> u32 {
        secs.div_ceil(self.tick_secs).min(LIFE_TICKS_MAX)
    }
}

impl Moment {
    /// Whether a peer of this state has been silent for too long.
    pub fn is_stale(self, state: u32) -> bool {
        state.wrapping_sub(self.0) & STAMP > LIFE_TICKS_MAX
    }
}

/// The longest life that can be told where a usual one has `usual_secs`.
pub fn life_secs_max(usual_secs: Seconds) -> Seconds {
    tick_secs(usual_secs).saturating_mul(LIFE_TICKS_MAX)
}

fn tick_secs(usual_secs: Seconds) -> Seconds {
    usual_secs.div_ceil(USUAL_TICKS).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::seeded(256))]

        /// Whatever others were promised in between.
        #[test]
        fn a_life_is_kept_to_within_two_ticks(
            usual in 1..200_000_u32, part in 1..=1000_u32, start in 0..5000_u32,
            pauses in prop::collection::vec(1..2000_u32, 0..40),
        ) {
            let (tick, most) = (tick_secs(usual), life_secs_max(usual));
            let secs = (u64::from(most) * u64::from(part) / 1000).max(1) as Seconds;
            let mut clock = Clock::new(usual, 0);
            clock.read(start);
            let born = clock.stamp(secs);
            let mut now = start;
            for pause in pauses {
                now += pause;
                clock.begin_pass();
                let moment = clock.read(now);
                let age = now - start;
                prop_assert!(age > secs || !moment.is_stale(born), "{} of {}", age, secs);
                prop_assert!(age < secs + 2 * tick || moment.is_stale(born), "{}", age);
                if age <= secs {
                    let silent = clock.silent_secs(born, secs);
                    prop_assert!(silent.abs_diff(age) <= tick, "{} {}", silent, age);
                }
                let other = clock.stamp(pause);
                prop_assert!(!moment.is_stale(other));
            }
        }
    }

    #[test]
    fn one_who_goes_on_announcing_is_news_once_in_a_window() {
        for (max, every) in [(2700, 30), (2700, 300), (2700, 590), (90, 7), (86_400, 500)] {
            let mut clock = Clock::new(max, 0);
            let window = clock.news_ticks * clock.tick_secs;
            assert!(window <= NEWS_SECS.max(clock.tick_secs) && window <= max / 4);
            let (mut state, mut told) = (clock.stamp(max), vec![0]);
            for now in (every..20 * window).step_by(every as usize) {
                let moment = clock.read(now);
                if clock.is_first_in_window(state, max) {
                    told.push(now);
                }
                state = clock.stamp(max);
                if moment.0.is_multiple_of(50) {
                    clock.begin_pass();
                }
            }
            let gaps = told.windows(2).map(|two| two[1] - two[0]);
            assert!(gaps.clone().all(|gap| gap < 2 * window), "{max} {told:?}");
            assert!(told.len() <= 20 && told.len() >= 19, "{max} {told:?}");
        }
    }

    #[test]
    fn one_who_was_silent_for_ten_minutes_is_news() {
        for start in (0..700).step_by(7) {
            let mut clock = Clock::new(2700, 0);
            clock.read(start);
            let state = clock.stamp(2700);
            clock.read(start + NEWS_SECS);
            assert!(clock.is_first_in_window(state, 2700), "{start}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "too much of the same for Miri")]
    fn past_ends_never_wrap() {
        let mut clock = Clock::new(2700, 0);
        clock.read(0);
        let (born, oldest) = (clock.stamp(2700), clock.stamp(Seconds::MAX));
        let mut now = 0;
        // One pass that never ends, and after it another.
        for gap in (0..10_000).map(|n| n % 50 * 300) {
            now += gap;
            let moment = clock.read(now);
            assert!(moment.is_stale(born) || now < 2 * 2700);
            assert!(moment.is_stale(oldest) || now < life_secs_max(2700) + 22);
        }
        clock.begin_pass();
        for _ in 0..100 {
            now += 100_000;
            let moment = clock.read(now);
            assert!(moment.is_stale(born) && moment.is_stale(oldest));
        }
    }

    #[test]
    fn a_gap_makes_all_stale_and_time_goes_on() {
        let mut clock = Clock::new(2700, 10);
        clock.read(10);
        let (born, oldest) = (clock.stamp(2700), clock.stamp(Seconds::MAX));
        let moment = clock.read(4_000_000_000);
        assert!(moment.is_stale(born) && moment.is_stale(oldest));
        let stamp = clock.stamp(2700);
        assert!(!clock.read(4_000_002_000).is_stale(stamp));
        assert!(clock.read(4_000_003_000).is_stale(stamp));
        // Backwards is no gap.
        let (before, after) = (clock.read(5).0, clock.read(4_000_003_000).0);
        assert_eq!(before, after);
    }
}

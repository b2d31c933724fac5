//! The interval that follows the load of the machine, second by second.
//!
//! As etracker has it: once in an interval the load averages are looked at. When all three are
//! below the limit the interval is to become a minute shorter, when all are above it a minute
//! longer, within its bounds. It gets there a second at a time, in about the time of an interval,
//! so that clients come neither in crowds nor in gaps.

use crate::net::Trend;
use crate::types::{Load, Seconds};

/// How far the interval goes between two looks at the load.
const STEP_SECS: Seconds = 60;

/// Load averages of the last 1, 5 and 15 minutes, in hundredths of a CPU.
pub type Averages = [u32; 3];

/// Drives the interval.
pub struct Tempo {
    load: Load,
    trend: Trend,
    /// When to look at the load again.
    look: Seconds,
    /// When the interval may move by a second again.
    step: Seconds,
}

impl Tempo {
    /// Begins with this interval, and looks at the load at once.
    pub fn new(load: Load, interval: Seconds, now: Seconds) -> Tempo {
        Tempo {
            load,
            trend: Trend::at(interval.clamp(load.min, load.max)),
            look: now,
            step: now,
        }
    }

    /// Where the interval is.
    pub fn trend(&self) -> Trend {
        self.trend
    }

    /// Other bounds, or another limit. What the bounds exclude is left at once.
    pub fn change(&mut self, load: Load) {
        self.load = load;
        let bounded = |secs: Seconds| secs.clamp(load.min, load.max);
        self.trend = Trend {
            interval: bounded(self.trend.interval),
            previous: bounded(self.trend.previous),
            required: bounded(self.trend.required),
        };
    }

    /// Does what is due, called every second or less often; `averages` is asked when it is time to
    /// look at the load, and says `None` if nobody knows it.
    pub fn tick(&mut self, now: Seconds, cpus: u32, averages: impl FnOnce() -> Option<Averages>) {
        let Trend {
            interval,
            previous,
            required,
        } = self.trend;
        if interval != required {
            if now >= self.step {
                self.trend.interval = match interval < required {
                    true => interval + 1,
                    false => interval - 1,
                };
                self.step = now.saturating_add(pause_secs(previous));
            }
        } else if now >= self.look {
            let next = match averages() {
                Some(averages) => self.next(averages, self.load.limit.hundredths(cpus)),
                None => required,
            };
            self.trend.previous = required;
            self.trend.required = next;
            self.look = now.saturating_add(required.max(next));
            self.step = now.saturating_add(pause_secs(required));
        }
    }

    /// The interval that such a load requires.
    fn next(&self, averages: Averages, limit: u32) -> Seconds {
        let Load { min, max, .. } = self.load;
        let required = self.trend.required;
        if averages.iter().all(|average| *average < limit) {
            required.saturating_sub(STEP_SECS).max(min)
        } else if averages.iter().all(|average| *average > limit) {
            required.saturating_add(STEP_SECS).min(max)
        } else {
            required
        }
    }
}

/// How long the interval rests at each second, to go a step in the time of an interval.
fn pause_secs(interval: Seconds) -> Seconds {
    ((interval + STEP_SECS / 2) / STEP_SECS).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Ceiling;
    use proptest::prelude::*;

    const LOAD: Load = Load {
        limit: Ceiling::Hundredths(150),
        min: 240,
        max: 1800,
    };

    /// Runs for so long under this load; the interval at every second.
    fn run(tempo: &mut Tempo, now: &mut Seconds, secs: Seconds, averages: Averages) -> Vec<u32> {
        let mut told = Vec::new();
        for _ in 0..secs {
            tempo.tick(*now, 2, || Some(averages));
            told.push(tempo.trend().interval);
            *now += 1;
        }
        told
    }

    #[test]
    fn an_idle_machine_goes_down_to_the_shortest_and_a_busy_one_up_to_the_longest() {
        let (mut tempo, mut now) = (Tempo::new(LOAD, 1800, 7), 7);
        assert_eq!(run(&mut tempo, &mut now, 1, [10, 20, 30]), [1800]);
        let at = |interval, previous, required| Trend {
            interval,
            previous,
            required,
        };
        assert_eq!(tempo.trend(), at(1800, 1800, 1740));
        // A second every half minute, and there when the next look is due.
        let told = run(&mut tempo, &mut now, 1799, [10, 20, 30]);
        assert_eq!((told[29], told[30], told[59]), (1799, 1799, 1798));
        assert_eq!(told[1798], 1741);
        run(&mut tempo, &mut now, 2, [10, 20, 30]);
        assert_eq!(tempo.trend(), at(1740, 1740, 1680));
        // 26 steps in all, of one interval each.
        let hours = (240..=1800).step_by(60).sum::<usize>() as Seconds;
        run(&mut tempo, &mut now, hours, [10, 20, 30]);
        assert_eq!(tempo.trend(), Trend::at(240));
        // Within an interval it is looked at, and after another it is there.
        run(&mut tempo, &mut now, 600, [151, 151, 151]);
        let Trend {
            previous, required, ..
        } = tempo.trend();
        assert_eq!((previous, required), (300, 360));
        run(&mut tempo, &mut now, 2 * hours, [400, 300, 200]);
        assert_eq!(tempo.trend(), Trend::at(1800));
    }

    #[test]
    fn a_load_that_is_neither_leaves_it() {
        for averages in [[150; 3], [100, 200, 200], [200, 200, 100], [150, 151, 151]] {
            let (mut tempo, mut now) = (Tempo::new(LOAD, 600, 0), 0);
            run(&mut tempo, &mut now, 3000, averages);
            assert_eq!(tempo.trend(), Trend::at(600), "{averages:?}");
        }
        let mut tempo = Tempo::new(LOAD, 600, 0);
        (0..3000).for_each(|now| tempo.tick(now, 2, || None));
        assert_eq!(tempo.trend(), Trend::at(600));
    }

    #[test]
    fn other_bounds_are_kept_at_once() {
        let (mut tempo, mut now) = (Tempo::new(LOAD, 1800, 0), 0);
        run(&mut tempo, &mut now, 100, [0; 3]);
        tempo.change(Load { max: 300, ..LOAD });
        assert_eq!(tempo.trend(), Trend::at(300));
        run(&mut tempo, &mut now, 5000, [0; 3]);
        assert_eq!(tempo.trend(), Trend::at(240));
        tempo.change(Load { min: 500, ..LOAD });
        assert_eq!(tempo.trend(), Trend::at(500));
    }

    proptest! {
        #![proptest_config(crate::seeded(128))]

        /// Whatever the load does, and however irregular the ticks are.
        #[test]
        fn it_moves_by_seconds_and_keeps_its_bounds(
            min in 60..86_400_u32, more in 0..3000_u32, begin: u32, start: u32,
            ticks in prop::collection::vec((0..400_u32, any::<u8>(), any::<bool>()), 1..400),
        ) {
            let max = (min + more).min(86_400);
            let load = Load { limit: Ceiling::Hundredths(100), min, max };
            let mut now = start;
            let mut tempo = Tempo::new(load, begin, now);
            for (pause, average, known) in ticks {
                now = now.saturating_add(pause);
                let before = tempo.trend();
                tempo.tick(now, 1, || known.then_some([average.into(); 3]));
                let trend = tempo.trend();
                for secs in [trend.interval, trend.previous, trend.required] {
                    prop_assert!((min..=max).contains(&secs), "{:?}", trend);
                }
                prop_assert!(trend.interval.abs_diff(before.interval) <= 1);
                prop_assert!(trend.required.abs_diff(trend.previous) <= 60);
            }
        }
    }
}

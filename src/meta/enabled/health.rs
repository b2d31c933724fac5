//! How good a tracker is, by what came of asking it; and which of them to ask.

use crate::meta::{Millis, Select};

/// How long until what happened counts half.
const HALF_LIFE_MILLIS: f32 = 24.0 * 3600.0 * 1000.0;

/// How long a tracker that failed is left alone: at first, and at most.
const PAUSE_MILLIS: Millis = 60_000;
const PAUSE_MILLIS_MAX: Millis = 24 * 3600 * 1000;

/// How much the latest answer counts among all of them.
const LATEST: f32 = 0.2;

/// Round trips that are about the same, in milliseconds.
const RTT_STEP: f32 = 250.0;

/// What is known of a tracker.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// Answers and failures in all, as mTracker counts them: 1 and 0 at birth.
    pub successes: u32,
    pub failures: u32,
    /// Answers and failures, the old ones faded.
    pub good: f32,
    pub bad: f32,
    /// When those were faded.
    pub at: Millis,
    /// How much of what it tells is news, from 0 to 1; hopeful at birth.
    pub use_share: f32,
    /// The usual round trip in milliseconds, if there was one.
    pub rtt: Option<f32>,
    /// Peers it has told of.
    pub peers: u32,
    /// Failures since the last answer.
    pub failed: u32,
    /// Until when it is left alone.
    pub paused: Millis,
    /// When it answered last, or else was asked first, by the time of day; 0 for never.
    pub answered: u64,
}

impl Default for Health {
    fn default() -> Health {
        Health {
            successes: 1,
            failures: 0,
            good: 0.0,
            bad: 0.0,
            at: 0,
            use_share: 1.0,
            rtt: None,
            peers: 0,
            failed: 0,
            paused: 0,
            answered: 0,
        }
    }
}

impl Health {
    /// It has answered, in so many milliseconds. `wall` is the time of day.
    pub fn succeed(&mut self, now: Millis, millis: Millis, wall: u64) {
        self.fade(now);
        self.successes = self.successes.saturating_add(1);
        self.good += 1.0;
        self.failed = 0;
        self.paused = 0;
        self.answered = wall;
        let millis = millis as f32;
        self.rtt = Some(self.rtt.map_or(millis, |rtt| rtt + (millis - rtt) * LATEST));
    }

    /// Of so many peers it has told, so many were news.
    pub fn tell(&mut self, peers: usize, news: usize) {
        self.peers = self.peers.saturating_add(peers as u32);
        let share = news as f32 / peers.max(1) as f32;
        self.use_share += (share - self.use_share) * LATEST;
    }

    /// It has not answered, or with nonsense.
    pub fn fail(&mut self, now: Millis, wall: u64) {
        self.fade(now);
        if self.answered == 0 {
            self.answered = wall;
        }
        self.failures = self.failures.saturating_add(1);
        self.bad += 1.0;
        let pause = PAUSE_MILLIS << self.failed.min(20);
        self.failed = self.failed.saturating_add(1);
        self.paused = now.saturating_add(pause.min(PAUSE_MILLIS_MAX));
    }

    /// It has answered, but not what it was asked for.
    pub fn refuse(&mut self, now: Millis, wall: u64) {
        self.fade(now);
        self.failures = self.failures.saturating_add(1);
        self.failed = 0;
        self.answered = wall;
        self.tell(0, 0);
    }

    /// The probability that it answers, by all that has happened.
    pub fn ratio(&self) -> f32 {
        self.successes as f32 / (self.successes.saturating_add(self.failures)).max(1) as f32
    }

    /// How good it is: what it is worth, if it answers.
    pub fn score(&self, now: Millis) -> f32 {
        let fading = self.fading(now);
        let (good, bad) = (self.good * fading, self.bad * fading);
        let success = (good + 1.0) / (good + bad + 2.0);
        // Nothing new from somebody who answers is worth a little still: there may be next time.
        (self.use_share + 0.02) * success
    }

    /// How often it was tried lately.
    fn tried(&self, now: Millis) -> f32 {
        (self.good + self.bad) * self.fading(now)
    }

    fn fading(&self, now: Millis) -> f32 {
        let age = now.saturating_sub(self.at) as f32;
        (-age / HALF_LIFE_MILLIS).exp2()
    }

    fn fade(&mut self, now: Millis) {
        let fading = self.fading(now);
        self.good *= fading;
        self.bad *= fading;
        self.at = self.at.max(now);
    }
}

/// Chooses up to `k` of the candidates. `random` gives numbers from 0 to 1, 1 excluded.
pub fn choose<'a, I: Copy>(
    select: Select,
    now: Millis,
    k: usize,
    candidates: impl Iterator<Item = (I, &'a Health)>,
    mut random: impl FnMut() -> f32,
) -> Vec<I> {
    match select {
        Select::Ratio => {
            let mut kept: Vec<_> = candidates
                .filter(|(_, health)| random() < health.ratio())
                .map(|(id, _)| id)
                .collect();
            shuffle(&mut kept, random);
            kept.truncate(k);
            kept
        }
        Select::Score => {
            let open = candidates.filter(|(_, health)| health.paused <= now);
            let mut open: Vec<_> = open.collect();
            // Those of one rank in any order, so that all of them get their chance.
            shuffle(&mut open, &mut random);
            let rank = |health: &Health| {
                let step = (health.rtt.unwrap_or(0.0) / RTT_STEP).floor();
                (health.score(now), -step)
            };
            open.sort_by(|(_, a), (_, b)| {
                let (a, b) = (rank(a), rank(b));
                b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1))
            });
            let best = if k > 1 && open.len() > k { k - 1 } else { k };
            let rest = open.split_off(best.min(open.len()));
            let mut chosen: Vec<I> = open.into_iter().map(|(id, _)| id).collect();
            if chosen.len() < k {
                let least = |(_, a): &&(I, &Health), (_, b): &&(I, &Health)| {
                    a.tried(now).total_cmp(&b.tried(now))
                };
                chosen.extend(rest.iter().min_by(least).map(|(id, _)| *id));
            }
            chosen
        }
    }
}

fn shuffle<T>(list: &mut [T], mut random: impl FnMut() -> f32) {
    for end in (1..list.len()).rev() {
        let at = (random() * (end + 1) as f32) as usize;
        list.swap(end, at.min(end));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers from 0 to 1 that are the same every time.
    fn dice(mut seed: u32) -> impl FnMut() -> f32 {
        move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 24) as f32
        }
    }

    fn health(successes: u32, failures: u32) -> Health {
        let mut health = Health::default();
        (1..successes).for_each(|_| health.succeed(0, 100, 1));
        (0..failures).for_each(|_| health.fail(0, 1));
        health
    }

    #[test]
    fn mtrackers_rule() {
        assert_eq!(Health::default().ratio(), 1.0);
        assert_eq!(health(1, 1).ratio(), 0.5);
        assert_eq!(health(3, 1).ratio(), 0.75);
        // A failure opens no breaker there: each is kept with its own probability.
        let all = [health(1, 0), health(1, 1), health(1, 3)];
        let mut random = dice(7);
        let mut kept = [0; 3];
        for _ in 0..4000 {
            let candidates = all.iter().enumerate();
            for id in choose(Select::Ratio, 0, 9, candidates, &mut random) {
                kept[id] += 1;
            }
        }
        assert_eq!(kept[0], 4000);
        assert!((1900..2100).contains(&kept[1]), "{kept:?}");
        assert!((900..1100).contains(&kept[2]), "{kept:?}");
    }

    #[test]
    fn who_fails_is_left_alone_for_longer_and_longer() {
        let mut health = Health::default();
        let mut now = 0;
        for minutes in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440] {
            health.fail(now, 1);
            assert_eq!(health.paused, now + minutes * 60_000);
            now = health.paused;
        }
        let chosen = |health: &Health, now| {
            !choose(Select::Score, now, 1, [((), health)].into_iter(), dice(1)).is_empty()
        };
        assert!(chosen(&health, now) && !chosen(&health, now - 1));
        health.succeed(now, 10, 1);
        assert_eq!((health.failed, health.paused), (0, 0));
    }

    #[test]
    fn the_best_are_asked_and_one_that_was_tried_the_least() {
        let mut all: Vec<_> = (0..6).map(|bad| health(10, bad)).collect();
        all.iter_mut().for_each(|health| health.paused = 0);
        all.push(Health::default());
        for (number, health) in all.iter_mut().enumerate() {
            // The newcomer has told nothing new so far, so that he has to be tried out.
            health.use_share = if number == 6 { 0.1 } else { 0.5 };
        }
        let mut chosen = choose(Select::Score, 0, 3, all.iter().enumerate(), dice(3));
        chosen.sort_unstable();
        assert_eq!(chosen, [0, 1, 6]);
    }

    #[test]
    fn what_happened_fades_and_the_quicker_is_preferred() {
        let mut late = health(2, 4);
        late.paused = 0;
        let day = 24 * 3600 * 1000;
        assert!(late.score(day) > late.score(0) && late.score(20 * day) < health(2, 0).score(0));
        let (mut quick, mut slow) = (Health::default(), Health::default());
        quick.succeed(0, 30, 1);
        slow.succeed(0, 3000, 1);
        let all = [&slow, &quick, &slow];
        let chosen = choose(Select::Score, 0, 1, all.into_iter().enumerate(), dice(5));
        assert_eq!(chosen, [1]);
    }

    proptest! {
        #![proptest_config(crate::seeded(128))]

        /// Nobody twice, nobody who is paused, and as many as there are.
        #[test]
        fn choices_are_different_and_open(
            paused in prop::collection::vec(any::<bool>(), 0..40), k in 1..12_usize, seed: u32,
        ) {
            let all: Vec<Health> = paused
                .iter()
                .map(|paused| Health { paused: u64::from(*paused) * 9, ..Health::default() })
                .collect();
            let mut chosen = choose(Select::Score, 5, k, all.iter().enumerate(), dice(seed));
            let open = paused.iter().filter(|paused| !**paused).count();
            prop_assert_eq!(chosen.len(), k.min(open));
            prop_assert!(chosen.iter().all(|id| !paused[*id]));
            chosen.sort_unstable();
            chosen.dedup();
            prop_assert_eq!(chosen.len(), k.min(open));
        }
    }
}

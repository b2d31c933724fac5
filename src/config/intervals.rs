//! Times that contradict each other.

use crate::types::{Intervals, Load};

/// Settings that can't be true together, the first being the one to change, and why.
pub type Contradiction = (&'static [&'static str], String);

/// What is wrong with them, if anything is.
pub fn contradiction(intervals: &Intervals) -> Option<Contradiction> {
    let said = match intervals.load {
        Some(load) => beyond(intervals, load),
        None => too_wide(intervals),
    };
    if said.is_some() {
        return said;
    }
    let longest = intervals.highest() + intervals.jitter_of(intervals.highest());
    match intervals.peer_timeout {
        Some(timeout) if timeout <= longest => Some((
            &[
                "tracker.peer_timeout",
                "load.interval_max",
                "tracker.interval",
                "tracker.interval_jitter",
            ],
            format!(
                "a peer timeout of {timeout} would forget peers that keep to their interval: \
                 it must exceed {longest}, the longest interval"
            ),
        )),
        _ => None,
    }
}

/// What is wrong with an interval that stays as it is.
fn too_wide(intervals: &Intervals) -> Option<Contradiction> {
    let Intervals {
        interval,
        min_interval,
        ..
    } = *intervals;
    let most = interval / 4;
    if let Some(jitter) = intervals.jitter.filter(|jitter| *jitter > most) {
        return Some((
            &["tracker.interval_jitter", "tracker.interval"],
            format!("an interval of {interval} can vary by {most} at most, not by {jitter}"),
        ));
    }
    let shortest = intervals.shortest();
    (min_interval > shortest).then(|| {
        let keys: &[_] = &[
            "tracker.min_interval",
            "tracker.interval",
            "tracker.interval_jitter",
        ];
        let what = format!("the least interval, {min_interval}, exceeds the shortest, {shortest}");
        (keys, what)
    })
}

/// What is wrong with one that the load drives.
fn beyond(intervals: &Intervals, Load { min, max, .. }: Load) -> Option<Contradiction> {
    if min > max {
        return Some((
            &["load.interval_min", "load.interval_max"],
            format!("the interval at low load, {min}, exceeds the one at high load, {max}"),
        ));
    }
    let interval = intervals.interval;
    (!(min..=max).contains(&interval)).then(|| {
        let keys: &[_] = &["tracker.interval", "load.interval_min", "load.interval_max"];
        let what = format!(
            "the interval to begin with, {interval}, is not from {min} to {max}, where the \
             load drives it"
        );
        (keys, what)
    })
}

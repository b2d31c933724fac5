//! When clients shall come again, and how long they are remembered meanwhile.

use crate::types::Seconds;

/// The times that depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// Time between the announces of a client; each answer names one that is drawn evenly from
    /// `interval - jitter` up to but not including `interval + jitter`. Where the load drives the
    /// interval, the one to begin with.
    pub interval: Seconds,
    /// At most a quarter of the interval; `None` means a tenth of it.
    pub jitter: Option<Seconds>,
    /// The least time between announces; at most the shortest that is named.
    pub min_interval: Seconds,
    /// When a silent peer is forgotten, after more than the longest that is named; `None` means
    /// one and a half intervals.
    pub peer_timeout: Option<Seconds>,
    /// How the load drives the interval; `None` if it doesn't.
    pub load: Option<Load>,
}

/// An interval that follows the load of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Above it the interval becomes longer, below it shorter.
    pub limit: Ceiling,
    /// The shortest interval.
    pub min: Seconds,
    /// The longest, at least the shortest.
    pub max: Seconds,
}

/// The load a machine may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceiling {
    /// Half a CPU less than it has.
    Auto,
    /// So much, in hundredths of a CPU.
    Hundredths(u32),
}

/// Settings that can't be true together, the first being the one to change, and why.
pub(super) type Contradiction = (&'static [&'static str], String);

impl Intervals {
    /// The lowest interval there can be.
    pub fn lowest(&self) -> Seconds {
        self.load.map_or(self.interval, |load| load.min)
    }

    /// The highest interval there can be.
    pub fn highest(&self) -> Seconds {
        self.load.map_or(self.interval, |load| load.max)
    }

    /// The shortest that answers name.
    pub fn shortest(&self) -> Seconds {
        self.lowest() - self.jitter_of(self.lowest())
    }

    /// How far answers are off this interval.
    pub fn jitter_of(&self, interval: Seconds) -> Seconds {
        self.jitter.unwrap_or(interval / 10).min(interval / 4)
    }

    /// How long a peer may be silent who is told to come again after about this interval.
    pub fn keep_secs(&self, interval: Seconds) -> Seconds {
        self.peer_timeout.unwrap_or(interval + interval / 2)
    }

    pub(super) fn contradiction(&self) -> Option<Contradiction> {
        let said = match self.load {
            Some(load) => self.beyond(load),
            None => self.too_wide(),
        };
        if said.is_some() {
            return said;
        }
        let longest = self.highest() + self.jitter_of(self.highest());
        match self.peer_timeout {
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
    fn too_wide(&self) -> Option<Contradiction> {
        let Intervals {
            interval,
            min_interval,
            ..
        } = *self;
        let most = interval / 4;
        if let Some(jitter) = self.jitter.filter(|jitter| *jitter > most) {
            return Some((
                &["tracker.interval_jitter", "tracker.interval"],
                format!("an interval of {interval} can vary by {most} at most, not by {jitter}"),
            ));
        }
        let shortest = self.shortest();
        (min_interval > shortest).then(|| {
            let keys: &[_] = &[
                "tracker.min_interval",
                "tracker.interval",
                "tracker.interval_jitter",
            ];
            let what =
                format!("the least interval, {min_interval}, exceeds the shortest, {shortest}");
            (keys, what)
        })
    }

    /// What is wrong with one that the load drives.
    fn beyond(&self, Load { min, max, .. }: Load) -> Option<Contradiction> {
        if min > max {
            return Some((
                &["load.interval_min", "load.interval_max"],
                format!("the interval at low load, {min}, exceeds the one at high load, {max}"),
            ));
        }
        let interval = self.interval;
        (!(min..=max).contains(&interval)).then(|| {
            let keys: &[_] = &["tracker.interval", "load.interval_min", "load.interval_max"];
            let what = format!(
                "the interval to begin with, {interval}, is not from {min} to {max}, where the \
                 load drives it"
            );
            (keys, what)
        })
    }
}

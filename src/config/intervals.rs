//! When clients shall come again, and how long they are remembered meanwhile.

use crate::types::Seconds;

/// The times that depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// Time between the announces of a client; each answer names one that is drawn evenly from
    /// `interval - jitter` up to but not including `interval + jitter`.
    pub interval: Seconds,
    /// `None` means a tenth of the interval; at most a quarter of it.
    pub jitter: Option<Seconds>,
    /// The least time between announces; at most the shortest that is named.
    pub min_interval: Seconds,
    /// When a silent peer is forgotten, after more than the longest that is named; `None` means
    /// one and a half intervals.
    pub peer_timeout: Option<Seconds>,
}

/// Settings that can't be true together, the first being the one to change, and why.
pub(super) type Contradiction = (&'static [&'static str], String);

impl Intervals {
    /// How far answers are off this interval.
    pub fn jitter_of(&self, interval: Seconds) -> Seconds {
        self.jitter.unwrap_or(interval / 10)
    }

    /// How long a peer may be silent who is told to come again after about this interval.
    pub fn keep_secs(&self, interval: Seconds) -> Seconds {
        self.peer_timeout.unwrap_or(interval + interval / 2)
    }

    pub(super) fn contradiction(&self) -> Option<Contradiction> {
        let Intervals {
            interval,
            min_interval,
            ..
        } = *self;
        let jitter = self.jitter_of(interval);
        if jitter > interval / 4 {
            let most = interval / 4;
            return Some((
                &["tracker.interval_jitter", "tracker.interval"],
                format!("an interval of {interval} can vary by {most} at most, not by {jitter}"),
            ));
        }
        if min_interval > interval - jitter {
            let least = interval - jitter;
            return Some((
                &[
                    "tracker.min_interval",
                    "tracker.interval",
                    "tracker.interval_jitter",
                ],
                format!("the least interval, {min_interval}, exceeds the shortest, {least}"),
            ));
        }
        let longest = interval + jitter;
        match self.peer_timeout {
            Some(timeout) if timeout <= longest => Some((
                &[
                    "tracker.peer_timeout",
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
}

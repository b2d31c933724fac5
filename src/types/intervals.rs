//! When clients shall come again, and how long they are remembered meanwhile.

use super::Seconds;

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
}

impl Ceiling {
    /// In hundredths, on a machine of so many CPUs.
    pub fn hundredths(self, cpus: u32) -> u32 {
        match self {
            Ceiling::Auto => cpus.max(1).saturating_mul(100) - 50,
            Ceiling::Hundredths(hundredths) => hundredths,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_itself_the_limit_is_half_a_cpu_less_than_there_are() {
        let limits = [0, 1, 2, 64].map(|cpus| Ceiling::Auto.hundredths(cpus));
        assert_eq!(limits, [50, 50, 150, 6350]);
        assert!(Ceiling::Auto.hundredths(u32::MAX) > 0);
    }
}

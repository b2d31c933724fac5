//! Latencies, counted in buckets of 1.6 % width.

/// Buckets per doubling.
const STEPS: u64 = 64;
const STEPS_LOG: u32 = STEPS.ilog2();

/// How often each latency was seen.
pub struct Latencies {
    buckets: Vec<u64>,
    count: u64,
    longest: u64,
}

impl Latencies {
    /// None yet.
    pub fn new() -> Latencies {
        let buckets = (u64::BITS - STEPS_LOG) as usize * STEPS as usize;
        Latencies {
            buckets: vec![0; buckets],
            count: 0,
            longest: 0,
        }
    }

    /// Counts one.
    pub fn add(&mut self, nanos: u64) {
        self.buckets[bucket(nanos)] += 1;
        self.count += 1;
        self.longest = self.longest.max(nanos);
    }

    /// The latency in microseconds that this share of all stayed within, 0 if there are none.
    pub fn micros(&self, share: f64) -> f64 {
        let rank = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        let at = self.buckets.iter().position(|count| {
            seen += count;
            seen >= rank.max(1)
        });
        at.map_or(0.0, |at| lowest(at) as f64 / 1e3)
    }

    /// The longest of all, in microseconds.
    pub fn longest_micros(&self) -> f64 {
        self.longest as f64 / 1e3
    }
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies::new()
    }
}

fn bucket(nanos: u64) -> usize {
    let doubling = (nanos | STEPS).ilog2() - STEPS_LOG;
    (u64::from(doubling) * STEPS + (nanos >> doubling)) as usize
}

fn lowest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let doubling = (bucket / STEPS).saturating_sub(1);
    (bucket - doubling * STEPS) << doubling
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_within_two_percent() {
        for nanos in (0..64).flat_map(|shift| [1u64 << shift, (1 << shift) + (1 << shift) / 3]) {
            let low = lowest(bucket(nanos));
            assert!(low <= nanos && (nanos - low) as f64 <= nanos as f64 / 64.0);
        }
    }

    #[test]
    fn percentiles() {
        let mut latencies = Latencies::new();
        (1..=1000).for_each(|micros| latencies.add(micros * 1000));
        assert!((490.0..=500.0).contains(&latencies.micros(0.5)));
        assert!((980.0..=990.0).contains(&latencies.micros(0.99)));
        assert_eq!(latencies.longest_micros(), 1000.0);
    }
}

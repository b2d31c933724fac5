//! A worker's sign of life, for those who watch that all of them go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// One worker's sign of life.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU32>);

impl Pulse {
    /// I am alive.
    pub fn beat(&self) {
        // Nobody else writes.
        let beats = self.0.load(Ordering::Relaxed);
        self.0.store(beats.wrapping_add(1), Ordering::Relaxed);
    }

    /// How often that was said.
    pub fn beats(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_may_wrap() {
        let pulse = Pulse(Arc::new(AtomicU32::new(u32::MAX)));
        pulse.beat();
        assert_eq!(pulse.beats(), 0);
    }
}

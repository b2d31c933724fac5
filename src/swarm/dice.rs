//! The dice that pick peers.

/// PCG-XSH-RR 64/32 (O'Neill): small, quick on 32-bit machines, seeded from a secret of its own so
/// that what strangers see of it tells nothing about where keys lie in the tables.
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Dice that fall as `seed` says.
    pub fn new(seed: u64) -> Dice {
        let mut dice = Dice { state: seed };
        dice.word();
        dice
    }

    /// Any 32 bits.
    pub fn word(&mut self) -> u32 {
        let old = self.state;
        self.state = old
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mixed = (((old >> 18) ^ old) >> 27) as u32;
        mixed.rotate_right((old >> 59) as u32)
    }

    /// A number from 0 up to, not including, `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u32) -> u32 {
        ((u64::from(self.word()) * u64::from(end)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_are_even() {
        let mut dice = Dice::new(3);
        let mut faces = [0; 6];
        (0..6000).for_each(|_| faces[dice.below(6) as usize] += 1);
        assert!(faces.iter().all(|n| (850..1150).contains(n)), "{faces:?}");
        assert_eq!(dice.below(0), 0);
    }
}

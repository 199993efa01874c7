//! Chance from a seed.

/// A stream of numbers that looks random; the same for the same seed (SplitMix64, Steele et al., OOPSLA 2014).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    /// A stream of its own for each of `parts`.
    pub(crate) fn new(seed: u64, parts: &[u64]) -> Self {
        let mut chance = Self(seed);
        for part in parts {
            chance.0 = chance.next() ^ part;
        }
        chance
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True once in `count` times.
    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// `count` different numbers below `bound`, in any order.
    pub(crate) fn several(&mut self, count: u64, bound: u64) -> Vec<u64> {
        let mut rest: Vec<u64> = (0..bound).collect();
        (0..count.min(bound)).map(|_| rest.swap_remove(self.below(rest.len() as u64) as usize)).collect()
    }
}

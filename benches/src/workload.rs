//! Numbered keys and values, and the order in which they are asked for.

/// Bytes of a key.
pub const KEY_BYTES: usize = 16;
/// Bytes of a value.
pub const VALUE_BYTES: usize = 256;

/// The key of item `number`: spread over the key space.
pub fn key(number: u64) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..8].copy_from_slice(&mix(number).to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The key of item `number` where keys are to be in the order of their numbers.
pub fn ordered_key(number: u64) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The value of item `number` at `version`: incompressible, like encrypted or packed data.
pub fn value(number: u64, version: u64) -> [u8; VALUE_BYTES] {
    let mut value = [0; VALUE_BYTES];
    let mut state = mix(number ^ version.rotate_left(32));
    for chunk in value.chunks_exact_mut(8) {
        state = mix(state.wrapping_add(STEP));
        chunk.copy_from_slice(&state.to_le_bytes());
    }
    value
}

/// A sequence of pseudo-random numbers (SplitMix64).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Each client has a sequence of its own.
    pub fn new(client: u64) -> Self {
        Self(mix(client.wrapping_add(STEP)))
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0) % bound
    }
}

/// SplitMix64's step: the odd number next to 2^64 divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's finaliser: a permutation of the 64-bit numbers that keeps 0.
pub fn mix(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_numbers_and_versions_differ_in_every_word() {
        let words = |value: [u8; VALUE_BYTES]| -> Vec<[u8; 8]> {
            value.chunks_exact(8).map(|word| word.try_into().unwrap()).collect()
        };
        let mut all = [value(0, 0), value(0, 1), value(1, 0), value(1, 1)].map(words).concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4 * VALUE_BYTES / 8);
    }

    #[test]
    fn a_sequence_repeats_for_its_client_and_differs_from_the_next_one() {
        let sequence = |client| {
            let mut chance = Chance::new(client);
            (0..8).map(|_| chance.below(1_000_000)).collect::<Vec<_>>()
        };
        assert_eq!(sequence(3), sequence(3));
        assert_ne!(sequence(3), sequence(4));
    }
}

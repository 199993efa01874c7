//! Request ids: 52 characters of base 32, as DynamoDB gives them.

use std::cell::Cell;

use basalt_engine::runtime::Handle;

/// Length of an id.
pub(crate) const REQUEST_ID_LENGTH: usize = 52;

/// Makes the ids of one connection: unpredictable at the start, never the same twice.
#[derive(Debug)]
pub(crate) struct RequestIds {
    state: Cell<u64>,
}

impl RequestIds {
    /// Ids from a random starting point.
    pub(crate) fn new(handle: &Handle) -> RequestIds {
        RequestIds { state: Cell::new(handle.random_u64()) }
    }

    /// The next id: 256 bits, five a character, the last one filled up with zeros.
    pub(crate) fn next(&self) -> String {
        let mut id = String::with_capacity(REQUEST_ID_LENGTH);
        let (mut bits, mut bit_count) = (0u128, 0u32);
        for word in [self.next_word(), self.next_word(), self.next_word(), self.next_word()] {
            bits = bits << 64 | u128::from(word);
            bit_count += 64;
            while bit_count >= 5 {
                bit_count -= 5;
                id.push(digit(bits >> bit_count));
            }
        }
        id.push(digit(bits << (5 - bit_count)));
        id
    }

    /// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a bijection of a counter, so words repeat after 2^64.
    fn next_word(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// The character of the lowest five bits: `0-9A-V`.
fn digit(bits: u128) -> char {
    char::from_digit((bits & 31) as u32, 32).expect("five bits are one digit of base 32").to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_52_upper_case_characters_and_differ() {
        let ids = RequestIds { state: Cell::new(7) };
        let (first, second) = (ids.next(), ids.next());
        for id in [&first, &second] {
            assert_eq!(id.len(), REQUEST_ID_LENGTH);
            assert!(id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()), "{id}");
        }
        assert_ne!(first, second);
    }
}

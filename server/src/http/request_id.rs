//! Request ids: 52 characters of base 32, as DynamoDB gives them.

use std::cell::Cell;

use basalt_engine::runtime::Handle;
use hyper::header::HeaderValue;

/// Characters of 64 bits.
const WORD_LENGTH: usize = 13;
/// Length of an id.
const REQUEST_ID_LENGTH: usize = 4 * WORD_LENGTH;
/// The digits of base 32.
const DIGITS: [u8; 32] = *b"0123456789ABCDEFGHIJKLMNOPQRSTUV";

/// An id, in ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId([u8; REQUEST_ID_LENGTH]);

impl From<RequestId> for HeaderValue {
    fn from(id: RequestId) -> Self {
        HeaderValue::from_bytes(&id.0).expect("request ids are upper-case letters and digits")
    }
}

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

    /// The next id: 256 bits in four words, each in 13 characters of five bits, whose last one has four.
    pub(crate) fn next(&self) -> RequestId {
        let mut id = [0; REQUEST_ID_LENGTH];
        for characters in id.chunks_exact_mut(WORD_LENGTH) {
            let mut bits = self.next_word();
            for character in characters {
                *character = DIGITS[(bits >> (u64::BITS - 5)) as usize];
                bits <<= 5;
            }
        }
        RequestId(id)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_52_upper_case_characters_and_differ() {
        let ids = RequestIds { state: Cell::new(7) };
        let (first, second) = (ids.next(), ids.next());
        for RequestId(id) in [first, second] {
            assert!(id.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()), "{id:?}");
        }
        assert_ne!(first, second);
    }
}

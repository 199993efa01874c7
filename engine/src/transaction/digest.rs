//! The digest by which a request is known again.

use std::fmt::{self, Write};

use basalt_format::checksum::xxh3_128;

/// The form of a request is digested in pieces of this size, so that a large one is never held twice.
const PIECE_BYTES: usize = 64 << 10;

/// A digest of a request's debug form: requests that say the same have the same one.
pub(super) fn of(request: &impl fmt::Debug) -> u128 {
    let mut digest = Digest::default();
    write!(digest, "{request:?}").expect("a digest takes any text");
    digest.finish()
}

/// What was digested, then what was not yet.
#[derive(Default)]
struct Digest {
    pending: Vec<u8>,
}

impl Digest {
    fn finish(self) -> u128 {
        xxh3_128(&self.pending, 0)
    }
}

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.pending.extend_from_slice(text.as_bytes());
        if self.pending.len() >= PIECE_BYTES {
            let digested = xxh3_128(&self.pending, 0).to_le_bytes();
            self.pending.clear();
            self.pending.extend_from_slice(&digested);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_request_counts() {
        let request =
            |last: u8| (0..100_000).map(|index: u32| index as u8).chain([last]).collect::<Vec<u8>>();
        assert_eq!(of(&request(1)), of(&request(1)));
        assert_ne!(of(&request(1)), of(&request(2)));
        assert_ne!(of(&request(1)), of(&(request(1), ())));
    }
}

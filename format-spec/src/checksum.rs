//! The three checksums of Basalt's files; `spec/conventions.md` says which guards what.
//!
//! All are fixed functions of bytes and seed: a change of either library's output would be a change of format,
//! which the known answers below would show.

/// CRC-32 (ISO-HDLC, as in zlib): small headers and records.
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// CRC-32 of one byte string and another behind it.
pub fn crc32_of_two(first: &[u8], second: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(first);
    hasher.update(second);
    hasher.finalize()
}

/// XXH3-64 with a seed: page and frame payloads, where the seed binds bytes to their place.
pub fn xxh3_64(bytes: &[u8], seed: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(bytes, seed)
}

/// XXH3-128 with a seed: superblocks.
pub fn xxh3_128(bytes: &[u8], seed: u64) -> u128 {
    xxhash_rust::xxh3::xxh3_128_with_seed(bytes, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_give_their_published_answers() {
        // "123456789" is the check value of the CRC catalogue; the XXH3 values are those of xxHash's own
        // documentation for empty input and seed 0.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32_of_two(b"1234", b"56789"), 0xcbf4_3926);
        assert_eq!(xxh3_64(b"", 0), 0x2d06_8005_38d3_94c2);
        assert_eq!(xxh3_128(b"", 0), 0x99aa_06d3_0147_98d8_6001_c324_468d_497f);
    }

    #[test]
    fn the_seed_changes_the_answer() {
        assert_ne!(xxh3_64(b"basalt", 1), xxh3_64(b"basalt", 2));
        assert_ne!(xxh3_128(b"basalt", 1), xxh3_128(b"basalt", 2));
    }
}

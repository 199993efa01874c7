//! A chunk: runs of one file's bytes, compressed, known by the SHA-256 of what is stored.

use std::io::Read as _;

use basalt_format::backup::{CHUNK_BYTES_MAX, ChunkRun, decode_chunk, encode_chunk};
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;

/// Fast, and most of what there is to gain.
const COMPRESSION_LEVEL: i32 = 3;

/// A chunk as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredChunk {
    pub(crate) sha256: String,
    pub(crate) bytes: Vec<u8>,
    /// Bytes when inflated.
    pub(crate) raw_bytes: u64,
}

/// Packs and compresses runs, ascending by offset.
pub(crate) fn pack(runs: &[ChunkRun]) -> Result<StoredChunk, Failure> {
    let raw = encode_chunk(runs);
    let bytes = zstd::bulk::compress(&raw, COMPRESSION_LEVEL).map_err(|error| Failure::io("zstd", error))?;
    Ok(StoredChunk { sha256: sha256_of(&bytes), bytes, raw_bytes: raw.len() as u64 })
}

/// The runs of a stored chunk whose SHA-256 was found to be right.
pub(crate) fn unpack(stored: &[u8], raw_bytes: u64) -> Result<Vec<ChunkRun>, Failure> {
    let capacity = usize::try_from(raw_bytes).ok().filter(|&bytes| bytes <= CHUNK_BYTES_MAX);
    let capacity = capacity.ok_or_else(|| Failure::damaged("a chunk is larger than chunks may be"))?;
    let mut raw = Vec::with_capacity(capacity);
    let inflated = zstd::stream::read::Decoder::new(stored)
        .and_then(|decoder| decoder.take(raw_bytes + 1).read_to_end(&mut raw));
    match inflated {
        Ok(length) if length == capacity => {
            decode_chunk(&raw).map_err(|error| Failure::damaged(error.to_string()))
        }
        Ok(length) => Err(Failure::damaged(format!("a chunk has {length} bytes, {capacity} are listed"))),
        Err(error) => Err(Failure::damaged(format!("a chunk does not inflate: {error}"))),
    }
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> Vec<ChunkRun> {
        vec![
            ChunkRun { offset: 0, bytes: vec![7; 5000] },
            ChunkRun { offset: 1 << 40, bytes: (0..=255).collect() },
        ]
    }

    #[test]
    fn runs_come_back() {
        let stored = pack(&runs()).unwrap();
        assert_eq!(unpack(&stored.bytes, stored.raw_bytes).unwrap(), runs());
    }

    #[test]
    fn every_flipped_bit_of_a_stored_chunk_changes_its_name() {
        let stored = pack(&runs()).unwrap();
        for bit in 0..stored.bytes.len() * 8 {
            let mut damaged = stored.bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(sha256_of(&damaged), stored.sha256, "bit {bit}");
            // And what nobody hashed may be refused or read, but never panics or grows.
            let _ = unpack(&damaged, stored.raw_bytes);
        }
    }
}

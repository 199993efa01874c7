//! A chunk of a backup: runs of one file's bytes.
//!
//! The form before compression. That its bytes are the ones that were written, the manifest's SHA-256 says.
//!
//! Byte tables: `spec/backup.md`.

use crate::{
    bytes::{Put, Reader},
    error::DecodeError,
    layout::{Constant, Field},
};

/// First eight bytes of a chunk, inflated.
pub const CHUNK_MAGIC: u64 = u64::from_le_bytes(*b"BSLTCHNK");
/// Version of chunks that this code reads and writes.
pub const CHUNK_VERSION: u32 = 1;
/// No chunk is longer, inflated.
pub const CHUNK_BYTES_MAX: usize = 64 << 20;
/// Bytes of a chunk's header.
pub const CHUNK_HEADER_BYTES: usize = 16;
/// Bytes that a run takes behind the header.
pub const CHUNK_RUN_BYTES: usize = 16;

/// Where the fields of a chunk's header are; the table of `spec/backup.md`.
pub const CHUNK_HEADER_LAYOUT: &[Field] =
    &[Field::new(0, 8, "magic"), Field::new(8, 4, "version"), Field::new(12, 4, "run_count")];
/// Where the fields of a run are.
pub const CHUNK_RUN_LAYOUT: &[Field] = &[Field::new(0, 8, "offset"), Field::new(8, 8, "length")];
/// The bounds of chunks, as in `spec/backup.md`.
pub const CHUNK_CONSTANTS: &[Constant] = &[
    Constant::new("CHUNK_MAGIC", CHUNK_MAGIC),
    Constant::new("CHUNK_VERSION", CHUNK_VERSION as u64),
    Constant::new("CHUNK_BYTES_MAX", CHUNK_BYTES_MAX as u64),
];

const WHAT: &str = "chunk";

/// Bytes that stand together in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRun {
    /// Where they stand.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A chunk's bytes, before compression.
pub fn encode_chunk(runs: &[ChunkRun]) -> Vec<u8> {
    let data: usize = runs.iter().map(|run| run.bytes.len()).sum();
    let mut chunk = Vec::with_capacity(CHUNK_HEADER_BYTES + runs.len() * CHUNK_RUN_BYTES + data);
    chunk.put_u64(CHUNK_MAGIC);
    chunk.put_u32(CHUNK_VERSION);
    chunk.put_u32(u32::try_from(runs.len()).expect("a chunk has fewer runs than blocks"));
    for run in runs {
        chunk.put_u64(run.offset);
        chunk.put_u64(run.bytes.len() as u64);
    }
    runs.iter().for_each(|run| chunk.put_bytes(&run.bytes));
    assert!(chunk.len() <= CHUNK_BYTES_MAX, "chunks are cut far below their limit");
    chunk
}

/// Reads a chunk, all of it.
pub fn decode_chunk(chunk: &[u8]) -> Result<Vec<ChunkRun>, DecodeError> {
    let mut reader = Reader::new(WHAT, chunk);
    let magic = reader.u64()?;
    if magic != CHUNK_MAGIC {
        return Err(DecodeError::BadMagic { what: WHAT, expected: CHUNK_MAGIC, found: magic });
    }
    let version = reader.u32()?;
    if version != CHUNK_VERSION {
        let (found, newest_known) = (version.into(), CHUNK_VERSION.into());
        return Err(DecodeError::UnknownVersion { what: WHAT, found, newest_known });
    }
    let count = reader.u32()? as usize;
    let mut places = Vec::with_capacity(count.min(chunk.len() / CHUNK_RUN_BYTES));
    for _ in 0..count {
        places.push((reader.u64()?, reader.u64()?));
    }
    let mut runs = Vec::with_capacity(places.len());
    for (offset, length) in places {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        runs.push(ChunkRun { offset, bytes: reader.bytes(length)?.to_vec() });
    }
    reader.finish()?;
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_come_back_and_no_cut_chunk_does() {
        let runs = vec![
            ChunkRun { offset: 0, bytes: vec![7; 50] },
            ChunkRun { offset: 1 << 40, bytes: (0..=255).collect() },
        ];
        let chunk = encode_chunk(&runs);
        assert_eq!(decode_chunk(&chunk), Ok(runs));
        for length in 0..chunk.len() {
            assert!(decode_chunk(&chunk[..length]).is_err(), "length {length}");
        }
        assert!(decode_chunk(&[&chunk[..], &[0]].concat()).is_err(), "bytes behind the last run");
    }
}

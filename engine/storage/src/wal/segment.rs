//! What segments are called, whose they are, and how their frames chain.

use std::path::{Path, PathBuf};

use basalt_format::{
    BLOCK_SIZE_BYTES,
    wal::{FrameHeader, Predecessor},
};

use crate::ids::{FrameSequence, Lsn, StreamId};

/// One block, as a file offset.
pub(crate) const BLOCK_BYTES: u64 = BLOCK_SIZE_BYTES as u64;
/// Where a segment's first frame starts: behind the header's block.
pub(crate) const FIRST_FRAME_OFFSET: u64 = BLOCK_BYTES;

const EXTENSION: &str = "wal";

/// What every segment and frame of one stream repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamIdentity {
    /// The cluster of the data directory.
    pub(crate) cluster_uuid: [u8; 16],
    /// The node of the data directory.
    pub(crate) node_id: u64,
    /// Seeds the hashes of frame headers.
    pub(crate) log_salt: u64,
    /// The stream.
    pub(crate) stream: StreamId,
}

/// The end of a chain of frames: what the next frame must continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ChainEnd {
    /// Sequence of the segment that holds the last frame, 0 before the stream's first.
    pub(crate) segment: u64,
    /// Sequence of the last frame.
    pub(crate) frame: FrameSequence,
    /// Hash of the last frame.
    pub(crate) hash: u64,
    /// Where the last frame ends.
    pub(crate) lsn: Lsn,
}

impl ChainEnd {
    /// The end after `header`'s frame, of segment `segment`.
    pub(crate) fn after(segment: u64, header: &FrameHeader, log_salt: u64) -> Self {
        Self {
            segment,
            frame: FrameSequence::new(header.sequence),
            hash: header.hash(log_salt),
            lsn: Lsn::new(header.end_lsn()),
        }
    }

    /// What the header of a segment opened here says of the log before it.
    pub(crate) fn as_predecessor(&self) -> Predecessor {
        Predecessor { sequence: self.segment, end_lsn: self.lsn.get(), last_frame_hash: self.hash }
    }
}

/// A file of the stream's directory that holds nothing anyone needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnusedFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its length.
    pub(crate) size_bytes: u64,
}

/// `DATA/wal`.
pub(crate) fn log_directory(directory: &Path) -> PathBuf {
    directory.join("wal")
}

/// `DATA/wal/<stream>`.
pub(crate) fn stream_directory(directory: &Path, stream: StreamId) -> PathBuf {
    log_directory(directory).join(stream.get().to_string())
}

/// The name of a stream's file with this number. A name says nothing of the content.
pub(crate) fn file_name(number: u64) -> String {
    format!("{number:016x}.{EXTENSION}")
}

/// The number in a file's name; `None` for what the log did not name.
pub(crate) fn file_number(name: &Path) -> Option<u64> {
    let stem = name.file_stem()?.to_str()?;
    let is_log = name.extension()? == EXTENSION && stem.len() == 16;
    u64::from_str_radix(stem, 16).ok().filter(|_| is_log)
}

/// What of a file's length counts: whole blocks.
pub(crate) fn whole_blocks(size_bytes: u64) -> u64 {
    size_bytes - size_bytes % BLOCK_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_name_each_other() {
        assert_eq!(file_number(Path::new(&file_name(0xbeef))), Some(0xbeef));
        for foreign in ["1.wal", "000000000000000x.wal", "0000000000000001.tmp", "README"] {
            assert_eq!(file_number(Path::new(foreign)), None, "{foreign}");
        }
    }
}

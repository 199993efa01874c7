//! A file read from front to back through a window of memory, a few chunks ahead.
//!
//! Bytes are lent from the chunks that they were read into; only what lies across two chunks is put together.

use std::{collections::VecDeque, io};

use basalt_runtime::{AlignedBuffer, File, Handle, Task};

use super::segment::{BLOCK_BYTES, whole_blocks};
use crate::error::{DiskOperation, StorageError};

/// Bytes of one read: large enough for a device's full bandwidth, small enough for a small memory budget.
const CHUNK_BYTES: u64 = 256 << 10;
/// Reads in flight once the file proves to be read on: the device works while the processor does.
const CHUNKS_AHEAD: usize = 4;

/// The bytes of a file from a position that only grows.
pub(crate) struct Window {
    handle: Handle,
    file: File,
    /// Whole blocks of the file: a block that its end cuts counts as not there.
    file_bytes: u64,
    /// File offset of the window's front.
    offset: u64,
    /// What was read, gapless; the first chunk holds the front.
    chunks: VecDeque<AlignedBuffer>,
    /// File offset of the first chunk's first byte.
    chunks_offset: u64,
    /// File offset behind the last chunk.
    end: u64,
    /// The chunks behind `end` that are being read, in order.
    ahead: VecDeque<ChunkRead>,
    /// Reads that may be in flight: of the first chunk only one, since often nothing else is asked for.
    ahead_max: usize,
    /// Memory of a chunk that was passed, for the next read.
    spent: Vec<AlignedBuffer>,
    /// The window's front, where it lies across chunks; else empty.
    joined: Vec<u8>,
}

type ChunkRead = Task<(io::Result<usize>, AlignedBuffer)>;

impl Window {
    /// A window whose front is at `offset`, a multiple of a block.
    pub(crate) fn new(handle: &Handle, file: File, file_bytes: u64, offset: u64) -> Self {
        Self {
            handle: handle.clone(),
            file,
            file_bytes: whole_blocks(file_bytes),
            offset,
            chunks: VecDeque::new(),
            chunks_offset: offset,
            end: offset,
            ahead: VecDeque::new(),
            ahead_max: 1,
            spent: Vec::new(),
            joined: Vec::new(),
        }
    }

    /// Moves the front to `offset` and fills the window with at least `length` bytes, or with what the file has.
    pub(crate) async fn fill(&mut self, offset: u64, length: u64) -> Result<(), StorageError> {
        self.move_to(offset);
        while self.end - self.offset < length && self.end < self.file_bytes {
            self.take_chunk().await?;
        }
        self.join(length.min(self.end - self.offset) as usize);
        Ok(())
    }

    /// Up to `length` bytes at the front, which were filled: fewer if the file ends.
    pub(crate) fn front(&self, length: u64) -> &[u8] {
        let filled = if self.joined.is_empty() { self.rest_of_first_chunk() } else { &self.joined };
        let available = usize::try_from(length).map_or(filled.len(), |length| length.min(filled.len()));
        &filled[..available]
    }

    fn rest_of_first_chunk(&self) -> &[u8] {
        let passed = (self.offset - self.chunks_offset) as usize;
        self.chunks.front().map_or(&[], |chunk| &chunk[passed..])
    }

    fn move_to(&mut self, offset: u64) {
        assert!(offset >= self.offset, "a window only moves forward");
        self.offset = offset;
        self.joined.clear();
        // What one giant frame needed is not kept for good.
        self.joined.shrink_to(CHUNK_BYTES as usize);
        while self.chunks.front().is_some_and(|chunk| self.chunks_offset + chunk.len() as u64 <= offset) {
            let passed = self.chunks.pop_front().expect("it was looked at just now");
            self.chunks_offset += passed.len() as u64;
            self.spent.push(passed);
        }
        self.spent.truncate(CHUNKS_AHEAD);
        if offset > self.end {
            // The caller skips more than was read: what is on its way lies before the new front.
            self.ahead.clear();
            self.end = offset;
            self.chunks_offset = offset;
        }
    }

    async fn take_chunk(&mut self) -> Result<(), StorageError> {
        self.read_ahead();
        self.ahead_max = CHUNKS_AHEAD;
        let reading = self.ahead.pop_front().expect("a read was started");
        let wanted = self.chunk_bytes(self.end);
        let (result, mut chunk) = reading.await;
        let read =
            result.map_err(|error| StorageError::disk(DiskOperation::Read, self.file.path(), error))?;
        chunk.truncate(whole_blocks(read as u64) as usize);
        self.end += chunk.len() as u64;
        if chunk.len() as u64 != wanted {
            // The file is shorter than its directory entry said.
            self.file_bytes = self.end;
            self.ahead.clear();
        }
        if !chunk.is_empty() {
            self.chunks.push_back(chunk);
        }
        Ok(())
    }

    /// Starts as many reads as may be in flight, or fewer if the file ends.
    fn read_ahead(&mut self) {
        let mut offset = self.end + self.ahead.len() as u64 * CHUNK_BYTES;
        while self.ahead.len() < self.ahead_max && offset < self.file_bytes {
            let length = self.chunk_bytes(offset);
            let buffer = self.spent.pop().unwrap_or_default();
            let reading = self.handle.spawn(read_chunk(self.file.clone(), buffer, offset, length));
            self.ahead.push_back(reading);
            offset += length;
        }
    }

    fn chunk_bytes(&self, offset: u64) -> u64 {
        CHUNK_BYTES.min(self.file_bytes - offset)
    }

    /// Puts the first `length` bytes together, if they lie across chunks.
    fn join(&mut self, length: usize) {
        if self.rest_of_first_chunk().len() >= length {
            return;
        }
        self.joined.reserve_exact(length);
        let mut passed = (self.offset - self.chunks_offset) as usize;
        for chunk in &self.chunks {
            let part = &chunk[passed..];
            let missing = length - self.joined.len();
            self.joined.extend_from_slice(&part[..part.len().min(missing)]);
            passed = 0;
        }
    }
}

async fn read_chunk(
    file: File,
    mut buffer: AlignedBuffer,
    offset: u64,
    length: u64,
) -> (io::Result<usize>, AlignedBuffer) {
    assert!(
        offset.is_multiple_of(BLOCK_BYTES) && length.is_multiple_of(BLOCK_BYTES),
        "direct reads are whole blocks"
    );
    buffer.resize(length as usize);
    file.read_at(buffer, offset).await
}

#[cfg(test)]
mod tests {
    use basalt_runtime::{
        DirectMode, OpenOptions, ShardIndex,
        sim::{Disk, SimOptions, Simulation},
    };
    use proptest::prelude::*;

    use super::*;

    const SHARD: ShardIndex = ShardIndex(0);

    /// A file in which every block tells its number.
    fn numbered_blocks(count: u64, cut_bytes: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            (0..count).flat_map(|block| block.to_le_bytes().repeat(BLOCK_BYTES as usize / 8)).collect();
        bytes.truncate(bytes.len() - cut_bytes);
        bytes
    }

    /// Reads `ranges`, each so many blocks behind the start of the one before and so many blocks long.
    async fn read_ranges(handle: Handle, listed_bytes: u64, ranges: Vec<(u64, u64)>) -> Vec<(u64, Vec<u8>)> {
        let options = OpenOptions::new().read(true).direct(DirectMode::Direct);
        let file = handle.open_file("/file".as_ref(), options).await.expect("the file is there");
        let mut window = Window::new(&handle, file, listed_bytes, BLOCK_BYTES);
        let mut offset = BLOCK_BYTES;
        let mut found = Vec::new();
        for (skipped, blocks) in ranges {
            offset += skipped * BLOCK_BYTES;
            let length = blocks * BLOCK_BYTES;
            // As a frame is read: its header's block first.
            window.fill(offset, BLOCK_BYTES).await.expect("the disk answers");
            window.fill(offset, length).await.expect("the disk answers");
            found.push((offset, window.front(length).to_vec()));
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_window_shows_the_file(
            seed: u64,
            ranges in proptest::collection::vec((0..200u64, 1..150u64), 1..20),
            cut_bytes in 0..2 * BLOCK_BYTES as usize,
        ) {
            let bytes = numbered_blocks(1000, cut_bytes);
            let whole = &bytes[..whole_blocks(bytes.len() as u64) as usize];
            let mut disk = Disk::new();
            disk.write_file("/file".as_ref(), &bytes).expect("the disk has room");
            let mut simulation = Simulation::new(SimOptions::new(seed), disk);
            // The directory may say that the file is longer than it is.
            let reading = read_ranges(simulation.handle(SHARD), 1000 * BLOCK_BYTES, ranges.clone());
            let found = simulation.run_until(SHARD, reading).expect("the reads come to an end");
            for ((offset, found), (_, blocks)) in found.into_iter().zip(ranges) {
                let start = whole.len().min(offset as usize);
                let end = whole.len().min((offset + blocks * BLOCK_BYTES) as usize);
                prop_assert!(found == whole[start..end], "at {offset}, {blocks} blocks");
            }
        }
    }
}

//! A file read from front to back through a window of memory, one chunk ahead.

use std::io;

use basalt_runtime::{AlignedBuffer, File, Handle, Task};

use super::segment::{BLOCK_BYTES, whole_blocks};
use crate::error::{DiskOperation, StorageError};

/// Bytes of one read: large enough for a device's full bandwidth, small enough for a small memory budget.
const CHUNK_BYTES: u64 = 1 << 20;

/// The bytes of a file from a position that only grows.
pub(crate) struct Window {
    handle: Handle,
    file: File,
    /// Whole blocks of the file: a block that its end cuts counts as not there.
    file_bytes: u64,
    /// File offset of the window's front.
    offset: u64,
    bytes: AlignedBuffer,
    /// Where in `bytes` the front is: what lies before was passed, and goes when the next chunk comes.
    front: usize,
    /// The chunk behind `bytes`, being read.
    ahead: Option<Task<(io::Result<usize>, AlignedBuffer)>>,
}

impl Window {
    /// A window whose front is at `offset`, a multiple of a block.
    pub(crate) fn new(handle: &Handle, file: File, file_bytes: u64, offset: u64) -> Self {
        Self {
            handle: handle.clone(),
            file,
            file_bytes: whole_blocks(file_bytes),
            offset,
            bytes: AlignedBuffer::new(),
            front: 0,
            ahead: None,
        }
    }

    /// Moves the front to `offset` and fills the window with at least `length` bytes, or with what the file has.
    pub(crate) async fn fill(&mut self, offset: u64, length: u64) -> Result<(), StorageError> {
        self.move_to(offset);
        while (self.available() as u64) < length && self.end() < self.file_bytes {
            self.take_chunk().await?;
        }
        Ok(())
    }

    /// Up to `length` bytes at the front: fewer if the file ends.
    pub(crate) fn front(&self, length: u64) -> &[u8] {
        let available =
            usize::try_from(length).map_or(self.available(), |length| length.min(self.available()));
        &self.bytes[self.front..self.front + available]
    }

    fn available(&self) -> usize {
        self.bytes.len() - self.front
    }

    fn end(&self) -> u64 {
        self.offset + self.available() as u64
    }

    fn move_to(&mut self, offset: u64) {
        let passed = offset.checked_sub(self.offset).expect("a window only moves forward");
        if passed <= self.available() as u64 {
            self.front += passed as usize;
        } else {
            // The caller skips more than was read: what is on its way lies before the new front.
            self.bytes.clear();
            self.front = 0;
            self.ahead = None;
        }
        self.offset = offset;
    }

    async fn take_chunk(&mut self) -> Result<(), StorageError> {
        let (result, chunk) = match self.ahead.take() {
            Some(reading) => reading.await,
            None => read_chunk(self.file.clone(), self.end(), self.file_bytes).await,
        };
        let read =
            result.map_err(|error| StorageError::disk(DiskOperation::Read, self.file.path(), error))?;
        let chunk = chunk.get(..whole_blocks(read as u64) as usize).unwrap_or_default();
        if chunk.is_empty() {
            // The file is shorter than its directory entry said.
            self.file_bytes = self.end();
            return Ok(());
        }
        self.forget_passed();
        self.bytes.extend_from_slice(chunk);
        if self.end() < self.file_bytes {
            let next = read_chunk(self.file.clone(), self.end(), self.file_bytes);
            self.ahead = Some(self.handle.spawn(next));
        }
        Ok(())
    }

    fn forget_passed(&mut self) {
        let available = self.available();
        self.bytes.copy_within(self.front.., 0);
        self.bytes.truncate(available);
        self.front = 0;
    }
}

async fn read_chunk(file: File, offset: u64, file_bytes: u64) -> (io::Result<usize>, AlignedBuffer) {
    let length = CHUNK_BYTES.min(file_bytes - offset);
    assert!(
        offset.is_multiple_of(BLOCK_BYTES) && length.is_multiple_of(BLOCK_BYTES),
        "direct reads are whole blocks"
    );
    let buffer = AlignedBuffer::zeroed(length as usize);
    file.read_at(buffer, offset).await
}

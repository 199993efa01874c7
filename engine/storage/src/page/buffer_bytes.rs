//! Bytes of a page or value in the buffer pool.

use std::ops::{Deref, DerefMut};

/// Up to here memory comes in powers of two, above in blocks.
const POWER_BYTES_MAX: usize = 16 << 10;
const BLOCK_BYTES: usize = 4 << 10;

/// Bytes in memory of one of few sizes.
///
/// Pages have every length: full ones to be changed, squeezed ones as they were read. A checkpoint turns one sort into
/// the other, and no allocator makes a hole of 11 KiB a place of 16: with lengths as they came, a pool of 96 MiB was seen
/// to take 170. With few sizes a page's memory serves the next page, whatever its length.
#[derive(Debug)]
pub(crate) struct BufferBytes(Vec<u8>);

impl BufferBytes {
    /// Zeros.
    pub(crate) fn zeroed(length_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(size_for(length_bytes));
        bytes.resize(length_bytes, 0);
        Self(bytes)
    }

    /// A copy.
    pub(crate) fn copied(content: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(size_for(content.len()));
        bytes.extend_from_slice(content);
        Self(bytes)
    }

    /// Memory that they take, with what is unused.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.0.capacity()
    }
}

impl Deref for BufferBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for BufferBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

fn size_for(length_bytes: usize) -> usize {
    if length_bytes <= POWER_BYTES_MAX {
        length_bytes.next_power_of_two()
    } else {
        length_bytes.next_multiple_of(BLOCK_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_in_few_sizes() {
        for (length, memory) in
            [(1, 1), (100, 128), (9000, 16384), (16384, 16384), (16385, 20480), (400 << 10, 400 << 10)]
        {
            assert_eq!(BufferBytes::zeroed(length).memory_bytes(), memory, "{length}");
            assert_eq!(BufferBytes::copied(&vec![7; length]).memory_bytes(), memory, "{length}");
        }
    }

    #[test]
    fn unused_memory_is_not_seen() {
        assert_eq!(*BufferBytes::zeroed(3), [0; 3]);
        assert_eq!(*BufferBytes::copied(&[1, 2, 3]), [1, 2, 3]);
    }
}

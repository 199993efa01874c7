//! Owned bytes at a block boundary, as direct I/O wants them.
//!
//! A buffer moves into an operation and comes back with its completion; nobody lends one to the kernel.
//! Its whole capacity is initialised at all times, so that a slice of any part is sound.

#![expect(unsafe_code, reason = "memory with a 4096-byte alignment is not to be had from Vec<u8>")]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Where buffers start in memory and what their capacity is a multiple of: one block.
pub const BUFFER_ALIGNMENT_BYTES: usize = 4096;

/// Bytes on the heap that start at a multiple of 4096. Capacity is always whole blocks.
pub struct AlignedBuffer {
    start: NonNull<u8>,
    length: usize,
    capacity: usize,
}

// SAFETY: the buffer owns its memory alone, like a Vec<u8>.
unsafe impl Send for AlignedBuffer {}
// SAFETY: through a shared reference the memory can only be read.
unsafe impl Sync for AlignedBuffer {}

impl AlignedBuffer {
    /// A buffer without memory.
    pub const fn new() -> AlignedBuffer {
        AlignedBuffer { start: NonNull::dangling(), length: 0, capacity: 0 }
    }

    /// `length` zero bytes.
    pub fn zeroed(length: usize) -> AlignedBuffer {
        let mut buffer = AlignedBuffer::with_capacity(length);
        buffer.length = length;
        buffer
    }

    /// An empty buffer with room for at least `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> AlignedBuffer {
        let capacity = capacity.next_multiple_of(BUFFER_ALIGNMENT_BYTES);
        if capacity == 0 {
            return AlignedBuffer::new();
        }
        let layout = layout(capacity);
        // SAFETY: the layout's size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        let start = NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout));
        AlignedBuffer { start, length: 0, capacity }
    }

    /// A copy of `bytes`.
    pub fn from_slice(bytes: &[u8]) -> AlignedBuffer {
        let mut buffer = AlignedBuffer::with_capacity(bytes.len());
        buffer.extend_from_slice(bytes);
        buffer
    }

    /// Bytes in use.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether no byte is in use.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes that fit without another allocation.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets all bytes and keeps the memory.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// Forgets the bytes from `length` on; nothing if there are fewer.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Makes the buffer `length` bytes long; bytes that were not in use before are zero.
    pub fn resize(&mut self, length: usize) {
        self.reserve(length.saturating_sub(self.length));
        let old = std::mem::replace(&mut self.length, length);
        if old < length {
            self[old..].fill(0);
        }
    }

    /// Makes room for `additional` more bytes.
    pub fn reserve(&mut self, additional: usize) {
        let needed = self.length.checked_add(additional).expect("a buffer is smaller than the address space");
        if needed <= self.capacity {
            return;
        }
        let mut larger = AlignedBuffer::with_capacity(needed.max(self.capacity.saturating_mul(2)));
        larger.length = self.length;
        larger.copy_from_slice(self);
        *self = larger;
    }

    /// Appends `bytes`.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let old = self.length;
        self.reserve(bytes.len());
        self.length += bytes.len();
        self[old..].copy_from_slice(bytes);
    }
}

fn layout(capacity: usize) -> Layout {
    Layout::from_size_align(capacity, BUFFER_ALIGNMENT_BYTES)
        .expect("a buffer is smaller than the address space")
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        if self.capacity != 0 {
            // SAFETY: `start` came from the allocator with exactly this layout and is not used again.
            unsafe { dealloc(self.start.as_ptr(), layout(self.capacity)) }
        }
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `length <= capacity`, and the whole capacity is initialised and owned by `self`; with no capacity
        // the pointer is dangling and the length zero.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Default for AlignedBuffer {
    fn default() -> AlignedBuffer {
        AlignedBuffer::new()
    }
}

impl Clone for AlignedBuffer {
    fn clone(&self) -> AlignedBuffer {
        AlignedBuffer::from_slice(self)
    }
}

impl PartialEq for AlignedBuffer {
    fn eq(&self, other: &AlignedBuffer) -> bool {
        **self == **other
    }
}

impl Eq for AlignedBuffer {}

/// Only the sizes: the contents may be megabytes of somebody's items.
impl fmt::Debug for AlignedBuffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AlignedBuffer({} of {} bytes)", self.length, self.capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_zeroed() {
        for length in [1, 4095, 4096, 4097, 70_000] {
            let buffer = AlignedBuffer::zeroed(length);
            assert_eq!(buffer.as_ptr() as usize % BUFFER_ALIGNMENT_BYTES, 0);
            assert_eq!(buffer.capacity() % BUFFER_ALIGNMENT_BYTES, 0);
            assert_eq!(buffer.len(), length);
            assert!(buffer.iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn empty_buffer_owns_nothing() {
        let buffer = AlignedBuffer::zeroed(0);
        assert_eq!(buffer.capacity(), 0);
        assert_eq!(&*buffer, &[] as &[u8]);
    }

    #[test]
    fn resize_zeroes_what_truncate_hid() {
        let mut buffer = AlignedBuffer::from_slice(b"secret");
        buffer.truncate(1);
        buffer.resize(6);
        assert_eq!(&*buffer, b"s\0\0\0\0\0");
    }

    #[test]
    fn growing_keeps_the_bytes() {
        let mut buffer = AlignedBuffer::new();
        for byte in 0..=255_u8 {
            buffer.extend_from_slice(&[byte; 100]);
        }
        assert_eq!(buffer.len(), 25_600);
        assert!(buffer.chunks(100).enumerate().all(|(place, chunk)| chunk == [place as u8; 100]));
    }
}

//! Pins: as long as they live, the pool does not evict what an operation waits to use.

use super::{BufferPool, BufferRef};

/// Buffers that stay in memory until this is dropped.
#[derive(Default)]
pub(crate) struct Pins {
    pins: Vec<Pin>,
}

struct Pin {
    pool: BufferPool,
    buffer: BufferRef,
}

impl Pins {
    /// Keeps `more` as well.
    pub(crate) fn extend(&mut self, mut more: Pins) {
        self.pins.append(&mut more.pins);
    }

    /// Keeps one more buffer, which must be there.
    pub(crate) fn add(&mut self, pool: &BufferPool, buffer: BufferRef) {
        pool.borrow_mut().pin(buffer);
        self.pins.push(Pin { pool: pool.clone(), buffer });
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.pool.borrow_mut().unpin(self.buffer);
    }
}

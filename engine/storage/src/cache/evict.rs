//! Making room: the clock's hand drops clean buffers that nobody used lately and has dirty ones written.

use std::{future::Future, pin::Pin, rc::Rc};

use super::{Buffer, BufferPool, BufferRef, Pool, TreeSlot};
use crate::error::StorageError;

/// Dirty buffers that one round writes at once; the device takes about as many requests.
const WRITES_IN_FLIGHT_MAX: usize = 32;

/// What a tree does for the pool that holds its pages.
pub(crate) trait DirtyPages {
    /// Whether the dirty buffer can be written as it is: all that it names has a place on disk.
    fn is_writable(&self, pool: &Pool, buffer: &Buffer) -> bool;

    /// Writes the buffer to a new extent and marks it clean.
    fn write_out(
        self: Rc<Self>,
        buffer: BufferRef,
    ) -> Pin<Box<dyn Future<Output = Result<(), StorageError>>>>;
}

/// What one round of the hand found.
#[derive(Default)]
struct Round {
    dropped: u64,
    dirty: Vec<(TreeSlot, BufferRef)>,
    /// Buffers that a running write will make clean.
    in_flight: bool,
}

impl BufferPool {
    /// Brings the pool to at most its budget less `bytes`, as far as buffers can be evicted.
    ///
    /// Fails when dirty buffers would have to be written and cannot be.
    pub(crate) async fn make_room(&self, bytes: u64) -> Result<(), StorageError> {
        loop {
            let round = self.borrow_mut().sweep(bytes);
            if self.borrow().has_room(bytes) {
                return Ok(());
            }
            if !round.dirty.is_empty() {
                self.write_out(round.dirty).await?;
            } else if round.in_flight {
                self.progress().await;
            } else if round.dropped == 0 {
                self.borrow_mut().counts.overcommits += 1;
                return Ok(());
            }
        }
    }

    async fn write_out(&self, dirty: Vec<(TreeSlot, BufferRef)>) -> Result<(), StorageError> {
        basalt_runtime::sometimes!("dirty page evicted");
        let writes: Vec<_> = dirty
            .into_iter()
            .filter_map(|(tree, buffer)| {
                let owner = self.borrow().owner(tree)?;
                Some(self.shared.handle.spawn(owner.write_out(buffer)))
            })
            .collect();
        self.borrow_mut().counts.eviction_writes += writes.len() as u64;
        let mut result = Ok(());
        for write in writes {
            result = write.await.and(result);
        }
        result
    }
}

impl Pool {
    /// Whether `bytes` more fit into the budget.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        self.used_bytes().saturating_add(bytes) <= self.budget_bytes
    }

    /// Turns the clock's hand at most twice around: until there is room, or enough dirty buffers are found.
    fn sweep(&mut self, bytes: u64) -> Round {
        let mut round = Round::default();
        for _ in 0..self.buffers.len() * 2 {
            if self.has_room(bytes) || round.dirty.len() == WRITES_IN_FLIGHT_MAX {
                break;
            }
            self.visit(&mut round);
        }
        round
    }

    /// Looks at the buffer under the hand and moves on.
    fn visit(&mut self, round: &mut Round) {
        let index = self.hand % self.buffers.len();
        self.hand = index + 1;
        let Some(buffer) = &self.buffers[index] else { return };
        if buffer.writing {
            round.in_flight = true;
            return;
        }
        if buffer.pins > 0 || buffer.referenced.replace(false) {
            return;
        }
        let reference = BufferRef { index: index as u32, serial: buffer.serial };
        if !buffer.is_dirty() {
            self.remove(reference);
            self.counts.evictions += 1;
            round.dropped += 1;
        } else if !round.dirty.iter().any(|&(_, known)| known == reference) && self.is_writable(buffer) {
            round.dirty.push((buffer.key.tree, reference));
        }
    }

    fn is_writable(&self, buffer: &Buffer) -> bool {
        self.owner(buffer.key.tree).is_some_and(|owner| owner.is_writable(self, buffer))
    }
}

//! The moment from which an answer may be given.

use std::rc::Rc;

use crate::{error::StorageError, store::Shard, wal::Ticket};

/// Resolves when an entry, or everything that an evaluation read, is durable.
#[must_use = "an answer may leave only after its commit"]
pub struct Commit {
    awaited: Option<(Rc<Shard>, Ticket)>,
}

impl Commit {
    /// Nothing to wait for: the evaluation read committed state and changed nothing.
    pub(crate) fn done() -> Self {
        Self { awaited: None }
    }

    pub(crate) fn of_frame(shard: Rc<Shard>, ticket: Ticket) -> Self {
        Self { awaited: Some((shard, ticket)) }
    }

    /// Waits until the answer may be given.
    pub async fn wait(self) -> Result<(), StorageError> {
        let Some((shard, ticket)) = self.awaited else { return Ok(()) };
        shard.wal()?.durable(ticket).await?;
        // The client may read at once, and must see what it was just told.
        shard.advance_committed();
        Ok(())
    }
}

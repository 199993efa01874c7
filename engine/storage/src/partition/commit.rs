//! The moment from which an answer may be given.

use std::rc::Rc;

use crate::{error::StorageError, store::Shard, wal::Ticket};

/// Resolves when an entry, or everything that an evaluation read, is durable.
#[derive(Clone)]
#[must_use = "an answer may leave only after its commit"]
pub struct Commit {
    awaited: Option<(Rc<Shard>, Ticket)>,
}

impl Commit {
    /// With `frame`; `None`: the evaluation read committed state and changed nothing, there is nothing to wait for.
    pub(crate) fn of(shard: &Rc<Shard>, frame: Option<Ticket>) -> Self {
        Self { awaited: frame.map(|ticket| (Rc::clone(shard), ticket)) }
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

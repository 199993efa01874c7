//! Turns changes of items into the rows of one entry: the items' own, and every row that is derived from them.
//!
//! This is the one place where a change of an item enters a write batch, whoever makes it: single writes, batches,
//! transactions, expiry. What belongs together is so in one entry, and one entry is one record of the log: after a
//! crash all of it is there, or nothing.
//!
//! Invariants:
//! - Rows beside the items are a function of the items alone (and of what the table derives): any entry that changes
//!   an item changes them with it.
//! - A change that changes nothing derives nothing.
//!
//! Derived rows are logged like all others; see `engine/ARCHITECTURE.md`.

mod check;
mod collection;
mod entry_writer;
mod global_index;
mod index_entry;
mod local_index;
mod stream;
mod time_to_live;

pub(crate) use check::{check_index_keys, check_updated_index_keys, is_too_large_with_indexes};
pub(crate) use entry_writer::{EntryWork, EntryWriter, WriteReport};
pub(crate) use global_index::{IndexChange, index_row};

use basalt_model::ItemRef;

use crate::catalog::Table;

/// What becomes of one item.
#[derive(Clone, Copy)]
pub(crate) struct ItemChange<'a> {
    /// The table, as the partition's owner knows it while it evaluates the write.
    pub(crate) table: &'a Table,
    /// The key of the item's row.
    pub(crate) key: &'a [u8],
    /// The item as it is.
    pub(crate) old: Option<ItemRef<'a>>,
    /// The item as it is to be.
    pub(crate) new: Option<ItemRef<'a>>,
    /// Who wants it so.
    pub(crate) cause: Cause,
}

/// Who changes an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A request.
    Client,
    /// The item's time to live is over.
    TimeToLive,
}

impl ItemChange<'_> {
    /// Whether the item stays as it is, to the byte.
    fn is_none(&self) -> bool {
        self.old.map(|item| item.as_bytes()) == self.new.map(|item| item.as_bytes())
    }
}

//! Outbox rows as a start finds them.

use std::sync::Arc;

use basalt_format::{
    DecodeError,
    outbox::{OutboxKey, decode_row},
};
use basalt_storage::{Direction, EntryIndex, KeyRange, Row, Stop, View};

use super::queue::Undelivered;
use crate::derive::IndexChange;

/// Bytes of rows that are taken up at once, and the rest of their last entry.
const STORED_BYTES_AT_ONCE: u64 = 1 << 20;

/// Entries behind `after`, up to `through`, in their order: some of them, each whole, or none if there are no more.
pub(super) fn read_entries(
    view: &View<'_>,
    after: EntryIndex,
    through: EntryIndex,
) -> Result<Result<Vec<Undelivered>, DecodeError>, Stop> {
    let first = first_row_of(after.next());
    let end = first_row_of(through.next());
    let mut cursor = view.cursor(KeyRange::half_open(&first, &end), Direction::Forward);
    let mut entries = Entries::default();
    while let Some((key, row)) = cursor.next()? {
        match entries.take(key, row) {
            Ok(Taken::One) => {}
            Ok(Taken::Enough) => break,
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(Ok(entries.read))
}

fn first_row_of(entry: EntryIndex) -> Vec<u8> {
    OutboxKey { entry_index: entry.get(), part: 0 }.encode()
}

#[derive(Default)]
struct Entries {
    read: Vec<Undelivered>,
    bytes: u64,
}

enum Taken {
    One,
    /// None of this row: it belongs to the next portion.
    Enough,
}

impl Entries {
    fn take(&mut self, key: &[u8], row: Row<'_>) -> Result<Taken, DecodeError> {
        let key = OutboxKey::decode(key)?;
        let entry_index = EntryIndex::new(key.entry_index);
        if self.read.last().is_none_or(|last| last.entry_index != entry_index) {
            // An entry is received as a whole or not at all: a portion ends between two.
            if self.bytes >= STORED_BYTES_AT_ONCE {
                return Ok(Taken::Enough);
            }
            self.read.push(Undelivered::stored(entry_index, row.last_write));
        }
        let entry = self.read.last_mut().expect("the row's entry is there");
        if key.part != entry.row_count {
            return Err(DecodeError::NotCanonical { what: "outbox", rule: "an entry's rows have no gap" });
        }
        entry.row_count += 1;
        let changes = decode_row(row.value)?;
        entry.changes.extend(changes.into_iter().map(|change| Arc::new(IndexChange::from(change))));
        self.bytes += row.value.len() as u64;
        Ok(Taken::One)
    }
}

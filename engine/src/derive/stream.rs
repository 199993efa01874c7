//! The stream's record of a change.

use basalt_format::{
    DecodeError,
    stream_record::{StreamCause, StreamEvent, StreamKey, StreamPosition, StreamRecord, record_parts},
};
use basalt_storage::WriteBatch;

use super::{Cause, ItemChange};
use crate::catalog::StreamViewType;

/// A change's record, for the stream that takes records now.
pub(super) struct ChangeRecord {
    stream_number: u32,
    encoded: Vec<u8>,
}

impl ChangeRecord {
    /// The record of a change that is one; `None` if the table has no stream.
    pub(super) fn of(change: &ItemChange<'_>) -> Result<Option<Self>, DecodeError> {
        let Some(stream) = change.table.enabled_stream() else { return Ok(None) };
        let (event, present) = match (change.old, change.new) {
            (None, Some(new)) => (StreamEvent::Insert, new),
            (Some(_), Some(new)) => (StreamEvent::Modify, new),
            (Some(old), None) => (StreamEvent::Remove, old),
            (None, None) => return Ok(None),
        };
        let keys = change.table.schema().key_of_stored(present)?.encode();
        let (has_new, has_old) = match stream.view_type {
            StreamViewType::KeysOnly => (false, false),
            StreamViewType::NewImage => (true, false),
            StreamViewType::OldImage => (false, true),
            StreamViewType::NewAndOldImages => (true, true),
        };
        let record = StreamRecord {
            event,
            cause: match change.cause {
                Cause::Client => StreamCause::Client,
                Cause::TimeToLive => StreamCause::TimeToLive,
            },
            keys: keys.as_bytes(),
            new_image: change.new.filter(|_| has_new).map(|item| item.as_bytes()),
            old_image: change.old.filter(|_| has_old).map(|item| item.as_bytes()),
        };
        Ok(Some(Self { stream_number: stream.number, encoded: record.encode() }))
    }

    /// Puts the record of the entry's `change`-th change, from 0, into its batch.
    pub(super) fn put_into(&self, change: u16, batch: &mut WriteBatch) {
        let position = StreamPosition { entry_index: batch.index().get(), change };
        for (part, bytes) in record_parts(&self.encoded) {
            let key = StreamKey { stream_number: self.stream_number, position, part };
            batch.put(&key.encode(), bytes);
        }
    }
}

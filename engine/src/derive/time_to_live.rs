//! An item's place in the order of expiry.

use basalt_format::{DecodeError, time_to_live::TimeToLiveKey};
use basalt_model::ItemRef;
use basalt_storage::WriteBatch;

use super::ItemChange;
use crate::time_to_live::expiry_of;

/// How a change moves the item in the order of expiry.
#[derive(Default)]
pub(super) struct ExpiryShift {
    old: Option<u64>,
    new: Option<u64>,
}

impl ExpiryShift {
    /// The move that a change makes; none if the table's items do not expire.
    pub(super) fn of(change: &ItemChange<'_>) -> Result<Self, DecodeError> {
        let setting = change.table.time_to_live.as_ref().filter(|setting| setting.keeps_order());
        let expiry = |item: Option<ItemRef<'_>>| match (setting, item) {
            (Some(setting), Some(item)) => expiry_of(item, &setting.attribute),
            _ => Ok(None),
        };
        Ok(Self { old: expiry(change.old)?, new: expiry(change.new)? })
    }

    /// Puts the move of the item with this key into the entry's batch.
    pub(super) fn put_into(&self, item_key: &[u8], batch: &mut WriteBatch) {
        if self.old == self.new {
            return;
        }
        if let Some(old) = self.old {
            batch.delete(&TimeToLiveKey::of_item(item_key, old).encode());
        }
        if let Some(new) = self.new
            && !(self.old.is_some() && basalt_runtime::planted!(ForgetMovedExpiry))
        {
            batch.put(&TimeToLiveKey::of_item(item_key, new).encode(), []);
        }
    }
}

//! The answer to PutItem, UpdateItem and DeleteItem.

use basalt_model::{EncodedItem, Item};

use super::ConsumedCapacity;

/// What a write of one item answers.
#[derive(Debug, Clone)]
pub struct WriteOutput {
    /// The attributes asked for; `None` when none were, or none qualifies.
    pub attributes: Option<EncodedItem>,
    /// Write units used.
    pub capacity: ConsumedCapacity,
    /// The item's collection as it is now; only of a table with local indexes.
    pub item_collection: Option<ItemCollection>,
}

/// All items of one partition key, with their entries in local indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemCollection {
    /// The partition key: one attribute.
    pub key: Item,
    /// How large it is.
    pub size_bytes: u64,
}

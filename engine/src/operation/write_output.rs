//! The answer to PutItem, UpdateItem and DeleteItem.

use basalt_model::EncodedItem;

use super::ConsumedCapacity;

/// What a write of one item answers.
#[derive(Debug, Clone)]
pub struct WriteOutput {
    /// The attributes asked for; `None` when none were, or none qualifies.
    pub attributes: Option<EncodedItem>,
    /// Write units used.
    pub capacity: ConsumedCapacity,
}

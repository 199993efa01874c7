//! What the writes of single items have in common: they decide by the present item alone.
//!
//! Decisions are pure: no I/O, no clock, no entropy. The same request on the same item always decides alike, and it
//! may be asked again when a page was missing.

use std::borrow::Cow;

use basalt_model::{EncodedItem, ItemRef, expression::Condition};

use super::ReturnOld;
use crate::{error::Error, place::ItemPlace};

/// A planned write of one item.
pub(crate) trait ItemWrite: Send + 'static {
    /// Which item.
    fn place(&self) -> &ItemPlace;

    /// What to do, given the item as it is now.
    fn decide(&self, present: Option<ItemRef<'_>>) -> Result<Decision<'_>, Error>;
}

/// The outcome of a write that was not refused.
pub(crate) struct Decision<'a> {
    /// The item from now on; `None`: there is none.
    pub(crate) item: Option<Cow<'a, [u8]>>,
    /// What the client wants to see.
    pub(crate) attributes: Option<EncodedItem>,
}

/// A write's condition, and what to say when it does not hold.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) condition: Option<Condition>,
    pub(crate) on_failure: ReturnOld,
}

impl Guard {
    /// Refuses the write if the condition does not hold for the present item.
    pub(crate) fn check(&self, present: Option<ItemRef<'_>>) -> Result<(), Error> {
        match &self.condition {
            Some(condition) if !condition.matches(present)? => {
                Err(Error::ConditionalCheckFailed { item: self.on_failure.image(present) })
            }
            _ => Ok(()),
        }
    }
}

impl ReturnOld {
    /// The present item, if it is asked for.
    pub(crate) fn image(self, present: Option<ItemRef<'_>>) -> Option<EncodedItem> {
        match self {
            Self::None => None,
            Self::AllOld => present.map(EncodedItem::from),
        }
    }
}

/// The size of an item by DynamoDB's measure, 0 if it is not there.
pub(crate) fn size_bytes(item: Option<ItemRef<'_>>) -> Result<usize, Error> {
    Ok(item.map(|item| item.size_bytes()).transpose()?.unwrap_or(0))
}

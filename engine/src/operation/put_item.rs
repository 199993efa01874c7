//! PutItem: creates an item or replaces it whole.

use std::borrow::Cow;

use basalt_model::{EncodedItem, Item, ItemRef, ValueError, expression::Condition};

use super::{
    ReturnOld, WriteOutput,
    item_write::{Decision, Guard, ItemWrite},
};
use crate::{
    catalog::Catalog,
    derive,
    error::{Error, ValidationError},
    place::ItemPlace,
};

/// Creates an item or replaces it whole.
#[derive(Debug, Clone)]
pub struct PutItem {
    /// The table.
    pub table_name: String,
    /// The new item, with its key.
    pub item: Item,
    /// Must hold for the present item (or its absence).
    pub condition: Option<Condition>,
    /// What to answer with.
    pub return_values: ReturnOld,
    /// What a failed condition carries.
    pub return_values_on_condition_check_failure: ReturnOld,
}

impl PutItem {
    /// An unconditional put that answers with nothing.
    pub fn new(table_name: impl Into<String>, item: Item) -> Self {
        Self {
            table_name: table_name.into(),
            item,
            condition: None,
            return_values: ReturnOld::None,
            return_values_on_condition_check_failure: ReturnOld::None,
        }
    }
}

/// The answer to [`PutItem`].
pub type PutItemOutput = WriteOutput;

/// A put whose item is encoded and placed.
pub(crate) struct PutPlan {
    place: ItemPlace,
    item: EncodedItem,
    guard: Guard,
    return_values: ReturnOld,
}

impl PutItem {
    /// What is wrong with the item whatever its table.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_item(&self.item)
    }

    pub(crate) fn plan(self, catalog: &Catalog) -> Result<PutPlan, Error> {
        // What is wrong with the item alone is told before a missing table.
        self.check()?;
        let place = ItemPlace::of_item(catalog.expect(&self.table_name)?, &self.item)?;
        let item = self.item.encode();
        derive::check_index_keys(&place.table, item.as_item())?;
        if derive::is_too_large_with_indexes(&place.table, item.as_item())? {
            return Err(ValidationError::from(ValueError::ItemTooLarge).into());
        }
        let guard =
            Guard { condition: self.condition, on_failure: self.return_values_on_condition_check_failure };
        Ok(PutPlan { place, item, guard, return_values: self.return_values })
    }
}

impl PutPlan {
    /// Where the item goes, and its bytes.
    pub(crate) fn into_row(self) -> (ItemPlace, EncodedItem) {
        (self.place, self.item)
    }
}

/// Names, nesting and size of an item to be put.
pub(super) fn check_item(item: &Item) -> Result<(), Error> {
    item.check().map_err(|reason| ValidationError::from(reason).into())
}

impl ItemWrite for PutPlan {
    fn place(&self) -> &ItemPlace {
        &self.place
    }

    fn decide(&self, present: Option<ItemRef<'_>>) -> Result<Decision<'_>, Error> {
        self.guard.check(present)?;
        let attributes = self.return_values.image(present);
        Ok(Decision { item: Some(Cow::Borrowed(self.item.as_bytes())), attributes })
    }
}

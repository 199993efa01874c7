//! PutItem: creates an item or replaces it whole.

use std::borrow::Cow;

use basalt_model::{CapacityUnits, EncodedItem, Item, ItemRef, expression::Condition};

use super::{
    ReturnOld,
    item_write::{Decision, Guard, ItemEffect, ItemWrite, size_bytes},
};
use crate::{
    catalog::Catalog,
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
#[derive(Debug, Clone)]
pub struct PutItemOutput {
    /// The replaced item, if asked for and if there was one.
    pub attributes: Option<EncodedItem>,
    /// Write units used.
    pub capacity: CapacityUnits,
}

/// A put whose item is encoded and placed.
pub(crate) struct PutPlan {
    place: ItemPlace,
    item: EncodedItem,
    item_bytes: usize,
    guard: Guard,
    return_values: ReturnOld,
}

impl PutItem {
    pub(crate) fn plan(self, catalog: &Catalog) -> Result<PutPlan, Error> {
        // What is wrong with the item alone is told before a missing table.
        check_item(&self.item)?;
        let item_bytes = self.item.size_bytes();
        let place = ItemPlace::of_item(catalog.expect(&self.table_name)?, &self.item)?;
        let guard =
            Guard { condition: self.condition, on_failure: self.return_values_on_condition_check_failure };
        Ok(PutPlan { place, item: self.item.encode(), item_bytes, guard, return_values: self.return_values })
    }
}

/// Names, nesting and size of an item to be put.
pub(super) fn check_item(item: &Item) -> Result<(), Error> {
    item.check().map_err(|reason| ValidationError::from(reason).into())
}

impl ItemWrite for PutPlan {
    type Output = PutItemOutput;

    fn place(&self) -> &ItemPlace {
        &self.place
    }

    fn decide(&self, present: Option<ItemRef<'_>>) -> Result<Decision<'_, PutItemOutput>, Error> {
        self.guard.check(present)?;
        let output = PutItemOutput {
            attributes: self.return_values.image(present),
            capacity: CapacityUnits::for_write(size_bytes(present)?, self.item_bytes),
        };
        Ok(Decision { effect: ItemEffect::put(Cow::Borrowed(self.item.as_bytes()), present), output })
    }
}

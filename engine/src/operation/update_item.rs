//! UpdateItem: changes an item in place, or creates it.

use std::borrow::Cow;

use basalt_model::{
    EncodedItem, Item, ItemRef, KeyError,
    expression::{Condition, Update},
    size::{self, ITEM_BYTES_MAX},
};

use super::{
    ReturnOld, ReturnValues, WriteOutput,
    item_write::{Decision, Guard, ItemWrite},
    key_paths,
};
use crate::{
    catalog::Catalog,
    derive,
    error::{Error, ValidationError},
    place::ItemPlace,
};

/// Changes an item by an update expression; creates it if it is not there.
#[derive(Debug, Clone)]
pub struct UpdateItem {
    /// The table.
    pub table_name: String,
    /// Exactly the key attributes.
    pub key: Item,
    /// The changes; `None` only makes sure that the item exists.
    pub update: Option<Update>,
    /// Must hold for the present item (or its absence).
    pub condition: Option<Condition>,
    /// What to answer with.
    pub return_values: ReturnValues,
    /// What a failed condition carries.
    pub return_values_on_condition_check_failure: ReturnOld,
}

impl UpdateItem {
    /// An unconditional update that answers with nothing.
    pub fn new(table_name: impl Into<String>, key: Item, update: Update) -> Self {
        Self {
            table_name: table_name.into(),
            key,
            update: Some(update),
            condition: None,
            return_values: ReturnValues::None,
            return_values_on_condition_check_failure: ReturnOld::None,
        }
    }
}

/// The answer to [`UpdateItem`].
pub type UpdateItemOutput = WriteOutput;

/// An update whose key is placed.
pub(crate) struct UpdatePlan {
    place: ItemPlace,
    key: Item,
    key_bytes: usize,
    update: Update,
    guard: Guard,
    return_values: ReturnValues,
}

impl UpdateItem {
    pub(crate) fn plan(self, catalog: &Catalog) -> Result<UpdatePlan, Error> {
        let place = ItemPlace::of_key(catalog.expect(&self.table_name)?, &self.key)?;
        let update = match self.update {
            Some(update) => update,
            None => Update::new(Vec::new())?,
        };
        key_paths::check_update(&place.table, &update)?;
        let guard =
            Guard { condition: self.condition, on_failure: self.return_values_on_condition_check_failure };
        let key_bytes = self.key.size_bytes();
        Ok(UpdatePlan { place, key: self.key, key_bytes, update, guard, return_values: self.return_values })
    }
}

impl ItemWrite for UpdatePlan {
    fn place(&self) -> &ItemPlace {
        &self.place
    }

    fn decide(&self, present: Option<ItemRef<'_>>) -> Result<Decision<'_>, Error> {
        self.guard.check(present)?;
        let updated = self.update.apply(present, &self.key)?;
        let updated_bytes = updated.as_item().size_bytes()?;
        if size::updated_size_bytes(updated_bytes, self.key_bytes, self.update.size_actions())
            > ITEM_BYTES_MAX
        {
            return Err(ValidationError::UpdatedItemTooLarge.into());
        }
        self.check_indexes(present, updated.as_item())?;
        let attributes = self.attributes(present, &updated)?;
        Ok(Decision { item: Some(Cow::Owned(updated.into_bytes())), attributes })
    }
}

impl UpdatePlan {
    /// Refuses what the table's indexes cannot take.
    fn check_indexes(&self, present: Option<ItemRef<'_>>, updated: ItemRef<'_>) -> Result<(), Error> {
        let table = &self.place.table;
        match derive::check_updated_index_keys(table, present, updated)? {
            Err(mismatch @ KeyError::IndexTypeMismatch { .. }) => {
                return Err(ValidationError::UpdatedIndexKeyType { mismatch }.into());
            }
            checked => checked?,
        }
        if derive::is_too_large_with_indexes(table, updated)? {
            return Err(ValidationError::UpdatedItemTooLarge.into());
        }
        Ok(())
    }

    /// What the request wants to see. A part of an item in which nothing qualifies is not told at all.
    fn attributes(
        &self,
        present: Option<ItemRef<'_>>,
        updated: &EncodedItem,
    ) -> Result<Option<EncodedItem>, Error> {
        let touched = |item: ItemRef<'_>| -> Result<Option<EncodedItem>, Error> {
            let part = self.update.touched().project(item)?;
            Ok((!part.as_item().is_empty()).then_some(part))
        };
        match self.return_values {
            ReturnValues::None => Ok(None),
            ReturnValues::AllOld => Ok(present.map(EncodedItem::from)),
            ReturnValues::AllNew => Ok(Some(updated.clone())),
            ReturnValues::UpdatedNew => touched(updated.as_item()),
            ReturnValues::UpdatedOld => present.map_or(Ok(None), touched),
        }
    }
}

//! DeleteItem: removes an item; deleting what is not there succeeds.

use basalt_model::{Item, ItemRef, expression::Condition};

use super::{
    ReturnOld, WriteOutput,
    item_write::{Decision, Guard, ItemWrite},
};
use crate::{catalog::Catalog, error::Error, place::ItemPlace};

/// Removes an item.
#[derive(Debug, Clone)]
pub struct DeleteItem {
    /// The table.
    pub table_name: String,
    /// Exactly the key attributes.
    pub key: Item,
    /// Must hold for the present item (or its absence).
    pub condition: Option<Condition>,
    /// What to answer with.
    pub return_values: ReturnOld,
    /// What a failed condition carries.
    pub return_values_on_condition_check_failure: ReturnOld,
}

impl DeleteItem {
    /// An unconditional delete that answers with nothing.
    pub fn new(table_name: impl Into<String>, key: Item) -> Self {
        Self {
            table_name: table_name.into(),
            key,
            condition: None,
            return_values: ReturnOld::None,
            return_values_on_condition_check_failure: ReturnOld::None,
        }
    }
}

/// The answer to [`DeleteItem`].
pub type DeleteItemOutput = WriteOutput;

/// A delete whose key is placed.
pub(crate) struct DeletePlan {
    place: ItemPlace,
    guard: Guard,
    return_values: ReturnOld,
}

impl DeleteItem {
    pub(crate) fn plan(self, catalog: &Catalog) -> Result<DeletePlan, Error> {
        let place = ItemPlace::of_key(catalog.expect(&self.table_name)?, &self.key)?;
        let guard =
            Guard { condition: self.condition, on_failure: self.return_values_on_condition_check_failure };
        Ok(DeletePlan { place, guard, return_values: self.return_values })
    }
}

impl ItemWrite for DeletePlan {
    fn place(&self) -> &ItemPlace {
        &self.place
    }

    fn decide(&self, present: Option<ItemRef<'_>>) -> Result<Decision<'_>, Error> {
        self.guard.check(present)?;
        Ok(Decision { item: None, attributes: self.return_values.image(present) })
    }
}

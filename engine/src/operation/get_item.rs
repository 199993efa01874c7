//! GetItem: one item by its key.

use std::sync::Arc;

use basalt_model::{CapacityUnits, Consistency, EncodedItem, Item, ItemRef, expression::Projection};

use super::{ConsumedCapacity, item_write::size_bytes, key_paths};
use crate::{catalog::Catalog, error::Error, place::ItemPlace};

/// Reads one item by its key.
#[derive(Debug, Clone)]
pub struct GetItem {
    /// The table.
    pub table_name: String,
    /// Exactly the key attributes.
    pub key: Item,
    /// Paths to return; `None`: the whole item.
    pub projection: Option<Projection>,
    /// How fresh the read must be.
    pub consistency: Consistency,
}

impl GetItem {
    /// A read of the whole item.
    pub fn new(table_name: impl Into<String>, key: Item) -> Self {
        Self { table_name: table_name.into(), key, projection: None, consistency: Consistency::Eventual }
    }
}

/// The answer to [`GetItem`].
#[derive(Debug, Clone)]
pub struct GetItemOutput {
    /// The item; empty, not absent, if it is there but the projection matches nothing.
    pub item: Option<EncodedItem>,
    /// Read units used.
    pub capacity: ConsumedCapacity,
}

/// A read whose key is placed.
pub(crate) struct GetPlan {
    pub(crate) place: ItemPlace,
    /// Shared by the reads of one batch.
    projection: Option<Arc<Projection>>,
    consistency: Consistency,
}

impl GetItem {
    pub(crate) fn plan(self, catalog: &Catalog) -> Result<GetPlan, Error> {
        let projection = self.projection.map(Arc::new);
        GetPlan::new(catalog, &self.table_name, &self.key, projection, self.consistency)
    }
}

impl GetPlan {
    pub(super) fn new(
        catalog: &Catalog,
        table_name: &str,
        key: &Item,
        projection: Option<Arc<Projection>>,
        consistency: Consistency,
    ) -> Result<Self, Error> {
        let place = ItemPlace::of_key(catalog.expect(table_name)?, key)?;
        if let Some(projection) = &projection {
            key_paths::check_projection(&place.table, projection)?;
        }
        Ok(Self { place, projection, consistency })
    }

    /// The answer, given the item as it is.
    pub(crate) fn answer(&self, present: Option<ItemRef<'_>>) -> Result<GetItemOutput, Error> {
        let capacity = CapacityUnits::for_read(size_bytes(present)?, self.consistency);
        let item = present.map(|item| project(item, self.projection.as_deref())).transpose()?;
        Ok(GetItemOutput { item, capacity: ConsumedCapacity::of_table(capacity) })
    }
}

/// What a projection leaves of an item; without one, all of it.
pub(crate) fn project(item: ItemRef<'_>, projection: Option<&Projection>) -> Result<EncodedItem, Error> {
    match projection {
        Some(projection) => Ok(projection.project(item)?),
        None => Ok(item.into()),
    }
}

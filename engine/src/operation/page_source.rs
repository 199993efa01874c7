//! What a page is read from: the table itself or one of its indexes.

use std::sync::Arc;

use basalt_format::DecodeError;
use basalt_model::{
    CapacityUnits, Consistency, IndexKeyCodec, Item, KeyAttribute, KeyBytesRange, expression::Projection,
    key::item_range,
};

use super::{ConsumedCapacity, Select};
use crate::{
    catalog::{GlobalIndex, IndexStatus, LocalIndex, StoredView, Table},
    error::{Error, ValidationError},
};

/// The rows that a query or scan reads.
#[derive(Debug, Clone)]
pub(crate) enum PageSource {
    /// The items themselves.
    Table(Arc<Table>),
    /// The entries of a local index.
    LocalIndex(Arc<Table>, Arc<LocalIndex>),
    /// The entries of a global index.
    GlobalIndex(Arc<Table>, Arc<GlobalIndex>),
}

/// Which part of a row's item has to be fetched from the table, because a local index lacks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetching {
    /// None: the row holds all that is wanted.
    Never,
    /// What is returned of the items that pass the filter.
    Returned,
    /// All items: the filter looks at what the index lacks.
    Filtered,
}

impl PageSource {
    /// What a request names, if it can be read with this consistency.
    pub(crate) fn of_request(
        table: &Arc<Table>,
        index_name: Option<String>,
        consistency: Consistency,
    ) -> Result<Self, Error> {
        let table = Arc::clone(table);
        let Some(index_name) = index_name else { return Ok(Self::Table(table)) };
        if let Some(index) = table.local_index(&index_name).cloned() {
            return Ok(Self::LocalIndex(table, index));
        }
        let Some(index) = table.global_index(&index_name).cloned() else {
            return Err(ValidationError::IndexNotFound { index_name }.into());
        };
        check_global(&index, index_name, consistency)?;
        Ok(Self::GlobalIndex(table, index))
    }

    pub(crate) fn table(&self) -> &Arc<Table> {
        match self {
            Self::Table(table) | Self::LocalIndex(table, _) | Self::GlobalIndex(table, _) => table,
        }
    }

    /// The global index, if it is one.
    pub(crate) fn global_index_name(&self) -> Option<&str> {
        match self {
            Self::GlobalIndex(_, index) => Some(&index.name),
            Self::Table(_) | Self::LocalIndex(..) => None,
        }
    }

    /// The attributes of the key that rows are found by.
    pub(crate) fn key_attributes(&self) -> Box<dyn Iterator<Item = &KeyAttribute> + '_> {
        match self {
            Self::Table(table) => Box::new(table.schema().attributes()),
            Self::LocalIndex(_, index) => Box::new(index.keys.schema().attributes()),
            Self::GlobalIndex(_, index) => Box::new(index.keys.schema().attributes()),
        }
    }

    /// All rows whose partition keys hash into `first_hash..=last_hash`.
    pub(crate) fn hash_range(&self, first_hash: u64, last_hash: u64) -> KeyBytesRange {
        match self {
            Self::Table(_) => item_range(first_hash, last_hash),
            Self::LocalIndex(_, index) => index.keys.hash_range(first_hash, last_hash),
            Self::GlobalIndex(_, index) => index.keys.hash_range(first_hash, last_hash),
        }
    }

    /// The attributes of a row's key: of an index both its own and the table's.
    pub(crate) fn decode_key(&self, key: &[u8]) -> Result<Item, DecodeError> {
        match self {
            Self::Table(table) => table.keys.decode(key),
            Self::LocalIndex(_, index) => index.keys.decode(key),
            Self::GlobalIndex(_, index) => index.keys.decode(key),
        }
    }

    /// The capacity of a page, given what its rows cost and what fetches from the table cost.
    pub(crate) fn capacity(&self, rows: CapacityUnits, fetched: CapacityUnits) -> ConsumedCapacity {
        let mut capacity = ConsumedCapacity::default();
        match self {
            Self::Table(_) => capacity.table = rows,
            Self::LocalIndex(_, index) => {
                capacity.table = fetched;
                capacity.local_indexes.insert(index.name.to_string(), rows);
            }
            Self::GlobalIndex(_, index) => {
                capacity.global_indexes.insert(index.name.to_string(), rows);
            }
        }
        capacity
    }

    /// What must be fetched from the table for each row, given what is wanted of its item.
    pub(crate) fn fetching(
        &self,
        select: Select,
        projection: Option<&Projection>,
        filter_names: &[&str],
    ) -> Fetching {
        let Self::LocalIndex(_, index) = self else { return Fetching::Never };
        let returned_lacks = match (select, projection) {
            (Select::Count | Select::AllProjectedAttributes, _) => false,
            (_, Some(projection)) => lacks(&index.stored, &names(projection)),
            (_, None) => matches!(index.stored, StoredView::Part(_)),
        };
        match (lacks(&index.stored, filter_names), returned_lacks) {
            (true, _) => Fetching::Filtered,
            (false, true) => Fetching::Returned,
            (false, false) => Fetching::Never,
        }
    }

    /// The codec of the index's keys, if it is one.
    pub(crate) fn index_keys(&self) -> Option<&IndexKeyCodec> {
        match self {
            Self::Table(_) => None,
            Self::LocalIndex(_, index) => Some(&index.keys),
            Self::GlobalIndex(_, index) => Some(&index.keys),
        }
    }

    /// Refuses whole items of a global index that does not hold them.
    pub(crate) fn check_select(&self, select: Select) -> Result<(), Error> {
        let Self::GlobalIndex(_, index) = self else { return Ok(()) };
        if select == Select::AllAttributes && matches!(index.stored, StoredView::Part(_)) {
            let index_name = index.name.to_string();
            return Err(ValidationError::AllAttributesOfGlobalIndex { index_name }.into());
        }
        Ok(())
    }

    /// Refuses a projection of what a global index lacks: nothing is fetched for it.
    pub(crate) fn check_projected(&self, projection: Option<&Projection>) -> Result<(), Error> {
        let (Self::GlobalIndex(_, index), Some(projection)) = (self, projection) else { return Ok(()) };
        let mut missing = names(projection);
        missing.retain(|name| !index.stored.holds(name));
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        let (index_name, attributes) = (index.name.to_string(), missing.join(", "));
        Err(ValidationError::NotProjected { index_name, attributes }.into())
    }
}

fn check_global(index: &GlobalIndex, index_name: String, consistency: Consistency) -> Result<(), Error> {
    if consistency == Consistency::Strong {
        return Err(ValidationError::ConsistentReadOfGlobalIndex.into());
    }
    match index.status {
        IndexStatus::Active => Ok(()),
        IndexStatus::Creating { .. } => Err(ValidationError::IndexBackfilling { index_name }.into()),
        IndexStatus::Deleting => Err(ValidationError::IndexNotFound { index_name }.into()),
    }
}

fn names(projection: &Projection) -> Vec<&str> {
    projection.paths().iter().map(|path| path.name.as_str()).collect()
}

fn lacks(stored: &StoredView, names: &[&str]) -> bool {
    names.iter().any(|name| !stored.holds(name))
}

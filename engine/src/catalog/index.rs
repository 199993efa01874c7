//! Secondary indexes as every shard knows them.

use std::sync::Arc;

use basalt_format::DecodeError;
use basalt_format::key_encoding::{TAG_LOCAL_INDEX_FIRST, TAG_LOCAL_INDEX_LAST};
use basalt_model::{
    DocumentPath, EncodedItem, IndexKeyCodec, IndexKeySchema, ItemRef, KeyAttribute, KeyCodec,
    expression::Projection,
};

use super::{OnDemandMaximum, TablePartition, partition::partition_of};
use crate::error::ValidationError;

/// What an index holds of an item beside the key attributes of table and index, which it always holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexProjection {
    /// Everything.
    All,
    /// Nothing.
    KeysOnly,
    /// These attributes.
    Include(Vec<String>),
}

impl IndexProjection {
    /// The most attributes that the indexes of one table may name, summed over all of them.
    const NAMES_MAX: usize = 100;

    /// Refuses the projections of one table's indexes if they name too many attributes; one that several name counts as
    /// often.
    pub(crate) fn check_all<'a>(
        projections: impl IntoIterator<Item = &'a IndexProjection>,
    ) -> Result<(), ValidationError> {
        let names = projections.into_iter().map(|projection| match projection {
            Self::All | Self::KeysOnly => 0,
            Self::Include(names) => names.len(),
        });
        if names.sum::<usize>() > Self::NAMES_MAX {
            Err(ValidationError::TooManyNonKeyAttributes)
        } else {
            Ok(())
        }
    }
}

/// A local secondary index to be made with its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalIndexDefinition {
    /// 3 to 255 of `a-zA-Z0-9_.-`.
    pub index_name: String,
    /// What its entries are sorted by; its partition key is the table's.
    pub sort: KeyAttribute,
    /// What it holds.
    pub projection: IndexProjection,
}

/// A global secondary index to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalIndexDefinition {
    /// 3 to 255 of `a-zA-Z0-9_.-`.
    pub index_name: String,
    /// What its entries are found by.
    pub key_schema: IndexKeySchema,
    /// What it holds.
    pub projection: IndexProjection,
    /// What it may use.
    pub throughput: IndexThroughput,
}

/// Figures of an index's capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IndexThroughput {
    /// Read and write units a second; `None` if the table is paid for on demand.
    pub provisioned: Option<ProvisionedThroughput>,
    /// Limits on what is paid for on demand.
    pub on_demand_maximum: OnDemandMaximum,
    /// What it was asked to take at once.
    pub warm_throughput: WarmThroughput,
}

/// A fixed number of units a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvisionedThroughput {
    /// Read units a second.
    pub read_capacity_units: u64,
    /// Write units a second.
    pub write_capacity_units: u64,
}

/// What a table or index was asked to take at once; kept and told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WarmThroughput {
    /// Read units a second; `None`: not asked for.
    pub read_units: Option<u64>,
    /// Write units a second; `None`: not asked for.
    pub write_units: Option<u64>,
}

/// Where a global index is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexStatus {
    /// Takes changes, and cannot be read yet.
    Creating {
        /// Whether items from before it are being brought in.
        backfilling: bool,
    },
    /// Holds every item that belongs into it.
    Active,
    /// Takes nothing, and is going away.
    Deleting,
}

/// A local secondary index: its entries lie beside the items, under a tag of theirs.
#[derive(Debug, Clone)]
pub(crate) struct LocalIndex {
    pub(crate) name: Arc<str>,
    pub(crate) keys: IndexKeyCodec,
    pub(crate) projection: IndexProjection,
    pub(crate) stored: StoredView,
}

/// A global secondary index: its entries lie in partitions of its own.
#[derive(Debug, Clone)]
pub(crate) struct GlobalIndex {
    pub(crate) name: Arc<str>,
    /// The index in partition specs; from the counter that tables take their numbers from.
    pub(crate) number: u64,
    pub(crate) keys: IndexKeyCodec,
    pub(crate) projection: IndexProjection,
    pub(crate) stored: StoredView,
    pub(crate) status: IndexStatus,
    pub(crate) throughput: IndexThroughput,
    /// In the order of their hash ranges, which cover the whole space without gap or overlap.
    pub(crate) partitions: Vec<TablePartition>,
    /// Those that a split is filling.
    pub(crate) filling: Vec<TablePartition>,
}

/// What an index holds of items, made ready for use: its projection and all key attributes.
#[derive(Debug, Clone)]
pub(crate) enum StoredView {
    /// All of them.
    Whole,
    /// These attributes.
    Part(Projection),
}

impl StoredView {
    /// What an index with these keys and this projection holds.
    pub(crate) fn new(projection: &IndexProjection, keys: &IndexKeyCodec) -> Self {
        let included = match projection {
            IndexProjection::All => return Self::Whole,
            IndexProjection::KeysOnly => &[],
            IndexProjection::Include(names) => names.as_slice(),
        };
        let mut names: Vec<&str> = keys.all_attributes().map(|attribute| attribute.name.as_str()).collect();
        for name in included {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let paths: Vec<DocumentPath> = names.into_iter().map(DocumentPath::attribute).collect();
        Self::Part(Projection::new(paths))
    }

    /// What the index holds of an item.
    pub(crate) fn of_item(&self, item: ItemRef<'_>) -> Result<EncodedItem, DecodeError> {
        match self {
            Self::Whole => Ok(item.into()),
            Self::Part(projection) => projection.project(item),
        }
    }

    /// Whether the index holds an attribute of every item that has it.
    pub(crate) fn holds(&self, name: &str) -> bool {
        match self {
            Self::Whole => true,
            Self::Part(projection) => projection.paths().iter().any(|path| path.name == name),
        }
    }
}

impl LocalIndex {
    /// The index that stands at `position` among its table's.
    pub(crate) fn new(position: usize, definition: &LocalIndexDefinition, table: &KeyCodec) -> Self {
        let keys = IndexKeyCodec::local(local_index_tag(position), definition.sort.clone(), table);
        Self {
            name: definition.index_name.as_str().into(),
            stored: StoredView::new(&definition.projection, &keys),
            keys,
            projection: definition.projection.clone(),
        }
    }

    /// What its entries are sorted by.
    pub(crate) fn sort(&self) -> &KeyAttribute {
        self.keys.schema().sort.first().expect("a local index has a sort key")
    }

    pub(crate) fn definition(&self) -> LocalIndexDefinition {
        LocalIndexDefinition {
            index_name: self.name.to_string(),
            sort: self.sort().clone(),
            projection: self.projection.clone(),
        }
    }
}

impl GlobalIndex {
    /// The partition that holds `hash`.
    pub(crate) fn partition_of(&self, hash: u64) -> &TablePartition {
        partition_of(&self.partitions, hash)
    }

    /// Every partition of the index that the catalog has a row of.
    pub(crate) fn all_partitions(&self) -> impl Iterator<Item = &TablePartition> {
        self.partitions.iter().chain(&self.filling)
    }

    pub(crate) fn definition(&self) -> GlobalIndexDefinition {
        GlobalIndexDefinition {
            index_name: self.name.to_string(),
            key_schema: self.keys.schema().clone(),
            projection: self.projection.clone(),
            throughput: self.throughput,
        }
    }
}

/// The tag of the local index at `position` among its table's.
fn local_index_tag(position: usize) -> u8 {
    let tag = u8::try_from(position).ok().and_then(|position| TAG_LOCAL_INDEX_FIRST.checked_add(position));
    tag.filter(|tag| *tag <= TAG_LOCAL_INDEX_LAST)
        .expect("a table has fewer local indexes than there are tags")
}

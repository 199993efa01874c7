//! What tables there are and where their items lie.
//!
//! The truth is in partition 0, which shard 0 owns; every shard works by an immutable snapshot of it. Tables and
//! partitions cost nothing beyond their rows until something is written to them.
//!
//! Invariants:
//! - A table's partitions cover the hash space without gap or overlap.
//! - Numbers of tables and partitions are never given twice, also after a drop and a restart.
//! - Nobody learns of a change before its entry is durable.
//! - Of a deleted table only what the readers of its streams need is left, under its number: names are free at once.
//!
//! Bytes: format-spec/spec/catalog.md.

mod draft;
mod index;
mod index_rows;
mod loaded;
mod partition;
mod rows;
mod settings;
mod snapshot;
mod split;
mod stream;
mod table;
mod table_id;
mod time_to_live;
mod writer;

pub(crate) use draft::{NextNumber, TableDefinition, TableDraft};
pub(crate) use index::{GlobalIndex, LocalIndex, StoredView};
pub use index::{
    GlobalIndexDefinition, IndexProjection, IndexStatus, IndexThroughput, LocalIndexDefinition,
    ProvisionedThroughput, WarmThroughput,
};
pub(crate) use loaded::LoadedCatalog;
pub(crate) use partition::{ClosedPartition, TablePartition, owner_of};
pub(crate) use settings::TableSettings;
pub use settings::{BillingMode, DeletionProtection, OnDemandMaximum, TableClass, ThroughputHistory};
pub(crate) use snapshot::Catalog;
pub(crate) use split::Split;
pub(crate) use stream::StreamPartition;
pub use stream::{StreamDescription, StreamViewType};
pub(crate) use table::Table;
pub use table_id::TableId;
pub use time_to_live::{TimeToLive, TimeToLiveStatus};
pub(crate) use writer::{CatalogWriter, Claim};

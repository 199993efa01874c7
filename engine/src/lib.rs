//! Basalt, the embeddable database: DynamoDB tables on a storage engine of its own.
//!
//! [`Engine::open`] starts one shard a core, recovers the directory and hands out a handle that any thread may use:
//! its operations are awaited on any executor, or wait by themselves through [`Engine::blocking`]. A write that has
//! answered is on the disk. Requests are model types, already parsed ([`model`]); answers are encoded items, which
//! are read in place.
//!
//! ```
//! use basalt_engine::{
//!     CreateTable, Engine, EngineOptions, GetItem, PutItem,
//!     model::{Item, KeyAttribute, KeySchema, ScalarKind, Value},
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let options = EngineOptions { in_memory: true, ..EngineOptions::default() };
//! let engine = Engine::open("data", options)?.blocking();
//!
//! let partition = KeyAttribute { name: "city".to_owned(), kind: ScalarKind::S };
//! engine.create_table(CreateTable::new("cities", KeySchema { partition, sort: None }))?;
//!
//! let city = |more: &[(&str, &str)]| -> Item {
//!     let attribute = |(name, value): &(&str, &str)| (name.to_string(), Value::S(value.to_string()));
//!     [("city", "Reykjavik")].iter().chain(more).map(attribute).collect()
//! };
//! engine.put_item(PutItem::new("cities", city(&[("rock", "basalt")])))?;
//!
//! let found = engine.get_item(GetItem::new("cities", city(&[])))?.item.expect("it was put");
//! assert_eq!(found.as_item().to_item()?, city(&[("rock", "basalt")]));
//! engine.close()?;
//! # Ok(())
//! # }
//! ```
//!
//! Near the data: [`Engine::on_shard`] runs a closure on the shard that owns a partition key, where items are lent,
//! not copied. A program that runs its own tasks on the shards asks [`Engine::local`] there and saves the message.
//! An empty table is filled fastest there, past the log: [`LocalTable::begin_load`].
//!
//! Deterministic: time, entropy and scheduling come from the runtime alone, so [`Engine::open_on`] runs the whole
//! engine in a simulation, from one seed.
//!
//! Deliberately unknown here: JSON, HTTP, exception names and signatures (the server's), pages and logs (storage's).
//! How it all fits together: `engine/ARCHITECTURE.md`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod blocking;
mod catalog;
mod derive;
mod engine;
mod error;
mod index;
mod open_error;
mod operation;
mod options;
mod outbox;
mod place;
mod recovery_report;
mod shard;
mod snapshot;
mod split;
mod stream;
mod threads;
mod throughput;
mod time_to_live;
mod transaction;
mod validation;

pub use basalt_model as model;
pub use basalt_model::{CapacityUnits, Consistency, ScanSegment};
pub use basalt_runtime as runtime;
pub use basalt_storage::{SnapshotContent, SnapshotFile, StoreMetrics};
pub use blocking::BlockingEngine;
pub use catalog::{
    BillingMode, DeletionProtection, GlobalIndexDefinition, IndexProjection, IndexStatus, IndexThroughput,
    LocalIndexDefinition, OnDemandMaximum, ProvisionedThroughput, StreamDescription, StreamViewType,
    TableClass, TableId, ThroughputHistory, TimeToLive, TimeToLiveStatus, WarmThroughput,
};
pub use derive::Cause;
pub use engine::Engine;
pub use error::{Error, ErrorKind, LoadRefusal, TableChange, ValidationError};
pub use index::{IndexCheck, IndexDigest};
pub use open_error::{OpenError, OpenErrorKind};
pub use operation::*;
pub use options::{EngineOptions, IndexAcknowledgement, OptionsError};
pub use outbox::IndexLag;
pub use recovery_report::RecoveryReport;
pub use shard::{BulkLoad, LocalEngine, LocalTable, ShardAccess};
pub use snapshot::Snapshot;
pub use stream::{IteratorError, SequenceNumber, ShardIterator, StreamLabel, StreamShardId};
pub use throughput::{Throttled, ThrottledAccess, ThrottlingLimit};
pub use transaction::*;

/// Compiles the example of the workspace's README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

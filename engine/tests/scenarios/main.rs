//! What the engine promises, one behaviour a module, asked through its public interface alone.
//!
//! Method: engines in memory on threads of their own where nothing must outlive them; simulated disks where an engine
//! is closed, killed and opened again.

mod batches;
mod bulk_loads;
mod conditions;
mod damaged_partitions;
mod deleted_streams;
mod deleted_tokens;
mod durability;
mod index_changes;
mod index_delivery;
mod items;
mod key_errors;
mod lent_reads;
mod model;
mod pages;
mod real_files;
mod secondary_indexes;
mod seeds;
mod segments;
mod simulated;
mod snapshots;
mod splits;
mod stream_reading;
mod streams;
mod streams_after_crashes;
mod support;
mod tables;
mod throughput;
mod time_to_live;
mod transaction_crashes;
mod transactions;

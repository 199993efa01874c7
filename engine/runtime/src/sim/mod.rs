//! Deterministic simulation: a process of several shards on one thread, over a disk that forgets what was not synced,
//! a clock that jumps, and chance from one seed.
//!
//! ```
//! use basalt_runtime::sim::{CrashPolicy, Disk, SimOptions, Simulation};
//! use basalt_runtime::{AlignedBuffer, OpenOptions, ShardIndex};
//! use std::path::Path;
//!
//! let mut simulation = Simulation::new(SimOptions::new(7), Disk::new());
//! let handle = simulation.handle(ShardIndex(0));
//! let written = simulation.run_until(ShardIndex(0), async move {
//!     let options = OpenOptions::new().write(true).create(true);
//!     let file = handle.open_file(Path::new("/greeting"), options).await?;
//!     file.write_and_sync_at(AlignedBuffer::from_slice(b"hello"), 0).await.0?;
//!     handle.sync_directory(Path::new("/")).await
//! });
//! assert!(matches!(written, Ok(Ok(()))));
//! let disk = simulation.lose_power(CrashPolicy::Any);
//! assert_eq!(disk.read_file(Path::new("/greeting")).unwrap(), b"hello");
//! ```
//!
//! Code under test needs no knowledge of this, but for two hints: [`sometimes!`](crate::sometimes) marks a branch
//! that simulations must reach, [`planted!`](crate::planted) a place where a deliberate mistake can be switched on.

mod backend;
mod clock;
mod describe;
mod disk;
mod effects;
mod fault;
pub mod marks;
pub mod planted;
mod random;
mod simulation;
#[cfg(test)]
mod tests;
mod trace;
mod world;

pub use clock::Latencies;
pub use disk::{
    CRASH_IMAGE_SAMPLES, CRASH_UNITS_EXHAUSTIVE_MAX, CrashImages, CrashPolicy, Disk, LockOwner, NodeId,
    SyncPoint,
};
pub use fault::{FaultKind, FaultPlan, FaultRate};
pub use random::Random;
pub use simulation::{Ended, SimOptions, Simulation, stop_process};

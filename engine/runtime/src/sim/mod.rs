//! Deterministic simulation: a disk that forgets what was not synced, a clock that jumps, and chance from one seed.

mod disk;
pub mod marks;
pub mod planted;
mod random;

pub use disk::{
    CRASH_IMAGE_SAMPLES, CRASH_UNITS_EXHAUSTIVE_MAX, CrashImages, CrashPolicy, Disk, LockOwner, NodeId,
    SyncPoint,
};
pub use random::Random;

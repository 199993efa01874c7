//! Deterministic simulation: a disk that forgets what was not synced, a clock that jumps, and chance from one seed.

pub mod marks;
pub mod planted;
pub mod random;

pub use random::Random;

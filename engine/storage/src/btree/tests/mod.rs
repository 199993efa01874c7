//! Trees against an ordinary map: random changes, reads and scans, tiny pools, checkpoints and reopening in between.

mod against_map;
mod counts;
mod harness;
mod loads;

pub(crate) use harness::{Harness, Mix, Model, PATH, seeds_of, simulate};

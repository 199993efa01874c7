//! Crashes databases, over and over, and proves that nothing that was acknowledged is lost.
//!
//! A [`round`] starts a process on a simulated disk, lets clients work on it, ends it at a chosen event, and starts it
//! again on what the disk then holds, perhaps crashing it again on the way. An [`oracle`] that saw every
//! acknowledgement and every read says whether what is found could be. What is tested is a [`subject`]; the real ones
//! are Basalt's layers, the smallest a log of a hundred lines in the tests, which shows that the harness finds bugs.
//!
//! Everything follows from a seed: a failure prints the command that runs it again.
#![warn(missing_docs)]

pub mod campaign;
pub mod ci;
pub mod damage;
pub mod exhaustive;
pub mod hunt;
mod lives;
pub mod marks;
pub mod oracle;
pub mod round;
pub mod rung;
pub mod storage;
pub mod subject;
mod watchdog;
pub mod whole;
pub mod wire;
pub mod workload;

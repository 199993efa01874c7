//! The log under crashes, on the simulated disk.
//!
//! Goal: what was acknowledged survives any crash, what recovery has shown is never taken back, what was cut never
//! returns, and damage to acknowledged data is refused, never swallowed.
//!
//! Method: one process after the other appends to one data directory, is killed or loses power at a random I/O
//! event (during recovery, too), and the next one must find a log that the model allows. Each run prints its seed.

mod crash_rounds;
mod damage;
mod group_commit;
mod harness;
mod lock;
mod planted_bugs;
mod real_files;
mod recycling;
mod streams;

//! What tasks see of the runtime, on every backend that the machine has: io_uring, portable, and files in memory.

mod file_model;
mod files;
mod process;
mod shards;
mod sockets;
mod support;
mod waiting;

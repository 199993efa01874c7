//! One file a command.

mod partition_file;
pub(crate) mod verify;

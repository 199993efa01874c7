//! The operating system's files, sockets, clocks and entropy, for both backends that use the real ones.

pub(crate) mod clock;
pub(crate) mod file_pool;
pub(crate) mod files;
pub(crate) mod sockets;

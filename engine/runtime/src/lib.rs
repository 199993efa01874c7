//! One executor a core; files, sockets, timers and mailboxes.
#![warn(missing_docs)]

pub mod sim;

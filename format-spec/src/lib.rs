//! Every byte of Basalt that outlives a process or crosses a socket.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

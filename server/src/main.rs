//! `basaltd`, the Basalt daemon.
fn main() {}

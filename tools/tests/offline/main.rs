//! The tools over directories that the real engine wrote, as a script would run them.
#![expect(clippy::unwrap_used, reason = "tests")]

mod backup;
mod consistency;
mod help;
mod support;
mod tables;

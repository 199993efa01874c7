//! The tools over directories that the real engine wrote, as a script would run them.
#![expect(clippy::unwrap_used, reason = "tests")]

mod backup;
mod support;
mod tables;

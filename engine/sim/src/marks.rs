//! The names of all marks in the engine's sources (collected by the build script).

include!(concat!(env!("OUT_DIR"), "/marks.rs"));

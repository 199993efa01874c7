//! Deterministic simulation of the engine.
#![warn(missing_docs)]

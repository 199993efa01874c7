//! Judges what concurrent clients were answered: could a correct database have answered so?
//!
//! Pure: no I/O, no clock, no threads. A history is what clients saw, with the time at which each of them asked and
//! was answered; the checkers know nothing of how the database works, so that one of its errors cannot hide itself.
//! `check_histories` makes histories with the real daemon, over the wire, and kills it on the way.
//!
//! | Module | Its question |
//! |---|---|
//! | [`linearizable`] | Does one item behave as if each call happened at one instant between question and answer? |
//! | [`register`] | What are the calls on one item, and what may each answer? The model of the question above. |
//! | [`serializable`] | Do transactions over many items behave as if they happened one after the other? |
//! | [`bank`] | Is money neither made nor lost by transfers, and each transfer done once? |
//! | [`index`] | Does a global index show each acknowledged write, and nothing older than it showed before? |
//! | [`stream`] | Are the records of an item its history: each change once, in order? |
//!
//! Tests: `tests/anomalies` plants each anomaly and expects it to be reported, and runs clients against a correct store
//! and expects nothing to be.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod bank;
pub mod history;
pub mod index;
pub mod linearizable;
pub mod register;
pub mod serializable;
pub mod stream;

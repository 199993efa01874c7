//! Time to live: items leave by themselves when the time that one of their attributes tells is over.
//!
//! Each partition keeps its items that can expire in the order of their expiry (`derive::time_to_live`), so that
//! finding the expired ones costs what there is to remove. Here are the steps, each of which becomes one entry: taking
//! a live table's items into that order, clearing it again, removing what is expired. Who runs them, and when, is
//! `shard::time_to_live`.
//!
//! Invariants:
//! - Expired items are removed by entries like any other, with everything that is derived from them; whether an item is
//!   expired is decided in the evaluation, from the item itself.
//! - Nothing is removed while the calendar's clock is known to have been set back.
//! - A step that a crash takes back is done again; one that it does not is not.
//!
//! Bytes: format-spec/spec/time_to_live.md.

mod clearing;
mod clock;
mod expiring;
mod expiry;
mod filling;

pub(crate) use clearing::clear_some;
pub(crate) use clock::Calendar;
pub(crate) use expiring::find_expired;
pub(crate) use expiry::expiry_of;
pub(crate) use filling::fill_some;

/// How far a step came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is more to do.
    Some,
    /// Nothing is left to do.
    Last,
}

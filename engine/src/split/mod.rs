//! Splits partitions that have become too large, while reads and writes go on.
//!
//! A split is led by the owner of the partition, the parent:
//! 1. two children are numbered in the catalog, on the shards that own the fewest partitions of the table or index;
//! 2. the parent's rows are copied into them, portion by portion; what is changed behind the copy is noted and copied
//!    again, until little is left (`copy`);
//! 3. writes are held at a gate (`gates`), what the parent owes others is waited for, the rest is copied;
//! 4. reads are held too, and one entry of the catalog puts the children in the parent's place (`catalog_change`);
//! 5. who was held is routed again by the new catalog.
//!
//! The parent stays, closed, for as long as its stream records can be read, and is rid of its other rows; without a
//! stream it goes at once.
//!
//! Invariants:
//! - Before the catalog's entry is durable the parent is whole and the children are nothing; after it the children are
//!   whole. A start drops children that are still being filled.
//! - The children answer nobody before the parent has ceased to.
//! - Rows of one hash stay together, so item collections do.
//! - While something goes through all rows of a table (an index or an order of expiry is being filled or cleared),
//!   none of its partitions is split; it is tried again later.
//!
//! Deliberately unknown here: what rows hold beyond their keys.
//!
//! Tests: engine/tests/scenarios/splits.rs and what is beside it.

mod catalog_change;
mod copy;
mod cut;
mod destination;
mod gates;
mod lead;
mod oversized;

pub(crate) use gates::Gates;

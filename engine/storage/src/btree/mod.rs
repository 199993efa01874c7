//! One partition's copy-on-write B+tree over the shard's buffer pool.
//!
//! Owned by the partition's shard. Reading and changing never wait: what is not in memory is a [`Stop::Missing`],
//! to be fetched before the operation runs again.
//!
//! A page may be changed only in the generation that made it. Changing any other page copies it, and its path up
//! to the root, under new names; so a checkpoint freezes the tree by remembering the root and starting a new
//! generation. Pages have no parent pointers and no siblings: a page that is written gets a *redirect* from its
//! memory id to its extent, by which parents in memory still find it; parents that are written name the extent.
//!
//! Invariants:
//! - Keys strictly increase and lie within their page's fences; a child's fences are its parent's separators.
//! - A dirty page's parent is dirty, unless the page is named by a redirect.
//! - Pages of the live generation are named by nobody but the live tree.
//! - Redirects recorded before a freeze are needed by nobody when its checkpoint is complete.
//!
//! Knows nothing of entries, logs and superblocks. Bytes: format-spec/spec/page.md.

mod bulk_load;
mod check;
mod collect;
mod cursor;
mod delete;
mod edit;
mod entries;
mod fetch;
mod insert;
mod load_run;
mod load_writer;
mod merge;
mod reader;
mod redirects;
mod relocate;
mod request;
mod state;
mod tree;
mod write_out;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use crate::cache::Pins;
pub(crate) use bulk_load::{LoadedTree, TreeLoad};
pub use check::CheckReport;
pub(crate) use cursor::TreeCursor;
pub(crate) use fetch::BroughtIn;
pub(crate) use load_run::LoadedRuns;
pub(crate) use load_writer::LoadWriter;
pub(crate) use reader::{TreeReader, TreeRow};
pub(crate) use request::PageRequest;
pub use request::Stop;
pub(crate) use tree::{Change, Tree};

pub(crate) use edit::{Editor, names_of};
pub(crate) use state::{Counts, TreeState};
pub(crate) use tree::{TreeShared, TreeStart};

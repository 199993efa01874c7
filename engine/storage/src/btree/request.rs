//! Why an operation could not go on: a page is not in memory, or something failed.

use basalt_format::extent::Pointer;

use crate::error::StorageError;

/// An operation stopped before its end. It has changed nothing and may run again.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// Something is not in memory: fetch it, then run the operation again.
    #[error("a page is not in memory")]
    Missing(PageRequest),
    /// The operation failed.
    #[error(transparent)]
    Failed(#[from] StorageError),
}

/// What an operation needs, or will soon need, in memory.
#[derive(Debug)]
pub struct PageRequest {
    /// What it stopped at.
    pub(crate) first: Wanted,
    /// What it will come to next; failing to read these is nobody's error yet.
    pub(crate) ahead: Vec<Wanted>,
}

/// An extent, and what its parent says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) pointer: Pointer,
    pub(crate) expected: Expected,
}

/// What must be found in an extent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A page with these fences; its level is unknown for the root only.
    Page { level: Option<u8>, lower: Vec<u8>, upper: Option<Vec<u8>> },
    /// The value of the row with this key.
    Value { key: Vec<u8>, value_bytes: u32 },
}

impl PageRequest {
    pub(crate) fn of(wanted: Wanted) -> Self {
        Self { first: wanted, ahead: Vec::new() }
    }
}

impl From<Wanted> for Stop {
    fn from(wanted: Wanted) -> Self {
        Self::Missing(PageRequest::of(wanted))
    }
}

impl Expected {
    /// A key whose search leads to the extent, as long as its parent names it.
    pub(crate) fn probe_key(&self) -> &[u8] {
        match self {
            Self::Page { lower, .. } => lower,
            Self::Value { key, .. } => key,
        }
    }
}

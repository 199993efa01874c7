//! Tree pages in memory: how their bytes change, and how they are named before they have a place on disk.
//!
//! A page in memory is either *squeezed*, as it is stored, and never changes, or it has a gap between slots and heap
//! and belongs to the live generation. Both are read through `basalt_format::page::PageView`.
//!
//! Knows nothing of trees: which keys belong where is decided above. Bytes: format-spec/spec/page.md.

mod buffer_bytes;
mod name;
mod slotted;

pub(crate) use buffer_bytes::BufferBytes;
pub(crate) use name::{MemoryId, PageName};
pub(crate) use slotted::{PageFull, PageMut, Row, expand, squeeze, squeezed_bytes};

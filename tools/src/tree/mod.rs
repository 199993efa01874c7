//! One partition's file, read from its newest superblock through `basalt-format` alone.
//!
//! [`check()`] proves what the format promises; [`each_row`] and [`find_row`] read past what is damaged.

mod check;
mod rows;

use basalt_format::{
    BLOCK_SIZE_BYTES,
    extent::Pointer,
    superblock::{SUPERBLOCK_A_BLOCK, SUPERBLOCK_B_BLOCK, SUPERBLOCK_BYTES, Superblock},
};
use serde::Serialize;

pub(crate) use check::{Counts, Level, TreeReport, check};
pub(crate) use rows::{Lost, each_row, find_row};

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The first block of the damaged extent.
    pub(crate) block: u64,
    pub(crate) problem: String,
}

impl Finding {
    pub(crate) fn new(block: u64, problem: impl Into<String>) -> Self {
        Self { block, problem: problem.into() }
    }
}

/// The superblock that a daemon would open the file from.
pub(crate) fn newest_superblock(bytes: &[u8]) -> Option<Superblock> {
    judged_superblock(bytes, None, &mut Vec::new())
}

/// The same, with what is wrong with it. The other may be damaged: that is reported, and no loss.
fn judged_superblock(
    bytes: &[u8],
    cluster_uuid: Option<[u8; 16]>,
    findings: &mut Vec<Finding>,
) -> Option<Superblock> {
    let mut valid = Vec::new();
    for block in [SUPERBLOCK_A_BLOCK, SUPERBLOCK_B_BLOCK] {
        let start = block as usize * BLOCK_SIZE_BYTES;
        let Some(stored) = bytes.get(start..start + SUPERBLOCK_BYTES) else { continue };
        // A file's second superblock is zeros until its second checkpoint.
        if stored.iter().all(|&byte| byte == 0) {
            continue;
        }
        match Superblock::decode(stored) {
            Ok(superblock) if Superblock::block_of(superblock.generation) == block => valid.push(superblock),
            Ok(_) => findings.push(Finding::new(block, "the superblock belongs in the other's place")),
            Err(error) => findings.push(Finding::new(block, format!("superblock: {error}"))),
        }
    }
    let newest = valid.into_iter().max_by_key(|superblock| superblock.generation);
    match &newest {
        None => findings.push(Finding::new(SUPERBLOCK_A_BLOCK, "no superblock can be read")),
        Some(found) if cluster_uuid.is_some_and(|uuid| uuid != found.cluster_uuid) => findings.push(
            Finding::new(Superblock::block_of(found.generation), "the file belongs to another cluster"),
        ),
        Some(_) => {}
    }
    newest
}

/// An extent's bytes as they stand in the file.
pub(crate) fn stored_bytes<'a>(bytes: &'a [u8], pointer: &Pointer) -> Option<&'a [u8]> {
    let start = usize::try_from(pointer.offset()).ok()?;
    bytes.get(start..start.checked_add(pointer.stored_bytes())?)
}

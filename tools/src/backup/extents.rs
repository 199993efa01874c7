//! Which extents a superblock reaches, and which of them were made after a generation.

use basalt_format::{
    extent::{AllocationPart, ExtentKind, Pointer},
    page::{LeafValue, PageView},
    superblock::Superblock,
};
use rayon::prelude::*;

use super::source::OpenFile;
use crate::failure::Failure;

/// Collects extents of one file.
pub(crate) struct Extents<'a> {
    file: &'a OpenFile<'a>,
    path: &'a str,
    superblock: &'a Superblock,
    /// What was born at or before it is left out, and everything below it: no child is younger than its parent.
    base_generation: u64,
}

impl<'a> Extents<'a> {
    pub(crate) fn new(
        file: &'a OpenFile<'a>,
        path: &'a str,
        superblock: &'a Superblock,
        base_generation: Option<u64>,
    ) -> Self {
        Self { file, path, superblock, base_generation: base_generation.unwrap_or(0) }
    }

    /// The allocation map's extents and the tree's, ascending by block. Pages are read only where they lead on.
    pub(crate) fn collect(&self) -> Result<Vec<Pointer>, Failure> {
        let mut found = self.of_map()?;
        let mut level: Vec<Pointer> = self.superblock.root.into_iter().collect();
        while !level.is_empty() {
            level.retain(|pointer| pointer.birth > self.base_generation);
            found.extend_from_slice(&level);
            let below: Result<Vec<Vec<Pointer>>, Failure> =
                level.par_iter().map(|pointer| self.below(pointer)).collect();
            level = below?.into_iter().flatten().collect();
        }
        found.sort_unstable_by_key(|pointer| pointer.block);
        let overlap = found.windows(2).find(|pair| pair[0].block + u64::from(pair[0].blocks) > pair[1].block);
        match overlap {
            None => Ok(found),
            Some(pair) => Err(self.damaged(pair[1].block, "two pointers lead to it")),
        }
    }

    /// Bytes of an extent, compared with its pointer's checksum.
    pub(crate) fn read(&self, pointer: &Pointer) -> Result<Vec<u8>, Failure> {
        let bytes = self.file.read(pointer.offset(), pointer.stored_bytes())?;
        self.verify(pointer, &bytes)?;
        Ok(bytes.into_owned())
    }

    /// Compares bytes with their pointer's checksum.
    pub(crate) fn verify(&self, pointer: &Pointer, bytes: &[u8]) -> Result<(), Failure> {
        let verified = pointer.verify(self.superblock.salt, bytes);
        verified.map_err(|error| self.damaged(pointer.block, &error.to_string()))
    }

    fn of_map(&self) -> Result<Vec<Pointer>, Failure> {
        let mut found = Vec::new();
        let mut next = self.superblock.allocation;
        while let Some(pointer) = next {
            if found.len() as u64 > self.superblock.file_blocks {
                return Err(self.damaged(pointer.block, "the allocation map has no end"));
            }
            let part = AllocationPart::decode(&self.read(&pointer)?);
            next = part.map_err(|error| self.damaged(pointer.block, &error.to_string()))?.next;
            found.push(pointer);
        }
        Ok(found)
    }

    /// What a page leads to.
    fn below(&self, pointer: &Pointer) -> Result<Vec<Pointer>, Failure> {
        match pointer.kind {
            ExtentKind::Leaf | ExtentKind::Overflow => return Ok(Vec::new()),
            ExtentKind::LeafWithOverflow | ExtentKind::Inner => {}
            ExtentKind::Allocation => {
                return Err(self.damaged(pointer.block, "an allocation map in the tree"));
            }
        }
        let bytes = self.read(pointer)?;
        let damaged = |error: basalt_format::DecodeError| self.damaged(pointer.block, &error.to_string());
        let page = PageView::parse(&bytes).map_err(damaged)?;
        let mut below = Vec::new();
        for slot in 0..page.slot_count() {
            if !page.is_leaf() {
                below.push(Pointer::decode(page.child(slot)).map_err(damaged)?);
            } else if let LeafValue::Overflow { pointer: value, .. } = page.leaf_cell(slot).value {
                below.push(Pointer::decode(value).map_err(damaged)?);
            }
        }
        match below
            .iter()
            .find(|child| child.birth > pointer.birth || child.kind == pointer.kind && page.is_leaf())
        {
            None => Ok(below),
            Some(_) => Err(self.damaged(pointer.block, "it leads to something younger than itself")),
        }
    }

    fn damaged(&self, block: u64, reason: &str) -> Failure {
        Failure::damaged(format!("{}, block {block}: {reason}; see basaltctl verify", self.path))
    }
}

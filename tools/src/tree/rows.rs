//! The rows of one partition's file: in their order and past what cannot be read, or one by its key.

use basalt_format::{
    extent::Pointer,
    page::{LeafValue, PageView},
    superblock::Superblock,
};

use super::stored_bytes;

/// A row as it stands in a tree.
pub(crate) struct StoredRow<'a> {
    pub(crate) value: &'a [u8],
    pub(crate) last_write: u64,
}

/// A range of keys that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) block: u64,
    pub(crate) lower: Vec<u8>,
    pub(crate) upper: Option<Vec<u8>>,
    pub(crate) problem: String,
}

/// The row with this key, if the superblock reaches one.
pub(crate) fn find_row<'a>(
    bytes: &'a [u8],
    superblock: &'a Superblock,
    key: &[u8],
) -> Result<Option<StoredRow<'a>>, Lost> {
    let lost = |pointer: &Pointer, problem: String| Lost {
        block: pointer.block,
        lower: key.to_vec(),
        upper: None,
        problem,
    };
    let Some(mut pointer) = superblock.root else { return Ok(None) };
    let mut level_below = u8::MAX;
    loop {
        let page =
            page_at(bytes, superblock, &pointer, level_below).map_err(|problem| lost(&pointer, problem))?;
        level_below = page.level();
        let mut found = Vec::new();
        if page.is_leaf() {
            let slot = (0..page.slot_count()).find(|&slot| {
                found.clear();
                page.copy_key(slot, &mut found);
                found == key
            });
            let Some(slot) = slot else { return Ok(None) };
            let row = row_at(bytes, superblock, page, slot).map_err(|problem| lost(&pointer, problem))?;
            return Ok(Some(row));
        }
        // Children's lower fences ascend; the first one's is the page's own.
        let slot = (1..page.slot_count()).rev().find(|&slot| {
            found.clear();
            page.copy_child_lower_fence(slot, &mut found);
            found.as_slice() <= key
        });
        let child = Pointer::decode(page.child(slot.unwrap_or(0)));
        pointer = child.map_err(|error| lost(&pointer, error.to_string()))?;
    }
}

/// Visits every row that the superblock reaches, in order; returns what could not be read.
pub(crate) fn each_row(
    bytes: &[u8],
    superblock: &Superblock,
    visit: &mut dyn FnMut(&[u8], StoredRow<'_>),
) -> Vec<Lost> {
    let mut reader = RowReader { bytes, superblock, visit, lost: Vec::new() };
    if let Some(root) = &superblock.root {
        reader.page(root, &[], None, u8::MAX);
    }
    reader.lost
}

struct RowReader<'a, 'v> {
    bytes: &'a [u8],
    superblock: &'a Superblock,
    visit: &'v mut dyn FnMut(&[u8], StoredRow<'_>),
    lost: Vec<Lost>,
}

impl<'a> RowReader<'a, '_> {
    fn page(&mut self, pointer: &Pointer, lower: &[u8], upper: Option<&[u8]>, level_below: u8) {
        let page = match page_at(self.bytes, self.superblock, pointer, level_below) {
            Ok(page) => page,
            Err(problem) => return self.lose(pointer, lower, upper, &problem),
        };
        for slot in 0..page.slot_count() {
            if page.is_leaf() {
                self.row(page, slot, pointer);
            } else {
                self.child(page, slot, pointer);
            }
        }
    }

    fn child(&mut self, page: PageView<'a>, slot: usize, parent: &Pointer) {
        let (mut lower, mut upper) = (Vec::new(), Vec::new());
        page.copy_child_lower_fence(slot, &mut lower);
        let upper = if slot + 1 < page.slot_count() {
            page.copy_child_lower_fence(slot + 1, &mut upper);
            Some(upper.as_slice())
        } else {
            page.upper_fence()
        };
        match Pointer::decode(page.child(slot)) {
            Ok(child) => self.page(&child, &lower, upper, page.level()),
            Err(error) => self.lose(parent, &lower, upper, &error.to_string()),
        }
    }

    fn row(&mut self, page: PageView<'a>, slot: usize, pointer: &Pointer) {
        let mut key = Vec::new();
        page.copy_key(slot, &mut key);
        match row_at(self.bytes, self.superblock, page, slot) {
            Ok(row) => (self.visit)(&key, row),
            Err(problem) => self.lose(pointer, &key, Some(&[&key[..], &[0]].concat()), &problem),
        }
    }

    fn lose(&mut self, pointer: &Pointer, lower: &[u8], upper: Option<&[u8]>, problem: &str) {
        self.lost.push(Lost {
            block: pointer.block,
            lower: lower.to_vec(),
            upper: upper.map(<[u8]>::to_vec),
            problem: problem.to_owned(),
        });
    }
}

/// The page at a pointer. Levels fall from page to page, which bounds every way through the tree whatever the bytes are.
fn page_at<'a>(
    bytes: &'a [u8],
    superblock: &Superblock,
    pointer: &Pointer,
    level_below: u8,
) -> Result<PageView<'a>, String> {
    let page = PageView::parse(extent_at(bytes, superblock, pointer)?).map_err(|error| error.to_string())?;
    if page.level() >= level_below {
        return Err("the page is of another level than its parent says".to_owned());
    }
    Ok(page)
}

fn row_at<'a>(
    bytes: &'a [u8],
    superblock: &Superblock,
    page: PageView<'a>,
    slot: usize,
) -> Result<StoredRow<'a>, String> {
    let cell = page.leaf_cell(slot);
    let value = match cell.value {
        LeafValue::Inline(value) => value,
        LeafValue::Overflow { pointer, value_bytes, .. } => {
            let pointer = Pointer::decode(pointer).map_err(|error| error.to_string())?;
            let stored = extent_at(bytes, superblock, &pointer)?;
            stored.get(..value_bytes as usize).ok_or("the value is cut")?
        }
    };
    Ok(StoredRow { value, last_write: cell.last_write })
}

fn extent_at<'a>(bytes: &'a [u8], superblock: &Superblock, pointer: &Pointer) -> Result<&'a [u8], String> {
    let stored = stored_bytes(bytes, pointer).ok_or("the extent lies behind the end of the file")?;
    pointer.verify(superblock.salt, stored).map_err(|error| error.to_string())?;
    Ok(stored)
}

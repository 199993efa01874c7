//! Cells outside of pages: taken from some, put into others, with separators between them.

use basalt_format::{
    extent::POINTER_BYTES,
    page::{INNER_CELL_HEADER_BYTES, LEAF_CELL_HEADER_BYTES, PageBuilder, PageKey, PageView, SLOT_BYTES},
};

use crate::page::{PageName, Row};

/// A cell and its whole key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) key: PageKey<'a>,
    pub(super) body: Body<'a>,
}

/// What a cell holds beside its key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body<'a> {
    Row(Row<'a>),
    Child([u8; POINTER_BYTES]),
}

/// Cells of one level in key order, for pages between two fences.
pub(super) struct Entries<'a> {
    pub(super) level: u8,
    pub(super) partition: u64,
    pub(super) birth: u64,
    pub(super) lower: &'a [u8],
    pub(super) upper: Option<&'a [u8]>,
    pub(super) entries: Vec<Entry<'a>>,
}

/// A new page in its stored form, and its lower fence.
pub(super) struct NewPage {
    pub(super) lower: Vec<u8>,
    pub(super) squeezed: Vec<u8>,
}

/// How cells are shared out among pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// As evenly as possible: any page may grow next.
    Evenly,
    /// All but the last cells to the left page: keys arrive in ascending order.
    AppendAware,
}

impl<'a> Entry<'a> {
    /// Bytes of cell and slot in a page whose prefix is at least `prefix_bytes` long.
    fn bytes(&self, prefix_bytes: usize) -> usize {
        let key_bytes = self.key.len().saturating_sub(prefix_bytes);
        SLOT_BYTES
            + match &self.body {
                Body::Row(row) => LEAF_CELL_HEADER_BYTES + key_bytes + row.payload.len(),
                Body::Child(_) => INNER_CELL_HEADER_BYTES + key_bytes,
            }
    }
}

impl<'a> Entries<'a> {
    /// No cells yet, for pages like `page`.
    pub(super) fn between(page: PageView<'_>, birth: u64, lower: &'a [u8], upper: Option<&'a [u8]>) -> Self {
        Self { level: page.level(), partition: page.partition(), birth, lower, upper, entries: Vec::new() }
    }

    /// Adds all cells of a page that lies behind those added before.
    pub(super) fn extend(&mut self, page: PageView<'a>) {
        self.entries.extend((0..page.slot_count()).map(|slot| entry_of(page, slot)));
    }

    /// Bytes of one page that takes all cells.
    pub(super) fn content_bytes(&self) -> usize {
        self.range_bytes(0, self.entries.len())
            + basalt_format::page::PAGE_HEADER_BYTES
            + self.lower.len()
            + self.upper.map_or(0, <[u8]>::len)
    }

    /// All cells in one page.
    pub(super) fn build_one(&self) -> NewPage {
        self.build(0, self.entries.len(), self.lower, self.upper)
    }

    /// All cells in two pages.
    pub(super) fn build_two(&self, share: Share) -> [NewPage; 2] {
        let split = self.split_point(share);
        let separator = self.separator(split);
        [
            self.build(0, split, self.lower, Some(&separator)),
            self.build(split, self.entries.len(), &separator, self.upper),
        ]
    }

    fn build(&self, from: usize, to: usize, lower: &[u8], upper: Option<&[u8]>) -> NewPage {
        let mut builder = PageBuilder::new(self.level, self.partition, self.birth, lower, upper);
        for entry in &self.entries[from..to] {
            match &entry.body {
                Body::Row(row) => builder.push_row(entry.key, row.flags, row.last_write, row.payload),
                Body::Child(pointer) => builder.push_child(entry.key, pointer),
            }
        }
        NewPage { lower: lower.to_vec(), squeezed: builder.finish() }
    }

    /// The first cell of the right page. Inner pages keep two children each, so that every level is narrower than
    /// the one below it.
    fn split_point(&self, share: Share) -> usize {
        let least = if self.level == 0 { 1 } else { 2 };
        let count = self.entries.len();
        assert!(count >= 2 * least, "a page is split when both halves are worth one");
        if share == Share::AppendAware {
            return count - least;
        }
        let prefix_bytes = basalt_format::page::prefix_bytes(self.lower, self.upper);
        let total = self.range_bytes(0, count);
        let mut left = self.range_bytes(0, least);
        let mut best = (least, left.max(total - left));
        for split in least + 1..=count - least {
            left += self.entries[split - 1].bytes(prefix_bytes);
            best = std::cmp::min_by_key(best, (split, left.max(total - left)), |&(_, larger)| larger);
        }
        best.0
    }

    /// The shortest key that is above all cells before `split` and not above the one at it.
    fn separator(&self, split: usize) -> Vec<u8> {
        let right = self.entries[split].key.to_vec();
        if self.level > 0 {
            return right;
        }
        separator(&self.entries[split - 1].key.to_vec(), &right)
    }

    fn range_bytes(&self, from: usize, to: usize) -> usize {
        let prefix_bytes = basalt_format::page::prefix_bytes(self.lower, self.upper);
        self.entries[from..to].iter().map(|entry| entry.bytes(prefix_bytes)).sum()
    }
}

/// The cell at a slot; an inner page's first child has the page's lower fence for its key.
fn entry_of(page: PageView<'_>, slot: usize) -> Entry<'_> {
    if page.is_leaf() {
        let cell = page.cell(slot);
        let key = PageKey { prefix: page.prefix(), suffix: page.suffix(slot) };
        return Entry { key, body: Body::Row(row_of(cell, key.suffix.len())) };
    }
    let key = match slot {
        0 => PageKey::whole(page.lower_fence()),
        _ => PageKey { prefix: page.prefix(), suffix: page.suffix(slot) },
    };
    Entry { key, body: Body::Child(*page.child(slot)) }
}

/// A leaf's cell without its key.
pub(super) fn row_of(cell: &[u8], key_bytes: usize) -> Row<'_> {
    let (header, rest) =
        cell.split_first_chunk::<LEAF_CELL_HEADER_BYTES>().expect("a leaf cell has a header");
    let last_write = u64::from_le_bytes(*header.last_chunk().expect("the time ends the header"));
    Row { flags: header[0], last_write, payload: &rest[key_bytes..] }
}

/// The shortest key that is above `left` and not above `right`.
pub(super) fn separator(left: &[u8], right: &[u8]) -> Vec<u8> {
    let shared = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    right[..=shared].to_vec()
}

/// A child's entry.
pub(super) fn child_entry(key: &[u8], name: PageName) -> Entry<'_> {
    Entry { key: PageKey::whole(key), body: Body::Child(name.encode()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn split_halves_are_balanced_and_separated(
            sizes in proptest::collection::btree_map(proptest::collection::vec(any::<u8>(), 1..12), 0..900usize, 2..60),
            append: bool,
        ) {
            let rows: Vec<(Vec<u8>, Vec<u8>)> = sizes.into_iter().map(|(key, size)| (key, vec![1; size])).collect();
            let mut builder = PageBuilder::new(0, 1, 1, b"", None);
            rows.iter().for_each(|(key, value)| builder.push_row(PageKey::whole(key), 0, 1, value));
            let page = builder.finish();
            let page = PageView::parse(&page).expect("a built page is valid");
            let mut entries = Entries::between(page, 2, b"", None);
            entries.extend(page);
            let [left, right] = entries.build_two(if append { Share::AppendAware } else { Share::Evenly });
            let (left_page, right_page) =
                (PageView::parse(&left.squeezed).expect("valid"), PageView::parse(&right.squeezed).expect("valid"));
            prop_assert_eq!(left_page.slot_count() + right_page.slot_count(), rows.len());
            prop_assert_eq!(left_page.upper_fence(), Some(right.lower.as_slice()));
            prop_assert!(rows[left_page.slot_count()].0.starts_with(&right.lower));
            if append {
                prop_assert_eq!(right_page.slot_count(), 1);
            } else {
                let difference = left.squeezed.len().abs_diff(right.squeezed.len());
                prop_assert!(difference <= 900 + 40, "halves differ by at most a row: {difference}");
            }
        }
    }
}

//! Rows in memory, in the order in which they came, until they are taken in key order.

/// Bytes of a key that are compared as a number.
const HEAD_BYTES: usize = 16;

/// Rows of one load, as many as memory is meant for.
#[derive(Default)]
pub(super) struct SortBuffer {
    rows: Vec<BufferedRow>,
    /// Keys and values, behind each other.
    bytes: Vec<u8>,
    is_sorted: bool,
}

#[derive(Clone, Copy)]
struct BufferedRow {
    /// The key's first bytes, big-endian, zeros behind its end.
    head: u128,
    start: usize,
    key_bytes: u32,
    value_bytes: u32,
}

impl SortBuffer {
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        let follows = self.rows.last().is_none_or(|&last| self.key(last) < key);
        self.is_sorted = follows && (self.is_sorted || self.rows.is_empty());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("keys and values are far below 4 GiB");
        self.rows.push(BufferedRow {
            head: head_of(key),
            start,
            key_bytes: length(key),
            value_bytes: length(value),
        });
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Memory in use.
    pub(super) fn used_bytes(&self) -> usize {
        self.bytes.len() + self.rows.len() * size_of::<BufferedRow>()
    }

    /// Whether the rows came in key order.
    pub(super) fn is_sorted(&self) -> bool {
        self.is_sorted
    }

    /// The key of the first row, in the order in which they stand.
    pub(super) fn first_key(&self) -> Option<&[u8]> {
        self.rows.first().map(|&row| self.key(row))
    }

    /// Brings the rows into key order; of several with one key the last that came stays.
    pub(super) fn sort(&mut self) {
        if self.is_sorted || self.rows.is_empty() {
            return;
        }
        let mut rows = std::mem::take(&mut self.rows);
        // Of equal keys the later row comes first, so that it is the one that stays.
        rows.sort_unstable_by(|left, right| {
            let by_key = left.head.cmp(&right.head).then_with(|| self.key(*left).cmp(self.key(*right)));
            by_key.then(right.start.cmp(&left.start))
        });
        rows.dedup_by(|later, kept| later.head == kept.head && self.key(*later) == self.key(*kept));
        (self.rows, self.is_sorted) = (rows, true);
    }

    /// Keys and values in the order in which they stand.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.rows.iter().map(|&row| (self.key(row), self.value(row)))
    }

    /// Forgets all rows and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.bytes.clear();
    }

    fn key(&self, row: BufferedRow) -> &[u8] {
        &self.bytes[row.start..row.start + row.key_bytes as usize]
    }

    fn value(&self, row: BufferedRow) -> &[u8] {
        let start = row.start + row.key_bytes as usize;
        &self.bytes[start..start + row.value_bytes as usize]
    }
}

fn head_of(key: &[u8]) -> u128 {
    let mut head = [0; HEAD_BYTES];
    let length = key.len().min(HEAD_BYTES);
    head[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(head)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_come_in_key_order_and_the_last_of_a_key_counts(
            rows in proptest::collection::vec((proptest::collection::vec(0u8..3, 1..20), any::<u8>()), 0..60),
        ) {
            let mut buffer = SortBuffer::default();
            let mut model = BTreeMap::new();
            for (key, value) in &rows {
                buffer.push(key, &[*value]);
                model.insert(key.clone(), vec![*value]);
            }
            let ascending = rows.is_sorted_by(|left, right| left.0 < right.0);
            prop_assert_eq!(buffer.is_sorted(), ascending && !rows.is_empty());
            buffer.sort();
            prop_assert!(buffer.iter().eq(model.iter().map(|(key, value)| (&**key, &**value))));
        }
    }
}

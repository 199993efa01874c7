//! Where a partition is cut: between the two hashes that leave the halves most alike in size.

use basalt_format::key_encoding::{decode_hashed, prefix_end};
use basalt_storage::{Direction, KeyRange, Partition, Stop, View};

use crate::{error::Error, shard::LocalEngine};

/// Rows that are weighed before others get the shard.
const ROWS_AT_ONCE: usize = 512;

/// A walk over the rows of one tag, weighing what comes before each hash.
struct Weighing {
    tag: u8,
    total_bytes: u64,
    passed: Vec<u8>,
    hash: Option<u64>,
    bytes_before: u64,
    /// The best cut so far, and how far from the middle it is.
    best: Option<(u64, u64)>,
}

/// Whether the best cut is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weighed {
    Some,
    Enough,
}

impl LocalEngine {
    /// The first hash of the upper half of a partition's rows under `tag`, which are about `total_bytes`; `None` if all
    /// of them have one hash.
    pub(super) async fn find_cut(
        &self,
        partition: &Partition,
        tag: u8,
        total_bytes: u64,
    ) -> Result<Option<u64>, Error> {
        let mut weighing = Weighing::new(tag, total_bytes);
        while partition.read(|view| weighing.weigh_some(view)).await?? == Weighed::Some {
            self.handle().yield_now().await;
        }
        Ok(weighing.best.map(|(_, hash)| hash))
    }
}

impl Weighing {
    fn new(tag: u8, total_bytes: u64) -> Self {
        Self { tag, total_bytes, passed: vec![tag], hash: None, bytes_before: 0, best: None }
    }

    /// Goes on behind the last row. What was weighed stays so when a page is missing.
    fn weigh_some(&mut self, view: &View<'_>) -> Result<Result<Weighed, Error>, Stop> {
        let (passed, end) = (self.passed.clone(), prefix_end(vec![self.tag]));
        let rest = KeyRange::half_open(&passed, &end).after(&passed, Direction::Forward);
        let mut cursor = view.cursor(rest, Direction::Forward);
        for _ in 0..ROWS_AT_ONCE {
            let Some((key, row)) = cursor.next()? else { return Ok(Ok(Weighed::Enough)) };
            let bytes = (key.len() + row.value.len()) as u64;
            match self.weigh(key, bytes) {
                Ok(Weighed::Some) => self.passed = key.to_vec(),
                enough => return Ok(enough),
            }
        }
        Ok(Ok(Weighed::Some))
    }

    fn weigh(&mut self, key: &[u8], bytes: u64) -> Result<Weighed, Error> {
        let (_tag, hash, _parts) = decode_hashed(key)?;
        if self.hash.is_some_and(|before| before != hash) {
            let from_middle = self.total_bytes.abs_diff(self.bytes_before.saturating_mul(2));
            if self.best.is_none_or(|(least, _)| from_middle < least) {
                self.best = Some((from_middle, hash));
            }
            if self.bytes_before.saturating_mul(2) >= self.total_bytes {
                return Ok(Weighed::Enough);
            }
        }
        self.hash = Some(hash);
        self.bytes_before += bytes;
        Ok(Weighed::Some)
    }
}

#[cfg(test)]
mod tests {
    use basalt_format::key_encoding::TAG_ITEM;

    use super::*;

    /// The cut of rows with these hashes and sizes.
    fn cut(rows: &[(u64, u64)]) -> Option<u64> {
        let mut weighing = Weighing::new(TAG_ITEM, rows.iter().map(|(_, bytes)| bytes).sum());
        for (hash, bytes) in rows {
            let key = [&[TAG_ITEM], &hash.to_be_bytes()[..]].concat();
            if weighing.weigh(&key, *bytes).unwrap() == Weighed::Enough {
                break;
            }
        }
        weighing.best.map(|(_, hash)| hash)
    }

    #[test]
    fn halves_are_as_alike_as_whole_hashes_let_them_be() {
        assert_eq!(cut(&[(1, 10), (2, 10), (3, 10), (4, 10)]), Some(3));
        assert_eq!(cut(&[(1, 10), (2, 90), (3, 10)]), Some(2));
        assert_eq!(cut(&[(1, 30), (2, 90), (3, 10)]), Some(2));
        assert_eq!(cut(&[(1, 10), (2, 90), (3, 30)]), Some(3));
        assert_eq!(cut(&[(1, 5), (1, 5), (2, 1), (2, 80)]), Some(2));
    }

    #[test]
    fn rows_of_one_hash_are_not_cut() {
        assert_eq!(cut(&[]), None);
        assert_eq!(cut(&[(7, 100), (7, 100)]), None);
    }
}

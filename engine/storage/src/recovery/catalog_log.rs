//! The catalog's entries, kept while the log is judged, so that partition 0 is recovered without reading it again.

use basalt_format::wal::{Record, RecordKind};

use crate::ids::{CATALOG_PARTITION, EntryIndex, HybridTime, LogPosition};

/// Bytes of entries kept. A log with more of them is read again, as for any partition.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// What the log streams hold of the catalog, or that it is too much to keep.
#[derive(Debug, Default)]
pub struct CatalogLog {
    entries: Vec<CatalogEntry>,
    bytes: usize,
}

/// One entry of the catalog.
#[derive(Debug)]
pub(crate) struct CatalogEntry {
    pub(crate) index: EntryIndex,
    pub(crate) hybrid_time: HybridTime,
    pub(crate) position: LogPosition,
    /// Of its Effects record.
    pub(crate) body: Box<[u8]>,
}

impl CatalogLog {
    /// Keeps `record` if it is an entry of the catalog.
    pub(super) fn note(&mut self, position: LogPosition, record: &Record<'_>) {
        if record.partition != CATALOG_PARTITION.get() || record.kind != RecordKind::Effects {
            return;
        }
        self.push(CatalogEntry {
            index: EntryIndex::new(record.index),
            hybrid_time: HybridTime::new(record.hybrid_time),
            position,
            body: record.body.into(),
        });
    }

    /// Keeps `more` as well, of another stream.
    pub(super) fn extend(&mut self, more: CatalogLog) {
        self.bytes += more.bytes;
        self.entries.extend(more.entries);
        self.give_up_if_too_large();
    }

    /// The entries in their order; `None` if they were too many.
    pub(crate) fn into_entries(mut self) -> Option<Vec<CatalogEntry>> {
        self.entries.sort_by_key(|entry| entry.index);
        (self.bytes <= KEPT_BYTES_MAX).then_some(self.entries)
    }

    fn push(&mut self, entry: CatalogEntry) {
        self.bytes += size_of::<CatalogEntry>() + entry.body.len();
        self.entries.push(entry);
        self.give_up_if_too_large();
    }

    fn give_up_if_too_large(&mut self) {
        if self.bytes > KEPT_BYTES_MAX {
            self.entries = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Lsn, StreamId};

    fn log_of(indexes: &[u64], body_bytes: usize) -> CatalogLog {
        let mut log = CatalogLog::default();
        let position = LogPosition { stream: StreamId::new(0), lsn: Lsn::new(4096) };
        for &index in indexes {
            let body = vec![7; body_bytes];
            let kind = RecordKind::Effects;
            let record = |partition| Record {
                kind,
                flags: 0,
                partition,
                term: 1,
                index,
                hybrid_time: index,
                body: &body,
            };
            log.note(position, &record(CATALOG_PARTITION.get()));
            log.note(position, &record(CATALOG_PARTITION.get() + 1));
        }
        log
    }

    #[test]
    fn entries_of_all_streams_come_in_their_order() {
        let mut log = log_of(&[1, 4], 10);
        log.extend(log_of(&[2, 3], 10));
        let entries = log.into_entries().expect("they are few");
        assert_eq!(entries.iter().map(|entry| entry.index.get()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }

    #[test]
    fn too_many_entries_are_not_kept() {
        let mut log = log_of(&[1, 2, 3], KEPT_BYTES_MAX / 4);
        assert_eq!(log.entries.len(), 3);
        log.extend(log_of(&[4, 5], KEPT_BYTES_MAX / 4));
        assert!(log.entries.is_empty());
        assert!(log.into_entries().is_none());
    }
}

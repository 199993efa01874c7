//! Records: what a frame's payload is made of. A header of 48 bytes, the body, zeros to a multiple of 8.

use crate::bytes::Reader;
use crate::checksum::crc32;
use crate::error::DecodeError;
use crate::layout::{Constant, Field};

/// Bytes of a record's header; the body follows at once.
pub const RECORD_HEADER_BYTES: usize = 48;
/// Records start at multiples of this in the payload.
pub const RECORD_ALIGNMENT_BYTES: usize = 8;

/// Where the header's fields are; the table of `spec/wal.md`.
pub const RECORD_HEADER_LAYOUT: &[Field] = &[
    Field::new(0, 4, "checksum"),
    Field::new(4, 4, "length"),
    Field::new(8, 1, "kind"),
    Field::new(9, 1, "flags"),
    Field::new(10, 6, "reserved"),
    Field::new(16, 8, "partition"),
    Field::new(24, 8, "term"),
    Field::new(32, 8, "index"),
    Field::new(40, 8, "hybrid_time"),
];

const _: () = assert!(RECORD_HEADER_LAYOUT[RECORD_HEADER_LAYOUT.len() - 1].end() == RECORD_HEADER_BYTES);

const WHAT: &str = "log record";
const CHECKSUM_BYTES: usize = size_of::<u32>();

macro_rules! record_kinds {
    ($($(#[$documentation:meta])* $kind:ident = $number:literal,)*) => {
        /// What a record is. Numbers are never reused; kinds that nothing writes yet have theirs reserved.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum RecordKind {
            $($(#[$documentation])* $kind = $number,)*
        }

        /// The kinds with their numbers; the table of `spec/wal.md`.
        pub const RECORD_KINDS: &[Constant] = &[$(Constant::new(stringify!($kind), $number),)*];

        impl RecordKind {
            /// Every kind there is, by number.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The kind with this number.
            pub fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$kind),)*
                    _ => None,
                }
            }

            /// The kind's number in a record's header.
            pub const fn number(self) -> u8 {
                self as u8
            }
        }
    };
}

record_kinds! {
    /// Puts, splices and deletes of one partition: [`Effects`](super::Effects).
    Effects = 1,
    /// A participant's vote in a transaction over several shards.
    TxnPrepare = 2,
    /// The outcome of a transaction, in a participant.
    TxnDecide = 3,
    /// Every participant of a transaction has its outcome.
    TxnDone = 4,
    /// A partition's checkpoint is durable: [`CheckpointDone`](super::CheckpointDone).
    CheckpointDone = 5,
    /// A partition begins: [`PartCreate`](super::PartCreate).
    PartCreate = 6,
    /// A partition continues as its two children.
    PartSplit = 7,
    /// A partition ends; no body.
    PartDrop = 8,
    /// How rows are derived from items changes from here on.
    LayoutChange = 9,
    /// A step of building an index.
    Backfill = 10,
    /// A partition moves to another shard or node.
    Handoff = 11,
    /// Everything before is acknowledged and nothing followed at once; no body.
    Seal = 12,
    /// Recovery ended the stream before this segment: [`Cut`](super::Cut).
    Cut = 13,
    /// Consensus: term and vote.
    HardState = 14,
    /// Consensus: entries from an index on are void.
    TruncateFrom = 15,
    /// Consensus: a partition was received whole.
    SnapshotInstalled = 16,
    /// Consensus: the members change.
    ConfChange = 17,
}

impl RecordKind {
    /// Whether a record of this kind is an entry of its partition, with the next index.
    pub const fn consumes_index(self) -> bool {
        matches!(
            self,
            Self::Effects | Self::TxnPrepare | Self::TxnDecide | Self::LayoutChange | Self::Backfill
        )
    }
}

/// One record, its body borrowed from the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it is, and so what its body holds.
    pub kind: RecordKind,
    /// Reserved for the kind; 0.
    pub flags: u8,
    /// The partition that it belongs to; 0, which is also the catalog's, for notes of the log itself.
    pub partition: u64,
    /// The term of the partition's leader; 0 without replication.
    pub term: u64,
    /// The entry's index in its partition from 1 on; 0 for kinds that consume none.
    pub index: u64,
    /// When the entry happened, in the partition's hybrid time; 0 for notes of the log itself.
    pub hybrid_time: u64,
    /// The kind's own fields.
    pub body: &'a [u8],
}

/// Bytes that a record with a body of `body_bytes` takes in a payload, padding included.
pub const fn record_bytes(body_bytes: usize) -> usize {
    (RECORD_HEADER_BYTES + body_bytes).next_multiple_of(RECORD_ALIGNMENT_BYTES)
}

/// Encodes `record` into `place`, which must be exactly [`record_bytes`] of its body long.
///
/// # Panics
/// If `place` has another length, or the record is longer than a `u32` counts.
pub fn put_record(place: &mut [u8], record: &Record<'_>) {
    assert_eq!(place.len(), record_bytes(record.body.len()), "a record's place has the record's size");
    let end = RECORD_HEADER_BYTES + record.body.len();
    let length = u32::try_from(end).expect("a record is shorter than a frame");
    place[4..8].copy_from_slice(&length.to_le_bytes());
    place[8] = record.kind.number();
    place[9] = record.flags;
    place[10..16].fill(0);
    place[16..24].copy_from_slice(&record.partition.to_le_bytes());
    place[24..32].copy_from_slice(&record.term.to_le_bytes());
    place[32..40].copy_from_slice(&record.index.to_le_bytes());
    place[40..48].copy_from_slice(&record.hybrid_time.to_le_bytes());
    place[RECORD_HEADER_BYTES..end].copy_from_slice(record.body);
    place[end..].fill(0);
    let checksum = crc32(&place[CHECKSUM_BYTES..end]);
    place[..CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());
}

/// Reads the records of a payload (behind the repeated segment header, if there is one), of which a frame's header
/// says that there are `record_count`.
pub fn decode_records(payload: &[u8], record_count: u32) -> FrameRecords<'_> {
    FrameRecords { reader: Reader::new(WHAT, payload), left: record_count }
}

/// The records of one frame, in order. Ends after the first error.
#[derive(Debug, Clone)]
pub struct FrameRecords<'a> {
    reader: Reader<'a>,
    left: u32,
}

impl<'a> FrameRecords<'a> {
    /// Where in the payload the next record starts.
    pub fn position(&self) -> usize {
        self.reader.position()
    }

    fn decode_next(&mut self) -> Result<Record<'a>, DecodeError> {
        let stored = self.reader.u32()?;
        let mut measure = self.reader.clone();
        let length = measure.u32()? as usize;
        let checked_bytes = length.checked_sub(CHECKSUM_BYTES).filter(|_| length >= RECORD_HEADER_BYTES);
        let Some(checked_bytes) = checked_bytes else {
            return Err(DecodeError::OutOfRange {
                field: "log record length",
                value: length as u64,
                minimum: RECORD_HEADER_BYTES as u64,
                maximum: u32::MAX.into(),
            });
        };
        let checked = self.reader.bytes(checked_bytes)?;
        self.reader.reserved(length.next_multiple_of(RECORD_ALIGNMENT_BYTES) - length)?;
        let computed = crc32(checked);
        if stored != computed {
            return Err(DecodeError::BadChecksum {
                what: WHAT,
                stored: stored.into(),
                computed: computed.into(),
            });
        }
        decode_checked(checked)
    }
}

impl<'a> Iterator for FrameRecords<'a> {
    type Item = Result<Record<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let rest = std::mem::replace(&mut self.reader, Reader::new(WHAT, &[]));
            return rest.finish().err().map(Err);
        }
        let record = self.decode_next();
        match &record {
            Ok(_) => self.left -= 1,
            Err(_) => *self = decode_records(&[], 0),
        }
        Some(record)
    }
}

/// Decodes what a record's checksum covers: everything behind the checksum itself.
fn decode_checked(bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
    let mut reader = Reader::new(WHAT, bytes);
    reader.u32()?;
    let number = reader.u8()?;
    let Some(kind) = RecordKind::from_number(number) else {
        return Err(DecodeError::OutOfRange {
            field: "log record kind",
            value: number.into(),
            minimum: 1,
            maximum: RecordKind::ALL.len() as u64,
        });
    };
    let flags = reader.u8()?;
    reader.reserved(6)?;
    let record = Record {
        kind,
        flags,
        partition: reader.u64()?,
        term: reader.u64()?,
        index: reader.u64()?,
        hybrid_time: reader.u64()?,
        body: reader.rest(),
    };
    if record.flags != 0 {
        return Err(DecodeError::ReservedNotZero { what: "log record flags" });
    }
    if kind.consumes_index() != (record.index > 0) {
        return Err(DecodeError::NotCanonical { what: WHAT, rule: "entries have an index, notes have none" });
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn effects(body: &[u8]) -> Record<'_> {
        Record { kind: RecordKind::Effects, flags: 0, partition: 4, term: 1, index: 9, hybrid_time: 77, body }
    }

    fn encoded(records: &[Record<'_>]) -> Vec<u8> {
        let mut payload = Vec::new();
        for record in records {
            let start = payload.len();
            payload.resize(start + record_bytes(record.body.len()), 0xee);
            put_record(&mut payload[start..], record);
        }
        payload
    }

    fn decoded(payload: &[u8], count: u32) -> Result<Vec<Record<'_>>, DecodeError> {
        decode_records(payload, count).collect()
    }

    #[test]
    fn numbers_and_kinds_name_each_other() {
        for (place, kind) in RecordKind::ALL.iter().enumerate() {
            assert_eq!(usize::from(kind.number()), place + 1);
            assert_eq!(RecordKind::from_number(kind.number()), Some(*kind));
        }
        assert_eq!(RecordKind::from_number(0), None);
        assert_eq!(RecordKind::from_number(18), None);
    }

    #[test]
    fn every_flipped_bit_of_a_payload_is_noticed() {
        let records = [effects(b"one"), effects(b"eleven bytes")];
        let payload = encoded(&records);
        assert_eq!(decoded(&payload, 2).as_deref(), Ok(&records[..]));
        for bit in 0..payload.len() * 8 {
            let mut flipped = payload.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decoded(&flipped, 2).is_err(), "bit {bit} was not noticed");
        }
    }

    #[test]
    fn every_cut_and_every_wrong_count_is_noticed() {
        let payload = encoded(&[effects(b"one"), effects(b"two")]);
        for length in 0..payload.len() {
            assert!(decoded(&payload[..length], 2).is_err(), "cut to {length} bytes");
        }
        assert_eq!(
            decoded(&payload, 1),
            Err(DecodeError::TrailingBytes { what: WHAT, count: payload.len() as u64 / 2 })
        );
        assert!(decoded(&payload, 3).is_err());
    }

    #[test]
    fn entries_without_an_index_and_notes_with_one_are_refused() {
        let entry = Record { index: 0, ..effects(b"") };
        let note = Record { kind: RecordKind::Seal, ..effects(b"") };
        for broken in [entry, note, Record { flags: 1, ..effects(b"") }] {
            assert!(decoded(&encoded(&[broken]), 1).is_err(), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), count: u32) {
            let _ = decoded(&bytes, count);
        }

        #[test]
        fn records_come_back_as_they_were_put(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..10),
            partition: u64, term: u64, index in 1u64.., hybrid_time: u64,
        ) {
            let records: Vec<_> = bodies
                .iter()
                .map(|body| Record { kind: RecordKind::Effects, flags: 0, partition, term, index, hybrid_time, body })
                .collect();
            let payload = encoded(&records);
            prop_assert_eq!(decoded(&payload, records.len() as u32), Ok(records));
        }
    }
}

//! Stream records: what a change of an item was, kept in the same entry as the change.
//!
//! A record is one row, or several where the images of a large item would not fit into one value. Rows of one
//! stream stand together in the order of the changes that they tell; the row of entry 0, which no entry has, keeps
//! how far the stream has been trimmed.
//!
//! Invariants:
//! - The keys of a stream's records ascend in the order in which the changes were made.
//! - A record tells an insertion without an old image and a removal without a new one.
//! - When the change was made is the time of its entry, which the tree keeps beside every row.
//!
//! Keys and images are encoded items, opaque here. Bytes: `spec/stream_record.md`.

use crate::catalog::{byte_of, enumerated};
use crate::key_encoding::TAG_STREAM;
use crate::layout::{Constant, Field};
use crate::{DecodeError, Put, Reader};

/// First byte of every record and horizon.
pub const STREAM_RECORD_VERSION: u8 = 1;
/// A record's bytes are cut after so many: values of the tree are at most twice as long.
pub const STREAM_PART_BYTES_MAX: usize = 256 << 10;
/// The entry index of the row that holds a stream's horizon; entries are counted from 1.
pub const HORIZON_ENTRY_INDEX: u64 = 0;

/// The limits as the specification lists them.
pub const STREAM_RECORD_LIMITS: &[Constant] = &[
    Constant::new("STREAM_PART_BYTES_MAX", STREAM_PART_BYTES_MAX as u64),
    Constant::new("HORIZON_ENTRY_INDEX", HORIZON_ENTRY_INDEX),
];

/// The key of a part of a record.
pub const STREAM_KEY_LAYOUT: &[Field] = &[
    Field::new(0, 1, "tag"),
    Field::new(1, 4, "stream_number"),
    Field::new(5, 8, "entry_index"),
    Field::new(13, 2, "change"),
    Field::new(15, 2, "part"),
];
/// Bytes of every key.
pub const STREAM_KEY_BYTES: usize = STREAM_KEY_LAYOUT[4].end();

/// The beginning of a record; key, new image and old image follow with their lengths.
pub const STREAM_RECORD_LAYOUT: &[Field] = &[
    Field::new(0, 1, "version"),
    Field::new(1, 1, "part_count"),
    Field::new(2, 1, "event"),
    Field::new(3, 1, "cause"),
    Field::new(4, 1, "images"),
];

/// The row that tells how far a stream has been trimmed.
pub const STREAM_HORIZON_LAYOUT: &[Field] =
    &[Field::new(0, 1, "version"), Field::new(1, 8, "entry_index"), Field::new(9, 2, "change")];

const WHAT: &str = "stream record";
const KEY_WHAT: &str = "stream key";
const HORIZON_WHAT: &str = "stream horizon";

/// What happened to the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEvent {
    /// It was not there before.
    Insert,
    /// It became another.
    Modify,
    /// It is there no more.
    Remove,
}

/// Who made the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamCause {
    /// A client.
    Client,
    /// The database, because the item's time to live was over.
    TimeToLive,
}

const EVENTS: [(StreamEvent, u8); 3] =
    [(StreamEvent::Insert, 1), (StreamEvent::Modify, 2), (StreamEvent::Remove, 3)];
const CAUSES: [(StreamCause, u8); 2] = [(StreamCause::Client, 1), (StreamCause::TimeToLive, 2)];
const NEW_IMAGE: u8 = 0x01;
const OLD_IMAGE: u8 = 0x02;

/// The events as the specification lists them.
pub const STREAM_EVENTS: &[Constant] =
    &[Constant::new("Insert", 1), Constant::new("Modify", 2), Constant::new("Remove", 3)];
/// The causes as the specification lists them.
pub const STREAM_CAUSES: &[Constant] = &[Constant::new("Client", 1), Constant::new("TimeToLive", 2)];
/// The bits of `images` as the specification lists them.
pub const STREAM_IMAGES: &[Constant] =
    &[Constant::new("NEW_IMAGE", NEW_IMAGE as u64), Constant::new("OLD_IMAGE", OLD_IMAGE as u64)];

/// The place of a change in its partition: the entry that made it, and which of the entry's changes it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamPosition {
    /// The entry.
    pub entry_index: u64,
    /// The change, from 0.
    pub change: u16,
}

impl StreamPosition {
    /// The position before every record.
    pub const START: Self = Self { entry_index: 0, change: 0 };

    /// The first position that a change behind this one can have.
    pub fn next(self) -> Self {
        match self.change.checked_add(1) {
            Some(change) => Self { change, ..self },
            None => Self { entry_index: self.entry_index.saturating_add(1), change: 0 },
        }
    }
}

/// The key of one part of a record, or of a stream's horizon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamKey {
    /// The stream among its table's streams.
    pub stream_number: u32,
    /// The change that is told.
    pub position: StreamPosition,
    /// Which part of the record, from 0.
    pub part: u16,
}

impl StreamKey {
    /// The key of a record's first part.
    pub fn first_part(stream_number: u32, position: StreamPosition) -> Self {
        Self { stream_number, position, part: 0 }
    }

    /// The key of a stream's horizon.
    pub fn horizon(stream_number: u32) -> Self {
        Self::first_part(stream_number, StreamPosition { entry_index: HORIZON_ENTRY_INDEX, change: 0 })
    }

    /// The key's bytes.
    pub fn encode(self) -> [u8; STREAM_KEY_BYTES] {
        let mut key = Vec::with_capacity(STREAM_KEY_BYTES);
        key.put_u8(TAG_STREAM);
        key.put_bytes(&self.stream_number.to_be_bytes());
        key.put_bytes(&self.position.entry_index.to_be_bytes());
        key.put_bytes(&self.position.change.to_be_bytes());
        key.put_bytes(&self.part.to_be_bytes());
        key.try_into().expect("the layout's fields were put")
    }

    /// Reads a key, all of it.
    pub fn decode(key: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(KEY_WHAT, key);
        let tag = reader.u8()?;
        if tag != TAG_STREAM {
            return Err(out_of_range("tag of a stream key", tag, TAG_STREAM, TAG_STREAM));
        }
        let stream_number = u32::from_be_bytes(reader.array()?);
        let entry_index = u64::from_be_bytes(reader.array()?);
        let change = u16::from_be_bytes(reader.array()?);
        let part = u16::from_be_bytes(reader.array()?);
        reader.finish()?;
        Ok(Self { stream_number, position: StreamPosition { entry_index, change }, part })
    }
}

/// The least key and the exclusive end of a stream's rows, horizon included.
pub fn stream_range(stream_number: u32) -> (Vec<u8>, Vec<u8>) {
    let start = [&[TAG_STREAM][..], &stream_number.to_be_bytes()].concat();
    (start.clone(), crate::key_encoding::prefix_end(start))
}

/// One record: keys and images are encoded items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamRecord<'a> {
    /// What happened.
    pub event: StreamEvent,
    /// Who did it.
    pub cause: StreamCause,
    /// The item's key attributes.
    pub keys: &'a [u8],
    /// The item as it became, if the stream's view has it.
    pub new_image: Option<&'a [u8]>,
    /// The item as it was, if the stream's view has it.
    pub old_image: Option<&'a [u8]>,
}

impl<'a> StreamRecord<'a> {
    /// The record's bytes, to be cut by [`record_parts`].
    pub fn encode(&self) -> Vec<u8> {
        assert!(is_possible(self.event, self.images()), "an item that was not there has no image");
        let images = [Some(self.keys), self.new_image, self.old_image];
        let bytes: usize =
            images.iter().flatten().map(|image| image.len() + crate::bytes::VARINT_BYTES_MAX).sum();
        let mut record = Vec::with_capacity(STREAM_RECORD_LAYOUT.len() + bytes);
        record.put_u8(STREAM_RECORD_VERSION);
        record.put_u8(0);
        record.put_u8(byte_of(&EVENTS, self.event));
        record.put_u8(byte_of(&CAUSES, self.cause));
        record.put_u8(self.images());
        images.into_iter().flatten().for_each(|image| record.put_prefixed_bytes(image));
        let part_count = record.len().div_ceil(STREAM_PART_BYTES_MAX);
        record[1] = u8::try_from(part_count).expect("an item is a few parts long at most");
        record
    }

    /// Reads a record, all of it, from its parts put together.
    pub fn decode(record: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = open(WHAT, record)?;
        let part_count = reader.u8()?;
        if usize::from(part_count) != record.len().div_ceil(STREAM_PART_BYTES_MAX) {
            return Err(not_canonical("the record has as many parts as its length needs"));
        }
        let event = enumerated("event of a stream record", &EVENTS, reader.u8()?)?;
        let cause = enumerated("cause of a stream record", &CAUSES, reader.u8()?)?;
        let images = reader.u8()?;
        if images & !(NEW_IMAGE | OLD_IMAGE) != 0 {
            return Err(out_of_range("images of a stream record", images, 0, NEW_IMAGE | OLD_IMAGE));
        }
        if !is_possible(event, images) {
            return Err(not_canonical("an item that was not there has no image"));
        }
        let keys = reader.prefixed_bytes()?;
        let new_image = if images & NEW_IMAGE == 0 { None } else { Some(reader.prefixed_bytes()?) };
        let old_image = if images & OLD_IMAGE == 0 { None } else { Some(reader.prefixed_bytes()?) };
        reader.finish()?;
        Ok(Self { event, cause, keys, new_image, old_image })
    }

    fn images(&self) -> u8 {
        let bit = |image: Option<&[u8]>, bit| if image.is_some() { bit } else { 0 };
        bit(self.new_image, NEW_IMAGE) | bit(self.old_image, OLD_IMAGE)
    }
}

/// An encoded record's parts, in their order: the values of its rows.
pub fn record_parts(record: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    (0..).zip(record.chunks(STREAM_PART_BYTES_MAX))
}

/// How many parts the record has whose first part this is.
pub fn part_count(first_part: &[u8]) -> Result<u16, DecodeError> {
    match open(WHAT, first_part)?.u8()? {
        0 => Err(out_of_range("parts of a stream record", 0, 1, u8::MAX)),
        count => Ok(count.into()),
    }
}

/// The bytes of a horizon: the least position that has not been trimmed.
pub fn encode_horizon(horizon: StreamPosition) -> Vec<u8> {
    let mut row = vec![STREAM_RECORD_VERSION];
    row.put_u64(horizon.entry_index);
    row.put_u16(horizon.change);
    row
}

/// Reads a horizon, all of it.
pub fn decode_horizon(row: &[u8]) -> Result<StreamPosition, DecodeError> {
    let mut reader = open(HORIZON_WHAT, row)?;
    let position = StreamPosition { entry_index: reader.u64()?, change: reader.u16()? };
    reader.finish()?;
    Ok(position)
}

/// What is inserted has no past, what is removed has no future.
fn is_possible(event: StreamEvent, images: u8) -> bool {
    match event {
        StreamEvent::Insert => images & OLD_IMAGE == 0,
        StreamEvent::Modify => true,
        StreamEvent::Remove => images & NEW_IMAGE == 0,
    }
}

fn open<'a>(what: &'static str, bytes: &'a [u8]) -> Result<Reader<'a>, DecodeError> {
    let mut reader = Reader::new(what, bytes);
    match reader.u8()? {
        STREAM_RECORD_VERSION => Ok(reader),
        version => Err(DecodeError::UnknownVersion {
            what,
            found: version.into(),
            newest_known: STREAM_RECORD_VERSION.into(),
        }),
    }
}

fn out_of_range(field: &'static str, value: u8, minimum: u8, maximum: u8) -> DecodeError {
    DecodeError::OutOfRange { field, value: value.into(), minimum: minimum.into(), maximum: maximum.into() }
}

fn not_canonical(rule: &'static str) -> DecodeError {
    DecodeError::NotCanonical { what: WHAT, rule }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event() -> impl Strategy<Value = StreamEvent> {
        prop_oneof![Just(StreamEvent::Insert), Just(StreamEvent::Modify), Just(StreamEvent::Remove)]
    }

    proptest! {
        #[test]
        fn records_come_back_from_their_parts(
            event in event(),
            keys in proptest::collection::vec(any::<u8>(), 0..20),
            new_image in proptest::option::of(0..STREAM_PART_BYTES_MAX + 9),
            old_image in proptest::option::of(0..STREAM_PART_BYTES_MAX + 9),
        ) {
            let new_image = new_image.filter(|_| event != StreamEvent::Remove).map(|length| vec![1; length]);
            let old_image = old_image.filter(|_| event != StreamEvent::Insert).map(|length| vec![2; length]);
            let record = StreamRecord {
                event,
                cause: StreamCause::TimeToLive,
                keys: &keys,
                new_image: new_image.as_deref(),
                old_image: old_image.as_deref(),
            };
            let encoded = record.encode();
            let parts: Vec<_> = record_parts(&encoded).collect();
            prop_assert_eq!(usize::from(part_count(parts[0].1).unwrap()), parts.len());
            prop_assert_eq!(StreamRecord::decode(&encoded), Ok(record));
        }

        #[test]
        fn keys_sort_as_their_positions(a: (u32, u64, u16, u16), b: (u32, u64, u16, u16)) {
            let key = |(stream_number, entry_index, change, part)| {
                StreamKey { stream_number, position: StreamPosition { entry_index, change }, part }
            };
            prop_assert_eq!(key(a).encode().cmp(&key(b).encode()), a.cmp(&b));
            prop_assert_eq!(StreamKey::decode(&key(a).encode()), Ok(key(a)));
        }
    }

    #[test]
    fn a_position_is_followed_by_the_next_change_or_entry() {
        let position = |entry_index, change| StreamPosition { entry_index, change };
        assert_eq!(position(4, 0).next(), position(4, 1));
        assert_eq!(position(4, u16::MAX).next(), position(5, 0));
    }

    #[test]
    fn a_stream_s_rows_are_its_range() {
        let (start, end) = stream_range(7);
        assert!(start[..] <= StreamKey::horizon(7).encode()[..]);
        let last = StreamKey {
            stream_number: 7,
            position: StreamPosition { entry_index: u64::MAX, change: u16::MAX },
            part: u16::MAX,
        };
        assert!(last.encode()[..] < end[..]);
        assert!(end[..] <= StreamKey::horizon(8).encode()[..]);
    }
}

//! The parts of a table's row that tell its streams and its time to live.

use super::table_row::{bounded_count, not_canonical};
use super::{byte_of, enumerated};
use crate::layout::Constant;
use crate::{DecodeError, Put, Reader};

/// A row holds at most so many streams: the enabled one, and those whose records can still be read.
pub const STREAMS_MAX: u64 = 255;

/// What a stream's records hold of the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamView {
    /// Its key.
    KeysOnly,
    /// The item as it became.
    NewImage,
    /// The item as it was.
    OldImage,
    /// Both.
    NewAndOldImages,
}

const VIEWS: [(StreamView, u8); 4] = [
    (StreamView::KeysOnly, 1),
    (StreamView::NewImage, 2),
    (StreamView::OldImage, 3),
    (StreamView::NewAndOldImages, 4),
];

/// The views as the specification lists them.
pub const STREAM_VIEWS: &[Constant] = &[
    Constant::new("KeysOnly", 1),
    Constant::new("NewImage", 2),
    Constant::new("OldImage", 3),
    Constant::new("NewAndOldImages", 4),
];

/// A stream of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPart {
    /// Its number among the table's streams, in the keys of its records; from 1, never given twice.
    pub number: u32,
    /// When it was enabled; its label.
    pub created_unix_us: u64,
    /// What its records hold.
    pub view: StreamView,
    /// When it was disabled, if it was; never 0.
    pub disabled_unix_us: Option<u64>,
}

impl StreamPart {
    fn encode(&self, row: &mut Vec<u8>) {
        row.put_u32(self.number);
        row.put_u64(self.created_unix_us);
        row.put_u8(byte_of(&VIEWS, self.view));
        row.put_u64(self.disabled_unix_us.unwrap_or(0));
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            number: reader.u32()?,
            created_unix_us: reader.u64()?,
            view: enumerated("view type of a stream", &VIEWS, reader.u8()?)?,
            disabled_unix_us: Some(reader.u64()?).filter(|time| *time != 0),
        })
    }
}

/// Writes the streams, oldest first.
pub(super) fn encode_streams(streams: &[StreamPart], row: &mut Vec<u8>) {
    row.put_varint(streams.len() as u64);
    streams.iter().for_each(|stream| stream.encode(row));
}

/// Reads the streams: their numbers ascend, and only the newest may be enabled.
pub(super) fn decode_streams(reader: &mut Reader<'_>) -> Result<Vec<StreamPart>, DecodeError> {
    let count = bounded_count(reader, "streams of a table", STREAMS_MAX)?;
    let mut streams: Vec<StreamPart> = Vec::new();
    for _ in 0..count {
        let stream = StreamPart::decode(reader)?;
        if let Some(older) = streams.last() {
            if older.number >= stream.number {
                return Err(not_canonical("streams ascend by number"));
            }
            if older.disabled_unix_us.is_none() {
                return Err(not_canonical("only the newest stream is enabled"));
            }
        }
        streams.push(stream);
    }
    Ok(streams)
}

/// Where a table's items are on their way to expire, or to do so no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeToLiveState {
    /// Items that were there before are being taken into the order of expiry.
    Filling,
    /// Items expire.
    Enabled,
    /// Items expire no more, and the order is being cleared.
    Clearing,
}

const STATES: [(TimeToLiveState, u8); 3] =
    [(TimeToLiveState::Filling, 1), (TimeToLiveState::Enabled, 2), (TimeToLiveState::Clearing, 3)];

/// The states of time to live as the specification lists them.
pub const TIME_TO_LIVE_STATES: &[Constant] =
    &[Constant::new("Filling", 1), Constant::new("Enabled", 2), Constant::new("Clearing", 3)];

/// By what a table's items expire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeToLivePart {
    /// The attribute that tells when; never empty.
    pub attribute: String,
    /// How far it has come.
    pub state: TimeToLiveState,
    /// When it was enabled; what was filled in by an earlier setting is void.
    pub enabled_unix_us: u64,
}

/// Writes by what items expire; nothing is written as an empty name, which no attribute has.
pub(super) fn encode_time_to_live(time_to_live: Option<&TimeToLivePart>, row: &mut Vec<u8>) {
    let Some(part) = time_to_live else { return row.put_prefixed_bytes(&[]) };
    assert!(!part.attribute.is_empty(), "attributes have names");
    row.put_prefixed_bytes(part.attribute.as_bytes());
    row.put_u8(byte_of(&STATES, part.state));
    row.put_u64(part.enabled_unix_us);
}

/// Reads by what items expire.
pub(super) fn decode_time_to_live(reader: &mut Reader<'_>) -> Result<Option<TimeToLivePart>, DecodeError> {
    let attribute = reader.prefixed_str()?;
    if attribute.is_empty() {
        return Ok(None);
    }
    Ok(Some(TimeToLivePart {
        attribute: attribute.to_owned(),
        state: enumerated("state of time to live", &STATES, reader.u8()?)?,
        enabled_unix_us: reader.u64()?,
    }))
}

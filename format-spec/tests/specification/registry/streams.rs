//! Golden samples of stream records and what goes with them.

use basalt_format::DecodeError;
use basalt_format::stream_iterator::StreamIterator;
use basalt_format::stream_record::{self, StreamCause, StreamEvent, StreamKey, StreamPosition, StreamRecord};

use super::{Protection, Sample};

const POSITION: StreamPosition = StreamPosition { entry_index: 0x0102_0304, change: 7 };

pub(super) fn samples() -> Vec<Sample> {
    vec![
        Sample {
            name: "stream_record",
            protection: Protection::CanonicalForm,
            encode: || {
                StreamRecord {
                    event: StreamEvent::Modify,
                    cause: StreamCause::Client,
                    keys: b"keys",
                    new_image: Some(b"new image"),
                    old_image: Some(b"old"),
                }
                .encode()
            },
            decode: |bytes| StreamRecord::decode(bytes).map(|record| format!("{record:?}")),
        },
        Sample {
            name: "stream_key",
            protection: Protection::CanonicalForm,
            encode: || StreamKey { stream_number: 3, position: POSITION, part: 1 }.encode().to_vec(),
            decode: |bytes| StreamKey::decode(bytes).map(|key| format!("{key:?}")),
        },
        Sample {
            name: "stream_horizon",
            protection: Protection::CanonicalForm,
            encode: || stream_record::encode_horizon(POSITION),
            decode: |bytes| stream_record::decode_horizon(bytes).map(|position| format!("{position:?}")),
        },
        Sample {
            name: "stream_iterator",
            protection: Protection::Checksum,
            encode: || {
                StreamIterator {
                    table_id: *b"a table's uuid..",
                    stream_number: 3,
                    partition: 9,
                    position: POSITION,
                    issued_unix_us: 1_767_225_600_000_000,
                }
                .encode()
            },
            decode: describe_iterator,
        },
    ]
}

fn describe_iterator(bytes: &[u8]) -> Result<String, DecodeError> {
    StreamIterator::decode(bytes).map(|iterator| format!("{iterator:?}"))
}

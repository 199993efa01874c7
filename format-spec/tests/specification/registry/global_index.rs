//! Golden samples of the rows that keep global indexes true.

use basalt_format::backfill::{BackfillKey, BackfillRow};
use basalt_format::outbox::{self, OutboxChange, OutboxKey};
use basalt_format::received::{ReceivedKey, ReceivedRow};

use super::{Protection, Sample};

/// Tag, hash and the parts of the keys: what they say is the index's business.
const INDEX_ROW_KEY: &[u8] = b"\x80\x11\x22\x33\x44\x55\x66\x77\x88rock\x00\x01basalt\x00\x01";

pub(super) fn samples() -> Vec<Sample> {
    vec![
        Sample {
            name: "outbox_key",
            protection: Protection::CanonicalForm,
            encode: || OutboxKey { entry_index: 258, part: 1 }.encode(),
            decode: |bytes| OutboxKey::decode(bytes).map(|key| format!("{key:?}")),
        },
        Sample {
            name: "outbox_row",
            protection: Protection::CanonicalForm,
            encode: || {
                let change = |row| OutboxChange { index_number: 515, row_key: INDEX_ROW_KEY, row };
                outbox::encode_rows([change(None), change(Some(b"projection"))]).concat()
            },
            decode: |bytes| outbox::decode_row(bytes).map(|changes| format!("{changes:?}")),
        },
        Sample {
            name: "received_key",
            protection: Protection::CanonicalForm,
            encode: || ReceivedKey(257).encode(),
            decode: |bytes| ReceivedKey::decode(bytes).map(|key| format!("{key:?}")),
        },
        Sample {
            name: "received_row",
            protection: Protection::CanonicalForm,
            encode: || ReceivedRow { entry_index: 258 }.encode(),
            decode: |bytes| ReceivedRow::decode(bytes).map(|row| format!("{row:?}")),
        },
        Sample {
            name: "backfill_key",
            protection: Protection::CanonicalForm,
            encode: || BackfillKey(515).encode(),
            decode: |bytes| BackfillKey::decode(bytes).map(|key| format!("{key:?}")),
        },
        Sample {
            name: "backfill_row_passed",
            protection: Protection::CanonicalForm,
            encode: || {
                BackfillRow::Passed(b"\x10\x11\x22\x33\x44\x55\x66\x77\x88rock\x00\x01".to_vec()).encode()
            },
            decode: |bytes| BackfillRow::decode(bytes).map(|row| format!("{row:?}")),
        },
        Sample {
            name: "backfill_row_done",
            protection: Protection::CanonicalForm,
            encode: || BackfillRow::Done.encode(),
            decode: |bytes| BackfillRow::decode(bytes).map(|row| format!("{row:?}")),
        },
    ]
}

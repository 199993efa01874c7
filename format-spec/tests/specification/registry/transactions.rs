//! Golden samples of the rows of transactions.

use basalt_format::transaction::{
    DecisionKey, DecisionRow, PreparedKey, PreparedOutcome, PreparedRow, TokenKey, TokenRow, TokenSpace,
    TransactionId,
};

use super::{Protection, Sample};

const TRANSACTION: TransactionId = TransactionId(*b"transaction, 16b");
/// Tag, hash and the parts of the key: what they say is the item's business.
const ITEM_KEY: &[u8] = b"\x10\x11\x22\x33\x44\x55\x66\x77\x88rock\x00\x01";

pub(super) fn samples() -> Vec<Sample> {
    vec![
        Sample {
            name: "prepared_key",
            protection: Protection::CanonicalForm,
            encode: || PreparedKey { transaction: TRANSACTION, item_key: ITEM_KEY }.encode(),
            decode: |bytes| PreparedKey::decode(bytes).map(|key| format!("{key:?}")),
        },
        Sample {
            name: "prepared_row_put",
            protection: Protection::CanonicalForm,
            encode: || prepared(PreparedOutcome::Put(b"item")),
            decode: |bytes| PreparedRow::decode(bytes).map(|row| format!("{row:?}")),
        },
        Sample {
            name: "prepared_row_keep",
            protection: Protection::CanonicalForm,
            encode: || prepared(PreparedOutcome::Keep),
            decode: |bytes| PreparedRow::decode(bytes).map(|row| format!("{row:?}")),
        },
        Sample {
            name: "prepared_row_delete",
            protection: Protection::CanonicalForm,
            encode: || prepared(PreparedOutcome::Delete),
            decode: |bytes| PreparedRow::decode(bytes).map(|row| format!("{row:?}")),
        },
        Sample {
            name: "decision_key",
            protection: Protection::CanonicalForm,
            encode: || DecisionKey(TRANSACTION).encode(),
            decode: |bytes| DecisionKey::decode(bytes).map(|key| format!("{key:?}")),
        },
        Sample {
            name: "decision_row",
            protection: Protection::CanonicalForm,
            encode: || DecisionRow.encode(),
            decode: |bytes| DecisionRow::decode(bytes).map(|row| format!("{row:?}")),
        },
        Sample {
            name: "token_key",
            protection: Protection::CanonicalForm,
            encode: || {
                let space = TokenSpace::ExecuteTransaction;
                TokenKey { unix_us: 1_795_000_000_000_000, space, token: "once" }.encode()
            },
            decode: |bytes| TokenKey::decode(bytes).map(|key| format!("{key:?}")),
        },
        Sample {
            name: "token_row",
            protection: Protection::CanonicalForm,
            encode: || TokenRow { digest: 0x0123_4567_89ab_cdef, image_bytes: vec![7, 409_600] }.encode(),
            decode: |bytes| TokenRow::decode(bytes).map(|row| format!("{row:?}")),
        },
    ]
}

fn prepared(outcome: PreparedOutcome<'_>) -> Vec<u8> {
    PreparedRow { ledger: 258, outcome }.encode()
}

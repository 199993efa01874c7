//! Keys and sizes for people.

use basalt_format::key_encoding::{
    TAG_CATALOG, TAG_COLLECTION, TAG_DECISION, TAG_GLOBAL_INDEX, TAG_ITEM, TAG_LAYOUT, TAG_LOCAL_INDEX_FIRST,
    TAG_LOCAL_INDEX_LAST, TAG_OUTBOX, TAG_PREPARED, TAG_RECEIVED, TAG_STREAM, TAG_TIME_TO_LIVE, TAG_TOKEN,
};

const KEY_BYTES_SHOWN: usize = 64;
const HASH_BYTES: usize = 8;

/// Bytes for a person.
pub(crate) fn bytes_in_words(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// A key's tag by name, its hash if it has one, and the rest of it as it can be shown.
pub(crate) fn key_in_words(key: &[u8]) -> String {
    let Some((&tag, rest)) = key.split_first() else { return "the start".to_owned() };
    let name = match tag {
        TAG_ITEM => "item".to_owned(),
        TAG_COLLECTION => "collection".to_owned(),
        TAG_LOCAL_INDEX_FIRST..=TAG_LOCAL_INDEX_LAST => {
            format!("local index {}", tag - TAG_LOCAL_INDEX_FIRST)
        }
        TAG_OUTBOX => "outbox".to_owned(),
        TAG_STREAM => "stream".to_owned(),
        TAG_TIME_TO_LIVE => "expiry".to_owned(),
        TAG_TOKEN => "token".to_owned(),
        TAG_PREPARED => "prepared".to_owned(),
        TAG_DECISION => "decision".to_owned(),
        TAG_RECEIVED => "received".to_owned(),
        TAG_GLOBAL_INDEX => "global index".to_owned(),
        TAG_LAYOUT => "layout".to_owned(),
        TAG_CATALOG => "catalog".to_owned(),
        other => format!("tag {other:#04x}"),
    };
    let is_hashed = matches!(tag, TAG_ITEM | TAG_COLLECTION | TAG_GLOBAL_INDEX)
        || (TAG_LOCAL_INDEX_FIRST..=TAG_LOCAL_INDEX_LAST).contains(&tag);
    match rest.split_at_checked(HASH_BYTES).filter(|_| is_hashed) {
        Some((hash, parts)) => {
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{name} {hash} {}", shown(parts))
        }
        None => format!("{name} {}", shown(rest)),
    }
}

fn shown(bytes: &[u8]) -> String {
    let mut text: String = bytes.iter().take(KEY_BYTES_SHOWN).map(|&byte| byte_in_words(byte)).collect();
    if bytes.len() > KEY_BYTES_SHOWN {
        text.push_str("...");
    }
    text
}

fn byte_in_words(byte: u8) -> String {
    if byte.is_ascii_graphic() || byte == b' ' {
        char::from(byte).to_string()
    } else {
        format!("\\{byte:02x}")
    }
}

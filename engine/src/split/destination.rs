//! Which child of a split a row goes to.

use basalt_format::{
    DecodeError,
    key_encoding::{
        TAG_CATALOG, TAG_COLLECTION, TAG_GLOBAL_INDEX, TAG_ITEM, TAG_LAYOUT, TAG_LOCAL_INDEX_FIRST,
        TAG_LOCAL_INDEX_LAST, TAG_OUTBOX, TAG_PREPARED, TAG_RECEIVED, TAG_TIME_TO_LIVE, TAG_TOKEN,
        decode_hashed,
    },
    time_to_live::TimeToLiveKey,
};

/// Tags whose rows are copied: from each first one up to, not including, each second one. Stream records stay where
/// they can be read; outbox rows, prepared items and decisions are not there any more when the children serve.
pub(super) const COPIED_TAGS: [(u8, u8); 3] =
    [(TAG_ITEM, TAG_OUTBOX), (TAG_TIME_TO_LIVE, TAG_PREPARED), (TAG_RECEIVED, TAG_CATALOG)];

/// Where a row goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    /// To the child that holds this hash.
    Hash(u64),
    /// To the first child: it is looked for there.
    First,
    /// To both.
    Both,
    /// Nowhere.
    None,
}

impl Destination {
    pub(super) fn of(key: &[u8]) -> Result<Self, DecodeError> {
        Ok(match key.first().copied() {
            Some(
                TAG_ITEM | TAG_COLLECTION | TAG_LOCAL_INDEX_FIRST..=TAG_LOCAL_INDEX_LAST | TAG_GLOBAL_INDEX,
            ) => Self::Hash(hash_of(key)?),
            Some(TAG_TIME_TO_LIVE) => Self::Hash(hash_of(&TimeToLiveKey::decode(key)?.item_key())?),
            Some(TAG_TOKEN) => Self::First,
            Some(TAG_RECEIVED | TAG_LAYOUT) => Self::Both,
            _ => Self::None,
        })
    }
}

fn hash_of(key: &[u8]) -> Result<u64, DecodeError> {
    decode_hashed(key).map(|(_tag, hash, _parts)| hash)
}

#[cfg(test)]
mod tests {
    use basalt_format::{
        key_encoding::{TAG_DECISION, TAG_STREAM, TAGS},
        received::ReceivedKey,
    };

    use super::*;

    fn item_key(hash: u64) -> Vec<u8> {
        [&[TAG_ITEM], &hash.to_be_bytes()[..], b"k\x00\x01"].concat()
    }

    #[test]
    fn rows_of_an_item_go_where_the_item_goes() {
        let key = item_key(77);
        let expiry = TimeToLiveKey::of_item(&key, 5).encode();
        let index_entry = [&[TAG_LOCAL_INDEX_FIRST], &key[1..]].concat();
        for key in [key, expiry, index_entry] {
            assert_eq!(Destination::of(&key), Ok(Destination::Hash(77)), "{key:?}");
        }
        assert_eq!(Destination::of(&ReceivedKey(9).encode()), Ok(Destination::Both));
    }

    #[test]
    fn a_tag_is_copied_exactly_if_its_rows_go_somewhere() {
        for tag in TAGS {
            let tag = u8::try_from(tag.value).unwrap();
            let key = [&[tag], &[0; 40][..]].concat();
            let is_copied = COPIED_TAGS.iter().any(|(first, end)| (*first..*end).contains(&tag));
            let goes = Destination::of(&key).map(|destination| destination != Destination::None);
            assert_eq!(goes.unwrap_or(true), is_copied, "{tag:#x}");
        }
        assert_eq!(Destination::of(&[TAG_STREAM, 1]), Ok(Destination::None));
        assert_eq!(Destination::of(&[TAG_DECISION, 1]), Ok(Destination::None));
    }
}

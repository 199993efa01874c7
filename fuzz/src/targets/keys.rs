//! Keys of items, read by every schema that there is.

use basalt_format::key_encoding::{HASHED_KEY_PARTS_OFFSET, SECRET_BYTES, TAG_ITEM};
use basalt_model::key::{KeyAttribute, KeyCodec, KeyValue, SortCondition};
use basalt_model::{Item, KeySchema, ScalarKind};

use super::patch;

const SECRET: [u8; SECRET_BYTES] = *b"a table's secret";
const KINDS: [ScalarKind; 3] = [ScalarKind::S, ScalarKind::N, ScalarKind::B];

/// An item's key.
pub fn key(data: &[u8]) {
    let mut fixed = data.to_vec();
    patch(&mut fixed, 0, [TAG_ITEM]);
    for schema in schemas() {
        let codec = KeyCodec::new(schema, &SECRET);
        let _ = codec.decode(data);
        let Ok(item) = codec.decode(&fixed) else { continue };
        // A decoder takes empty and too long values, which no item may have.
        let Ok(again) = codec.encode_key(&item) else { continue };
        let parts = fixed.get(HASHED_KEY_PARTS_OFFSET..);
        assert_eq!(again.as_bytes().get(HASHED_KEY_PARTS_OFFSET..), parts, "a key has one form");
        assert_eq!(codec.decode(again.as_bytes()).as_ref(), Ok(&item));
        check_ranges(&codec, &item, again.as_bytes());
    }
}

/// Every schema: three kinds of partition key, with none or three kinds of sort key.
pub(super) fn schemas() -> impl Iterator<Item = KeySchema> {
    let sorts = || std::iter::once(None).chain(KINDS.map(Some));
    KINDS.into_iter().flat_map(move |partition| sorts().map(move |sort| schema(partition, sort)))
}

fn schema(partition: ScalarKind, sort: Option<ScalarKind>) -> KeySchema {
    let attribute = |name: &str, kind| KeyAttribute { name: name.to_owned(), kind };
    KeySchema { partition: attribute("pk", partition), sort: sort.map(|kind| attribute("sk", kind)) }
}

/// A key lies in the ranges of the conditions that hold for it, and in no other.
fn check_ranges(codec: &KeyCodec, item: &Item, key: &[u8]) {
    let value = |name| item.get(name).and_then(|value| KeyValue::try_from(value.clone()).ok());
    let partition = value("pk").expect("every schema has a partition key");
    let holds =
        |condition: Option<SortCondition>| codec.query_range(&partition, condition.as_ref()).contains(key);
    assert!(holds(None));
    if let Some(sort) = value("sk") {
        assert!(holds(Some(SortCondition::Equal(sort.clone()))));
        assert!(holds(Some(SortCondition::LessOrEqual(sort.clone()))));
        assert!(holds(Some(SortCondition::GreaterOrEqual(sort.clone()))));
        assert!(holds(Some(SortCondition::Between(sort.clone(), sort.clone()))));
        assert!(!holds(Some(SortCondition::Less(sort.clone()))));
        assert!(!holds(Some(SortCondition::Greater(sort))));
    }
}

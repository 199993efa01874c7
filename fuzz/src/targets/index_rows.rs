//! Keys of the rows of secondary indexes, read by indexes of several shapes.

use basalt_format::key_encoding::{HASHED_KEY_PARTS_OFFSET, SECRET_BYTES, TAG_LOCAL_INDEX_FIRST};
use basalt_model::key::{KeyAttribute, KeyCodec, KeyValue, SortCondition};
use basalt_model::{IndexKeyCodec, IndexKeyCondition, IndexKeySchema, Item, KeySchema, ScalarKind};

use super::patch;

const SECRET: [u8; SECRET_BYTES] = *b"a table's secret";

/// The key of an index's row.
pub fn index_row(data: &[u8]) {
    for codec in index_codecs() {
        let _ = codec.decode(data);
        let mut fixed = data.to_vec();
        patch(&mut fixed, 0, [codec.tag()]);
        let Ok(attributes) = codec.decode(&fixed) else { continue };
        check_entry(&codec, &attributes, &fixed);
    }
}

/// A key means attributes, and an item with these has this key, but for the hash, which nothing here can guess.
fn check_entry(codec: &IndexKeyCodec, attributes: &Item, key: &[u8]) {
    let item = attributes.encode();
    let entry = codec.encode_entry(item.as_item()).expect("an item that was just encoded is whole");
    // A decoder takes empty and too long values, and one attribute twice; no item has those.
    let Some(entry) = entry else { return };
    let decoded = codec.decode(entry.as_bytes());
    assert_eq!(decoded.as_ref(), Ok(attributes), "a key means what it was made of");
    if names_are_distinct(codec) {
        let parts = key.get(HASHED_KEY_PARTS_OFFSET..);
        assert_eq!(entry.as_bytes().get(HASHED_KEY_PARTS_OFFSET..), parts, "a key has one form");
    }
    check_ranges(codec, attributes, entry.as_bytes());
}

/// An entry lies in the ranges of the conditions that hold for it.
fn check_ranges(codec: &IndexKeyCodec, attributes: &Item, key: &[u8]) {
    let values = |attributes_of: &[KeyAttribute]| -> Vec<KeyValue> {
        let value = |attribute: &KeyAttribute| attributes.get(&attribute.name).cloned();
        attributes_of.iter().filter_map(|of| KeyValue::try_from(value(of)?).ok()).collect()
    };
    let (partition, sort) = (values(&codec.schema().partition), values(&codec.schema().sort));
    assert!(codec.partition_range(&partition).contains(key));
    for (place, value) in sort.iter().enumerate() {
        let holds = |sort_condition| {
            let condition = IndexKeyCondition {
                partition: partition.clone(),
                sort_prefix: sort.iter().take(place).cloned().collect(),
                sort: sort_condition,
            };
            codec.query_range(&condition).contains(key)
        };
        assert!(holds(None));
        assert!(holds(Some(SortCondition::Equal(value.clone()))));
        assert!(holds(Some(SortCondition::Between(value.clone(), value.clone()))));
        assert!(!holds(Some(SortCondition::Less(value.clone()))));
        assert!(!holds(Some(SortCondition::Greater(value.clone()))));
    }
}

fn names_are_distinct(codec: &IndexKeyCodec) -> bool {
    codec.schema().attributes().all(|attribute| !["pk", "sk"].contains(&attribute.name.as_str()))
}

/// A local index, global ones of one and of several attributes, and one on the table's own key.
pub(crate) fn index_codecs() -> impl Iterator<Item = IndexKeyCodec> {
    let table = KeyCodec::new(
        KeySchema { partition: attribute("pk", ScalarKind::S), sort: Some(attribute("sk", ScalarKind::N)) },
        &SECRET,
    );
    let global = |partition: &[KeyAttribute], sort: &[KeyAttribute]| {
        let schema = IndexKeySchema { partition: partition.to_vec(), sort: sort.to_vec() };
        IndexKeyCodec::global(schema, &table)
    };
    let [text, number, bytes] = [ScalarKind::S, ScalarKind::N, ScalarKind::B];
    [
        IndexKeyCodec::local(TAG_LOCAL_INDEX_FIRST, attribute("a", text), &table),
        IndexKeyCodec::local(TAG_LOCAL_INDEX_FIRST, attribute("a", number), &table),
        global(&[attribute("a", text)], &[]),
        global(
            &[attribute("a", number), attribute("b", bytes)],
            &[attribute("c", text), attribute("d", number)],
        ),
        global(&[attribute("sk", number)], &[attribute("pk", text)]),
    ]
    .into_iter()
}

fn attribute(name: &str, kind: ScalarKind) -> KeyAttribute {
    KeyAttribute { name: name.to_owned(), kind }
}

//! Keys sort as the values that they are made of, and every condition of a query is the range of those that meet it.
//!
//! Method: random schemas and values from small alphabets, each range compared with the condition's own meaning on
//! the values; then the rules that key values obey, with their texts.

use std::cmp::Ordering;

use basalt_model::key::item_range;
use basalt_model::{
    Item, KeyAttribute, KeyCodec, KeyError, KeySchema, KeyValue, Number, ScalarKind, ScanSegment,
    SortCondition, Value,
};
use proptest::collection::vec;
use proptest::prelude::*;

const SECRET: &[u8; 16] = b"sixteen   bytes.";

fn text() -> impl Strategy<Value = KeyValue> {
    prop_oneof!["[a\0]{1,4}", "\\PC{1,6}"].prop_map(KeyValue::S)
}

fn number() -> impl Strategy<Value = KeyValue> {
    "-?[0-9]{1,3}(\\.[0-9]{1,2})?".prop_map(|text| KeyValue::N(Number::parse(&text).unwrap()))
}

fn binary() -> impl Strategy<Value = KeyValue> {
    let byte = prop_oneof![Just(0), Just(1), Just(0xff), any::<u8>()];
    vec(byte, 1..5).prop_map(KeyValue::B)
}

/// A partition key and some sort keys of one type.
fn collection() -> impl Strategy<Value = (KeyValue, Vec<KeyValue>)> {
    let partition = || prop_oneof![text(), number(), binary()];
    prop_oneof![
        (partition(), vec(text(), 3)),
        (partition(), vec(number(), 3)),
        (partition(), vec(binary(), 3)),
    ]
}

fn codec(partition: ScalarKind, sort: Option<ScalarKind>) -> KeyCodec {
    let attribute = |name: &str, kind| KeyAttribute { name: name.to_owned(), kind };
    let schema =
        KeySchema { partition: attribute("pk", partition), sort: sort.map(|kind| attribute("sk", kind)) };
    KeyCodec::new(schema, SECRET)
}

fn item(partition: &KeyValue, sort: &KeyValue) -> Item {
    Item::from_iter([("pk".to_owned(), partition.clone().into()), ("sk".to_owned(), sort.clone().into())])
}

fn compare(left: &KeyValue, right: &KeyValue) -> Ordering {
    match (left, right) {
        (KeyValue::S(left), KeyValue::S(right)) => left.cmp(right),
        (KeyValue::N(left), KeyValue::N(right)) => left.cmp(right),
        (KeyValue::B(left), KeyValue::B(right)) => left.cmp(right),
        _ => panic!("values of one attribute have one type"),
    }
}

fn bytes(value: &KeyValue) -> Option<Vec<u8>> {
    match value {
        KeyValue::S(text) => Some(text.clone().into_bytes()),
        KeyValue::B(bytes) => Some(bytes.clone()),
        KeyValue::N(_) => None,
    }
}

/// Every condition that can be made of two values.
fn conditions(low: &KeyValue, high: &KeyValue) -> Vec<SortCondition> {
    let mut conditions = vec![
        SortCondition::Equal(low.clone()),
        SortCondition::Less(low.clone()),
        SortCondition::LessOrEqual(low.clone()),
        SortCondition::Greater(low.clone()),
        SortCondition::GreaterOrEqual(low.clone()),
        SortCondition::Between(low.clone(), high.clone()),
    ];
    if let Some(bytes) = bytes(low) {
        conditions
            .extend((0..=bytes.len()).map(|length| SortCondition::BeginsWith(bytes[..length].to_vec())));
    }
    conditions
}

fn meets(condition: &SortCondition, value: &KeyValue) -> bool {
    match condition {
        SortCondition::Equal(other) => compare(value, other).is_eq(),
        SortCondition::Less(other) => compare(value, other).is_lt(),
        SortCondition::LessOrEqual(other) => compare(value, other).is_le(),
        SortCondition::Greater(other) => compare(value, other).is_gt(),
        SortCondition::GreaterOrEqual(other) => compare(value, other).is_ge(),
        SortCondition::Between(low, high) => compare(value, low).is_ge() && compare(value, high).is_le(),
        SortCondition::BeginsWith(prefix) => bytes(value).is_some_and(|bytes| bytes.starts_with(prefix)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn keys_of_a_collection_sort_by_sort_key_and_come_back((partition, sorts) in collection()) {
        let codec = codec(partition.kind(), Some(sorts[0].kind()));
        let key = |sort: &KeyValue| codec.encode_item(&item(&partition, sort)).unwrap();
        for left in &sorts {
            for right in &sorts {
                prop_assert_eq!(key(left).cmp(&key(right)), compare(left, right));
            }
            prop_assert_eq!(codec.decode(key(left).as_bytes()), Ok(item(&partition, left)));
            prop_assert_eq!(key(left).hash(), codec.hash(&partition));
        }
    }

    #[test]
    fn a_query_range_holds_exactly_what_meets_its_condition(
        (partition, sorts) in collection(),
        other_partition in prop_oneof![text(), number(), binary()],
    ) {
        let codec = codec(partition.kind(), Some(sorts[0].kind()));
        let key = |sort: &KeyValue| codec.encode_item(&item(&partition, sort)).unwrap();
        let whole = codec.query_range(&partition, None);
        for condition in conditions(&sorts[0], &sorts[1]) {
            let range = codec.query_range(&partition, Some(&condition));
            for sort in &sorts {
                prop_assert!(whole.contains(key(sort).as_bytes()));
                prop_assert_eq!(range.contains(key(sort).as_bytes()), meets(&condition, sort), "{:?}", condition);
            }
            if other_partition.kind() == partition.kind() && other_partition != partition {
                let other = codec.encode_item(&item(&other_partition, &sorts[0])).unwrap();
                prop_assert!(!range.contains(other.as_bytes()));
            }
        }
    }

    #[test]
    fn arbitrary_keys_are_refused_or_the_one_encoding(
        key in vec(prop_oneof![Just(0u8), Just(1), Just(0x10), Just(0xff), any::<u8>()], 0..30),
        kinds in (0..3usize, 0..3usize),
    ) {
        let kind = |index: usize| [ScalarKind::S, ScalarKind::N, ScalarKind::B][index];
        let codec = codec(kind(kinds.0), Some(kind(kinds.1)));
        if let Ok(item) = codec.decode(&key)
            && let Ok(again) = codec.encode_item(&item)
        {
            // The hash of arbitrary bytes is hardly ever right; all else must be as it was.
            prop_assert_eq!(&again.as_bytes()[9..], &key[9..]);
        }
    }

    #[test]
    fn every_hash_is_in_exactly_one_segment(hash: u64, total_segments in 1..=1_000_000u32) {
        let of = |segment| ScanSegment { segment, total_segments }.hashes();
        let guess = ((u128::from(hash) * u128::from(total_segments)) >> 64) as u32;
        let holders = (guess.saturating_sub(1)..=guess + 1).filter_map(of);
        let holders = holders.filter(|(first, last)| (*first..=*last).contains(&hash));
        prop_assert_eq!(holders.count(), 1);
    }
}

#[test]
fn segments_cover_all_hashes_without_gap_or_overlap() {
    for total_segments in [1, 2, 3, 7, 1000] {
        let mut next = Some(0u64);
        for segment in 0..total_segments {
            let (first, last) = ScanSegment { segment, total_segments }.hashes().unwrap();
            assert_eq!(Some(first), next);
            assert!(first <= last);
            next = last.checked_add(1);
        }
        assert_eq!(next, None);
    }
    assert_eq!(ScanSegment { segment: 3, total_segments: 3 }.hashes(), None);
    assert_eq!(ScanSegment::WHOLE.hashes(), Some((0, u64::MAX)));
}

#[test]
fn the_item_range_of_a_segment_holds_its_keys_only() {
    let codec = codec(ScalarKind::N, None);
    for number in 0..200u64 {
        let item = Item::from_iter([("pk".to_owned(), Value::N(number.into()))]);
        let key = codec.encode_key(&item).unwrap();
        let holders = (0..5).filter(|&segment| {
            let (first, last) = ScanSegment { segment, total_segments: 5 }.hashes().unwrap();
            item_range(first, last).contains(key.as_bytes())
        });
        assert_eq!(holders.count(), 1, "{number}");
    }
}

#[test]
fn reversed_bounds_make_an_empty_range() {
    let codec = codec(ScalarKind::S, Some(ScalarKind::N));
    let between =
        |low: i64, high: i64| SortCondition::Between(KeyValue::N(low.into()), KeyValue::N(high.into()));
    let partition = KeyValue::S("p".to_owned());
    assert!(codec.query_range(&partition, Some(&between(2, 1))).is_empty());
    assert!(!codec.query_range(&partition, Some(&between(1, 1))).is_empty());
}

#[test]
fn faults_of_an_item_to_be_written_have_their_texts() {
    let codec = codec(ScalarKind::S, Some(ScalarKind::B));
    let text = |text: &str| Value::S(text.to_owned());
    let check = |attributes: &[(&str, Value)]| {
        let item = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        codec.encode_item(&item).map(drop).map_err(|error| error.to_string())
    };
    let invalid = |text: &str| Err(format!("One or more parameter values were invalid: {text}"));
    let empty = |kind: &str, name: &str| {
        Err(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
             empty {kind} value. Key: {name}"
        ))
    };

    assert_eq!(check(&[("pk", text("p")), ("sk", Value::B(vec![1])), ("other", Value::Null)]), Ok(()));
    assert_eq!(check(&[("sk", Value::B(vec![1]))]), invalid("Missing the key pk in the item"));
    assert_eq!(check(&[("pk", text("p"))]), invalid("Missing the key sk in the item"));
    assert_eq!(
        check(&[("pk", Value::N(1i64.into())), ("sk", Value::B(vec![1]))]),
        invalid("Type mismatch for key pk expected: S actual: N")
    );
    assert_eq!(check(&[("pk", text("")), ("sk", Value::B(vec![1]))]), empty("string", "pk"));
    assert_eq!(check(&[("pk", text("p")), ("sk", Value::B(vec![]))]), empty("binary", "sk"));
    assert_eq!(check(&[("pk", text(&"p".repeat(2048))), ("sk", Value::B(vec![1; 1024]))]), Ok(()));
    assert_eq!(
        check(&[("pk", text(&"p".repeat(2049))), ("sk", Value::B(vec![1]))]),
        invalid("Size of hashkey has exceeded the maximum size limit of2048 bytes")
    );
    assert_eq!(
        check(&[("pk", text("p")), ("sk", Value::B(vec![1; 1025]))]),
        invalid("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
    );
}

#[test]
fn a_key_argument_holds_exactly_the_key() {
    let codec = codec(ScalarKind::S, Some(ScalarKind::N));
    let key = |attributes: &[(&str, Value)]| -> Item {
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let (text, number) = (Value::S("p".to_owned()), Value::N(1i64.into()));
    let sound = key(&[("pk", text.clone()), ("sk", number.clone())]);
    assert_eq!(codec.encode_key(&sound), codec.encode_item(&sound));

    for wrong in [
        key(&[("pk", text.clone())]),
        key(&[("pk", text.clone()), ("sk", text.clone())]),
        key(&[("pk", text.clone()), ("other", number.clone())]),
        key(&[("pk", text.clone()), ("sk", number.clone()), ("other", number.clone())]),
        key(&[]),
    ] {
        assert_eq!(codec.encode_key(&wrong), Err(KeyError::SchemaMismatch), "{wrong:?}");
    }
    assert_eq!(KeyError::SchemaMismatch.to_string(), "The provided key element does not match the schema");
}

#[test]
fn an_index_key_of_another_type_has_its_text() {
    let error = KeyError::IndexTypeMismatch {
        name: "gk".to_owned(),
        expected: ScalarKind::S,
        actual: basalt_model::ValueKind::N,
        index_name: "g".to_owned(),
    };
    assert_eq!(
        error.to_string(),
        "One or more parameter values were invalid: Type mismatch for Index Key gk Expected: S Actual: N IndexName: g"
    );
}

#[test]
fn a_stored_item_s_key_is_its_key_attributes() {
    let schema = codec(ScalarKind::S, Some(ScalarKind::N)).schema().clone();
    let item = |names: &[&str]| -> Item {
        let value = |name: &str| if name == "sk" { Value::N(1i64.into()) } else { Value::S("p".to_owned()) };
        names.iter().map(|name| ((*name).to_owned(), value(name))).collect()
    };
    let stored = item(&["a", "pk", "sk", "z"]).encode();
    assert_eq!(schema.key_of_stored(stored.as_item()), Ok(item(&["pk", "sk"])));
}

//! Items come back from their bytes as they went in, whatever they hold, and damaged bytes never do harm.
//!
//! Method: random items over the whole type system, small alphabets so that names and members collide; then random
//! damage to their bytes, read through every accessor.

use basalt_format::item_encoding;
use basalt_model::{EncodedItem, Item, ItemRef, Number, Set, Value, ValueRef};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn number() -> impl Strategy<Value = Number> {
    let text = prop_oneof!["-?[0-9]{1,3}", "-?[1-9][0-9]{0,37}e-?[0-7]?[0-9]", "-?0\\.[0-9]{1,20}"];
    text.prop_map(|text| Number::parse(&text).expect("the pattern has storable numbers"))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{0,3}", "\\PC{0,20}", "x{120,300}"]
}

fn set<T: basalt_model::value::SetMember + std::fmt::Debug>(
    members: impl Strategy<Value = T>,
) -> impl Strategy<Value = Set<T>> {
    vec(members, 1..5).prop_map(|mut members| {
        members.sort();
        members.dedup();
        Set::new(members).expect("members are different and at least one")
    })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{1,2}", "\\PC{1,8}", "n{126,130}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::S),
        number().prop_map(Value::N),
        vec(any::<u8>(), 0..20).prop_map(Value::B),
        set(text()).prop_map(Value::Ss),
        set(number()).prop_map(Value::Ns),
        set(vec(any::<u8>(), 0..3)).prop_map(Value::Bs),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::L),
            btree_map(name(), inner, 0..6).prop_map(Value::M)
        ]
    })
}

fn item() -> impl Strategy<Value = Item> {
    btree_map(name(), value(), 0..8).prop_map(Item::from)
}

/// Reads everything that there is, by every way; only panics count.
fn read_all(item: ItemRef<'_>) {
    let _ = item.to_item();
    let _ = item.size_bytes();
    let _ = item.check_nesting();
    for entry in item.iter() {
        let Ok((name, value)) = entry else { return };
        let _ = item.get(name);
        read_value(&value, 1);
    }
}

fn read_value(value: &ValueRef<'_>, level: usize) {
    let _ = value.to_value();
    if level > item_encoding::NESTING_LEVELS_MAX {
        return;
    }
    match value {
        ValueRef::M(map) => {
            for (name, value) in map.iter().flatten() {
                let _ = map.get(name);
                read_value(&value, level + 1);
            }
        }
        ValueRef::L(list) => {
            for index in 0..list.len() {
                if let Ok(Some(value)) = list.get(index) {
                    read_value(&value, level + 1);
                }
            }
        }
        ValueRef::Ss(set) | ValueRef::Ns(set) | ValueRef::Bs(set) => {
            for member in set.iter().flatten() {
                let _ = set.contains(&member);
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn an_item_comes_back_as_it_was_encoded(item in item()) {
        let encoded = item.encode();
        prop_assert_eq!(item_encoding::validate(encoded.as_bytes()), Ok(()));
        prop_assert_eq!(encoded.as_item().to_item(), Ok(item.clone()));
        prop_assert_eq!(encoded.as_item().len(), item.len());
        prop_assert_eq!(EncodedItem::from_bytes(encoded.as_bytes().to_vec()), Ok(encoded));
    }

    #[test]
    fn a_look_up_finds_what_is_there_and_nothing_else(item in item(), other in name()) {
        let encoded = item.encode();
        let look_up = |name: &str| {
            let found = encoded.as_item().get(name).expect("sound bytes");
            found.map(|value| value.to_value().expect("sound bytes"))
        };
        for (name, value) in item.iter() {
            prop_assert_eq!(look_up(name), Some(value.clone()));
        }
        prop_assert_eq!(look_up(&other), item.get(&other).cloned());
    }

    #[test]
    fn attributes_are_walked_in_order(item in item()) {
        let encoded = item.encode();
        let walked: Result<Vec<_>, _> = encoded.as_item().iter().collect();
        let walked = walked.expect("sound bytes");
        prop_assert!(walked.iter().map(|(name, _)| *name).eq(item.keys().map(String::as_str)));
        prop_assert!(walked.iter().map(|(_, value)| value.kind()).eq(item.values().map(Value::kind)));
    }

    #[test]
    fn sizes_are_the_same_decoded_and_encoded(item in item()) {
        prop_assert_eq!(item.encode().as_item().size_bytes(), Ok(item.size_bytes()));
    }

    #[test]
    fn set_members_are_found(members in set(number()), other in number()) {
        let item = Item::from_iter([("s".to_owned(), Value::Ns(members.clone()))]).encode();
        let Ok(Some(ValueRef::Ns(set))) = item.as_item().get("s") else { panic!("the set is there") };
        for member in members.iter() {
            prop_assert_eq!(set.contains(&ValueRef::N(*member)), Ok(true));
        }
        prop_assert_eq!(set.contains(&ValueRef::N(other)), Ok(members.contains(&other)));
        prop_assert_eq!(set.contains(&ValueRef::Null), Ok(false));
    }

    #[test]
    fn sets_unite_and_subtract_as_sets(left in set("[a-d]"), right in set("[a-d]")) {
        use std::collections::BTreeSet;
        let (a, b): (BTreeSet<&String>, BTreeSet<&String>) = (left.iter().collect(), right.iter().collect());
        prop_assert!(left.union(&right).iter().eq(a.union(&b).copied()));
        let difference: Vec<String> = left.difference(&right).map(Set::into_members).unwrap_or_default();
        prop_assert!(difference.iter().eq(a.difference(&b).copied()));
        prop_assert!(a.iter().all(|member| left.contains_member(member)));
        prop_assert!(b.difference(&a).all(|member| !left.contains_member(member)));
    }

    #[test]
    fn damaged_items_are_read_without_a_panic(
        item in item(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = item.encode().into_bytes();
        for (place, change) in damage {
            let place = place.index(bytes.len());
            bytes[place] ^= change;
        }
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if let Ok(item) = ItemRef::new(bytes) {
                read_all(item);
            }
            if item_encoding::validate(bytes).is_ok() {
                let again = ItemRef::new(bytes).and_then(|item| item.to_item()).expect("valid bytes decode");
                prop_assert_eq!(again.encode().into_bytes(), bytes);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..200), header in vec(0..16u8, 0..8)) {
        for bytes in [&bytes[..], &[&[1], &header[..], &bytes[..]].concat()[..]] {
            if let Ok(item) = ItemRef::new(bytes) {
                read_all(item);
            }
            if item_encoding::validate(bytes).is_ok() {
                let again = ItemRef::new(bytes).and_then(|item| item.to_item()).expect("valid bytes decode");
                prop_assert_eq!(again.encode().into_bytes(), bytes);
            }
        }
    }
}

#[test]
fn bytes_nested_beyond_the_limit_are_an_error_and_no_stack() {
    // Two thousand lists, each holding the next: what a decoder without a bound would recurse into.
    let mut value = vec![item_encoding::TAG_NULL];
    for _ in 0..2000 {
        let mut outer = vec![item_encoding::TAG_LIST];
        let width_code = if value.len() < 256 { 0 } else { 1 };
        outer.push(1 << 2 | width_code);
        outer.extend_from_slice(&(value.len() as u32).to_le_bytes()[..1 << width_code]);
        outer.extend_from_slice(&value);
        value = outer;
    }
    let entry = [&[1, b'a'][..], &value].concat();
    let end = (entry.len() as u16).to_le_bytes();
    let bytes = [&[item_encoding::VERSION, 1 << 2 | 1][..], &end, &entry].concat();

    let item = ItemRef::new(&bytes).expect("the header is sound");
    assert!(item_encoding::validate(&bytes).is_err());
    assert!(item.to_item().is_err());
    assert!(item.size_bytes().is_err());
    assert!(item.check_nesting().is_ok_and(|nesting| nesting.is_err()));
}

#[test]
fn sizes_follow_the_measured_rules() {
    let text = |text: &str| Value::S(text.to_owned());
    let number = |text: &str| Value::N(Number::parse(text).unwrap());
    for (value, bytes) in [
        (text(""), 0),
        (text("größe"), 7),
        (Value::B(vec![0; 9]), 9),
        (number("-12.5"), 4),
        (Value::Bool(false), 1),
        (Value::Null, 1),
        (Value::L(vec![]), 3),
        (Value::L(vec![text("ab"), Value::Null]), 3 + (2 + 1) + (1 + 1)),
        (Value::M([("k".to_owned(), text("ab"))].into()), 3 + (1 + 2 + 1)),
        (Value::string_set(vec!["a".to_owned(), "bcd".to_owned()]).unwrap(), 4),
        (Value::number_set(vec![Number::from(1i64), Number::from(222i64)]).unwrap(), 2 + 3),
        (Value::binary_set(vec![vec![], vec![1, 2]]).unwrap(), 2),
    ] {
        let item = Item::from_iter([("name".to_owned(), value)]);
        assert_eq!(item.size_bytes(), 4 + bytes, "{item:?}");
        assert_eq!(item.encode().as_item().size_bytes(), Ok(4 + bytes));
    }
}

#[test]
fn a_number_set_as_large_as_dynamodb_accepts_has_no_overhead_for_members() {
    // 20,479 different numbers of 38 digits were accepted beside the names and keys that fill 409,600 bytes.
    let base = 10u128.pow(37);
    let members: Vec<Number> =
        (0..20_479u128).map(|n| Number::parse(&(base + 1 + n * 2).to_string()).unwrap()).collect();
    assert_eq!(Value::number_set(members).unwrap().size_bytes(), 20 * 20_479);
}

use proptest::prelude::*;

use super::*;
use crate::dynamodb::json::Syntax;
use crate::dynamodb::json::Writer;
use crate::limits::RequestMemory;

/// The item that `json` describes, or what is said of it.
fn item(json: &str) -> Result<Item, String> {
    let mut memory = RequestMemory::new(usize::MAX).permit();
    let mut reader =
        Reader::new(Syntax::Json, json.as_bytes(), &mut memory).map_err(|error| format!("{error:?}"))?;
    let map = reader.attribute_map(Place::Member).map_err(|error| match error {
        BodyError::Type(fault) => fault.to_string(),
        other => format!("{other:?}"),
    })?;
    map.unwrap_or_default().checked_item().map_err(|fault| fault.to_string())
}

fn fault(value: &str) -> String {
    item(&format!(r#"{{"a":{value}}}"#)).expect_err(value)
}

#[test]
fn each_type_is_read() {
    let item = item(
        r#"{"s":{"S":"x"},"n":{"N":"1.50"},"b":{"B":"AQI="},"t":{"BOOL":"yes"},"z":{"NULL":true},
            "ss":{"SS":["b","a"]},"ns":{"NS":["2","1"]},"bs":{"BS":["AA=="]},
            "l":{"L":[{"S":"i"}]},"m":{"M":{"k":{"N":"7"}}}}"#,
    )
    .unwrap();
    assert_eq!(item.get("s"), Some(&Value::S("x".into())));
    assert_eq!(item.get("n"), Some(&Value::N(Number::parse("1.5").unwrap())));
    assert_eq!(item.get("b"), Some(&Value::B(vec![1, 2])));
    assert_eq!(item.get("t"), Some(&Value::Bool(true)));
    assert_eq!(item.get("z"), Some(&Value::Null));
    assert_eq!(item.get("ss"), Some(&Value::string_set(vec!["a".into(), "b".into()]).unwrap()));
    assert_eq!(item.get("l"), Some(&Value::L(vec![Value::S("i".into())])));
    assert_eq!(item.len(), 10);
}

#[test]
fn exactly_one_datatype_is_wanted() {
    const EMPTY: &str =
        "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
    for value in ["{}", r#"{"a":""}"#, r#"{"M":{"a":{}}}"#, r#"{"L":[{}]}"#, r#"{"S":null}"#, "null"] {
        assert_eq!(fault(value), EMPTY, "{value}");
    }
    assert_eq!(
        fault(r#"{"S":"a","N":"1"}"#),
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
    );
    assert!(
        item(r#"{"a":{"S":"x","N":null,"unknown":[1]}}"#).is_ok(),
        "null and unknown members do not count"
    );
}

#[test]
fn faults_within_a_type_come_before_its_count() {
    assert_eq!(fault(r#"{"S":"a","N":"b"}"#), "The parameter cannot be converted to a numeric value: b");
}

#[test]
fn each_fault_has_its_text() {
    const INVALID: &str = "One or more parameter values were invalid: ";
    let rows = [
        (r#"{"NULL":"no"}"#, format!("{INVALID}Null attribute value types must have the value of true")),
        (r#"{"SS":[]}"#, format!("{INVALID}An string set  may not be empty")),
        (r#"{"NS":[]}"#, format!("{INVALID}An number set  may not be empty")),
        (r#"{"BS":[]}"#, format!("{INVALID}Binary sets should not be empty")),
        (r#"{"SS":["a","a"]}"#, format!("{INVALID}Input collection [a, a] contains duplicates.")),
        (
            r#"{"BS":["Yg==","Yg=="]}"#,
            format!("{INVALID}Input collection [Yg==, Yg==]of type BS contains duplicates."),
        ),
        (r#"{"NS":["1","1.0"]}"#, "Input collection contains duplicates".into()),
        (r#"{"NS":["1","b"]}"#, "The parameter cannot be converted to a numeric value: b".into()),
        (
            r#"{"N":"1e126"}"#,
            "Number overflow. Attempting to store a number with magnitude larger than supported range".into(),
        ),
    ];
    for (value, text) in rows {
        assert_eq!(fault(value), text, "{value}");
    }
}

#[test]
fn type_errors_come_before_faults_of_values() {
    assert_eq!(fault(r#"{"NS":["x"],"S":1}"#), "NUMBER_VALUE cannot be converted to String");
    assert_eq!(fault(r#"{"N":123}"#), "NUMBER_VALUE cannot be converted to String");
    assert_eq!(fault("1"), "Unexpected value type in payload");
}

#[test]
fn nesting_ends_at_32_levels() {
    let nested =
        |wrappers: usize| format!("{}{{\"S\":\"x\"}}{}", "{\"L\":[".repeat(wrappers), "]}".repeat(wrappers));
    assert!(item(&format!(r#"{{"a":{}}}"#, nested(31))).is_ok());
    assert!(fault(&nested(32)).starts_with("Nesting Levels have exceeded supported limits"));
    assert!(fault(&nested(200_000)).starts_with("Nesting Levels have exceeded supported limits"));
}

#[test]
fn empty_names_are_refused_at_every_level() {
    assert!(item(r#"{"":{"S":"x"}}"#).is_err());
    assert!(item(r#"{"a":{"M":{"":{"S":"x"}}}}"#).is_err());
}

#[test]
fn what_is_built_is_paid_for_first() {
    let json = format!(r#"{{"a":{{"L":[{}]}}}}"#, vec![r#"{"M":{"b":{"NULL":true}}}"#; 1000].join(","));
    let account = RequestMemory::new(100_000);
    let mut memory = account.permit();
    let read = Reader::new(Syntax::Json, json.as_bytes(), &mut memory).unwrap().attribute_map(Place::Member);
    assert!(matches!(read, Err(BodyError::Memory(_))), "{read:?}");
}

/// Values that keep the rules.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<String>().prop_map(Value::S),
        any::<i64>().prop_map(|number| Value::N(Number::parse(&number.to_string()).unwrap())),
        any::<Vec<u8>>().prop_map(Value::B),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
        prop::collection::btree_set(any::<String>(), 1..4)
            .prop_map(|members| Value::string_set(members.into_iter().collect()).unwrap()),
        prop::collection::btree_set(any::<Vec<u8>>(), 1..4)
            .prop_map(|members| Value::binary_set(members.into_iter().collect()).unwrap()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::L),
            prop::collection::btree_map(".{1,8}", inner, 0..4).prop_map(Value::M),
        ]
    })
}

proptest! {
    #[test]
    fn items_come_back_from_both_writers(attributes in prop::collection::btree_map(".{1,8}", any_value(), 0..4)) {
        let original = Item::from(attributes);
        let mut decoded = Writer::default();
        decoded.attributes(&original);
        let decoded = String::from_utf8(decoded.into_bytes()).unwrap();
        let mut encoded = Writer::default();
        encoded.item(original.encode().as_item()).unwrap();
        prop_assert_eq!(&decoded, &String::from_utf8(encoded.into_bytes()).unwrap());
        prop_assert_eq!(item(&decoded).unwrap(), original);
    }

    #[test]
    fn arbitrary_text_never_panics(text in r#"[\[\]{}:,"SNBMLU0-9eE.\-a =\\]{0,60}"#) {
        let _ = item(&text);
    }
}

//! Key conditions: the shape they must have and how they fit a schema.

use basalt_model::expression::{KeyCondition, Placeholders, SchemaError, parse_key_condition};
use basalt_model::{
    IndexKeyCondition, IndexKeySchema, KeyAttribute, KeyPlace, KeySchema, KeyValue, ScalarKind,
    SortCondition, Value,
};

use crate::support::{b, l, n, number, placeholders, s};

fn key(name: &str, kind: ScalarKind) -> KeyAttribute {
    KeyAttribute { name: name.to_owned(), kind }
}

fn schema(sort: Option<KeyAttribute>) -> KeySchema {
    KeySchema { partition: key("pk", ScalarKind::S), sort }
}

/// For queries without a start key, which would be judged in turn with the conditions.
fn no_start_key(_attribute: &KeyAttribute, _place: KeyPlace) -> Result<(), SchemaError> {
    Ok(())
}

fn bind(text: &str, values: &[(&str, Value)], schema: &KeySchema) -> Result<KeyCondition, String> {
    let expression =
        parse_key_condition(text, &mut placeholders(&[], values)).map_err(|error| error.to_string())?;
    let conditions = expression.conditions().map_err(|error| error.to_string())?;
    conditions.bind(schema, no_start_key).map_err(|error| error.to_string())
}

/// The text with which the shape of a key condition, which parses, is refused.
fn shape_fault(text: &str, values: &[(&str, Value)]) -> String {
    parse_key_condition(text, &mut placeholders(&[], values)).unwrap().conditions().unwrap_err().to_string()
}

#[test]
fn conditions_bind_to_partition_and_sort_key() {
    let values = [(":p", s("x")), (":s", s("m")), (":t", s("n"))];
    let schema = schema(Some(key("sk", ScalarKind::S)));
    let bound = |sort| Ok(KeyCondition { partition: KeyValue::S("x".to_owned()), sort });
    let text = |text: &str| KeyValue::S(text.to_owned());

    assert_eq!(bind("pk = :p", &values, &schema), bound(None));
    for (expression, condition) in [
        ("pk = :p AND sk = :s", SortCondition::Equal(text("m"))),
        ("sk < :s AND pk = :p", SortCondition::Less(text("m"))),
        ("pk = :p AND sk <= :s", SortCondition::LessOrEqual(text("m"))),
        ("(pk = :p) AND (sk > :s)", SortCondition::Greater(text("m"))),
        ("(:p = pk AND sk >= :s)", SortCondition::GreaterOrEqual(text("m"))),
        ("pk = :p AND :s <= sk", SortCondition::GreaterOrEqual(text("m"))),
        ("pk = :p AND :s > sk", SortCondition::Less(text("m"))),
        ("pk = :p AND sk BETWEEN :s AND :t", SortCondition::Between(text("m"), text("n"))),
        ("begins_with(sk, :s) AND pk = :p", SortCondition::BeginsWith(b"m".to_vec())),
    ] {
        assert_eq!(bind(expression, &values, &schema), bound(Some(condition)), "{expression}");
    }
}

#[test]
fn numbers_and_bytes_bind_to_keys_of_their_type() {
    let values = [(":p", s("x")), (":n", n("1.50")), (":b", b(b"\x00"))];
    let sort = |kind| schema(Some(key("sk", kind)));
    let bound = bind("pk = :p AND sk > :n", &values, &sort(ScalarKind::N)).unwrap();
    assert_eq!(bound.sort, Some(SortCondition::Greater(KeyValue::N(number("1.5")))));
    let bound = bind("pk = :p AND begins_with(sk, :b)", &values, &sort(ScalarKind::B)).unwrap();
    assert_eq!(bound.sort, Some(SortCondition::BeginsWith(vec![0])));
}

#[test]
fn types_that_no_key_has_are_refused_before_the_table_is_known() {
    let parse = |text: &str, value: Value| {
        let result = parse_key_condition(text, &mut placeholders(&[], &[(":v", value)]));
        result.unwrap_err().to_string()
    };
    let expected = |operator: &str, kind: &str| {
        format!(
            "Invalid KeyConditionExpression: Incorrect operand type for operator or function; operator or function: \
             {operator}, operand type: {kind}"
        )
    };
    assert_eq!(parse("begins_with(sk, :v)", n("1")), expected("begins_with", "N"));
    assert_eq!(parse("begins_with(sk, :v)", Value::Bool(true)), expected("begins_with", "BOOL"));
    assert_eq!(parse("sk < :v", Value::Bool(true)), expected("<", "BOOL"));
    assert_eq!(parse("sk BETWEEN :v AND :v", Value::Bool(true)), expected("BETWEEN", "BOOL"));
    assert_eq!(parse("sk > :v", l([])), expected(">", "L"));
}

#[test]
fn types_of_another_key_are_refused_by_the_schema() {
    let mismatch =
        Err("One or more parameter values were invalid: Condition parameter type does not match schema type"
            .to_owned());
    let schema = schema(Some(key("sk", ScalarKind::N)));
    let values = [(":p", s("x")), (":n", n("1")), (":b", b(b"a")), (":true", Value::Bool(true))];
    for text in [
        "pk = :n",
        "pk > :b",
        "pk = :true",
        "pk = :p AND sk = :p",
        "pk = :p AND begins_with(sk, :p)",
        "pk = :p AND sk BETWEEN :p AND :p",
        "pk = :p AND sk = :true",
    ] {
        assert_eq!(bind(text, &values, &schema), mismatch, "{text}");
    }
}

#[test]
fn a_query_needs_the_whole_partition_key_and_nothing_else() {
    let missed = |name: &str| Err(format!("Query condition missed key schema element: {name}"));
    let unsupported = || Err("Query key condition not supported".to_owned());
    let values = [(":p", s("x"))];
    let hash = schema(None);
    let range = schema(Some(key("sk", ScalarKind::S)));

    assert_eq!(bind("sk = :p", &values, &range), missed("pk"));
    assert_eq!(bind("a = :p", &values, &hash), missed("pk"));
    assert_eq!(bind("pk = :p AND a = :p", &values, &range), missed("sk"));
    assert_eq!(bind("a = :p AND sk = :p", &values, &range), missed("pk"));
    for text in ["pk > :p", ":p <= pk", "begins_with(pk, :p)", "pk BETWEEN :p AND :p"] {
        assert_eq!(bind(text, &values, &hash), unsupported(), "{text}");
        assert_eq!(bind(text, &values, &range), unsupported(), "{text}");
    }
    for text in ["pk = :p AND sk = :p", "a = :p AND c = :p"] {
        assert_eq!(bind(text, &values, &hash), unsupported(), "{text}");
    }
}

#[test]
fn key_conditions_of_tables_have_one_or_two_terms() {
    let text = "Conditions can be of length 1 or 2 only".to_owned();
    let expected = Err(text.clone());
    let values = [(":a", s("a"))];
    let range = schema(Some(key("b", ScalarKind::S)));
    assert_eq!(bind(":a = pk and b = :a and :a = c", &values, &range), expected);
    assert_eq!(bind("(a > :a and b > :a) and (c > :a and d > :a)", &values, &range), expected);
    let nine: Vec<String> = (0..9).map(|number| format!("a{number} = :a")).collect();
    assert_eq!(shape_fault(&nine.join(" and "), &values), text);
}

fn index(partition: &[&str], sort: &[&str]) -> IndexKeySchema {
    let keys = |names: &[&str]| names.iter().map(|name| key(name, ScalarKind::S)).collect();
    IndexKeySchema { partition: keys(partition), sort: keys(sort) }
}

fn bind_index(text: &str, schema: &IndexKeySchema) -> Result<IndexKeyCondition, String> {
    let values = [(":x", s("x")), (":y", s("y"))];
    let used: Vec<(&str, Value)> = values.into_iter().filter(|(name, _)| text.contains(name)).collect();
    let expression = parse_key_condition(text, &mut placeholders(&[], &used)).unwrap();
    expression.conditions().unwrap().bind_index(schema, no_start_key).map_err(|error| error.to_string())
}

#[test]
fn conditions_on_an_index_use_its_sort_key_from_the_left() {
    let schema = index(&["p", "q"], &["a", "b", "c"]);
    let x = || KeyValue::S("x".to_owned());
    let bound = |sort_prefix, sort| Ok(IndexKeyCondition { partition: vec![x(), x()], sort_prefix, sort });
    assert_eq!(bind_index("q = :x AND p = :x", &schema), bound(Vec::new(), None));
    assert_eq!(
        bind_index("b > :x AND q = :x AND a = :x AND p = :x", &schema),
        bound(vec![x()], Some(SortCondition::Greater(x())))
    );
    assert_eq!(
        bind_index("p = :x AND q = :x AND a = :x AND b = :x AND c BETWEEN :x AND :y", &schema),
        bound(vec![x(), x()], Some(SortCondition::Between(x(), KeyValue::S("y".to_owned()))))
    );
    assert_eq!(bind_index("p = :x AND a = :x", &schema), Err(missed_text("q")));
    assert_eq!(bind_index("p = :x AND q > :x", &schema), Err(unsupported_text()));
    assert_eq!(bind_index("p = :x AND q = :x AND b = :x", &schema), Err(missed_text("a")));
    assert_eq!(bind_index("p = :x AND q = :x AND a > :x AND b = :x", &schema), Err(unsupported_text()));
    assert_eq!(bind_index("p = :x AND q = :x AND z = :x", &schema), Err(missed_text("a")));
    assert_eq!(bind_index("p = :x AND a = :x", &index(&["p"], &[])), Err(unsupported_text()));
}

fn missed_text(name: &str) -> String {
    format!("Query condition missed key schema element: {name}")
}

fn unsupported_text() -> String {
    "Query key condition not supported".to_owned()
}

#[test]
fn key_conditions_have_a_simple_shape() {
    let values = [(":a", s("1")), (":b", s("1"))];
    let operator = |name: &str| format!("Invalid operator used in KeyConditionExpression: {name}");
    let nested_operation = "KeyConditionExpressions cannot contain nested operations".to_owned();
    let nested_attribute = "KeyConditionExpressions cannot have conditions on nested attributes".to_owned();
    let invalid = |text: &str| format!("Invalid condition in KeyConditionExpression: {text}");
    let ambiguous = invalid("Multiple attribute names used in one condition");
    let not_first =
        |name: &str| invalid(&format!("{name} operator must have the key attribute as its first operand"));
    let cases = [
        ("a > b and size(b) > c or a > c", operator("OR")),
        ("a in (b, size(c), d)", operator("IN")),
        ("attribute_exists(a)", operator("attribute_exists")),
        ("attribute_not_exists(a)", operator("attribute_not_exists")),
        ("contains(a.d, b)", operator("contains")),
        ("not a > b", operator("NOT")),
        ("a <> b", operator("<>")),
        (":a between size(b) and size(a) and b > :b", not_first("BETWEEN")),
        ("begins_with(:a, b) and a > :b", not_first("begins_with")),
        ("size(b) > a AND a.b > b AND b > c", nested_operation.clone()),
        ("a > size(b.d)", nested_operation.clone()),
        ("a between size(b) and size(a)", nested_operation),
        ("b > a.b", ambiguous.clone()),
        ("b between c[1] and d", ambiguous.clone()),
        ("a between b and size(a)", ambiguous.clone()),
        ("begins_with(a, b)", ambiguous),
        ("b.d > a AND c.d > e.f", nested_attribute.clone()),
        ("b[0] > a", nested_attribute),
        (":b > :a AND a < :b", invalid("No key attribute specified")),
        (
            "b > :a AND b < :a and c = :a and d = :a",
            "KeyConditionExpressions must only contain one condition per key".to_owned(),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(
            shape_fault(text, &values),
            format!("Invalid KeyConditionExpression: {expected}"),
            "{text}"
        );
    }
    let typed = [(":t", s("S"))];
    let expected = format!("Invalid KeyConditionExpression: {}", operator("attribute_type"));
    assert_eq!(shape_fault("attribute_type(a, :t)", &typed), expected);
}

#[test]
fn key_conditions_are_parsed_like_conditions() {
    let error = parse_key_condition("pk = ", &mut Placeholders::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"Invalid KeyConditionExpression: Syntax error; token: "<EOF>", near: "=""#
    );
}

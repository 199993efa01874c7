//! What conditions mean.

use basalt_model::expression::Condition;
use basalt_model::expression::{Comparator, Constant, Operand};
use basalt_model::{DocumentPath, Item, Value};

use crate::support::{b, bs, condition, item, l, m, n, ns, one_of_each, s, ss};

fn example() -> Item {
    item([
        ("letters", s("abc")),
        ("five", n("5")),
        ("bytes", b(b"\x00\x01\x02")),
        ("yes", Value::Bool(true)),
        ("nothing", Value::Null),
        ("texts", ss(["a", "b"])),
        ("numbers", ns(["1", "2"])),
        ("blobs", bs([b"a", b"b"])),
        ("things", l([s("a"), n("2"), l([n("7")]), m([("x", s("y"))])])),
        ("doc", m([("x", m([("y", l([n("1"), n("2")]))])), ("x.y", s("dotted"))])),
        ("wide", s("a😀é")),
    ])
}

fn holds(text: &str, values: &[(&str, Value)]) -> bool {
    let encoded = example().encode();
    condition(text, values).matches(Some(encoded.as_item())).unwrap()
}

fn assert_true(values: &[(&str, Value)], texts: &[&str]) {
    for text in texts {
        assert!(holds(text, values), "{text}");
    }
}

fn assert_false(values: &[(&str, Value)], texts: &[&str]) {
    for text in texts {
        assert!(!holds(text, values), "{text}");
    }
}

#[test]
fn not_binds_tighter_than_and_and_and_tighter_than_or() {
    let equals = |name: &str| Condition::Compare {
        comparator: Comparator::Equal,
        left: Operand::Path(DocumentPath::attribute(name)),
        right: Operand::Constant(Constant::new(n("1"))),
    };
    let not = |term| Condition::Not(Box::new(term));
    let parse = |text: &str| condition(&text.replace('?', "= :v"), &[(":v", n("1"))]);

    assert_eq!(
        parse("a ? OR b ? AND NOT c ? OR d ?"),
        Condition::Or(vec![equals("a"), Condition::And(vec![equals("b"), not(equals("c"))]), equals("d"),])
    );
    assert_eq!(
        parse("NOT (a ? OR b ?) AND (c ? OR d ?)"),
        Condition::And(vec![
            not(Condition::Or(vec![equals("a"), equals("b")])),
            Condition::Or(vec![equals("c"), equals("d")]),
        ])
    );
    assert_eq!(parse("NOT NOT a ?"), not(not(equals("a"))));
    assert_eq!(parse("nOt (a) ? aNd b ?"), Condition::And(vec![not(equals("a")), equals("b")]));
    // The AND of BETWEEN is not the operator.
    assert_eq!(
        condition("a BETWEEN :v AND :v AND b = :v", &[(":v", n("1"))]),
        Condition::And(vec![
            Condition::Between {
                value: Operand::Path(DocumentPath::attribute("a")),
                lower: Operand::Constant(Constant::new(n("1"))),
                upper: Operand::Constant(Constant::new(n("1"))),
            },
            equals("b"),
        ])
    );
}

#[test]
fn scalars_compare_within_their_type() {
    let values = [
        (":abc", s("abc")),
        (":abd", s("abd")),
        (":five", n("5.0")),
        (":ten", n("10")),
        (":b", b(b"\x00\x01\x02")),
    ];
    assert_true(
        &values[..2],
        &["letters = :abc AND letters < :abd", "letters <> :abd AND letters <= :abc AND :abd > letters"],
    );
    assert_true(
        &values[2..4],
        &["five = :five", "five < :ten", "five BETWEEN :five AND :ten AND NOT five > :ten"],
    );
    assert_true(&values[4..], &["bytes = :b AND bytes >= :b AND bytes <= :b"]);
    assert_false(&values[..1], &["five = :abc", "five < :abc", "five >= :abc", "bytes = :abc"]);
    assert_true(&values[..1], &["five <> :abc"]);
    assert_true(
        &[(":true", Value::Bool(true)), (":null", Value::Null)],
        &["yes = :true AND nothing = :null"],
    );
    assert_true(&[(":false", Value::Bool(false))], &["yes <> :false"]);
}

#[test]
fn what_has_no_order_is_neither_less_nor_greater() {
    for name in ["yes", "nothing", "texts", "numbers", "things", "doc"] {
        for operator in ["<", "<=", ">", ">="] {
            assert_false(&[], &[&format!("{name} {operator} doc.x"), &format!("doc.x {operator} {name}")]);
        }
    }
}

#[test]
fn documents_and_sets_compare_deeply() {
    let values = [
        (":texts", ss(["b", "a"])),
        (":numbers", ns(["2.0", "1"])),
        (":blobs", bs([b"b", b"a"])),
        (":list", l([n("1.00"), n("2")])),
        (":map", m([("x.y", s("dotted")), ("x", m([("y", l([n("1"), n("2")]))]))])),
    ];
    assert_true(
        &values,
        &["texts = :texts AND numbers = :numbers AND blobs = :blobs AND doc.x.y = :list AND doc = :map"],
    );
    assert_false(
        &[(":list", l([n("2"), n("1")])), (":texts", ss(["a"])), (":map", m([("x", n("1"))]))],
        &["doc.x.y = :list OR texts = :texts OR doc = :map"],
    );
}

#[test]
fn a_missing_attribute_makes_everything_false_but_unequal() {
    let values = [(":a", s("a")), (":b", s("b"))];
    assert_false(
        &values,
        &[
            "gone = :a OR gone = :b",
            "gone < :a OR gone >= :b",
            "gone BETWEEN :a AND :b",
            "gone IN (:a, :b)",
            "contains(gone, :a) OR contains(letters, gone) OR letters = :b",
            "begins_with(gone, :a) OR letters = :b",
        ],
    );
    assert_false(&[], &["gone = away", "size(gone) = five", "attribute_exists(gone)", "doc.x.z = five"]);
    assert_true(&values[..1], &["gone <> :a", ":a <> gone", "NOT gone = :a"]);
    assert_true(&[], &["gone <> away", "attribute_not_exists(doc.x.z)", "attribute_not_exists(letters.a)"]);
    assert_true(&[], &["size(gone) <> five", "size(five) <> five", "attribute_not_exists(doc.x.y[2])"]);
}

#[test]
fn no_item_is_an_item_without_attributes() {
    let matches = |text: &str| condition(text, &[(":a", s("a"))]).matches(None).unwrap();
    assert!(matches("attribute_not_exists(letters) AND letters <> :a"));
    assert!(!matches("attribute_exists(letters) OR letters = :a"));
}

#[test]
fn in_compares_with_each_candidate() {
    let values = [(":a", s("x")), (":b", n("5"))];
    assert_true(&values, &["five IN (:a, :b)", "five IN (gone, :a, :b)"]);
    assert_false(&values, &["letters IN (:a, :b)"]);
    assert_true(&[], &["doc.x.y[1] IN (five, things[1])"]);
}

#[test]
fn contains_looks_into_texts_bytes_sets_and_lists() {
    assert_true(
        &[(":b", s("b")), (":two", n("2")), (":bytes", b(b"\x01\x02")), (":blob", b(b"a"))],
        &[
            "contains(letters, :b) AND contains(texts, :b) AND contains(numbers, :two) AND contains(things, :two) \
           AND contains(bytes, :bytes) AND contains(blobs, :blob)",
        ],
    );
    assert_true(
        &[(":l", l([n("7")])), (":m", m([("x", s("y"))]))],
        &["contains(things, :l) AND contains(things, :m)"],
    );
    assert_true(&[(":empty", s(""))], &["contains(letters, :empty)"]);
    assert_false(
        &[(":b", s("b")), (":one", n("1")), (":x", s("x"))],
        &["contains(things, :b) OR contains(numbers, :b) OR contains(letters, :one) OR contains(doc, :x) \
           OR contains(five, :one) OR contains(yes, :one)"],
    );
    assert_true(&[], &["contains(numbers, size(texts))", "contains(things, size(texts))"]);
}

#[test]
fn begins_with_takes_texts_and_bytes() {
    assert_true(
        &[(":a", s("ab")), (":b", b(b"\x00"))],
        &["begins_with(letters, :a) AND begins_with(bytes, :b)"],
    );
    assert_false(
        &[(":b", s("b")), (":x", b(b"abc"))],
        &["begins_with(letters, :b) OR begins_with(letters, :x)"],
    );
    assert_true(&[(":long", s("abcdef"))], &["begins_with(:long, letters)"]);
}

#[test]
fn attribute_type_knows_all_ten() {
    let attributes = one_of_each().map(|(name, value)| (name[1..].to_owned(), value));
    let encoded =
        Item::from_iter(attributes.iter().map(|(kind, value)| (format!("x{kind}"), value.clone()))).encode();
    for (attribute, _) in &attributes {
        for (kind, _) in &attributes {
            let condition = condition(&format!("attribute_type(x{attribute}, :t)"), &[(":t", s(kind))]);
            assert_eq!(
                condition.matches(Some(encoded.as_item())),
                Ok(attribute == kind),
                "{attribute} {kind}"
            );
        }
    }
}

#[test]
fn size_counts_what_the_type_is_made_of() {
    let sizes = [
        ("letters", 3),
        // One UTF-16 unit, two, and one.
        ("wide", 4),
        ("bytes", 3),
        ("texts", 2),
        ("numbers", 2),
        ("blobs", 2),
        ("things", 4),
        ("doc", 2),
    ];
    for (name, size) in sizes {
        let values = [(":size", n(&size.to_string()))];
        assert_true(&values, &[&format!("size({name}) = :size"), &format!(":size <= size({name})")]);
    }
    assert_true(&[], &["size(texts) = size(blobs) AND size(letters) > size(texts) AND five > size(things)"]);
    assert_false(&[(":one", n("1"))], &["size(yes) = :one", "size(five) = :one", "size(nothing) >= :one"]);
}

#[test]
fn a_dot_inside_of_a_placeholder_is_part_of_the_name() {
    let mut placeholders = crate::support::placeholders(&[("#dotted", "x.y")], &[(":v", s("dotted"))]);
    let kind = basalt_model::expression::ExpressionKind::Filter;
    let condition =
        basalt_model::expression::parse_condition(kind, "doc.#dotted = :v", &mut placeholders).unwrap();
    assert_eq!(condition.matches(Some(example().encode().as_item())), Ok(true));
}

#[test]
fn paths_are_listed_for_the_rules_about_keys() {
    let condition = condition(
        "a = b.c AND NOT size(d[0]) > :v OR attribute_exists(e) OR f IN (g, :v) OR h BETWEEN :v AND i",
        &[(":v", n("1"))],
    );
    let names: Vec<&str> = condition.paths().iter().map(|path| path.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "d", "e", "f", "g", "h", "i"]);
    use basalt_model::expression::{check_filter_names, check_key_paths};
    assert_eq!(
        check_filter_names(&condition, ["z", "g"]).unwrap_err().to_string(),
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: g"
    );
    assert_eq!(check_filter_names(&condition, ["z"]), Ok(()));
    assert_eq!(
        check_key_paths(&condition.paths(), ["a", "b"], ["d"]).unwrap_err().to_string(),
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: b"
    );
    assert_eq!(
        check_key_paths(&condition.paths(), ["a"], ["e", "d"]).unwrap_err().to_string(),
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: IndexKey: d"
    );
    assert_eq!(check_key_paths(&condition.paths(), ["a"], ["e"]), Ok(()));
}

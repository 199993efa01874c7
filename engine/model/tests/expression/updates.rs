//! What updates change.

use basalt_model::expression::UpdateError;
use basalt_model::size::UpdateActions;
use basalt_model::{Item, NumberError, Value};

use crate::support::{b, bs, item, l, m, n, ns, s, ss, update};

fn key() -> Item {
    item([("pk", s("k"))])
}

fn apply_to(old: Option<&Item>, text: &str, values: &[(&str, Value)]) -> Result<Item, UpdateError> {
    let old = old.map(Item::encode);
    let new = update(text, values).apply(old.as_ref().map(|old| old.as_item()), &key())?;
    basalt_format::item_encoding::validate(new.as_bytes()).unwrap();
    let decoded = new.as_item().to_item().unwrap();
    assert_eq!(decoded.encode(), new, "an update writes the one encoding of its item");
    Ok(decoded)
}

fn apply(old: &Item, text: &str, values: &[(&str, Value)]) -> Item {
    apply_to(Some(old), text, values).unwrap()
}

fn fault(old: &Item, text: &str, values: &[(&str, Value)]) -> String {
    apply_to(Some(old), text, values).unwrap_err().to_string()
}

const INVALID_PATH: &str = "The document path provided in the update expression is invalid for update";
const MISSING: &str = "The provided expression refers to an attribute that does not exist in the item";
const WRONG_TYPE: &str = "An operand in the update expression has an incorrect data type";

#[test]
fn right_sides_see_the_item_as_it_was() {
    let old = item([("pk", s("k")), ("a", n("1")), ("b", n("2"))]);
    assert_eq!(apply(&old, "SET a = b, b = a", &[]), item([("pk", s("k")), ("a", n("2")), ("b", n("1"))]));
    assert_eq!(
        apply(&old, "REMOVE a SET c = a ADD b :n", &[(":n", n("5"))]),
        item([("pk", s("k")), ("b", n("7")), ("c", n("1"))])
    );
}

#[test]
fn an_item_that_is_not_there_is_made_of_its_key() {
    assert_eq!(
        apply_to(None, "SET b = if_not_exists(b, pk)", &[]),
        Ok(item([("pk", s("k")), ("b", s("k"))]))
    );
    let nothing_yet =
        apply_to(None, "REMOVE b DELETE c :ss ADD d :n, e :ss", &[(":ss", ss(["a"])), (":n", n("5"))]);
    assert_eq!(nothing_yet, Ok(item([("pk", s("k")), ("d", n("5")), ("e", ss(["a"]))])));
}

#[test]
fn arithmetic_is_exact_and_may_be_grouped() {
    let old = item([("a", n("0.1")), ("c", n("10"))]);
    let values = [(":v", n("0.2"))];
    assert_eq!(apply(&old, "SET a = a + :v", &values), item([("a", n("0.3")), ("c", n("10"))]));
    assert_eq!(apply(&old, "SET a = (a - :v)", &values), item([("a", n("-0.1")), ("c", n("10"))]));
    assert_eq!(apply(&old, "SET z = if_not_exists(z, :v) + c", &values).get("z"), Some(&n("10.2")));
    assert_eq!(apply(&old, "SET z = ((c) - (a))", &[]).get("z"), Some(&n("9.9")));
    let large = item([("a", n("1e50"))]);
    let overflow = apply_to(Some(&large), "SET a = a + :one", &[(":one", n("1"))]);
    assert_eq!(overflow, Err(UpdateError::Number(NumberError::Overflow)));
    assert_eq!(
        fault(&large, "ADD a :one", &[(":one", n("1"))]),
        "Number overflow. Attempting to store a number with magnitude larger than supported range"
    );
}

#[test]
fn functions_nest() {
    let old = item([("l", l([n("1")]))]);
    let values = [(":e", l([])), (":m", l([s("x"), s("y")]))];
    assert_eq!(
        apply(
            &old,
            "SET l = list_append(if_not_exists(l, :e), :m), k = list_append(if_not_exists(k, :e), :m)",
            &values
        ),
        item([("l", l([n("1"), s("x"), s("y")])), ("k", l([s("x"), s("y")]))])
    );
    assert_eq!(
        apply(&old, "SET l = list_append(:m, list_append(l, l))", &values[1..]),
        item([("l", l([s("x"), s("y"), n("1"), n("1")]))])
    );
}

#[test]
fn a_list_takes_what_is_set_behind_its_end_in_the_order_of_indexes() {
    let old = item([
        ("a", s("key")),
        ("b", m([("a", n("1")), ("b", n("2")), ("c", n("3"))])),
        ("c", l([n("1"), n("3")])),
    ]);
    let new = apply(
        &old,
        "set b.c=((c[1])+(b.a)),b.a = a,c[1] = a, c[4] = b.a - b.b, c[2] = b.c add c[8] :b, c[6] :a",
        &[(":a", n("2")), (":b", ss(["a"]))],
    );
    let expected = item([
        ("a", s("key")),
        ("b", m([("a", s("key")), ("b", n("2")), ("c", n("4"))])),
        ("c", l([n("1"), s("key"), n("3"), n("-1"), n("2"), ss(["a"])])),
    ]);
    assert_eq!(new, expected);
}

#[test]
fn removed_elements_are_named_by_their_old_indexes() {
    let old = item([("l", l([s("0"), s("1"), s("2"), s("3"), s("4")]))]);
    assert_eq!(apply(&old, "REMOVE l[1], l[2]", &[]), item([("l", l([s("0"), s("3"), s("4")]))]));
    assert_eq!(
        apply(&old, "REMOVE l[3], l[0], l[9] SET l[1] = :x, l[7] = :y", &[(":x", s("x")), (":y", s("y"))]),
        item([("l", l([s("x"), s("2"), s("4"), s("y")]))])
    );
    let nested = item([("l", l([l([n("1"), n("2")]), m([("x", n("3")), ("y", n("4"))])]))]);
    assert_eq!(
        apply(&nested, "REMOVE l[0][0], l[1].x SET l[1].z = l[0][0]", &[]),
        item([("l", l([l([n("2")]), m([("y", n("4")), ("z", n("1"))])]))])
    );
    assert_eq!(apply(&nested, "REMOVE l[0], l[1]", &[]), item([("l", l([]))]));
}

#[test]
fn nested_entries_come_and_go_in_their_maps() {
    let old = item([("doc", m([("b", n("1")), ("d", n("2"))])), ("x.y", n("3"))]);
    assert_eq!(
        apply(&old, "SET doc.a = :v, doc.c = :v, doc.e = :v REMOVE doc.d, #dot", &[(":v", n("0"))]),
        item([("doc", m([("a", n("0")), ("b", n("1")), ("c", n("0")), ("e", n("0"))]))])
    );
    assert_eq!(apply(&old, "REMOVE doc.b, doc.d, #dot", &[]), item([("doc", m([]))]));
    assert_eq!(apply(&old, "REMOVE gone, doc.gone", &[]), old);
}

#[test]
fn add_makes_numbers_and_sets_grow() {
    let old = item([("n", n("1")), ("ss", ss(["a", "b"])), ("ns", ns(["1", "2"])), ("bs", bs([b"a"]))]);
    let values =
        [(":n", n("-3")), (":ss", ss(["b", "c"])), (":ns", ns(["2.0", "0"])), (":bs", bs([b"b", b"a"]))];
    let expected = item([
        ("n", n("-2")),
        ("ss", ss(["a", "b", "c"])),
        ("ns", ns(["0", "1", "2"])),
        ("bs", bs([b"a", b"b"])),
    ]);
    assert_eq!(apply(&old, "ADD n :n, ss :ss, ns :ns, bs :bs", &values), expected);
    assert_eq!(apply(&item([("m", m([]))]), "ADD m.n :n", &values[..1]), item([("m", m([("n", n("-3"))]))]));
}

#[test]
fn delete_makes_sets_shrink_and_the_last_member_takes_the_attribute_along() {
    let old = item([("a", ss(["x", "y"])), ("l", l([ns(["1"]), n("2")])), ("m", m([("b", bs([b"q"]))]))]);
    let values = [(":x", ss(["x", "z"])), (":one", ns(["1.0"])), (":q", bs([b"q"]))];
    assert_eq!(
        apply(&old, "DELETE a :x, l[0] :one, m.b :q, gone :x", &values),
        item([("a", ss(["y"])), ("l", l([n("2")])), ("m", m([]))])
    );
    assert_eq!(apply(&old, "DELETE a :all", &[(":all", ss(["x", "y"]))]).get("a"), None);
}

#[test]
fn operands_of_a_wrong_type_are_refused() {
    let old = item([("b", m([("a", ss(["1"]))])), ("c", n("1")), ("d", ns(["1"])), ("t", s("x"))]);
    let values = [(":ss", ss(["1"])), (":ns", ns(["1"])), (":bs", bs([b"a"])), (":n", n("1")), (":l", l([]))];
    for text in [
        "delete d :ss",
        "delete b :ns",
        "delete b.a :ns",
        "delete b.a :bs",
        "delete c :ns",
        "add b :ns",
        "add d :n",
        "add t :n",
        "set e = t + :n",
        "set e = b - :n",
        "set e = list_append(d, if_not_exists(f, :l))",
        "set e = list_append(:l, c)",
        "set e = if_not_exists(t, :n) + :n",
        "set e = list_append(:l, :l) + :n",
    ] {
        assert_eq!(fault(&old, text, &values), WRONG_TYPE, "{text}");
    }
}

#[test]
fn missing_operands_are_refused() {
    let old = item([("b", n("1"))]);
    for text in [
        "set c = gone",
        "set e = list_append(gone, b)",
        "set c = b + gone",
        "set c = b.x",
        "set c = if_not_exists(gone, away)",
    ] {
        assert_eq!(fault(&old, text, &[]), MISSING, "{text}");
    }
}

#[test]
fn places_need_something_to_be_in() {
    let old = item([("b", s("x")), ("c", m([("1", s("a"))])), ("d", l([s("a"), s("b")]))]);
    let value = [(":a", ss(["a"]))];
    for path in ["b.a", "b[1]", "y.a", "y[1]", "c[1]", "d.x", "c.gone.x", "d[7].x", "d[0][0]"] {
        for text in [format!("set {path} = :a"), format!("add {path} :a"), format!("delete {path} :a")] {
            assert_eq!(fault(&old, &text, &value), INVALID_PATH, "{text}");
        }
        assert_eq!(fault(&old, &format!("remove {path} set z = :a"), &value), INVALID_PATH, "remove {path}");
        let nothing = apply_to(None, &format!("set {path} = :a"), &value);
        assert_eq!(nothing, Err(UpdateError::Path), "{path}");
    }
}

#[test]
fn right_sides_fail_before_places() {
    let old = item([("b", s("x"))]);
    assert_eq!(fault(&old, "SET b.c = :v, d = gone", &[(":v", n("1"))]), MISSING);
}

#[test]
fn items_do_not_nest_deeper_than_32_levels() {
    let wrapped = |levels: usize| (0..levels).fold(n("1"), |inner, _| l([inner]));
    let text = "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond \
                supported limit";
    let deep = item([("a", wrapped(31)), ("m", m([]))]);
    assert_eq!(fault(&deep, "SET m.x = a", &[]), text);
    assert_eq!(fault(&deep, "SET z = list_append(:l, :l)", &[(":l", l([wrapped(31)]))]), text);
    assert_eq!(apply(&deep, "SET b = a", &[]).get("b"), Some(&wrapped(31)));
    assert_eq!(apply(&deep, "SET m.x = :v", &[(":v", wrapped(30))]).get("m"), Some(&m([("x", wrapped(30))])));
}

#[test]
fn an_update_that_copies_a_large_value_many_times_is_refused_before_it_is_made() {
    let text = "Item size to update has exceeded the maximum allowed size";
    let assignments = |value: &str| {
        let targets: Vec<_> = (0..300).map(|number| format!("a{number}={value}")).collect();
        format!("SET {}", targets.join(","))
    };
    let large = [(":v", b(&[7; 300_000]))];
    assert_eq!(fault(&key(), &assignments(":v"), &large), text);
    let nested = (0..60).fold("l".to_owned(), |list, _| format!("list_append({list},l)"));
    let many = item([("l", l(vec![Value::Null; 100_000]))]);
    assert_eq!(fault(&many, &format!("SET a={nested}"), &[]), text);
    let members: Vec<_> = (0..20_000).map(|number| number.to_string()).collect();
    let members = [(":v", Value::string_set(members).unwrap())];
    let additions: Vec<_> = (0..300).map(|number| format!("a{number} :v")).collect();
    assert_eq!(fault(&key(), &format!("ADD {}", additions.join(",")), &members), text);
}

#[test]
fn an_update_may_make_an_item_that_is_a_little_too_large() {
    // The exact count is another's.
    let half = b(&[7; 250_000]);
    let twice = apply(&key(), "SET a = :v, c = :v", &[(":v", half.clone())]);
    assert_eq!((twice.get("a"), twice.get("c")), (Some(&half), Some(&half)));
}

#[test]
fn touched_places_are_shown_literally_of_old_and_new_item() {
    let old = item([
        ("pk", s("k")),
        ("b", m([("a", n("1")), ("z", n("2"))])),
        ("c", l([n("1"), n("3")])),
        ("gone", s("x")),
    ]);
    let update = update("SET b.a = :v, c[1] = :v, c[4] = :v REMOVE gone ADD fresh :v", &[(":v", n("7"))]);
    let encoded = old.encode();
    let new = update.apply(Some(encoded.as_item()), &key()).unwrap();
    let shown = |item: &basalt_model::EncodedItem| {
        update.touched().project(item.as_item()).unwrap().as_item().to_item().unwrap()
    };
    assert_eq!(shown(&encoded), item([("b", m([("a", n("1"))])), ("c", l([n("3")])), ("gone", s("x"))]));
    assert_eq!(shown(&new), item([("b", m([("a", n("7"))])), ("c", l([n("7")])), ("fresh", n("7"))]));

    let removal = crate::support::update("REMOVE gone", &[]);
    let new = removal.apply(Some(encoded.as_item()), &key()).unwrap();
    assert!(removal.touched().project(new.as_item()).unwrap().as_item().is_empty());
}

#[test]
fn keys_are_not_updated() {
    let cannot = |name: &str| {
        format!(
            "One or more parameter values were invalid: Cannot update attribute {name}. This attribute is part of \
             the key"
        )
    };
    for (text, name) in [
        ("SET pk = x", "pk"),
        ("REMOVE sk", "sk"),
        ("SET sk = x REMOVE pk", "pk"),
        ("SET x = y, sk[1] = x", "sk"),
        ("SET pk.x = y", "pk"),
    ] {
        let error = update(text, &[]).check_key_attributes(["pk", "sk"]).unwrap_err();
        assert_eq!(error.to_string(), cannot(name), "{text}");
    }
    assert_eq!(update("SET x = pk, y = sk", &[]).check_key_attributes(["pk", "sk"]), Ok(()));

    let paths = update("SET e = list_append(a, if_not_exists(b.c, f)), f = d[1] + g", &[]);
    let names: Vec<&str> = paths.paths().iter().map(|path| path.name.as_str()).collect();
    assert_eq!(names, ["e", "a", "b", "f", "f", "d", "g"]);
}

#[test]
fn actions_are_counted_for_the_size_limit() {
    let update =
        update("SET a = :n, b = :n ADD c :n DELETE d :ss REMOVE e, f", &[(":n", n("1")), (":ss", ss(["a"]))]);
    assert_eq!(update.size_actions(), UpdateActions { writing_count: 3, clearing_count: 3 });
    assert_eq!(
        basalt_model::size::updated_size_bytes(1000, 10, update.size_actions()),
        1000 - 10 + 3 + 57 + 6
    );
}

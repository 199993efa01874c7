//! What WHERE comes to on a table: the item of a write, the queries of a SELECT, or a scan. Captures as in `partiql`.

use basalt_model::partiql::{
    BoundSelect, BoundStatement, IndexScope, IndexView, SelectPlan, SortOrder, StatementError,
    parse_statement,
};
use basalt_model::{IndexKeySchema, Item, KeyAttribute, ScalarKind};

use crate::support::{item, s};

fn key() -> IndexKeySchema {
    let attribute = |name: &str| KeyAttribute { name: name.to_owned(), kind: ScalarKind::S };
    IndexKeySchema { partition: vec![attribute("pk")], sort: vec![attribute("sk")] }
}

fn select(rest: &str) -> BoundSelect {
    match parse_statement(&format!("SELECT sk FROM t WHERE {rest}")).unwrap().bind(&[]).unwrap() {
        BoundStatement::Select(select) => select,
        other => panic!("{other:?}"),
    }
}

fn plan(rest: &str) -> Result<SelectPlan, StatementError> {
    select(rest).plan(&key())
}

/// How many queries it is; 0 for a scan.
fn query_count(rest: &str) -> usize {
    match plan(rest).unwrap_or_else(|error| panic!("{rest}: {error}")) {
        SelectPlan::Scan => 0,
        SelectPlan::Queries { reads, .. } => reads.len(),
    }
}

#[test]
fn a_fixed_partition_key_makes_queries_and_everything_else_a_scan() {
    let cases = [
        ("pk = 'a'", 1),
        ("'a' = pk AND x = 1", 1),
        ("(pk = 'a' AND sk = '1') AND x = 1", 1),
        ("pk IN ['a', 'b', 'c']", 3),
        ("pk = 'a' OR pk = 'b'", 2),
        ("pk = 'a' AND (sk = '1' OR sk = '2')", 2),
        ("pk = 'a' AND sk IN ['1', '2']", 2),
        ("pk IN ['a', 'b'] AND sk IN ['1', '2']", 4),
        ("pk = 'a' AND (sk < '1' OR sk > '1' OR sk = '1')", 3),
        ("pk = 'a' AND (x = 1 OR y = 2)", 1),
        ("pk = 'a' AND NOT sk = '1'", 1),
        ("pk = 'a' AND sk > '2' AND sk < '1'", 0),
        ("pk = 'a' AND NOT sk = '1' OR pk = 'a' AND sk = '2'", 1),
        ("pk = 'a' OR pk = 'a' AND NOT sk = '1'", 1),
        ("pk = 'a' AND sk <> '1' OR pk = 'a' AND sk = '2' OR pk = 'b'", 2),
        ("pk = 'a' OR sk = '1'", 0),
        ("pk > 'a'", 0),
        ("pk > 1", 0),
        ("NOT pk = 'a'", 0),
        ("pk = 'a' AND pk = 'b'", 0),
        ("x = 1", 0),
    ];
    for (condition, count) in cases {
        assert_eq!(query_count(condition), count, "{condition}");
    }
}

#[test]
fn reads_that_share_items_are_refused() {
    for condition in [
        "pk IN ['a', 'a']",
        "pk = 'a' OR pk = 'a'",
        "pk = 'a' AND (sk > '0' OR sk < '5')",
        "pk = 'a' AND (sk = '1' OR x = 'two')",
        "(pk = 'a' AND x = 'one') OR (pk = 'a' AND x = 'two')",
        "pk = 'a' AND x = '1' OR pk = 'a' AND sk = '2'",
        "pk = 'a' AND (begins_with(sk, 'ab') OR sk = 'abc')",
    ] {
        assert_eq!(plan(condition).unwrap_err(), StatementError::Overlap, "{condition}");
    }
    assert_eq!(query_count("pk = 'a' AND (begins_with(sk, 'ab') OR sk = 'ac')"), 2);
}

#[test]
fn a_select_comes_to_at_most_fifty_queries() {
    let values = |count: usize| (0..count).map(|value| format!("'v{value}'")).collect::<Vec<_>>().join(",");
    for condition in [
        format!("pk IN [{}]", values(51)),
        format!("pk = 'a' AND sk IN [{}]", values(51)),
        format!("pk IN [{}] AND sk IN ['1','2']", values(26)),
    ] {
        assert_eq!(plan(&condition).unwrap_err(), StatementError::TooManyReads);
    }
    assert_eq!(query_count(&format!("pk IN [{}] AND x IN [{}]", values(50), values(100))), 50);
    assert_eq!(query_count(&format!("pk IN [{}] OR x = 'one'", values(51))), 0);
}

#[test]
fn key_attributes_are_compared_with_their_own_type() {
    let told = |condition| plan(condition).unwrap_err().to_string();
    let text = "Key attribute's data type should match its data type in table's schema: Key ";
    assert_eq!(told("pk = 1 OR pk = 'a'"), format!("{text}pk"));
    assert_eq!(told("pk = 'a' AND sk IN ['1', 2]"), format!("{text}sk"));
}

#[test]
fn order_by_needs_the_key_that_it_orders_by() {
    let told = |condition| plan(condition).unwrap_err().to_string();
    assert_eq!(
        told("pk = 'o' ORDER BY Total DESC"),
        "Attribute Total in ORDER BY clause must be part of the primary key"
    );
    assert_eq!(
        told("pk > 'a' ORDER BY sk"),
        "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause."
    );
    assert_eq!(
        told("pk IN ['o', 'p'] ORDER BY sk DESC"),
        "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause."
    );
}

#[test]
fn order_by_decides_the_order_of_queries_and_within_them() {
    let ordered = |condition: &str| match plan(condition).unwrap() {
        SelectPlan::Queries { reads, sort_order } => {
            let conditions = reads.iter().map(|read| format!("{:?}", read.conditions(&key()).unwrap()));
            let first = conditions.map(|text| if text.contains("\"o\"") { 'o' } else { 'p' });
            (first.collect::<String>(), sort_order)
        }
        SelectPlan::Scan => panic!("{condition} is a scan"),
    };
    assert_eq!(ordered("pk IN ['o', 'p'] ORDER BY pk DESC, sk ASC"), ("po".into(), SortOrder::Ascending));
    assert_eq!(ordered("pk IN ['p', 'o'] ORDER BY pk"), ("op".into(), SortOrder::Descending));
    assert_eq!(ordered("pk = 'o' ORDER BY sk DESC"), ("o".into(), SortOrder::Descending));
    assert_eq!(ordered("pk = 'o'"), ("o".into(), SortOrder::Ascending));
}

#[test]
fn a_write_names_one_item() {
    let key_of = |condition: &str| match parse_statement(&format!("DELETE FROM t WHERE {condition}"))
        .unwrap()
        .bind(&[])
        .unwrap()
    {
        BoundStatement::Delete(delete) => delete.key(&key()),
        other => panic!("{other:?}"),
    };
    let expected: Item = item([("pk", s("a")), ("sk", s("1"))]);
    for condition in ["pk='a' AND sk='1'", "(pk='a' AND sk='1') AND x='y'", "sk='1' AND pk='a' AND pk='a'"] {
        assert_eq!(key_of(condition), Ok(expected.clone()), "{condition}");
    }
    let missing = "Where clause does not contain a mandatory equality on all key attributes";
    for condition in
        ["pk='a'", "x=1", "pk='a' AND sk>'1'", "pk IN ['a'] AND sk='1'", "(pk='a' AND sk='1') OR x=1"]
    {
        assert_eq!(key_of(condition).unwrap_err().to_string(), missing, "{condition}");
    }
    assert_eq!(
        key_of("pk='a' AND sk='1' AND pk='b'").unwrap_err().to_string(),
        "Multiple conditions on same key pk. Only single item Update/Insert/Delete are supported"
    );
}

#[test]
fn a_read_of_exactly_one_item_asks_for_nothing_else() {
    let expected: Item = item([("pk", s("a")), ("sk", s("1"))]);
    for condition in ["pk='a' AND sk='1'", "pk IN ['a'] AND sk IN ['1']", "(sk='1') AND pk='a' AND pk='a'"] {
        assert_eq!(select(condition).exact_key(&key()), Some(expected.clone()), "{condition}");
    }
    for condition in [
        "pk='a'",
        "pk='a' AND sk='1' AND x=1",
        "pk='a' AND sk='1' AND pk='b'",
        "pk IN ['b'] AND pk='a' AND sk='1'",
    ] {
        assert_eq!(select(condition).exact_key(&key()), None, "{condition}");
    }
}

#[test]
fn exists_asks_for_more_than_the_key_of_one_item() {
    let checked = |condition: &str| {
        select(condition).checked_key(&key()).map(|(item, rest)| (item, rest.paths().len()))
    };
    let expected: Item = item([("pk", s("a")), ("sk", s("1"))]);
    assert_eq!(checked("pk='a' AND sk='1' AND x IS MISSING"), Ok((expected.clone(), 1)));
    assert_eq!(checked("pk='a' AND sk='1' AND pk='b' AND x=1"), Ok((expected, 2)));
    for condition in ["pk='a' AND sk='1'", "pk='a' AND x=1", "pk IN ['a'] AND sk='1' AND x=1"] {
        assert_eq!(checked(condition).unwrap_err(), StatementError::ExistsShape, "{condition}");
    }
}

#[test]
fn queries_of_an_index_ask_for_what_it_holds() {
    let index = IndexView {
        index_name: "gsi-inc".into(),
        scope: IndexScope::Global,
        projected: Some(["pk", "sk", "held"].map(str::to_owned).into()),
    };
    let checked = |condition: &str| {
        let select = select(condition);
        let plan = select.plan(&key()).unwrap();
        select.check_projected(&index, &plan).map_err(|error| error.to_string())
    };
    let told = |names: &str| {
        Err(format!(
            "One or more parameter values were invalid: Secondary index gsi-inc does not project one or more filter \
             attributes: [{names}]"
        ))
    };
    assert_eq!(checked("pk='y' AND NOT (gone='np1' OR held='x')"), told("gone"));
    assert_eq!(checked("pk='y' AND b='1' AND (a='2' OR held='3')"), told("a, b"));
    assert_eq!(checked("pk='y' AND (zz='1' OR aa='2' OR mm='3')"), told("zz, aa, mm"));
    assert_eq!(checked("(pk='y' OR pk='z') AND zz='1'"), told("zz"));
    assert_eq!(checked("(pk='b' AND u1='1') OR (pk='q' AND u2='1')"), told("u2"));
    assert_eq!(checked("(pk='q' AND u1='1') OR (pk='b' AND u2='1')"), told("u1"));
    for accepted in [
        "pk='y' AND (held='1' OR held='2')",
        "(pk='y' AND held='1') OR (pk='z' AND aa='1')",
        "pk > 'a' AND zz='1'",
        "pk='y' AND (pk='z' OR zz='1')",
        "(pk='y' AND zz='1') OR aa='1'",
    ] {
        assert_eq!(checked(accepted), Ok(()), "{accepted}");
    }
}

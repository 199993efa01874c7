//! What single statements mean and what is said of those that mean nothing. The texts were captured from DynamoDB in
//! eu-west-2 by public conformance suites, July to October 2026.

use basalt_model::partiql::{BoundStatement, BoundUpdate, StatementError, parse_statement};
use basalt_model::{Item, Value};

use crate::support::{b, bs, item, l, m, n, ns, s, ss};

fn bind(text: &str, parameters: &[Value]) -> Result<BoundStatement, StatementError> {
    parse_statement(text)?.bind(parameters)
}

fn refusal(text: &str) -> String {
    refusal_with(text, &[])
}

fn refusal_with(text: &str, parameters: &[Value]) -> String {
    bind(text, parameters).expect_err(text).to_string()
}

fn malformed(detail: &str) -> String {
    format!("Statement wasn't well formed, can't be processed: {detail}")
}

#[test]
fn what_the_grammar_does_not_allow_is_told_in_the_reference_implementations_words() {
    let cases = [
        ("SELECT * FROM \"t\" WHERE pk = 1 foo", "Unexpected token after expression"),
        ("SELECT * FROM \"t\" WHERE pk = 1 e5", "Unexpected token after expression"),
        ("INSERT INTO \"t\" VALUE {'pk': 1} foo", "Unexpected token after expression"),
        ("UPDATE \"t\" SET a = 9 WHERE pk = 1 foo", "Unexpected token after expression"),
        ("SELECT * FROM \"t\" WHERE pk = 1)", "Unexpected token after expression"),
        ("DELETE FROM \"t\" WHERE pk = 1 ORDER BY pk", "Unexpected token after expression"),
        ("SELECT * FROM \"t\" ORDER BY pk WHERE pk = 1", "Unexpected token after expression"),
        ("INSERT INTO \"t\" x VALUE {'pk': 'x'}", "Unexpected token after expression"),
        ("FROM \"t\" SET c = 1 WHERE pk = 'x' SET d = 2", "Unexpected token after expression"),
        ("SELECT * FROM t;;", "Unexpected token after semicolon. (Only one query is allowed.)"),
        ("SELECT * FROM \"t\" WHERE pk = 1e2147483648", ""),
        ("SELECT * FROM \"t\" WHERE pk = 1.5e-2147483647", ""),
        ("SELECT * FROM \"t\" WHERE pk = 1 # note", ""),
        ("SELECT * FROM \"t\" WHERE pk = 1 /* note", ""),
        ("SELECT * FROM \"t\" WHERE", "Unexpected term"),
        ("SELECT * FROM \"t\" WHERE;", "Unexpected term"),
        ("UPDATE \"t\" SET a = 1 WHERE", "Unexpected term"),
        ("DELETE FROM \"t\" WHERE", "Unexpected term"),
        ("SELECT * FROM \"t\" WHERE NOT", "Unexpected term"),
        ("SELECT * FROM \"t\" WHERE (", "Unexpected term"),
        ("SELECT * FROM", "Unexpected term"),
        ("SELECT * FROM t WHERE pk = 'p1' AND", "Missing right-hand side expression of infix operator"),
        ("SELECT * FROM t WHERE pk = 'p1' OR", "Missing right-hand side expression of infix operator"),
        ("SELECT * FROM t WHERE ORDER BY pk", "Unexpected keyword"),
        ("INSERT INTO urls (key, clicks) VALUES (?, ?)", "Unexpected keyword"),
        ("SELECT * FROM t WHERE pk = 'a' AND x IS FOO", "Expected type name"),
        ("SELECT * FROM t WHERE IS NULL", "Unexpected operator"),
        ("SELECT * FROM t WHERE pk = LIKE", "Unexpected operator"),
        ("DELETE FROM", "Expected identifier for simple path"),
        ("DELETE FROM;", "Expected identifier for simple path"),
        ("DELETE FROM WHERE pk = 'a'", "Expected identifier for simple path"),
        ("UPDATE t SET WHERE", "Expected identifier for simple path"),
        ("SLECT * FROM \"t\"", "Expected data manipulation"),
        ("UPDATE Payment-x SET a = ? WHERE b = ?", "Expected data manipulation"),
        ("SELECT * FROM t WHERE attribute_exists(m.inner)", "Invalid path dot component"),
    ];
    for (text, detail) in cases {
        assert_eq!(refusal(text), malformed(detail), "{text}");
    }
}

#[test]
fn what_dynamodb_does_not_take_is_told_without_that_envelope() {
    let cases = [
        ("SELECT * FROM \"t\" x WHERE pk = 'x'", "Aliasing is not supported"),
        ("SELECT * FROM \"t\" AS x WHERE pk = 'x'", "Aliasing is not supported"),
        ("UPDATE \"t\" x SET a = 3 WHERE pk = 'x'", "Aliasing is not supported"),
        ("DELETE FROM \"t\" x WHERE pk = 'x'", "Aliasing is not supported"),
        ("SELECT s AS x FROM t", "Aliasing is not supported"),
        ("SELECT s, s FROM t", "Duplicate identifiers in select clause: s"),
        ("x IS INT4", "Unsupported operation: IsType"),
        ("SELECT * FROM t LIMIT 1", "Unsupported clause: LIMIT"),
        ("SELECT COUNT(*) FROM \"t\"", "Unexpected path component at 1:8:5"),
        ("SELECT pk, COUNT(*) FROM \"t\"", "Unexpected path component at 1:12:5"),
        ("SELECT\n count(*) FROM \"t\"", "Unexpected path component at 2:2:5"),
        ("SELECT l[-1] FROM t", "List index is not within the allowable range; index: [-1] at 1:11:1"),
        (
            "SELECT l[2147483648] FROM t",
            "List index is not within the allowable range; index: [2147483648] at 1:10:10",
        ),
        ("SELECT * FROM \"t\".\"\"", "Path component cannot be an empty string"),
        ("SELECT * FROM \"\"", "Path component cannot be an empty string"),
        ("SELECT * FROM a.b.c", "A path may contain at most 2 components in the FROM clause"),
        ("UPDATE t.i SET a = 1 WHERE pk = 'p'", "This operation is not supported on an index"),
        ("DELETE FROM t.i WHERE pk = 'p'", "This operation is not supported on an index"),
        (
            "INSERT INTO \"t\".\"i\" VALUE {'pk':'w'}",
            "FROM clause may only contain a single table name in data manipulation statements at 1:13:3",
        ),
        (
            "DELETE FROM t WHERE pk = 'x' RETURNING MODIFIED OLD *",
            "Invalid returning clause: RETURNING MODIFIED OLD *. Only RETURNING ALL OLD * is allowed in DELETE \
             statements.",
        ),
        (
            "SELECT * FROM t ORDER BY sk",
            "Must have WHERE clause in the statement when using ORDER BY clause.",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(refusal(text), message, "{text}");
    }
}

#[test]
fn conditions_keep_the_rules_of_operands() {
    let operands = "Incorrect operand type for operator or function; operator or function: ";
    let cases = [
        ("attribute_exists('ss')", "Operator or function requires a document path; operator or function: attribute_exists".to_owned()),
        ("attribute_exists()", "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 0".to_owned()),
        ("attribute_exists(a, b)", "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2".to_owned()),
        ("attribute_type(l, 1)", format!("{operands}attribute_type, operand type: N")),
        ("attribute_type(l, true)", format!("{operands}attribute_type, operand type: BOOL")),
        ("attribute_type(l, 'X')", "Invalid attribute type name found; type: X, valid types: {N,BS,L,B,NULL,M,S,SS,NS,BOOL}".to_owned()),
        ("attribute_exists(n) > false", format!("{operands}>, operand type: BOOL")),
        ("a < [1]", format!("{operands}<, operand type: L")),
        ("EXISTS(ss)", "Unrecognized function: exists at 1:23:6".to_owned()),
        ("set_add(ss, <<'x'>>) = ss", "Unrecognized function: set_add at 1:23:7".to_owned()),
        ("a = 5 + 5", "Unsupported operator in Condition Expression. Operator: +".to_owned()),
        ("a = <<'a', 'a'>>", "One or more parameter values were invalid: Input collection [a, a] contains duplicates.".to_owned()),
        ("a = 1e126", "Number overflow. Attempting to store a number with magnitude larger than supported range under root".to_owned()),
        ("a = 1e-131", "Number underflow. Attempting to store a number with magnitude smaller than supported range under root".to_owned()),
    ];
    for (condition, message) in cases {
        assert_eq!(refusal(&format!("SELECT * FROM t WHERE {condition}")), message, "{condition}");
    }
    let many: Vec<String> = (0..101).map(|value| format!("'v{value}'")).collect();
    assert_eq!(
        refusal(&format!("SELECT * FROM t WHERE a IN [{}]", many.join(","))),
        "The IN operator is provided with too many operands; number of operands: 101"
    );
}

#[test]
fn items_are_literals_whose_attributes_may_be_parameters() {
    let text = "INSERT INTO Types value {'pk':?, 'num':-1.50e1, 'map' : {'a': 'value', 'b': [4, null, TRUE]}, \
                'numbers':<<1,34,4.5>>, 'texts':<<'it''s'>>, 'bytes': ?, 'zero': -0, 'back': - - 1};";
    let bound = bind(text, &[s("key"), bs([b"x"])]).unwrap();
    let BoundStatement::Insert(insert) = bound else { panic!("{bound:?}") };
    assert_eq!(insert.table_name, "Types");
    let expected = item([
        ("pk", s("key")),
        ("num", n("-15")),
        ("map", m([("a", s("value")), ("b", l([n("4"), Value::Null, Value::Bool(true)]))])),
        ("numbers", ns(["1", "34", "4.5"])),
        ("texts", ss(["it's"])),
        ("bytes", bs([b"x"])),
        ("zero", n("0")),
        ("back", n("1")),
    ]);
    assert_eq!(insert.item, expected);

    let whole = bind("INSERT INTO t VALUE ?", &[m([("pk", b(b"k"))])]).unwrap();
    let BoundStatement::Insert(whole) = whole else { panic!("{whole:?}") };
    assert_eq!(whole.item, item([("pk", b(b"k"))]));
}

#[test]
fn what_no_item_can_hold_is_told_with_its_place() {
    let insert = |value: &str| format!("INSERT INTO t VALUE {{'pk':'a','x':{value}}}");
    let cases = [
        ("<<>>", "Empty bags are not supported"),
        (
            "<<1, 'a'>>",
            "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags",
        ),
        (
            "<<2, 2.0>>",
            "One or more parameter values were invalid: Input collection [2, 2.0] contains duplicates! under root",
        ),
        (
            "{'m': 1e126}",
            "Number overflow. Attempting to store a number with magnitude larger than supported range under root.m",
        ),
        (
            "[1, 1e126]",
            "Number overflow. Attempting to store a number with magnitude larger than supported range under root[1]",
        ),
        ("[?]", "Unsupported data type: Parameter under key root[0] at 1:36:1"),
        ("{'k':?}", "Unsupported data type: Parameter under key root.k at 1:40:1"),
        ("set_add(<<'a'>>, <<'b'>>)", "Unsupported data type: set_add under key root at 1:35:7"),
    ];
    for (value, message) in cases {
        let text = insert(value);
        let parameters = vec![s("v"); text.matches('?').count()];
        assert_eq!(refusal_with(&text, &parameters), message, "{value}");
    }
    let nested = |levels: usize| insert(&format!("{}1{}", "{'a':".repeat(levels), "}".repeat(levels)));
    bind(&nested(31), &[]).unwrap();
    let path = ".a".repeat(32);
    assert_eq!(
        refusal(&nested(32)),
        format!("Nesting Levels have exceeded supported limits under root{path}")
    );
}

#[test]
fn updates_are_actions() {
    let text = "UPDATE \"Music\" SET a = a + 100 - 1, m.fresh[0] = [2020, 'x'] REMOVE l[1] \
                SET l2 = LIST_APPEND(l2, [4]) SET s = SET_ADD(s, <<'x'>>) SET n = set_delete(n, ?) \
                WHERE pk='1' RETURNING ALL NEW *";
    let bound = bind(text, &[ns(["345"])]).unwrap();
    let BoundStatement::Update(BoundUpdate { update, .. }) = bound else { panic!("{bound:?}") };
    let old: Item = item([
        ("a", n("1")),
        ("m", m([("fresh", l([n("0")]))])),
        ("l", l([n("1"), n("2"), n("3")])),
        ("l2", l([n("1")])),
        ("s", ss(["a"])),
        ("n", ns(["345", "1"])),
    ]);
    let new = update.apply(Some(old.encode().as_item()), &Item::new()).unwrap();
    let expected = item([
        ("a", n("100")),
        ("m", m([("fresh", l([l([n("2020"), s("x")])]))])),
        ("l", l([n("1"), n("3")])),
        ("l2", l([n("1"), n("4")])),
        ("s", ss(["a", "x"])),
        ("n", ns(["1"])),
    ]);
    assert_eq!(new.as_item().to_item().unwrap(), expected);
}

#[test]
fn misused_update_functions_are_told_with_their_place() {
    let cases = [
        (
            "t = set_add(ss, <<'x'>>)",
            "The first argument to SET_ADD must equal the assignment value at 1:20:7",
        ),
        (
            "ss = set_add(<<'a'>>, <<'b'>>)",
            "The first argument to SET_ADD must equal the assignment value at 1:21:7",
        ),
        ("ss = set_add(ss, 'x')", "The second argument to SET_ADD must be a value with type SET at 1:29:2"),
        (
            "ss = set_delete(ss, ['x'])",
            "The second argument to SET_DELETE must be a value with type SET at 1:32:2",
        ),
        ("ss = set_add(ss)", "SET_ADD must have exactly two arguments at 1:21:7"),
        (
            "n = 'a' + 1",
            "Incorrect operand type for operator or function; operator or function: +, operand type: S",
        ),
        (
            "n = n - null",
            "Incorrect operand type for operator or function; operator or function: -, operand type: NULL",
        ),
        (
            "a = 1, a.b = 2",
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a, b]",
        ),
    ];
    for (assignment, message) in cases {
        assert_eq!(
            refusal(&format!("UPDATE \"t\" SET {assignment} WHERE pk = 'x'")),
            message,
            "{assignment}"
        );
    }
}

#[test]
fn parameters_must_be_as_many_as_question_marks() {
    for (text, count) in [("SELECT * FROM t WHERE a = ?", 0), ("SELECT * FROM t WHERE a = '?'", 1)] {
        assert_eq!(
            refusal_with(text, &vec![n("1"); count]),
            "Number of parameters in request and statement don't match.",
            "{text}"
        );
    }
}

#[test]
fn columns_are_shown_under_their_last_names() {
    let bound = bind("SELECT pk, m.k[0], \"a.b\", l[-0], gone FROM t", &[]).unwrap();
    let BoundStatement::Select(select) = bound else { panic!("{bound:?}") };
    let whole = item([
        ("pk", s("x")),
        ("m", m([("k", l([s("c"), s("d")]))])),
        ("a.b", n("1")),
        ("l", l([n("7")])),
        ("rest", n("2")),
    ]);
    let shown = select.columns.unwrap().show(whole.encode().as_item()).unwrap();
    let expected = item([("pk", s("x")), ("k[0]", s("c")), ("a.b", n("1")), ("l[0]", n("7"))]);
    assert_eq!(shown.as_item().to_item().unwrap(), expected);
}

#[test]
fn deep_and_long_statements_end_in_an_answer() {
    let deep = [
        format!("SELECT * FROM t WHERE {}a = 1{}", "(".repeat(4000), ")".repeat(4000)),
        format!("SELECT * FROM t WHERE {} a = 1", "NOT ".repeat(2000)),
        format!("SELECT * FROM t WHERE a = {}1", "- ".repeat(4000)),
        format!("INSERT INTO t VALUE {}", "[".repeat(8000)),
        format!("SELECT * FROM t WHERE a{}", "=a".repeat(4000)),
        format!("UPDATE t SET a = {}", "(".repeat(8000)),
    ];
    for text in &deep {
        assert_eq!(refusal(text), "Nesting Levels have exceeded supported limits", "{:.40}", text);
    }
    bind(&format!("SELECT * FROM t WHERE a=1{}", " AND a=1".repeat(1000)), &[]).unwrap();
    let sum = format!("UPDATE t SET a = a{} WHERE pk = 1", "+1".repeat(301));
    assert_eq!(refusal(&sum), "The expression contains too many operators; operator count: 301");
}

//! Every text about expressions, provoked by the expression that causes it. Cases follow dynalite's tests, which ran
//! against AWS, and the captures named in SEMANTICS; each pair is (expression, what follows the prefix).

use std::collections::BTreeMap;

use basalt_model::Value;
use basalt_model::expression::ExpressionKind::{self, Condition, Filter, KeyCondition, Projection, Update};
use basalt_model::expression::{ParameterUse, Placeholders};

use crate::support::{b, n, one_of_each, parse, placeholders, refusal, s};

/// Checks that each text is refused with `Invalid <kind>: ` and what stands beside it.
fn check(kind: ExpressionKind, names: &[(&str, &str)], values: &[(&str, Value)], cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(refusal(kind, text, names, values), format!("Invalid {kind}: {expected}"), "for {text}");
    }
}

const NONE: &[(&str, Value)] = &[];

#[test]
fn empty_and_long_texts_are_refused_before_their_syntax() {
    for kind in [Update, Condition, KeyCondition, Filter, Projection] {
        check(kind, &[], NONE, &[("", "The expression can not be empty;")]);
        let long = "(".repeat(4097);
        let expected =
            "Expression size has exceeded the maximum allowed size; expression size: 4097".to_owned();
        check(kind, &[], NONE, &[(&long, &expected)]);
        // Bytes count, not characters.
        check(kind, &[], NONE, &[(&"é".repeat(2049), &expected.replace("4097", "4098"))]);
    }
    let longest = format!("a = {}", "b".repeat(4092));
    parse(Condition, &longest, &mut Placeholders::default()).unwrap();
}

#[test]
fn syntax_errors_name_the_token_and_its_neighbours() {
    check(
        Update,
        &[],
        NONE,
        &[
            ("INVALID SYNTAX HERE", r#"Syntax error; token: "INVALID", near: "INVALID SYNTAX""#),
            ("ADD hits : incr", r#"Syntax error; token: ":", near: "hits : incr""#),
            ("SET MyStr = myNum + 1", r#"Syntax error; token: "1", near: "+ 1""#),
            (
                "SET MyStr = myNum Mystr2 myNum2",
                r#"Syntax error; token: "Mystr2", near: "myNum Mystr2 myNum2""#,
            ),
            ("SET attrName = _idid", r#"Syntax error; token: "_", near: "= _idid""#),
            ("SET a = :b,", r#"Syntax error; token: "<EOF>", near: ",""#),
            ("SET book-price = :a", r#"Syntax error; token: "-", near: "book-price""#),
            ("SET a|", r#"Syntax error; token: "|", near: "a|""#),
            ("SET a = b + c + d", r#"Syntax error; token: "+", near: "c + d""#),
            ("SET a = (b.c).d + e", r#"Syntax error; token: ".", near: ").d""#),
            ("SET (a = (b + c))", r#"Syntax error; token: "(", near: "SET (a""#),
            ("SET a = set", r#"Syntax error; token: "set", near: "= set""#),
            ("SET a = (b + c", r#"Syntax error; token: "<EOF>", near: "c""#),
            ("SET a = f()", r#"Syntax error; token: ")", near: "()""#),
            ("SET a = list_append(b, c + d)", r#"Syntax error; token: "+", near: "c + d""#),
            ("SET :a = b", r#"Syntax error; token: ":a", near: "SET :a =""#),
            ("ADD a b", r#"Syntax error; token: "b", near: "a b""#),
            ("REMOVE a b", r#"Syntax error; token: "b", near: "a b""#),
            ("DELETE a = b", r#"Syntax error; token: "=", near: "a = b""#),
            ("SET a", r#"Syntax error; token: "<EOF>", near: "a""#),
            ("SET", r#"Syntax error; token: "<EOF>", near: "SET""#),
        ],
    );
    check(
        Filter,
        &[],
        NONE,
        &[
            ("foo", r#"Syntax error; token: "<EOF>", near: "foo""#),
            (":v1", r#"Syntax error; token: "<EOF>", near: ":v1""#),
            ("attribute_not_exists(", r#"Syntax error; token: "<EOF>", near: "(""#),
            ("tenantAgent:abc123-x", r#"Syntax error; token: ":abc123", near: "tenantAgent:abc123-""#),
            (
                "#a attribute_not_exists :b",
                r##"Syntax error; token: "attribute_not_exists", near: "#a attribute_not_exists :b""##,
            ),
            ("a = = b", r#"Syntax error; token: "=", near: "= = b""#),
            ("a in b, c", r#"Syntax error; token: "b", near: "in b,""#),
            ("a in (b,c,)", r#"Syntax error; token: ")", near: ",)""#),
            ("a > between", r#"Syntax error; token: "between", near: "> between""#),
            ("(a)between(b.(c.d))and(c)", r#"Syntax error; token: "(", near: ".(c""#),
            ("(a)between(b.c[4.5].#d)and(:a)", r#"Syntax error; token: ".", near: "4.5""#),
            ("#$.b > a", r##"Syntax error; token: "#", near: "#$""##),
            ("a > :things.stuff", r#"Syntax error; token: ".", near: ":things.stuff""#),
            ("b[:a] > a", r#"Syntax error; token: ":a", near: "[:a]""#),
            ("ü > a", r#"Syntax error; token: "ü", near: "ü >""#),
            ("size(a).b > a", r#"Syntax error; token: ".", near: ").b""#),
            ("(size(a))[0] > a", r#"Syntax error; token: "[", near: ")[0""#),
            ("a > 4", r#"Syntax error; token: "4", near: "> 4""#),
            ("(a = b) = c", r#"Syntax error; token: "=", near: ") = c""#),
            ("(a AND b = c)", r#"Syntax error; token: "AND", near: "a AND b""#),
            ("a = (NOT b)", r#"Syntax error; token: "NOT", near: "(NOT b""#),
            ("a = (b AND c)", r#"Syntax error; token: "AND", near: "b AND c""#),
            ("a = b)", r#"Syntax error; token: ")", near: "b)""#),
            ("a between b or c", r#"Syntax error; token: "or", near: "b or c""#),
            ("attribute_exists(asdf[a])", r#"Syntax error; token: "a", near: "[a]""#),
            ("attribute_exists(a..b)", r#"Syntax error; token: ".", near: "..b""#),
            ("   ", r#"Syntax error; token: "<EOF>", near: """#),
        ],
    );
    check(
        Projection,
        &[],
        NONE,
        &[
            ("!!", r#"Syntax error; token: "!", near: "!!""#),
            ("whatever(stuff)", r#"Syntax error; token: "(", near: "whatever(stuff""#),
            (":a", r#"Syntax error; token: ":a", near: ":a""#),
            ("abort,", r#"Syntax error; token: "<EOF>", near: ",""#),
            ("a,,b", r#"Syntax error; token: ",", near: ",,b""#),
            ("(a)", r#"Syntax error; token: "(", near: "(a""#),
            ("a[99999999999]", "List index is not within the allowable range; index: [99999999999]"),
        ],
    );
}

#[test]
fn parentheses_around_parentheses_are_redundant() {
    let redundant = "The expression has redundant parentheses;";
    check(
        Filter,
        &[],
        NONE,
        &[
            ("a=a and a > ((views))", redundant),
            ("(a)between(((b.c)).d)and(c)", redundant),
            ("a > whatever((:things), ((a)))", redundant),
            ("a=a AND ((a=a AND a=a)) AND a=a", redundant),
            ("a=a OR ((a=a OR (a=a OR a=a)))", redundant),
            ("((attribute_exists(a)))", redundant),
            ("NOT ((a = b))", redundant),
        ],
    );
    check(KeyCondition, &[], NONE, &[("((a = :v))", redundant)]);
    check(Update, &[], NONE, &[("SET a = ((b + c))", redundant)]);
    for text in ["((a = b) AND (c = d))", "(a) = (b)", "((a).b = c)", "contains((a), (b))", "a IN ((b), (c))"]
    {
        parse(Filter, text, &mut Placeholders::default()).unwrap();
    }
    parse(Update, "SET a = ((b.c.d)+(e))", &mut Placeholders::default()).unwrap();
}

#[test]
fn more_than_300_operators_are_refused() {
    let condition = |comparisons: usize| vec!["a=b"; comparisons].join(" OR ");
    parse(Filter, &condition(150), &mut Placeholders::default()).unwrap();
    let too_many = |count| format!("The expression contains too many operators; operator count: {count}");
    check(Filter, &[], NONE, &[(&condition(151), &too_many(301))]);
    let negations = format!("{}a = b", "NOT ".repeat(400));
    check(Condition, &[], NONE, &[(&negations, &too_many(401))]);

    let sums = |count: usize| (0..count).map(|index| format!("a{index}=b+c")).collect::<Vec<_>>().join(",");
    parse(Update, &format!("SET {}", sums(300)), &mut Placeholders::default()).unwrap();
    check(Update, &[], NONE, &[(&format!("SET {}", sums(301)), &too_many(301))]);
}

#[test]
fn in_takes_100_operands() {
    let list = |count: usize| format!("a IN ({})", vec![":S"; count].join(","));
    parse(Filter, &list(100), &mut placeholders(&[], &[(":S", s("a"))])).unwrap();
    let expected = "The IN operator is provided with too many operands; number of operands: 101";
    check(Filter, &[], &[(":S", s("a"))], &[(&list(101), expected)]);
}

#[test]
fn functions_must_exist_and_their_names_have_a_case() {
    check(
        Filter,
        &[],
        NONE,
        &[
            ("a=a and whatever((:things)) > a", "Invalid function name; function: whatever"),
            ("attRIbute_exIsts((views), #a)", "Invalid function name; function: attRIbute_exIsts"),
            ("if_not_exists(a, b)", "Invalid function name; function: if_not_exists"),
        ],
    );
    check(
        Update,
        &[],
        NONE,
        &[
            ("set #c = if_not_exist(:c) set c = d", "Invalid function name; function: if_not_exist"),
            ("set a = size(b)", "Invalid function name; function: size"),
        ],
    );
}

#[test]
fn functions_stand_where_their_result_is_of_use() {
    let misused = |function| {
        format!("The function is not allowed to be used this way in an expression; function: {function}")
    };
    for (text, function) in [
        ("a=a and attribute_exists((views), (#a)) > b", "attribute_exists"),
        ("attribute_not_exists(things) > b", "attribute_not_exists"),
        ("attribute_type(things, :a) > b", "attribute_type"),
        ("begins_with(things, a) > b", "begins_with"),
        ("contains(:things, c) > b", "contains"),
        ("size(contains(a, b)) > a", "contains"),
        ("size(things)", "size"),
        ("a = b AND NOT size(things)", "size"),
        ("a between b and attribute_exists(things)", "attribute_exists"),
        ("a in (b, attribute_exists(things))", "attribute_exists"),
    ] {
        check(Filter, &[], NONE, &[(text, &misused(function))]);
    }
}

#[test]
fn reserved_words_need_a_placeholder() {
    let reserved = |word| format!("Attribute name is a reserved keyword; reserved keyword: {word}");
    check(
        Filter,
        &[],
        NONE,
        &[
            ("attribute_exists(views, #a)", &reserved("views")),
            (":a < abOrT", &reserved("abOrT")),
            ("a.name = b", &reserved("name")),
        ],
    );
    check(
        Update,
        &[],
        NONE,
        &[
            (" set #c = :c set abOrt = true ", &reserved("abOrt")),
            (" remove Absolute ", &reserved("Absolute")),
            ("SET a = and", &reserved("and")),
        ],
    );
    check(
        Projection,
        &[],
        NONE,
        &[
            ("a.abORt", &reserved("abORt")),
            ("#a,ABSoLUTE", &reserved("ABSoLUTE")),
            ("a, not", &reserved("not")),
        ],
    );
}

#[test]
fn placeholders_must_be_defined() {
    let name = |name| {
        format!(
            "An expression attribute name used in the document path is not defined; attribute name: {name}"
        )
    };
    let value = |value| {
        format!("An expression attribute value used in expression is not defined; attribute value: {value}")
    };
    check(
        Filter,
        &[],
        NONE,
        &[
            ("attribute_exists(#Pictures.RearView, :a) and a=a", &name("#Pictures")),
            ("begins_with(Pictures.#RearView)", &name("#RearView")),
            ("(#P between :lo and :hi) and (#PC in (:cat1, :cat2))", &name("#P")),
            ("#4g > a", &name("#4g")),
            ("#_ > a", &name("#_")),
            ("(a)between(b.c[45].#d)and(:a)", &name("#d")),
            ("begins_with(:hello, #a, #b)", &value(":hello")),
            (":a < :b", &value(":a")),
            (":_ > a", &value(":_")),
        ],
    );
    check(
        Update,
        &[("#a", "a")],
        NONE,
        &[
            ("SET #c = if_not_exists(:c)", &name("#c")),
            ("SET #a = if_not_exists(:c)", &value(":c")),
            // In an update, all names are looked up before all values.
            ("SET #a = :c, b = #d", &name("#d")),
        ],
    );
    check(Projection, &[], NONE, &[("a,b,a,#a", &name("#a"))]);
}

#[test]
fn functions_take_their_number_of_operands() {
    let count = |function, count| {
        format!(
            "Incorrect number of operands for operator or function; operator or function: {function}, \
             number of operands: {count}"
        )
    };
    check(
        Filter,
        &[],
        NONE,
        &[
            ("attribute_exists(things, a) and a=a", &count("attribute_exists", 2)),
            ("attribute_not_exists(things, b)", &count("attribute_not_exists", 2)),
            ("attribute_type(things)", &count("attribute_type", 1)),
            ("begins_with(things)", &count("begins_with", 1)),
            ("begins_with(things, size(a), b)", &count("begins_with", 3)),
            ("contains(things)", &count("contains", 1)),
            ("size(things, a) > b", &count("size", 2)),
        ],
    );
    check(
        Update,
        &[],
        NONE,
        &[
            ("set a = if_not_exists(c)", &count("if_not_exists", 1)),
            ("set a = list_append(c)", &count("list_append", 1)),
            ("set a = list_append(c, d, e)", &count("list_append", 3)),
        ],
    );
}

#[test]
fn paths_are_not_compared_with_themselves() {
    let distinct = |operator, path| {
        format!(
            "The first operand must be distinct from the remaining operands for this operator or function; \
             operator: {operator}, first operand: {path}"
        )
    };
    check(
        Filter,
        &[("#a", "a")],
        NONE,
        &[
            ("a = a AND #a = b AND :views > a", &distinct("=", "[a]")),
            ("#a <> a", &distinct("<>", "[a]")),
            ("a > #a", &distinct(">", "[a]")),
            ("((a=a) OR (a=a))", &distinct("=", "[a]")),
            ("a IN (b, #a)", &distinct("IN", "[a]")),
            ("contains(ab.bc[1].a, ab.bc[1].#a)", &distinct("contains", "[ab, bc, [1], a]")),
            ("attribute_type(ab.bc[1].#a, ab.bc[1].a)", &distinct("attribute_type", "[ab, bc, [1], a]")),
            ("begins_with(ab.bc[1].a, ab.bc[1].#a)", &distinct("begins_with", "[ab, bc, [1], a]")),
        ],
    );
    parse(Filter, ":S = :S", &mut placeholders(&[], &[(":S", s("a"))])).unwrap();
}

#[test]
fn constants_must_be_of_a_type_the_operator_takes() {
    let operand = |operator: &str, kind: &str| {
        format!(
            "Incorrect operand type for operator or function; operator or function: {operator}, \
             operand type: {kind}"
        )
    };
    let values = one_of_each();
    for (placeholder, _) in &values {
        let kind = &placeholder[1..];
        let case = |text: &str, operator: &str, taken: &[&str]| {
            let text = text.replace(":v", placeholder);
            if taken.contains(&kind) {
                parse(Filter, &text, &mut placeholders(&[], &values)).unwrap();
            } else {
                check(Filter, &[], &values, &[(&text, &operand(operator, kind))]);
            }
        };
        let scalars = &["S", "N", "B"];
        case("begins_with(a, :v)", "begins_with", &["S", "B"]);
        case("begins_with(:v, a)", "begins_with", &["S", "B"]);
        case("size(:v) > a", "size", &["S", "B", "SS", "NS", "BS", "L", "M"]);
        case("a < :v", "<", scalars);
        case(":v >= a", ">=", scalars);
        case("a BETWEEN :v AND :v", "BETWEEN", scalars);
        if kind != "S" {
            case("attribute_type(a, :v)", "attribute_type", &[]);
        }
    }
    check(
        Filter,
        &[],
        &values,
        &[
            ("attribute_type(a, size(a)) and a=a and a=:N", &operand("attribute_type", "N")),
            ("attribute_type(ab.bc[1].a, SS)", &operand("attribute_type", "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}")),
            ("begins_with(a, size(a)) and a=:N", &operand("begins_with", "N")),
            ("size(size(a)) > :N", &operand("size", "N")),
            ("attribute_not_exists(size(:N))", &operand("size", "N")),
            (
                "attribute_type(a, :S)",
                "Invalid attribute type name found; type: a, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
            ),
            (
                "attribute_exists(:S) and a=a",
                "Operator or function requires a document path; operator or function: attribute_exists",
            ),
            (
                "attribute_not_exists(size(:S))",
                "Operator or function requires a document path; operator or function: attribute_not_exists",
            ),
        ],
    );
}

#[test]
fn bounds_of_between_have_one_type_and_an_order() {
    let values =
        [(":one", n("1")), (":two", n("2")), (":text", s("b")), (":bytes", b(b"a")), (":more", b(b"b"))];
    check(
        Condition,
        &[],
        &values,
        &[
            (
                "a between :two and :one",
                "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound \
             operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
            ),
            (
                "a between :more and :bytes",
                "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound \
             operand: AttributeValue: {B:Yg==}, upper bound operand: AttributeValue: {B:YQ==}",
            ),
            (
                "a between :one and :text",
                "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: \
             AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:b}",
            ),
        ],
    );
    parse(Condition, "a between :one and :one", &mut placeholders(&[], &values)).unwrap();
}

#[test]
fn a_section_is_used_once() {
    let repeated =
        |section| format!("The \"{section}\" section can only be used once in an update expression;");
    check(
        Update,
        &[],
        NONE,
        &[
            ("set a = #c set c = :d", &repeated("SET")),
            ("remove #d set a = b remove e", &repeated("REMOVE")),
            ("add #d :e set a = b add e :f", &repeated("ADD")),
            ("delete #d :e set a = b delete #e :f", &repeated("DELETE")),
        ],
    );
}

#[test]
fn paths_of_one_expression_do_not_touch() {
    let two_paths = |relation, first, second| {
        format!(
            "Two document paths {relation} with each other; must remove or rewrite one of these paths; \
             path one: {first}, path two: {second}"
        )
    };
    let names = [("#a", "a"), ("#b", "[3]"), ("#c", "c"), ("#d", "[3]")];
    check(
        Update,
        &names,
        NONE,
        &[
            (
                "set d[1] = a, d.b = a, c[1].a = a, #c = if_not_exists(a)",
                &two_paths("overlap", "[c, [1], a]", "[c]"),
            ),
            ("set #c[3].#d = a, #c[3] = a", &two_paths("overlap", "[c, [3], [3]]", "[c, [3]]")),
            ("set a = b remove a", &two_paths("overlap", "[a]", "[a]")),
            (
                "set #c[3].#d = a, #c.#d[3] = if_not_exists(a)",
                &two_paths("conflict", "[c, [3], [3]]", "[c, [3], [3]]"),
            ),
            ("remove a.#c set a[1] = #d", &two_paths("conflict", "[a, c]", "[a, [1]]")),
        ],
    );
    check(
        Projection,
        &names,
        NONE,
        &[
            ("b[1], b.a, #a.b, a", &two_paths("overlap", "[a, b]", "[a]")),
            ("a, #a[1]", &two_paths("overlap", "[a]", "[a, [1]]")),
            ("a.b, #a[1], #b", &two_paths("conflict", "[a, b]", "[a, [1]]")),
            ("a.b[1], #a[1], #b", &two_paths("conflict", "[a, b, [1]]", "[a, [1]]")),
            ("a[3].b, #a.#b.b", &two_paths("conflict", "[a, [3], b]", "[a, [3], b]")),
        ],
    );
    parse(Projection, "a.b, a.c, a.d[0], a.d[1], b", &mut Placeholders::default()).unwrap();
}

#[test]
fn update_operands_must_be_of_a_type_the_action_takes() {
    let long_names = [
        (":S", "STRING"),
        (":N", "NUMBER"),
        (":B", "BINARY"),
        (":L", "LIST"),
        (":M", "MAP"),
        (":BOOL", "BOOLEAN"),
        (":NULL", "NULL"),
    ];
    let values = one_of_each();
    for (placeholder, name) in long_names {
        let expected = |action| {
            format!(
                "Incorrect operand type for operator or function; operator: {action}, operand type: {name}"
            )
        };
        check(Update, &[], &values, &[(&format!("delete a.b {placeholder}"), &expected("DELETE"))]);
        if placeholder != ":N" {
            check(Update, &[], &values, &[(&format!("add a.b {placeholder}"), &expected("ADD"))]);
        }
    }
    for text in ["ADD a :N, b :SS, c :NS, d :BS", "DELETE b :SS, c :NS, d :BS"] {
        parse(Update, text, &mut placeholders(&[], &values)).unwrap();
    }
    for (placeholder, _) in &values {
        let kind = &placeholder[1..];
        let case = |text: &str, operator: &str, taken: &str| {
            let text = text.replace(":v", placeholder);
            let expected = format!(
                "Incorrect operand type for operator or function; operator or function: {operator}, \
                 operand type: {kind}"
            );
            if kind == taken {
                parse(Update, &text, &mut placeholders(&[], &values)).unwrap();
            } else {
                check(Update, &[], &values, &[(&text, &expected)]);
            }
        };
        case("set a = list_append(:v, a)", "list_append", "L");
        case("set a = list_append(a, :v)", "list_append", "L");
        case("set a = a + :v", "+", "N");
        case("set a = :v - a", "-", "N");
    }
    let not_a_path = "Operator or function requires a document path; operator or function: if_not_exists";
    check(
        Update,
        &[],
        &values,
        &[
            ("set a = if_not_exists(:S, c)", not_a_path),
            ("set a = if_not_exists(if_not_exists(a, b), c)", not_a_path),
            // An action's operand is judged before any function's.
            (
                "set b = list_append(:S, a), c = if_not_exists(a) add a.b :S",
                "Incorrect operand type for operator or function; operator: ADD, operand type: STRING",
            ),
        ],
    );
}

#[test]
fn placeholder_maps_are_checked_before_any_expression() {
    let names = |entries: &[(&str, &str)]| {
        let entries = entries.iter().map(|&(key, name)| (key.to_owned(), name.to_owned())).collect();
        Placeholders::new(Some(entries), None).map(drop).unwrap_err().to_string()
    };
    let values = |entries: &[(&str, Value)]| {
        let entries = entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        Placeholders::new(None, Some(entries)).map(drop).unwrap_err().to_string()
    };
    assert_eq!(names(&[]), "ExpressionAttributeNames must not be empty");
    assert_eq!(values(&[]), "ExpressionAttributeValues must not be empty");
    for key in ["a", "#", "#a-b", "##a", ":a", "#ü"] {
        let expected = format!("ExpressionAttributeNames contains invalid key: Syntax error; key: \"{key}\"");
        assert_eq!(names(&[(key, "a")]), expected);
    }
    let expected = "ExpressionAttributeValues contains invalid key: Syntax error; key: \"#a\"";
    assert_eq!(values(&[("#a", s("b"))]), expected);
    assert_eq!(
        names(&[(&format!("#{}", "a b".repeat(85)), "a")]),
        "ExpressionAttributeNames contains invalid key: The expression attribute map contains a key that is too \
         long; size of key: 256"
    );
    placeholders(&[(&format!("#{}", "a".repeat(254)), "a")], NONE);
    assert_eq!(
        names(&[("#a", "")]),
        "ExpressionAttributeNames contains invalid value: Empty attribute name for key #a"
    );
    assert_eq!(
        names(&[("#a", &"a".repeat(65_536))]),
        "Attribute name is too large, must be less than 65536 bytes"
    );
    let megabyte = s(&"a".repeat(1024 * 1024));
    let three = [(":a", megabyte.clone()), (":b", megabyte.clone()), (":c", megabyte)];
    assert_eq!(values(&three), "ExpressionAttributeValues exceeds max size");
    let many: BTreeMap<_, _> = (0..40).map(|index| (format!("#{index}"), "a".repeat(60_000))).collect();
    let error = Placeholders::new(Some(many), None).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "ExpressionAttributeNames exceeds max size");
    assert_eq!(
        basalt_model::expression::messages::placeholder_value_invalid("why", ":v"),
        "ExpressionAttributeValues contains invalid value: why for key :v"
    );
}

#[test]
fn placeholders_must_be_used_by_some_expression_of_the_request() {
    let values = [(":a", s("a")), (":b", s("b")), (":c", s("c"))];
    let mut shared = placeholders(&[("#a", "a"), ("#b", "b")], &values);
    parse(Update, "SET #a = :a", &mut shared).unwrap();
    let error = shared.check_all_used().unwrap_err();
    assert_eq!(
        error.to_string(),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}"
    );
    parse(Condition, "#b = :b", &mut shared).unwrap();
    let error = shared.check_all_used().unwrap_err();
    assert_eq!(
        error.to_string(),
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:c}"
    );
    parse(Filter, "b = :c", &mut shared).unwrap();
    shared.check_all_used().unwrap();

    let error = placeholders(&[("#b", "b"), ("#a", "a")], NONE).check_all_used().unwrap_err();
    assert_eq!(
        error.to_string(),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #b}"
    );
}

#[test]
fn parameters_must_go_together() {
    let check = |expressions: &[(ExpressionKind, bool)], legacy: &[(&'static str, bool)], names, values| {
        let usage = ParameterUse { expressions, legacy, names, values };
        usage.check().map_err(|error| error.to_string())
    };
    let refused = |text: &str| Err(text.to_owned());

    let legacy = [("AttributeUpdates", true), ("Expected", true)];
    assert_eq!(
        check(&[(Update, true), (Condition, true)], &legacy, false, false),
        refused(
            "Can not use both expression and non-expression parameters in the same request: Non-expression \
             parameters: {AttributeUpdates, Expected} Expression parameters: {UpdateExpression, ConditionExpression}"
        )
    );
    assert_eq!(
        check(&[(Condition, true)], &[("Expected", true), ("ConditionalOperator", false)], false, false),
        refused(
            "Can not use both expression and non-expression parameters in the same request: Non-expression \
             parameters: {Expected} Expression parameters: {ConditionExpression}"
        )
    );
    assert_eq!(
        check(&[(Condition, false)], &[], true, true),
        refused("ExpressionAttributeNames can only be specified when using expressions")
    );
    assert_eq!(
        check(&[(Condition, false)], &[], false, true),
        refused(
            "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"
        )
    );
    assert_eq!(
        check(&[(Projection, true), (Filter, false), (KeyCondition, false)], &[], true, true),
        refused(
            "ExpressionAttributeValues can only be specified when using expressions: FilterExpression and \
             KeyConditionExpression are null"
        )
    );
    assert_eq!(check(&[(Projection, true)], &[], true, true), Ok(()));
    assert_eq!(check(&[(Update, true), (Condition, false)], &[("Expected", false)], true, true), Ok(()));
}

#[test]
fn the_first_fault_in_the_order_of_dynamodb_is_reported() {
    // Each text has the faults of its own line and of all lines below, textually in the opposite order.
    let cases = [
        ("a = :x AND a = a AND views = b AND size(b) AND foo(c) AND ((c = d))", "redundant parentheses"),
        ("a = :x AND a = a AND views = b AND size(b) AND foo(c)", "Invalid function name"),
        ("a = :x AND a = a AND views = b AND size(b)", "not allowed to be used this way"),
        ("a = :x AND a = a AND views = b", "reserved keyword"),
        ("a = :x AND a = a", "not defined"),
        ("a = a AND a = :x", "must be distinct"),
    ];
    for (text, expected) in cases {
        let message = refusal(Filter, text, &[], NONE);
        assert!(message.contains(expected), "{text}: {message}");
    }
    let cases = [
        ("SET a = ((b)), c = f(:x), d = views SET e = #x, e = :x ADD f :x", "redundant parentheses"),
        ("SET c = f(:x), d = views SET e = #x, e = :x ADD f :x", "reserved keyword"),
        ("SET c = f(:x) SET e = #x, e = :x ADD f :x", "Invalid function name"),
        ("SET c = :x SET e = #x, e = :x ADD f :x", "section can only be used once"),
        ("SET c = :x, e = #x, e.g = :x ADD f :x", "attribute name: #x"),
        ("SET c = :x, e.g = :x, e = :x ADD f :x", "attribute value: :x"),
        ("SET e.g = c, e[0] = c, e = c ADD f :S", "overlap"),
        ("SET e.g = c, e[0] = c ADD f :S", "conflict"),
        ("SET e.g = c + :S ADD f :S", "operator: ADD"),
        ("SET e.g = c + :S", "operator or function: +"),
    ];
    for (text, expected) in cases {
        let message = refusal(Update, text, &[], &[(":S", s("a"))]);
        assert!(message.contains(expected), "{text}: {message}");
    }
}

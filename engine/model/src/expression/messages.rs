//! Every text about expressions that a client may see, one constant or function each.
//!
//! Wording of spring 2026, like `crate::messages`. Marked *assumed* where no capture of AWS was at hand: those
//! texts are the likeliest, and the place to correct them is here. The prefix `Invalid …Expression: ` is added by
//! [`super::ExpressionError`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::path::DocumentPath;
use crate::value::{Value, ValueKind};

/// The text has no character.
pub const EMPTY: &str = "The expression can not be empty;";
/// A group holds nothing but another group.
pub const REDUNDANT_PARENTHESES: &str = "The expression has redundant parentheses;";

/// The text has more than 4096 bytes.
pub fn too_long(bytes: usize) -> String {
    format!("Expression size has exceeded the maximum allowed size; expression size: {bytes}")
}

/// A token stands where the grammar does not allow it. `near` runs from the token before to the token behind it.
pub fn syntax(token: &str, near: &str) -> String {
    format!("Syntax error; token: \"{token}\", near: \"{near}\"")
}

/// How the end of the text is called in [`syntax`].
pub const END_TOKEN: &str = "<EOF>";

/// More than 300 operators.
pub fn too_many_operators(count: usize) -> String {
    format!("The expression contains too many operators; operator count: {count}")
}

/// More than 100 members behind `IN`.
pub fn too_many_in_operands(count: usize) -> String {
    format!("The IN operator is provided with too many operands; number of operands: {count}")
}

/// An index is larger than any list. *Assumed.*
pub fn list_index_out_of_range(index: &str) -> String {
    format!("List index is not within the allowable range; index: [{index}]")
}

/// No such function.
pub fn unknown_function(function: &str) -> String {
    format!("Invalid function name; function: {function}")
}

/// A function stands where its result is of no use.
pub fn misused_function(function: &str) -> String {
    format!("The function is not allowed to be used this way in an expression; function: {function}")
}

/// A bare name is one of the 573 reserved words.
pub fn reserved_word(word: &str) -> String {
    format!("Attribute name is a reserved keyword; reserved keyword: {word}")
}

/// `SET`, `REMOVE`, `ADD` or `DELETE` occurs twice.
pub fn repeated_section(section: &str) -> String {
    format!("The \"{section}\" section can only be used once in an update expression;")
}

/// A `#name` that ExpressionAttributeNames lacks.
pub fn undefined_name(name: &str) -> String {
    format!("An expression attribute name used in the document path is not defined; attribute name: {name}")
}

/// A `:value` that ExpressionAttributeValues lacks.
pub fn undefined_value(value: &str) -> String {
    format!("An expression attribute value used in expression is not defined; attribute value: {value}")
}

/// One path is the beginning of the other.
pub fn paths_overlap(first: &DocumentPath, second: &DocumentPath) -> String {
    two_paths("overlap", first, second)
}

/// Paths take the same attribute for a map and for a list.
pub fn paths_conflict(first: &DocumentPath, second: &DocumentPath) -> String {
    two_paths("conflict", first, second)
}

fn two_paths(relation: &str, first: &DocumentPath, second: &DocumentPath) -> String {
    format!(
        "Two document paths {relation} with each other; must remove or rewrite one of these paths; \
         path one: {first}, path two: {second}"
    )
}

/// A function has too few or too many operands.
pub fn operand_count(operator: &str, count: usize) -> String {
    format!(
        "Incorrect number of operands for operator or function; operator or function: {operator}, \
         number of operands: {count}"
    )
}

/// A path is compared with itself.
pub fn operands_not_distinct(operator: &str, path: &DocumentPath) -> String {
    format!(
        "The first operand must be distinct from the remaining operands for this operator or function; \
         operator: {operator}, first operand: {path}"
    )
}

/// A constant has a type that the operator never takes.
pub fn operand_type(operator: &str, kind: ValueKind) -> String {
    operand_type_named(operator, kind.name())
}

/// The second operand of `attribute_type` is a path. AWS prints the types in varying order.
pub fn attribute_type_is_path() -> String {
    operand_type_named("attribute_type", "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}")
}

fn operand_type_named(operator: &str, kind: &str) -> String {
    format!(
        "Incorrect operand type for operator or function; operator or function: {operator}, \
         operand type: {kind}"
    )
}

/// `ADD` or `DELETE` of a constant that is neither a set nor, for `ADD`, a number. Types have long names here.
pub fn action_operand_type(action: &str, kind: ValueKind) -> String {
    let kind = match kind {
        ValueKind::S => "STRING",
        ValueKind::N => "NUMBER",
        ValueKind::B => "BINARY",
        ValueKind::Ss => "STRING_SET",
        ValueKind::Ns => "NUMBER_SET",
        ValueKind::Bs => "BINARY_SET",
        ValueKind::M => "MAP",
        ValueKind::L => "LIST",
        ValueKind::Bool => "BOOLEAN",
        ValueKind::Null => "NULL",
    };
    format!("Incorrect operand type for operator or function; operator: {action}, operand type: {kind}")
}

/// A function that looks at a path got something else.
pub fn not_a_path(function: &str) -> String {
    format!("Operator or function requires a document path; operator or function: {function}")
}

/// `attribute_type` asks for a type there is not.
pub fn unknown_attribute_type(name: &str) -> String {
    format!("Invalid attribute type name found; type: {name}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}")
}

/// The bounds of `BETWEEN` are constants of different types.
pub fn between_types_differ(lower: &Value, upper: &Value) -> String {
    between_bounds("same data type for lower and upper bounds", lower, upper)
}

/// The bounds of `BETWEEN` are constants in the wrong order.
pub fn between_bounds_reversed(lower: &Value, upper: &Value) -> String {
    between_bounds("upper bound to be greater than or equal to lower bound", lower, upper)
}

fn between_bounds(requirement: &str, lower: &Value, upper: &Value) -> String {
    let (lower, upper) = (scalar(lower), scalar(upper));
    format!(
        "The BETWEEN operator requires {requirement}; lower bound operand: AttributeValue: {lower}, \
         upper bound operand: AttributeValue: {upper}"
    )
}

/// A key condition uses an operator that no key has.
pub fn key_operator(operator: &str) -> String {
    format!("Invalid operator used in KeyConditionExpression: {operator}")
}
/// A key condition compares a function of something.
pub const KEY_NESTED_OPERATION: &str = "KeyConditionExpressions cannot contain nested operations";
/// A key condition looks into a document.
pub const KEY_NESTED_ATTRIBUTE: &str = "KeyConditionExpressions cannot have conditions on nested attributes";
/// A comparison of a key condition names no attribute.
pub const KEY_MISSING: &str = "Invalid condition in KeyConditionExpression: No key attribute specified";
/// A comparison of a key condition names two attributes.
pub const KEY_AMBIGUOUS: &str =
    "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition";
/// Two comparisons are about the same attribute.
pub const KEY_REPEATED: &str = "KeyConditionExpressions must only contain one condition per key";

/// `BETWEEN` or `begins_with` has its attribute behind the constants.
pub fn key_not_first(operator: &str) -> String {
    format!(
        "Invalid condition in KeyConditionExpression: {operator} operator must have the key attribute \
         as its first operand"
    )
}

/// A query has no condition, or more than there are key attributes.
pub const KEY_CONDITION_COUNT: &str = "Conditions can be of length 1 or 2 only";
/// The partition key is not compared by `=`, or a sort condition is used where there is no sort key.
pub const KEY_CONDITION_UNSUPPORTED: &str = "Query key condition not supported";
/// A constant has not the type of its key attribute.
pub const KEY_TYPE_MISMATCH: &str =
    "One or more parameter values were invalid: Condition parameter type does not match schema type";

/// A key attribute that must have a condition has none.
pub fn key_condition_missing(attribute: &str) -> String {
    format!("Query condition missed key schema element: {attribute}")
}

/// A filter of a query looks at an attribute of the key.
pub fn filter_on_key(attribute: &str) -> String {
    format!(
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: {attribute}"
    )
}

/// A path goes into an attribute of the table's key.
pub fn path_into_key(attribute: &str) -> String {
    path_into_scalar("Key", attribute)
}

/// A path goes into an attribute of an index's key.
pub fn path_into_index_key(attribute: &str) -> String {
    path_into_scalar("IndexKey", attribute)
}

fn path_into_scalar(role: &str, attribute: &str) -> String {
    format!(
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: \
         {role}: {attribute}"
    )
}

/// An update writes an attribute of the key.
pub fn update_of_key(attribute: &str) -> String {
    format!(
        "One or more parameter values were invalid: Cannot update attribute {attribute}. \
         This attribute is part of the key"
    )
}
/// The right side of `SET` reads an attribute that the item lacks.
pub const UPDATE_OPERAND_MISSING: &str =
    "The provided expression refers to an attribute that does not exist in the item";
/// An operand read from the item has a type that the operation does not take.
pub const UPDATE_OPERAND_TYPE: &str = "An operand in the update expression has an incorrect data type";
/// The map or list that a path goes through is not there, or is neither.
pub const UPDATE_PATH: &str = "The document path provided in the update expression is invalid for update";
/// The two maps that placeholders are defined in, as texts call them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceholderMap {
    /// `ExpressionAttributeNames`
    Names,
    /// `ExpressionAttributeValues`
    Values,
}

impl PlaceholderMap {
    /// The member of the request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Names => "ExpressionAttributeNames",
            Self::Values => "ExpressionAttributeValues",
        }
    }
}

/// The map is there but has no entry.
pub fn placeholders_empty(map: PlaceholderMap) -> String {
    format!("{} must not be empty", map.name())
}

/// A placeholder is not `#` (or `:`) with letters, digits and `_`.
pub fn placeholder_syntax(map: PlaceholderMap, key: &str) -> String {
    format!("{} contains invalid key: Syntax error; key: \"{key}\"", map.name())
}

/// A placeholder has more than 255 bytes.
pub fn placeholder_too_long(map: PlaceholderMap, bytes: usize) -> String {
    format!(
        "{} contains invalid key: The expression attribute map contains a key that is too long; \
         size of key: {bytes}",
        map.name()
    )
}

/// A `#name` stands for nothing. *Assumed.*
pub fn placeholder_name_empty(key: &str) -> String {
    format!("ExpressionAttributeNames contains invalid value: Empty attribute name for key {key}")
}

/// A `#name` stands for more than an attribute may be called; captured from AWS by ExtendDB (#365), 2026-09.
pub const PLACEHOLDER_NAME_TOO_LONG: &str = "Attribute name is too large, must be less than 65536 bytes";

/// A `:value` is no attribute value; `text` says why.
pub fn placeholder_value_invalid(text: &str, key: &str) -> String {
    format!("ExpressionAttributeValues contains invalid value: {text} for key {key}")
}

/// Names and values hold more than 2 MB. *Assumed.*
pub fn placeholders_too_large(map: PlaceholderMap) -> String {
    format!("{} exceeds max size", map.name())
}

/// Placeholders that no expression uses.
pub fn placeholders_unused(map: PlaceholderMap, keys: &[String]) -> String {
    format!("Value provided in {} unused in expressions: keys: {{{}}}", map.name(), keys.join(", "))
}

/// Names without any expression.
pub const NAMES_WITHOUT_EXPRESSION: &str =
    "ExpressionAttributeNames can only be specified when using expressions";

/// Values without any expression that could use them; `absent` are those the operation knows.
pub fn values_without_expression(absent: &[&str]) -> String {
    let verb = if absent.len() == 1 { "is" } else { "are" };
    let absent = absent.join(" and ");
    format!("ExpressionAttributeValues can only be specified when using expressions: {absent} {verb} null")
}

/// Expressions beside the parameters they replaced.
pub fn expressions_beside_legacy(legacy: &[&str], expressions: &[&str]) -> String {
    let (legacy, expressions) = (legacy.join(", "), expressions.join(", "));
    format!(
        "Can not use both expression and non-expression parameters in the same request: \
         Non-expression parameters: {{{legacy}}} Expression parameters: {{{expressions}}}"
    )
}

/// `{N:2}`; only scalars that have an order are ever printed.
fn scalar(value: &Value) -> String {
    let kind = value.kind();
    match value {
        Value::S(text) => format!("{{{kind}:{text}}}"),
        Value::N(number) => format!("{{{kind}:{number}}}"),
        Value::B(bytes) => format!("{{{kind}:{}}}", BASE64.encode(bytes)),
        _ => format!("{{{kind}}}"),
    }
}

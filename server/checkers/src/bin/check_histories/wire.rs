//! Attribute values and table definitions in DynamoDB's JSON.

use serde_json::{Value, json};

pub(crate) fn text(text: impl Into<String>) -> Value {
    json!({"S": text.into()})
}

pub(crate) fn number(number: impl ToString) -> Value {
    json!({"N": number.to_string()})
}

pub(crate) fn to_number(value: &Value) -> Result<u64, String> {
    let digits = value["N"].as_str().ok_or_else(|| format!("{value} is no number"))?;
    digits.parse().map_err(|_| format!("{value} is no whole number"))
}

pub(crate) fn to_text(value: &Value) -> Result<&str, String> {
    value["S"].as_str().ok_or_else(|| format!("{value} is no text"))
}

/// Members of an answer that are a list.
pub(crate) fn list<'a>(answer: &'a Value, member: &str) -> Result<&'a [Value], String> {
    let list = answer[member].as_array().ok_or_else(|| format!("{answer} has no {member}"))?;
    Ok(list)
}

/// Attribute definitions; each is `name:type`.
pub(crate) fn attributes(names: &[&str]) -> Value {
    let definition = |name: &&str| {
        let (name, kind) = name.split_once(':').expect("each has a type");
        json!({"AttributeName": name, "AttributeType": kind})
    };
    names.iter().map(definition).collect()
}

/// A key schema: partition key, and sort key if there is one.
pub(crate) fn key_schema(names: &[&str]) -> Value {
    let element = |(name, kind): (&&str, &str)| json!({"AttributeName": name, "KeyType": kind});
    names.iter().zip(["HASH", "RANGE"]).map(element).collect()
}

/// A stream of all that there is.
pub(crate) fn stream() -> Value {
    json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"})
}

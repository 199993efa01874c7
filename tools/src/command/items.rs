//! Items as DynamoDB JSON, and batches of them into a table.

use std::collections::BTreeMap;

use basalt_engine::{
    BatchWrite, BatchWriteItem, BatchWriteTable, Engine, EngineOptions,
    model::{Item, ItemRef, KeySchema, Number, Value, ValueRef},
    runtime::{block_on, join_all},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value as Json, json};

use super::restore::of_engine;
use crate::failure::Failure;

/// Writes of one BatchWriteItem.
const BATCH_ITEMS: usize = 25;
/// Batches that are on their way at once.
const BATCHES_IN_FLIGHT: usize = 32;
/// Items that are read before they are written.
pub(crate) const GROUP_ITEMS: usize = BATCH_ITEMS * BATCHES_IN_FLIGHT;

/// Opens a directory for a tool: throughput is no matter.
pub(crate) fn open_engine(directory: &std::path::Path) -> Result<Engine, Failure> {
    let options = EngineOptions { enforce_throughput: false, ..EngineOptions::default() };
    Engine::open(directory, options)
        .map_err(|error| Failure::damaged(format!("{}: {error}", directory.display())))
}

/// Puts items into a table, batches of them at once; durable when this returns. Of items with one key the last stays.
pub(crate) fn put_all(
    engine: &Engine,
    table: &str,
    keys: &KeySchema,
    items: Vec<Item>,
) -> Result<(), Failure> {
    let key_of = |item: &Item| -> Vec<u8> {
        let attributes =
            keys.attributes().filter_map(|key| Some((key.name.clone(), item.get(&key.name)?.clone())));
        attributes.collect::<Item>().encode().into_bytes()
    };
    let last_of_each: BTreeMap<Vec<u8>, Item> = items.into_iter().map(|item| (key_of(&item), item)).collect();
    let mut left: Vec<Item> = last_of_each.into_values().collect();
    while !left.is_empty() {
        let batches = left.chunks(BATCH_ITEMS).map(|batch| {
            let writes = batch.iter().cloned().map(BatchWrite::Put).collect();
            let of_table = BatchWriteTable { table_name: table.to_owned(), writes };
            engine.batch_write_item(BatchWriteItem { tables: vec![of_table] })
        });
        let written = block_on(join_all(batches));
        left = Vec::new();
        for output in written {
            for of_table in output.map_err(of_engine)?.tables {
                left.extend(of_table.unprocessed.into_iter().filter_map(|write| match write {
                    BatchWrite::Put(item) => Some(item),
                    BatchWrite::Delete(_) => None,
                }));
            }
        }
    }
    Ok(())
}

/// An item as DynamoDB JSON: `{"name":{"S":"text"}, ...}`.
pub(crate) fn to_json(item: ItemRef<'_>) -> Result<Json, Failure> {
    let mut map = Map::new();
    for entry in item.iter() {
        let (name, value) = entry.map_err(damaged)?;
        map.insert(name.to_owned(), value_to_json(&value)?);
    }
    Ok(Json::Object(map))
}

fn value_to_json(value: &ValueRef<'_>) -> Result<Json, Failure> {
    let owned = value.to_value().map_err(damaged)?;
    Ok(owned_to_json(&owned))
}

fn owned_to_json(value: &Value) -> Json {
    match value {
        Value::S(text) => json!({ "S": text }),
        Value::N(number) => json!({ "N": number.to_string() }),
        Value::B(bytes) => json!({ "B": BASE64_STANDARD.encode(bytes) }),
        Value::Ss(set) => json!({ "SS": set.iter().collect::<Vec<_>>() }),
        Value::Ns(set) => json!({ "NS": set.iter().map(ToString::to_string).collect::<Vec<_>>() }),
        Value::Bs(set) => {
            json!({ "BS": set.iter().map(|bytes| BASE64_STANDARD.encode(bytes)).collect::<Vec<_>>() })
        }
        Value::M(map) => {
            let members = map.iter().map(|(name, value)| (name.clone(), owned_to_json(value)));
            json!({ "M": members.collect::<Map<_, _>>() })
        }
        Value::L(list) => json!({ "L": list.iter().map(owned_to_json).collect::<Vec<_>>() }),
        Value::Bool(truth) => json!({ "BOOL": truth }),
        Value::Null => json!({ "NULL": true }),
    }
}

/// Reads an item of DynamoDB JSON, bare or as AWS's exports wrap it: `{"Item": ...}`.
pub(crate) fn from_json(text: &[u8]) -> Result<Item, String> {
    let parsed: Json = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let Json::Object(mut outer) = parsed else { return Err("it is no object".to_owned()) };
    // An attribute may be called Item; its value is then a typed one, whose only member is a type.
    let is_wrapped = outer.len() == 1
        && outer.get("Item").and_then(Json::as_object).is_some_and(|inner| {
            inner.len() != 1 || inner.values().all(Json::is_object) && !inner.keys().any(|key| key == "M")
        });
    let members = match outer.remove("Item") {
        Some(Json::Object(inner)) if is_wrapped => inner,
        Some(value) => {
            outer.insert("Item".to_owned(), value);
            outer
        }
        None => outer,
    };
    let values = members.into_iter().map(|(name, value)| {
        let value = value_of(&value).map_err(|problem| format!("{name}: {problem}"))?;
        Ok((name, value))
    });
    values.collect::<Result<Item, String>>()
}

fn value_of(json: &Json) -> Result<Value, String> {
    let typed =
        json.as_object().filter(|members| members.len() == 1).and_then(|members| members.iter().next());
    let (kind, content) = typed.ok_or("a value has exactly one type")?;
    match kind.as_str() {
        "S" => text(content).map(|text| Value::S(text.to_owned())),
        "N" => number(content).map(Value::N),
        "B" => bytes(content).map(Value::B),
        "SS" => Value::string_set(members(content, |one| text(one).map(str::to_owned))?)
            .map_err(|e| e.to_string()),
        "NS" => Value::number_set(members(content, number)?).map_err(|error| error.to_string()),
        "BS" => Value::binary_set(members(content, bytes)?).map_err(|error| error.to_string()),
        "L" => members(content, value_of).map(Value::L),
        "M" => {
            let members = content.as_object().ok_or("a map is an object")?;
            let values = members.iter().map(|(name, value)| Ok((name.clone(), value_of(value)?)));
            values.collect::<Result<_, String>>().map(Value::M)
        }
        "BOOL" => {
            content.as_bool().map(Value::Bool).ok_or_else(|| "a truth value is true or false".to_owned())
        }
        "NULL" => Ok(Value::Null),
        other => Err(format!("{other} is no type")),
    }
}

fn members<T>(content: &Json, read: impl Fn(&Json) -> Result<T, String>) -> Result<Vec<T>, String> {
    content.as_array().ok_or("a list or set is an array")?.iter().map(read).collect()
}

fn text(content: &Json) -> Result<&str, String> {
    content.as_str().ok_or_else(|| "a text is missing".to_owned())
}

fn number(content: &Json) -> Result<Number, String> {
    Number::parse(text(content)?).map_err(|error| error.to_string())
}

fn bytes(content: &Json) -> Result<Vec<u8>, String> {
    BASE64_STANDARD.decode(text(content)?).map_err(|error| error.to_string())
}

fn damaged(error: basalt_format::DecodeError) -> Failure {
    Failure::damaged(format!("an item cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_comes_back_through_json() {
        let text = br#"{"Item":{"s":{"S":"x"},"n":{"N":"-1.5"},"b":{"B":"AAE="},"t":{"BOOL":false},"z":{"NULL":true},
            "ss":{"SS":["a","b"]},"ns":{"NS":["1","2"]},"bs":{"BS":["AA=="]},
            "m":{"M":{"l":{"L":[{"N":"3"},{"M":{}}]}}}}}"#;
        let item = from_json(text).unwrap();
        let written = to_json(item.encode().as_item()).unwrap();
        assert_eq!(from_json(&serde_json::to_vec(&written).unwrap()).unwrap(), item);
        assert_eq!(item.len(), 9);
    }

    #[test]
    fn an_attribute_called_item_is_not_taken_for_the_wrapping() {
        let bare = from_json(br#"{"Item":{"S":"x"}}"#).unwrap();
        assert_eq!(bare.get("Item"), Some(&Value::S("x".to_owned())));
        let map = from_json(br#"{"Item":{"M":{"a":{"S":"x"}}}}"#).unwrap();
        assert!(map.contains_key("Item"));
        let wrapped = from_json(br#"{"Item":{"pk":{"S":"x"}}}"#).unwrap();
        assert_eq!(wrapped.get("pk"), Some(&Value::S("x".to_owned())));
    }

    #[test]
    fn what_is_no_typed_value_is_refused_by_name() {
        for (text, named) in [
            (&br#"{"a":{"S":1}}"#[..], "a: "),
            (br#"{"a":{"S":"x","N":"1"}}"#, "exactly one type"),
            (br#"{"a":{"Q":"x"}}"#, "no type"),
            (br#"[1]"#, "no object"),
        ] {
            let problem = from_json(text).unwrap_err();
            assert!(problem.contains(named), "{problem}");
        }
    }
}

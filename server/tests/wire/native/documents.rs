//! DynamoDB's JSON as documents and back, by what the specification says of members.

use std::collections::BTreeMap;

use basalt_client::Node;
use basalt_engine::model::{EncodedItem, Item, ItemRef, Number, Value, ValueRef};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

/// What a member holds, as the last column of `native_members` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Item,
    Value,
    Names,
    Itself,
}

fn holds(member: &str) -> Holds {
    match member {
        "Key"
        | "Item"
        | "ExpressionAttributeValues"
        | "ExclusiveStartKey"
        | "Keys"
        | "Attributes"
        | "Items"
        | "LastEvaluatedKey"
        | "ItemCollectionKey"
        | "NewImage"
        | "OldImage" => Holds::Item,
        "Parameters" | "AttributeValueList" | "Value" => Holds::Value,
        "ExpressionAttributeNames"
        | "RequestItems"
        | "Expected"
        | "AttributeUpdates"
        | "QueryFilter"
        | "ScanFilter"
        | "KeyConditions"
        | "LocalSecondaryIndexes"
        | "GlobalSecondaryIndexes"
        | "UnprocessedKeys"
        | "UnprocessedItems" => Holds::Names,
        _ => Holds::Itself,
    }
}

/// A request's members as a document has them; `None` if an attribute has no stored form.
pub(super) fn members_of(request: &Json) -> Option<Vec<(String, Node)>> {
    let members = request.as_object().expect("a request is an object");
    // What is null is left out.
    let present = members.iter().filter(|(_, value)| !value.is_null());
    present.map(|(name, value)| Some((name.clone(), member_node(name, value)?))).collect()
}

fn member_node(name: &str, value: &Json) -> Option<Node> {
    match (holds(name), value) {
        (Holds::Item, Json::Object(_)) => item_node(value),
        (Holds::Item, Json::Array(items)) => {
            items.iter().map(item_node).collect::<Option<_>>().map(Node::List)
        }
        (Holds::Value, Json::Object(_)) => value_node(value),
        (Holds::Value, Json::Array(values)) => {
            values.iter().map(value_node).collect::<Option<_>>().map(Node::List)
        }
        (Holds::Names, Json::Object(entries)) => {
            let entries = entries.iter().map(|(name, value)| Some((name.clone(), node(value)?)));
            entries.collect::<Option<_>>().map(Node::Object)
        }
        _ => node(value),
    }
}

fn node(value: &Json) -> Option<Node> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(truth) => Node::Boolean(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Node::Integer(whole),
            None => Node::Double(number.as_f64()?),
        },
        Json::String(text) => Node::Text(text.clone()),
        Json::Array(elements) => Node::List(elements.iter().map(node).collect::<Option<_>>()?),
        Json::Object(_) => Node::Object(members_of(value)?),
    })
}

fn item_node(json: &Json) -> Option<Node> {
    attributes(json).map(|item| Node::Item(item.encode().into_bytes()))
}

fn value_node(json: &Json) -> Option<Node> {
    let holder = BTreeMap::from([("value".to_owned(), attribute(json)?)]);
    let stored = EncodedItem::from(&holder);
    Some(Node::Value(stored.as_item().get_encoded("value").unwrap().unwrap().to_vec()))
}

fn attributes(json: &Json) -> Option<Item> {
    let entries = json.as_object()?.iter();
    let entries = entries.map(|(name, value)| Some((name.clone(), attribute(value)?)));
    let item: Item = entries.collect::<Option<BTreeMap<_, _>>>()?.into();
    item.check().is_ok().then_some(item)
}

fn attribute(json: &Json) -> Option<Value> {
    let mut members = json.as_object()?.iter();
    let (datatype, value) = members.next()?;
    if members.next().is_some() {
        return None;
    }
    let texts =
        || value.as_array()?.iter().map(|text| Some(text.as_str()?.to_owned())).collect::<Option<Vec<_>>>();
    let number = |text: &str| Number::parse(text).ok();
    let blob = |text: &str| STANDARD.decode(text).ok();
    Some(match datatype.as_str() {
        "S" => Value::S(value.as_str()?.to_owned()),
        "N" => Value::N(number(value.as_str()?)?),
        "B" => Value::B(blob(value.as_str()?)?),
        "BOOL" => Value::Bool(value.as_bool()?),
        "NULL" => value.as_bool()?.then_some(Value::Null)?,
        "SS" => Value::string_set(texts()?).ok()?,
        "NS" => {
            Value::number_set(texts()?.iter().map(|text| number(text)).collect::<Option<Vec<_>>>()?).ok()?
        }
        "BS" => {
            Value::binary_set(texts()?.iter().map(|text| blob(text)).collect::<Option<Vec<_>>>()?).ok()?
        }
        "L" => Value::L(value.as_array()?.iter().map(attribute).collect::<Option<_>>()?),
        "M" => Value::M(attributes(value)?.into_map()),
        _ => return None,
    })
}

/// A document as JSON.
pub(super) fn json_of(node: &Node) -> Json {
    match node {
        Node::Boolean(truth) => json!(truth),
        Node::Integer(number) => json!(number),
        Node::Double(number) => json!(number),
        Node::Text(text) => json!(text),
        Node::Item(stored) => item_json(stored),
        Node::Value(stored) => value_json(ValueRef::decode(stored).expect("values are sound")),
        Node::List(elements) => elements.iter().map(json_of).collect(),
        Node::Object(members) => {
            Json::Object(members.iter().map(|(name, value)| (name.clone(), json_of(value))).collect())
        }
    }
}

fn item_json(stored: &[u8]) -> Json {
    basalt_format::item_encoding::validate(stored).expect("items are sound");
    let item = ItemRef::new(stored).expect("items are sound");
    let entries = item.iter().map(|entry| entry.expect("items are sound"));
    Json::Object(entries.map(|(name, value)| (name.to_owned(), value_json(value))).collect())
}

fn value_json(value: ValueRef<'_>) -> Json {
    let kind = value.kind().name();
    let inner = match value {
        ValueRef::S(text) => json!(text),
        ValueRef::N(number) => json!(number.to_string()),
        ValueRef::B(bytes) => json!(STANDARD.encode(bytes)),
        ValueRef::Bool(truth) => json!(truth),
        ValueRef::Null => json!(true),
        ValueRef::Ss(set) | ValueRef::Ns(set) | ValueRef::Bs(set) => {
            let members = set.iter().map(|member| value_json(member.expect("sets are sound")));
            // A member's own type is that of the set.
            members.filter_map(|member| member.as_object()?.values().next().cloned()).collect()
        }
        ValueRef::L(list) => {
            list.iter().map(|element| value_json(element.expect("lists are sound"))).collect()
        }
        ValueRef::M(map) => {
            let entries = map.iter().map(|entry| entry.expect("maps are sound"));
            Json::Object(entries.map(|(name, value)| (name.to_owned(), value_json(value))).collect())
        }
    };
    json!({ kind: inner })
}

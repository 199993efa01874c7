//! The expression language: text from the input, and an item and placeholders derived from what follows it.
//!
//! An input is the text up to its first zero byte; the bytes behind it choose what every placeholder in the text
//! means, and the item. Parsing must end in a tree or a worded fault, and evaluating the tree must agree with a
//! second way to the same answer.

use std::collections::BTreeMap;

use basalt_format::item_encoding;
use basalt_model::expression::{
    Condition, ExpressionError, ExpressionKind, Placeholders, Projection, SchemaError, Update,
    parse_condition, parse_key_condition, parse_projection, parse_update,
};
use basalt_model::key::KeyCodec;
use basalt_model::{DocumentPath, EncodedItem, Item, Value};

use super::keys::schemas;
use crate::source::Source;

const SECRET: [u8; 16] = *b"a table's secret";

/// A condition, also as a filter.
pub fn expression_condition(data: &[u8]) {
    let scene = Scene::of(data);
    let item = scene.item.encode();
    for kind in [ExpressionKind::Condition, ExpressionKind::Filter] {
        let Some(condition) = scene.condition(kind, &scene.text) else { continue };
        let _ = condition.matches(None).map(|_| condition.paths());
        let holds = condition.matches(Some(item.as_item())).expect("an item that was just encoded is whole");
        // Redundant parentheses and the limit of operators may forbid the negation.
        if let Some(negation) = scene.condition(kind, &format!("NOT ({})", scene.text)) {
            let fails = negation.matches(Some(item.as_item())).expect("the same item is whole");
            assert_ne!(holds, fails, "a condition or its negation holds");
        }
    }
}

/// A key condition, bound to every schema; the range of keys it becomes agrees with the condition itself.
pub fn expression_key_condition(data: &[u8]) {
    let scene = Scene::of(data);
    let parsed = scene.parse(parse_key_condition).and_then(|parsed| parsed.conditions().ok());
    let Some(conditions) = parsed else { return };
    let condition = scene.condition(ExpressionKind::Condition, &scene.text);
    let condition = condition.expect("every key condition is a condition");
    for schema in schemas() {
        match conditions.bind(&schema, |_attribute, _place| Ok::<_, SchemaError>(())) {
            Err(error) => drop(error.to_string()),
            Ok(bound) => {
                let codec = KeyCodec::new(schema, &SECRET);
                let range = codec.query_range(&bound.partition, bound.sort.as_ref());
                // A condition on an attribute that is no key of this schema is refused, so only the keys decide.
                let key = codec.schema().key_of(&scene.item);
                let Ok(key_bytes) = codec.encode_key(&key) else { continue };
                assert_eq!(
                    condition.matches(Some(key.encode().as_item())),
                    Ok(range.contains(key_bytes.as_bytes())),
                    "a range of keys holds what its condition holds for"
                );
            }
        }
    }
}

/// A projection.
pub fn expression_projection(data: &[u8]) {
    let scene = Scene::of(data);
    let Some(projection) = scene.parse(parse_projection) else { return };
    let item = scene.item.encode();
    let projected = project(&projection, &item);
    assert!(projected.size_bytes() <= scene.item.size_bytes(), "a projection is a part of the item");
    for path in projection.paths() {
        if path.rest.is_empty() {
            assert_eq!(
                projected.get(&path.name),
                scene.item.get(&path.name),
                "whole attributes are taken whole"
            );
        }
    }
    let is_named = |name: &String| projection.paths().iter().any(|path| path.name == *name);
    assert!(projected.keys().all(is_named), "only what is named is taken");
}

/// An update of the item, and of one that does not exist.
pub fn expression_update(data: &[u8]) {
    let scene = Scene::of(data);
    let Some(update) = scene.parse(parse_update) else { return };
    let _ = (update.size_actions(), update.paths());
    let pk = Item::from(BTreeMap::from([("pk".to_owned(), Value::S("key".to_owned()))]));
    check_update(&update, &pk, None, &pk);
    let item = scene.item.encode();
    check_update(&update, &scene.item, Some(&item), &pk);
}

fn check_update(update: &Update, before: &Item, old: Option<&EncodedItem>, key: &Item) {
    let after = match update.apply(old.map(EncodedItem::as_item), key) {
        Ok(after) => after,
        Err(error) => return drop(error.to_string()),
    };
    item_encoding::validate(after.as_bytes()).expect("an update makes whole items");
    project(update.touched(), &after);
    let after = after.as_item().to_item().expect("a whole item can be decoded");
    let is_touched =
        |name: &str| update.touched().paths().iter().any(|path: &DocumentPath| path.name == name);
    for name in before.keys().chain(after.keys()).filter(|name| !is_touched(name)) {
        assert_eq!(before.get(name), after.get(name), "what no action names stays");
    }
}

fn project(projection: &Projection, item: &EncodedItem) -> Item {
    let projected = projection.project(item.as_item()).expect("an item that was just encoded is whole");
    item_encoding::validate(projected.as_bytes()).expect("a projection makes whole items");
    projected.as_item().to_item().expect("a whole item can be decoded")
}

/// A text, what its placeholders mean, and an item.
struct Scene {
    text: String,
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Value>,
    item: Item,
}

impl Scene {
    fn of(data: &[u8]) -> Self {
        let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
        let (text, rest) = data.split_at(end);
        let text = String::from_utf8_lossy(text).into_owned();
        let mut source = Source::new(rest.get(1..).unwrap_or_default());
        let item = source.item();
        let names = placeholders(&text, '#').map(|name| (name, source.name().to_owned())).collect();
        let values = placeholders(&text, ':').map(|name| (name, source.value())).collect();
        Self { text, names, values, item }
    }

    fn placeholders(&self) -> Option<Placeholders> {
        let names = (!self.names.is_empty()).then(|| self.names.clone());
        let values = (!self.values.is_empty()).then(|| self.values.clone());
        Placeholders::new(names, values).map_err(|error| drop(error.to_string())).ok()
    }

    fn parse<T>(&self, parse: fn(&str, &mut Placeholders) -> Result<T, ExpressionError>) -> Option<T> {
        let mut placeholders = self.placeholders()?;
        let parsed = parse(&self.text, &mut placeholders).map_err(|error| drop(error.to_string()));
        let _ = placeholders.check_all_used().map_err(|error| drop(error.to_string()));
        parsed.ok()
    }

    fn condition(&self, kind: ExpressionKind, text: &str) -> Option<Condition> {
        let mut placeholders = self.placeholders()?;
        let parsed = parse_condition(kind, text, &mut placeholders);
        parsed.map_err(|error| drop(error.to_string())).ok()
    }
}

/// The placeholders in a text: a sigil and the word behind it.
fn placeholders(text: &str, sigil: char) -> impl Iterator<Item = String> {
    text.split(sigil).skip(1).filter_map(move |rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let word = rest.get(..end.unwrap_or(rest.len())).filter(|word| !word.is_empty())?;
        Some(format!("{sigil}{word}"))
    })
}

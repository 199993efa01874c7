//! The item of a number, as an engine takes it and as it travels in JSON: five attributes, of a size that is asked for.

use basalt_model::{Item, Number, Value};

use crate::workload::mix;

/// Name of the table's partition key, which is a string.
pub const KEY_NAME: &str = "id";
/// Digits of a key, leading zeros included.
pub const KEY_DIGITS: usize = 16;
/// Highest number of an item, so that all numbers of items have the same number of digits.
pub const NUMBER_MAX: u64 = 899_999_999_999;

/// Bytes that DynamoDB counts for everything but the characters of the payload:
/// `id` 2 + 16, `active` 6 + 1, `created` 7 + 8 (13 digits), `payload` 7, `version` 7 + 3 (3 digits).
const BYTES_WITHOUT_PAYLOAD: usize = 18 + 7 + 15 + 7 + 10;
/// How many different versions an item has.
const VERSIONS: u64 = 810;

/// Items of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestItems {
    item_bytes: usize,
}

impl TestItems {
    /// Items that DynamoDB counts as `item_bytes`.
    ///
    /// # Errors
    /// If five attributes need more.
    pub fn of_size(item_bytes: usize) -> Result<Self, String> {
        if item_bytes <= BYTES_WITHOUT_PAYLOAD {
            return Err(format!("an item has at least {} bytes", BYTES_WITHOUT_PAYLOAD + 1));
        }
        Ok(Self { item_bytes })
    }

    /// What DynamoDB counts for an item.
    pub fn item_bytes(self) -> usize {
        self.item_bytes
    }

    /// Item `number`. Versions repeat after many: an item is put again with another version, since a put that changes
    /// nothing costs an engine nothing.
    pub fn item(self, number: u64, version: u64) -> Item {
        let numeric = |number: u64| Value::N(Number::from(number));
        Item::from_iter([
            (KEY_NAME.to_owned(), Value::S(key_text(number))),
            ("active".to_owned(), Value::Bool(true)),
            ("created".to_owned(), numeric(created(number))),
            ("payload".to_owned(), Value::S(self.payload(number))),
            ("version".to_owned(), numeric(version_number(version))),
        ])
    }

    /// Item `number` in DynamoDB's JSON. All items of one size have JSON of one size.
    pub fn write_json(self, number: u64, version: u64, json: &mut Vec<u8>) {
        json.extend_from_slice(b"{\"");
        write_key_json(number, json);
        json.extend_from_slice(b",\"active\":{\"BOOL\":true},\"");
        json.extend_from_slice(created_json(number).as_bytes());
        json.extend_from_slice(b",\"");
        self.write_payload_json(number, json);
        json.extend_from_slice(
            format!(",\"version\":{{\"N\":\"{}\"}}}}", version_number(version)).as_bytes(),
        );
    }

    /// Whether an answer holds item `number` of whatever version, in whatever order the attributes come.
    pub fn are_in(self, answer: &[u8], number: u64) -> bool {
        let (mut key, mut payload) = (Vec::new(), Vec::new());
        write_key_json(number, &mut key);
        self.write_payload_json(number, &mut payload);
        let created = created_json(number);
        [&key[..], &payload, created.as_bytes(), b"active\":{\"BOOL\":true}", b"version\":{\"N\":\""]
            .iter()
            .all(|part| memchr::memmem::find(answer, part).is_some())
    }

    fn write_payload_json(self, number: u64, json: &mut Vec<u8>) {
        json.extend_from_slice(b"payload\":{\"S\":\"");
        let word = payload_word(number);
        let payload_bytes = self.item_bytes - BYTES_WITHOUT_PAYLOAD;
        for _ in 0..payload_bytes / word.len() {
            json.extend_from_slice(&word);
        }
        json.extend_from_slice(&word[..payload_bytes % word.len()]);
        json.extend_from_slice(b"\"}");
    }

    fn payload(self, number: u64) -> String {
        let word = payload_word(number).map(char::from);
        word.into_iter().cycle().take(self.item_bytes - BYTES_WITHOUT_PAYLOAD).collect()
    }
}

/// The key of item `number`.
pub fn key_text(number: u64) -> String {
    format!("{number:0KEY_DIGITS$}")
}

/// The key attribute of item `number` without its opening quote: `id":{"S":"..."}`.
pub fn write_key_json(number: u64, json: &mut Vec<u8>) {
    json.extend_from_slice(b"id\":{\"S\":\"");
    let digits_at = json.len();
    json.resize(digits_at + KEY_DIGITS, b'0');
    let mut rest = number;
    for digit in json[digits_at..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    json.extend_from_slice(b"\"}");
}

/// Thirteen digits for every number, the last one not zero: DynamoDB counts significant digits.
fn created(number: u64) -> u64 {
    1_000_000_000_007 + number * 10
}

/// Three digits for every version, the last one not zero.
fn version_number(version: u64) -> u64 {
    let version = version % VERSIONS;
    101 + version / 9 * 10 + version % 9
}

fn created_json(number: u64) -> String {
    format!("created\":{{\"N\":\"{}\"}}", created(number))
}

/// Sixteen hexadecimal digits that the payload repeats: cheap to check, and different for every item.
fn payload_word(number: u64) -> [u8; 16] {
    let mixed = mix(number);
    std::array::from_fn(|place| b"0123456789abcdef"[(mixed >> (60 - 4 * place)) as usize & 15])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_have_the_size_that_was_asked_for() {
        for item_bytes in [58, 300, 1024] {
            let items = TestItems::of_size(item_bytes).unwrap();
            for number in [0, 9, 10, 123_456, NUMBER_MAX] {
                assert_eq!(items.item(number, number).size_bytes(), item_bytes, "item {number}");
            }
            for version in 0..VERSIONS {
                assert_eq!(items.item(1, version).size_bytes(), item_bytes, "version {version}");
                assert_ne!(items.item(1, version), items.item(1, version + 1));
            }
        }
        assert!(TestItems::of_size(BYTES_WITHOUT_PAYLOAD).is_err());
    }

    #[test]
    fn json_says_what_the_item_says() {
        let items = TestItems::of_size(300).unwrap();
        let mut json = Vec::new();
        items.write_json(42, 5, &mut json);
        let parsed: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let item = items.item(42, 5);
        let text = |name: &str| match item.get(name) {
            Some(Value::S(text)) => text.clone(),
            Some(Value::N(number)) => number.to_string(),
            other => panic!("{name} is {other:?}"),
        };
        assert_eq!(
            parsed,
            serde_json::json!({
                "id": { "S": text("id") },
                "active": { "BOOL": true },
                "created": { "N": text("created") },
                "payload": { "S": text("payload") },
                "version": { "N": text("version") },
            })
        );
    }

    #[test]
    fn another_items_answer_is_noticed() {
        let items = TestItems::of_size(300).unwrap();
        let mut answer = b"{\"Item\":".to_vec();
        items.write_json(42, 5, &mut answer);
        assert!(items.are_in(&answer, 42));
        assert!(!items.are_in(&answer, 43));
        let payload_at = answer.len() - 60;
        answer[payload_at] ^= 1;
        assert!(!items.are_in(&answer, 42), "one wrong character of the payload");
    }
}

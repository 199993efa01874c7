//! Tags, as CreateTable and TagResource take them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::json::{BodyError, Known, Reader};

const KEY_LENGTH: RangeInclusive<usize> = 1..=128;
const VALUE_LENGTH: RangeInclusive<usize> = 0..=256;

/// The tags as they stand in the request.
#[derive(Debug, Default)]
pub(super) struct TagListInput(Vec<TagInput>);

#[derive(Debug, Default)]
struct TagInput {
    key: Option<String>,
    value: Option<String>,
}

impl TagListInput {
    /// Reads a list of tags.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Option<TagListInput>, BodyError> {
        let tags = reader.structures("Tag", |tag: &mut TagInput, reader, name| {
            match name {
                "Key" => tag.key = reader.owned_text()?,
                "Value" => tag.value = reader.owned_text()?,
                _ => return Ok(Known::No),
            }
            Ok(Known::Yes)
        })?;
        Ok(tags.map(TagListInput))
    }

    /// The tags by key; violations go to `constraints`.
    pub(super) fn check(self, constraints: &mut Constraints) -> BTreeMap<String, String> {
        let mut tags = BTreeMap::new();
        for (index, tag) in self.0.into_iter().enumerate() {
            let path = |member: &str| format!("tags.{}.member.{member}", index + 1);
            constraints.required(&path("key"), &tag.key);
            constraints.text_length(&path("key"), tag.key.as_deref(), KEY_LENGTH);
            constraints.required(&path("value"), &tag.value);
            constraints.text_length(&path("value"), tag.value.as_deref(), VALUE_LENGTH);
            tags.extend(tag.key.zip(tag.value));
        }
        tags
    }
}

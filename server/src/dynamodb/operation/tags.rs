//! TagResource, UntagResource and ListTagsOfResource: the tags of a table.

use std::collections::BTreeSet;

use basalt_engine::{ChangeTags, Error};

use super::tag_list::TagListInput;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::{ApiError, Plane};
use crate::dynamodb::json::{BodyError, Known, Reader};
use crate::dynamodb::reply::object_reply;
use crate::dynamodb::resource_arn::ResourceArn;
use crate::dynamodb::{Api, Operation, messages};

/// The members of a TagResource request.
#[derive(Debug, Default)]
pub(crate) struct TagResourceInput {
    resource_arn: Option<String>,
    tags: Option<TagListInput>,
}

impl Operation for TagResourceInput {
    const SHAPE: &'static str = "TagResourceInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "ResourceArn" => self.resource_arn = reader.owned_text()?,
            "Tags" => self.tags = TagListInput::read(reader)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let resource = ResourceArn::of_request_that_names(self.resource_arn, &api.names, "TagResource")?;
        let mut constraints = Constraints::default();
        constraints.required("tags", &self.tags);
        let put = self.tags.unwrap_or_default().check(&mut constraints);
        constraints.finish()?;
        let table_name = resource.table(&api.names, "TagResource")?;
        if put.is_empty() {
            return Err(ApiError::validation(messages::NO_TAG));
        }
        change(api, ChangeTags { table_name, put, remove: BTreeSet::new() }, || resource.not_found()).await
    }
}

/// The members of an UntagResource request.
#[derive(Debug, Default)]
pub(crate) struct UntagResourceInput {
    resource_arn: Option<String>,
    tag_keys: Option<Vec<String>>,
}

impl Operation for UntagResourceInput {
    const SHAPE: &'static str = "UntagResourceInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "ResourceArn" => self.resource_arn = reader.owned_text()?,
            "TagKeys" => self.tag_keys = reader.texts()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let resource = ResourceArn::of_request(self.resource_arn, &api.names, "UntagResource")?;
        let mut constraints = Constraints::default();
        constraints.required("tagKeys", &self.tag_keys);
        constraints.finish()?;
        let table_name = resource.table(&api.names, "UntagResource")?;
        let remove: BTreeSet<String> = self.tag_keys.into_iter().flatten().collect();
        if remove.is_empty() {
            return Err(ApiError::validation(messages::NO_TAG_KEY));
        }
        let not_found =
            || ApiError::from_engine(Error::TableNotFound { table_name: String::new() }, Plane::Data);
        change(api, ChangeTags { table_name, put: Default::default(), remove }, not_found).await
    }
}

/// Changes the tags; the reply has no body.
async fn change(
    api: &Api,
    change: ChangeTags,
    not_found: impl FnOnce() -> ApiError,
) -> Result<Vec<u8>, ApiError> {
    match api.engine.change_tags(change).await {
        Ok(()) => Ok(Vec::new()),
        Err(Error::TableNotFound { .. }) => Err(not_found()),
        Err(other) => Err(ApiError::from_engine(other, Plane::Control)),
    }
}

/// The members of a ListTagsOfResource request.
#[derive(Debug, Default)]
pub(crate) struct ListTagsOfResourceInput {
    resource_arn: Option<String>,
    next_token: Option<String>,
}

impl Operation for ListTagsOfResourceInput {
    const SHAPE: &'static str = "ListTagsOfResourceInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "ResourceArn" => self.resource_arn = reader.owned_text()?,
            "NextToken" => self.next_token = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    /// All tags at once: a table has at most fifty, so no reply ever hands out a token.
    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let resource = ResourceArn::of_request(self.resource_arn, &api.names, "ListTagsOfResource")?;
        let table_name = resource.table(&api.names, "ListTagsOfResource")?;
        if self.next_token.is_some() {
            return Err(ApiError::validation(messages::INVALID_NEXT_TOKEN));
        }
        let table = api.engine.describe_table(&table_name).await.map_err(|error| match error {
            Error::TableNotFound { .. } => resource.not_found(),
            other => ApiError::from_engine(other, Plane::Control),
        })?;
        Ok(object_reply(|members| {
            let mut tags = members.value_of("Tags").array();
            for (key, value) in &table.tags {
                let mut tag = tags.element().object();
                tag.string("Key", key);
                tag.string("Value", value);
            }
        }))
    }
}

//! GetResourcePolicy and DeleteResourcePolicy: policies, of which there are none. Basalt would not enforce one, so
//! it takes none.

use super::one_table::existing_table;
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::{ApiError, Exception, Plane};
use crate::dynamodb::json::{BodyError, Known, Reader};
use crate::dynamodb::reply::object_reply;
use crate::dynamodb::resource_arn::ResourceArn;
use crate::dynamodb::{Api, Operation, messages};

const REVISION_LENGTH_MAX: usize = 255;

/// The members of a GetResourcePolicy request.
#[derive(Debug, Default)]
pub(crate) struct GetResourcePolicyInput {
    resource_arn: Option<String>,
}

impl Operation for GetResourcePolicyInput {
    const SHAPE: &'static str = "GetResourcePolicyInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        if name != "ResourceArn" {
            return Ok(Known::No);
        }
        self.resource_arn = reader.owned_text()?;
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.required("resourceArn", &self.resource_arn);
        constraints.finish()?;
        let resource = existing_resource(api, self.resource_arn, "GetResourcePolicy").await?;
        Err(policy_not_found(&resource))
    }
}

/// The members of a DeleteResourcePolicy request.
#[derive(Debug, Default)]
pub(crate) struct DeleteResourcePolicyInput {
    resource_arn: Option<String>,
    expected_revision_id: Option<String>,
}

impl Operation for DeleteResourcePolicyInput {
    const SHAPE: &'static str = "DeleteResourcePolicyInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "ResourceArn" => self.resource_arn = reader.owned_text()?,
            "ExpectedRevisionId" => self.expected_revision_id = reader.owned_text()?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    /// Removing what is not there succeeds, unless a certain revision is expected to be there.
    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.required("resourceArn", &self.resource_arn);
        let revision = self.expected_revision_id.as_deref();
        constraints.text_length("expectedRevisionId", revision, 1..=REVISION_LENGTH_MAX);
        constraints.finish()?;
        let resource = existing_resource(api, self.resource_arn, "DeleteResourcePolicy").await?;
        match self.expected_revision_id {
            Some(_) => Err(policy_not_found(&resource)),
            None => Ok(object_reply(|_no_members| ())),
        }
    }
}

async fn existing_resource(
    api: &Api,
    resource_arn: Option<String>,
    operation: &str,
) -> Result<ResourceArn, ApiError> {
    let resource = ResourceArn::of_request(resource_arn, &api.names, operation)?;
    let table_name = resource.table_of_any(&api.names, operation)?;
    existing_table(api, &table_name, Plane::Control).await?;
    Ok(resource)
}

fn policy_not_found(resource: &ResourceArn) -> ApiError {
    ApiError::new(Exception::PolicyNotFound, messages::policy_not_found(resource.as_str()))
}

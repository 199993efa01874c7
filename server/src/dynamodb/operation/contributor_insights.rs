//! Contributor insights, which Basalt does not gather: they are disabled everywhere, and cannot be enabled.

use super::one_table::{TableNameInput, existing_table};
use crate::dynamodb::constraint::{Constraints, Enumeration};
use crate::dynamodb::error_map::{ApiError, Exception, Plane};
use crate::dynamodb::json::writer::Members;
use crate::dynamodb::json::{BodyError, IntegerType, Known, Reader};
use crate::dynamodb::reply::object_reply;
use crate::dynamodb::{Api, Operation, messages};

const PAGE_MAX: i64 = 100;
const ACTIONS: Enumeration<Action> = Enumeration(&[("ENABLE", Action::Enable), ("DISABLE", Action::Disable)]);
const MODES: Enumeration<()> = Enumeration(&[("ACCESSED_AND_THROTTLED_KEYS", ()), ("THROTTLED_KEYS", ())]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Enable,
    Disable,
}

/// A table, or one of its indexes.
#[derive(Debug, Default)]
struct SubjectInput {
    table: TableNameInput,
    index_name: Option<String>,
}

/// One that there is.
struct Subject {
    table_name: String,
    index_name: Option<String>,
}

impl SubjectInput {
    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        if name != "IndexName" {
            return self.table.read_member(reader, name);
        }
        self.index_name = reader.owned_text()?;
        Ok(Known::Yes)
    }

    async fn check(
        self,
        api: &Api,
        operation: &str,
        mut constraints: Constraints,
    ) -> Result<Subject, ApiError> {
        let table_name = self.table.check(api, operation)?;
        constraints.index_name("indexName", self.index_name.as_deref());
        constraints.finish()?;
        let table = existing_table(api, &table_name, Plane::Control).await?;
        match self.index_name {
            Some(index_name) if !table.has_index(&index_name) => {
                let message = messages::index_of_table_not_found(&index_name, &table_name);
                Err(ApiError::new(Exception::ResourceNotFound, message))
            }
            index_name => Ok(Subject { table_name, index_name }),
        }
    }
}

impl Subject {
    fn write_disabled(&self, members: &mut Members<'_>) {
        members.string("TableName", &self.table_name);
        if let Some(index_name) = &self.index_name {
            members.string("IndexName", index_name);
        }
        members.string("ContributorInsightsStatus", "DISABLED");
    }
}

/// The members of a DescribeContributorInsights request.
#[derive(Debug, Default)]
pub(crate) struct DescribeContributorInsightsInput(SubjectInput);

impl Operation for DescribeContributorInsightsInput {
    const SHAPE: &'static str = "DescribeContributorInsightsInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        self.0.read_member(reader, name)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let subject = self.0.check(api, "DescribeContributorInsights", Constraints::default()).await?;
        Ok(object_reply(|members| subject.write_disabled(members)))
    }
}

/// The members of an UpdateContributorInsights request.
#[derive(Debug, Default)]
pub(crate) struct UpdateContributorInsightsInput {
    subject: SubjectInput,
    action: Option<String>,
    mode: Option<String>,
}

impl Operation for UpdateContributorInsightsInput {
    const SHAPE: &'static str = "UpdateContributorInsightsInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "ContributorInsightsAction" => self.action = reader.owned_text()?,
            "ContributorInsightsMode" => self.mode = reader.owned_text()?,
            _ => return self.subject.read_member(reader, name),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.required("contributorInsightsAction", &self.action);
        let action = constraints.enumeration("contributorInsightsAction", self.action.as_deref(), &ACTIONS);
        constraints.enumeration("contributorInsightsMode", self.mode.as_deref(), &MODES);
        let subject = self.subject.check(api, "UpdateContributorInsights", constraints).await?;
        if action == Some(Action::Enable) {
            return Err(ApiError::unsupported("UpdateContributorInsights with ENABLE"));
        }
        Ok(object_reply(|members| subject.write_disabled(members)))
    }
}

/// The members of a ListContributorInsights request: filters on a list that is empty.
#[derive(Debug, Default)]
pub(crate) struct ListContributorInsightsInput {
    table: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

impl Operation for ListContributorInsightsInput {
    const SHAPE: &'static str = "ListContributorInsightsInput";

    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "TableName" => self.table = reader.owned_text()?,
            "NextToken" => self.next_token = reader.owned_text()?,
            "MaxResults" => self.max_results = reader.integer(IntegerType::Integer)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError> {
        let mut constraints = Constraints::default();
        constraints.optional_table("tableName", &self.table);
        constraints.number("maxResults", self.max_results, i64::MIN..=PAGE_MAX);
        constraints.finish()?;
        if let Some(table) = self.table {
            let table_name = api.names.resolve(table, "ListContributorInsights")?;
            existing_table(api, &table_name, Plane::Control).await?;
        }
        if self.next_token.is_some() {
            return Err(ApiError::validation(messages::INVALID_NEXT_TOKEN));
        }
        Ok(object_reply(|members| drop(members.value_of("ContributorInsightsSummaries").array())))
    }
}

//! Resources as tags and policies name them: by their Amazon resource name alone.

use super::constraint::is_resource_name;
use super::error_map::{ApiError, Exception};
use super::messages;
use super::table_name::ResourceNames;

/// A resource name has so many parts between colons, the last with a slash in it.
const ARN_PARTS: usize = 6;
const TABLE_NAME_LENGTH_MIN: usize = 3;

/// The name of a table, as `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME`, or of one of its streams or indexes.
#[derive(Debug)]
pub(super) struct ResourceArn {
    text: String,
}

impl ResourceArn {
    /// A text that looks like a resource name. What does not is nobody's resource, so nobody may touch it.
    pub(super) fn of_request(
        text: Option<String>,
        names: &ResourceNames,
        operation: &str,
    ) -> Result<ResourceArn, ApiError> {
        let Some(text) = text else { return Err(ApiError::validation(messages::NO_TABLE_ARN)) };
        if looks_like_arn(&text) {
            return Ok(ResourceArn { text });
        }
        let told = if text.is_empty() { "*" } else { &text };
        let message = messages::not_authorized(&names.account_id, operation, told);
        Err(ApiError::new(Exception::AccessDenied, message))
    }

    /// As [`ResourceArn::of_request`], for operations that tell a plain word to be no name at all.
    pub(super) fn of_request_that_names(
        text: Option<String>,
        names: &ResourceNames,
        operation: &str,
    ) -> Result<ResourceArn, ApiError> {
        match text {
            Some(word) if !word.is_empty() && !word.contains(':') => {
                Err(ApiError::validation(messages::invalid_table_arn(&word)))
            }
            text => Self::of_request(text, names, operation),
        }
    }

    /// The table that it names, which must be this account's.
    pub(super) fn table(&self, names: &ResourceNames, operation: &str) -> Result<String, ApiError> {
        let is_long_enough = |name: &str| name.chars().count() >= TABLE_NAME_LENGTH_MIN;
        if !is_resource_name(&self.text) || !self.last_name().is_some_and(is_long_enough) {
            return Err(ApiError::validation(messages::invalid_table_arn(&self.text)));
        }
        names.resolve(self.text.clone(), operation)
    }

    /// The table that it, or the stream or index that it names, belongs to.
    pub(super) fn table_of_any(&self, names: &ResourceNames, operation: &str) -> Result<String, ApiError> {
        let table = ["/stream/", "/index/"].into_iter().find_map(|part| self.text.split_once(part));
        let text = table.map_or(self.text.as_str(), |(table, _)| table).to_owned();
        ResourceArn { text }.table(names, operation)
    }

    /// That there is no such table.
    pub(super) fn not_found(&self) -> ApiError {
        ApiError::new(Exception::ResourceNotFound, messages::resource_not_found(&self.text))
    }

    /// The name as it stood in the request.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    fn last_name(&self) -> Option<&str> {
        self.text.rsplit('/').next()
    }
}

fn looks_like_arn(text: &str) -> bool {
    let mut parts = text.splitn(ARN_PARTS, ':');
    let leading = parts.by_ref().take(ARN_PARTS - 1).filter(|part| !part.is_empty()).count();
    let last = parts.next().and_then(|last| last.split_once('/'));
    leading == ARN_PARTS - 1 && last.is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> ResourceNames {
        ResourceNames { account_id: "123456789012".into(), region: "eu-west-1".into() }
    }

    fn told(text: &str) -> String {
        let resource = ResourceArn::of_request(Some(text.into()), &names(), "TagResource");
        let table = resource.and_then(|resource| resource.table(&names(), "TagResource"));
        table.unwrap_or_else(|error| error.message().to_owned())
    }

    #[test]
    fn tables_of_this_account_are_named() {
        assert_eq!(told("arn:aws:dynamodb:eu-west-1:123456789012:table/abc"), "abc");
    }

    #[test]
    fn streams_and_indexes_belong_to_tables() {
        for part in ["stream/2026-01-01T00:00:00.000", "index/by_name"] {
            let text = format!("arn:aws:dynamodb:eu-west-1:123456789012:table/abc/{part}");
            let resource = ResourceArn::of_request(Some(text), &names(), "GetResourcePolicy").unwrap();
            assert_eq!(resource.table_of_any(&names(), "GetResourcePolicy").unwrap(), "abc");
        }
    }

    #[test]
    fn what_is_no_resource_name_is_refused_in_dynamodbs_words() {
        let denied = "User: arn:aws:iam::123456789012:root is not authorized to perform: dynamodb:TagResource on resource: ";
        let cases = [
            ("", format!("{denied}*")),
            ("a:b:c:d:e:f", format!("{denied}a:b:c:d:e:f")),
            ("a:b:c:d:e/f", format!("{denied}a:b:c:d:e/f")),
            ("a:b:c:d:e:f/g", "Invalid TableArn: Invalid ResourceArn provided as input a:b:c:d:e:f/g".into()),
            ("abcd", format!("{denied}abcd")),
            (
                "arn:aws:dynamodb:eu-west-1:123456789012:table/ab",
                "Invalid TableArn: Invalid ResourceArn provided as input arn:aws:dynamodb:eu-west-1:123456789012:table/ab"
                    .into(),
            ),
            (
                "arn:aws:dynamodb:eu-west-1:000000000000:table/abc",
                format!("{denied}arn:aws:dynamodb:eu-west-1:000000000000:table/abc"),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(told(text), expected);
        }
        let word =
            ResourceArn::of_request_that_names(Some("abcd".into()), &names(), "TagResource").unwrap_err();
        assert_eq!(word.message(), "Invalid TableArn: Invalid ResourceArn provided as input abcd");
        let missing = ResourceArn::of_request(None, &names(), "TagResource").unwrap_err();
        assert_eq!(missing.message(), "Invalid TableArn");
    }
}

//! Tables as requests name them: by name or by Amazon resource name.

use super::constraint::is_resource_name;
use super::error_map::{ApiError, Exception};
use super::messages;

/// The account and region in the resource names of this server's tables.
#[derive(Debug, Clone)]
pub struct ResourceNames {
    /// Twelve digits.
    pub account_id: String,
    /// As in `us-east-1`.
    pub region: String,
}

impl ResourceNames {
    /// The name of the table that `text` stands for. `operation` is told to those who name another account's.
    pub(crate) fn resolve(&self, text: String, operation: &str) -> Result<String, ApiError> {
        if !is_resource_name(&text) {
            return Ok(text);
        }
        let Some(parts) = TableArn::parse(&text) else {
            return Err(ApiError::validation(messages::invalid_table_arn(&text)));
        };
        if parts.account_id != self.account_id {
            let message = messages::not_authorized(&self.account_id, operation, &text);
            return Err(ApiError::new(Exception::AccessDenied, message));
        }
        if parts.region != self.region {
            return Err(ApiError::new(Exception::ResourceNotFound, messages::TABLE_NOT_FOUND));
        }
        Ok(parts.table_name.to_owned())
    }
}

/// The parts of `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME`.
struct TableArn<'a> {
    region: &'a str,
    account_id: &'a str,
    table_name: &'a str,
}

impl<'a> TableArn<'a> {
    fn parse(text: &'a str) -> Option<TableArn<'a>> {
        let mut parts = text.splitn(6, ':');
        let fixed = [parts.next()?, parts.next()?, parts.next()?];
        let (region, account_id) = (parts.next()?, parts.next()?);
        let table_name = parts.next()?.strip_prefix("table/")?;
        // Other partitions of AWS have names such as aws-cn.
        let is_table = fixed[0] == "arn" && fixed[1].starts_with("aws") && fixed[2] == "dynamodb";
        let is_whole_name = !table_name.is_empty() && !table_name.contains(['/', ':']);
        (is_table && is_whole_name).then_some(TableArn { region, account_id, table_name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<String, ApiError> {
        let names = ResourceNames { account_id: "123456789012".into(), region: "eu-west-1".into() };
        names.resolve(text.to_owned(), "GetItem")
    }

    #[test]
    fn names_and_own_resource_names_stand_for_tables() {
        assert_eq!(resolved("plain").unwrap(), "plain");
        assert_eq!(resolved("arn:aws:dynamodb:eu-west-1:123456789012:table/people").unwrap(), "people");
    }

    #[test]
    fn resource_names_of_other_accounts_are_denied() {
        let error = resolved("arn:aws:dynamodb:eu-west-1:000000000000:table/people").unwrap_err();
        assert!(
            error.message().contains("is not authorized to perform: dynamodb:GetItem"),
            "{}",
            error.message()
        );
    }

    #[test]
    fn resource_names_of_other_regions_are_not_found() {
        let error = resolved("arn:aws:dynamodb:us-east-1:123456789012:table/people").unwrap_err();
        assert_eq!(error.message(), "Requested resource not found");
    }

    #[test]
    fn what_is_no_table_is_told() {
        for text in ["arn:", "arn:aws:s3:::bucket", "arn:aws:dynamodb:eu-west-1:123456789012:table/a/index/b"]
        {
            let error = resolved(text).unwrap_err();
            assert!(error.message().starts_with("Invalid TableArn: "), "{}", error.message());
        }
    }
}

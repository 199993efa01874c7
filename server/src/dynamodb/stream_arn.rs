//! Streams as requests and replies name them: `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL`.

use basalt_engine::{StreamLabel, StreamName};

use super::error_map::{ApiError, Exception};
use super::messages;
use super::table_name::ResourceNames;

/// What stands between a table's resource name and a stream's label.
const STREAM_PART: &str = "/stream/";

impl ResourceNames {
    /// A stream's resource name.
    pub(super) fn stream_arn(&self, stream: &StreamName) -> String {
        let ResourceNames { region, account_id } = self;
        let StreamName { table_name, label } = stream;
        format!("arn:aws:dynamodb:{region}:{account_id}:table/{table_name}{STREAM_PART}{label}")
    }

    /// The stream that a resource name stands for. `operation` is told to those who name another account's.
    pub(super) fn resolve_stream(&self, text: &str, operation: &str) -> Result<StreamName, ApiError> {
        let invalid = || ApiError::validation(messages::invalid_stream_arn(text));
        let (table, label) = text.split_once(STREAM_PART).ok_or_else(invalid)?;
        if !table.starts_with("arn:") {
            return Err(invalid());
        }
        let table_name =
            self.resolve(table.to_owned(), operation).map_err(|error| match error.exception() {
                Exception::Validation => invalid(),
                Exception::ResourceNotFound => not_found(text),
                _ => error,
            })?;
        // A label of no stream that there could be is one of none that there is.
        let label = StreamLabel::parse(label).ok_or_else(|| not_found(text))?;
        Ok(StreamName { table_name, label })
    }
}

/// That there is no such stream.
pub(super) fn not_found(arn: &str) -> ApiError {
    ApiError::new(Exception::ResourceNotFound, messages::stream_not_found(arn))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let names = ResourceNames { account_id: "123456789012".into(), region: "eu-west-1".into() };
        match names.resolve_stream(text, "DescribeStream") {
            Ok(stream) => names.stream_arn(&stream),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn a_stream_is_named_by_its_table_and_label() {
        let arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/people/stream/2026-01-01T00:00:00.123";
        assert_eq!(told(arn), arn);
    }

    #[test]
    fn other_names_are_told_apart() {
        for text in ["", "people", "arn:aws:dynamodb:eu-west-1:123456789012:table/people", "/stream/x"] {
            assert!(told(text).starts_with("Invalid StreamArn"), "{text}: {}", told(text));
        }
        for text in [
            "arn:aws:dynamodb:us-east-1:123456789012:table/people/stream/2026-01-01T00:00:00.123",
            "arn:aws:dynamodb:eu-west-1:123456789012:table/people/stream/yesterday",
        ] {
            assert_eq!(told(text), format!("Requested resource not found: Stream: {text} not found"));
        }
        let foreign = "arn:aws:dynamodb:eu-west-1:000000000001:table/people/stream/2026-01-01T00:00:00.123";
        assert!(told(foreign).contains("is not authorized to perform: dynamodb:DescribeStream"));
    }
}

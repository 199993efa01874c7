//! Which operation a request wants, by its `X-Amz-Target`.

/// The operations that Basalt has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    BatchGetItem,
    BatchWriteItem,
    CreateTable,
    DeleteItem,
    DeleteTable,
    DescribeEndpoints,
    DescribeLimits,
    DescribeTable,
    GetItem,
    ListTables,
    PutItem,
    Query,
    Scan,
    UpdateItem,
    UpdateTable,
}

impl Target {
    /// The operation of a header such as `DynamoDB_20120810.PutItem`; None if there is no such operation.
    pub(crate) fn from_header(header: &str) -> Option<Target> {
        let (service, operation) = header.split_once('.')?;
        if service != "DynamoDB_20120810" {
            return None;
        }
        Some(match operation {
            "BatchGetItem" => Target::BatchGetItem,
            "BatchWriteItem" => Target::BatchWriteItem,
            "CreateTable" => Target::CreateTable,
            "DeleteItem" => Target::DeleteItem,
            "DeleteTable" => Target::DeleteTable,
            "DescribeEndpoints" => Target::DescribeEndpoints,
            "DescribeLimits" => Target::DescribeLimits,
            "DescribeTable" => Target::DescribeTable,
            "GetItem" => Target::GetItem,
            "ListTables" => Target::ListTables,
            "PutItem" => Target::PutItem,
            "Query" => Target::Query,
            "Scan" => Target::Scan,
            "UpdateItem" => Target::UpdateItem,
            "UpdateTable" => Target::UpdateTable,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_of_this_service_are_operations() {
        assert_eq!(Target::from_header("DynamoDB_20120810.PutItem"), Some(Target::PutItem));
        for header in [
            "",
            "whatever",
            "DynamoDB_20120810.ListTable",
            "DynamoDB_20111205.PutItem",
            "DynamoDB_20120810.PutItem.x",
        ] {
            assert_eq!(Target::from_header(header), None, "{header:?}");
        }
    }
}

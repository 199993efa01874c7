//! Request bodies, as any client may send them.

/// The operations whose bodies are tried, in the order in which an input's first byte chooses them.
pub(crate) const OPERATIONS: [&str; 15] = [
    "BatchGetItem",
    "BatchWriteItem",
    "CreateTable",
    "DeleteItem",
    "DeleteTable",
    "DescribeEndpoints",
    "DescribeLimits",
    "DescribeTable",
    "GetItem",
    "ListTables",
    "PutItem",
    "Query",
    "Scan",
    "UpdateItem",
    "UpdateTable",
];

/// What all requests together may take; the bound on allocation is what a single one is held to.
const REQUEST_MEMORY_BYTES: usize = 128 << 20;

/// A byte that chooses the operation, then the body.
pub fn request_body(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    let operation = OPERATIONS[usize::from(*choice) % OPERATIONS.len()];
    let target = format!("DynamoDB_20120810.{operation}");
    let is_accepted = basalt_server::accepts_body(&target, body, REQUEST_MEMORY_BYTES);
    let spaced = [b" \r\n", body, b"\t "].concat();
    let is_accepted_spaced = basalt_server::accepts_body(&target, &spaced, REQUEST_MEMORY_BYTES);
    assert_eq!(is_accepted, is_accepted_spaced, "white space around a document means nothing");
    let foreign =
        basalt_server::accepts_body("DynamoDB_20120810.NoSuchOperation", body, REQUEST_MEMORY_BYTES);
    assert!(!foreign, "only known operations are accepted");
}

//! Requests: an operation and its members.

use std::collections::BTreeMap;

use basalt_format::native::Node;
use basalt_model::{EncodedItem, Item, Value};

/// The operations that requests may be of. Others are called with JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are DynamoDB's")]
pub enum Operation {
    GetItem = 1,
    PutItem,
    UpdateItem,
    DeleteItem,
    Query,
    Scan,
    BatchGetItem,
    BatchWriteItem,
    TransactGetItems,
    TransactWriteItems,
    ExecuteStatement,
    BatchExecuteStatement,
    ExecuteTransaction,
    ListStreams,
    DescribeStream,
    GetShardIterator,
    GetRecords,
}

/// One request: DynamoDB's members under their own names.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    operation: Operation,
    members: Vec<(String, Node)>,
}

impl Request {
    /// A request without members.
    pub fn new(operation: Operation) -> Self {
        Self { operation, members: Vec::new() }
    }

    /// A read of one item.
    pub fn get_item(table_name: &str, key: &Item) -> Self {
        Self::of_table(Operation::GetItem, table_name).item("Key", key)
    }

    /// A write of a whole item.
    pub fn put_item(table_name: &str, item: &Item) -> Self {
        Self::of_table(Operation::PutItem, table_name).item("Item", item)
    }

    /// A change of one item.
    pub fn update_item(table_name: &str, key: &Item, update_expression: &str) -> Self {
        let request = Self::of_table(Operation::UpdateItem, table_name).item("Key", key);
        request.text("UpdateExpression", update_expression)
    }

    /// A removal of one item.
    pub fn delete_item(table_name: &str, key: &Item) -> Self {
        Self::of_table(Operation::DeleteItem, table_name).item("Key", key)
    }

    /// A page of the items of one partition key.
    pub fn query(table_name: &str, key_condition_expression: &str) -> Self {
        let request = Self::of_table(Operation::Query, table_name);
        request.text("KeyConditionExpression", key_condition_expression)
    }

    /// A page of a table's items.
    pub fn scan(table_name: &str) -> Self {
        Self::of_table(Operation::Scan, table_name)
    }

    /// A PartiQL statement.
    pub fn execute_statement(statement: &str, parameters: &[Value]) -> Self {
        let request = Self::new(Operation::ExecuteStatement).text("Statement", statement);
        match parameters {
            [] => request,
            _ => request.member("Parameters", Node::List(parameters.iter().map(value_node).collect())),
        }
    }

    /// A condition that must hold.
    pub fn condition(self, expression: &str) -> Self {
        self.text("ConditionExpression", expression)
    }

    /// A filter of what a page shows.
    pub fn filter(self, expression: &str) -> Self {
        self.text("FilterExpression", expression)
    }

    /// What is shown of items.
    pub fn projection(self, expression: &str) -> Self {
        self.text("ProjectionExpression", expression)
    }

    /// What the names of expressions stand for.
    pub fn names(self, names: &[(&str, &str)]) -> Self {
        let names =
            names.iter().map(|(name, attribute)| ((*name).to_owned(), Node::Text((*attribute).to_owned())));
        self.member("ExpressionAttributeNames", Node::Object(names.collect()))
    }

    /// What the values of expressions stand for.
    pub fn values<'a>(self, values: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        let values: BTreeMap<String, Value> =
            values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.item("ExpressionAttributeValues", &Item::from(values))
    }

    /// A strongly consistent read.
    pub fn consistent(self) -> Self {
        self.member("ConsistentRead", Node::Boolean(true))
    }

    /// Of an index.
    pub fn index(self, index_name: &str) -> Self {
        self.text("IndexName", index_name)
    }

    /// At most so many items a page.
    pub fn limit(self, limit: u32) -> Self {
        self.member("Limit", Node::Integer(limit.into()))
    }

    /// From behind this key on.
    pub fn start_key(self, key: &Item) -> Self {
        self.item("ExclusiveStartKey", key)
    }

    /// What a write answers with, such as `ALL_OLD`.
    pub fn returning(self, return_values: &str) -> Self {
        self.text("ReturnValues", return_values)
    }

    /// A member that is text.
    pub fn text(self, name: &str, text: &str) -> Self {
        self.member(name, Node::Text(text.to_owned()))
    }

    /// A member that is an item, a key, or any other map from names to attribute values.
    pub fn item(self, name: &str, item: &Item) -> Self {
        self.member(name, item_node(item))
    }

    /// Any member.
    pub fn member(mut self, name: &str, value: Node) -> Self {
        self.members.push((name.to_owned(), value));
        self
    }

    /// The request's members as one object, as they stand in a transaction.
    pub fn into_node(self) -> Node {
        Node::Object(self.members)
    }

    fn of_table(operation: Operation, table_name: &str) -> Self {
        Self::new(operation).text("TableName", table_name)
    }

    pub(crate) fn code(&self) -> u16 {
        self.operation as u16
    }

    pub(crate) fn into_document(self) -> Vec<u8> {
        Node::Object(self.members).encode()
    }
}

impl From<(Operation, Vec<(String, Node)>)> for Request {
    fn from((operation, members): (Operation, Vec<(String, Node)>)) -> Self {
        Self { operation, members }
    }
}

fn item_node(item: &Item) -> Node {
    Node::Item(item.encode().into_bytes())
}

/// An attribute value in its stored form, which is found in that of an item that has it.
fn value_node(value: &Value) -> Node {
    let item = EncodedItem::from(&BTreeMap::from([("value".to_owned(), value.clone())]));
    let stored = item.as_item().get_encoded("value").ok().flatten().unwrap_or_default();
    Node::Value(stored.to_vec())
}

#[cfg(test)]
mod tests {
    use basalt_format::native::codes;
    use basalt_model::ValueRef;

    use super::*;

    #[test]
    fn operations_have_their_numbers() {
        let last = Operation::GetRecords as u64;
        assert_eq!(codes::OPERATIONS.len() as u64, last);
        for (operation, name) in [
            (Operation::GetItem, "GetItem"),
            (Operation::BatchWriteItem, "BatchWriteItem"),
            (Operation::ExecuteTransaction, "ExecuteTransaction"),
            (Operation::GetRecords, "GetRecords"),
        ] {
            assert_eq!(codes::operation_name(operation as u16), Some(name));
        }
    }

    #[test]
    fn values_are_stored_whole() {
        let value = Value::L(vec![Value::Bool(true), Value::S("x".to_owned())]);
        let Node::Value(stored) = value_node(&value) else { panic!("a value is one") };
        assert_eq!(ValueRef::decode(&stored).unwrap().to_value().unwrap(), value);
    }
}

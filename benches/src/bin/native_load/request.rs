//! Requests as frames.

use basalt_benches::test_item::{KEY_NAME, TestItems, key_text};
use basalt_format::native::frame::{FrameHead, FrameKind};
use basalt_format::native::{PutDocument as _, codes};
use basalt_model::{Item, Value};

/// What each request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Operation {
    /// PutItem
    Put,
    /// GetItem, strongly consistent
    Get,
}

impl Operation {
    fn number(self) -> u16 {
        let name = match self {
            Operation::Put => "PutItem",
            Operation::Get => "GetItem",
        };
        codes::operation_number(name).expect("the operation has documents")
    }
}

/// Writes the requests of one run.
#[derive(Debug)]
pub(crate) struct RequestWriter<'a> {
    table: &'a str,
    operation: Operation,
    items: TestItems,
    /// The next version to put: each put changes what the one before left.
    version: u64,
    document: Vec<u8>,
    frame: Vec<u8>,
}

impl<'a> RequestWriter<'a> {
    pub(crate) fn new(table: &'a str, operation: Operation, items: TestItems) -> Self {
        let version = u64::from(std::process::id());
        Self { table, operation, items, version, document: Vec::new(), frame: Vec::new() }
    }

    /// The frame of request `number`, about item `item`.
    pub(crate) fn write(&mut self, number: u32, item: u64) -> &[u8] {
        self.document.clear();
        self.document.open_object();
        self.document.put_member_name("TableName");
        self.document.put_text(self.table);
        match self.operation {
            Operation::Put => {
                self.version += 1;
                self.document.put_member_name("Item");
                self.document.put_item(self.items.item(item, self.version).encode().as_bytes());
            }
            Operation::Get => {
                let key = Item::from_iter([(KEY_NAME.to_owned(), Value::S(key_text(item)))]);
                self.document.put_member_name("Key");
                self.document.put_item(key.encode().as_bytes());
                self.document.put_member_name("ConsistentRead");
                self.document.put_boolean(true);
            }
        }
        self.document.close_object();
        self.frame.clear();
        let code = self.operation.number();
        FrameHead { code, ..FrameHead::new(FrameKind::Request, number) }
            .append(&self.document, &mut self.frame);
        &self.frame
    }
}

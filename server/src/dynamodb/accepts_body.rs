//! Reading a body without running it, for those who try bodies in bulk.

use super::json::Syntax;
use super::target::Target;
use crate::limits::RequestMemory;

/// Whether `body` can be read as the input of the operation that `target`, an `X-Amz-Target`, names, in at most
/// `memory_bytes`. What was read is thrown away: constraints between members, tables and items come later.
///
/// The reader is the one that every request goes through.
pub fn accepts_body(target: &str, body: &[u8], memory_bytes: usize) -> bool {
    let memory = &mut RequestMemory::new(memory_bytes).permit();
    Target::from_header(target).is_some_and(|target| target.check_body(Syntax::Json, body, memory).is_ok())
}

/// The same for the document of a request of the binary protocol; `operation` is its number there.
pub fn accepts_document(operation: u16, body: &[u8], memory_bytes: usize) -> bool {
    let memory = &mut RequestMemory::new(memory_bytes).permit();
    let target = Target::of_document(operation);
    target.is_some_and(|target| target.check_body(Syntax::Native, body, memory).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_accepted_if_its_operation_can_read_it() {
        let accepts = |operation: &str, body: &str| {
            accepts_body(&format!("DynamoDB_20120810.{operation}"), body.as_bytes(), 1 << 20)
        };
        assert!(accepts("GetItem", r#"{"TableName":"t","Key":{"pk":{"S":"a"}}}"#));
        assert!(!accepts("GetItem", r#"{"TableName":5}"#));
        assert!(!accepts("GetItem", r#"{"TableName":"t"} x"#));
        assert!(!accepts("NoSuchOperation", "{}"));
    }
}

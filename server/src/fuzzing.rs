//! Entry points for fuzz targets: what a stranger may send, without a socket.

use crate::dynamodb;
use crate::limits::RequestMemory;

/// More than any body that a fuzzer tries can build.
const MEMORY_BYTES: usize = 256 << 20;

/// Reads `body` as a request for the operation that `X-Amz-Target` names; returns whether it is well formed.
pub fn read_request_body(target: &str, body: &[u8]) -> bool {
    let mut memory = RequestMemory::new(MEMORY_BYTES).permit();
    dynamodb::read_body(target, body, &mut memory).is_ok()
}

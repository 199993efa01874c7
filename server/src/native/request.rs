//! Runs one request and sends what it comes to.

use std::rc::Rc;
use std::sync::Arc;

use basalt_format::Reader;
use basalt_format::native::codes;
use basalt_format::native::frame::{ANSWER_PART_BYTES, FLAG_PAGES, FrameHead, FrameKind};

use super::answers::InFlight;
use super::pages;
use crate::dynamodb::error_map::{ApiError, Exception};
use crate::dynamodb::{Api, Call};
use crate::limits::{MemoryPermit, RequestMemory};

/// What an ordinary request costs in memory beside twice its body.
const REQUEST_ROOM_BYTES: usize = 4 << 10;
/// Operations that change nothing: their answers may be refused for want of memory.
const READING: [&str; 6] = ["BatchGetItem", "GetItem", "GetRecords", "Query", "Scan", "TransactGetItems"];
/// Operations that have pages.
const PAGED: [&str; 2] = ["Query", "Scan"];

/// What the requests of a session need of the server.
#[derive(Clone)]
pub(crate) struct Answering {
    /// Reads and writes documents.
    pub(crate) documents: Rc<Api>,
    /// Reads and writes JSON.
    pub(crate) json: Rc<Api>,
    pub(crate) memory: Arc<RequestMemory>,
}

/// Whether an operation has pages that the server can follow.
pub(super) fn has_pages(operation: u16) -> bool {
    codes::operation_name(operation).is_some_and(|name| PAGED.contains(&name))
}

impl Answering {
    /// Answers a request. It stops being in flight when all of its answer is ready to be sent.
    pub(super) async fn answer(self, in_flight: InFlight, head: FrameHead, body: Vec<u8>) {
        match head.kind {
            FrameKind::JsonRequest => self.answer_json(&in_flight, &body).await,
            _ if head.flags & FLAG_PAGES != 0 => self.answer_pages(&in_flight, head.code, body).await,
            _ => {
                let reply = self.reply(head.code, body).await;
                send_document(&in_flight, reply, 0).await;
            }
        }
    }

    async fn answer_pages(&self, in_flight: &InFlight, operation: u16, mut request: Vec<u8>) {
        loop {
            let reply = self.reply(operation, request.clone()).await;
            let next = match &reply {
                Ok(reply) if in_flight.wants_pages() => pages::next_request(&request, &reply.document),
                _ => Ok(None),
            };
            match next {
                Ok(Some(next)) => {
                    send_document(in_flight, reply, FLAG_PAGES).await;
                    request = next;
                }
                Ok(None) => return send_document(in_flight, reply, 0).await,
                // Both were read or written just now.
                Err(broken) => {
                    tracing::error!(error = %broken, "a page's document cannot be read");
                    let error = ApiError::silent(Exception::InternalServerError);
                    return send_document(in_flight, Err(error), 0).await;
                }
            }
        }
    }

    async fn reply(&self, operation: u16, body: Vec<u8>) -> Result<Reply, ApiError> {
        let memory = self.memory.permit_with_room(REQUEST_ROOM_BYTES + 2 * body.len())?;
        let document = self.documents.answer_document(operation, body, memory).await?;
        let is_reading = codes::operation_name(operation).is_some_and(|name| READING.contains(&name));
        let memory = match document.len() {
            long if long > ANSWER_PART_BYTES && is_reading => Some(self.memory.permit_for(long)?),
            _ => None,
        };
        Ok(Reply { document, _memory: memory })
    }

    async fn answer_json(&self, in_flight: &InFlight, body: &[u8]) {
        let outcome = match self.json_call(body) {
            Ok(call) => self.json.answer(call).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(reply) => in_flight.send(FrameHead::new(FrameKind::Answer, in_flight.request()), &reply).await,
            Err(error) => send_error(in_flight, error).await,
        }
    }

    fn json_call<'a>(&self, body: &'a [u8]) -> Result<Call<'a>, ApiError> {
        let mut reader = Reader::new("JSON request", body);
        let target = reader.prefixed_str().map_err(|_broken| ApiError::silent(Exception::Serialization))?;
        let json = reader.rest().to_vec();
        let memory = self.memory.permit_with_room(REQUEST_ROOM_BYTES + 2 * json.len())?;
        // Whoever the client is, the handshake has settled.
        Ok(Call { target, host: None, signature: Ok(()), body: json.into(), memory })
    }
}

/// The document of an answer, and what pays for it while it waits to be sent.
struct Reply {
    document: Vec<u8>,
    _memory: Option<MemoryPermit>,
}

/// Sends a reply or an error; `flags` belong to a reply.
async fn send_document(in_flight: &InFlight, reply: Result<Reply, ApiError>, flags: u8) {
    match reply {
        Ok(reply) => {
            let head = FrameHead { flags, ..FrameHead::new(FrameKind::Answer, in_flight.request()) };
            in_flight.send(head, &reply.document).await;
        }
        Err(error) => send_error(in_flight, error).await,
    }
}

/// Refuses a request that there is no memory for.
pub(super) async fn refuse(in_flight: InFlight, error: ApiError) {
    send_error(&in_flight, error).await;
}

async fn send_error(in_flight: &InFlight, error: ApiError) {
    let mut code = error.number();
    let body = match error.into_document() {
        Ok(body) => body,
        // The item that goes with the error is damaged; the second error carries none.
        Err(damaged) => {
            let error = ApiError::from(damaged);
            code = error.number();
            error.into_document().unwrap_or_default()
        }
    };
    let head = FrameHead { code, ..FrameHead::new(FrameKind::Error, in_flight.request()) };
    in_flight.send(head, &body).await;
}

//! DynamoDB's API: from a request's target and body to its reply.
//!
//! Faults are told in DynamoDB's order, whatever order would be convenient:
//! 1. The body is not JSON.
//! 2. The target is unknown.
//! 3. The request is not signed.
//! 4. The body is empty.
//! 5. A value has the wrong JSON type.
//! 6. Members violate constraints, all told together.
//! 7. Members break the rules of the request, among them everything about expressions that needs no table.
//! 8. Then, in the engine: the table, its key schema, the data, the condition.
//!
//! Steps 1 to 5 are here, 6 and 7 in each operation ([`operation`]), in terms of [`constraint`], [`expressions`] and
//! [`table_name`]. Every text is in [`messages`] or the model's, every exception name in [`error_map`].

mod accepts_body;
mod constraint;
mod dispatch;
pub(crate) mod error_map;
mod expressions;
pub(crate) mod json;
mod legacy;
pub(crate) mod messages;
mod operation;
mod reply;
mod resource_arn;
mod stream_arn;
mod table_name;
mod target;
mod throttling;

use std::net::SocketAddr;

use basalt_engine::{Engine, LocalEngine};
use bytes::Bytes;
use hyper::StatusCode;

use self::error_map::{ApiError, Exception};
use self::json::{BodyError, Known, Members, Place, Reader, Syntax, Writer};
use self::target::Target;
use crate::limits::MemoryPermit;

pub use self::accepts_body::{accepts_body, accepts_document};
pub use self::dispatch::Dispatch;
pub use self::table_name::ResourceNames;

/// A call as HTTP brought it.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The `X-Amz-Target`; empty if there is none.
    pub(crate) target: &'a str,
    /// The `Host`: by what name the client reached this server, if it told.
    pub(crate) host: Option<&'a str>,
    /// Whether the request looks signed. Told only after faults that come first.
    pub(crate) signature: Result<(), ApiError>,
    /// The body, inflated.
    pub(crate) body: Bytes,
    /// Pays for what is built from the body.
    pub(crate) memory: MemoryPermit,
}

/// DynamoDB's operations over one engine, on one of its shards.
pub(crate) struct Api {
    /// For what must run to its end when the client goes: its operations are tasks of their own.
    engine: Engine,
    /// For reads and writes of items: no message is sent where this shard owns the item.
    local: LocalEngine,
    names: ResourceNames,
    /// Where the server listens; `None`: nowhere.
    listening: Option<SocketAddr>,
    /// In which syntax it reads and answers.
    syntax: Syntax,
}

/// One operation of the API: its input, read member by member, and how it runs.
trait Operation: Default {
    /// The input's name in the service model.
    const SHAPE: &'static str;

    /// Reads the value of a member that the operation has.
    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError>;

    /// Learns by what name the client reached this server.
    fn learn_host(&mut self, _host: &str) {}

    /// Checks the input and runs it.
    async fn run(self, api: &Api) -> Result<Vec<u8>, ApiError>;
}

impl Api {
    /// The API of an engine whose resources are named so, on the shard of `local`.
    pub(crate) fn new(
        engine: Engine,
        local: LocalEngine,
        names: ResourceNames,
        listening: Option<SocketAddr>,
    ) -> Api {
        Api { engine, local, names, listening, syntax: Syntax::Json }
    }

    /// The same API, for requests whose bodies are documents of the binary protocol.
    pub(crate) fn in_documents(
        engine: Engine,
        local: LocalEngine,
        names: ResourceNames,
        listening: Option<SocketAddr>,
    ) -> Api {
        Api { syntax: Syntax::Native, ..Api::new(engine, local, names, listening) }
    }

    /// The region it answers for.
    pub(crate) fn region(&self) -> &str {
        &self.names.region
    }

    /// Answers a request whose body is a document: the document of its reply, or the error.
    pub(crate) async fn answer_document(
        &self,
        operation: u16,
        body: Vec<u8>,
        memory: MemoryPermit,
    ) -> Result<Vec<u8>, ApiError> {
        let call = Call { target: "", host: None, signature: Ok(()), body: body.into(), memory };
        match Target::of_document(operation) {
            Some(target) => self.run_target(target, call).await,
            None => Err(ApiError::silent(Exception::UnknownOperation)),
        }
    }

    /// Answers a call: the body of its reply, or the error.
    pub(crate) async fn answer(&self, call: Call<'_>) -> Result<Vec<u8>, ApiError> {
        match Target::from_header(call.target) {
            Some(target) => self.run_target(target, call).await,
            None => Err(unknown_operation(call)),
        }
    }

    /// A reply that is still empty.
    fn writer(&self) -> Writer {
        Writer::new(self.syntax)
    }

    /// A reply that is an object with the members that `write` adds.
    fn object_reply(&self, write: impl FnOnce(&mut Members<'_>)) -> Vec<u8> {
        let mut writer = self.writer();
        write(&mut writer.object());
        writer.into_bytes()
    }

    async fn run<T: Operation>(&self, call: Call<'_>) -> Result<Vec<u8>, ApiError> {
        let Call { host, signature, body, mut memory, .. } = call;
        let input = read_input::<T>(self.syntax, &body, &mut memory);
        let is_garbage = matches!(input, Err(BodyError::Malformed)) && !body.is_empty();
        if !is_garbage {
            signature?;
        }
        let mut input = input?;
        drop(body);
        if let Some(host) = host {
            input.learn_host(host);
        }
        input.run(self).await
    }
}

/// A reply's status and body.
pub(crate) fn status_and_body(outcome: Result<Vec<u8>, ApiError>) -> (StatusCode, Vec<u8>) {
    match outcome {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => error_answer(error),
    }
}

fn error_answer(error: ApiError) -> (StatusCode, Vec<u8>) {
    let status = error.status();
    match error.into_body() {
        Ok(body) => (status, body),
        // The item that goes with the error is damaged; the second error carries none.
        Err(damaged) => {
            let error = ApiError::from(damaged);
            (error.status(), error.into_body().unwrap_or_default())
        }
    }
}

/// A body without a known operation: only whether it is JSON matters.
fn unknown_operation(call: Call<'_>) -> ApiError {
    let is_json = call.body.is_empty() || Syntax::Json.check_document(&call.body).is_ok();
    match target::not_done(call.target) {
        _ if !is_json => ApiError::silent(Exception::Serialization),
        Some(operation) => ApiError::unsupported(operation),
        None => ApiError::silent(Exception::UnknownOperation),
    }
}

/// Reads a body into an operation's input.
fn read_input<T: Operation>(syntax: Syntax, body: &[u8], memory: &mut MemoryPermit) -> Result<T, BodyError> {
    let mut reader = Reader::new(syntax, body, memory)?;
    let mut input = T::default();
    let read = reader
        .structure(Place::Member, T::SHAPE, |reader, name| input.read_member(reader, name))
        .and_then(|_| reader.finish());
    match read {
        Ok(()) => Ok(input),
        // That the rest is no document would be told first.
        Err(BodyError::Type(fault)) => {
            syntax.check_document(body)?;
            Err(BodyError::Type(fault))
        }
        Err(other) => Err(other),
    }
}

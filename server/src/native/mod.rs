//! The binary protocol: frames over a socket, many requests at a time, answers in any order.
//!
//! A session reads frames and starts a task for each request, on its own shard; the engine carries the request to the
//! owner of its key. Bodies are understood and answered by `dynamodb`, the same code that HTTP goes through: only the
//! syntax differs. An item's stored bytes go into the answer as they are.
//!
//! Bytes: `format-spec/spec/native_frame.md`, `native_document.md`. Deliberately unknown here: what a request means.

mod answers;
mod credentials;
mod fault;
mod handshake;
mod input;
mod pages;
mod request;
pub(crate) mod session;

pub use credentials::Credentials;
pub(crate) use request::Answering;

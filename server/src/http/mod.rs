//! HTTP/1.1 as DynamoDB speaks it: hyper's protocol machine on Basalt's executor.
//!
//! From the socket up: [`stream`] lends the runtime's owned buffers to hyper and keeps the time limits,
//! [`connection`] drives one connection, [`edges`] answers what needs no operation (health, CORS, wrong methods),
//! [`body`] reads request bodies within their limits, [`compression`] knows both ways of compressing them, [`response`] builds answers with the headers that every
//! answer has. Everything runs on the shard that owns the connection; nothing here knows what an item is.

pub(crate) mod body;
mod compression;
pub(crate) mod connection;
mod edges;
pub(crate) mod request_id;
pub(crate) mod response;
pub(crate) mod stream;

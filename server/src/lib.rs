//! `basaltd`: DynamoDB's HTTP API and Basalt's binary protocol over an engine.
//!
//! Sockets, HTTP and JSON are here; tables and storage are the engine's, values and expressions the model's. The
//! path of a request: the listener ([`Server`]) gives its connection to a shard, `transport` takes it out of TLS where
//! that is spoken, `http` reads it within [`Limits`],
//! `dynamodb` understands it in DynamoDB's order of validation, the engine does it, and the reply is written
//! straight from the encoded items. Connections of the binary protocol go through `native` in `http`'s place, and through
//! the same `dynamodb`.
//!
//! Deliberately unknown here: pages, logs, and where an item is kept.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod admin;
mod auth;
mod config;
mod daemon;
mod dynamodb;
mod http;
mod limits;
mod listener;
mod native;
mod time_limit;
mod transport;

pub use config::{Config, ConfigError};
pub use daemon::{DaemonError, run};
pub use dynamodb::{Dispatch, ResourceNames, accepts_body, accepts_document};
pub use limits::Limits;
pub use listener::{Server, StartError};
pub use native::Credentials;
pub use transport::{TlsError, TlsIdentity};

//! A client of Basalt's binary protocol: `basaltd --native-listen 127.0.0.1:8001`.
//!
//! One connection carries any number of requests at a time; each answer finds its own. [`Client`] is awaited on any
//! executor, [`BlockingClient`] waits by itself; both are cheap to clone and may be used from any thread. Requests are
//! DynamoDB's, member by member ([`Request`]); items travel in the form in which Basalt stores them.
//!
//! ```no_run
//! use basalt_client::model::{Item, Value};
//! use basalt_client::{BlockingClient, Credentials, Request};
//!
//! # fn main() -> Result<(), basalt_client::Error> {
//! let client = BlockingClient::connect("127.0.0.1:8001", Credentials::new("any id", "any secret"))?;
//! let item: Item = [("city".to_owned(), Value::S("Reykjavik".to_owned()))].into_iter().collect();
//! client.call(Request::put_item("cities", &item))?;
//! let found = client.call(Request::get_item("cities", &item).consistent())?;
//! assert_eq!(found.item("Item")?, Some(item));
//! # Ok(())
//! # }
//! ```
//!
//! Two threads serve a connection: one writes what callers have put together, many requests at once if there are many,
//! one reads. A connection that broke stays broken; what was in flight on it answers [`Error::Broken`], and whether a
//! write among it was done is unknown, as after any lost connection.
//!
//! Bytes: `format-spec/spec/native_frame.md`, `native_document.md`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod answer;
mod blocking;
mod call;
mod client;
mod connection;
mod credentials;
mod error;
mod handshake;
mod pages;
mod request;

pub use answer::Answer;
pub use basalt_format::native::Node;
pub use basalt_model as model;
pub use blocking::{BlockingClient, BlockingPages};
pub use client::Client;
pub use credentials::Credentials;
pub use error::{Error, ServiceError};
pub use pages::Pages;
pub use request::{Operation, Request};

//! The binary protocol: what crosses the socket of `basaltd --native-listen`, in both directions.
//!
//! Frames carry requests and answers over one connection, in any order; documents are their bodies: the structures of
//! DynamoDB's JSON protocol with numbers in place of names and with items as they are stored, so that nothing is
//! encoded again between disk and client. Knows nothing of what a request does.
//!
//! Bytes: `spec/native_frame.md`, `spec/native_document.md`.

pub mod codes;
pub mod document;
pub mod frame;
pub mod handshake;
pub mod members;
pub mod node;

pub use document::{DocumentReader, PutDocument, Token};
pub use frame::{Frame, FrameHead, FrameKind};
pub use node::Node;

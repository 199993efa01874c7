//! What a call may end with other than its answer.

use std::io;
use std::sync::Arc;

use basalt_format::DecodeError;
use basalt_format::native::codes;

use crate::answer::Answer;

/// Why a call has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server answered with one of DynamoDB's exceptions.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The server closed the connection and said why.
    #[error("the server closed the connection: {text}")]
    Fault {
        /// The fault's number: `FAULTS` of the specification.
        code: u16,
        /// For people.
        text: String,
    },
    /// The connection broke. Whether a write that was in flight was done is unknown.
    #[error("the connection broke: {0}")]
    Broken(Arc<io::Error>),
    /// What the server sent is not of this protocol.
    #[error("the server's bytes are not sound: {0}")]
    Malformed(#[from] DecodeError),
    /// The request is longer than the server takes.
    #[error("a request of {bytes} bytes, of which the server takes {bytes_max}")]
    TooLong {
        /// Bytes of its body.
        bytes: usize,
        /// Bytes that the server takes.
        bytes_max: usize,
    },
    /// The answer lacks a member, or has another one than the caller expects.
    #[error("the answer's {member} is not {wanted}")]
    Unexpected {
        /// The member.
        member: String,
        /// What the caller expects.
        wanted: &'static str,
    },
}

impl Error {
    pub(crate) fn broken(error: impl Into<io::Error>) -> Self {
        Self::Broken(Arc::new(error.into()))
    }

    /// The name of the exception, if it is one.
    pub fn exception(&self) -> Option<&'static str> {
        match self {
            Self::Service(error) => Some(error.exception()),
            _ => None,
        }
    }
}

/// One of DynamoDB's exceptions.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {message}", self.exception())]
pub struct ServiceError {
    pub(crate) code: u16,
    pub(crate) message: String,
    pub(crate) details: Answer,
}

impl ServiceError {
    /// The exception's name, such as `ConditionalCheckFailedException`.
    pub fn exception(&self) -> &'static str {
        codes::exception_name(self.code).unwrap_or("an exception that this client does not know")
    }

    /// The text; a few exceptions have none.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What else it carries: `Item`, `CancellationReasons`, `ThrottlingReasons`.
    pub fn details(&self) -> &Answer {
        &self.details
    }
}

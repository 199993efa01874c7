//! NextToken: where the next page of a SELECT starts.
//!
//! A token names one place in one statement's reads: it is authenticated together with the statement's text and its
//! parameters, under a secret of the table. Brought back with anything else it does not match; changed, it is no
//! token at all. Bytes, in base64: CRC-32 of what follows, the authentication, the number of the read, and the
//! encoded key behind which it goes on, if it had begun.

use basalt_engine::TableKeys;
use basalt_engine::model::partiql::StatementError;
use basalt_engine::model::{EncodedItem, Item, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::statement_request::CheckedStatement;

/// A place in the reads that a SELECT comes to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct PageStart {
    /// The read, from 0.
    pub(super) read: usize,
    /// The key of the last item read of it; `None` before its first.
    pub(super) key: Option<Item>,
}

impl PageStart {
    /// The token that stands for this place in a statement.
    pub(super) fn to_token(&self, keys: &TableKeys, statement: &CheckedStatement) -> String {
        let mut body = u32::try_from(self.read).unwrap_or(u32::MAX).to_be_bytes().to_vec();
        if let Some(key) = &self.key {
            body.extend_from_slice(key.encode().as_bytes());
        }
        let mut sealed = keys.authenticate(&message(statement, &body)).to_be_bytes().to_vec();
        sealed.extend_from_slice(&body);
        let mut token = crc32fast::hash(&sealed).to_be_bytes().to_vec();
        token.extend_from_slice(&sealed);
        STANDARD.encode(token)
    }

    /// The place that a token stands for.
    pub(super) fn from_token(
        token: &str,
        keys: &TableKeys,
        statement: &CheckedStatement,
    ) -> Result<Self, StatementError> {
        let bytes = STANDARD.decode(token).map_err(|_| StatementError::TokenInvalid)?;
        let (checksum, sealed) = bytes.split_first_chunk().ok_or(StatementError::TokenInvalid)?;
        if u32::from_be_bytes(*checksum) != crc32fast::hash(sealed) {
            return Err(StatementError::TokenInvalid);
        }
        let (authentication, body) = sealed.split_first_chunk().ok_or(StatementError::TokenInvalid)?;
        if u64::from_be_bytes(*authentication) != keys.authenticate(&message(statement, body)) {
            return Err(StatementError::TokenMismatch);
        }
        let (read, key) = body.split_first_chunk().ok_or(StatementError::TokenInvalid)?;
        let read = usize::try_from(u32::from_be_bytes(*read)).map_err(|_| StatementError::TokenInvalid)?;
        let key = if key.is_empty() { None } else { Some(decoded(key)?) };
        Ok(Self { read, key })
    }
}

fn decoded(key: &[u8]) -> Result<Item, StatementError> {
    let key = EncodedItem::from_bytes(key.to_vec()).map_err(|_| StatementError::TokenInvalid)?;
    key.as_item().to_item().map_err(|_| StatementError::TokenInvalid)
}

/// What a token is authenticated with. Each part stands behind its length, so that no two requests have one message.
fn message(statement: &CheckedStatement, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    let mut part = |bytes: &[u8]| {
        message.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        message.extend_from_slice(bytes);
    };
    part(statement.text.as_bytes());
    for parameter in &statement.parameters {
        part(encoded(parameter).as_bytes());
    }
    part(body);
    message
}

fn encoded(parameter: &Value) -> EncodedItem {
    Item::from_iter([("parameter".to_owned(), parameter.clone())]).encode()
}

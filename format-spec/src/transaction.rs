//! Rows of transactions: prepared items, decisions, and tokens of requests that must run once.
//!
//! Knows nothing of what an item holds, nor of who settles a transaction. Bytes: `spec/transaction.md`.

use crate::catalog::{byte_of, enumerated};
use crate::key_encoding::{TAG_DECISION, TAG_ITEM, TAG_PREPARED, TAG_TOKEN, prefix_end};
use crate::layout::{Constant, Field};
use crate::outbox::{expect_tag, expect_version};
use crate::{DecodeError, Put, Reader};

/// First byte of every row.
pub const ROW_VERSION: u8 = 1;
/// Actions of one transaction.
pub const ACTIONS_MAX: usize = 100;

/// The beginning of a prepared item's key.
pub const PREPARED_KEY_LAYOUT: &[Field] = &[Field::new(0, 1, "tag"), Field::new(1, 16, "transaction")];
/// The beginning of a prepared item's row.
pub const PREPARED_ROW_LAYOUT: &[Field] =
    &[Field::new(0, 1, "version"), Field::new(1, 8, "ledger"), Field::new(9, 1, "outcome")];
/// The key of a decision.
pub const DECISION_KEY_LAYOUT: &[Field] = &[Field::new(0, 1, "tag"), Field::new(1, 16, "transaction")];
/// The beginning of a token's key.
pub const TOKEN_KEY_LAYOUT: &[Field] =
    &[Field::new(0, 1, "tag"), Field::new(1, 8, "unix_us"), Field::new(9, 1, "space")];
/// The beginning of a token's row.
pub const TOKEN_ROW_LAYOUT: &[Field] = &[Field::new(0, 1, "version"), Field::new(1, 16, "digest")];

const KEEP: u8 = 1;
const PUT: u8 = 2;
const DELETE: u8 = 3;

/// What becomes of a prepared item, as the specification lists it.
pub const PREPARED_OUTCOMES: &[Constant] = &[
    Constant::new("Keep", KEEP as u64),
    Constant::new("Put", PUT as u64),
    Constant::new("Delete", DELETE as u64),
];

/// Whose tokens: each operation has a space of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenSpace {
    /// TransactWriteItems.
    TransactWriteItems,
    /// ExecuteTransaction.
    ExecuteTransaction,
}

const SPACES: [(TokenSpace, u8); 2] =
    [(TokenSpace::TransactWriteItems, 1), (TokenSpace::ExecuteTransaction, 2)];

/// The spaces of tokens as the specification lists them.
pub const TOKEN_SPACES: &[Constant] =
    &[Constant::new("TransactWriteItems", 1), Constant::new("ExecuteTransaction", 2)];

/// A transaction over several shards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub [u8; 16]);

impl std::fmt::Debug for TransactionId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The key of a prepared item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreparedKey<'a> {
    /// By which transaction.
    pub transaction: TransactionId,
    /// The item's whole key, its tag first.
    pub item_key: &'a [u8],
}

impl<'a> PreparedKey<'a> {
    /// The key's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut key = vec![TAG_PREPARED];
        key.put_bytes(&self.transaction.0);
        key.put_bytes(self.item_key);
        key
    }

    /// Reads a key, all of it; what follows the item's tag is not looked at.
    pub fn decode(key: &'a [u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "key of a prepared item";
        let mut reader = Reader::new(WHAT, key);
        expect_tag("tag of a prepared item", TAG_PREPARED, reader.u8()?)?;
        let transaction = TransactionId(reader.array()?);
        let item_key = reader.bytes(key.len() - PREPARED_KEY_LAYOUT[1].end())?;
        expect_tag("tag of the item of a prepared key", TAG_ITEM, Reader::new(WHAT, item_key).u8()?)?;
        Ok(Self { transaction, item_key })
    }
}

/// What becomes of a prepared item if its transaction is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreparedOutcome<'a> {
    /// It stays as it is, or stays away: only its condition mattered.
    Keep,
    /// These are its bytes from then on.
    Put(&'a [u8]),
    /// It is removed.
    Delete,
}

/// The row of a prepared item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreparedRow<'a> {
    /// The partition whose decision counts; never 0, the catalog.
    pub ledger: u64,
    /// What becomes of the item.
    pub outcome: PreparedOutcome<'a>,
}

impl<'a> PreparedRow<'a> {
    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut row = vec![ROW_VERSION];
        row.put_u64(self.ledger);
        match self.outcome {
            PreparedOutcome::Keep => row.put_u8(KEEP),
            PreparedOutcome::Put(item) => {
                row.put_u8(PUT);
                row.put_bytes(item);
            }
            PreparedOutcome::Delete => row.put_u8(DELETE),
        }
        row
    }

    /// Reads a row, all of it; the item's bytes are whatever there is.
    pub fn decode(row: &'a [u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "row of a prepared item";
        let mut reader = Reader::new(WHAT, row);
        expect_version(WHAT, ROW_VERSION, reader.u8()?)?;
        let ledger = check_ledger(reader.u64()?)?;
        let outcome = match reader.u8()? {
            KEEP => PreparedOutcome::Keep,
            PUT => PreparedOutcome::Put(reader.bytes(row.len() - PREPARED_ROW_LAYOUT[2].end())?),
            DELETE => PreparedOutcome::Delete,
            outcome => {
                return Err(DecodeError::OutOfRange {
                    field: "outcome of a prepared item",
                    value: outcome.into(),
                    minimum: KEEP.into(),
                    maximum: DELETE.into(),
                });
            }
        };
        reader.finish()?;
        Ok(Self { ledger, outcome })
    }
}

/// The key of the decision to commit a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionKey(pub TransactionId);

impl DecisionKey {
    /// The key's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut key = vec![TAG_DECISION];
        key.put_bytes(&self.0.0);
        key
    }

    /// Reads a key, all of it.
    pub fn decode(key: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("key of a decision", key);
        expect_tag("tag of a decision", TAG_DECISION, reader.u8()?)?;
        let transaction = TransactionId(reader.array()?);
        reader.finish()?;
        Ok(Self(transaction))
    }
}

/// A decision's row, which says nothing more than its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionRow;

impl DecisionRow {
    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        vec![ROW_VERSION]
    }

    /// Reads a row, all of it.
    pub fn decode(row: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "row of a decision";
        let mut reader = Reader::new(WHAT, row);
        expect_version(WHAT, ROW_VERSION, reader.u8()?)?;
        reader.finish()?;
        Ok(Self)
    }
}

/// The key of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKey<'a> {
    /// When its transaction ended.
    pub unix_us: u64,
    /// Whose token.
    pub space: TokenSpace,
    /// The client's text, not empty.
    pub token: &'a str,
}

impl<'a> TokenKey<'a> {
    /// The key's bytes, which sort by time.
    pub fn encode(&self) -> Vec<u8> {
        let mut key = vec![TAG_TOKEN];
        key.put_bytes(&self.unix_us.to_be_bytes());
        key.put_u8(byte_of(&SPACES, self.space));
        key.put_bytes(self.token.as_bytes());
        key
    }

    /// Reads a key, all of it.
    pub fn decode(key: &'a [u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "key of a token";
        let mut reader = Reader::new(WHAT, key);
        expect_tag("tag of a token", TAG_TOKEN, reader.u8()?)?;
        let unix_us = u64::from_be_bytes(reader.array()?);
        let space = enumerated("space of a token", &SPACES, reader.u8()?)?;
        let text = reader.bytes(key.len() - TOKEN_KEY_LAYOUT[2].end())?;
        let token = std::str::from_utf8(text).map_err(|_error| not_canonical(WHAT, "a token is UTF-8"))?;
        if token.is_empty() {
            return Err(not_canonical(WHAT, "a token is not empty"));
        }
        Ok(Self { unix_us, space, token })
    }

    /// The least key of a token whose transaction ended at `unix_us` or later.
    pub fn from_time(unix_us: u64) -> Vec<u8> {
        let mut key = vec![TAG_TOKEN];
        key.put_bytes(&unix_us.to_be_bytes());
        key
    }
}

/// A token's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Of the request.
    pub digest: u128,
    /// Bytes of the larger image of each action's item, in the order of the request; at most [`ACTIONS_MAX`].
    pub image_bytes: Vec<u64>,
}

impl TokenRow {
    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut row = vec![ROW_VERSION];
        row.put_u128(self.digest);
        row.put_varint(self.image_bytes.len() as u64);
        self.image_bytes.iter().for_each(|&bytes| row.put_varint(bytes));
        row
    }

    /// Reads a row, all of it.
    pub fn decode(row: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "row of a token";
        let mut reader = Reader::new(WHAT, row);
        expect_version(WHAT, ROW_VERSION, reader.u8()?)?;
        let digest = reader.u128()?;
        let count = reader.varint()?;
        if count > ACTIONS_MAX as u64 {
            return Err(DecodeError::OutOfRange {
                field: "actions of a token's transaction",
                value: count,
                minimum: 0,
                maximum: ACTIONS_MAX as u64,
            });
        }
        let image_bytes = (0..count).map(|_| reader.varint()).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { digest, image_bytes })
    }
}

/// All rows of transactions in a partition: from the first key, included, to the second, excluded.
pub fn all_rows() -> (Vec<u8>, Vec<u8>) {
    (vec![TAG_TOKEN], prefix_end(vec![TAG_DECISION]))
}

fn check_ledger(ledger: u64) -> Result<u64, DecodeError> {
    match ledger {
        0 => Err(DecodeError::OutOfRange {
            field: "ledger of a prepared item",
            value: 0,
            minimum: 1,
            maximum: u64::MAX,
        }),
        ledger => Ok(ledger),
    }
}

fn not_canonical(what: &'static str, rule: &'static str) -> DecodeError {
    DecodeError::NotCanonical { what, rule }
}

const _: () = assert!(TAG_TOKEN < TAG_PREPARED && TAG_PREPARED < TAG_DECISION);

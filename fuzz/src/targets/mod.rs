//! The targets, by what reads the bytes.

mod catalog;
mod expressions;
mod index_rows;
mod items;
mod keys;
mod log;
mod native;
mod node;
mod numbers;
mod partition_file;
mod requests;
mod rows;
mod statements;

pub use catalog::catalog;
pub use expressions::{
    expression_condition, expression_key_condition, expression_projection, expression_update,
};
pub use index_rows::index_row;
pub use items::item;
pub use keys::key;
pub use log::{log_effects, log_frame, log_records, log_segment};
pub use native::{native_document, native_frame};
pub use node::node_copy;
pub use numbers::{number_encodings, number_text};
pub use partition_file::{allocation_map, page, superblock};
pub use requests::request_body;
pub use rows::{collection_size, global_index, stream_record, time_to_live, transaction};
pub use statements::statement;

pub(crate) use index_rows::index_codecs;
pub(crate) use requests::OPERATIONS;

use basalt_format::DecodeError;

use crate::Target;

/// Calls a macro with the name of every target: the one list of them.
#[macro_export]
macro_rules! for_each_target {
    ($callback:ident) => {
        $callback! {
            allocation_map catalog collection_size expression_condition expression_key_condition
            expression_projection expression_update global_index index_row item key log_effects log_frame
            log_records log_segment native_document native_frame node_copy number_encodings number_text page
            request_body statement stream_record superblock time_to_live transaction
        }
    };
}

macro_rules! list {
    ($($name:ident)*) => {
        /// Every target, by name.
        pub const ALL: &[Target] = &[$(Target { name: stringify!($name), run: $name },)*];
    };
}

for_each_target!(list);

/// What was decoded encodes to the same bytes.
fn check_form<'a, T>(
    bytes: &'a [u8],
    decode: impl Fn(&'a [u8]) -> Result<T, DecodeError>,
    encode: impl Fn(&T) -> Vec<u8>,
) {
    match decode(bytes) {
        Ok(value) => assert_eq!(encode(&value), bytes, "a value has one form"),
        Err(error) => drop(error.to_string()),
    }
}

/// Overwrites the bytes at `offset`, if they are there.
fn patch<const COUNT: usize>(bytes: &mut [u8], offset: usize, patch: [u8; COUNT]) {
    if let Some(place) = bytes.get_mut(offset..).and_then(|rest| rest.first_chunk_mut()) {
        *place = patch;
    }
}

/// The number at `offset`, 0 if it is not there.
fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

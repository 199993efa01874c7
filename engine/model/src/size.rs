//! What items weigh: the sizes that DynamoDB measures limits and capacity by.
//!
//! They are not the sizes of our encoding: DynamoDB counts names and values by rules of its own, which were
//! measured byte by byte at its 400 KB limit.

use std::fmt;
use std::ops::{Add, AddAssign};

use basalt_format::DecodeError;
use basalt_format::item_encoding::{self, Container, RawValue};
use basalt_format::number::{self, Decimal};

use crate::item::Item;
use crate::item_ref::ItemRef;
use crate::number::Number;
use crate::value::Value;

/// The largest item: 400 KB exactly.
pub const ITEM_BYTES_MAX: usize = 409_600;
/// What DynamoDB adds to every item and index entry where it reports the size of a table.
pub const STORAGE_OVERHEAD_BYTES: usize = 100;
/// What a list or map costs beside its entries.
const DOCUMENT_BYTES: usize = 3;
/// What an entry of a list or map costs beside its name and value.
const DOCUMENT_ENTRY_BYTES: usize = 1;
/// What DynamoDB's storage keeps instead of an attribute's name.
const STORED_NAME_BYTES: usize = 1;
/// What one read unit reads.
const READ_UNIT_BYTES: u64 = 4096;
/// What one write unit writes.
const WRITE_UNIT_BYTES: u64 = 1024;

impl Item {
    /// The size of all names and values.
    pub fn size_bytes(&self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.size_bytes()).sum()
    }
}

impl Value {
    /// The size of the value without its name.
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size_bytes(),
            Self::B(bytes) => bytes.len(),
            Self::Ss(set) => set.iter().map(String::len).sum(),
            Self::Ns(set) => set.iter().map(|number| number.size_bytes()).sum(),
            Self::Bs(set) => set.iter().map(Vec::len).sum(),
            Self::L(list) => document_size(list.iter().map(Self::size_bytes)),
            Self::M(map) => document_size(map.iter().map(|(name, value)| name.len() + value.size_bytes())),
            Self::Bool(_) | Self::Null => 1,
        }
    }
}

impl Number {
    /// One byte, one for every two digits on either side of the point, one for a minus sign; zeros that only
    /// hold a place at either end are free.
    pub fn size_bytes(&self) -> usize {
        decimal_size(self.decimal())
    }
}

impl ItemRef<'_> {
    /// The size of all names and values, computed without decoding them.
    pub fn size_bytes(&self) -> Result<usize, DecodeError> {
        Ok(entries_size(item_encoding::attributes(self.as_bytes())?, 0, 1)?.bytes)
    }

    /// Both sizes of an item that a query or scan reads. `sort_key` is the attribute that orders its collection.
    pub fn read_size(&self, sort_key: Option<&str>) -> Result<ReadSize, DecodeError> {
        let attributes = item_encoding::attributes(self.as_bytes())?;
        let all = entries_size(attributes, 0, 1)?;
        let sort_value = sort_key.map(|name| attributes.find(name)).transpose()?.flatten();
        let (sort_bytes, sort_stored) = match sort_value {
            Some(value) => {
                encoded_size(value, 1).map(|size| (size.bytes, STORED_NAME_BYTES + size.stored))?
            }
            None => (0, 0),
        };
        Ok(ReadSize { bytes: all.bytes, page_bytes: page_size(all.stored - sort_stored, sort_bytes) })
    }
}

/// What an item weighs for the query or scan that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadSize {
    /// What the read is paid by.
    pub bytes: usize,
    /// What the limit of one page counts. DynamoDB holds against it what its storage keeps of an item: names are
    /// numbers there, texts have a length before them, and the sort key is repeated for every 3 KiB. Measured against
    /// AWS by dynalite's authors.
    pub page_bytes: usize,
}

/// What storage keeps of an item with so many bytes beside its sort key.
fn page_size(stored_bytes: usize, sort_key_bytes: usize) -> usize {
    const ROW_BYTES: usize = 2;
    const BLOCK_BYTES: usize = 3072;
    const BLOCK_OVERHEAD_BYTES: usize = 18;
    let blocks = 1 + (1 + stored_bytes) / BLOCK_BYTES;
    ROW_BYTES + stored_bytes + blocks * (BLOCK_OVERHEAD_BYTES + sort_key_bytes)
}

/// The actions of an update, as far as they count against the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UpdateActions {
    /// Actions that write a value: SET and ADD.
    pub writing_count: usize,
    /// Actions that take away: REMOVE, and DELETE whether it leaves members or not.
    pub clearing_count: usize,
}

/// The size that is held against [`ITEM_BYTES_MAX`] for an item made by `UpdateItem` outside of transactions: the
/// item itself, or the item without its key attributes but with a fixed cost for the update and its actions,
/// whichever is more.
pub fn updated_size_bytes(item_bytes: usize, key_attributes_bytes: usize, actions: UpdateActions) -> usize {
    let cost = 3 + 19 * actions.writing_count + 2 * actions.clearing_count;
    item_bytes.max(item_bytes - key_attributes_bytes + cost)
}

/// How a read is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// A whole unit for every 4 KiB.
    Strong,
    /// Half a unit for every 4 KiB.
    Eventual,
    /// Two units for every 4 KiB.
    Transactional,
}

/// Consumed capacity, exact: DynamoDB counts in halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct CapacityUnits {
    halves: u64,
}

impl CapacityUnits {
    /// Nothing.
    pub const ZERO: Self = Self { halves: 0 };

    /// The cost of reading `bytes`: of one item, or of all items that one page of a query or scan walked over. No
    /// item, or no bytes, cost as much as the smallest.
    pub fn for_read(bytes: usize, consistency: Consistency) -> Self {
        let halves = match consistency {
            Consistency::Eventual => 1,
            Consistency::Strong => 2,
            Consistency::Transactional => 4,
        };
        Self { halves: halves * (bytes as u64).div_ceil(READ_UNIT_BYTES).max(1) }
    }

    /// The cost of a write that found an item of `before` bytes and left one of `after`; 0 stands for no item. A
    /// condition that failed costs the same with nothing changed.
    pub fn for_write(before: usize, after: usize) -> Self {
        Self { halves: 2 * (before.max(after) as u64).div_ceil(WRITE_UNIT_BYTES).max(1) }
    }

    /// Twice as much: the cost of a write inside of a transaction.
    pub fn doubled(self) -> Self {
        Self { halves: self.halves * 2 }
    }

    /// The number of halves.
    pub fn halves(self) -> u64 {
        self.halves
    }

    /// The number that answers show.
    pub fn as_f64(self) -> f64 {
        self.halves as f64 / 2.0
    }
}

impl Add for CapacityUnits {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { halves: self.halves + other.halves }
    }
}

impl AddAssign for CapacityUnits {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for CapacityUnits {
    fn sum<I: Iterator<Item = Self>>(units: I) -> Self {
        units.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for CapacityUnits {
    /// As in JSON answers: `1.0`, `0.5`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.halves / 2, self.halves % 2 * 5)
    }
}

fn document_size(entries: impl Iterator<Item = usize>) -> usize {
    DOCUMENT_BYTES + entries.map(|entry| entry + DOCUMENT_ENTRY_BYTES).sum::<usize>()
}

fn decimal_size(number: Decimal) -> usize {
    let digits = number.digit_count() as i32;
    let integer_digits = (digits + i32::from(number.exponent())).clamp(0, digits);
    let fraction_digits = digits - integer_digits;
    let pairs = (integer_digits as usize).div_ceil(2) + (fraction_digits as usize).div_ceil(2);
    1 + pairs + usize::from(number.is_negative())
}

/// What a value, or the entries of a container, weigh.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    /// By the rules of items.
    bytes: usize,
    /// As DynamoDB's storage keeps it, see [`ReadSize::page_bytes`].
    stored: usize,
}

impl Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, stored: self.stored + other.stored }
    }
}

impl Size {
    /// A value that storage keeps with `overhead` bytes before it.
    fn kept_behind(bytes: usize, overhead: usize) -> Self {
        Self { bytes, stored: bytes + overhead }
    }
}

fn entries_size(map: Container<'_>, entry_bytes: usize, level: usize) -> Result<Size, DecodeError> {
    let mut size = Size::default();
    for entry in map.entries() {
        let (name, value) = item_encoding::split_name_bytes(entry?)?;
        let around = Size { bytes: entry_bytes + name.len(), stored: entry_bytes + STORED_NAME_BYTES };
        size = size + around + encoded_size(value, level)?;
    }
    Ok(size)
}

/// Damaged bytes must not decide how deep the stack grows, so the level is counted.
fn encoded_size(value: &[u8], level: usize) -> Result<Size, DecodeError> {
    item_encoding::check_level(level)?;
    let document = Size { bytes: DOCUMENT_BYTES, stored: DOCUMENT_BYTES };
    Ok(match RawValue::parse(value)? {
        RawValue::String(bytes) => Size::kept_behind(bytes.len(), length_prefix_bytes(bytes.len())),
        RawValue::Binary(bytes) => Size::kept_behind(bytes.len(), 1),
        RawValue::Number(bytes) => Size::kept_behind(decimal_size(number::decode_compact(bytes)?), 1),
        RawValue::Bool(_) => Size { bytes: 1, stored: 1 },
        RawValue::Null => Size { bytes: 1, stored: 0 },
        RawValue::StringSet(set) | RawValue::BinarySet(set) => {
            Size::kept_behind(set.entries_length(), set.len() + 1)
        }
        RawValue::NumberSet(set) => {
            let sizes = set.entries().map(|member| Ok(decimal_size(number::decode_compact(member?)?)));
            Size::kept_behind(sizes.sum::<Result<usize, DecodeError>>()?, set.len() + 1)
        }
        RawValue::List(list) => {
            let entry = Size { bytes: DOCUMENT_ENTRY_BYTES, stored: DOCUMENT_ENTRY_BYTES };
            list.entries().try_fold(document, |size, value| {
                Ok::<_, DecodeError>(size + entry + encoded_size(value?, level + 1)?)
            })?
        }
        RawValue::Map(map) => document + entries_size(map, DOCUMENT_ENTRY_BYTES, level + 1)?,
    })
}

/// How many bytes storage takes for the length of a text.
fn length_prefix_bytes(length: usize) -> usize {
    match length {
        0..128 => 1,
        128..16_384 => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_paid_by_4_kib_and_at_least_once() {
        let read = |bytes, consistency| CapacityUnits::for_read(bytes, consistency).to_string();
        assert_eq!(read(0, Consistency::Strong), "1.0");
        assert_eq!(read(0, Consistency::Eventual), "0.5");
        assert_eq!(read(4096, Consistency::Strong), "1.0");
        assert_eq!(read(4097, Consistency::Strong), "2.0");
        assert_eq!(read(9000, Consistency::Eventual), "1.5");
        assert_eq!(read(1, Consistency::Transactional), "2.0");
    }

    #[test]
    fn writes_are_paid_by_1_kib_of_the_larger_image() {
        let write = |before, after| CapacityUnits::for_write(before, after).as_f64();
        assert_eq!(write(0, 0), 1.0);
        assert_eq!(write(0, 1024), 1.0);
        assert_eq!(write(1025, 10), 2.0);
        assert_eq!(write(10, 3000), 3.0);
        assert_eq!(CapacityUnits::for_write(0, 1).doubled().as_f64(), 2.0);
    }

    #[test]
    fn a_page_counts_what_storage_keeps_of_an_item() {
        let text = |length: usize| Value::S("x".repeat(length));
        let page_bytes = |attributes: &[(&str, Value)], sort_key: Option<&str>| {
            let item =
                Item::from_iter(attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())))
                    .encode();
            let size = item.as_item().read_size(sort_key).unwrap();
            assert_eq!(size.bytes, item.as_item().size_bytes().unwrap());
            size.page_bytes
        };
        // 2 for the row, 18 for the block; a byte for the name and a byte for the length of the text.
        assert_eq!(page_bytes(&[("a_long_name", text(5))], None), 2 + 18 + 1 + 1 + 5);
        assert_eq!(page_bytes(&[("a", text(128))], None), 2 + 18 + 1 + 2 + 128);
        // The sort key is repeated for every 3 KiB of the rest.
        let attributes = [("a", text(10)), ("b", text(2)), ("e", text(41_645))];
        let rest = (1 + 1 + 10) + (1 + 3 + 41_645);
        assert_eq!(page_bytes(&attributes, Some("b")), 2 + rest + (1 + (1 + rest) / 3072) * (18 + 2));
        // Twenty-five of these are as much as a page holds: observed on AWS.
        assert!(24 * page_bytes(&attributes, Some("b")) < 1 << 20);
        let nested =
            Value::L(vec![Value::Null, Value::Bool(true), Value::M([("k".to_owned(), text(1))].into())]);
        assert_eq!(page_bytes(&[("a", nested)], None), 20 + 1 + 3 + (1) + (1 + 1) + (1 + 3 + 1 + 1 + 2));
    }

    #[test]
    fn units_add_up() {
        let half = CapacityUnits::for_read(1, Consistency::Eventual);
        assert_eq!([half; 3].into_iter().sum::<CapacityUnits>().as_f64(), 1.5);
    }

    #[test]
    fn an_update_is_held_against_the_limit_with_its_fixed_cost() {
        // With a key of two bytes, one SET brings the limit 20 bytes below that of a put.
        let set = UpdateActions { writing_count: 1, clearing_count: 0 };
        assert_eq!(updated_size_bytes(ITEM_BYTES_MAX - 20, 2, set), ITEM_BYTES_MAX);
        assert_eq!(updated_size_bytes(ITEM_BYTES_MAX - 19, 2, set), ITEM_BYTES_MAX + 1);
        // A long key outweighs the cost, and then the item itself counts.
        let remove = UpdateActions { writing_count: 0, clearing_count: 1 };
        assert_eq!(updated_size_bytes(1000, 100, remove), 1000);
    }
}

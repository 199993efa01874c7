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
        entries_size(item_encoding::attributes(self.as_bytes())?, 0, 1)
    }
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

fn entries_size(map: Container<'_>, entry_bytes: usize, level: usize) -> Result<usize, DecodeError> {
    let mut size = 0;
    for entry in map.entries() {
        let (name, value) = item_encoding::split_name_bytes(entry?)?;
        size += entry_bytes + name.len() + encoded_size(value, level)?;
    }
    Ok(size)
}

/// Damaged bytes must not decide how deep the stack grows, so the level is counted.
fn encoded_size(value: &[u8], level: usize) -> Result<usize, DecodeError> {
    item_encoding::check_level(level)?;
    Ok(match RawValue::parse(value)? {
        RawValue::String(bytes) | RawValue::Binary(bytes) => bytes.len(),
        RawValue::Number(bytes) => decimal_size(number::decode_compact(bytes)?),
        RawValue::Bool(_) | RawValue::Null => 1,
        RawValue::StringSet(set) | RawValue::BinarySet(set) => set.entries_length(),
        RawValue::NumberSet(set) => {
            let sizes = set.entries().map(|member| Ok(decimal_size(number::decode_compact(member?)?)));
            sizes.sum::<Result<usize, DecodeError>>()?
        }
        RawValue::List(list) => {
            let sizes =
                list.entries().map(|value| Ok(DOCUMENT_ENTRY_BYTES + encoded_size(value?, level + 1)?));
            DOCUMENT_BYTES + sizes.sum::<Result<usize, DecodeError>>()?
        }
        RawValue::Map(map) => DOCUMENT_BYTES + entries_size(map, DOCUMENT_ENTRY_BYTES, level + 1)?,
    })
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

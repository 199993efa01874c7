//! Members that several replies have.

use std::collections::BTreeMap;

use basalt_engine::model::EncodedItem;
use basalt_engine::{CapacityUnits, ConsumedCapacity};

use super::constraint::{Constraints, Enumeration};
use super::json::writer::Members;
use super::json::{DamagedItem, Writer};

/// How much of the capacity used a client wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ReturnConsumedCapacity {
    #[default]
    None,
    /// The sum.
    Total,
    /// The sum, and the table's and each index's part.
    Indexes,
}

/// Its names.
const RETURN_CONSUMED_CAPACITY: Enumeration<ReturnConsumedCapacity> = Enumeration(&[
    ("INDEXES", ReturnConsumedCapacity::Indexes),
    ("TOTAL", ReturnConsumedCapacity::Total),
    ("NONE", ReturnConsumedCapacity::None),
]);

impl ReturnConsumedCapacity {
    /// Understands the member; a violation goes to `constraints`.
    pub(crate) fn check(member: Option<&str>, constraints: &mut Constraints) -> Self {
        let wanted = constraints.enumeration("returnConsumedCapacity", member, &RETURN_CONSUMED_CAPACITY);
        wanted.unwrap_or_default()
    }
}

/// The names of ReturnItemCollectionMetrics. Tables have no local indexes yet, and then the reply has no such
/// metrics, whatever is asked for.
pub(crate) const RETURN_ITEM_COLLECTION_METRICS: Enumeration<()> = Enumeration(&[("SIZE", ()), ("NONE", ())]);

/// A reply that is an object with the members that `write` adds.
pub(crate) fn object_reply(write: impl FnOnce(&mut Members<'_>)) -> Vec<u8> {
    let mut writer = Writer::default();
    let mut members = writer.object();
    write(&mut members);
    drop(members);
    writer.into_bytes()
}

impl Members<'_> {
    /// A member that is an encoded item, if there is one.
    pub(crate) fn item(&mut self, name: &str, item: Option<&EncodedItem>) -> Result<(), DamagedItem> {
        match item {
            Some(item) => self.value_of(name).item(item.as_item()),
            None => Ok(()),
        }
    }

    /// A member that is an array of encoded items.
    pub(crate) fn items(&mut self, name: &str, items: &[EncodedItem]) -> Result<(), DamagedItem> {
        let mut elements = self.value_of(name).array();
        for item in items {
            elements.element().item(item.as_item())?;
        }
        Ok(())
    }

    /// The capacity that an operation on one table used, if it is wanted.
    pub(crate) fn consumed_capacity(
        &mut self,
        wanted: ReturnConsumedCapacity,
        table_name: &str,
        used: &ConsumedCapacity,
    ) {
        if wanted != ReturnConsumedCapacity::None {
            self.value_of("ConsumedCapacity").capacity_of_table(wanted, table_name, used);
        }
    }

    /// The capacity that an operation on several tables used, if it is wanted.
    pub(crate) fn consumed_capacities<'a>(
        &mut self,
        wanted: ReturnConsumedCapacity,
        tables: impl Iterator<Item = (&'a str, &'a ConsumedCapacity)>,
    ) {
        if wanted == ReturnConsumedCapacity::None {
            return;
        }
        let mut elements = self.value_of("ConsumedCapacity").array();
        for (table_name, used) in tables {
            elements.element().capacity_of_table(wanted, table_name, used);
        }
    }

    /// Indexes that were not touched are not told, nor is a list of none.
    fn capacity_of_indexes(&mut self, name: &str, used: &BTreeMap<String, CapacityUnits>) {
        if used.is_empty() {
            return;
        }
        let mut indexes = self.value_of(name).object();
        for (index_name, units) in used {
            indexes.value_of(index_name).object().value_of("CapacityUnits").double(units.as_f64());
        }
    }
}

impl Writer {
    fn capacity_of_table(
        &mut self,
        wanted: ReturnConsumedCapacity,
        table_name: &str,
        used: &ConsumedCapacity,
    ) {
        let mut members = self.object();
        members.string("TableName", table_name);
        members.value_of("CapacityUnits").double(used.total().as_f64());
        if wanted == ReturnConsumedCapacity::Indexes {
            members.value_of("Table").object().value_of("CapacityUnits").double(used.table.as_f64());
            members.capacity_of_indexes("LocalSecondaryIndexes", &used.local_indexes);
            members.capacity_of_indexes("GlobalSecondaryIndexes", &used.global_indexes);
        }
    }
}

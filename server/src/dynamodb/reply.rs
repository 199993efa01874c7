//! Members that several replies have.

use std::collections::BTreeMap;

use basalt_engine::model::EncodedItem;
use basalt_engine::{CapacityUnits, ConsumedCapacity, ItemCollection};

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

/// Whether a client wants to see how large item collections are. Only tables with local indexes have any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ReturnItemCollectionMetrics {
    #[default]
    None,
    Size,
}

/// Its names.
const RETURN_ITEM_COLLECTION_METRICS: Enumeration<ReturnItemCollectionMetrics> =
    Enumeration(&[("SIZE", ReturnItemCollectionMetrics::Size), ("NONE", ReturnItemCollectionMetrics::None)]);
/// Sizes of collections are told in whole gigabytes.
const COLLECTION_ESTIMATE_BYTES: u64 = 1 << 30;

impl ReturnItemCollectionMetrics {
    /// Understands the member; a violation goes to `constraints`.
    pub(crate) fn check(member: Option<&str>, constraints: &mut Constraints) -> Self {
        let path = "returnItemCollectionMetrics";
        constraints.enumeration(path, member, &RETURN_ITEM_COLLECTION_METRICS).unwrap_or_default()
    }
}

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
            let nothing = CapacityUnits::ZERO;
            self.value_of("ConsumedCapacity").capacity_of_table(wanted, table_name, used, nothing);
        }
    }

    /// The capacity that an operation on several tables used, if it is wanted.
    pub(crate) fn consumed_capacities<'a>(
        &mut self,
        wanted: ReturnConsumedCapacity,
        tables: impl Iterator<Item = (&'a str, &'a ConsumedCapacity)>,
    ) {
        let nothing = CapacityUnits::ZERO;
        self.consumed_capacities_and_failures(wanted, tables.map(|(table, used)| (table, used, nothing)));
    }

    /// The same, where some writes failed: what those were charged counts in the sum of their table and in no part.
    pub(crate) fn consumed_capacities_and_failures<'a>(
        &mut self,
        wanted: ReturnConsumedCapacity,
        tables: impl Iterator<Item = (&'a str, &'a ConsumedCapacity, CapacityUnits)>,
    ) {
        if wanted == ReturnConsumedCapacity::None {
            return;
        }
        let mut elements = self.value_of("ConsumedCapacity").array();
        for (table_name, used, failed) in tables {
            elements.element().capacity_of_table(wanted, table_name, used, failed);
        }
    }

    /// How large the collection of the item written is, if that is wanted and if it is in one.
    pub(crate) fn item_collection_metrics(
        &mut self,
        wanted: ReturnItemCollectionMetrics,
        collection: Option<&ItemCollection>,
    ) {
        if let (ReturnItemCollectionMetrics::Size, Some(collection)) = (wanted, collection) {
            self.value_of("ItemCollectionMetrics").item_collection(collection);
        }
    }

    /// How large the collections of the items written are, table by table, if that is wanted and if there are any.
    pub(crate) fn item_collections_metrics<'a>(
        &mut self,
        wanted: ReturnItemCollectionMetrics,
        tables: impl Iterator<Item = (&'a str, &'a [ItemCollection])>,
    ) {
        let mut tables = tables.filter(|(_, collections)| !collections.is_empty()).peekable();
        if wanted == ReturnItemCollectionMetrics::None || tables.peek().is_none() {
            return;
        }
        let mut metrics = self.value_of("ItemCollectionMetrics").object();
        for (table_name, collections) in tables {
            let mut elements = metrics.value_of(table_name).array();
            for collection in collections {
                elements.element().item_collection(collection);
            }
        }
    }

    /// The capacity that a transaction used, if it is wanted: one part a table, in the order of their first use.
    pub(crate) fn transaction_capacities<'a>(
        &mut self,
        wanted: ReturnConsumedCapacity,
        kind: CapacityKind,
        actions: impl Iterator<Item = (&'a str, &'a ConsumedCapacity)>,
    ) {
        if wanted == ReturnConsumedCapacity::None {
            return;
        }
        let mut tables: Vec<(&str, ConsumedCapacity)> = Vec::new();
        for (table_name, used) in actions {
            match tables.iter_mut().find(|(known, _)| *known == table_name) {
                Some((_, sum)) => *sum += used.clone(),
                None => tables.push((table_name, used.clone())),
            }
        }
        let mut elements = self.value_of("ConsumedCapacity").array();
        for (table_name, used) in &tables {
            elements.element().capacity_of_transaction(wanted, kind, table_name, used);
        }
    }

    /// Units as transactions tell them: once as such, once by their kind.
    fn units_of_kind(&mut self, kind: CapacityKind, units: CapacityUnits) {
        self.value_of("CapacityUnits").double(units.as_f64());
        self.value_of(kind.member()).double(units.as_f64());
    }

    fn units_of_indexes(&mut self, name: &str, kind: CapacityKind, used: &BTreeMap<String, CapacityUnits>) {
        if used.is_empty() {
            return;
        }
        let mut indexes = self.value_of(name).object();
        for (index_name, units) in used {
            indexes.value_of(index_name).object().units_of_kind(kind, *units);
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

/// What a transaction's capacity was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CapacityKind {
    Read,
    Write,
}

impl CapacityKind {
    fn member(self) -> &'static str {
        match self {
            CapacityKind::Read => "ReadCapacityUnits",
            CapacityKind::Write => "WriteCapacityUnits",
        }
    }
}

impl Writer {
    fn item_collection(&mut self, collection: &ItemCollection) {
        let mut members = self.object();
        members.value_of("ItemCollectionKey").attributes(&collection.key);
        let at_least = collection.size_bytes / COLLECTION_ESTIMATE_BYTES;
        let mut range = members.value_of("SizeEstimateRangeGB").array();
        for bound in [at_least, at_least + 1] {
            range.element().double(bound as f64);
        }
    }

    fn capacity_of_transaction(
        &mut self,
        wanted: ReturnConsumedCapacity,
        kind: CapacityKind,
        table_name: &str,
        used: &ConsumedCapacity,
    ) {
        let mut members = self.object();
        members.string("TableName", table_name);
        members.units_of_kind(kind, used.total());
        if wanted == ReturnConsumedCapacity::Indexes {
            members.value_of("Table").object().units_of_kind(kind, used.table);
            members.units_of_indexes("LocalSecondaryIndexes", kind, &used.local_indexes);
            members.units_of_indexes("GlobalSecondaryIndexes", kind, &used.global_indexes);
        }
    }

    fn capacity_of_table(
        &mut self,
        wanted: ReturnConsumedCapacity,
        table_name: &str,
        used: &ConsumedCapacity,
        failed: CapacityUnits,
    ) {
        let mut members = self.object();
        members.string("TableName", table_name);
        members.value_of("CapacityUnits").double((used.total() + failed).as_f64());
        if wanted == ReturnConsumedCapacity::Indexes {
            members.value_of("Table").object().value_of("CapacityUnits").double(used.table.as_f64());
            members.capacity_of_indexes("LocalSecondaryIndexes", &used.local_indexes);
            members.capacity_of_indexes("GlobalSecondaryIndexes", &used.global_indexes);
        }
    }
}

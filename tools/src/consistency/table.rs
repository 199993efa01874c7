//! A table's items against everything that follows from them: keys, indexes, expiries, sizes of collections.
//!
//! A global index is held against its table with what is still on its way to it: base partitions keep changes that
//! indexes have not received. One that is being filled or removed is left out.

use std::collections::BTreeMap;

use basalt_engine::model::ItemRef;
use basalt_format::{
    DecodeError,
    catalog::{IndexStatus, PartitionRow, TableRow, TimeToLiveState},
    collection_size,
    key_encoding::{
        TAG_COLLECTION, TAG_GLOBAL_INDEX, TAG_ITEM, TAG_LOCAL_INDEX_FIRST, TAG_LOCAL_INDEX_LAST, TAG_OUTBOX,
        TAG_RECEIVED, TAG_TIME_TO_LIVE, decode_hashed,
    },
    outbox::{self, OutboxKey},
    received::{ReceivedKey, ReceivedRow},
};
use rayon::prelude::*;

use super::{
    Contradiction,
    ledger::{Fact, Side, Sums, Weight},
    rows_of,
};
use crate::{
    catalog::Catalog,
    derived::{IndexShape, ItemKeys, expiry_key},
    failure::Failure,
    rows::{CurrentRow, DirectoryRows},
    words::key_in_words,
};

/// DynamoDB's measure counts so much more for each item and entry.
const STORAGE_OVERHEAD_BYTES: u64 = 100;

/// Checks one table.
pub(super) fn check(
    name: &str,
    table: &TableRow,
    catalog: &Catalog,
    rows: &DirectoryRows<'_>,
) -> Result<Vec<Contradiction>, Failure> {
    let teller = Teller::new(name, table, catalog, rows);
    let (mut sums, pending, mut found) = teller.sum_base()?;
    let on_the_way = by_index(pending);
    teller.tell_indexes(&on_the_way, &mut |fact| sums.note(fact))?;
    if sums.agree() {
        return Ok(found);
    }
    // Told once more: now what differs is remembered.
    let mut differences = sums.differences();
    for partition in teller.base_partitions() {
        teller.tell_base(partition, &mut BasePart::default(), &mut |fact| differences.note(fact))?;
    }
    teller.tell_indexes(&on_the_way, &mut |fact| differences.note(fact))?;
    for (ledger, subject) in teller.ledgers().into_iter().enumerate() {
        let told = differences.told(ledger, key_in_words);
        found.extend(told.into_iter().map(|problem| Contradiction::new(subject.clone(), problem)));
    }
    Ok(found)
}

/// A change that a global index may not have received: by base partition and entry.
struct Pending {
    base: u64,
    entry_index: u64,
    index_number: u64,
    key: Vec<u8>,
    row: Option<Vec<u8>>,
}

/// What a base partition has beside facts.
#[derive(Default)]
struct BasePart {
    pending: Vec<Pending>,
    found: Vec<Contradiction>,
}

/// Changes on their way to one index, by row; of several the last.
type OnTheWay = BTreeMap<Vec<u8>, Pending>;

/// Tells the facts of one table. Its ledgers: local indexes, global indexes, expiries, sizes of collections.
struct Teller<'a> {
    name: &'a str,
    table: &'a TableRow,
    catalog: &'a Catalog,
    rows: &'a DirectoryRows<'a>,
    keys: ItemKeys,
    local: Vec<IndexShape>,
    global: Vec<IndexShape>,
}

impl<'a> Teller<'a> {
    fn new(name: &'a str, table: &'a TableRow, catalog: &'a Catalog, rows: &'a DirectoryRows<'a>) -> Self {
        Self {
            name,
            table,
            catalog,
            rows,
            keys: ItemKeys::of(table),
            local: IndexShape::of_local_indexes(table),
            global: IndexShape::of_global_indexes(table),
        }
    }

    fn ledgers(&self) -> Vec<String> {
        let of_table = |what: &str| format!("{what} of table {}", self.name);
        let local =
            self.table.local_indexes.iter().map(|index| of_table(&format!("local index {}", index.name)));
        let global = self.table.global_indexes.iter().map(|index| of_table(&format!("index {}", index.name)));
        local.chain(global).chain([of_table("expiries"), of_table("sizes of item collections")]).collect()
    }

    fn global_ledger(&self, place: usize) -> usize {
        self.local.len() + place
    }

    fn expiry_ledger(&self) -> usize {
        self.local.len() + self.global.len()
    }

    fn collection_ledger(&self) -> usize {
        self.expiry_ledger() + 1
    }

    fn base_partitions(&self) -> Vec<u64> {
        self.partitions_of(self.table.number)
    }

    fn partitions_of(&self, number: u64) -> Vec<u64> {
        self.catalog.serving_partitions_of(number).into_iter().map(|(partition, _)| partition).collect()
    }

    /// The expiry attribute, where every item that has one is in the order.
    fn expiry_attribute(&self) -> Option<&str> {
        let setting = self.table.time_to_live.as_ref();
        setting.filter(|setting| setting.state == TimeToLiveState::Enabled).map(|setting| &*setting.attribute)
    }

    fn sum_base(&self) -> Result<(Sums, Vec<Pending>, Vec<Contradiction>), Failure> {
        let ledgers = self.collection_ledger() + 1;
        let parts = self.base_partitions().into_par_iter().map(|partition| {
            let (mut sums, mut part) = (Sums::new(ledgers), BasePart::default());
            self.tell_base(partition, &mut part, &mut |fact| sums.note(fact))?;
            Ok((sums, part))
        });
        let parts: Vec<(Sums, BasePart)> = parts.collect::<Result<_, Failure>>()?;
        let (mut sums, mut pending, mut found) = (Sums::new(ledgers), Vec::new(), Vec::new());
        for (of_part, part) in parts {
            sums = sums.absorb(&of_part);
            pending.extend(part.pending);
            found.extend(part.found);
        }
        Ok((sums, pending, found))
    }

    fn tell_base(
        &self,
        partition: u64,
        part: &mut BasePart,
        tell: &mut dyn FnMut(&Fact<'_>),
    ) -> Result<(), Failure> {
        let rows = rows_of(self.rows, partition)?;
        rows.each(&mut |row| {
            if let Err(problem) = self.tell_row(partition, &row, part, tell) {
                let problem = format!("{}: {problem}", key_in_words(row.key));
                part.found.push(Contradiction::new(format!("partition {partition}"), problem));
            }
        });
        Ok(())
    }

    fn tell_row(
        &self,
        partition: u64,
        row: &CurrentRow<'_>,
        part: &mut BasePart,
        tell: &mut dyn FnMut(&Fact<'_>),
    ) -> Result<(), String> {
        let in_words = |error: DecodeError| error.to_string();
        let CurrentRow { key, value, .. } = *row;
        match key.first() {
            Some(&TAG_ITEM) => self.tell_item(key, value, tell),
            Some(&tag @ TAG_LOCAL_INDEX_FIRST..=TAG_LOCAL_INDEX_LAST) => {
                let ledger = usize::from(tag - TAG_LOCAL_INDEX_FIRST);
                if ledger >= self.local.len() {
                    return Err("the table has no such local index".to_owned());
                }
                tell(&Fact { ledger, side: Side::Held, key, weight: Weight::Value(value) });
                self.tell_size(value, tell).map_err(in_words)
            }
            Some(&TAG_COLLECTION) => {
                let bytes = collection_size::decode(value).map_err(in_words)?;
                let ledger = self.collection_ledger();
                tell(&Fact { ledger, side: Side::Held, key, weight: Weight::Bytes(bytes) });
                Ok(())
            }
            Some(&TAG_TIME_TO_LIVE) if self.expiry_attribute().is_some() => {
                let ledger = self.expiry_ledger();
                tell(&Fact { ledger, side: Side::Held, key, weight: Weight::Value(value) });
                Ok(())
            }
            Some(&TAG_OUTBOX) => note_pending(partition, row, &mut part.pending).map_err(in_words),
            _ => Ok(()),
        }
    }

    /// Tells everything that follows from an item.
    fn tell_item(&self, key: &[u8], item: &[u8], tell: &mut dyn FnMut(&Fact<'_>)) -> Result<(), String> {
        let in_words = |error: DecodeError| error.to_string();
        if self.keys.key_of(item).map_err(in_words)?.as_deref() != Some(key) {
            return Err("the item has another key than its row".to_owned());
        }
        for (ledger, shape) in self.local.iter().chain(&self.global).enumerate() {
            if let Some((key, value)) = shape.entry_of(item).map_err(in_words)? {
                // An index that is not whole is held against nothing.
                let is_compared =
                    ledger.checked_sub(self.local.len()).is_none_or(|place| self.is_whole(place));
                if is_compared {
                    let weight = Weight::Value(&value);
                    tell(&Fact { ledger, side: Side::Given, key: &key, weight });
                }
            }
        }
        if let Some(attribute) = self.expiry_attribute()
            && let Some(key) = expiry_key(key, item, attribute).map_err(in_words)?
        {
            let (ledger, weight) = (self.expiry_ledger(), Weight::Value(&[]));
            tell(&Fact { ledger, side: Side::Given, key: &key, weight });
        }
        self.tell_size(item, tell).map_err(in_words)
    }

    /// Tells the size of an item, or of its entry in a local index, as a part of its collection's.
    fn tell_size(&self, item: &[u8], tell: &mut dyn FnMut(&Fact<'_>)) -> Result<(), DecodeError> {
        if self.local.is_empty() {
            return Ok(());
        }
        let Some(prefix) = self.keys.partition_prefix_of(item)? else { return Ok(()) };
        let bytes = ItemRef::new(item)?.size_bytes()? as u64 + STORAGE_OVERHEAD_BYTES;
        let key = collection_size::row_key(&prefix);
        let ledger = self.collection_ledger();
        tell(&Fact { ledger, side: Side::Given, key: &key, weight: Weight::Bytes(bytes) });
        Ok(())
    }

    fn is_whole(&self, place: usize) -> bool {
        self.table.global_indexes.get(place).is_some_and(|index| index.status == IndexStatus::Active)
    }

    /// Tells the rows that global indexes hold, with what is on its way to them.
    fn tell_indexes(
        &self,
        on_the_way: &BTreeMap<u64, OnTheWay>,
        tell: &mut dyn FnMut(&Fact<'_>),
    ) -> Result<(), Failure> {
        let none = OnTheWay::new();
        for (place, index) in self.table.global_indexes.iter().enumerate() {
            if !self.is_whole(place) {
                continue;
            }
            let changes = on_the_way.get(&index.number).unwrap_or(&none);
            for (partition, row) in self.catalog.serving_partitions_of(index.number) {
                self.tell_index_partition(self.global_ledger(place), partition, row, changes, tell)?;
            }
        }
        Ok(())
    }

    fn tell_index_partition(
        &self,
        ledger: usize,
        partition: u64,
        row: &PartitionRow,
        changes: &OnTheWay,
        tell: &mut dyn FnMut(&Fact<'_>),
    ) -> Result<(), Failure> {
        let mut received: BTreeMap<u64, u64> = BTreeMap::new();
        let is_new = |received: &BTreeMap<u64, u64>, change: &Pending| {
            received.get(&change.base).is_none_or(|last| change.entry_index > *last)
        };
        // What was received stands before the entries.
        rows_of(self.rows, partition)?.each(&mut |row| match row.key.first() {
            Some(&TAG_RECEIVED) => {
                if let (Ok(key), Ok(row)) = (ReceivedKey::decode(row.key), ReceivedRow::decode(row.value)) {
                    received.insert(key.0, row.entry_index);
                }
            }
            Some(&TAG_GLOBAL_INDEX) => {
                let change = changes.get(row.key).filter(|change| is_new(&received, change));
                if change.is_none() {
                    tell(&Fact { ledger, side: Side::Held, key: row.key, weight: Weight::Value(row.value) });
                }
            }
            _ => {}
        });
        let is_here = |key: &[u8]| {
            decode_hashed(key).is_ok_and(|(_, hash, _)| (row.hash_first..=row.hash_last).contains(&hash))
        };
        for (key, change) in changes.iter().filter(|(key, change)| is_here(key) && is_new(&received, change))
        {
            if let Some(value) = &change.row {
                tell(&Fact { ledger, side: Side::Held, key, weight: Weight::Value(value) });
            }
        }
        Ok(())
    }
}

/// Changes by index and row.
fn by_index(mut pending: Vec<Pending>) -> BTreeMap<u64, OnTheWay> {
    pending.sort_by_key(|change| (change.base, change.entry_index));
    let mut by_index: BTreeMap<u64, OnTheWay> = BTreeMap::new();
    for change in pending {
        by_index.entry(change.index_number).or_default().insert(change.key.clone(), change);
    }
    by_index
}

fn note_pending(base: u64, row: &CurrentRow<'_>, pending: &mut Vec<Pending>) -> Result<(), DecodeError> {
    let entry_index = OutboxKey::decode(row.key)?.entry_index;
    for change in outbox::decode_row(row.value)? {
        pending.push(Pending {
            base,
            entry_index,
            index_number: change.index_number,
            key: change.row_key.to_vec(),
            row: change.row.map(<[u8]>::to_vec),
        });
    }
    Ok(())
}

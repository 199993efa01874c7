//! Whether what is sound by itself fits together: the catalog and the files, items and what follows from them, streams
//! and the splits that they went through.
//!
//! Everything is read as the next start would have it, tree and log together. A table whose files are damaged is left
//! out: what is missing there would be told of as often as something refers to it.

mod ledger;
mod partitions;
mod streams;
mod table;

use rayon::prelude::*;
use serde::Serialize;

use crate::{
    catalog::Catalog,
    failure::Failure,
    rows::{DirectoryRows, PartitionRows},
};

/// Two things that cannot both be true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Contradiction {
    /// What it is about: a table, an index, a partition.
    pub(crate) subject: String,
    pub(crate) problem: String,
}

impl Contradiction {
    pub(crate) fn new(subject: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { subject: subject.into(), problem: problem.into() }
    }
}

/// Holds everything in a directory against everything else.
pub(crate) fn check(
    catalog: &Catalog,
    rows: &DirectoryRows<'_>,
    is_damaged: &(impl Fn(u64) -> bool + Sync),
) -> Result<Vec<Contradiction>, Failure> {
    let mut found = partitions::check(catalog, rows)?;
    let tables: Vec<_> = catalog.tables.iter().collect();
    let of_tables = tables.into_par_iter().map(|(name, table)| {
        let of_it = || {
            let indexes = table.global_indexes.iter().map(|index| index.number);
            std::iter::once(table.number).chain(indexes).flat_map(|number| catalog.partitions_of(number))
        };
        if of_it().any(|(partition, _)| is_damaged(partition)) {
            return Ok(Vec::new());
        }
        let mut found = table::check(name, table, catalog, rows)?;
        found.extend(streams::check(name, table, catalog, rows)?);
        Ok(found)
    });
    let of_tables: Vec<Vec<Contradiction>> = of_tables.collect::<Result<_, Failure>>()?;
    found.extend(of_tables.into_iter().flatten());
    for (number, (name, table)) in &catalog.deleted_tables {
        if catalog.partitions_of(*number).iter().any(|(partition, _)| is_damaged(*partition)) {
            continue;
        }
        found.extend(streams::check(&format!("{name}, which was deleted"), table, catalog, rows)?);
    }
    Ok(found)
}

fn rows_of<'a>(rows: &'a DirectoryRows<'_>, partition: u64) -> Result<PartitionRows<'a>, Failure> {
    rows.of(partition).map_err(Failure::from)
}

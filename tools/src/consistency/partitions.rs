//! The catalog's partitions: their files, and that together they serve every hash once.

use basalt_format::catalog::{PartitionRow, PartitionState};

use super::{Contradiction, rows_of};
use crate::{
    catalog::Catalog,
    failure::Failure,
    rows::{DirectoryRows, PartitionFile},
};

/// Checks every partition that the catalog knows.
pub(super) fn check(catalog: &Catalog, rows: &DirectoryRows<'_>) -> Result<Vec<Contradiction>, Failure> {
    let mut found = Vec::new();
    for (&number, row) in catalog.partitions.iter().filter(|(_, row)| row.state != PartitionState::Filling) {
        let subject = format!("partition {number}, {}", catalog.owner_of(number));
        let rows = rows_of(rows, number)?;
        let problem = match (rows.file(), row.file_uuid) {
            (None, Some(_)) => Some("its file is missing".to_owned()),
            (Some(file), _) => contradiction_of(row, file),
            (None, None) => None,
        };
        found.extend(problem.map(|problem| Contradiction::new(subject, problem)));
    }
    for (name, table) in &catalog.tables {
        found.extend(uncovered(catalog, &format!("table {name}"), table.number));
        for index in &table.global_indexes {
            found.extend(uncovered(catalog, &format!("index {} of table {name}", index.name), index.number));
        }
    }
    Ok(found)
}

/// What a file's superblock says otherwise than the catalog.
fn contradiction_of(row: &PartitionRow, file: &PartitionFile) -> Option<String> {
    let superblock = file.superblock.as_ref()?;
    // Its name is noted soon after the first checkpoint; until then any will do.
    if row.file_uuid.is_some_and(|uuid| uuid != superblock.file_uuid) {
        return Some("its file is not the one that the catalog names".to_owned());
    }
    let said = (row.table_number, row.hash_first, row.hash_last);
    let stored = (superblock.table, superblock.hash_first, superblock.hash_last);
    (said != stored).then(|| "its file is of another table, or of other hashes".to_owned())
}

/// Where the serving partitions of a table or index leave hashes out, or have them twice.
fn uncovered(catalog: &Catalog, subject: &str, number: u64) -> Option<Contradiction> {
    let mut next = Some(0);
    for (partition, row) in catalog.serving_partitions_of(number) {
        if next != Some(row.hash_first) {
            let problem = format!("partition {partition} does not begin where the one before it ends");
            return Some(Contradiction::new(subject, problem));
        }
        next = row.hash_last.checked_add(1);
    }
    next.map(|hash| Contradiction::new(subject, format!("no partition serves hashes from {hash:016x} on")))
}

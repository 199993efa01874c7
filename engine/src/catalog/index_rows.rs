//! Indexes as parts of a table's row, and back.

use basalt_format::catalog as format;
use basalt_format::catalog::{CapacityPair, GlobalIndexPart, LocalIndexPart, Projection, TableRow};
use basalt_model::{IndexKeyCodec, IndexKeySchema, KeyAttribute, KeyCodec};

use super::{
    GlobalIndex, IndexProjection, IndexStatus, IndexThroughput, LocalIndex, LocalIndexDefinition,
    ProvisionedThroughput, StoredView, WarmThroughput,
    rows::{key_attribute, maximum_of_row, maximum_to_row, units_of_row},
};

pub(super) fn local_to_row(index: &LocalIndex) -> LocalIndexPart {
    LocalIndexPart {
        name: index.name.to_string(),
        sort_key: index.sort().name.clone(),
        projection: projection_to_row(&index.projection),
    }
}

pub(super) fn local_of_row(
    position: usize,
    part: &LocalIndexPart,
    row: &TableRow,
    keys: &KeyCodec,
) -> LocalIndex {
    let definition = LocalIndexDefinition {
        index_name: part.name.clone(),
        sort: key_attribute(row, &part.sort_key),
        projection: projection_of_row(&part.projection),
    };
    LocalIndex::new(position, &definition, keys)
}

pub(super) fn global_to_row(index: &GlobalIndex) -> GlobalIndexPart {
    let names = |attributes: &[KeyAttribute]| attributes.iter().map(|one| one.name.clone()).collect();
    let (schema, throughput) = (index.keys.schema(), &index.throughput);
    GlobalIndexPart {
        name: index.name.to_string(),
        number: index.number,
        status: status_to_row(index.status),
        partition_keys: names(&schema.partition),
        sort_keys: names(&schema.sort),
        projection: projection_to_row(&index.projection),
        provisioned: provisioned_to_row(throughput.provisioned),
        on_demand_maximum: maximum_to_row(throughput.on_demand_maximum),
        warm_throughput: warm_to_row(throughput.warm_throughput),
    }
}

/// An index whose partitions are still to be found.
pub(super) fn global_of_row(part: &GlobalIndexPart, row: &TableRow, keys: &KeyCodec) -> GlobalIndex {
    let attributes = |names: &[String]| names.iter().map(|name| key_attribute(row, name)).collect();
    let schema =
        IndexKeySchema { partition: attributes(&part.partition_keys), sort: attributes(&part.sort_keys) };
    let (keys, projection) = (IndexKeyCodec::global(schema, keys), projection_of_row(&part.projection));
    GlobalIndex {
        name: part.name.as_str().into(),
        number: part.number,
        stored: StoredView::new(&projection, &keys),
        keys,
        projection,
        status: status_of_row(part.status),
        throughput: IndexThroughput {
            provisioned: provisioned_of_row(part.provisioned),
            on_demand_maximum: maximum_of_row(part.on_demand_maximum),
            warm_throughput: warm_of_row(part.warm_throughput),
        },
        partitions: Vec::new(),
        filling: Vec::new(),
    }
}

pub(super) fn warm_to_row(warm: WarmThroughput) -> CapacityPair {
    CapacityPair { read_units: warm.read_units.unwrap_or(0), write_units: warm.write_units.unwrap_or(0) }
}

pub(super) fn warm_of_row(pair: CapacityPair) -> WarmThroughput {
    WarmThroughput { read_units: units_of_row(pair.read_units), write_units: units_of_row(pair.write_units) }
}

fn projection_to_row(projection: &IndexProjection) -> Projection {
    match projection {
        IndexProjection::All => Projection::All,
        IndexProjection::KeysOnly => Projection::KeysOnly,
        IndexProjection::Include(names) => Projection::Include(names.clone()),
    }
}

fn projection_of_row(projection: &Projection) -> IndexProjection {
    match projection {
        Projection::All => IndexProjection::All,
        Projection::KeysOnly => IndexProjection::KeysOnly,
        Projection::Include(names) => IndexProjection::Include(names.clone()),
    }
}

fn status_to_row(status: IndexStatus) -> format::IndexStatus {
    match status {
        IndexStatus::Creating { backfilling: false } => format::IndexStatus::Creating,
        IndexStatus::Creating { backfilling: true } => format::IndexStatus::Backfilling,
        IndexStatus::Active => format::IndexStatus::Active,
        IndexStatus::Deleting => format::IndexStatus::Deleting,
    }
}

fn status_of_row(status: format::IndexStatus) -> IndexStatus {
    match status {
        format::IndexStatus::Creating => IndexStatus::Creating { backfilling: false },
        format::IndexStatus::Backfilling => IndexStatus::Creating { backfilling: true },
        format::IndexStatus::Active => IndexStatus::Active,
        format::IndexStatus::Deleting => IndexStatus::Deleting,
    }
}

/// No provisioned index has zero units.
fn provisioned_to_row(provisioned: Option<ProvisionedThroughput>) -> CapacityPair {
    let pair = |units: ProvisionedThroughput| CapacityPair {
        read_units: units.read_capacity_units,
        write_units: units.write_capacity_units,
    };
    provisioned.map(pair).unwrap_or_default()
}

fn provisioned_of_row(pair: CapacityPair) -> Option<ProvisionedThroughput> {
    let units = ProvisionedThroughput {
        read_capacity_units: pair.read_units,
        write_capacity_units: pair.write_units,
    };
    (pair != CapacityPair::default()).then_some(units)
}

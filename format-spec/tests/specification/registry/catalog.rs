//! Golden samples of the catalog's rows and of one key of each kind.

use basalt_format::catalog::{
    AttributeDefinition, Billing, CapacityPair, CatalogKey, CountersRow, GlobalIndexPart, IndexStatus,
    LocalIndexPart, PartitionRow, PartitionState, Projection, StreamPart, StreamView, TableClass, TableRow,
    TableStatus, ThroughputHistory, TimeToLivePart, TimeToLiveState,
};
use basalt_format::key_encoding::KeyPartKind;

use super::{Protection, Sample};

pub(super) fn samples() -> Vec<Sample> {
    vec![
        Sample {
            name: "catalog_key_of_table",
            protection: Protection::CanonicalForm,
            encode: || CatalogKey::Table("Music".to_owned()).encode(),
            decode: |bytes| CatalogKey::decode(bytes).map(|key| format!("{key:?}")),
        },
        Sample {
            name: "catalog_key_of_deleted_table",
            protection: Protection::CanonicalForm,
            encode: || CatalogKey::DeletedTable { number: 257, name: "Music".to_owned() }.encode(),
            decode: |bytes| CatalogKey::decode(bytes).map(|key| format!("{key:?}")),
        },
        Sample {
            name: "catalog_key_of_partition",
            protection: Protection::CanonicalForm,
            encode: || CatalogKey::Partition(258).encode(),
            decode: |bytes| CatalogKey::decode(bytes).map(|key| format!("{key:?}")),
        },
        Sample {
            name: "catalog_counters_row",
            protection: Protection::CanonicalForm,
            encode: || CountersRow { next_number: 259 }.encode(),
            decode: |bytes| CountersRow::decode(bytes).map(|row| format!("{row:?}")),
        },
        Sample {
            name: "catalog_table_row",
            protection: Protection::CanonicalForm,
            encode: || table().encode(),
            decode: |bytes| TableRow::decode(bytes).map(|row| format!("{row:?}")),
        },
        Sample {
            name: "catalog_table_row_smallest",
            protection: Protection::CanonicalForm,
            encode: || smallest_table().encode(),
            decode: |bytes| TableRow::decode(bytes).map(|row| format!("{row:?}")),
        },
        Sample {
            name: "catalog_partition_row",
            protection: Protection::CanonicalForm,
            encode: || partition().encode(),
            decode: |bytes| PartitionRow::decode(bytes).map(|row| format!("{row:?}")),
        },
    ]
}

fn table() -> TableRow {
    TableRow {
        table_id: *b"table id, random",
        number: 257,
        created_unix_us: 1_795_000_000_000_000,
        hash_secret: *b"golden v1 secret",
        status: TableStatus::Active,
        billing: Billing::Provisioned(CapacityPair { read_units: 5, write_units: 6 }),
        last_pay_per_request_unix_us: Some(1_795_000_000_000_001),
        on_demand_maximum: CapacityPair { read_units: 7, write_units: 8 },
        warm_throughput: CapacityPair { read_units: 12_000, write_units: 4_000 },
        table_class: Some(TableClass::StandardInfrequentAccess),
        deletion_protection: true,
        throughput_history: ThroughputHistory {
            last_increase_unix_us: Some(1_795_000_000_000_005),
            last_decrease_unix_us: Some(1_795_000_000_000_006),
            decreases_that_day: 2,
        },
        attribute_definitions: vec![
            definition("SongTitle", KeyPartKind::S),
            definition("Artist", KeyPartKind::B),
            definition("Year", KeyPartKind::N),
        ],
        partition_key: "Artist".to_owned(),
        sort_key: Some("SongTitle".to_owned()),
        tags: [("owner", "ada"), ("stage", "")].map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        local_indexes: vec![LocalIndexPart {
            name: "by-year".to_owned(),
            sort_key: "Year".to_owned(),
            projection: Projection::Include(vec!["Label".to_owned()]),
        }],
        global_indexes: vec![GlobalIndexPart {
            name: "by-title".to_owned(),
            number: 258,
            status: IndexStatus::Backfilling,
            partition_keys: vec!["SongTitle".to_owned(), "Year".to_owned()],
            sort_keys: vec!["Artist".to_owned()],
            projection: Projection::KeysOnly,
            provisioned: CapacityPair { read_units: 1, write_units: 2 },
            on_demand_maximum: CapacityPair::default(),
            warm_throughput: CapacityPair { read_units: 0, write_units: 3 },
        }],
        streams: vec![
            StreamPart {
                number: 1,
                created_unix_us: 1_795_000_000_000_002,
                view: StreamView::OldImage,
                disabled_unix_us: Some(1_795_000_000_000_003),
            },
            StreamPart {
                number: 2,
                created_unix_us: 1_795_000_000_000_004,
                view: StreamView::NewAndOldImages,
                disabled_unix_us: None,
            },
        ],
        time_to_live: Some(TimeToLivePart {
            attribute: "Expires".to_owned(),
            state: TimeToLiveState::Filling,
            enabled_unix_us: 1_767_225_600_000_000,
        }),
    }
}

fn smallest_table() -> TableRow {
    TableRow {
        billing: Billing::PayPerRequest,
        last_pay_per_request_unix_us: None,
        on_demand_maximum: CapacityPair::default(),
        warm_throughput: CapacityPair::default(),
        table_class: None,
        deletion_protection: false,
        throughput_history: ThroughputHistory::default(),
        attribute_definitions: vec![definition("n", KeyPartKind::N)],
        partition_key: "n".to_owned(),
        sort_key: None,
        tags: [].into(),
        local_indexes: Vec::new(),
        global_indexes: Vec::new(),
        streams: Vec::new(),
        time_to_live: None,
        ..table()
    }
}

fn partition() -> PartitionRow {
    PartitionRow {
        table_number: 257,
        hash_first: 0x8000_0000_0000_0000,
        hash_last: u64::MAX,
        state: PartitionState::Closed,
        file_uuid: Some(*b"file uuid, also."),
        parent: Some(256),
        opened_unix_us: 1_700_000_000_000_000,
        closed_unix_us: Some(1_700_000_360_000_000),
        sequence_base: 513,
        first_stream: 1,
        last_stream: 2,
    }
}

fn definition(name: &str, kind: KeyPartKind) -> AttributeDefinition {
    AttributeDefinition { name: name.to_owned(), kind }
}

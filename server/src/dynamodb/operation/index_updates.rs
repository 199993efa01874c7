//! GlobalSecondaryIndexUpdates: what UpdateTable makes of a table's global indexes.

use std::collections::BTreeSet;

use basalt_engine::{BillingMode, GlobalIndexChange, ThroughputChange};

use super::index_definitions::{CheckedIndex, IndexInput};
use super::key_schema::Definitions;
use super::table_settings::{Throughput, UnitsInput};
use crate::dynamodb::constraint::Constraints;
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::json::{BodyError, Known, Place, Reader};
use crate::dynamodb::messages;

/// The list as it stands in the request.
#[derive(Debug, Default)]
pub(super) struct IndexUpdatesInput(Vec<IndexUpdateInput>);

#[derive(Debug, Default)]
struct IndexUpdateInput {
    update: Option<FiguresInput>,
    create: Option<IndexInput>,
    delete: Option<NameInput>,
}

#[derive(Debug, Default)]
struct FiguresInput {
    index_name: Option<String>,
    throughput: Option<UnitsInput>,
    on_demand: Option<UnitsInput>,
    warm: Option<UnitsInput>,
}

#[derive(Debug, Default)]
struct NameInput {
    index_name: Option<String>,
}

/// The list, its members understood one by one.
#[derive(Debug, Default)]
pub(super) struct CheckedIndexUpdates(Vec<CheckedIndexUpdate>);

#[derive(Debug)]
enum CheckedIndexUpdate {
    Create(CheckedIndex),
    Update {
        index_name: String,
        throughput: Option<Throughput>,
        figures: ThroughputChange,
    },
    Delete {
        index_name: String,
    },
    /// None of the three.
    Nothing,
}

impl IndexUpdatesInput {
    /// Reads the list.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, BodyError> {
        let updates = reader.structures("GlobalSecondaryIndexUpdate", IndexUpdateInput::read_member)?;
        Ok(Self(updates.unwrap_or_default()))
    }

    /// Understands the members; violations go to `constraints`.
    pub(super) fn check(self, constraints: &mut Constraints) -> CheckedIndexUpdates {
        let checked = self.0.into_iter().enumerate().map(|(position, update)| {
            let path = format!("globalSecondaryIndexUpdates.{}.member", position + 1);
            match update {
                IndexUpdateInput { create: Some(create), .. } => {
                    CheckedIndexUpdate::Create(create.check_global(&format!("{path}.create"), constraints))
                }
                IndexUpdateInput { update: Some(update), .. } => {
                    update.check(&format!("{path}.update"), constraints)
                }
                IndexUpdateInput { delete: Some(delete), .. } => CheckedIndexUpdate::Delete {
                    index_name: checked_name(delete.index_name, &format!("{path}.delete"), constraints),
                },
                _ => CheckedIndexUpdate::Nothing,
            }
        });
        CheckedIndexUpdates(checked.collect())
    }
}

impl IndexUpdateInput {
    fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "Update" => self.update = FiguresInput::read(reader)?,
            "Create" => {
                let shape = "CreateGlobalSecondaryIndexAction";
                self.create = IndexInput::read(reader, Place::Member, shape)?;
            }
            "Delete" => self.delete = NameInput::read(reader)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }
}

impl FiguresInput {
    fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, BodyError> {
        let mut figures = FiguresInput::default();
        let shape = "UpdateGlobalSecondaryIndexAction";
        let present = reader.structure(Place::Member, shape, |reader, name| {
            match name {
                "IndexName" => figures.index_name = reader.owned_text()?,
                "ProvisionedThroughput" => figures.throughput = UnitsInput::read_provisioned(reader)?,
                "OnDemandThroughput" => figures.on_demand = UnitsInput::read_on_demand(reader)?,
                "WarmThroughput" => figures.warm = UnitsInput::read_warm(reader)?,
                _ => return Ok(Known::No),
            }
            Ok(Known::Yes)
        })?;
        Ok(present.then_some(figures))
    }

    fn check(self, path: &str, constraints: &mut Constraints) -> CheckedIndexUpdate {
        let throughput = self.throughput.as_ref();
        let throughput =
            throughput.and_then(|units| units.check(&format!("{path}.provisionedThroughput"), constraints));
        let figures = UnitsInput::change(self.on_demand.as_ref(), self.warm.as_ref());
        let index_name = checked_name(self.index_name, path, constraints);
        CheckedIndexUpdate::Update { index_name, throughput, figures }
    }
}

impl NameInput {
    fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, BodyError> {
        let mut input = NameInput::default();
        let shape = "DeleteGlobalSecondaryIndexAction";
        let present = reader.structure(Place::Member, shape, |reader, name| {
            if name != "IndexName" {
                return Ok(Known::No);
            }
            input.index_name = reader.owned_text()?;
            Ok(Known::Yes)
        })?;
        Ok(present.then_some(input))
    }
}

fn checked_name(index_name: Option<String>, path: &str, constraints: &mut Constraints) -> String {
    constraints.required(&format!("{path}.indexName"), &index_name);
    constraints.index_name(&format!("{path}.indexName"), index_name.as_deref());
    index_name.unwrap_or_default()
}

impl CheckedIndexUpdates {
    /// The rules that need no table.
    pub(super) fn check_rules(&self) -> Result<(), ApiError> {
        let mut names = BTreeSet::new();
        for update in &self.0 {
            let index_name = match update {
                CheckedIndexUpdate::Create(index) => &index.index_name,
                CheckedIndexUpdate::Update { index_name, .. } | CheckedIndexUpdate::Delete { index_name } => {
                    index_name
                }
                CheckedIndexUpdate::Nothing => {
                    return Err(ApiError::validation(messages::INDEX_UPDATE_WITHOUT_ACTION));
                }
            };
            if !names.insert(index_name) {
                return Err(ApiError::validation(messages::several_updates_of_index(index_name)));
            }
        }
        Ok(())
    }

    /// Whether a new index is asked for.
    pub(super) fn creates(&self) -> bool {
        self.0.iter().any(|update| matches!(update, CheckedIndexUpdate::Create(_)))
    }

    /// The changes of a table that is paid for so.
    pub(super) fn changes(
        self,
        billing: BillingMode,
        defined: &Definitions,
    ) -> Result<Vec<GlobalIndexChange>, ApiError> {
        let change = |update| match update {
            CheckedIndexUpdate::Create(index) => {
                Ok(GlobalIndexChange::Create(index.global_definition(billing, defined)?))
            }
            CheckedIndexUpdate::Update { index_name, throughput, figures } => {
                let provisioned = throughput.map(Throughput::unbounded);
                let throughput = ThroughputChange { provisioned, ..figures };
                Ok(GlobalIndexChange::Update { index_name, throughput })
            }
            CheckedIndexUpdate::Delete { index_name } => Ok(GlobalIndexChange::Delete { index_name }),
            CheckedIndexUpdate::Nothing => Err(ApiError::validation(messages::INDEX_UPDATE_WITHOUT_ACTION)),
        };
        self.0.into_iter().map(change).collect()
    }
}

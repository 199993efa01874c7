//! LocalSecondaryIndexes and GlobalSecondaryIndexes: the indexes that a request wants made.

use std::collections::BTreeSet;

use basalt_engine::model::KeySchema;
use basalt_engine::{
    BillingMode, GlobalIndexDefinition, IndexProjection, IndexThroughput, LocalIndexDefinition,
    WarmThroughput,
};

use super::key_schema::{Definitions, Elements, KEY_ELEMENTS_MAX, KEY_NAME_LENGTH, PairsInput};
use super::table_settings::{Throughput, UnitsInput};
use crate::dynamodb::constraint::{Constraints, Enumeration};
use crate::dynamodb::error_map::ApiError;
use crate::dynamodb::json::{BodyError, Known, Place, Reader};
use crate::dynamodb::messages;

const PROJECTION_TYPES: Enumeration<ProjectionType> = Enumeration(&[
    ("ALL", ProjectionType::All),
    ("INCLUDE", ProjectionType::Include),
    ("KEYS_ONLY", ProjectionType::KeysOnly),
]);
const NON_KEY_ATTRIBUTES: std::ops::RangeInclusive<usize> = 1..=20;
/// The key of a global index has at most so many elements: four of either type.
const GLOBAL_KEY_ELEMENTS_MAX: usize = 8;
const LOCAL_INDEXES_MAX: usize = 5;
pub(super) const GLOBAL_INDEXES_MAX: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProjectionType {
    All,
    Include,
    KeysOnly,
}

impl ProjectionType {
    fn name(self) -> &'static str {
        match self {
            ProjectionType::All => "ALL",
            ProjectionType::Include => "INCLUDE",
            ProjectionType::KeysOnly => "KEYS_ONLY",
        }
    }
}

/// The members of one index as they stand in the request.
#[derive(Debug, Default)]
pub(super) struct IndexInput {
    index_name: Option<String>,
    key_schema: PairsInput,
    projection: Option<ProjectionInput>,
    throughput: Option<UnitsInput>,
    on_demand: Option<UnitsInput>,
    warm: Option<UnitsInput>,
}

#[derive(Debug, Default)]
struct ProjectionInput {
    projection_type: Option<String>,
    non_key_attributes: Option<Vec<String>>,
}

/// One index, its members understood one by one.
#[derive(Debug)]
pub(super) struct CheckedIndex {
    pub(super) index_name: String,
    elements: Elements,
    projection_type: Option<ProjectionType>,
    non_key_attributes: Option<Vec<String>>,
    throughput: Option<Throughput>,
    on_demand: Option<UnitsInput>,
    warm: Option<UnitsInput>,
}

/// Both lists of a CreateTable request.
#[derive(Debug, Default)]
pub(super) struct IndexesInput {
    local: Option<Vec<IndexInput>>,
    global: Option<Vec<IndexInput>>,
}

/// Both lists, their members understood one by one.
#[derive(Debug)]
pub(super) struct CheckedIndexes {
    local: Option<Vec<CheckedIndex>>,
    global: Option<Vec<CheckedIndex>>,
}

impl IndexesInput {
    /// Reads the value of one of the members.
    pub(super) fn read_member(&mut self, reader: &mut Reader<'_>, name: &str) -> Result<Known, BodyError> {
        match name {
            "LocalSecondaryIndexes" => self.local = read_list(reader, "LocalSecondaryIndex")?,
            "GlobalSecondaryIndexes" => self.global = read_list(reader, "GlobalSecondaryIndex")?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    /// Understands the members; violations go to `constraints`.
    pub(super) fn check(self, constraints: &mut Constraints) -> CheckedIndexes {
        let mut check = |list: Option<Vec<IndexInput>>, path: &str, elements_max: usize| {
            let checked = |(position, index): (usize, IndexInput)| {
                index.check(&format!("{path}.{}.member", position + 1), elements_max, constraints)
            };
            list.map(|list| list.into_iter().enumerate().map(checked).collect())
        };
        CheckedIndexes {
            local: check(self.local, "localSecondaryIndexes", KEY_ELEMENTS_MAX),
            global: check(self.global, "globalSecondaryIndexes", GLOBAL_KEY_ELEMENTS_MAX),
        }
    }
}

impl IndexInput {
    /// Reads a structure that describes an index.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        place: Place,
        shape: &'static str,
    ) -> Result<Option<Self>, BodyError> {
        let mut index = IndexInput::default();
        let present = reader.structure(place, shape, |reader, name| {
            match name {
                "IndexName" => index.index_name = reader.owned_text()?,
                "KeySchema" => index.key_schema = PairsInput::read_key_schema(reader)?,
                "Projection" => index.projection = ProjectionInput::read(reader)?,
                "ProvisionedThroughput" => index.throughput = UnitsInput::read_provisioned(reader)?,
                "OnDemandThroughput" => index.on_demand = UnitsInput::read_on_demand(reader)?,
                "WarmThroughput" => index.warm = UnitsInput::read_warm(reader)?,
                _ => return Ok(Known::No),
            }
            Ok(Known::Yes)
        })?;
        Ok(present.then_some(index))
    }

    /// Understands the members of a global index that stand at `path`; violations go to `constraints`.
    pub(super) fn check_global(self, path: &str, constraints: &mut Constraints) -> CheckedIndex {
        self.check(path, GLOBAL_KEY_ELEMENTS_MAX, constraints)
    }

    fn check(self, path: &str, elements_max: usize, constraints: &mut Constraints) -> CheckedIndex {
        constraints.required(&format!("{path}.indexName"), &self.index_name);
        constraints.index_name(&format!("{path}.indexName"), self.index_name.as_deref());
        let elements =
            self.key_schema.check_key_schema(&format!("{path}.keySchema"), elements_max, constraints);
        constraints.required(&format!("{path}.projection"), &self.projection);
        let projection = self.projection.unwrap_or_default();
        let projection_type = projection.check(&format!("{path}.projection"), constraints);
        let throughput = self.throughput.as_ref();
        let throughput =
            throughput.and_then(|units| units.check(&format!("{path}.provisionedThroughput"), constraints));
        CheckedIndex {
            index_name: self.index_name.unwrap_or_default(),
            elements,
            projection_type,
            non_key_attributes: projection.non_key_attributes,
            throughput,
            on_demand: self.on_demand,
            warm: self.warm,
        }
    }
}

impl ProjectionInput {
    fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, BodyError> {
        let mut projection = ProjectionInput::default();
        let present = reader.structure(Place::Member, "Projection", |reader, name| {
            match name {
                "ProjectionType" => projection.projection_type = reader.owned_text()?,
                "NonKeyAttributes" => projection.non_key_attributes = reader.texts()?,
                _ => return Ok(Known::No),
            }
            Ok(Known::Yes)
        })?;
        Ok(present.then_some(projection))
    }

    fn check(&self, path: &str, constraints: &mut Constraints) -> Option<ProjectionType> {
        if let Some(names) = &self.non_key_attributes {
            let list = format!("{path}.nonKeyAttributes");
            constraints.length(&list, &format!("[{}]", names.join(", ")), names.len(), NON_KEY_ATTRIBUTES);
            for (position, name) in names.iter().enumerate() {
                let path = format!("{list}.{}.member", position + 1);
                constraints.text_length(&path, Some(name), KEY_NAME_LENGTH);
            }
        }
        let path = format!("{path}.projectionType");
        constraints.enumeration(&path, self.projection_type.as_deref(), &PROJECTION_TYPES)
    }
}

impl CheckedIndexes {
    /// Whether the request has either list.
    pub(super) fn any(&self) -> bool {
        self.local.is_some() || self.global.is_some()
    }

    /// The attributes of the indexes' keys.
    pub(super) fn key_names(&self) -> impl Iterator<Item = &str> {
        self.local.iter().chain(&self.global).flatten().flat_map(|index| index.elements.names())
    }

    /// The indexes of a table with this key, by DynamoDB's rules in their order.
    pub(super) fn definitions(
        &self,
        table: &KeySchema,
        billing: BillingMode,
        defined: &Definitions,
    ) -> Result<(Vec<LocalIndexDefinition>, Vec<GlobalIndexDefinition>), ApiError> {
        let mut names = BTreeSet::new();
        let local = self.local_definitions(table, defined, &mut names)?;
        let global = self.global_definitions(billing, defined, &mut names)?;
        Ok((local, global))
    }

    fn local_definitions<'a>(
        &'a self,
        table: &KeySchema,
        defined: &Definitions,
        names: &mut BTreeSet<&'a str>,
    ) -> Result<Vec<LocalIndexDefinition>, ApiError> {
        let Some(indexes) = &self.local else { return Ok(Vec::new()) };
        if indexes.is_empty() {
            return refuse(messages::empty_index_list("LocalSecondaryIndexes"));
        }
        let mut definitions = Vec::new();
        for index in indexes {
            if table.sort.is_none() {
                return refuse(messages::LOCAL_INDEX_WITHOUT_RANGE);
            }
            let sort = index.elements.local_index_sort(&index.index_name, table, defined)?;
            let projection = index.projection()?;
            index.check_name(names)?;
            definitions.push(LocalIndexDefinition { index_name: index.index_name.clone(), sort, projection });
        }
        if indexes.len() > LOCAL_INDEXES_MAX {
            return refuse(messages::TOO_MANY_LOCAL_INDEXES);
        }
        Ok(definitions)
    }

    fn global_definitions<'a>(
        &'a self,
        billing: BillingMode,
        defined: &Definitions,
        names: &mut BTreeSet<&'a str>,
    ) -> Result<Vec<GlobalIndexDefinition>, ApiError> {
        let Some(indexes) = &self.global else { return Ok(Vec::new()) };
        if indexes.is_empty() {
            return refuse(messages::empty_index_list("GlobalSecondaryIndexes"));
        }
        let mut definitions = Vec::new();
        for index in indexes {
            definitions.push(index.global_definition(billing, defined)?);
            index.check_name(names)?;
        }
        if indexes.len() > GLOBAL_INDEXES_MAX {
            return refuse(messages::TOO_MANY_GLOBAL_INDEXES);
        }
        Ok(definitions)
    }
}

impl CheckedIndex {
    /// A global index of a table that is paid for so, by DynamoDB's rules in their order.
    pub(super) fn global_definition(
        &self,
        billing: BillingMode,
        defined: &Definitions,
    ) -> Result<GlobalIndexDefinition, ApiError> {
        Ok(GlobalIndexDefinition {
            index_name: self.index_name.clone(),
            throughput: self.index_throughput(billing)?,
            key_schema: self.elements.global_index_key(defined)?,
            projection: self.projection()?,
        })
    }

    fn index_throughput(&self, billing: BillingMode) -> Result<IndexThroughput, ApiError> {
        let provisioned = match (billing, self.throughput) {
            (BillingMode::PayPerRequest, None) => None,
            (BillingMode::PayPerRequest, Some(_)) => {
                return refuse(messages::index_capacity_with_pay_per_request(&self.index_name));
            }
            (BillingMode::Provisioned { .. }, None) => {
                return refuse(messages::index_capacity_missing(&self.index_name));
            }
            (BillingMode::Provisioned { .. }, Some(throughput)) => {
                Some(throughput.of_index(&self.index_name)?)
            }
        };
        let warm_throughput = self.warm.as_ref().map(UnitsInput::warm_throughput).unwrap_or_default();
        let on_demand_maximum = self.on_demand.as_ref().map(UnitsInput::on_demand_maximum);
        let on_demand_maximum = on_demand_maximum.unwrap_or_default();
        Ok(IndexThroughput { provisioned, on_demand_maximum, warm_throughput })
    }

    fn projection(&self) -> Result<IndexProjection, ApiError> {
        let Some(projection_type) = self.projection_type else {
            return refuse(messages::NO_PROJECTION_TYPE);
        };
        match (projection_type, &self.non_key_attributes) {
            (ProjectionType::All, None) => Ok(IndexProjection::All),
            (ProjectionType::KeysOnly, None) => Ok(IndexProjection::KeysOnly),
            (ProjectionType::Include, Some(names)) => Ok(IndexProjection::Include(names.clone())),
            (ProjectionType::Include, None) => refuse(messages::INCLUDE_WITHOUT_ATTRIBUTES),
            (ProjectionType::All | ProjectionType::KeysOnly, Some(_)) => {
                refuse(messages::attributes_beside_projection_type(projection_type.name()))
            }
        }
    }

    fn check_name<'a>(&'a self, names: &mut BTreeSet<&'a str>) -> Result<(), ApiError> {
        if names.insert(&self.index_name) {
            Ok(())
        } else {
            refuse(messages::duplicate_index_name(&self.index_name))
        }
    }
}

impl UnitsInput {
    /// What is asked to be taken at once.
    pub(super) fn warm_throughput(&self) -> WarmThroughput {
        let maximum = self.on_demand_maximum();
        WarmThroughput { read_units: maximum.read_units, write_units: maximum.write_units }
    }
}

fn read_list(reader: &mut Reader<'_>, shape: &'static str) -> Result<Option<Vec<IndexInput>>, BodyError> {
    let mut indexes = Vec::new();
    let present = reader.list(Place::Member, |reader| {
        indexes.push(IndexInput::read(reader, Place::Element, shape)?.unwrap_or_default());
        Ok(())
    })?;
    Ok(present.then_some(indexes))
}

fn refuse<T>(message: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError::validation(message))
}

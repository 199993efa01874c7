//! Items that count their versions, seen through two global indexes; judged for reading one's writes there.
//!
//! Under `by_group` all items of a round stand together, ordered by version; under `by_bucket` each version moves its
//! item to another partition of the index. Some versions are in neither.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use basalt_checkers::{
    history::{Outcome, Span},
    index::{self, Sight, Update},
    stream::{Record, check_chain},
};
use serde_json::{Value, json};

use super::{Arena, Finding, View, Witness, lines, testimonies};
use crate::{
    connection::Service,
    session::{Session, Told, outcome_of},
    tail::Records,
    wire::{attributes, key_schema, list, number, stream, text, to_number, to_text},
};

const TABLE: &str = "versions";
const ITEMS: u64 = 6;
const BUCKETS: u64 = 4;
/// After a crash, the indexes may take so long to show a write that was never answered.
const CATCH_UP_MAX: Duration = Duration::from_secs(10);

/// The views of an item: the table and its indexes.
const BASE: u32 = 0;
const BY_GROUP: u32 = 1;
const BY_BUCKET: u32 = 2;

/// Where in a view a version is found.
fn place_of(view: u32, version: u64) -> Option<u64> {
    match view {
        BY_GROUP => (!version.is_multiple_of(5)).then_some(0),
        BY_BUCKET => (!version.is_multiple_of(7)).then_some(version % BUCKETS),
        _ => Some(0),
    }
}

/// The arena of global indexes.
pub(crate) struct Versions {
    pub(crate) clients: u32,
}

#[derive(Debug, Default)]
struct Seen {
    updates: BTreeMap<u64, Vec<Update>>,
    sights: BTreeMap<u64, Vec<Sight>>,
}

impl Witness for Seen {}

impl Seen {
    fn absorb(&mut self, other: Seen) {
        for (item, updates) in other.updates {
            self.updates.entry(item).or_default().extend(updates);
        }
        for (item, sights) in other.sights {
            self.sights.entry(item).or_default().extend(sights);
        }
    }
}

impl Arena for Versions {
    fn tables(&self) -> Vec<Value> {
        let all = json!({"ProjectionType": "ALL"});
        let tag = json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": ["tag"]});
        vec![json!({
            "TableName": TABLE,
            "AttributeDefinitions": attributes(&["pk:S", "group:S", "version:N", "bucket:S"]),
            "KeySchema": key_schema(&["pk"]),
            "GlobalSecondaryIndexes": [
                {"IndexName": "by_group", "KeySchema": key_schema(&["group", "version"]), "Projection": tag},
                {"IndexName": "by_bucket", "KeySchema": key_schema(&["bucket"]), "Projection": all},
            ],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": stream(),
        })]
    }

    fn streamed_table(&self) -> Option<&'static str> {
        Some(TABLE)
    }

    fn bystanders(&self, name: &str) -> Vec<(&'static str, Value)> {
        let item = json!({"pk": text(name), "group": text(name), "version": number(0), "bucket": text(name)});
        vec![(TABLE, item)]
    }

    fn views(&self) -> Vec<View> {
        vec![(TABLE, None), (TABLE, Some("by_group")), (TABLE, Some("by_bucket"))]
    }

    fn client_count(&self) -> u32 {
        self.clients
    }

    fn run_client(&self, session: &mut Session<'_>) -> Result<Box<dyn Witness>, String> {
        let mut client = Client { session, seen: Seen::default(), versions: BTreeMap::new() };
        while !client.session.course.is_over() {
            client.step()?;
        }
        Ok(Box::new(client.seen))
    }

    fn judge(
        &self,
        session: &mut Session<'_>,
        witnesses: Vec<Box<dyn Witness>>,
        records: &Records,
    ) -> Result<Finding, String> {
        let mut all = Seen::default();
        testimonies(witnesses).for_each(|seen| all.absorb(seen));
        let mut client = Client { session, seen: all, versions: BTreeMap::new() };
        client.wait_for_indexes()?;
        let mut finding = Finding::default();
        for item in 0..ITEMS {
            let found = client.get(item)?;
            let updates = client.seen.updates.remove(&item).unwrap_or_default();
            let sights = client.seen.sights.remove(&item).unwrap_or_default();
            finding.judged("sights of indexed items", sights.len());
            let name = item_name(client.session, item);
            for fault in index::check(&updates, &sights, place_of) {
                let both = || format!("updates:\n{}sights:\n{}", lines(&updates), lines(&sights));
                finding.fault(format!("{name}: index: {fault}"), both);
            }
            judge_stream(&mut finding, &name, records.of(&client.key(item)), found.as_ref());
        }
        Ok(finding)
    }
}

fn judge_stream(finding: &mut Finding, name: &str, records: &[Record<Value>], found: Option<&Value>) {
    finding.judged("stream records", records.len());
    for fault in check_chain(records, found) {
        finding.fault(format!("{name}: stream: {fault}"), || lines(records));
    }
}

struct Client<'s, 'c> {
    session: &'s mut Session<'c>,
    seen: Seen,
    /// By item, the newest version that this client knows of.
    versions: BTreeMap<u64, u64>,
}

impl Client<'_, '_> {
    fn step(&mut self) -> Result<(), String> {
        let item = self.session.chance.below(ITEMS);
        match self.session.chance.below(12) {
            0..=4 => self.update(item),
            5 => self.update_two(),
            6 => self.get(item).map(drop),
            7..=8 => self.query_group().map(drop),
            _ => {
                // Where the newest version stands, or stood: the likeliest to show a row that should have gone.
                let near = self.version(item) + 4 - self.session.chance.below(3);
                self.query_bucket(near % BUCKETS).map(drop)
            }
        }
    }

    fn version(&self, item: u64) -> u64 {
        self.versions.get(&item).copied().unwrap_or(0)
    }

    /// Makes the next version, if nobody was quicker.
    fn update(&mut self, item: u64) -> Result<(), String> {
        let (version, tag) = (self.version(item) + 1, self.session.fresh());
        let mut body = self.next_version(item, version, tag);
        body["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD");
        let (told, span) = self.session.call("UpdateItem", &body)?;
        if let Told::Refusal { body, .. } = &told {
            self.see_base(item, span, body.get("Item"))?;
        }
        self.note_update(item, version, tag, span, &told);
        Ok(())
    }

    /// Makes the next versions of two items, or of neither.
    fn update_two(&mut self) -> Result<(), String> {
        let items = self.session.chance.several(2, ITEMS);
        let made: Vec<(u64, u64)> =
            items.iter().map(|item| (self.version(*item) + 1, self.session.fresh())).collect();
        let actions: Vec<Value> = (items.iter().zip(&made))
            .map(|(item, (version, tag))| json!({"Update": self.next_version(*item, *version, *tag)}))
            .collect();
        let (told, span) = self.session.call("TransactWriteItems", &json!({"TransactItems": actions}))?;
        for (item, (version, tag)) in items.into_iter().zip(made) {
            self.note_update(item, version, tag, span, &told);
        }
        Ok(())
    }

    fn next_version(&self, item: u64, version: u64, tag: u64) -> Value {
        let bucket = text(format!("{}-{}", self.session.course.round, version % BUCKETS));
        let mut values = json!({":version": number(version), ":tag": number(tag)});
        let (mut set, mut remove) = (vec!["#version = :version", "#tag = :tag"], vec![]);
        match place_of(BY_GROUP, version) {
            Some(_) => {
                set.push("#group = :group");
                values[":group"] = text(self.session.course.round.to_string());
            }
            None => remove.push("#group"),
        }
        match place_of(BY_BUCKET, version) {
            Some(_) => {
                set.push("#bucket = :bucket");
                values[":bucket"] = bucket;
            }
            None => remove.push("#bucket"),
        }
        let condition = match version {
            1 => "attribute_not_exists(pk)",
            _ => {
                values[":before"] = number(version - 1);
                "#version = :before"
            }
        };
        let remove = if remove.is_empty() { String::new() } else { format!(" REMOVE {}", remove.join(", ")) };
        json!({
            "TableName": TABLE,
            "Key": self.key(item),
            "UpdateExpression": format!("SET {}{remove}", set.join(", ")),
            "ConditionExpression": condition,
            "ExpressionAttributeNames":
                {"#version": "version", "#tag": "tag", "#group": "group", "#bucket": "bucket"},
            "ExpressionAttributeValues": values,
        })
    }

    fn note_update(&mut self, item: u64, version: u64, tag: u64, span: Span, told: &Told) {
        let outcome = outcome_of(told);
        if outcome == Outcome::Answered(()) {
            self.versions.insert(item, version);
        }
        self.seen.updates.entry(item).or_default().push(Update { span, version, tag, outcome });
    }

    /// Reads the item itself.
    fn get(&mut self, item: u64) -> Result<Option<Value>, String> {
        let body = json!({"TableName": TABLE, "Key": self.key(item), "ConsistentRead": true});
        let (told, span) = self.session.insist(Service::Tables, "GetItem", &body)?;
        let Told::Answer(answer) = told else { return Err(format!("{body}: {told:?}")) };
        self.see_base(item, span, answer.get("Item"))?;
        Ok(answer.get("Item").cloned())
    }

    fn see_base(&mut self, item: u64, span: Span, found: Option<&Value>) -> Result<(), String> {
        // A refusal without an item may be of a transaction that is under way: it tells nothing.
        let Some(found) = found else { return Ok(()) };
        let shown = (to_number(&found["version"])?, to_number(&found["tag"])?);
        self.see(item, Sight { span, view: BASE, place: 0, shown: Some(shown) });
        Ok(())
    }

    fn see(&mut self, item: u64, sight: Sight) {
        if let Some((version, _)) = sight.shown {
            let newest = self.version(item).max(version);
            self.versions.insert(item, newest);
        }
        self.seen.sights.entry(item).or_default().push(sight);
    }

    fn query_group(&mut self) -> Result<BTreeMap<u64, u64>, String> {
        self.query(BY_GROUP, 0, "by_group", "group", self.session.course.round.to_string())
    }

    fn query_bucket(&mut self, bucket: u64) -> Result<BTreeMap<u64, u64>, String> {
        let place = format!("{}-{bucket}", self.session.course.round);
        self.query(BY_BUCKET, bucket, "by_bucket", "bucket", place)
    }

    /// All that an index shows in one place; what it does not show is seen to be absent. Returns the versions.
    fn query(
        &mut self,
        view: u32,
        place: u64,
        index: &'static str,
        attribute: &str,
        value: String,
    ) -> Result<BTreeMap<u64, u64>, String> {
        let body = json!({
            "TableName": TABLE,
            "IndexName": index,
            "KeyConditionExpression": "#key = :value",
            "ExpressionAttributeNames": {"#key": attribute},
            "ExpressionAttributeValues": {":value": text(value)},
        });
        let (told, span) = self.session.insist(Service::Tables, "Query", &body)?;
        let Told::Answer(answer) = told else { return Err(format!("{body}: {told:?}")) };
        let mut found = BTreeMap::new();
        for row in list(&answer, "Items")? {
            let shown = (to_number(&row["version"])?, to_number(&row["tag"])?);
            if found.insert(to_text(&row["pk"])?.to_owned(), shown).is_some() {
                return Err(format!("{index} shows an item twice at {span}: {answer}"));
            }
        }
        let mut versions = BTreeMap::new();
        for item in 0..ITEMS {
            let shown = found.remove(&item_name(self.session, item));
            versions.extend(shown.map(|(version, _)| (item, version)));
            self.see(item, Sight { span, view, place, shown });
        }
        if found.is_empty() { Ok(versions) } else { Err(format!("{index} shows items of nobody: {found:?}")) }
    }

    /// Waits until both indexes show what the table holds.
    fn wait_for_indexes(&mut self) -> Result<(), String> {
        let started = Instant::now();
        loop {
            let mut table = BTreeMap::new();
            for item in 0..ITEMS {
                if let Some(found) = self.get(item)? {
                    table.insert(item, to_number(&found["version"])?);
                }
            }
            let mut by_bucket = BTreeMap::new();
            for bucket in 0..BUCKETS {
                by_bucket.append(&mut self.query_bucket(bucket)?);
            }
            let by_group = self.query_group()?;
            let in_view = |view| {
                let is_in = move |version: u64| place_of(view, version).is_some();
                table
                    .clone()
                    .into_iter()
                    .filter(move |(_, version)| is_in(*version))
                    .collect::<BTreeMap<_, _>>()
            };
            if by_group == in_view(BY_GROUP) && by_bucket == in_view(BY_BUCKET) {
                return Ok(());
            }
            if started.elapsed() > CATCH_UP_MAX {
                return Err(format!(
                    "indexes differ from their table {table:?} after {CATCH_UP_MAX:?}: {by_group:?}, {by_bucket:?}"
                ));
            }
        }
    }

    fn key(&self, item: u64) -> Value {
        json!({"pk": text(item_name(self.session, item))})
    }
}

fn item_name(session: &Session<'_>, item: u64) -> String {
    format!("{}-{item}", session.course.round)
}

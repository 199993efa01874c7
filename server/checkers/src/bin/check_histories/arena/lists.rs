//! Transactions that append to lists in two tables and read them; judged for strict serializability.
//!
//! Lists are hot for a short while and then left alone, so that they stay short. A condition on a list's length makes
//! a transaction that writes read, too.

use std::collections::{BTreeMap, BTreeSet};

use basalt_checkers::{
    history::{Outcome, Span},
    serializable::{self, Append, Element, ListId, Read, Recency, Seen, Transaction},
};
use serde_json::{Value, json};

use super::{Arena, Finding, View, Witness, testimonies};
use crate::{
    connection::Service,
    session::{Session, Told, outcome_of},
    tail::Records,
    wire::{attributes, key_schema, list, number, text, to_number},
};

const TABLES: [&str; 2] = ["lists_even", "lists_odd"];
/// Lists that are hot at once.
const HOT_LISTS: u64 = 6;
const HOT_NANOS: u64 = 400_000_000;

/// The arena of transactions.
pub(crate) struct Lists {
    pub(crate) clients: u32,
}

#[derive(Debug, Default)]
struct Testimony(Vec<Transaction>);

impl Witness for Testimony {}

impl Arena for Lists {
    fn tables(&self) -> Vec<Value> {
        let table = |name: &&str| {
            json!({
                "TableName": name,
                "AttributeDefinitions": attributes(&["pk:S"]),
                "KeySchema": key_schema(&["pk"]),
                "BillingMode": "PAY_PER_REQUEST",
            })
        };
        TABLES.iter().map(table).collect()
    }

    fn streamed_table(&self) -> Option<&'static str> {
        None
    }

    fn bystanders(&self, name: &str) -> Vec<(&'static str, Value)> {
        TABLES.map(|table| (table, json!({"pk": text(name)}))).to_vec()
    }

    fn views(&self) -> Vec<View> {
        TABLES.map(|table| (table, None)).to_vec()
    }

    fn client_count(&self) -> u32 {
        self.clients
    }

    fn run_client(&self, session: &mut Session<'_>) -> Result<Box<dyn Witness>, String> {
        let mut client = Client { session, seen: Vec::new(), lengths: BTreeMap::new() };
        while !client.session.course.is_over() {
            client.step()?;
        }
        Ok(Box::new(Testimony(client.seen)))
    }

    fn judge(
        &self,
        session: &mut Session<'_>,
        witnesses: Vec<Box<dyn Witness>>,
        _records: &Records,
    ) -> Result<Finding, String> {
        let history: Vec<_> = testimonies(witnesses).flat_map(|Testimony(seen)| seen).collect();
        let lists: BTreeSet<ListId> =
            history.iter().flat_map(|transaction| &transaction.appends).map(|append| append.list).collect();
        let mut client = Client { session, seen: history, lengths: BTreeMap::new() };
        for list in &lists {
            client.get(*list)?;
        }
        let history = client.seen;
        let mut finding = Finding::default();
        finding.judged("transactions for serializability", history.len());
        finding.judged("lists", lists.len());
        for anomaly in serializable::check(&history) {
            finding.fault(format!("lists: {anomaly}"), || super::lines(&history));
        }
        Ok(finding)
    }
}

struct Client<'s, 'c> {
    session: &'s mut Session<'c>,
    seen: Vec<Transaction>,
    /// By list, how long it was when last seen.
    lengths: BTreeMap<ListId, usize>,
}

impl Client<'_, '_> {
    fn step(&mut self) -> Result<(), String> {
        match self.session.chance.below(10) {
            0..=4 => self.append_to_some(),
            5..=7 => self.read_some(),
            8 => self.append_to_one(),
            _ => {
                let list = self.hot_lists(1)[0];
                self.get(list)
            }
        }
    }

    /// Appends to some lists, on condition that these and others are as long as they were when last seen.
    fn append_to_some(&mut self) -> Result<(), String> {
        let count = 1 + self.session.chance.below(4);
        let mut lists = self.hot_lists(count + 1);
        let checked = lists.pop().filter(|_| self.session.chance.one_in(2));
        let mut actions = Vec::new();
        let (mut reads, mut appends) = (Vec::new(), Vec::new());
        for list in lists {
            let append = Append { list, element: self.session.fresh() };
            let mut action = update(append);
            if self.session.chance.one_in(4) {
                reads.push(self.add_condition(list, &mut action));
            }
            actions.push(json!({"Update": action}));
            appends.push(append);
        }
        if let Some(list) = checked {
            let mut check = json!({"TableName": table_of(list), "Key": key(list)});
            reads.push(self.add_condition(list, &mut check));
            actions.push(json!({"ConditionCheck": check}));
        }
        let (told, span) = self.transact(actions)?;
        if !matches!(told, Told::Answer(_)) {
            reads.clear();
        }
        if matches!(told, Told::Refusal { .. }) {
            self.lengths.clear();
        }
        self.note(span, reads, appends, outcome_of(&told));
        Ok(())
    }

    /// Sends a transaction; half of them under a token, with which they are sent again until they are answered.
    fn transact(&mut self, actions: Vec<Value>) -> Result<(Told, Span), String> {
        let mut body = json!({"TransactItems": actions});
        if self.session.chance.one_in(2) {
            return self.session.call("TransactWriteItems", &body);
        }
        body["ClientRequestToken"] = json!(format!("list-{}", self.session.fresh()));
        self.session.transact_once(&body)
    }

    /// Asks that the list be as long as it was when last seen.
    fn add_condition(&mut self, list: ListId, action: &mut Value) -> Read {
        let length = self.lengths.get(&list).copied().unwrap_or(0);
        if length == 0 {
            action["ConditionExpression"] = json!("attribute_not_exists(pk)");
        } else {
            action["ConditionExpression"] = json!("size(elements) = :length");
            action["ExpressionAttributeValues"][":length"] = number(length);
        }
        Read { list, seen: Seen::Length(length) }
    }

    fn append_to_one(&mut self) -> Result<(), String> {
        let append = Append { list: self.hot_lists(1)[0], element: self.session.fresh() };
        let mut body = update(append);
        body["ReturnValues"] = json!("ALL_NEW");
        let (told, span) = self.session.call("UpdateItem", &body)?;
        let mut reads = Vec::new();
        if let Told::Answer(answer) = &told {
            let mut elements = elements_of(answer.get("Attributes"))?;
            if elements.pop() != Some(append.element) {
                return Err(format!("an append of {append:?} became {answer}"));
            }
            reads.push(Read { list: append.list, seen: Seen::Elements(elements) });
        }
        self.note(span, reads, vec![append], outcome_of(&told));
        Ok(())
    }

    fn read_some(&mut self) -> Result<(), String> {
        let count = 1 + self.session.chance.below(4);
        let lists = self.hot_lists(count);
        let gets: Vec<Value> = lists
            .iter()
            .map(|list| json!({"Get": {"TableName": table_of(*list), "Key": key(*list)}}))
            .collect();
        let (told, span) = self.session.call("TransactGetItems", &json!({"TransactItems": gets}))?;
        let Told::Answer(answer) = &told else { return Ok(()) };
        let mut reads = Vec::new();
        for (list_id, response) in lists.iter().zip(list(answer, "Responses")?) {
            reads.push(Read { list: *list_id, seen: Seen::Elements(elements_of(response.get("Item"))?) });
        }
        self.note(span, reads, Vec::new(), Outcome::Answered(()));
        Ok(())
    }

    fn get(&mut self, list: ListId) -> Result<(), String> {
        let body = json!({"TableName": table_of(list), "Key": key(list), "ConsistentRead": true});
        let (told, span) = self.session.insist(Service::Tables, "GetItem", &body)?;
        if let Told::Answer(answer) = &told {
            let elements = elements_of(answer.get("Item"))?;
            let read = Read { list, seen: Seen::Elements(elements) };
            self.note(span, vec![read], Vec::new(), Outcome::Answered(()));
            // DynamoDB, too, isolates reads of single items from transactions by no more than this.
            self.seen.last_mut().expect("it was just noted").recency = Recency::OfItsLists;
        }
        Ok(())
    }

    fn note(&mut self, span: Span, reads: Vec<Read>, appends: Vec<Append>, outcome: Outcome<()>) {
        for Read { list, seen } in &reads {
            let length = match seen {
                Seen::Elements(elements) => elements.len(),
                Seen::Length(length) => *length,
            };
            self.lengths.insert(*list, length);
        }
        if outcome == Outcome::Answered(()) {
            for append in &appends {
                *self.lengths.entry(append.list).or_default() += 1;
            }
        }
        let recency = Recency::OfAll;
        self.seen.push(Transaction { client: self.session.number, span, reads, appends, outcome, recency });
    }

    /// Some of the lists that are hot now.
    fn hot_lists(&mut self, count: u64) -> Vec<ListId> {
        let course = self.session.course;
        let first = course.round << 32 | (course.lives.now() / HOT_NANOS * HOT_LISTS) & 0xFFFF_FFFF;
        self.session.chance.several(count, HOT_LISTS).into_iter().map(|list| first + list).collect()
    }
}

fn update(append: Append) -> Value {
    json!({
        "TableName": table_of(append.list),
        "Key": key(append.list),
        "UpdateExpression": "SET elements = list_append(if_not_exists(elements, :none), :more)",
        "ExpressionAttributeValues": {":none": {"L": []}, ":more": {"L": [number(append.element)]}},
    })
}

fn table_of(list: ListId) -> &'static str {
    TABLES[(list % 2) as usize]
}

fn key(list: ListId) -> Value {
    json!({"pk": text(format!("{list:016x}"))})
}

fn elements_of(item: Option<&Value>) -> Result<Vec<Element>, String> {
    let Some(item) = item else { return Ok(Vec::new()) };
    list(&item["elements"], "L")?.iter().map(to_number).collect()
}

//! Transactions that append to lists in two tables and read them, judged for strict serializability.
//!
//! A condition on a list's length makes a transaction that writes read, too. Half of the transactions have a token;
//! what a crash cut off is asked again under it, so that it is done once, however often it was asked.

use super::{Contender, Contest, OPEN, Told, contend, name_of, number, outcome_of, send, to_number, told};
use basalt_checkers::history::{Moment, Outcome};
use basalt_checkers::serializable::{self, Append, Element, ListId, Read, Recency, Seen, Transaction};
use basalt_server::Dispatch;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const LISTS: u64 = 5;
const LISTS_TOGETHER_MAX: u64 = 4;
/// Who reads everything in the end.
const JUDGE: u32 = u32::MAX;
/// How often a transaction is asked again whose first attempt is still under way.
const ATTEMPTS_MAX: u32 = 1_000;

/// All transactions on the lists.
#[derive(Default)]
pub(super) struct Lists {
    history: Vec<Transaction>,
    /// By place in the history: what has a token and was not answered.
    with_token: BTreeMap<usize, Value>,
    /// By list, how long it was when last seen.
    lengths: BTreeMap<ListId, usize>,
}

impl Lists {
    /// What was not answered has happened by now, or never.
    pub(super) fn end_open(&mut self, now: Moment) {
        let open = self.history.iter_mut().filter(|transaction| transaction.span.answered == OPEN);
        open.for_each(|transaction| transaction.span.answered = now);
    }

    /// Writes down what came of a transaction, `reads` what it saw if it was done.
    fn note(&mut self, place: usize, answered: Moment, outcome: Outcome<()>, reads: Vec<Read>) {
        let transaction = &mut self.history[place];
        transaction.span.answered = answered;
        transaction.outcome = outcome;
        match transaction.outcome {
            Outcome::Answered(()) => {
                for Read { list, seen } in &reads {
                    self.lengths.insert(*list, length_of(seen));
                }
                for append in &transaction.appends {
                    *self.lengths.entry(append.list).or_default() += 1;
                }
                transaction.reads = reads;
            }
            // Somebody else was there: look before the next condition.
            _ => self.lengths.clear(),
        }
        self.with_token.remove(&place);
    }
}

/// The table of even lists, or of odd ones.
pub(super) fn table(parity: u64) -> Value {
    json!({"TableName": table_of(parity), "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]})
}

impl Contender {
    pub(super) async fn ask_lists(&mut self, api: &Dispatch) -> Result<(), String> {
        match self.random.below(10) {
            0..5 => self.append_to_some(api).await,
            5..8 => self.read_some(api).await,
            8 => self.append_to_one(api).await,
            _ => get(&self.contest, self.number, api, self.random.below(LISTS)).await,
        }
    }

    /// Appends to some lists, on condition that some of these and another are as long as they were when last seen.
    async fn append_to_some(&mut self, api: &Dispatch) -> Result<(), String> {
        let mut lists = self.several(LISTS_TOGETHER_MAX, LISTS);
        let checked = if lists.len() > 1 && self.random.coin() { lists.pop() } else { None };
        let (mut actions, mut reads, mut appends) = (Vec::new(), Vec::new(), Vec::new());
        for list in lists {
            let append = Append { list, element: self.contest.fresh() };
            let mut update = self.update(append);
            if self.random.below(4) == 0 {
                reads.push(self.add_condition(list, &mut update));
            }
            actions.push(json!({"Update": update}));
            appends.push(append);
        }
        if let Some(list) = checked {
            let mut check = json!({"TableName": table_of(list), "Key": key(list)});
            reads.push(self.add_condition(list, &mut check));
            actions.push(json!({"ConditionCheck": check}));
        }
        let mut body = json!({"TransactItems": actions});
        if self.random.coin() {
            body["ClientRequestToken"] = json!(format!("lists-{}", self.contest.fresh()));
        }
        let place = begin(&self.contest, self.number, appends);
        if body.get("ClientRequestToken").is_some() {
            self.contest.lists.borrow_mut().with_token.insert(place, body.clone());
        }
        let told = contend(api, "TransactWriteItems", &body).await?;
        let answered = self.contest.now();
        self.contest.lists.borrow_mut().note(place, answered, outcome_of(&told), reads);
        Ok(())
    }

    async fn append_to_one(&mut self, api: &Dispatch) -> Result<(), String> {
        let append = Append { list: self.random.below(LISTS), element: self.contest.fresh() };
        let mut body = self.update(append);
        body["ReturnValues"] = json!("ALL_NEW");
        let place = begin(&self.contest, self.number, vec![append]);
        let told = contend(api, "UpdateItem", &body).await?;
        let answered = self.contest.now();
        let mut reads = Vec::new();
        if let Told::Answer(answer) = &told {
            let mut elements = elements_of(answer.get("Attributes"))?;
            if elements.pop() != Some(append.element) {
                return Err(format!("an append of {append:?} became {answer}"));
            }
            reads.push(Read { list: append.list, seen: Seen::Elements(elements) });
        }
        self.contest.lists.borrow_mut().note(place, answered, outcome_of(&told), reads);
        Ok(())
    }

    async fn read_some(&mut self, api: &Dispatch) -> Result<(), String> {
        let lists = self.several(LISTS_TOGETHER_MAX, LISTS);
        let get = |list: &ListId| json!({"Get": {"TableName": table_of(*list), "Key": key(*list)}});
        let body = json!({"TransactItems": lists.iter().map(get).collect::<Vec<_>>()});
        let place = begin(&self.contest, self.number, Vec::new());
        let told = contend(api, "TransactGetItems", &body).await?;
        let answered = self.contest.now();
        let mut reads = Vec::new();
        if let Told::Answer(answer) = &told {
            for (index, &list) in lists.iter().enumerate() {
                let elements = elements_of(answer["Responses"][index].get("Item"))?;
                reads.push(Read { list, seen: Seen::Elements(elements) });
            }
        }
        self.contest.lists.borrow_mut().note(place, answered, outcome_of(&told), reads);
        Ok(())
    }

    fn update(&mut self, append: Append) -> Value {
        json!({"TableName": table_of(append.list), "Key": key(append.list),
            "UpdateExpression":
                "SET elements = list_append(if_not_exists(elements, :none), :more), padding = :padding",
            "ExpressionAttributeValues": {":none": {"L": []}, ":more": {"L": [number(append.element)]},
                ":padding": self.padding()}})
    }

    /// Asks that the list be as long as it was when last seen.
    fn add_condition(&self, list: ListId, action: &mut Value) -> Read {
        let length = self.contest.lists.borrow().lengths.get(&list).copied().unwrap_or(0);
        if length == 0 {
            action["ConditionExpression"] = json!("attribute_not_exists(pk)");
        } else {
            action["ConditionExpression"] = json!("size(elements) = :length");
            action["ExpressionAttributeValues"][":length"] = number(length as u64);
        }
        Read { list, seen: Seen::Length(length) }
    }
}

/// Writes down a transaction that is asked now; returns its place in the history.
///
/// Its reads are told of once it is done: where no answer came, nobody knows whether conditions held.
fn begin(contest: &Contest, client: u32, appends: Vec<Append>) -> usize {
    let span = contest.open_span();
    let history = &mut contest.lists.borrow_mut().history;
    let (reads, outcome, recency) = (Vec::new(), Outcome::Unknown, Recency::OfAll);
    history.push(Transaction { client, span, reads, appends, outcome, recency });
    history.len() - 1
}

/// Asks again what has a token and was not answered, until it is known what became of it.
pub(super) async fn ask_again(contest: &Contest, api: &Dispatch) -> Result<(), String> {
    let open: Vec<(usize, Value)> = contest.lists.borrow().with_token.clone().into_iter().collect();
    for (place, body) in open {
        let told = settle(api, &body).await?;
        let answered = contest.now();
        contest.lists.borrow_mut().note(place, answered, outcome_of(&told), Vec::new());
    }
    Ok(())
}

async fn settle(api: &Dispatch, body: &Value) -> Result<Told, String> {
    for _ in 0..ATTEMPTS_MAX {
        let (status, answer) = send(api, "TransactWriteItems", body).await?;
        if name_of(&answer) != "TransactionInProgressException" {
            return told("TransactWriteItems", body, status, answer);
        }
    }
    Err(format!("a transaction of an earlier life is in progress for ever: {body}"))
}

async fn get(contest: &Contest, client: u32, api: &Dispatch, list: ListId) -> Result<(), String> {
    let body = json!({"TableName": table_of(list), "Key": key(list), "ConsistentRead": true});
    let place = begin(contest, client, Vec::new());
    let (status, answer) = send(api, "GetItem", &body).await?;
    if status != 200 {
        return Err(format!("GetItem {body}: {status} {}", name_of(&answer)));
    }
    let read = Read { list, seen: Seen::Elements(elements_of(answer.get("Item"))?) };
    let answered = contest.now();
    let lists = &mut contest.lists.borrow_mut();
    lists.note(place, answered, Outcome::Answered(()), vec![read]);
    // DynamoDB, too, isolates reads of single items from transactions by no more than this.
    lists.history[place].recency = Recency::OfItsLists;
    Ok(())
}

/// Reads every list, and judges the history.
pub(super) async fn judge(contest: &Contest, api: &Dispatch) -> Result<(), String> {
    for list in 0..LISTS {
        get(contest, JUDGE, api, list).await?;
    }
    let history = &contest.lists.borrow().history;
    match serializable::check(history).first() {
        Some(anomaly) => Err(format!("lists: {anomaly}; {history:?}")),
        None => Ok(()),
    }
}

fn length_of(seen: &Seen) -> usize {
    match seen {
        Seen::Elements(elements) => elements.len(),
        Seen::Length(length) => *length,
    }
}

fn table_of(list: ListId) -> &'static str {
    if list.is_multiple_of(2) { "lists-even" } else { "lists-odd" }
}

fn key(list: ListId) -> Value {
    json!({"pk": {"S": format!("list-{list}")}})
}

fn elements_of(item: Option<&Value>) -> Result<Vec<Element>, String> {
    let Some(item) = item else { return Ok(Vec::new()) };
    let elements = item["elements"]["L"].as_array().ok_or("a list without elements")?;
    elements.iter().map(to_number).collect()
}

//! Tables that several clients change at once: nobody knows the answers beforehand, the checkers judge them afterwards.
//!
//! Clients write down what they ask and what they are answered. A question that a crash cut off happened at some
//! instant before the next life, or never; a transaction with a token is asked again under it and must be done once.
//! When all is quiet, `registers` are judged for linearizability and against their stream, `lists` for strict
//! serializability.
//!
//! Time is a count of questions and answers: the simulation has one thread, so no two of them fall together.

mod lists;
mod registers;

use self::lists::Lists;
use self::registers::Registers;
use super::client::PADDING_TOLD_BYTES;
use super::generator::{PADDING, PADDINGS_BYTES};
use super::verify::ask;
use super::{Outcome as Progress, api};
use crate::oracle::Violation;
use basalt_checkers::history::{Moment, Outcome, Span};
use basalt_engine::Engine;
use basalt_runtime::sim::Random;
use basalt_server::Dispatch;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Of questions that are not answered yet.
const OPEN: Moment = Moment::MAX;
/// Refusals that rest on what others do.
const REFUSALS: [&str; 3] =
    ["ConditionalCheckFailedException", "TransactionCanceledException", "TransactionConflictException"];

/// What was asked of the shared tables, over all lives of the process.
#[derive(Default)]
pub(crate) struct Contest {
    registers: RefCell<Registers>,
    lists: RefCell<Lists>,
    moment: Cell<Moment>,
    given: Cell<u64>,
}

/// What came of a question.
enum Told {
    Answer(Value),
    Refusal { name: String, body: Value },
}

impl Contest {
    /// Makes the tables that are not there yet, and ends what the last life left open.
    pub(crate) async fn begin_life(&self, api: &Dispatch) -> Result<(), String> {
        for table in [registers::table(), lists::table(0), lists::table(1)] {
            let (status, body) = send(api, "CreateTable", &table).await?;
            if status != 200 && name_of(&body) != "ResourceInUseException" {
                return Err(format!("CreateTable {table}: {status} {body}"));
            }
        }
        let now = self.now();
        self.registers.borrow_mut().end_open(now);
        lists::ask_again(self, api).await?;
        self.lists.borrow_mut().end_open(self.now());
        Ok(())
    }

    /// Judges all that happened. Nobody asks anything meanwhile.
    pub(crate) async fn judge(&self, api: &Dispatch) -> Result<(), String> {
        registers::judge(self, api).await?;
        lists::judge(self, api).await
    }

    fn now(&self) -> Moment {
        self.moment.set(self.moment.get() + 1);
        self.moment.get()
    }

    /// A span that begins now.
    fn open_span(&self) -> Span {
        Span { asked: self.now(), answered: OPEN }
    }

    /// A number that was not given before.
    fn fresh(&self) -> u64 {
        self.given.set(self.given.get() + 1);
        self.given.get()
    }
}

/// One of the clients that share the tables.
pub(crate) struct Contender {
    pub(crate) number: u32,
    pub(crate) engine: Engine,
    pub(crate) contest: Rc<Contest>,
    pub(crate) random: Random,
}

impl Contender {
    pub(crate) async fn run(mut self, operations: u64, progress: Rc<Progress>) -> Result<(), Violation> {
        let api = api(&self.engine);
        for _ in 0..operations {
            let done = match self.random.coin() {
                true => self.ask_registers(&api).await,
                false => self.ask_lists(&api).await,
            };
            done.map_err(|reason| Violation::Failed(format!("contender {}: {reason}", self.number)))?;
            progress.finished();
        }
        Ok(())
    }

    /// Several numbers below `bound`, each once, in no order.
    fn several(&mut self, count_max: u64, bound: u64) -> Vec<u64> {
        let mut all: Vec<u64> = (0..bound).collect();
        let count = self.random.between(1, count_max);
        (0..count).map(|_| all.swap_remove(self.random.index(all.len()))).collect()
    }

    /// Most items are small; large ones make their table's partitions split.
    fn padding(&mut self) -> Value {
        let bytes = PADDINGS_BYTES[self.random.index(PADDINGS_BYTES.len())];
        json!({"S": PADDING.repeat(bytes)})
    }
}

/// Asks what may be refused because of others.
async fn contend(api: &Dispatch, operation: &str, body: &Value) -> Result<Told, String> {
    let (status, answer) = send(api, operation, body).await?;
    told(operation, body, status, answer)
}

fn told(operation: &str, body: &Value, status: u16, answer: Value) -> Result<Told, String> {
    let name = name_of(&answer);
    match status {
        200 => Ok(Told::Answer(answer)),
        400 if REFUSALS.contains(&name) => Ok(Told::Refusal { name: name.to_owned(), body: answer }),
        _ => {
            let asked = body.to_string().replace(&PADDING.repeat(PADDING_TOLD_BYTES), "");
            Err(format!("{operation} {asked}: {status} {answer}"))
        }
    }
}

async fn send(api: &Dispatch, operation: &str, body: &Value) -> Result<(u16, Value), String> {
    let (status, answer) =
        api.answer(&format!("DynamoDB_20120810.{operation}"), body.to_string().into_bytes()).await;
    let answer = serde_json::from_slice(&answer).map_err(|error| format!("{operation}: {error}"))?;
    Ok((status, answer))
}

/// The name of an exception, without its namespace.
fn name_of(body: &Value) -> &str {
    body["__type"].as_str().and_then(|name| name.rsplit('#').next()).unwrap_or_default()
}

/// What came of a question whose answer tells nothing but that.
fn outcome_of(told: &Told) -> Outcome<()> {
    match told {
        Told::Answer(_) => Outcome::Answered(()),
        Told::Refusal { .. } => Outcome::Refused,
    }
}

fn number(value: u64) -> Value {
    json!({"N": value.to_string()})
}

fn to_number(value: &Value) -> Result<u64, String> {
    let digits = value["N"].as_str().and_then(|digits| digits.parse().ok());
    digits.ok_or_else(|| format!("no number: {value}"))
}

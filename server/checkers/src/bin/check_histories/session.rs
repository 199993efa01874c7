//! A client: asks, waits for the answer, and keeps time.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use basalt_checkers::history::{Outcome, Span};
use serde_json::Value;

use crate::{
    chance::Chance,
    connection::{Connection, Service},
    daemon::{Life, Lives},
};

/// What all clients of a round share.
#[derive(Debug)]
pub(crate) struct Course<'a> {
    pub(crate) lives: &'a Lives,
    pub(crate) address: SocketAddr,
    pub(crate) seed: u64,
    pub(crate) round: u64,
    is_over: AtomicBool,
    is_quiet: AtomicBool,
}

impl<'a> Course<'a> {
    pub(crate) fn new(lives: &'a Lives, address: SocketAddr, seed: u64, round: u64) -> Self {
        Self {
            lives,
            address,
            seed,
            round,
            is_over: AtomicBool::new(false),
            is_quiet: AtomicBool::new(false),
        }
    }

    /// Clients ask nothing more.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// No client waits for an answer any more.
    pub(crate) fn fall_quiet(&self) {
        self.is_quiet.store(true, Ordering::Release);
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet.load(Ordering::Acquire)
    }
}

/// What came of a question.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// It was done.
    Answer(Value),
    /// It was not, for a reason that has a name.
    Refusal { name: String, body: Value },
    /// No answer came.
    Nothing,
}

/// How often an operation was answered, refused and not answered.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
}

/// By operation.
pub(crate) type Tallies = BTreeMap<&'static str, Tally>;

/// One client with one connection at a time.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) course: &'a Course<'a>,
    pub(crate) number: u32,
    pub(crate) chance: Chance,
    pub(crate) tallies: Tallies,
    connection: Option<(Connection, Life)>,
    given: u64,
}

impl<'a> Session<'a> {
    pub(crate) fn new(course: &'a Course<'a>, number: u32) -> Self {
        let chance = Chance::new(course.seed, &[course.round, number.into()]);
        Self { course, number, chance, tallies: Tallies::new(), connection: None, given: 0 }
    }

    /// A number that no client gets twice.
    pub(crate) fn fresh(&mut self) -> u64 {
        self.given += 1;
        self.course.round << 40 | u64::from(self.number) << 28 | self.given
    }

    /// Asks the service of tables.
    pub(crate) fn call(&mut self, operation: &'static str, body: &Value) -> Result<(Told, Span), String> {
        self.ask(Service::Tables, operation, body)
    }

    /// Asks once. A connection is opened before the time begins, so a call without an answer was at least sent to a
    /// daemon that lived.
    pub(crate) fn ask(
        &mut self,
        service: Service,
        operation: &'static str,
        body: &Value,
    ) -> Result<(Told, Span), String> {
        let (mut connection, life) = self.connected()?;
        let lives = self.course.lives;
        let asked = lives.now();
        let exchanged = connection.exchange(service, operation, body);
        let mut answered = lives.now();
        let told = match exchanged {
            Ok((status, answer)) => {
                self.connection = Some((connection, life));
                told(operation, status, answer)?
            }
            Err(_) => {
                answered = lives.beginning_after(life)?;
                Told::Nothing
            }
        };
        self.count(operation, &told);
        Ok((told, Span { asked, answered }))
    }

    /// Asks until an answer comes, for questions that may be repeated; the span holds all attempts.
    pub(crate) fn insist(
        &mut self,
        service: Service,
        operation: &'static str,
        body: &Value,
    ) -> Result<(Told, Span), String> {
        let (mut told, mut span) = self.ask(service, operation, body)?;
        while matches!(told, Told::Nothing) {
            let (again, later) = self.ask(service, operation, body)?;
            (told, span.answered) = (again, later.answered);
        }
        Ok((told, span))
    }

    /// Sends a transaction under its token until it is known what became of it.
    pub(crate) fn transact_once(&mut self, body: &Value) -> Result<(Told, Span), String> {
        let (mut told, mut span) = self.call("TransactWriteItems", body)?;
        let is_open = |told: &Told| match told {
            Told::Nothing => true,
            Told::Refusal { name, .. } => name == "TransactionInProgressException",
            Told::Answer(_) => false,
        };
        while is_open(&told) {
            let (again, later) = self.call("TransactWriteItems", body)?;
            (told, span.answered) = (again, later.answered);
        }
        Ok((told, span))
    }

    /// Asks until it is done; every refusal is a fault.
    pub(crate) fn demand(
        &mut self,
        service: Service,
        operation: &'static str,
        body: &Value,
    ) -> Result<Value, String> {
        match self.insist(service, operation, body)?.0 {
            Told::Answer(answer) => Ok(answer),
            other => Err(format!("{operation} {body}: {other:?}")),
        }
    }

    /// A connection and the life of the daemon that it surely leads to.
    fn connected(&mut self) -> Result<(Connection, Life), String> {
        if let Some(connected) = self.connection.take() {
            return Ok(connected);
        }
        let lives = self.course.lives;
        loop {
            let life = lives.present()?;
            let opened = Connection::open(self.course.address);
            // Killed in between, the port may already be the next life's.
            if !lives.is_present(life) {
                continue;
            }
            return opened
                .map(|connection| (connection, life))
                .map_err(|error| format!("no connection: {error}"));
        }
    }

    fn count(&mut self, operation: &'static str, told: &Told) {
        let tally = self.tallies.entry(operation).or_default();
        *match told {
            Told::Answer(_) => &mut tally.answered,
            Told::Refusal { .. } => &mut tally.refused,
            Told::Nothing => &mut tally.unknown,
        } += 1;
    }
}

/// Refusals by what the items are, or by who else is at work; every other one is a fault.
const REFUSALS: [&str; 4] = [
    "ConditionalCheckFailedException",
    "TransactionCanceledException",
    "TransactionConflictException",
    "TransactionInProgressException",
];

fn told(operation: &str, status: u16, body: Value) -> Result<Told, String> {
    if status == 200 {
        return Ok(Told::Answer(body));
    }
    let name =
        body["__type"].as_str().and_then(|name| name.rsplit('#').next()).unwrap_or_default().to_owned();
    if status == 400 && REFUSALS.contains(&name.as_str()) {
        return Ok(Told::Refusal { name, body });
    }
    Err(format!("{operation} was answered {status}: {body}"))
}

/// The outcome of a question whose answer is of no interest beyond that it was done.
pub(crate) fn outcome_of(told: &Told) -> Outcome<()> {
    match told {
        Told::Answer(_) => Outcome::Answered(()),
        Told::Refusal { .. } => Outcome::Refused,
        Told::Nothing => Outcome::Unknown,
    }
}

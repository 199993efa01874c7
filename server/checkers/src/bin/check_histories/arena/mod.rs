//! Where clients meet: each arena has its tables, its clients, and what it is judged by.

mod bank;
mod growth;
mod lists;
mod registers;
mod versions;

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) use self::{
    bank::Bank,
    growth::{Growth, View},
    lists::Lists,
    registers::Registers,
    versions::Versions,
};
use crate::{session::Session, tail::Records};

/// What a check found.
#[derive(Debug, Default)]
pub(crate) struct Finding {
    /// What was judged, and how much of it.
    pub(crate) judged: BTreeMap<&'static str, usize>,
    /// Each fault, with the history that proves it.
    pub(crate) faults: Vec<Fault>,
}

/// A fault and the part of the history in which it is.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) summary: String,
    pub(crate) history: String,
}

impl Finding {
    pub(crate) fn judged(&mut self, what: &'static str, count: usize) {
        *self.judged.entry(what).or_default() += count;
    }

    pub(crate) fn fault(&mut self, summary: impl ToString, history: impl FnOnce() -> String) {
        self.faults.push(Fault { summary: summary.to_string(), history: history() });
    }

    pub(crate) fn absorb(&mut self, other: Finding) {
        for (what, count) in other.judged {
            self.judged(what, count);
        }
        self.faults.extend(other.faults);
    }
}

/// One sort of load and its judgement.
pub(crate) trait Arena: Sync {
    /// Requests that make the tables.
    fn tables(&self) -> Vec<Value>;

    /// The table whose stream is to be followed.
    fn streamed_table(&self) -> Option<&'static str>;

    /// An item for each table that the clients leave alone, with all that the table's indexes want of it.
    fn bystanders(&self, name: &str) -> Vec<(&'static str, Value)>;

    /// The tables and their indexes.
    fn views(&self) -> Vec<View>;

    /// How many clients work here.
    fn client_count(&self) -> u32;

    /// Puts there what a round begins with.
    fn begin_round(&self, _session: &mut Session<'_>) -> Result<(), String> {
        Ok(())
    }

    /// One client until the round is over; keeps what it saw to itself.
    fn run_client(&self, session: &mut Session<'_>) -> Result<Box<dyn Witness>, String>;

    /// Reads what is there at the end and judges the round.
    fn judge(
        &self,
        session: &mut Session<'_>,
        witnesses: Vec<Box<dyn Witness>>,
        records: &Records,
    ) -> Result<Finding, String>;
}

/// What one client saw; the arena that made it knows its type.
pub(crate) trait Witness: std::any::Any + Send {}

/// What all clients of an arena saw.
fn testimonies<W: Witness>(witnesses: Vec<Box<dyn Witness>>) -> impl Iterator<Item = W> {
    witnesses.into_iter().map(|witness| {
        let witness: Box<dyn std::any::Any> = witness;
        *witness.downcast::<W>().expect("an arena's witnesses are its own clients")
    })
}

/// A history as text, one event a line, in the order of the checker's numbers.
fn lines<T: std::fmt::Debug>(events: &[T]) -> String {
    events.iter().enumerate().map(|(number, event)| format!("{number}: {event:?}\n")).collect()
}

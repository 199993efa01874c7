//! Serializability of transactions that append to lists and read them.
//!
//! Lists that only grow tell their own history (Kingsbury and Alvaro, "Elle: inferring isolation anomalies from
//! experimental observations", VLDB 2020): a read shows which appends came before it and in which order. From that
//! follow the dependencies between transactions (Adya's: write to write, write to read, read to write), and, from the
//! clock, which was over when another began. A history without a cycle of these is strictly serializable. A cycle is
//! named by the dependencies in it, and is its own proof.
//!
//! A condition on a list's length that held is a read of it, so that transactions that write can read, too.

mod anomaly;
mod cycle;
mod graph;
mod order;

pub use anomaly::{Anomaly, CycleKind};
pub use graph::Dependency;

use crate::history::{Outcome, Span};

/// A list, by number.
pub type ListId = u64;
/// What is appended. Never the same twice, in all lists.
pub type Element = u64;

/// What a transaction saw of a list, before its own appends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// All of it.
    Elements(Vec<Element>),
    /// How long it is.
    Length(usize),
}

/// One read of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The list.
    pub list: ListId,
    /// What was seen. Without an answer, or where a condition failed, reads are left out.
    pub seen: Seen,
}

/// One append of a transaction; at most one to a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Append {
    /// The list.
    pub list: ListId,
    /// What is appended.
    pub element: Element,
}

/// Whether an answer has to be the newest there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recency {
    /// It comes behind everything that was over when it was asked.
    OfAll,
    /// It comes behind every write of its own lists that was over when it was asked. It may come before a transaction
    /// that is under way and that another answer showed already: reads of single items wait for nobody.
    OfItsLists,
}

/// One transaction; a call on a single item is one, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Who asked.
    pub client: u32,
    /// When.
    pub span: Span,
    /// What it read.
    pub reads: Vec<Read>,
    /// What it appended, or tried to.
    pub appends: Vec<Append>,
    /// Whether it was done.
    pub outcome: Outcome<()>,
    /// What it must not come before.
    pub recency: Recency,
}

/// Judges a history; its end is a read of every list, when all was quiet.
///
/// Each cycle is the shortest that was found among the transactions that depend on each other. All else that is wrong
/// is told first, since it makes the dependencies doubtful: cycles are looked for only when nothing else is wrong.
pub fn check(history: &[Transaction]) -> Vec<Anomaly> {
    let (orders, mut anomalies) = order::recover(history);
    if anomalies.is_empty() {
        let graph = graph::Graph::of(history, &orders);
        anomalies = cycle::find(&graph, history.len());
    }
    anomalies
}

//! The order of each list's elements, as reads tell it; and what is wrong with the reads themselves.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::{Anomaly, Element, ListId, Recency, Seen, Transaction};
use crate::history::Outcome;

/// Elements of each list by their order, with the transaction that appended each.
pub(super) type Orders = BTreeMap<ListId, Vec<usize>>;

/// Who appended what.
type Writers = FxHashMap<(ListId, Element), usize>;

/// The order of every list: the longest that was read, of which every other read must be the beginning.
pub(super) fn recover(history: &[Transaction]) -> (Orders, Vec<Anomaly>) {
    let writers = writers_of(history);
    let longest = longest_reads(history);
    let mut anomalies = Vec::new();
    for (list, read) in &longest {
        anomalies.extend(wrong_elements(history, &writers, *list, read));
    }
    anomalies.extend(wrong_reads(history, &longest));
    anomalies.extend(missing_appends(history, &longest));
    anomalies.extend(stale_reads(history, &writers, &longest));
    let order_of = |(list, read): (ListId, LongestRead<'_>)| {
        (list, read.elements.iter().filter_map(|element| writers.get(&(list, *element)).copied()).collect())
    };
    (longest.into_iter().map(order_of).collect(), anomalies)
}

/// What was read of a list, and by whom.
#[derive(Debug, Clone, Copy)]
struct LongestRead<'a> {
    reader: usize,
    elements: &'a [Element],
}

fn writers_of(history: &[Transaction]) -> Writers {
    let appends = history.iter().enumerate().flat_map(|(number, transaction)| {
        transaction.appends.iter().map(move |append| ((append.list, append.element), number))
    });
    appends.collect()
}

/// Every read of all elements, with its reader.
fn whole_reads(history: &[Transaction]) -> impl Iterator<Item = (ListId, LongestRead<'_>)> {
    history.iter().enumerate().flat_map(|(reader, transaction)| {
        transaction.reads.iter().filter_map(move |read| match &read.seen {
            Seen::Elements(elements) => Some((read.list, LongestRead { reader, elements })),
            Seen::Length(_) => None,
        })
    })
}

fn longest_reads(history: &[Transaction]) -> BTreeMap<ListId, LongestRead<'_>> {
    let mut longest: BTreeMap<ListId, LongestRead<'_>> = BTreeMap::new();
    for (list, read) in whole_reads(history) {
        let known = longest.entry(list).or_insert(read);
        if known.elements.len() < read.elements.len() {
            *known = read;
        }
    }
    longest
}

fn wrong_elements(
    history: &[Transaction],
    writers: &Writers,
    list: ListId,
    read: &LongestRead<'_>,
) -> Vec<Anomaly> {
    let reader = read.reader;
    let mut seen = rustc_hash::FxHashSet::default();
    let fault_of = |element: Element| {
        if !seen.insert(element) {
            return Some(Anomaly::DuplicateElement { list, element });
        }
        let Some(&writer) = writers.get(&(list, element)) else {
            return Some(Anomaly::InventedElement { list, element, reader });
        };
        match history[writer].outcome {
            Outcome::Refused => Some(Anomaly::AbortedRead { list, element, writer, reader }),
            _ if history[reader].span.is_before(history[writer].span) => {
                Some(Anomaly::InventedElement { list, element, reader })
            }
            _ => None,
        }
    };
    read.elements.iter().copied().filter_map(fault_of).collect()
}

fn wrong_reads(history: &[Transaction], longest: &BTreeMap<ListId, LongestRead<'_>>) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    for (reader, transaction) in history.iter().enumerate() {
        for read in &transaction.reads {
            let list = read.list;
            let longest = longest.get(&list);
            let elements = longest.map_or(&[][..], |longest| longest.elements);
            match &read.seen {
                Seen::Elements(seen) if !elements.starts_with(seen) => {
                    let longer = longest.map_or(reader, |longest| longest.reader);
                    anomalies.push(Anomaly::IncompatibleOrders { list, longer, shorter: reader });
                }
                Seen::Length(length) if *length > elements.len() => {
                    anomalies.push(Anomaly::InventedLength { list, length: *length, reader });
                }
                _ => {}
            }
        }
    }
    anomalies
}

/// Reads that lack the element of a transaction that was over before they were asked.
fn stale_reads(
    history: &[Transaction],
    writers: &Writers,
    longest: &BTreeMap<ListId, LongestRead<'_>>,
) -> Vec<Anomaly> {
    let is_missing = |read: LongestRead<'_>, list: ListId| {
        let rest = longest[&list].elements.iter().skip(read.elements.len());
        rest.filter_map(move |element| Some((*element, *writers.get(&(list, *element))?)))
            .find(|(_, writer)| history[*writer].span.is_before(history[read.reader].span))
    };
    let of_read = |(list, read): (ListId, LongestRead<'_>)| {
        let (element, writer) = is_missing(read, list)?;
        Some(Anomaly::StaleRead { list, element, writer, reader: read.reader })
    };
    let alone = |read: &(ListId, LongestRead<'_>)| history[read.1.reader].recency == Recency::OfItsLists;
    whole_reads(history).filter(alone).filter_map(of_read).collect()
}

fn missing_appends(history: &[Transaction], longest: &BTreeMap<ListId, LongestRead<'_>>) -> Vec<Anomaly> {
    let found: rustc_hash::FxHashSet<(ListId, Element)> = longest
        .iter()
        .flat_map(|(list, read)| read.elements.iter().map(|element| (*list, *element)))
        .collect();
    let mut anomalies = Vec::new();
    for (writer, transaction) in history.iter().enumerate() {
        let is_there = |append: &&super::Append| found.contains(&(append.list, append.element));
        let is_somewhere = transaction.appends.iter().any(|append| is_there(&append));
        for append in transaction.appends.iter().filter(|append| !is_there(append)) {
            match transaction.outcome {
                Outcome::Answered(()) => {
                    let (list, element) = (append.list, append.element);
                    anomalies.push(Anomaly::LostAppend { list, element, writer });
                }
                Outcome::Unknown if is_somewhere => {
                    anomalies.push(Anomaly::TornTransaction { writer, list: append.list });
                }
                Outcome::Unknown | Outcome::Refused => {}
            }
        }
    }
    anomalies
}

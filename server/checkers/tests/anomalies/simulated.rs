//! Clients of a correct store, on one thread, from one seed: each call is asked, happens, and is answered, with any
//! others in between; crashes leave calls without an answer, half of which happened. What they write down must pass,
//! and must not when one answer is exchanged for one that the store would not have given.

use std::collections::BTreeMap;

use basalt_checkers::{
    history::{Event, Outcome, Span},
    register::{self, Answer, Call, Register, effect},
    serializable::{self, Append, Read, Recency, Seen, Transaction},
    stream::{self, Record},
};
use proptest::prelude::*;

const CLIENTS: usize = 6;

/// What a scheduler may do next.
#[derive(Debug, Clone)]
enum Turn<C> {
    /// A client moves its call on, or asks this one.
    Client(usize, C),
    /// All calls under way are cut off.
    Crash,
}

/// A correct store: calls happen in it one at a time.
trait Store: Default {
    type Call: Clone;
    type Answer: Clone;

    fn apply(&mut self, call: &Self::Call) -> Self::Answer;
}

/// A call under way.
struct Pending<S: Store> {
    asked: u64,
    call: S::Call,
    answer: Option<S::Answer>,
}

/// What clients of a store wrote down.
type History<S> = Vec<Event<<S as Store>::Call, <S as Store>::Answer>>;

/// Runs the turns; returns what the clients wrote down.
fn run<S: Store>(turns: Vec<Turn<S::Call>>) -> (S, History<S>) {
    let mut store = S::default();
    let mut clients: Vec<Option<Pending<S>>> = (0..CLIENTS).map(|_| None).collect();
    let mut history = Vec::new();
    let mut now = 0;
    for turn in turns {
        now += 1;
        match turn {
            Turn::Client(client, call) => match clients[client].take() {
                None => clients[client] = Some(Pending { asked: now, call, answer: None }),
                Some(Pending { asked, call, answer: None }) => {
                    let answer = Some(store.apply(&call));
                    clients[client] = Some(Pending { asked, call, answer });
                }
                Some(Pending { asked, call, answer: Some(answer) }) => {
                    let span = Span { asked, answered: now };
                    let outcome = Outcome::Answered(answer);
                    history.push(Event { client: client as u32, span, call, outcome });
                }
            },
            Turn::Crash => {
                cut_off(&mut clients, now, &mut history);
            }
        }
    }
    cut_off(&mut clients, now + 1, &mut history);
    (store, history)
}

fn cut_off<S: Store>(clients: &mut [Option<Pending<S>>], answered: u64, history: &mut History<S>) {
    for (client, pending) in clients.iter_mut().enumerate() {
        if let Some(Pending { asked, call, .. }) = pending.take() {
            let span = Span { asked, answered };
            history.push(Event { client: client as u32, span, call, outcome: Outcome::Unknown });
        }
    }
}

fn turns<C: Clone + std::fmt::Debug>(calls: impl Strategy<Value = C>) -> impl Strategy<Value = Vec<Turn<C>>> {
    let turn = prop_oneof![
        60 => (0..CLIENTS, calls).prop_map(|(client, call)| Turn::Client(client, call)),
        1 => Just(Turn::Crash),
    ];
    prop::collection::vec(turn, 1..200)
}

/// One item, with the records of its changes.
#[derive(Debug, Default)]
struct Item {
    item: Option<Register>,
    records: Vec<Record<Register>>,
}

impl Store for Item {
    type Call = Call;
    type Answer = Answer;

    fn apply(&mut self, call: &Call) -> Answer {
        let before = self.item;
        let Some(after) = effect(before, *call) else { return Answer::ConditionFailed(before) };
        if before != after {
            self.records.push(Record { old: before, new: after });
        }
        self.item = after;
        match call {
            Call::Add => Answer::Became(after.expect("what is added to is there")),
            _ => Answer::Item(before),
        }
    }
}

/// Calls with tags that are small, so that conditions may hold; the tags of puts are made different afterwards.
fn register_calls() -> impl Strategy<Value = Call> {
    prop_oneof![
        Just(Call::Read),
        Just(Call::ReadEventually),
        Just(Call::Put(0)),
        Just(Call::PutIfAbsent(0)),
        (0..40_u64).prop_map(|expected| Call::Replace { expected, tag: 0 }),
        Just(Call::Add),
        Just(Call::Delete),
        (0..40_u64).prop_map(Call::DeleteIf),
    ]
}

fn with_tags(mut turns: Vec<Turn<Call>>) -> Vec<Turn<Call>> {
    for (next, turn) in turns.iter_mut().enumerate() {
        if let Turn::Client(_, Call::Put(tag) | Call::PutIfAbsent(tag) | Call::Replace { tag, .. }) = turn {
            *tag = next as u64;
        }
    }
    turns
}

/// Some lists.
#[derive(Debug, Default)]
struct Lists(BTreeMap<u64, Vec<u64>>);

/// Appends to some lists on condition that others are this long; or reads them.
#[derive(Debug, Clone)]
struct Plan {
    reads: Vec<u64>,
    conditions: Vec<(u64, usize)>,
    appends: Vec<Append>,
}

impl Store for Lists {
    type Call = Plan;
    /// What was read; `None`: a condition failed.
    type Answer = Option<Vec<Read>>;

    fn apply(&mut self, plan: &Plan) -> Self::Answer {
        let length = |list| self.0.get(&list).map_or(0, Vec::len);
        if plan.conditions.iter().any(|(list, expected)| length(*list) != *expected) {
            return None;
        }
        let reads = plan.reads.iter().map(|list| {
            let elements = self.0.get(list).cloned().unwrap_or_default();
            Read { list: *list, seen: Seen::Elements(elements) }
        });
        let lengths =
            plan.conditions.iter().map(|(list, length)| Read { list: *list, seen: Seen::Length(*length) });
        let reads = reads.chain(lengths).collect();
        for append in &plan.appends {
            self.0.entry(append.list).or_default().push(append.element);
        }
        Some(reads)
    }
}

fn plans() -> impl Strategy<Value = Plan> {
    let some_lists = || prop::collection::btree_set(0..4_u64, 1..4);
    prop_oneof![
        some_lists().prop_map(|lists| Plan {
            reads: lists.into_iter().collect(),
            conditions: vec![],
            appends: vec![]
        }),
        (some_lists(), prop::option::of((0..4_u64, 0..3_usize))).prop_map(|(lists, condition)| Plan {
            reads: vec![],
            conditions: condition.into_iter().collect(),
            appends: lists.into_iter().map(|list| Append { list, element: 0 }).collect(),
        }),
    ]
}

fn with_elements(mut turns: Vec<Turn<Plan>>) -> Vec<Turn<Plan>> {
    let mut next = 0;
    for turn in &mut turns {
        if let Turn::Client(_, plan) = turn {
            for append in &mut plan.appends {
                next += 1;
                append.element = next;
            }
        }
    }
    turns
}

/// What the clients wrote down, as transactions, with the reads of the end.
fn transactions(lists: &Lists, history: Vec<Event<Plan, Option<Vec<Read>>>>) -> Vec<Transaction> {
    let mut transactions: Vec<_> = history
        .into_iter()
        .map(|event| {
            let (outcome, reads) = match event.outcome {
                Outcome::Answered(Some(reads)) => (Outcome::Answered(()), reads),
                Outcome::Answered(None) | Outcome::Refused => (Outcome::Refused, Vec::new()),
                Outcome::Unknown => (Outcome::Unknown, Vec::new()),
            };
            let appends = event.call.appends;
            Transaction {
                client: event.client,
                span: event.span,
                reads,
                appends,
                outcome,
                recency: Recency::OfAll,
            }
        })
        .collect();
    let end =
        lists.0.iter().map(|(list, elements)| Read { list: *list, seen: Seen::Elements(elements.clone()) });
    transactions.push(Transaction {
        client: 0,
        span: Span { asked: u64::MAX - 1, answered: u64::MAX },
        reads: end.collect(),
        appends: Vec::new(),
        outcome: Outcome::Answered(()),
        recency: Recency::OfAll,
    });
    transactions
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_history_of_a_correct_item_passes(turns in turns(register_calls())) {
        let (item, history) = run::<Item>(with_tags(turns));
        prop_assert_eq!(register::check(&history), Ok(()));
        prop_assert_eq!(stream::check_chain(&item.records, item.item.as_ref()), vec![]);
        prop_assert_eq!(stream::check_calls(&item.records, &history), vec![]);
    }

    #[test]
    fn an_answer_that_nothing_explains_does_not_pass(
        turns in turns(register_calls()),
        victim in any::<prop::sample::Index>(),
    ) {
        let (_, mut history) = run::<Item>(with_tags(turns));
        let is_read = |event: &Event<Call, Answer>| {
            event.call == Call::Read && matches!(event.outcome, Outcome::Answered(_))
        };
        let reads: Vec<usize> = (0..history.len()).filter(|event| is_read(&history[*event])).collect();
        prop_assume!(!reads.is_empty());
        // Nothing in the item's life ever had this tag.
        history[reads[victim.index(reads.len())]].outcome =
            Outcome::Answered(Answer::Item(Some(Register::new(u64::MAX))));
        prop_assert!(register::check(&history).is_err());
    }

    #[test]
    fn a_record_more_or_less_does_not_pass(
        turns in turns(register_calls()),
        victim in any::<prop::sample::Index>(),
        is_repeated in any::<bool>(),
    ) {
        let (mut item, _) = run::<Item>(with_tags(turns));
        prop_assume!(!item.records.is_empty());
        let at = victim.index(item.records.len());
        if is_repeated {
            item.records.insert(at, item.records[at].clone());
        } else {
            item.records.remove(at);
        }
        prop_assert_ne!(stream::check_chain(&item.records, item.item.as_ref()), vec![]);
    }

    #[test]
    fn the_history_of_correct_lists_passes(turns in turns(plans())) {
        let (lists, history) = run::<Lists>(with_elements(turns));
        prop_assert_eq!(serializable::check(&transactions(&lists, history)), vec![]);
    }

    #[test]
    fn an_answered_append_that_is_taken_back_does_not_pass(
        turns in turns(plans()),
        victim in any::<prop::sample::Index>(),
    ) {
        let (lists, history) = run::<Lists>(with_elements(turns));
        let mut history = transactions(&lists, history);
        let done = |transaction: &Transaction| {
            transaction.outcome == Outcome::Answered(()) && !transaction.appends.is_empty()
        };
        let writers: Vec<usize> = (0..history.len()).filter(|number| done(&history[*number])).collect();
        prop_assume!(!writers.is_empty());
        let lost = history[writers[victim.index(writers.len())]].appends[0].element;
        for read in history.iter_mut().flat_map(|transaction| &mut transaction.reads) {
            if let Seen::Elements(elements) = &mut read.seen {
                elements.retain(|element| *element != lost);
            }
        }
        prop_assert_ne!(serializable::check(&history), vec![]);
    }
}

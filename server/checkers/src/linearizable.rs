//! Linearizability of one item: does each call seem to happen at one instant between its question and its answer?
//!
//! Just-in-time linearization (Lowe, "Testing for linearizability", 2017; the search of Wing and Gong, 1993, with
//! memory): the events are followed in the order of time, with the set of all worlds that explain the answers so far.
//! A world is a state of the item and which of the calls under way have happened in it. A call happens as late as it
//! can, when its answer is due: then each world is continued by every order of the calls under way that ends with it.
//! Worlds that cannot give this answer end. If none is left, nothing explains the history.
//!
//! Memory and time grow with the calls under way at once, not with the length of the history. A call without an answer
//! is under way until its span ends, and then has happened or not.

use std::{
    fmt::{self, Debug, Display},
    hash::Hash,
};

use rustc_hash::FxHashSet;

use crate::history::{Event, Moment, Outcome};

/// What an item is and how calls change it.
pub trait Model {
    /// What is known of the item between two calls.
    type State: Clone + Eq + Hash + Debug;
    /// What is asked.
    type Call: Debug;
    /// What is answered.
    type Answer: Debug;

    /// The item before the first call.
    fn initial(&self) -> Self::State;

    /// The state after `call` if it may be answered so in `state`. Without an answer: the state after it, whatever the
    /// answer would have been.
    fn step(state: &Self::State, call: &Self::Call, answer: Option<&Self::Answer>) -> Option<Self::State>;
}

/// No order of the calls explains this answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation<S> {
    /// The event that has no explanation, counted as in the history.
    pub event: usize,
    /// What the item may have been just before the answer.
    pub states: Vec<S>,
    /// Other events that were under way.
    pub under_way: Vec<usize>,
}

impl<S: Debug> Display for Violation<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "event {} has no explanation: before its answer the item was one of {:?}, with events {:?} under way",
            self.event, self.states, self.under_way
        )
    }
}

/// Calls that may be under way at once: the bits of a `World`'s set.
pub const CALLS_UNDER_WAY_MAX: usize = 128;

/// Judges the history of one item; returns the states in which it may have ended.
///
/// # Panics
/// If more than [`CALLS_UNDER_WAY_MAX`] calls are under way at once.
pub fn check<M: Model>(
    model: &M,
    history: &[Event<M::Call, M::Answer>],
) -> Result<Vec<M::State>, Violation<M::State>> {
    let mut search = Search::<M>::new(model, history);
    for (_, step, event) in steps(history) {
        match step {
            Step::Asked => search.begin(event),
            Step::Answered => search.end(event)?,
        }
    }
    Ok(search.worlds.into_iter().map(|world| world.state).collect())
}

/// Calls come before answers of the same moment: they may have overlapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Asked,
    Answered,
}

fn steps<C, A>(history: &[Event<C, A>]) -> Vec<(Moment, Step, usize)> {
    let tells = |event: &Event<C, A>| !matches!(event.outcome, Outcome::Refused);
    let mut steps: Vec<_> = (history.iter().enumerate())
        .filter(|(_, event)| tells(event))
        .flat_map(|(number, event)| {
            [(event.span.asked, Step::Asked, number), (event.span.answered, Step::Answered, number)]
        })
        .collect();
    steps.sort_unstable();
    steps
}

/// One explanation of the answers so far.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World<S> {
    state: S,
    /// By slot: which of the calls under way have happened.
    happened: u128,
}

impl<S> World<S> {
    fn has(&self, slot: usize) -> bool {
        self.happened & (1 << slot) != 0
    }

    fn without(mut self, slot: usize) -> Self {
        self.happened &= !(1 << slot);
        self
    }
}

struct Search<'a, M: Model> {
    history: &'a [Event<M::Call, M::Answer>],
    /// The calls under way; a slot is free again when its call is over.
    slots: Vec<Option<usize>>,
    worlds: FxHashSet<World<M::State>>,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &M, history: &'a [Event<M::Call, M::Answer>]) -> Self {
        let first = World { state: model.initial(), happened: 0 };
        Self { history, slots: Vec::new(), worlds: FxHashSet::from_iter([first]) }
    }

    fn begin(&mut self, event: usize) {
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        if free == self.slots.len() {
            assert!(free < CALLS_UNDER_WAY_MAX, "{free} calls on one item are under way at once");
            self.slots.push(None);
        }
        self.slots[free] = Some(event);
    }

    /// A call is over: in every world that is left it has happened, or, without an answer, may have.
    fn end(&mut self, event: usize) -> Result<(), Violation<M::State>> {
        let slot = self.slots.iter().position(|held| *held == Some(event)).expect("it began");
        let needs_to_have_happened = !matches!(self.history[event].outcome, Outcome::Unknown);
        let worlds = self.continued_by(slot, needs_to_have_happened);
        if worlds.is_empty() {
            return Err(self.violation(event));
        }
        self.worlds = worlds;
        self.slots[slot] = None;
        Ok(())
    }

    /// Every world that the present ones may become until the call in `slot` ends; the slot is free in them.
    fn continued_by(&self, slot: usize, needs_to_have_happened: bool) -> FxHashSet<World<M::State>> {
        let mut ended = FxHashSet::default();
        if !needs_to_have_happened {
            ended.extend(self.worlds.iter().filter(|world| !world.has(slot)).cloned());
        }
        let mut seen = self.worlds.clone();
        let mut open: Vec<_> = self.worlds.iter().cloned().collect();
        while let Some(world) = open.pop() {
            if world.has(slot) {
                // What else may happen is put off until its own answer is due.
                ended.insert(world.without(slot));
            } else {
                open.extend(self.successors(&world).filter(|next| seen.insert(next.clone())));
            }
        }
        ended
    }

    /// The worlds in which one more of the calls under way has happened.
    fn successors(&self, world: &World<M::State>) -> impl Iterator<Item = World<M::State>> {
        self.slots.iter().enumerate().filter_map(move |(slot, held)| {
            let event = &self.history[(*held).filter(|_| !world.has(slot))?];
            let answer = match &event.outcome {
                Outcome::Answered(answer) => Some(answer),
                Outcome::Unknown => None,
                Outcome::Refused => unreachable!("refused calls take no slot"),
            };
            let state = M::step(&world.state, &event.call, answer)?;
            Some(World { state, happened: world.happened | 1 << slot })
        })
    }

    fn violation(&self, event: usize) -> Violation<M::State> {
        let mut states: Vec<_> = self.worlds.iter().map(|world| world.state.clone()).collect();
        states.dedup();
        let under_way = self.slots.iter().flatten().copied().filter(|other| *other != event).collect();
        Violation { event, states, under_way }
    }
}

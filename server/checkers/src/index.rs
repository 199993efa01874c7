//! Global indexes: they show every acknowledged write, and nothing older than they showed before.
//!
//! Each item counts its versions, each write makes the next one out of the one before (by a condition), and the
//! version alone decides under which key of the index the item is found, if at all. So what an index shows of an item
//! at some time, its absence too, is evidence of which versions it may have stood at.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
};

use crate::history::{Moment, Outcome, Span};

/// One write: the version of an item that it tried to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// When.
    pub span: Span,
    /// Which version; 1 is the first.
    pub version: u64,
    /// A name for the attempt: of several attempts at a version, one succeeds.
    pub tag: u64,
    /// Done, or not known. Attempts that failed are refused.
    pub outcome: Outcome<()>,
}

/// One look at an item through an index, or at the item itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// When.
    pub span: Span,
    /// Through which index.
    pub view: u32,
    /// Where in the view it was looked for: under which key of the index.
    pub place: u64,
    /// Version and tag that were shown, if the item was.
    pub shown: Option<(u64, u64)>,
}

/// What is wrong with an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Two attempts at a version were both answered as done.
    TwiceMade {
        /// Which version.
        version: u64,
    },
    /// It shows what was replaced before: by an acknowledged write, or by what it showed in this place earlier.
    Stale {
        /// What was seen.
        sight: Sight,
        /// The oldest version that it could show.
        oldest: u64,
    },
    /// It shows what nobody can have written by then.
    Invented {
        /// What was seen.
        sight: Sight,
    },
    /// It shows an item under a key of the index that its version does not have.
    Misplaced {
        /// What was seen.
        sight: Sight,
    },
    /// It does not show an item whose every possible version belongs there.
    Missing {
        /// What was seen.
        sight: Sight,
        /// The versions that the item may have been at.
        possible: (u64, u64),
    },
}

impl Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::TwiceMade { version } => write!(formatter, "version {version} was made twice"),
            Fault::Stale { sight, oldest } => {
                write!(formatter, "stale, {oldest} is the oldest possible: {sight:?}")
            }
            Fault::Invented { sight } => write!(formatter, "invented: {sight:?}"),
            Fault::Misplaced { sight } => write!(formatter, "misplaced: {sight:?}"),
            Fault::Missing { sight, possible } => write!(formatter, "missing, at {possible:?}: {sight:?}"),
        }
    }
}

/// Judges the history of one item. `place_of` tells where in a view a version is found; `None`: it is not in it.
///
/// Version 0 is the item before it was first written, which is nowhere.
pub fn check(updates: &[Update], sights: &[Sight], place_of: impl Fn(u32, u64) -> Option<u64>) -> Vec<Fault> {
    let (attempts, mut faults) = attempts_of(updates);
    let done = updates.iter().filter(|update| update.outcome == Outcome::Answered(()));
    let acknowledged = Rising::new(done.map(|update| (update.span.answered, update.version)));
    let begun = updates.iter().filter(|update| update.outcome != Outcome::Refused);
    let begun = Rising::new(begun.map(|update| (update.span.asked, update.version)));
    let shown_before: BTreeMap<(u32, u64), Rising> = by_place(sights)
        .into_iter()
        .map(|(place, sights)| {
            let shown = sights.iter().filter_map(|sight| Some((sight.span.answered, sight.shown?.0)));
            (place, Rising::new(shown))
        })
        .collect();
    for sight in sights {
        let shown_before = shown_before[&(sight.view, sight.place)].before(sight.span.asked);
        let oldest = acknowledged.before(sight.span.asked).max(shown_before);
        let newest = begun.before(sight.span.answered.saturating_add(1));
        faults.extend(fault_of(sight, oldest, newest, &attempts, &place_of));
    }
    faults
}

/// By version, the attempts that may have made it.
type Attempts = BTreeMap<u64, Vec<u64>>;

fn attempts_of(updates: &[Update]) -> (Attempts, Vec<Fault>) {
    let (mut done, mut unknown) = (Attempts::new(), Attempts::new());
    for update in updates {
        match update.outcome {
            Outcome::Answered(()) => done.entry(update.version).or_default().push(update.tag),
            Outcome::Unknown => unknown.entry(update.version).or_default().push(update.tag),
            Outcome::Refused => {}
        }
    }
    let twice = done.iter().filter(|(_, tags)| tags.len() > 1);
    let faults = twice.map(|(version, _)| Fault::TwiceMade { version: *version }).collect();
    for (version, tags) in unknown {
        // One that was answered leaves no room for those that were not.
        done.entry(version).or_insert(tags);
    }
    (done, faults)
}

/// Places of one index follow their table each at its own pace, so only sights of one place are compared.
fn by_place(sights: &[Sight]) -> BTreeMap<(u32, u64), Vec<&Sight>> {
    let mut places: BTreeMap<(u32, u64), Vec<&Sight>> = BTreeMap::new();
    for sight in sights {
        places.entry((sight.view, sight.place)).or_default().push(sight);
    }
    places
}

fn fault_of(
    sight: &Sight,
    oldest: u64,
    newest: u64,
    attempts: &Attempts,
    place_of: impl Fn(u32, u64) -> Option<u64>,
) -> Option<Fault> {
    let sight_of = || sight.clone();
    let Some((version, tag)) = sight.shown else {
        let belongs = |version| version > 0 && place_of(sight.view, version) == Some(sight.place);
        let is_missing = (oldest..=newest.max(oldest)).all(belongs);
        return is_missing.then(|| Fault::Missing { sight: sight_of(), possible: (oldest, newest) });
    };
    let was_attempted = attempts.get(&version).is_some_and(|tags| tags.contains(&tag));
    if version > newest || !was_attempted {
        Some(Fault::Invented { sight: sight_of() })
    } else if version < oldest {
        Some(Fault::Stale { sight: sight_of(), oldest })
    } else if place_of(sight.view, version) != Some(sight.place) {
        Some(Fault::Misplaced { sight: sight_of() })
    } else {
        None
    }
}

/// The highest version by time.
#[derive(Debug)]
struct Rising(Vec<(Moment, u64)>);

impl Rising {
    fn new(versions: impl Iterator<Item = (Moment, u64)>) -> Self {
        let mut versions: Vec<_> = versions.collect();
        versions.sort_unstable();
        let mut highest = 0;
        for (_, version) in &mut versions {
            highest = highest.max(*version);
            *version = highest;
        }
        Self(versions)
    }

    /// The highest of those strictly before a moment.
    fn before(&self, moment: Moment) -> u64 {
        let count = self.0.partition_point(|(at, _)| *at < moment);
        count.checked_sub(1).map_or(0, |last| self.0[last].1)
    }
}

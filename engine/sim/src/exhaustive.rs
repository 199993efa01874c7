//! Every small workload, crashed before every I/O event, in every way that the disk allows.
//!
//! Random crashes find what happens often; small exhaustive ones find what happens once (Mohan et al., OSDI 2018: a
//! crash after at most three operations reproduces most known file-system crash bugs). A workload is a sequence of at
//! most four operations of an alphabet of twelve; it runs once, and every disk that a power loss before any of its events
//! could leave is recovered, verified and written to again.

use crate::oracle::{Change, Index, Key, Oracle, Scan, State, Value, Violation};
use crate::subject::{Evaluated, Partition, StartFailure, Subject};
use crate::workload::key;
use basalt_runtime::sim::{Disk, Ended, Latencies, Random, SimOptions, Simulation};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// One operation of a small workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letter {
    /// Puts a small value under the first key.
    PutFirst,
    /// Puts a small value under the second key.
    PutSecond,
    /// Replaces the first key's value by one that fills several blocks.
    PutLarge,
    /// Replaces the second key's value by one that has overflow extents of its own.
    PutOverflow,
    /// Deletes the first key.
    DeleteFirst,
    /// Deletes a key that is not there.
    DeleteAbsent,
    /// Changes both keys and a third in one entry.
    PutSeveral,
    /// Swaps what is there: deletes both keys and puts others, in one entry.
    Replace,
    /// Reads both keys and changes nothing; waits for what it read.
    NoOp,
    /// Starts two writes before it waits for either.
    TwoAtOnce,
    /// Reads a range.
    Scan,
    /// Writes everything to its final place.
    Checkpoint,
}

/// The whole alphabet.
pub const ALPHABET: [Letter; 12] = [
    Letter::PutFirst,
    Letter::PutSecond,
    Letter::PutLarge,
    Letter::PutOverflow,
    Letter::DeleteFirst,
    Letter::DeleteAbsent,
    Letter::PutSeveral,
    Letter::Replace,
    Letter::NoOp,
    Letter::TwoAtOnce,
    Letter::Scan,
    Letter::Checkpoint,
];

/// The longest small workload.
pub const LETTERS_MAX: u32 = 4;

/// How many workloads there are of 1 to [`LETTERS_MAX`] operations.
#[must_use]
pub fn workload_count() -> u64 {
    (1..=LETTERS_MAX).map(|length| (ALPHABET.len() as u64).pow(length)).sum()
}

/// The workload with this number: short ones first.
#[must_use]
pub fn workload(number: u64) -> Vec<Letter> {
    let mut rest = number % workload_count();
    let base = ALPHABET.len() as u64;
    let mut length = 1;
    while rest >= base.pow(length) {
        rest -= base.pow(length);
        length += 1;
    }
    (0..length)
        .map(|place| ALPHABET[usize::try_from(rest / base.pow(place) % base).expect("below the base")])
        .collect()
}

/// What became of one workload.
#[derive(Debug, Clone, Default)]
pub struct WorkloadReport {
    /// Events before which it was crashed.
    pub events: u64,
    /// Disks that were recovered and verified.
    pub crash_states: u64,
    /// What must not have happened.
    pub violation: Option<Violation>,
}

/// A disk and what its partition holds.
#[derive(Debug, Clone, Default)]
pub struct StartingPoint {
    disk: Disk,
    oracle: Oracle,
}

impl StartingPoint {
    /// An empty disk.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The disk after a run of `letters` on this one, closed in good order.
    ///
    /// # Errors
    /// The run violated something, without any crash.
    pub fn after<S: Subject>(&self, subject: &S, letters: &[Letter]) -> Result<Self, Violation> {
        let oracle = Rc::new(RefCell::new(self.oracle.clone()));
        let mut simulation = Simulation::new(options(0), self.disk.clone());
        play(subject, &mut simulation, &oracle, letters, Finally::Close)?;
        let mut disk = simulation.kill();
        disk.sync_all();
        Ok(Self { disk, oracle: oracle.take() })
    }
}

/// Runs one workload from a starting point and crashes it everywhere.
pub fn run_workload<S: Subject>(subject: &S, letters: &[Letter], start: &StartingPoint) -> WorkloadReport {
    let mut report = WorkloadReport::default();
    let moments = match moments_of(subject, letters, start) {
        Ok(moments) => moments,
        Err(violation) => return WorkloadReport { violation: Some(violation), ..report },
    };
    report.events = moments.len() as u64;
    let mut random = Random::new(seed_of(letters));
    for (disk, oracle) in &moments {
        let mut choices = random.fork();
        for image in disk.crash_images(&mut choices) {
            report.crash_states += 1;
            if let Err(violation) = recover_and_verify(subject, image, oracle.clone(), random.next_u64()) {
                return WorkloadReport { violation: Some(violation), ..report };
            }
        }
    }
    report
}

/// The disk before each I/O event of a run, with what was known at that time.
type Moments = Vec<(Disk, Oracle)>;

fn moments_of<S: Subject>(
    subject: &S,
    letters: &[Letter],
    start: &StartingPoint,
) -> Result<Moments, Violation> {
    let oracle = Rc::new(RefCell::new(start.oracle.clone()));
    let moments = Rc::new(RefCell::new(Moments::new()));
    let mut simulation = Simulation::new(options(seed_of(letters)), start.disk.clone());
    let (seen, known) = (Rc::clone(&moments), Rc::clone(&oracle));
    simulation.set_probe(move |disk| seen.borrow_mut().push((disk.clone(), known.borrow().clone())));
    play(subject, &mut simulation, &oracle, letters, Finally::Rest)?;
    Ok(moments.take())
}

/// What a workload does when its operations are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finally {
    /// Stays up for a while, so that idle work is crashed too.
    Rest,
    /// Ends in good order.
    Close,
}

/// How long a process stays up after its work: longer than any timer of idle work.
const REST: Duration = Duration::from_secs(3);

fn play<S: Subject>(
    subject: &S,
    simulation: &mut Simulation,
    oracle: &Rc<RefCell<Oracle>>,
    letters: &[Letter],
    finally: Finally,
) -> Result<(), Violation> {
    let partition = start(subject, simulation)?;
    let (shard, player) = (partition.shard(), partition.clone());
    let (known, letters) = (Rc::clone(oracle), letters.to_vec());
    let played = simulation.run_until(shard, async move {
        for (number, letter) in (1..).zip(letters) {
            let stamp = known.borrow().newest() * 100 + number;
            play_letter(&player, &known, letter, stamp).await?;
        }
        Ok(())
    });
    played.map_err(unexpected)??;
    match finally {
        Finally::Rest => simulation.run_for(REST).map_err(unexpected),
        Finally::Close => {
            let closed = simulation.run_until(shard, async move { partition.close().await });
            closed.map_err(unexpected)?.map_err(Violation::Failed)
        }
    }
}

/// Recovers a crashed disk, compares what it holds, and writes and reads once more.
fn recover_and_verify<S: Subject>(
    subject: &S,
    disk: Disk,
    oracle: Oracle,
    seed: u64,
) -> Result<(), Violation> {
    let mut simulation = Simulation::new(options(seed), disk);
    let partition = start(subject, &mut simulation)?;
    let oracle = Rc::new(RefCell::new(oracle));
    let known = Rc::clone(&oracle);
    let verified = simulation.run_until(partition.shard(), async move {
        partition.check().await.map_err(Violation::Failed)?;
        let rows = partition.scan(&Scan::everything()).await.map_err(Violation::Failed)?;
        let found: State = rows.into_iter().collect();
        let index = known.borrow_mut().recovered(&found, partition.committed_index())?;
        play_letter(&partition, &known, Letter::PutSeveral, index + 1_000_000).await?;
        play_letter(&partition, &known, Letter::Scan, 0).await
    });
    verified.map_err(unexpected)?
}

/// The one partition of small workloads.
fn start<S: Subject>(subject: &S, simulation: &mut Simulation) -> Result<S::Partition, Violation> {
    let started = subject.start(simulation).map_err(|failure| match failure {
        StartFailure::Ended(ended) => unexpected(ended),
        StartFailure::Refused(reason) => {
            Violation::Failed(format!("the process refused its own disk: {reason}"))
        }
    });
    Ok(started?.into_iter().next().expect("a subject has a partition"))
}

async fn play_letter<P: Partition>(
    partition: &P,
    oracle: &RefCell<Oracle>,
    letter: Letter,
    stamp: u64,
) -> Result<(), Violation> {
    let [first, second, third, absent] = [0, 1, 2, 999].map(|number| key(number, 0));
    let value = |bytes: usize| Some(stamped(stamp, bytes));
    let write = |reads, changes| begin_write(partition, oracle, reads, changes);
    match letter {
        Letter::PutFirst => write(vec![first.clone()], vec![(first, value(20))]).await?.finish(oracle).await,
        Letter::PutSecond => write(vec![], vec![(second, value(300))]).await?.finish(oracle).await,
        Letter::PutLarge => write(vec![], vec![(first, value(3_000))]).await?.finish(oracle).await,
        Letter::PutOverflow => write(vec![], vec![(second, value(20_000))]).await?.finish(oracle).await,
        Letter::DeleteFirst => write(vec![first.clone()], vec![(first, None)]).await?.finish(oracle).await,
        Letter::DeleteAbsent => write(vec![], vec![(absent, None)]).await?.finish(oracle).await,
        Letter::PutSeveral => {
            let changes = vec![(first, value(10)), (second, value(1_500)), (third, value(40))];
            write(vec![], changes).await?.finish(oracle).await
        }
        Letter::Replace => {
            let changes = vec![(first, None), (second, None), (third, value(100))];
            write(vec![], changes).await?.finish(oracle).await
        }
        Letter::NoOp => write(vec![first, second], vec![]).await?.finish(oracle).await,
        Letter::TwoAtOnce => {
            let one = write(vec![], vec![(first, value(50))]).await?;
            let other = write(vec![second.clone()], vec![(second, value(5_000))]).await?;
            other.finish(oracle).await?;
            one.finish(oracle).await
        }
        Letter::Scan => {
            let scan = Scan::everything();
            let rows = partition.scan(&scan).await.map_err(Violation::Failed)?;
            oracle.borrow_mut().scanned(&scan, &rows)
        }
        Letter::Checkpoint => partition.checkpoint().await.map_err(Violation::Failed),
    }
}

/// A write that was evaluated and logged.
struct Begun {
    index: Index,
    evaluated: Evaluated,
}

async fn begin_write<P: Partition>(
    partition: &P,
    oracle: &RefCell<Oracle>,
    reads: Vec<Key>,
    changes: Vec<Change>,
) -> Result<Begun, Violation> {
    let mut evaluated = partition.write(&reads, &changes).await.map_err(Violation::Failed)?;
    let values = std::mem::take(&mut evaluated.values);
    let seen: Vec<_> = reads.into_iter().zip(values).collect();
    let depends_on = oracle.borrow().evaluated(&seen)?;
    let index = if changes.is_empty() { depends_on } else { oracle.borrow_mut().logged(changes) };
    Ok(Begun { index, evaluated })
}

impl Begun {
    async fn finish(self, oracle: &RefCell<Oracle>) -> Result<(), Violation> {
        self.evaluated.commit.await.map_err(Violation::Failed)?;
        oracle.borrow_mut().acknowledged(self.index);
        Ok(())
    }
}

fn stamped(stamp: u64, bytes: usize) -> Value {
    let mut value = format!("{stamp}.").into_bytes();
    value.resize(bytes.max(value.len()), b'v');
    value
}

fn unexpected(ended: Ended) -> Violation {
    Violation::Failed(format!("the run ended: {ended:?}"))
}

fn seed_of(letters: &[Letter]) -> u64 {
    letters.iter().fold(1, |seed: u64, &letter| seed.wrapping_mul(31) + letter as u64)
}

fn options(seed: u64) -> SimOptions {
    SimOptions { latencies: Latencies::STEADY, ..SimOptions::new(seed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn workloads_are_numbered_without_gaps_or_repetition() {
        assert_eq!(workload_count(), 12 + 144 + 1728 + 20736);
        assert_eq!(workload(0), [Letter::PutFirst]);
        let names: BTreeSet<String> =
            (0..workload_count()).map(|number| format!("{:?}", workload(number))).collect();
        assert_eq!(names.len() as u64, workload_count());
        assert_eq!(workload(workload_count() - 1), [Letter::Checkpoint; 4]);
    }
}

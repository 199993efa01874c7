//! Damaged directories: what a real daemon left is changed in one place, and the engine starts on it.
//!
//! A bit flips, a file is cut, two blocks change places. The engine may refuse the directory, or a read; what it answers
//! is what the sound directory answers. One thing cannot be told from a crash: damage to the last frame of a log whose
//! process was killed looks like a write that was torn, and the state before it counts.

use crate::campaign::JobReport;
use crate::oracle::Violation;
use basalt_engine::model::Item;
use basalt_engine::{
    Consistency, DescribeStream, Engine, EngineOptions, Error, GetRecords, GetShardIterator, IteratorStart,
    ListStreams, ListTables, ResultPage, Scan, Select, StreamName, StreamShardId,
};
use basalt_runtime::sim::{Disk, Ended, Random, SimOptions, Simulation};
use basalt_runtime::{ShardIndex, UnixTime};

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::OnceLock;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../format-spec/golden/v1/directories");
const DIRECTORY: &str = "/data";
const LEADER: ShardIndex = ShardIndex(0);
/// An hour after the directories were written: their streams are untrimmed.
const READ_AT: UnixTime = UnixTime::from_micros(1_795_420_800_000_000);
/// Shards' turns of a start and of reading everything: a hundred times what that takes.
const TURNS_MAX: u64 = 1_000_000;
const BLOCK_BYTES: usize = 4096;

/// What was read, by the name of what it was read from: a text that is equal where the answers are.
type Answers = BTreeMap<String, Result<Vec<String>, String>>;

/// What is being asked, for whoever looks for the question that is never answered.
type Asked = Rc<RefCell<String>>;

/// A directory's files, by their paths, in the order of these.
pub type Files = Vec<(PathBuf, Vec<u8>)>;

/// A directory as it was left.
struct GoldenDirectory {
    name: &'static str,
    files: Files,
    /// The answers that may be given: those of the sound directory, and those without its last frame.
    allowed: Vec<Answers>,
}

/// One change of one of a directory's files, which has the index `file`.
#[derive(Debug, Clone, Copy)]
pub enum Damage {
    /// The bits of `mask` flip in the byte `at`.
    Flip {
        /// Which file.
        file: usize,
        /// Bytes from its start.
        at: usize,
        /// The bits.
        mask: u8,
    },
    /// The file ends early.
    Cut {
        /// Which file.
        file: usize,
        /// Its bytes from then on.
        length: usize,
    },
    /// Two blocks of 4 KiB change places, the first of them the one in front.
    Swap {
        /// Which file.
        file: usize,
        /// Their ordinals.
        blocks: (usize, usize),
    },
}

/// Damages one of the directories in one place, which the number chooses, starts on it and reads everything.
#[must_use]
pub fn run(number: u64) -> JobReport {
    let mut random = Random::new(number ^ 0xDA_3A6E);
    let directories = golden_directories();
    let directory = &directories[random.index(directories.len())];
    let damage = Damage::any(&directory.files, &mut random);
    let asked = Asked::default();
    let (ended, report) = read_damaged(&directory.files_with(damage), &asked, &mut random);
    let violation = directory.judge(ended, &asked).map(|what| {
        let place = directory.files[damage.file()].0.display();
        Violation::Failed(format!("{}, {damage} of {place}: {what}", directory.name))
    });
    JobReport { rounds: 1, violation, ..report }
}

impl GoldenDirectory {
    fn files_with(&self, damage: Damage) -> Files {
        let mut files = self.files.clone();
        damage.apply(&mut files[damage.file()].1);
        files
    }

    /// What is wrong with what came of a start, if anything is.
    fn judge(&self, ended: Result<Answers, Ended>, asked: &Asked) -> Option<String> {
        let answers = match ended {
            Ok(answers) => answers,
            // The engine stops itself where it cannot go on with what the disk says.
            Err(Ended::Stopped(_)) => return None,
            Err(Ended::Panicked(reason)) => return Some(format!("a panic: {reason}")),
            Err(other) => return Some(format!("no answer, {other:?}, to: {}", asked.borrow())),
        };
        if self.allowed.iter().any(|allowed| is_told_or_refused(&answers, allowed)) {
            return None;
        }
        let sound = &self.allowed[0];
        let (what, found) =
            answers.iter().find(|(what, found)| found.is_ok() && sound.get(*what) != Some(found))?;
        Some(format!("{what} answers {found:?}, not {:?}", sound.get(what)))
    }
}

/// Whether each answer is the one that is allowed, or an error. What is not told of at all was refused as a whole.
fn is_told_or_refused(answers: &Answers, allowed: &Answers) -> bool {
    answers.iter().all(|(what, found)| found.is_err() || allowed.get(what) == Some(found))
}

impl Damage {
    /// Most damage is to what is not zero: most zeros are room that nothing has used yet.
    ///
    /// # Panics
    /// All files are empty.
    #[must_use]
    pub fn any(files: &[(PathBuf, Vec<u8>)], random: &mut Random) -> Self {
        let used: Vec<usize> = (0..files.len()).filter(|file| !files[*file].1.is_empty()).collect();
        let file = used[random.index(used.len())];
        let bytes = &files[file].1;
        let used_bytes = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
        match random.below(10) {
            0 => Self::Cut { file, length: random.index(bytes.len()) },
            1 => {
                let blocks = (used_bytes.div_ceil(BLOCK_BYTES) + 1).min(bytes.len() / BLOCK_BYTES);
                let second = 1 + random.index(blocks - 1);
                Self::Swap { file, blocks: (random.index(second), second) }
            }
            2 => Self::Flip { file, at: random.index(bytes.len()), mask: a_bit(random) },
            _ => Self::Flip { file, at: random.index(used_bytes), mask: a_bit(random) },
        }
    }

    /// The index of the file that is damaged.
    #[must_use]
    pub fn file(self) -> usize {
        let (Self::Flip { file, .. } | Self::Cut { file, .. } | Self::Swap { file, .. }) = self;
        file
    }

    /// Does it to the bytes of that file.
    ///
    /// # Panics
    /// They are too few to be of the file that the damage was chosen for.
    pub fn apply(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Flip { at, mask, .. } => bytes[at] ^= mask,
            Self::Cut { length, .. } => bytes.truncate(length),
            Self::Swap { blocks: (first, second), .. } => {
                let (front, back) = bytes.split_at_mut(second * BLOCK_BYTES);
                front[first * BLOCK_BYTES..][..BLOCK_BYTES].swap_with_slice(&mut back[..BLOCK_BYTES]);
            }
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Flip { at, mask, .. } => write!(formatter, "bits {mask:#04x} flipped in byte {at}"),
            Damage::Cut { length, .. } => write!(formatter, "all cut off behind byte {length}"),
            Damage::Swap { blocks: (first, second), .. } => {
                write!(formatter, "blocks {first} and {second} swapped")
            }
        }
    }
}

fn a_bit(random: &mut Random) -> u8 {
    1 << random.below(8)
}

/// The directories, read once.
fn golden_directories() -> &'static [GoldenDirectory] {
    static DIRECTORIES: OnceLock<Vec<GoldenDirectory>> = OnceLock::new();
    DIRECTORIES.get_or_init(|| vec![stopped(), killed()])
}

fn stopped() -> GoldenDirectory {
    let files = golden_files("stopped", Path::new(DIRECTORY));
    GoldenDirectory { name: "stopped", allowed: vec![answers_of(&files)], files }
}

fn killed() -> GoldenDirectory {
    let files = golden_files("killed", Path::new(DIRECTORY));
    let allowed = vec![answers_of(&files), answers_of(&without_last_frame(files.clone()))];
    GoldenDirectory { name: "killed", allowed, files }
}

/// The last byte of the log is changed: the frame that it ends is taken for one that was torn.
fn without_last_frame(mut files: Files) -> Files {
    let is_used_log = |(path, bytes): &&mut (PathBuf, Vec<u8>)| {
        path.starts_with(Path::new(DIRECTORY).join("wal")) && bytes.iter().any(|byte| *byte != 0)
    };
    let newest = files.iter_mut().filter(is_used_log).max_by(|left, right| left.0.cmp(&right.0));
    let (_, bytes) = newest.expect("a golden directory has a log");
    let last = bytes.iter().rposition(|byte| *byte != 0).expect("it is used");
    bytes[last] ^= 1;
    files
}

fn answers_of(files: &[(PathBuf, Vec<u8>)]) -> Answers {
    let (answers, _) = read_damaged(files, &Asked::default(), &mut Random::new(1));
    let answers = answers.expect("a sound directory can be read");
    assert!(answers.values().all(Result::is_ok), "a sound directory is refused: {answers:?}");
    assert!(answers.len() > 5, "a golden directory has tables, indexes and a stream: {answers:?}");
    answers
}

/// The files of the golden directory of this name, as if they lay in `directory`.
///
/// # Panics
/// It is not in the checkout.
#[expect(clippy::disallowed_methods, reason = "the files of the format's goldens")]
#[must_use]
pub fn golden_files(name: &str, directory: &Path) -> Files {
    let root = Path::new(GOLDEN).join(name).join("data");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a golden directory is in the checkout") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("it can be read");
                let inside = path.strip_prefix(&root).expect("it was found there");
                files.push((directory.join(inside), bytes));
            }
        }
    }
    files.sort();
    files
}

/// Starts the engine on a disk with these files and reads everything.
fn read_damaged(
    files: &[(PathBuf, Vec<u8>)],
    asked: &Asked,
    random: &mut Random,
) -> (Result<Answers, Ended>, JobReport) {
    let options = SimOptions {
        shard_count: 1 + u16::from(random.coin()),
        turns_max: TURNS_MAX,
        ..SimOptions::new(random.next_u64())
    };
    let mut simulation = Simulation::new(options, disk_of(files));
    simulation.set_unix_time(READ_AT);
    let (leader, remotes) = (simulation.handle(LEADER), simulation.remotes().to_vec());
    let options = EngineOptions {
        shard_count: Some(u16::try_from(remotes.len()).expect("one or two")),
        pin_shards: false,
        ..EngineOptions::default()
    };
    let mut reader = Reader { answers: Answers::new(), asked: Rc::clone(asked) };
    let ended = simulation.run_until(LEADER, async move {
        reader.ask("to start");
        // A refusal is an answer, too.
        if let Ok(engine) = Engine::open_on(leader, remotes, Path::new(DIRECTORY), options).await {
            reader.read_everything(&engine).await;
        }
        reader.answers
    });
    let report = JobReport {
        events: simulation.event_count(),
        trace_hash: simulation.trace_hash(),
        ..JobReport::default()
    };
    (ended, report)
}

fn disk_of(files: &[(PathBuf, Vec<u8>)]) -> Disk {
    let mut disk = Disk::new();
    for (path, bytes) in files {
        disk.create_directory_all(path.parent().expect("files are in a folder")).expect("there is room");
        disk.write_file(path, bytes).expect("there is room");
    }
    disk.sync_all();
    disk
}

/// Asks, and keeps the answers.
struct Reader {
    answers: Answers,
    asked: Asked,
}

impl Reader {
    async fn read_everything(&mut self, engine: &Engine) {
        for table in self.note("tables", tables_of(engine)).await {
            self.ask(&format!("{table}: to wait for its indexes"));
            let _arrived = engine.wait_for_indexes(&table).await;
            self.note(&table, scan(engine, &table, None)).await;
            for index in self.note(&format!("indexes of {table}"), indexes_of(engine, &table)).await {
                self.note(&format!("{table}, index {index}"), scan(engine, &table, Some(index))).await;
            }
        }
        self.ask("streams");
        let streams = engine.list_streams(ListStreams::default()).await.map(|output| output.streams);
        for stream in streams.unwrap_or_default() {
            self.note(&format!("stream {stream:?}"), records_of(engine, &stream)).await;
        }
    }

    /// Keeps an answer, and gives what it lists.
    async fn note(
        &mut self,
        what: &str,
        answer: impl Future<Output = Result<Vec<String>, Error>>,
    ) -> Vec<String> {
        self.ask(what);
        let answer = answer.await.map_err(|error| error.to_string());
        let listed = answer.clone().unwrap_or_default();
        self.answers.insert(what.to_owned(), answer);
        listed
    }

    fn ask(&self, what: &str) {
        what.clone_into(&mut self.asked.borrow_mut());
    }
}

async fn tables_of(engine: &Engine) -> Result<Vec<String>, Error> {
    Ok(engine.list_tables(ListTables::default()).await?.table_names)
}

async fn indexes_of(engine: &Engine, table: &str) -> Result<Vec<String>, Error> {
    let description = engine.describe_table(table).await?;
    let local = description.local_indexes.iter().map(|index| index.definition.index_name.clone());
    let global = description.global_indexes.iter().map(|index| index.definition.index_name.clone());
    Ok(local.chain(global).collect())
}

async fn scan(engine: &Engine, table: &str, index: Option<String>) -> Result<Vec<String>, Error> {
    let mut scan = match index {
        None => Scan { consistency: Consistency::Strong, ..Scan::new(table) },
        index_name => Scan { index_name, select: Select::AllProjectedAttributes, ..Scan::new(table) },
    };
    let mut found = Vec::new();
    loop {
        let ResultPage { items, last_evaluated_key, .. } = engine.scan(scan.clone()).await?;
        found.extend(items.iter().map(|item| told(item.as_item().to_item())));
        match last_evaluated_key {
            Some(key) => scan.exclusive_start_key = Some(key),
            None => break,
        }
    }
    // Scans of indexes may order equal keys by partition.
    found.sort();
    Ok(found)
}

fn told<E: fmt::Display>(item: Result<Item, E>) -> String {
    match item {
        Ok(item) => format!("{item:?}"),
        Err(damaged) => format!("an answer that does not decode: {damaged}"),
    }
}

async fn records_of(engine: &Engine, stream: &StreamName) -> Result<Vec<String>, Error> {
    let described = engine
        .describe_stream(DescribeStream {
            stream: stream.clone(),
            exclusive_start_shard: None,
            children_of: None,
            limit: None,
        })
        .await?;
    let mut found = Vec::new();
    for shard in described.shards {
        found.extend(records_of_shard(engine, stream, shard.id).await?);
    }
    Ok(found)
}

async fn records_of_shard(
    engine: &Engine,
    stream: &StreamName,
    shard: StreamShardId,
) -> Result<Vec<String>, Error> {
    let start = IteratorStart::TrimHorizon;
    let begin = GetShardIterator { stream: stream.clone(), shard, start };
    let mut next = Some(engine.get_shard_iterator(begin).await?);
    let mut found = Vec::new();
    while let Some(iterator) = next {
        let request = GetRecords { stream: stream.clone(), iterator, limit: None };
        let page = engine.get_records(request).await?;
        if page.records.is_empty() {
            break;
        }
        found.extend(page.records.iter().map(|record| {
            let images = [&record.old_image, &record.new_image];
            let [old, new] = images.map(|image| image.as_ref().map(|item| told(item.as_item().to_item())));
            format!("{} {old:?} {new:?}", told(record.keys.as_item().to_item()))
        }));
        next = page.next;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_answer_is_seen() {
        let directory = &golden_directories()[0];
        let mut answers = directory.allowed[0].clone();
        assert_eq!(directory.judge(Ok(answers.clone()), &Asked::default()), None);
        let table = answers.get_mut("indexed").expect("the golden directory has this table");
        table.as_mut().expect("it is sound").pop();
        let seen = directory.judge(Ok(answers), &Asked::default()).expect("an item is missing");
        assert!(seen.contains("indexed"), "{seen}");
    }

    #[test]
    fn the_last_frame_of_a_killed_log_counts_or_not() {
        let [whole, torn] = &golden_directories()[1].allowed[..] else { panic!("two states are allowed") };
        assert_ne!(whole, torn);
    }
}

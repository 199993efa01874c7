//! A data directory with one log stream, and the model of what it must hold.

use std::{cell::RefCell, collections::VecDeque, path::Path, rc::Rc};

use basalt_format::wal::{Record, RecordKind};
use basalt_runtime::{
    Handle, ShardIndex,
    sim::{Disk, Ended, Random, SimOptions, Simulation},
};
use basalt_storage::{
    FrameReader, FrameSequence, Lsn, Node, StorageError, StreamId, Ticket, Wal, WalOptions,
};

/// The data directory.
pub(crate) const DIRECTORY: &str = "/data";
/// Small, so that each run rolls over and recycles many times.
pub(crate) const SEGMENT_BYTES: u64 = 64 << 10;
/// The partitions that entries belong to.
const PARTITIONS: u64 = 3;

/// Options with which a short run goes through many segments.
pub(crate) fn small_options() -> WalOptions {
    WalOptions {
        budget_bytes: 8 * SEGMENT_BYTES,
        frame_soft_limit_bytes: 64 << 10,
        segment_bytes_min: SEGMENT_BYTES,
    }
}

/// An entry that was appended, in the order of appending.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) partition: u64,
    pub(crate) index: u64,
    pub(crate) body: Vec<u8>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { partition, index, body } = self;
        write!(formatter, "{partition}/{index} ({} bytes)", body.len())
    }
}

/// What the log must and may hold.
#[derive(Debug, Default)]
pub(crate) struct Model {
    entries: VecDeque<ModelEntry>,
    last_index: [u64; PARTITIONS as usize],
    needed: Lsn,
}

#[derive(Debug, Clone)]
struct ModelEntry {
    entry: Entry,
    ticket: Ticket,
    acknowledged: bool,
}

impl Model {
    /// The next entry, of a random partition and size.
    pub(crate) fn next_entry(&mut self, random: &mut Random, bytes_max: u64) -> Entry {
        let partition = random.below(PARTITIONS);
        let index = &mut self.last_index[partition as usize];
        *index += 1;
        let mut body = vec![0; random.below(bytes_max) as usize];
        random.fill(&mut body);
        Entry { partition, index: *index, body }
    }

    pub(crate) fn appended(&mut self, entry: Entry, ticket: Ticket) {
        self.entries.push_back(ModelEntry { entry, ticket, acknowledged: false });
    }

    /// Every frame up to `frame` is durable, said the log.
    pub(crate) fn acknowledged(&mut self, frame: FrameSequence) {
        // From the newest on: what was acknowledged before is not looked at again.
        for entry in self.entries.iter_mut().rev().take_while(|entry| !entry.acknowledged) {
            entry.acknowledged = entry.ticket.frame <= frame;
        }
    }

    /// From now on everything before some acknowledged entry, the last one or a random one, is not needed.
    pub(crate) fn release(&mut self, random: Option<&mut Random>) -> Lsn {
        let acknowledged = self.entries.iter().take_while(|entry| entry.acknowledged).count();
        let chosen =
            random.map_or(acknowledged.saturating_sub(1), |random| random.index(acknowledged.max(1)));
        let lsn = self.entries.get(chosen).map_or(Lsn::default(), |entry| entry.ticket.lsn);
        self.needed = self.needed.max(lsn);
        self.needed
    }

    /// Compares what recovery found, and goes on from it.
    ///
    /// Found must be a run of what was appended: from no later than the first needed entry to no earlier than the
    /// last acknowledged one. What is behind it has never happened.
    pub(crate) fn recovered(&mut self, found: &[Entry]) -> Result<(), String> {
        let key = |entry: &Entry| (entry.partition, entry.index);
        let must_start = self.entries.iter().position(|entry| entry.ticket.lsn >= self.needed);
        let must_end = self.entries.iter().rposition(|entry| entry.acknowledged).map_or(0, |last| last + 1);
        let start = match found.first() {
            Some(first) => {
                self.entries.iter().position(|entry| key(&entry.entry) == key(first)).ok_or_else(|| {
                    format!("found {:?}, which was never appended or had been cut", key(first))
                })?
            }
            None => must_end,
        };
        if let Some(must_start) = must_start.filter(|&must_start| must_start < start.min(must_end)) {
            return Err(format!("entries from {must_start} on are needed, found from {start} on"));
        }
        for (place, entry) in found.iter().enumerate() {
            match self.entries.get(start + place) {
                Some(model) if model.entry == *entry => {}
                Some(model) => {
                    let (expected, found) = (key(&model.entry), key(entry));
                    return Err(format!(
                        "entry {place}: found {found:?}, appended was {expected:?}, or another body"
                    ));
                }
                None => {
                    return Err(format!("entry {place}: found {:?} behind the last appended", key(entry)));
                }
            }
        }
        let end = start + found.len();
        if end < must_end {
            return Err(format!("{must_end} entries were acknowledged, only {end} were found"));
        }
        self.go_on_from(end);
        Ok(())
    }

    fn go_on_from(&mut self, end: usize) {
        self.entries.truncate(end);
        for entry in &mut self.entries {
            entry.acknowledged = true;
        }
        self.last_index = [0; PARTITIONS as usize];
        for model in &self.entries {
            self.last_index[model.entry.partition as usize] = model.entry.index;
        }
    }
}

/// A log that was brought up: the lock's owner, and the writer.
pub(crate) struct Started {
    pub(crate) node: Node,
    pub(crate) wal: Wal,
    pub(crate) found: Vec<Entry>,
}

/// Judges the directory, takes it over, reads everything, and opens stream 0 for writing.
pub(crate) async fn start(handle: &Handle, options: WalOptions) -> Result<Started, StorageError> {
    let node = Node::judge(handle, Path::new(DIRECTORY), 1).await?;
    node.act().await?;
    let found = read_entries(handle, &node).await?;
    let wal = Wal::start(handle, Path::new(DIRECTORY), &node.facts(), StreamId::new(0), options).await?;
    Ok(Started { node, wal, found })
}

/// Every entry of every stream.
pub(crate) async fn read_entries(handle: &Handle, node: &Node) -> Result<Vec<Entry>, StorageError> {
    let facts = node.facts();
    let mut found = Vec::new();
    for stream in facts.streams() {
        let mut reader = FrameReader::open(handle, Path::new(DIRECTORY), stream).await?;
        while let Some(frame) = reader.next_frame().await? {
            for record in frame.records() {
                let record = record.expect("a frame that was believed holds records");
                if record.kind == RecordKind::Effects {
                    let (partition, index) = (record.partition, record.index);
                    found.push(Entry { partition, index, body: record.body.to_vec() });
                }
            }
        }
    }
    Ok(found)
}

/// Appends an entry.
pub(crate) fn append(wal: &Wal, entry: &Entry) -> Ticket {
    wal.append(&Record {
        kind: RecordKind::Effects,
        flags: 0,
        partition: entry.partition,
        term: 1,
        index: entry.index,
        hybrid_time: 1,
        body: &entry.body,
    })
}

/// Runs `main` on the only shard of a process on `disk`.
pub(crate) fn run<T: 'static, F: Future<Output = T> + 'static>(
    seed: u64,
    disk: Disk,
    main: impl FnOnce(Handle) -> F,
) -> (Result<T, Ended>, Simulation) {
    run_with(SimOptions::new(seed), disk, main)
}

/// As [`run`], with faults or a crash.
pub(crate) fn run_with<T: 'static, F: Future<Output = T> + 'static>(
    options: SimOptions,
    disk: Disk,
    main: impl FnOnce(Handle) -> F,
) -> (Result<T, Ended>, Simulation) {
    let mut simulation = Simulation::new(options, disk);
    let future = main(simulation.handle(ShardIndex(0)));
    let result = simulation.run_until(ShardIndex(0), future);
    (result, simulation)
}

/// A model that tasks of one run share.
pub(crate) type SharedModel = Rc<RefCell<Model>>;

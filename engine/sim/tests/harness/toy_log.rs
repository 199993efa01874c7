//! The smallest subject: one partition, kept in memory, behind a log that is never cut short.
//!
//! A frame is one group commit: `sequence | length | hash | hash of the frame before | entries`, on whole blocks. It is
//! right, but for the mistakes that can be planted in it, so whatever the harness says of it is known beforehand.

use basalt_runtime::sim::Simulation;
use basalt_runtime::{AlignedBuffer, DirectMode, File, Handle, OpenOptions, ShardIndex, planted};
use basalt_sim::oracle::{Change, Key, Order, Scan, State, Value};
use basalt_sim::subject::{Evaluated, Partition, StartFailure, Subject};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::path::Path;
use std::rc::Rc;
use std::task::{Poll, Waker};

const BLOCK: usize = 4096;
const HEADER: usize = 32;
const DIRECTORY: &str = "/toy";
const LOG: &str = "/toy/log";
const HOME: ShardIndex = ShardIndex(0);

pub(crate) struct ToyLog;

impl Subject for ToyLog {
    type Partition = ToyPartition;

    fn start(&self, simulation: &mut Simulation) -> Result<Vec<ToyPartition>, StartFailure> {
        let handle = simulation.handle(HOME);
        let opened = simulation.run_until(HOME, ToyPartition::open(handle))?;
        opened.map(|partition| vec![partition]).map_err(StartFailure::Refused)
    }
}

#[derive(Clone)]
pub(crate) struct ToyPartition {
    handle: Handle,
    shared: Rc<RefCell<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// The state after entry `committed`.
    state: State,
    committed: u64,
    /// Entries after `committed`, in order: those of the frame in flight, then those that wait.
    pending: VecDeque<Vec<Change>>,
    sequence: u64,
    last_hash: u64,
    end: u64,
    waiting: Vec<Waker>,
    writer: Option<Waker>,
}

impl ToyPartition {
    async fn open(handle: Handle) -> Result<Self, String> {
        let text = |error: std::io::Error| error.to_string();
        handle.create_directory_all(Path::new(DIRECTORY)).await.map_err(text)?;
        let options = OpenOptions::new().read(true).write(true).create(true).direct(DirectMode::Direct);
        let file = handle.open_file(Path::new(LOG), options).await.map_err(text)?;
        if !planted!(SkipDirectorySync) {
            handle.sync_directory(Path::new("/")).await.map_err(text)?;
            handle.sync_directory(Path::new(DIRECTORY)).await.map_err(text)?;
        }
        let mut shared = Shared::default();
        shared.replay(&file).await.map_err(text)?;
        let partition = Self { handle: handle.clone(), shared: Rc::new(RefCell::new(shared)) };
        handle.spawn(partition.clone().write_forever(file)).detach();
        Ok(partition)
    }

    /// One frame at a time: what arrived while it was written becomes the next.
    async fn write_forever(self, file: File) {
        loop {
            let (frame, entries, offset) = self.next_frame().await;
            let buffer = AlignedBuffer::from_slice(&frame);
            if planted!(AcknowledgeBeforeLogSync) {
                self.shared.borrow_mut().commit(entries);
            }
            let (written, _) = if planted!(SkipLogSync) {
                file.write_at(buffer, offset).await
            } else {
                file.write_and_sync_at(buffer, offset).await
            };
            if let Err(error) = written {
                self.handle.abort_process(&format!("the log cannot be written: {error}"));
            }
            if !planted!(AcknowledgeBeforeLogSync) {
                self.shared.borrow_mut().commit(entries);
            }
        }
    }

    async fn next_frame(&self) -> (Vec<u8>, usize, u64) {
        poll_fn(|context| {
            let mut shared = self.shared.borrow_mut();
            if shared.pending.is_empty() {
                shared.writer = Some(context.waker().clone());
                return Poll::Pending;
            }
            let entries: Vec<_> = shared.pending.iter().cloned().collect();
            Poll::Ready((shared.frame(&entries), entries.len(), shared.advance(&entries)))
        })
        .await
    }

    async fn committed(self, index: u64) -> Result<(), String> {
        poll_fn(|context| {
            let mut shared = self.shared.borrow_mut();
            if shared.committed >= index {
                return Poll::Ready(Ok(()));
            }
            shared.waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Shared {
    fn newest(&self) -> u64 {
        self.committed + self.pending.len() as u64
    }

    fn commit(&mut self, entries: usize) {
        for changes in self.pending.drain(..entries) {
            apply(&mut self.state, changes);
            self.committed += 1;
        }
        self.waiting.drain(..).for_each(Waker::wake);
    }

    /// A key's newest value, and the entry that wrote it if that is not committed yet.
    fn newest_value(&self, key: &[u8]) -> (Option<Value>, u64) {
        for (place, entry) in self.pending.iter().enumerate().rev() {
            if let Some((_, value)) = entry.iter().rev().find(|(changed, _)| changed == key) {
                return (value.clone(), self.committed + 1 + place as u64);
            }
        }
        (self.state.get(key).cloned(), 0)
    }

    fn frame(&self, entries: &[Vec<Change>]) -> Vec<u8> {
        let mut payload = Vec::new();
        for changes in entries {
            payload.extend((changes.len() as u32).to_le_bytes());
            for (key, value) in changes {
                put_bytes(&mut payload, key);
                payload.push(u8::from(value.is_some()));
                put_bytes(&mut payload, value.as_deref().unwrap_or_default());
            }
        }
        let mut frame = Vec::new();
        frame.extend((self.sequence + 1).to_le_bytes());
        frame.extend((payload.len() as u64).to_le_bytes());
        frame.extend(frame_hash(self.sequence + 1, self.last_hash, &payload).to_le_bytes());
        frame.extend(self.last_hash.to_le_bytes());
        frame.extend(payload);
        frame.resize(frame.len().next_multiple_of(BLOCK), 0);
        frame
    }

    /// Moves behind a frame that is about to be written; returns where it goes.
    fn advance(&mut self, entries: &[Vec<Change>]) -> u64 {
        let frame = self.frame(entries);
        let offset = self.end;
        self.sequence += 1;
        self.last_hash = u64_at(&frame, 16);
        self.end += frame.len() as u64;
        offset
    }

    async fn replay(&mut self, file: &File) -> std::io::Result<()> {
        let length = usize::try_from(file.size_bytes().await?).expect("small");
        let (read, log) = file.read_at(AlignedBuffer::zeroed(length.next_multiple_of(BLOCK)), 0).await;
        let log = &log[..read?];
        let mut at = 0;
        while let Some((frame_length, payload)) = self.next_valid(log.get(at..).unwrap_or_default()) {
            let entries = decode(payload);
            let kept = entries.len() - usize::from(planted!(DropLastEntry) && at + frame_length >= log.len());
            for changes in entries.into_iter().take(kept) {
                apply(&mut self.state, changes);
                self.committed += 1;
            }
            self.sequence += 1;
            self.last_hash = u64_at(&log[at..], 16);
            at += frame_length;
            self.end = at as u64;
        }
        // What a killed process left in the system's cache is believed now, so no power loss may take it back.
        file.sync_data().await
    }

    fn next_valid<'a>(&self, log: &'a [u8]) -> Option<(usize, &'a [u8])> {
        let length = usize::try_from(u64_at(log.get(..HEADER)?, 8)).ok()?;
        let payload = log.get(HEADER..HEADER.checked_add(length)?)?;
        let (sequence, hash, before) = (u64_at(log, 0), u64_at(log, 16), u64_at(log, 24));
        let is_next = sequence == self.sequence + 1 && before == self.last_hash;
        let is_whole = hash == frame_hash(sequence, before, payload) || planted!(BelieveTornFrame);
        (is_next && is_whole).then_some(((HEADER + length).next_multiple_of(BLOCK), payload))
    }
}

impl Partition for ToyPartition {
    fn shard(&self) -> ShardIndex {
        HOME
    }

    async fn write(&self, reads: &[Key], changes: &[Change]) -> Result<Evaluated, String> {
        let mut shared = self.shared.borrow_mut();
        let read: Vec<(Option<Value>, u64)> = reads.iter().map(|key| shared.newest_value(key)).collect();
        let mut awaited = read.iter().map(|(_, index)| *index).max().unwrap_or(0);
        if planted!(AnswerNoOpBeforeCommit) {
            awaited = 0;
        }
        if !changes.is_empty() {
            shared.pending.push_back(changes.to_vec());
            awaited = shared.newest();
            if let Some(writer) = shared.writer.take() {
                writer.wake();
            }
        }
        let values = read.into_iter().map(|(value, _)| value).collect();
        Ok(Evaluated { values, commit: Box::pin(self.clone().committed(awaited)) })
    }

    async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Value>>, String> {
        let shared = self.shared.borrow();
        let read = |key: &Key| {
            if planted!(ReadUncommitted) {
                shared.newest_value(key).0
            } else {
                shared.state.get(key).cloned()
            }
        };
        Ok(keys.iter().map(read).collect())
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<(Key, Value)>, String> {
        let shared = self.shared.borrow();
        let all = shared.state.iter().filter(|(key, _)| {
            use std::ops::RangeBounds;
            let range = (scan.from.as_ref(), scan.to.as_ref());
            RangeBounds::<Vec<u8>>::contains(&range, *key)
        });
        let mut rows: Vec<(Key, Value)> = all.map(|(key, value)| (key.clone(), value.clone())).collect();
        if scan.order == Order::Descending {
            rows.reverse();
        }
        rows.truncate(scan.limit);
        Ok(rows)
    }

    async fn checkpoint(&self) -> Result<(), String> {
        Ok(())
    }

    async fn check(&self) -> Result<(), String> {
        Ok(())
    }

    async fn close(&self) -> Result<(), String> {
        let newest = self.shared.borrow().newest();
        self.clone().committed(newest).await
    }

    fn committed_index(&self) -> Option<u64> {
        Some(self.shared.borrow().committed)
    }
}

fn apply(state: &mut State, changes: Vec<Change>) {
    for (key, value) in changes {
        match value {
            Some(value) => _ = state.insert(key, value),
            None => _ = state.remove(&key),
        }
    }
}

fn put_bytes(target: &mut Vec<u8>, bytes: &[u8]) {
    target.extend((bytes.len() as u32).to_le_bytes());
    target.extend(bytes);
}

/// What does not decode is left out: a believed torn frame must not panic here, it must be caught by the harness.
fn decode(mut payload: &[u8]) -> Vec<Vec<Change>> {
    let mut entries = Vec::new();
    while let Some(count) = take_u32(&mut payload) {
        let mut changes = Vec::new();
        for _ in 0..count {
            let Some(change) = take_change(&mut payload) else { return entries };
            changes.push(change);
        }
        entries.push(changes);
    }
    entries
}

fn take_change(payload: &mut &[u8]) -> Option<Change> {
    let key = take_bytes(payload)?;
    let (is_some, rest) = payload.split_first()?;
    *payload = rest;
    let value = take_bytes(payload)?;
    Some((key, (*is_some == 1).then_some(value)))
}

fn take_bytes(payload: &mut &[u8]) -> Option<Vec<u8>> {
    let length = take_u32(payload)? as usize;
    let (bytes, rest) = payload.split_at_checked(length)?;
    *payload = rest;
    Some(bytes.to_vec())
}

fn take_u32(payload: &mut &[u8]) -> Option<u32> {
    let (bytes, rest) = payload.split_first_chunk::<4>()?;
    *payload = rest;
    Some(u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn frame_hash(sequence: u64, before: u64, payload: &[u8]) -> u64 {
    let start = sequence.wrapping_mul(31) ^ before.rotate_left(9);
    payload.iter().fold(start, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(23)
    })
}

//! Prepared segments: files that frames can be written to without growing them.
//!
//! Writing into blocks that were never written costs a sync two to three times as much (EVIDENCE §2.1), so a file is
//! filled with zeros and synced before it is used, in the background; a released segment serves as it is. While frames
//! are large that would cost more than it saves, and space is only reserved. Sizes follow the load: a segment that
//! fills within a second makes the next ones larger. An idle log gives back what it does not need.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io,
    path::Path,
    rc::Rc,
    time::Duration,
};

use basalt_runtime::{
    AlignedBuffer, DirectMode, File, OpenOptions, local::Event, planted, sometimes, timeout,
};

use super::{
    log::{Closing, Log},
    segment::{UnusedFile, file_name},
};
use crate::reserve::is_full;

/// A segment that fills faster makes the next ones larger.
const FILLS_FAST: Duration = Duration::from_secs(1);
/// A segment that fills more slowly makes the next ones smaller.
const FILLS_SLOWLY: Duration = Duration::from_secs(10);
/// From this mean frame on, files are not filled with zeros: the frame's own bytes written once more take the device longer
/// than the journal's commit that its sync has to wait for.
const LARGE_FRAME_BYTES: u64 = 128 << 10;
/// How long the log must be idle before prepared space is given back.
const IDLE: Duration = Duration::from_secs(3);
/// Released files that a busy log keeps: a checkpoint releases many at once, as many are used until the next one, and to
/// make them anew is to write twice. Together as large as the largest log that follows its data.
const KEPT_WHILE_BUSY: usize = 128;
/// After a failed preparation: how long until the next try.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Bytes written at once while preparing: small, so that the log's own writes find their way in between.
const ZERO_BYTES: usize = 1 << 20;

/// How a segment was filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) took: Duration,
    /// Bytes of its frames, in the mean.
    pub(super) mean_frame_bytes: u64,
}

/// What a prepared file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Preparation {
    /// Zeros that were written.
    Zeros,
    /// Space that was reserved.
    Space,
}

/// The files that wait to become segments.
pub(super) struct Spares {
    /// The smallest segment.
    bytes_min: u64,
    ready: RefCell<VecDeque<UnusedFile>>,
    /// Files to be removed.
    doomed: RefCell<Vec<UnusedFile>>,
    /// The size of segments to be prepared.
    target_bytes: Cell<u64>,
    target_count: Cell<usize>,
    preparation: Cell<Preparation>,
    /// Ready files that are being measured.
    lent_count: Cell<usize>,
    /// The writer waits for a file of this size, or none.
    awaited_bytes: Cell<Option<u64>>,
    next_file: Cell<u64>,
    lacks_space: Cell<bool>,
    /// There is something to prepare or to remove.
    wanted: Event,
    /// A file has become ready.
    arrived: Event,
}

impl Spares {
    /// Starts with the files that a start found unused.
    pub(super) fn new(unused: Vec<UnusedFile>, next_file: u64, bytes_min: u64) -> Self {
        let spares = Self {
            bytes_min,
            ready: RefCell::default(),
            doomed: RefCell::default(),
            target_bytes: Cell::new(bytes_min),
            target_count: Cell::new(1),
            preparation: Cell::new(Preparation::Zeros),
            lent_count: Cell::new(0),
            awaited_bytes: Cell::new(None),
            next_file: Cell::new(next_file),
            lacks_space: Cell::new(false),
            wanted: Event::new(),
            arrived: Event::new(),
        };
        for file in unused {
            spares.offer(file);
        }
        spares
    }

    /// A file of at least `size_min` bytes; waits until one is ready.
    pub(super) async fn take(&self, size_min: u64) -> UnusedFile {
        loop {
            if let Some(file) = self.take_ready(size_min) {
                self.awaited_bytes.set(None);
                self.wanted.notify_all();
                return file;
            }
            sometimes!("wal roll-over waits for a segment");
            self.awaited_bytes.set(Some(size_min));
            self.wanted.notify_all();
            self.arrived.notified().await;
        }
    }

    /// A ready file, if there is one: for measuring. It comes back by [`Spares::put_back`].
    pub(super) fn lend(&self) -> Option<UnusedFile> {
        let file = self.ready.borrow_mut().pop_front()?;
        self.lent_count.update(|count| count + 1);
        Some(file)
    }

    /// Takes a lent file back.
    pub(super) fn put_back(&self, file: UnusedFile) {
        self.lent_count.update(|count| count - 1);
        self.ready.borrow_mut().push_front(file);
        self.arrived.notify_all();
    }

    /// Takes a file that nobody needs: to be used again, or removed.
    pub(super) fn offer(&self, file: UnusedFile) {
        let fits_load = file.size_bytes >= self.target_bytes.get() / 2;
        let is_large_enough = file.size_bytes >= self.bytes_min;
        let kept = if self.target_count.get() > 1 { KEPT_WHILE_BUSY } else { 1 };
        if fits_load && is_large_enough && self.ready.borrow().len() < kept {
            self.ready.borrow_mut().push_back(file);
            self.arrived.notify_all();
        } else {
            self.doomed.borrow_mut().push(file);
            self.wanted.notify_all();
        }
    }

    /// Learns how the last segment was filled.
    pub(super) fn follow_load(&self, filled: Filled, bytes_max: u64) {
        let has_large_frames = filled.mean_frame_bytes >= LARGE_FRAME_BYTES;
        self.preparation.set(if has_large_frames { Preparation::Space } else { Preparation::Zeros });
        let target = self.target_bytes.get();
        if filled.took < FILLS_FAST {
            self.target_bytes.set((target * 2).min(bytes_max));
            self.target_count.set(2);
        } else if filled.took > FILLS_SLOWLY {
            self.target_bytes.set((target / 2).max(self.bytes_min));
            self.target_count.set(1);
        }
    }

    /// Whether the last preparation found no space on the device.
    pub(super) fn lacks_space(&self) -> bool {
        self.lacks_space.get()
    }

    /// Whether the next roll-over would wait for space that the device does not have.
    pub(super) fn are_exhausted(&self) -> bool {
        self.lacks_space.get() && self.ready.borrow().is_empty()
    }

    /// Whether the writer waits for a file that the device has no space for.
    pub(super) fn are_awaited_in_vain(&self) -> bool {
        self.lacks_space.get() && self.awaited_bytes.get().is_some()
    }

    /// Whether a file is being prepared, or will be.
    pub(super) fn are_on_their_way(&self) -> bool {
        !self.lacks_space.get() && self.next_size().is_some()
    }

    /// Asks for no more than is needed, on a full device; the size of the next file, in bytes.
    pub(super) fn want_least(&self) -> u64 {
        self.shrink();
        self.next_size().unwrap_or(self.bytes_min)
    }

    /// Bytes of the largest ready file.
    pub(super) fn ready_bytes_max(&self) -> u64 {
        self.ready.borrow().iter().map(|file| file.size_bytes).max().unwrap_or(0)
    }

    /// Lets the preparing task look whether the log is closed.
    pub(super) fn wake(&self) {
        self.wanted.notify_all();
    }

    fn take_ready(&self, size_min: u64) -> Option<UnusedFile> {
        let mut ready = self.ready.borrow_mut();
        let place = ready.iter().position(|file| file.size_bytes >= size_min)?;
        ready.remove(place)
    }

    /// The size of the file to be prepared next; `None` if enough are ready.
    fn next_size(&self) -> Option<u64> {
        let ready = self.ready.borrow();
        let target = self.target_bytes.get();
        match self.awaited_bytes.get() {
            Some(size_min) if ready.iter().all(|file| file.size_bytes < size_min) => {
                Some(size_min.next_multiple_of(self.bytes_min).max(target))
            }
            _ => (ready.len() + self.lent_count.get() < self.target_count.get()).then_some(target),
        }
    }

    /// Gives up what an idle log does not need.
    pub(super) fn shrink(&self) {
        self.target_bytes.set(self.bytes_min);
        self.target_count.set(1);
        let mut kept = 0;
        let mut ready = self.ready.borrow_mut();
        let excess: Vec<_> = std::mem::take(&mut *ready)
            .into_iter()
            .filter_map(|file| {
                if kept == 0 && file.size_bytes <= self.bytes_min {
                    kept = 1;
                    ready.push_back(file);
                    return None;
                }
                Some(file)
            })
            .collect();
        self.doomed.borrow_mut().extend(excess);
    }

    /// Whether an idle log would give anything back.
    fn can_shrink(&self) -> bool {
        let ready = self.ready.borrow();
        ready.len() > 1 || ready.iter().any(|file| file.size_bytes > self.bytes_min)
    }
}

/// Prepares and removes files until the log is closed.
pub(super) async fn prepare_forever(log: Rc<Log>) {
    while log.closing.get() != Closing::Closed {
        let doomed = log.spares.doomed.borrow_mut().pop();
        if let Some(file) = doomed {
            remove(&log, &file).await;
        } else if let Some(size_bytes) = log.spares.next_size() {
            match prepare(&log, size_bytes).await {
                Ok(file) => {
                    log.spares.prepared(file);
                    log.announce_progress();
                }
                Err(error) if is_full(&error) && log.take_from_reserve().await => {}
                Err(error) => back_off(&log, &error).await,
            }
        } else if log.spares.can_shrink() {
            wait_or_shrink(&log).await;
        } else {
            log.spares.wanted.notified().await;
        }
    }
}

impl Spares {
    fn prepared(&self, file: UnusedFile) {
        self.lacks_space.set(false);
        self.ready.borrow_mut().push_back(file);
        self.arrived.notify_all();
    }
}

async fn wait_or_shrink(log: &Log) {
    let called = timeout(&log.handle, IDLE, log.spares.wanted.notified()).await;
    let idle_for = log.handle.now() - log.last_durable_at.get();
    if called.is_none() && idle_for >= IDLE {
        log.spares.shrink();
    }
}

/// Makes a file that reads as zeros, synced and under its final name.
async fn prepare(log: &Log, size_bytes: u64) -> io::Result<UnusedFile> {
    let number = log.spares.next_file.get();
    log.spares.next_file.set(number + 1);
    let name = file_name(number);
    let built = log.building_directory.join(format!("wal-{}-{name}", log.identity.stream.get()));
    let path = log.directory.join(&name);
    let made = match log.spares.preparation.get() {
        Preparation::Zeros => write_zeros(log, &built, size_bytes).await,
        Preparation::Space => reserve_space(log, &built, size_bytes).await,
    };
    if let Err(error) = made {
        // What was written of it must not keep the space that something else may need.
        let _ = log.handle.remove_file(&built).await;
        return Err(error);
    }
    log.handle.rename(&built, &path).await?;
    if !planted!(SkipDirectorySync) {
        log.handle.sync_directory(&log.directory).await?;
    }
    Ok(UnusedFile { path, size_bytes })
}

async fn write_zeros(log: &Log, path: &Path, size_bytes: u64) -> io::Result<()> {
    let file = create(log, path).await?;
    let length_of_next =
        |offset| usize::try_from(size_bytes - offset).map_or(ZERO_BYTES, |left| left.min(ZERO_BYTES));
    let mut zeros = AlignedBuffer::zeroed(length_of_next(0));
    let mut offset = 0;
    while offset < size_bytes {
        zeros.truncate(length_of_next(offset));
        let length = zeros.len() as u64;
        let (written, returned) = file.write_at(zeros, offset).await;
        written?;
        zeros = returned;
        offset += length;
    }
    file.sync_all().await
}

async fn reserve_space(log: &Log, path: &Path, size_bytes: u64) -> io::Result<()> {
    let file = create(log, path).await?;
    file.allocate(0, size_bytes).await?;
    file.sync_all().await
}

async fn create(log: &Log, path: &Path) -> io::Result<File> {
    let options = OpenOptions::new().write(true).create(true).truncate(true).direct(DirectMode::Direct);
    log.handle.open_file(path, options).await
}

async fn remove(log: &Log, file: &UnusedFile) {
    // A name that comes back after a crash is found unused again: the directory need not be synced.
    if let Err(error) = log.handle.remove_file(&file.path).await {
        tracing::warn!(path = %file.path.display(), %error, "a log file that is not needed could not be removed");
    }
}

async fn back_off(log: &Log, error: &io::Error) {
    sometimes!("wal segment could not be prepared");
    log.spares.lacks_space.set(is_full(error));
    log.announce_progress();
    tracing::warn!(directory = %log.directory.display(), %error, "a log segment could not be prepared; trying again");
    timeout(&log.handle, RETRY_AFTER, log.spares.wanted.notified()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, size_bytes: u64) -> UnusedFile {
        UnusedFile { path: name.into(), size_bytes }
    }

    fn filled(took: Duration, mean_frame_bytes: u64) -> Filled {
        Filled { took, mean_frame_bytes }
    }

    fn names(files: impl IntoIterator<Item = UnusedFile>) -> Vec<String> {
        files.into_iter().map(|file| file.path.display().to_string()).collect()
    }

    #[test]
    fn a_found_file_is_used_again_and_the_rest_removed() {
        let found = vec![file("tiny", 4096), file("good", 1 << 20), file("too many", 1 << 20)];
        let spares = Spares::new(found, 9, 1 << 20);
        assert_eq!(names(spares.ready.take()), ["good"]);
        assert_eq!(names(spares.doomed.take()), ["tiny", "too many"]);
    }

    #[test]
    fn sizes_follow_the_load_up_to_their_bound_and_back() {
        let spares = Spares::new(Vec::new(), 1, 1 << 20);
        for _ in 0..9 {
            spares.follow_load(filled(Duration::from_millis(10), 4096), 16 << 20);
        }
        assert_eq!(spares.next_size(), Some(16 << 20));
        assert_eq!(spares.target_count.get(), 2);
        for _ in 0..9 {
            spares.follow_load(filled(Duration::from_secs(60), 4096), 16 << 20);
        }
        assert_eq!(spares.next_size(), Some(1 << 20));
    }

    #[test]
    fn zeros_are_written_for_small_frames_only() {
        let spares = Spares::new(Vec::new(), 1, 1 << 20);
        for (frame_bytes, expected) in
            [(200 << 10, Preparation::Space), (22 << 10, Preparation::Zeros), (1 << 20, Preparation::Space)]
        {
            spares.follow_load(filled(Duration::from_secs(2), frame_bytes), 16 << 20);
            assert_eq!(spares.preparation.get(), expected, "{frame_bytes}");
        }
    }

    #[test]
    fn an_idle_log_keeps_one_small_spare() {
        let spares = Spares::new(Vec::new(), 1, 1 << 20);
        for prepared in [file("large", 8 << 20), file("small", 1 << 20), file("another", 1 << 20)] {
            spares.prepared(prepared);
        }
        assert!(spares.can_shrink());
        spares.shrink();
        assert_eq!(names(spares.ready.borrow().iter().cloned()), ["small"]);
        assert_eq!(names(spares.doomed.take()), ["large", "another"]);
        assert!(!spares.can_shrink());
    }

    #[test]
    fn a_giant_frame_asks_for_a_giant_segment() {
        let spares = Spares::new(vec![file("small", 1 << 20)], 1, 1 << 20);
        spares.awaited_bytes.set(Some((5 << 20) + 1));
        assert_eq!(spares.next_size(), Some(6 << 20));
        spares.prepared(file("giant", 6 << 20));
        assert_eq!(spares.next_size(), None);
        assert_eq!(spares.take_ready((5 << 20) + 1).map(|file| file.size_bytes), Some(6 << 20));
    }
}

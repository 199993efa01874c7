//! Space that is kept free of data, so that a full device can be emptied (STORAGE §6).
//!
//! A shard holds space of the device in a file that nothing is written to. Who finds the device full, the log for its
//! next segment or a partition's file for its pages, has the file made shorter and tries again; from then on the device
//! counts as full, until the reserve is whole again. So writes that put rows are refused while there is still room for
//! those that were acknowledged, for deletes, and for the checkpoints that give the deleted rows' space back.
//!
//! The log and the partition files each have a share, and leave the other's alone. The files' share grows with the pages
//! that wait to be written: they have their space before they need it.

use std::{
    cell::{Cell, RefCell},
    io,
    path::PathBuf,
};

use basalt_runtime::{
    File, Handle, OpenOptions,
    local::{Event, Semaphore},
    sometimes,
};

/// The log's share at most, but for the segment of the next start.
const LOG_SHARE_BYTES_MAX: u64 = 4 << 20;
/// The log's share is this part of what the shard has on the device.
const LOG_SHARE_ONE_IN: u64 = 4;
/// Kept of each partition file's length: one byte in so many.
const FILES_SHARE_ONE_IN: u64 = 100;

/// One byte more in so many is held without being wanted: a steady load asks for now more, now less.
const EXCESS_ONE_IN: u64 = 8;

/// The files' share is a multiple of it.
const FILES_STEP_BYTES: u64 = 64 << 10;

/// Who needs space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taker {
    /// The log, for a segment.
    Log,
    /// A partition's file.
    PartitionFile,
}

/// What a shard has on the device and in memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Holdings {
    /// The log.
    pub(crate) log: u64,
    /// The partitions' files.
    pub(crate) files: u64,
    /// Pages and entries that no file has yet.
    pub(crate) unwritten: u64,
}

/// Whose space it is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Shares {
    log: u64,
    files: u64,
}

/// How the reserve came closer to the size that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Approach {
    /// Nothing had to be done.
    AtRest,
    /// It has the size.
    Reached,
    /// The device refused.
    Refused,
}

/// One shard's reserve.
pub(crate) struct Reserve {
    handle: Handle,
    path: PathBuf,
    /// The log's smallest segment: its share is a multiple of it.
    segment_bytes: u64,
    file: RefCell<Option<File>>,
    /// Held while the size changes.
    turn: Semaphore,
    held: Cell<Shares>,
    /// Of all, when the reserve was whole last.
    wanted_at_rest: Cell<Shares>,
    /// Something found the device full, and the reserve was not whole since.
    is_short: Cell<bool>,
    /// It may have to change its size.
    changed: Event,
}

impl Reserve {
    /// A reserve that holds nothing; `path` is the file that will hold it, and the log's smallest segment has
    /// `segment_bytes`.
    pub(crate) fn new(handle: &Handle, path: PathBuf, segment_bytes: u64) -> Self {
        Self {
            handle: handle.clone(),
            path,
            segment_bytes,
            file: RefCell::default(),
            turn: Semaphore::new(1),
            held: Cell::default(),
            wanted_at_rest: Cell::default(),
            is_short: Cell::new(false),
            changed: Event::new(),
        }
    }

    /// Whether the device counts as full.
    pub(crate) fn is_short(&self) -> bool {
        self.is_short.get()
    }

    /// Bytes that are held.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.held.get().bytes()
    }

    /// Bytes that partition files may take.
    pub(crate) fn files_share_bytes(&self) -> u64 {
        self.held.get().files
    }

    /// Bytes of the log's share, when the reserve is whole.
    pub(crate) fn log_share_bytes(&self) -> u64 {
        self.wanted_at_rest.get().log
    }

    /// Gives up at least `bytes` of `taker`'s share, or what there is of it, after the device had no space; whether trying
    /// again is worth it.
    pub(crate) async fn give_way(&self, bytes: u64, taker: Taker) -> bool {
        let _turn = self.turn.acquire(1).await;
        self.note_full();
        let mut left = self.held.get();
        let (share, step_bytes) = match taker {
            Taker::Log => (&mut left.log, self.segment_bytes),
            Taker::PartitionFile => (&mut left.files, FILES_STEP_BYTES),
        };
        let given = bytes.next_multiple_of(step_bytes).min(*share);
        if given == 0 {
            return false;
        }
        *share -= given;
        sometimes!(taker == Taker::Log, "reserve given to the log");
        sometimes!(taker == Taker::PartitionFile, "reserve given to a partition's file");
        match self.resize(left).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(path = %self.path.display(), %error, "the reserve could not be given up");
                false
            }
        }
    }

    /// Takes note of what waits to be written, in bytes. Cheap; wakes the keeper when the reserve is too small for it.
    pub(crate) fn note_unwritten(&self, bytes: u64) {
        let wanted = self.wanted_at_rest.get().bytes() + with_its_path(bytes);
        if wanted > self.held_bytes() && !self.is_short.get() {
            self.changed.notify_all();
        }
    }

    /// Waits until the size may have to change.
    pub(crate) async fn until_changed(&self) {
        self.changed.notified().await;
    }

    /// Lets the keeper look again.
    pub(crate) fn wake(&self) {
        self.changed.notify_all();
    }

    /// Whether so much more than what is wanted is held that it should be given back.
    pub(crate) fn has_excess(&self, holdings: Holdings) -> bool {
        let wanted = self.wanted(holdings).bytes();
        self.held_bytes() > wanted + wanted / EXCESS_ONE_IN
    }

    /// Holds more, if `holdings` ask for it; with all of it, the device counts as full no more.
    pub(crate) async fn grow_to_fit(&self, holdings: Holdings) -> Approach {
        let wanted = self.wanted(holdings);
        if self.held_bytes() >= wanted.bytes() {
            self.note_whole(holdings);
            return Approach::AtRest;
        }
        let _turn = self.turn.acquire(1).await;
        // A little more, so that a steady load does not ask again at each page.
        let generous = Shares { files: wanted.files + whole_files_steps(wanted.files / 4), ..wanted };
        let mut grown = self.resize(generous).await;
        if grown.as_ref().is_err_and(is_full) {
            grown = self.resize(wanted).await;
        }
        match grown {
            Ok(()) => {
                self.note_whole(holdings);
                Approach::Reached
            }
            Err(error) if is_full(&error) => {
                self.note_full();
                Approach::Refused
            }
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "space could not be reserved; trying again");
                Approach::Refused
            }
        }
    }

    /// Gives back what `holdings` do not ask for.
    pub(crate) async fn shrink_to_fit(&self, holdings: Holdings) -> io::Result<()> {
        let _turn = self.turn.acquire(1).await;
        let wanted = self.wanted(holdings);
        if wanted.bytes() < self.held_bytes() { self.resize(wanted).await } else { Ok(()) }
    }

    /// Gives up all of it, and the file: a stopped shard keeps nothing.
    pub(crate) async fn remove(&self) -> io::Result<()> {
        let _turn = self.turn.acquire(1).await;
        if self.file.take().is_some() {
            self.handle.remove_file(&self.path).await?;
        }
        self.held.set(Shares::default());
        Ok(())
    }

    fn wanted(&self, holdings: Holdings) -> Shares {
        let at_rest = self.wanted_when_written(holdings);
        let unwritten = with_its_path(holdings.unwritten);
        Shares { files: whole_files_steps(at_rest.files + unwritten), ..at_rest }
    }

    /// What is wanted for `holdings` once nothing waits to be written.
    fn wanted_when_written(&self, holdings: Holdings) -> Shares {
        let log = ((holdings.log + holdings.files) / LOG_SHARE_ONE_IN).min(LOG_SHARE_BYTES_MAX);
        // And a segment for the next start.
        let log = log.next_multiple_of(self.segment_bytes) + self.segment_bytes;
        Shares { log, files: holdings.files / FILES_SHARE_ONE_IN }
    }

    fn note_full(&self) {
        if !self.is_short.replace(true) {
            sometimes!("device full");
            tracing::warn!(
                reserve_bytes = self.held_bytes(),
                "the device is full: until it has space again, only what frees space is accepted"
            );
        }
        self.changed.notify_all();
    }

    /// What is held is enough for `holdings`: the log has its share, the files the rest.
    fn note_whole(&self, holdings: Holdings) {
        let log = self.wanted(holdings).log;
        self.held.set(Shares { log, files: self.held_bytes() - log });
        self.wanted_at_rest.set(self.wanted_when_written(holdings));
        if self.is_short.replace(false) {
            sometimes!("device has space again");
            tracing::info!("the device has space again: writes are accepted");
        }
    }

    /// The caller holds the turn.
    async fn resize(&self, shares: Shares) -> io::Result<()> {
        let (held_bytes, bytes) = (self.held_bytes(), shares.bytes());
        let file = self.open().await?;
        if bytes <= held_bytes {
            file.truncate(bytes).await?;
        } else if let Err(error) = file.allocate(held_bytes, bytes - held_bytes).await {
            // A part of it may have been allocated.
            file.truncate(held_bytes).await?;
            return Err(error);
        }
        self.held.set(shares);
        Ok(())
    }

    async fn open(&self) -> io::Result<File> {
        if let Some(file) = &*self.file.borrow() {
            return Ok(file.clone());
        }
        let options = OpenOptions::new().write(true).create(true).truncate(true);
        let file = self.handle.open_file(&self.path, options).await?;
        self.file.replace(Some(file.clone()));
        Ok(file)
    }
}

impl Shares {
    fn bytes(self) -> u64 {
        self.log + self.files
    }
}

/// Pages are written whole, with the pages above them and the map: a quarter more than they are.
fn with_its_path(unwritten_bytes: u64) -> u64 {
    unwritten_bytes + unwritten_bytes / 4
}

fn whole_files_steps(bytes: u64) -> u64 {
    bytes.next_multiple_of(FILES_STEP_BYTES)
}

/// Whether the device has no space for it.
pub(crate) fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::StorageFull
}

#[cfg(test)]
mod tests {
    use std::{future::Future, rc::Rc};

    use basalt_runtime::{
        ShardIndex,
        sim::{Disk, SimOptions, Simulation},
    };

    use super::*;

    const SEGMENT_BYTES: u64 = 1 << 20;
    const HOLDINGS: Holdings = Holdings { log: 4 << 20, files: 12 << 20, unwritten: 3 << 20 };

    /// Runs `body` with a reserve on a device of `capacity_bytes`.
    fn with_reserve<F: Future<Output = ()> + 'static>(
        capacity_bytes: u64,
        body: impl FnOnce(Rc<Reserve>) -> F,
    ) {
        let mut disk = Disk::new();
        disk.set_capacity_bytes(Some(capacity_bytes));
        let mut simulation = Simulation::new(SimOptions::new(7), disk);
        let handle = simulation.handle(ShardIndex(0));
        let body = body(Rc::new(Reserve::new(&handle, "/reserve".into(), SEGMENT_BYTES)));
        simulation.run_until(ShardIndex(0), body).expect("the test comes to an end");
    }

    #[test]
    fn each_taker_leaves_the_others_share() {
        with_reserve(64 << 20, async |reserve| {
            assert_eq!(reserve.grow_to_fit(HOLDINGS).await, Approach::Reached);
            assert_eq!(reserve.grow_to_fit(HOLDINGS).await, Approach::AtRest);
            let files_bytes = reserve.files_share_bytes();
            assert!(files_bytes >= HOLDINGS.unwritten, "what waits has its space: {files_bytes}");

            let mut segments = 0;
            while reserve.give_way(SEGMENT_BYTES, Taker::Log).await {
                segments += 1;
            }
            assert_eq!(segments, 5, "a quarter of log and files, and one for the next start");
            assert_eq!(reserve.held_bytes(), files_bytes);
            assert!(reserve.is_short());
            assert!(reserve.give_way(files_bytes, Taker::PartitionFile).await);
            assert!(!reserve.give_way(1, Taker::PartitionFile).await, "nothing is left");
        });
    }

    #[test]
    fn a_device_counts_as_full_until_the_reserve_is_whole() {
        with_reserve(6 << 20, async |reserve| {
            assert_eq!(reserve.grow_to_fit(HOLDINGS).await, Approach::Refused);
            assert!(reserve.is_short());
            assert_eq!(reserve.held_bytes(), 0, "what it cannot hold whole it leaves to others");
            let written = Holdings { unwritten: 0, ..HOLDINGS };
            assert_eq!(reserve.grow_to_fit(written).await, Approach::Reached);
            assert!(!reserve.is_short());
        });
    }

    #[test]
    fn what_a_burst_needed_is_given_back() {
        with_reserve(64 << 20, async |reserve| {
            assert_eq!(
                reserve.grow_to_fit(Holdings { unwritten: 20 << 20, ..HOLDINGS }).await,
                Approach::Reached
            );
            let written = Holdings { unwritten: 0, ..HOLDINGS };
            assert!(reserve.has_excess(written));
            reserve.shrink_to_fit(written).await.expect("a file is cut");
            assert!(!reserve.has_excess(written));
            assert_eq!(reserve.grow_to_fit(written).await, Approach::AtRest);
            reserve.remove().await.expect("a file is removed");
            assert_eq!(reserve.held_bytes(), 0);
        });
    }
}

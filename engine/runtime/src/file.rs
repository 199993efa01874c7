//! Open files. Reads and writes take their buffer along and bring it back.

use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use std::{fmt, io};

use crate::aligned_buffer::{AlignedBuffer, BUFFER_ALIGNMENT_BYTES};
use crate::backend::{AfterWrite, OpenOptions, OpenedFile, Operation, Outcome, SharedFile, SyncKind};
use crate::core::Core;
use crate::ids::FileId;
use crate::operation_slab::Held;

/// An open file. Clones share it; it is closed after the last clone and the last operation on it are gone.
#[derive(Clone)]
pub struct File {
    core: Rc<Core>,
    open: Rc<OpenFile>,
}

/// What operations in flight hold, so that the file is not closed under them.
pub(crate) struct OpenFile {
    core: Weak<Core>,
    id: FileId,
    path: PathBuf,
    is_direct: bool,
    /// Each completed write is durable: an extra sync after a write is left out.
    data_sync: bool,
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.start_orphan(Operation::CloseFile { file: self.id });
        }
    }
}

impl File {
    pub(crate) fn new(core: &Rc<Core>, path: &Path, opened: OpenedFile, options: OpenOptions) -> File {
        let open = OpenFile {
            core: Rc::downgrade(core),
            id: opened.file,
            path: path.to_owned(),
            is_direct: opened.is_direct,
            data_sync: options.data_sync,
        };
        File { core: Rc::clone(core), open: Rc::new(open) }
    }

    pub(crate) fn id(&self) -> FileId {
        self.open.id
    }

    /// The path under which it was opened, for messages; the file may have another name by now.
    pub fn path(&self) -> &Path {
        &self.open.path
    }

    /// Whether reads and writes go past the kernel's page cache: offsets and lengths must then be whole blocks. False
    /// for a file that was opened `Direct` on a file system that refuses it.
    pub fn is_direct(&self) -> bool {
        self.open.is_direct
    }

    /// Fills the whole length of `buffer` from `offset`, or as much as there is before the end of the file.
    pub async fn read_at(
        &self,
        mut buffer: AlignedBuffer,
        offset: u64,
    ) -> (io::Result<usize>, AlignedBuffer) {
        let mut filled = 0;
        while filled < buffer.len() {
            let from = self.resume_from(filled);
            let (result, returned) =
                self.transferred(Operation::Read { file: self.id(), buffer, filled: from, offset }).await;
            buffer = returned;
            match result {
                // Nothing beyond what was there already: the end of the file.
                Ok(bytes) if from + bytes <= filled => break,
                Ok(bytes) => filled = from + bytes,
                Err(error) => return (Err(error), buffer),
            }
        }
        (Ok(filled), buffer)
    }

    /// Writes all of `buffer` at `offset`.
    pub async fn write_at(&self, buffer: AlignedBuffer, offset: u64) -> (io::Result<()>, AlignedBuffer) {
        self.write(buffer, offset, AfterWrite::Nothing).await
    }

    /// Writes all of `buffer` at `offset` and makes it durable; on an error nothing is known to be.
    pub async fn write_and_sync_at(
        &self,
        buffer: AlignedBuffer,
        offset: u64,
    ) -> (io::Result<()>, AlignedBuffer) {
        let after = if self.open.data_sync { AfterWrite::Nothing } else { AfterWrite::SyncData };
        self.write(buffer, offset, after).await
    }

    async fn write(
        &self,
        mut buffer: AlignedBuffer,
        offset: u64,
        after: AfterWrite,
    ) -> (io::Result<()>, AlignedBuffer) {
        let mut written = 0;
        while written < buffer.len() {
            let from = self.resume_from(written);
            let (result, returned) = self
                .transferred(Operation::Write { file: self.id(), buffer, written: from, offset, after })
                .await;
            buffer = returned;
            match result {
                Ok(bytes) if from + bytes <= written => {
                    return (Err(io::ErrorKind::WriteZero.into()), buffer);
                }
                Ok(bytes) => written = from + bytes,
                Err(error) => return (Err(error), buffer),
            }
        }
        (Ok(()), buffer)
    }

    /// Where to go on after a request that was cut short at `reached`: direct ones start at blocks only.
    fn resume_from(&self, reached: usize) -> usize {
        if self.open.is_direct { reached - reached % BUFFER_ALIGNMENT_BYTES } else { reached }
    }

    /// Makes all completed writes durable, with the metadata that is needed to read them back.
    pub async fn sync_data(&self) -> io::Result<()> {
        self.done(Operation::Sync { file: self.id(), kind: SyncKind::Data }).await
    }

    /// Makes all completed writes and all metadata durable.
    pub async fn sync_all(&self) -> io::Result<()> {
        self.done(Operation::Sync { file: self.id(), kind: SyncKind::All }).await
    }

    /// Reserves disk space for a range, and extends the file to its end if it is shorter.
    pub async fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
        self.done(Operation::Allocate { file: self.id(), offset, length }).await
    }

    /// Sets the file's length.
    pub async fn truncate(&self, length: u64) -> io::Result<()> {
        self.done(Operation::Truncate { file: self.id(), length }).await
    }

    /// Makes a range read as zeros and gives its space back. The file's length stays.
    pub async fn punch_hole(&self, offset: u64, length: u64) -> io::Result<()> {
        self.done(Operation::PunchHole { file: self.id(), offset, length }).await
    }

    /// The file's length.
    pub async fn size_bytes(&self) -> io::Result<u64> {
        match self.core.start(Operation::FileSize { file: self.id() }, self.held()).await {
            Outcome::Size(size) => size,
            other => mismatched("file size", &other),
        }
    }

    /// Takes the file's advisory lock; false if another opening of the file has it. Kept until the file is closed.
    pub fn try_lock_exclusive(&self) -> io::Result<bool> {
        self.core.with_backend(|backend| backend.try_lock_exclusive(self.id()))
    }

    /// This opening, for [`crate::Handle::hold_shared`] on other shards.
    pub fn share(&self) -> io::Result<SharedFile> {
        self.core.with_backend(|backend| backend.share_file(self.id()))
    }

    fn held(&self) -> Held {
        Some(self.open.clone())
    }

    async fn done(&self, operation: Operation) -> io::Result<()> {
        match self.core.start(operation, self.held()).await {
            Outcome::Done(result) => result,
            other => mismatched("file operation", &other),
        }
    }

    async fn transferred(&self, operation: Operation) -> (io::Result<usize>, AlignedBuffer) {
        match self.core.start(operation, self.held()).await {
            Outcome::Transferred { result, buffer } => (result, buffer),
            other => mismatched("read or write", &other),
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "File({})", self.open.path.display())
    }
}

/// A backend broke the contract of [`crate::backend::Operation`].
pub(crate) fn mismatched(operation: &str, outcome: &Outcome) -> ! {
    panic!("the backend answered {operation} with {outcome:?}")
}

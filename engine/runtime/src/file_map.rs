//! A file as one read-only slice of memory, for the offline tools.

#![expect(unsafe_code, reason = "a mapped file is memory that others can change")]
#![expect(clippy::disallowed_types, reason = "tools read files without a shard")]

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

/// The bytes of a file. For tools that hold the data directory's lock, or work on a copy; never for the server: a
/// file that is cut short while it is mapped ends the process.
#[derive(Debug)]
pub struct FileMap {
    /// `None` for an empty file, which cannot be mapped.
    map: Option<Mmap>,
}

impl FileMap {
    /// Maps the whole file as it is now.
    pub fn open(path: &Path) -> io::Result<FileMap> {
        let file = File::open(path)?;
        if file.metadata()?.len() == 0 {
            return Ok(FileMap { map: None });
        }
        // SAFETY: the map is private and only read. That nobody writes to or cuts the file meanwhile is the caller's
        // duty, which the lock on the data directory fulfils for tools.
        let map = unsafe { Mmap::map(&file) }?;
        Ok(FileMap { map: Some(map) })
    }
}

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}

//! Bringing extents into memory: read, prove, pin.

use std::rc::Rc;

use basalt_format::{
    extent::{ExtentKind, Pointer},
    page::PageView,
};
use basalt_runtime::{join_all, local::Event};

use super::{
    Change, PageRequest, Stop, TreeShared,
    collect::Collected,
    request::{Expected, Wanted},
};
use crate::{
    cache::{BufferKind, BufferRef, Pins},
    error::{CorruptReason, StorageError},
    extent::Run,
    page::{BufferBytes, PageName},
};

/// Everything that some changes touch is in memory, as long as nothing waits.
pub(crate) struct BroughtIn {
    /// The leaf of each change.
    pub(super) leaves: Vec<BufferRef>,
    _pins: Pins,
}

impl TreeShared {
    /// Brings in what an operation stopped at, and what it will want next. Everything stays pinned.
    ///
    /// Success does not promise that the page is there: the tree may have changed meanwhile, and the operation will
    /// want another one. Whoever asked runs the operation again.
    pub(crate) async fn fetch(self: &Rc<Self>, request: &PageRequest) -> Result<Pins, StorageError> {
        let mut pins = Pins::default();
        if request.ahead.is_empty() {
            self.fetch_one(&request.first, &mut pins).await?;
            return Ok(pins);
        }
        let wanted = std::iter::once(&request.first).chain(&request.ahead);
        let mut results = join_all(wanted.map(|wanted| async {
            let mut pins = Pins::default();
            self.fetch_one(wanted, &mut pins).await.map(|()| pins)
        }))
        .await
        .into_iter();
        pins.extend(results.next().expect("the first one is among them")?);
        // What could not be read ahead fails again when it is wanted.
        results.flatten().for_each(|more| pins.extend(more));
        Ok(pins)
    }

    /// Brings in everything that `changes` will touch and makes room for what they add.
    pub(crate) async fn bring_in(
        self: &Rc<Self>,
        changes: &[(&[u8], Change<'_>)],
    ) -> Result<BroughtIn, StorageError> {
        let mut pins = Pins::default();
        let mut has_room = false;
        loop {
            let collected = self.reader().walk().collect(changes);
            match collected {
                Ok(Collected { new_bytes, leaves }) => {
                    if has_room || self.pool.borrow().has_room(new_bytes) {
                        return Ok(BroughtIn { leaves, _pins: pins });
                    }
                    self.pool.make_room(new_bytes).await?;
                    has_room = true;
                }
                Err(Stop::Missing(request)) => pins.extend(self.fetch(&request).await?),
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
    }

    async fn fetch_one(self: &Rc<Self>, wanted: &Wanted, pins: &mut Pins) -> Result<(), StorageError> {
        let block = wanted.pointer.block;
        loop {
            if let Some(buffer) = self.resident(&wanted.pointer) {
                pins.add(&self.pool, buffer);
                return Ok(());
            }
            let running = self.reading.borrow().get(&block).cloned();
            match running {
                None => break,
                Some(ended) => ended.notified().await,
            }
        }
        let _reading = Reading::begin(self, block);
        if let Some(buffer) = self.read(wanted).await? {
            pins.add(&self.pool, buffer);
        }
        Ok(())
    }

    fn resident(&self, pointer: &Pointer) -> Option<BufferRef> {
        self.pool.borrow().find(self.slot(), PageName::Disk(*pointer))
    }

    /// Reads an extent into a buffer; twice, if its bytes are not what they must be. `None` if the tree does not
    /// name it any more.
    async fn read(&self, wanted: &Wanted) -> Result<Option<BufferRef>, StorageError> {
        self.pool.make_room(wanted.pointer.stored_bytes() as u64).await?;
        let mut last_error = None;
        for _attempt in 0..2 {
            if self.reader().walk().still_names(wanted) == Some(false) {
                return Ok(None);
            }
            match self.read_once(wanted).await {
                Ok(buffer) => return Ok(buffer),
                Err(error) if matches!(error, StorageError::Corrupt { .. }) => last_error = Some(error),
                Err(error) => return Err(error),
            }
            // Damage counts only where the parent names the extent; otherwise it was freed, and used again.
            if self.reader().walk().still_names(wanted) != Some(true) {
                return Ok(None);
            }
            basalt_runtime::sometimes!("damaged page read again");
        }
        Err(last_error.expect("both attempts failed"))
    }

    async fn read_once(&self, wanted: &Wanted) -> Result<Option<BufferRef>, StorageError> {
        let pointer = &wanted.pointer;
        let run = Run { block: pointer.block, blocks: pointer.blocks };
        let claim = Claim::begin(self, run);
        let stored = self.file.read(pointer).await;
        if !claim.end() {
            return Ok(None);
        }
        let (kind, content) = prove(wanted, self.partition().get(), &stored?)
            .map_err(|reason| self.file.corrupt(pointer, reason))?;
        let mut pool = self.pool.borrow_mut();
        pool.counts.reads += 1;
        Ok(Some(pool.insert_clean(self.slot(), pointer, kind, content)))
    }
}

/// Marks that an extent is being read; the next who wants it waits.
struct Reading<'a> {
    tree: &'a TreeShared,
    block: u64,
}

impl<'a> Reading<'a> {
    fn begin(tree: &'a TreeShared, block: u64) -> Self {
        let previous = tree.reading.borrow_mut().insert(block, Rc::new(Event::new()));
        assert!(previous.is_none(), "one read of an extent at a time");
        Self { tree, block }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if let Some(ended) = self.tree.reading.borrow_mut().remove(&self.block) {
            ended.notify_all();
        }
    }
}

/// Keeps an extent from being handed out again while it is read.
struct Claim<'a> {
    tree: &'a TreeShared,
    run: Run,
    has_ended: bool,
}

impl<'a> Claim<'a> {
    fn begin(tree: &'a TreeShared, run: Run) -> Self {
        tree.state.borrow_mut().allocator.begin_read(run);
        Self { tree, run, has_ended: false }
    }

    /// Whether the extent was still the tree's when the read ended.
    fn end(mut self) -> bool {
        self.has_ended = true;
        self.tree.state.borrow_mut().allocator.end_read(self.run)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // A read that nobody waits for any more: its bytes go nowhere.
        if !self.has_ended {
            self.tree.state.borrow_mut().allocator.end_read(self.run);
        }
    }
}

/// Proves that stored bytes, whose checksum is right, are what the parent says.
fn prove(wanted: &Wanted, partition: u64, stored: &[u8]) -> Result<(BufferKind, BufferBytes), CorruptReason> {
    match &wanted.expected {
        Expected::Value { value_bytes, .. } => {
            let (value, padding) = stored
                .split_at_checked(*value_bytes as usize)
                .ok_or(CorruptReason::Structure("a value is longer than its extent"))?;
            if padding.iter().any(|&byte| byte != 0) {
                return Err(CorruptReason::Structure("the padding behind a value is zero"));
            }
            Ok((BufferKind::Value, BufferBytes::copied(value)))
        }
        Expected::Page { level, lower, upper } => {
            let page = PageView::parse(stored)?;
            if page.birth() != wanted.pointer.birth || page.partition() != partition {
                return Err(CorruptReason::Birth);
            }
            if level.is_some_and(|level| level != page.level()) || !kind_fits(&wanted.pointer, page) {
                return Err(CorruptReason::Structure("a page has the level that its parent says"));
            }
            if page.lower_fence() != lower || page.upper_fence() != upper.as_deref() {
                return Err(CorruptReason::Structure("a page has the fences that its parent says"));
            }
            Ok((BufferKind::Page, BufferBytes::copied(page.bytes())))
        }
    }
}

fn kind_fits(pointer: &Pointer, page: PageView<'_>) -> bool {
    pointer.kind
        == match (page.is_leaf(), page.owns_overflow()) {
            (true, false) => ExtentKind::Leaf,
            (true, true) => ExtentKind::LeafWithOverflow,
            (false, _) => ExtentKind::Inner,
        }
}

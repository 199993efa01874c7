//! The bytes of one file at one moment: blocks that are shared until somebody changes them.

use std::rc::Rc;

pub(super) const BLOCK_SIZE_BYTES: usize = 4096;
pub(super) const SECTOR_SIZE_BYTES: usize = 512;
pub(super) const SECTORS_PER_BLOCK: usize = BLOCK_SIZE_BYTES / SECTOR_SIZE_BYTES;

/// The largest simulated file. Blocks are kept in a plain vector, so an absurd offset must not become memory.
pub(super) const FILE_SIZE_BYTES_MAX: u64 = 16 << 30;

const ZEROS: [u8; BLOCK_SIZE_BYTES] = [0; BLOCK_SIZE_BYTES];

/// One block. Zeros are told apart from holes because they use space, and from data because most prepared log
/// space is zeros and must cost nothing.
#[derive(Debug, Clone)]
pub(super) enum Block {
    Hole,
    Zeros,
    Data(Rc<[u8; BLOCK_SIZE_BYTES]>),
}

impl Block {
    fn of(bytes: &[u8; BLOCK_SIZE_BYTES]) -> Self {
        if *bytes == ZEROS { Self::Zeros } else { Self::Data(Rc::new(*bytes)) }
    }

    pub(super) fn bytes(&self) -> &[u8; BLOCK_SIZE_BYTES] {
        match self {
            Self::Hole | Self::Zeros => &ZEROS,
            Self::Data(bytes) => bytes,
        }
    }

    /// The bytes, owned by this block alone.
    fn bytes_mut(&mut self) -> &mut [u8; BLOCK_SIZE_BYTES] {
        if let Self::Hole | Self::Zeros = self {
            *self = Self::Data(Rc::new(ZEROS));
        }
        match self {
            Self::Data(bytes) => Rc::make_mut(bytes),
            Self::Hole | Self::Zeros => unreachable!("made data above"),
        }
    }

    /// Whether both hold the same bytes; shared blocks are told at a glance.
    pub(super) fn same_bytes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Data(mine), Self::Data(theirs)) => Rc::ptr_eq(mine, theirs) || mine == theirs,
            _ => self.bytes() == other.bytes(),
        }
    }
}

/// A file's bytes and size. Bytes beyond the size are always zero.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    blocks: Vec<Block>,
    size_bytes: u64,
    allocated_blocks: u64,
}

impl Content {
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(super) fn allocated_bytes(&self) -> u64 {
        self.allocated_blocks * BLOCK_SIZE_BYTES as u64
    }

    /// Fills `buffer` from `offset` up to the end of the file and returns how much that was.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let available = to_index(self.size_bytes.saturating_sub(offset).min(buffer.len() as u64));
        let mut done = 0;
        while done < available {
            let (block, within) = locate(offset + done as u64);
            let count = (BLOCK_SIZE_BYTES - within).min(available - done);
            let target = &mut buffer[done..done + count];
            match self.blocks.get(block) {
                Some(Block::Data(bytes)) => target.copy_from_slice(&bytes[within..within + count]),
                Some(Block::Hole | Block::Zeros) | None => target.fill(0),
            }
            done += count;
        }
        available
    }

    /// Writes all of `bytes`, growing the file as needed.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let (block, within) = locate(offset + done as u64);
            let count = (BLOCK_SIZE_BYTES - within).min(bytes.len() - done);
            let source = &bytes[done..done + count];
            match <&[u8; BLOCK_SIZE_BYTES]>::try_from(source) {
                Ok(whole) => self.set_block(block, Block::of(whole)),
                Err(_part) => {
                    let target = &mut self.block_mut(block).bytes_mut()[within..within + count];
                    target.copy_from_slice(source);
                }
            }
            done += count;
        }
        self.size_bytes = self.size_bytes.max(offset + bytes.len() as u64);
    }

    /// Makes `[start, end)` zero without changing the size; whole blocks give their space back.
    pub(super) fn punch(&mut self, start: u64, end: u64) {
        let end = end.min(self.blocks.len() as u64 * BLOCK_SIZE_BYTES as u64);
        let mut at = start;
        while at < end {
            let (block, within) = locate(at);
            let count = (BLOCK_SIZE_BYTES - within).min(to_index(end - at));
            if count == BLOCK_SIZE_BYTES {
                self.set_block(block, Block::Hole);
            } else if let Block::Data(_) = self.blocks[block] {
                self.blocks[block].bytes_mut()[within..within + count].fill(0);
            }
            at += count as u64;
        }
    }

    /// Reserves space for `[start, end)`, growing the file as needed.
    pub(super) fn allocate(&mut self, start: u64, end: u64) {
        let first = locate(start).0;
        let last = locate(end.div_ceil(BLOCK_SIZE_BYTES as u64) * BLOCK_SIZE_BYTES as u64).0;
        for block in first..last {
            if let Block::Hole = self.block(block) {
                self.set_block(block, Block::Zeros);
            }
        }
        self.size_bytes = self.size_bytes.max(end);
    }

    /// How many bytes of space `[start, end)` still lacks.
    pub(super) fn missing_bytes(&self, start: u64, end: u64) -> u64 {
        let first = locate(start).0;
        let last = locate(end.div_ceil(BLOCK_SIZE_BYTES as u64) * BLOCK_SIZE_BYTES as u64).0;
        let missing = (first..last).filter(|&block| matches!(self.block(block), Block::Hole)).count();
        (missing * BLOCK_SIZE_BYTES) as u64
    }

    /// Cuts or extends the file. What is cut is gone: extending again shows zeros.
    pub(super) fn set_size(&mut self, size_bytes: u64) {
        if size_bytes < self.size_bytes {
            self.clear_beyond(size_bytes);
        }
        self.size_bytes = size_bytes;
    }

    /// Sets the size of content put together from sectors, some of which may lie beyond it.
    pub(super) fn clip(&mut self, size_bytes: u64) {
        self.clear_beyond(size_bytes);
        self.size_bytes = size_bytes;
    }

    pub(super) fn block(&self, index: usize) -> &Block {
        self.blocks.get(index).unwrap_or(&Block::Hole)
    }

    pub(super) fn set_block(&mut self, index: usize, block: Block) {
        let slot = self.slot(index);
        let was = !matches!(slot, Block::Hole);
        let is = !matches!(block, Block::Hole);
        *slot = block;
        self.allocated_blocks = self.allocated_blocks + u64::from(is) - u64::from(was);
    }

    /// Copies the sectors of `source` whose bits are set in `mask` (bit 0 is the block's first sector).
    pub(super) fn set_sectors(&mut self, index: usize, source: &Block, mask: u8) {
        if mask == u8::MAX {
            return self.set_block(index, source.clone());
        }
        for sector in 0..SECTORS_PER_BLOCK {
            if mask & (1 << sector) != 0 {
                let range = sector * SECTOR_SIZE_BYTES..(sector + 1) * SECTOR_SIZE_BYTES;
                self.block_mut(index).bytes_mut()[range.clone()].copy_from_slice(&source.bytes()[range]);
            }
        }
    }

    fn clear_beyond(&mut self, size_bytes: u64) {
        self.punch(size_bytes, u64::MAX);
        self.blocks.truncate(to_index(size_bytes.div_ceil(BLOCK_SIZE_BYTES as u64)));
    }

    fn block_mut(&mut self, index: usize) -> &mut Block {
        let slot = self.slot(index);
        if let Block::Hole = slot {
            *slot = Block::Zeros;
            self.allocated_blocks += 1;
        }
        &mut self.blocks[index]
    }

    fn slot(&mut self, index: usize) -> &mut Block {
        if index >= self.blocks.len() {
            self.blocks.resize(index + 1, Block::Hole);
        }
        &mut self.blocks[index]
    }
}

/// The block that holds byte `offset`, and where in it.
pub(super) fn locate(offset: u64) -> (usize, usize) {
    let size = BLOCK_SIZE_BYTES as u64;
    (to_index(offset / size), to_index(offset % size))
}

fn to_index(value: u64) -> usize {
    usize::try_from(value).expect("callers keep within FILE_SIZE_BYTES_MAX")
}

//! From stored bytes to a page: everything an accessor relies on is proved here, once.

use crate::{
    bytes::Reader,
    error::DecodeError,
    extent::{ExtentKind, Pointer},
};

use super::{
    CELL_FLAG_OVERFLOW, FLAG_OWNS_OVERFLOW, FLAG_UNBOUNDED, KEY_BYTES_MAX, LEAF_CELL_HEADER_BYTES, LEVEL_MAX,
    OVERFLOW_FIRST_BYTES, PAGE_HEADER_BYTES, PAGE_MAGIC, PageView, SLOT_BYTES, VALUE_BYTES_MAX, head_of,
    prefix_bytes,
};

impl<'a> PageView<'a> {
    /// Proves stored bytes to be a page, with nothing but zeros behind it.
    ///
    /// Checked here: the page in itself. Whoever has the parent compares level, birth and fences with it.
    pub fn parse(stored: &'a [u8]) -> Result<Self, DecodeError> {
        let header = Header::decode(stored)?;
        let content_bytes = header.content_bytes();
        let Some((content, padding)) = stored.split_at_checked(content_bytes) else {
            let available = stored.len() as u64;
            return Err(DecodeError::Truncated { what: "page", needed: content_bytes as u64, available });
        };
        if padding.iter().any(|&byte| byte != 0) {
            return Err(DecodeError::ReservedNotZero { what: "page padding" });
        }
        check_fences(&header, content)?;
        let view = Self { bytes: content };
        check_cells(&header, view)?;
        Ok(view)
    }
}

struct Header {
    level: u8,
    flags: u8,
    slot_count: usize,
    prefix_bytes: usize,
    lower_fence_bytes: usize,
    upper_fence_bytes: usize,
    heap_bytes: usize,
    birth: u64,
}

impl Header {
    fn decode(stored: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("page", stored);
        let magic = reader.u32()?;
        if magic != PAGE_MAGIC {
            let (expected, found) = (PAGE_MAGIC.into(), magic.into());
            return Err(DecodeError::BadMagic { what: "page", expected, found });
        }
        let level = reader.u8()?;
        let flags = reader.u8()?;
        let slot_count = reader.u16()?.into();
        let prefix_bytes = reader.u16()?.into();
        let lower_fence_bytes = reader.u16()?.into();
        let upper_fence_bytes = reader.u16()?.into();
        reader.reserved(2)?;
        let heap_bytes = reader.u32()?;
        within("page heap_bytes", heap_bytes.into(), 0, u16::MAX.into())?;
        reader.reserved(4)?;
        let _partition = reader.u64()?;
        let birth = reader.u64()?;
        reader.reserved(24)?;
        within("page level", level.into(), 0, LEVEL_MAX.into())?;
        let known = FLAG_UNBOUNDED | FLAG_OWNS_OVERFLOW;
        within("page flags", (flags & !known).into(), 0, 0)?;
        Ok(Self {
            level,
            flags,
            slot_count,
            prefix_bytes,
            lower_fence_bytes,
            upper_fence_bytes,
            heap_bytes: heap_bytes as usize,
            birth,
        })
    }

    fn content_bytes(&self) -> usize {
        PAGE_HEADER_BYTES + self.slot_count * SLOT_BYTES + self.heap_bytes
    }

    fn fence_bytes(&self) -> usize {
        self.lower_fence_bytes + self.upper_fence_bytes
    }

    fn is_unbounded(&self) -> bool {
        self.flags & FLAG_UNBOUNDED != 0
    }
}

/// Proves that the fences lie in the heap, in order, and that the prefix is the one they imply.
fn check_fences(header: &Header, content: &[u8]) -> Result<(), DecodeError> {
    within("page fences", header.fence_bytes() as u64, 0, header.heap_bytes as u64)?;
    within("page lower fence", header.lower_fence_bytes as u64, 0, KEY_BYTES_MAX as u64)?;
    within("page upper fence", header.upper_fence_bytes as u64, 0, KEY_BYTES_MAX as u64)?;
    if header.is_unbounded() && header.upper_fence_bytes != 0 {
        return Err(not_canonical("an unbounded page has no upper fence"));
    }
    let fences = content.get(content.len() - header.fence_bytes()..).unwrap_or_default();
    let (upper, lower) = fences.split_at_checked(header.upper_fence_bytes).unwrap_or_default();
    let upper = (!header.is_unbounded()).then_some(upper);
    if upper.is_some_and(|upper| lower >= upper) {
        return Err(not_canonical("the lower fence is less than the upper one"));
    }
    if header.prefix_bytes != prefix_bytes(lower, upper) {
        return Err(not_canonical("the prefix is what the fences share"));
    }
    Ok(())
}

/// Proves that the cells fill the heap in slot order, and that their keys ascend within the fences.
fn check_cells(header: &Header, view: PageView<'_>) -> Result<(), DecodeError> {
    if header.level > 0 && header.slot_count == 0 {
        return Err(not_canonical("an inner page has a child"));
    }
    let mut end = header.fence_bytes();
    let mut owns_overflow = false;
    let mut previous: Option<&[u8]> = None;
    for slot in 0..header.slot_count {
        let offset = check_cell_place(header, view, slot, end)?;
        check_key(header, view, slot, previous)?;
        if header.level == 0 {
            owns_overflow |= check_leaf_cell(header, view, slot)?;
        } else {
            check_child(header, view, slot)?;
        }
        previous = Some(view.suffix(slot));
        end = offset;
    }
    if end != header.heap_bytes {
        return Err(not_canonical("cells fill the heap"));
    }
    if owns_overflow != (header.flags & FLAG_OWNS_OVERFLOW != 0) {
        return Err(not_canonical("the overflow flag tells of overflow cells"));
    }
    Ok(())
}

/// Proves that the slot's cell ends where the previous one starts; returns its own start.
fn check_cell_place(
    header: &Header,
    view: PageView<'_>,
    slot: usize,
    end: usize,
) -> Result<usize, DecodeError> {
    let (offset, key_bytes) = view.slot(slot);
    let cell_header_bytes = view.cell_header_bytes();
    let least = (end + cell_header_bytes + key_bytes) as u64;
    within("page cell offset", offset as u64, least, header.heap_bytes as u64)?;
    if offset - end != view.cell_bytes(slot) {
        return Err(not_canonical("cells lie side by side in slot order"));
    }
    Ok(offset)
}

fn check_key(
    header: &Header,
    view: PageView<'_>,
    slot: usize,
    previous: Option<&[u8]>,
) -> Result<(), DecodeError> {
    let suffix = view.suffix(slot);
    within("page key bytes", (header.prefix_bytes + suffix.len()) as u64, 0, KEY_BYTES_MAX as u64)?;
    if view.head(slot) != head_of(suffix) {
        return Err(not_canonical("a slot's head is the start of its key"));
    }
    if header.level > 0 && slot == 0 {
        return if suffix.is_empty() { Ok(()) } else { Err(not_canonical("the first child has no key")) };
    }
    if previous.is_some_and(|previous| previous >= suffix) {
        return Err(not_canonical("keys ascend"));
    }
    let lower = view.lower_fence().get(header.prefix_bytes..).unwrap_or_default();
    if suffix < lower || (header.level > 0 && suffix == lower) {
        return Err(not_canonical("keys are not below the lower fence"));
    }
    let upper = view.upper_fence().map(|upper| upper.get(header.prefix_bytes..).unwrap_or_default());
    if upper.is_some_and(|upper| suffix >= upper) {
        return Err(not_canonical("keys are below the upper fence"));
    }
    Ok(())
}

/// Proves a leaf cell's payload; returns whether it names an overflow extent.
fn check_leaf_cell(header: &Header, view: PageView<'_>, slot: usize) -> Result<bool, DecodeError> {
    let mut reader = Reader::new("leaf cell", view.cell(slot));
    let flags = reader.u8()?;
    within("leaf cell flags", flags.into(), 0, CELL_FLAG_OVERFLOW.into())?;
    if flags & CELL_FLAG_OVERFLOW == 0 {
        return Ok(false);
    }
    let (_, key_bytes) = view.slot(slot);
    reader.bytes(LEAF_CELL_HEADER_BYTES - 1 + key_bytes)?;
    let pointer = Pointer::decode(&reader.array()?)?;
    let value_bytes = reader.u32()?;
    within("overflow value bytes", value_bytes.into(), 1, VALUE_BYTES_MAX as u64)?;
    check_pointer(header, &pointer, pointer.kind == ExtentKind::Overflow)?;
    if u64::from(pointer.blocks) != u64::from(value_bytes).div_ceil(crate::BLOCK_SIZE_BYTES as u64) {
        return Err(not_canonical("an overflow extent is as long as its value"));
    }
    if reader.remaining() != OVERFLOW_FIRST_BYTES.min(value_bytes as usize) {
        return Err(not_canonical("an overflow cell repeats the value's first 64 bytes"));
    }
    Ok(true)
}

fn check_child(header: &Header, view: PageView<'_>, slot: usize) -> Result<(), DecodeError> {
    let pointer = Pointer::decode(view.child(slot))?;
    let fits = match pointer.kind {
        ExtentKind::Leaf | ExtentKind::LeafWithOverflow => header.level == 1,
        ExtentKind::Inner => header.level > 1,
        ExtentKind::Overflow | ExtentKind::Allocation => false,
    };
    check_pointer(header, &pointer, fits)
}

fn check_pointer(header: &Header, pointer: &Pointer, kind_fits: bool) -> Result<(), DecodeError> {
    if !kind_fits {
        return Err(not_canonical("a pointer's kind fits its place"));
    }
    within("child birth generation", pointer.birth, 0, header.birth)
}

fn not_canonical(rule: &'static str) -> DecodeError {
    DecodeError::NotCanonical { what: "page", rule }
}

fn within(field: &'static str, value: u64, minimum: u64, maximum: u64) -> Result<(), DecodeError> {
    if (minimum..=maximum).contains(&value) {
        Ok(())
    } else {
        Err(DecodeError::OutOfRange { field, value, minimum, maximum })
    }
}

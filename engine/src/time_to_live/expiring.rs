//! Finds the items of a partition that are expired.

use basalt_format::{
    DecodeError,
    time_to_live::{TimeToLiveKey, expiry_range},
};
use basalt_model::ItemRef;
use basalt_runtime::UnixTime;
use basalt_storage::{Direction, KeyRange, Stop, View};

use super::{Step, expiry_of};

/// Items that one entry removes: few enough not to keep the shard's other work waiting, enough to share a sync.
const ITEMS_PER_ENTRY_MAX: usize = 128;
/// Bytes of items that one entry removes: streams and indexes multiply them.
const BYTES_PER_ENTRY_MAX: usize = 1 << 20;
/// An expiry that lies further back was no time, and the item stays.
const EXPIRY_AGE_SECONDS_MAX: u64 = 5 * 366 * 86_400;

/// A row of the order of expiry whose time is over.
#[derive(Debug)]
pub(crate) struct ExpiredRow<'a> {
    /// The row's own key.
    pub(crate) key: Vec<u8>,
    /// The key of the item's row.
    pub(crate) item_key: Vec<u8>,
    /// The item; `None` if there is none that expires then, and the row is nobody's.
    pub(crate) item: Option<ItemRef<'a>>,
}

/// The next rows whose time is over, behind the row `passed`.
pub(crate) fn find_expired<'a>(
    attribute: &str,
    now: UnixTime,
    passed: Option<&[u8]>,
    view: &'a View<'_>,
) -> Result<Result<(Vec<ExpiredRow<'a>>, Step), DecodeError>, Stop> {
    let (start, end) = expired_keys(now);
    let whole = KeyRange::half_open(&start, &end);
    let rest = passed.map_or(whole, |key| whole.after(key, Direction::Forward));
    let mut cursor = view.cursor(rest, Direction::Forward);
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while rows.len() < ITEMS_PER_ENTRY_MAX && bytes < BYTES_PER_ENTRY_MAX {
        let Some((key, _row)) = cursor.next()? else { return Ok(Ok((rows, Step::Last))) };
        match expired_row(attribute, key, view)? {
            Ok(row) => {
                bytes += row.item.map_or(0, |item| item.as_bytes().len());
                rows.push(row);
            }
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(Ok((rows, Step::Some)))
}

/// The keys of expiries that are over, and not so long that they were none.
fn expired_keys(now: UnixTime) -> (Vec<u8>, Vec<u8>) {
    let seconds = now.as_secs();
    expiry_range(seconds.saturating_sub(EXPIRY_AGE_SECONDS_MAX), seconds)
}

fn expired_row<'a>(
    attribute: &str,
    key: &[u8],
    view: &'a View<'_>,
) -> Result<Result<ExpiredRow<'a>, DecodeError>, Stop> {
    let expiry = match TimeToLiveKey::decode(key) {
        Ok(expiry) => expiry,
        Err(reason) => return Ok(Err(reason)),
    };
    let item_key = expiry.item_key();
    let item = match view.get(&item_key)?.map(|row| ItemRef::new(row.value)).transpose() {
        Ok(item) => item,
        Err(reason) => return Ok(Err(reason)),
    };
    let expires_then = match item.map(|item| expiry_of(item, attribute)).transpose() {
        Ok(found) => found.flatten() == Some(expiry.expiry_unix_seconds),
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(Ok(ExpiredRow { key: key.to_vec(), item_key, item: item.filter(|_| expires_then) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_expired_when_its_second_is_over() {
        let now = UnixTime::from_micros(1_767_225_600_900_000);
        let (start, end) = expired_keys(now);
        let is_expired = |seconds: u64| {
            let key = TimeToLiveKey { expiry_unix_seconds: seconds, item_key_tail: b"k" }.encode();
            start <= key && key < end
        };
        assert!(is_expired(1_767_225_599));
        assert!(!is_expired(1_767_225_600));
        assert!(is_expired(1_767_225_600 - EXPIRY_AGE_SECONDS_MAX));
        assert!(!is_expired(1_767_225_600 - EXPIRY_AGE_SECONDS_MAX - 1));
        assert!(!is_expired(1_767_225));
    }
}

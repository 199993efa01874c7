//! Takes the items of a live table into the order of their expiry.

use basalt_format::{
    DecodeError,
    key_encoding::TAG_ITEM,
    time_to_live::{TIME_TO_LIVE_PROGRESS_KEY, TimeToLiveKey, TimeToLiveProgress},
};
use basalt_model::ItemRef;
use basalt_storage::{Direction, KeyRange, Stop, View, WriteBatch};

use super::{Step, expiry_of};
use crate::catalog::TimeToLive;

/// Items that one entry takes; the shard's other work waits for no more.
const ITEMS_PER_ENTRY_MAX: usize = 256;
/// Bytes of items that one entry looks at.
const BYTES_PER_ENTRY_MAX: usize = 1 << 20;

/// Takes the next items, and notes how far that came in the same entry.
pub(crate) fn fill_some(
    setting: &TimeToLive,
    view: &View<'_>,
    batch: &mut WriteBatch,
) -> Result<Result<Step, DecodeError>, Stop> {
    let passed = match progress(setting, view)? {
        Ok(Progress::Done) => return Ok(Ok(Step::Last)),
        Ok(Progress::Passed(key)) => key,
        Err(reason) => return Ok(Err(reason)),
    };
    let whole = KeyRange::half_open(&[TAG_ITEM], &[TAG_ITEM + 1]);
    let rest = passed.as_deref().map_or(whole, |key| whole.after(key, Direction::Forward));
    let mut cursor = view.cursor(rest, Direction::Forward);
    let (mut last_key, mut bytes) = (None, 0);
    for _ in 0..ITEMS_PER_ENTRY_MAX {
        let Some((key, row)) = cursor.next()? else {
            note(setting, None, batch);
            return Ok(Ok(Step::Last));
        };
        match ItemRef::new(row.value).and_then(|item| expiry_of(item, &setting.attribute)) {
            Ok(Some(expiry)) => batch.put(&TimeToLiveKey::of_item(key, expiry).encode(), []),
            Ok(None) => {}
            Err(reason) => return Ok(Err(reason)),
        }
        bytes += row.value.len();
        last_key = Some(key.to_vec());
        if bytes >= BYTES_PER_ENTRY_MAX {
            break;
        }
    }
    note(setting, last_key, batch);
    Ok(Ok(Step::Some))
}

enum Progress {
    /// Up to this key, included; none yet.
    Passed(Option<Vec<u8>>),
    Done,
}

fn progress(setting: &TimeToLive, view: &View<'_>) -> Result<Result<Progress, DecodeError>, Stop> {
    let Some(row) = view.get(&TIME_TO_LIVE_PROGRESS_KEY)? else { return Ok(Ok(Progress::Passed(None))) };
    Ok(TimeToLiveProgress::decode(row.value).map(|progress| {
        if progress.setting_unix_us != setting.enabled_unix_us {
            // Of an earlier setting: all begins anew.
            return Progress::Passed(None);
        }
        match progress.passed {
            Some(key) => Progress::Passed(Some(key)),
            None => Progress::Done,
        }
    }))
}

fn note(setting: &TimeToLive, passed: Option<Vec<u8>>, batch: &mut WriteBatch) {
    let progress = TimeToLiveProgress { setting_unix_us: setting.enabled_unix_us, passed };
    batch.put(&TIME_TO_LIVE_PROGRESS_KEY, progress.encode());
}

//! Clears the order of expiry when a table's items expire no more.

use basalt_format::time_to_live::{TIME_TO_LIVE_PROGRESS_KEY, all_expiries};
use basalt_storage::{Direction, KeyRange, Stop, View, WriteBatch};

use super::Step;

/// Rows that one entry removes.
const ROWS_PER_ENTRY_MAX: usize = 512;

/// Removes the next rows, and last of all how far they had been filled in.
pub(crate) fn clear_some(view: &View<'_>, batch: &mut WriteBatch) -> Result<Step, Stop> {
    let (start, end) = all_expiries();
    let mut cursor = view.cursor(KeyRange::half_open(&start, &end), Direction::Forward);
    for _ in 0..ROWS_PER_ENTRY_MAX {
        let Some((key, _row)) = cursor.next()? else {
            if view.get(&TIME_TO_LIVE_PROGRESS_KEY)?.is_some() {
                batch.delete(&TIME_TO_LIVE_PROGRESS_KEY);
            }
            return Ok(Step::Last);
        };
        batch.delete(key);
    }
    Ok(Step::Some)
}

//! Threads that wait for the engine.

use basalt_benches::engine_under_test::{
    ORDERED_TABLE, TABLE, item, key_item, ordered_partition, ordered_sort,
};
use basalt_engine::{
    BlockingEngine, Error, GetItem, PutItem,
    ScanDirection::Forward,
    model::SortCondition,
    runtime::{block_on, join_all},
};

use super::{first_byte, on_shards::count_to};
use crate::threads::{Asked, Ordered};

/// Items that are lent in one visit of the shard.
const VISIT_ITEMS: u64 = 4096;

impl Asked for BlockingEngine {
    fn get(&self, number: u64) -> Option<u8> {
        let answer = self.get_item(GetItem::new(TABLE, key_item(number))).expect("Basalt gets");
        answer.item.and_then(|item| first_byte(item.as_item()))
    }

    fn put(&self, number: u64, version: u64) {
        self.put_item(PutItem::new(TABLE, item(number, version))).expect("Basalt puts");
    }

    fn put_batch(&self, numbers: &[u64], version: u64) {
        let puts =
            numbers.iter().map(|&number| self.engine().put_item(PutItem::new(TABLE, item(number, version))));
        block_on(join_all(puts)).into_iter().for_each(|put| drop(put.expect("Basalt puts")));
    }
}

impl Ordered for BlockingEngine {
    fn range(&self, first: u64, limit: u64) -> u64 {
        let mut count = 0;
        while count < limit {
            let wanted = VISIT_ITEMS.min(limit - count);
            let seen = visit(self, first + count, wanted);
            count += seen;
            if seen < wanted {
                break;
            }
        }
        count
    }
}

/// Looks at items in one visit of their shard; how many there were.
fn visit(engine: &BlockingEngine, first: u64, limit: u64) -> u64 {
    let visited = engine.on_shard(ORDERED_TABLE, ordered_partition().into(), move |access| async move {
        let from = SortCondition::GreaterOrEqual(ordered_sort(first));
        let mut seen = 0;
        access.for_each(Some(&from), Forward, count_to(limit, &mut seen)).await?;
        Ok::<u64, Error>(seen)
    });
    visited.expect("the table is there").expect("Basalt walks")
}

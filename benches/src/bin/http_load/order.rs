//! Which items a run asks for, and in which order.

use std::ops::Range;

use basalt_benches::workload::Chance;

/// Gives out the numbers of items.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// Any item, as often as chance will have it.
    Random {
        /// How many there are.
        items: u64,
        /// The same for every run.
        chance: Chance,
    },
    /// Each item once, from the first to the last.
    Once {
        /// Those that are left.
        rest: Range<u64>,
    },
}

impl Order {
    /// Random ones of `items`, without an end.
    pub(crate) fn random(items: u64) -> Self {
        Order::Random { items, chance: Chance::new(items) }
    }

    /// Each of `items` once.
    pub(crate) fn once(items: u64) -> Self {
        Order::Once { rest: 0..items }
    }

    /// The next run of at most `count` items; empty at the end.
    pub(crate) fn next(&mut self, count: u64) -> Range<u64> {
        match self {
            Order::Random { items, chance } => {
                let first = chance.below(items.saturating_sub(count - 1).max(1));
                first..(first + count).min(*items)
            }
            Order::Once { rest } => {
                let run = rest.start..rest.end.min(rest.start + count);
                rest.start = run.end;
                run
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_visits_every_item_once() {
        let mut order = Order::once(60);
        let runs = std::iter::from_fn(|| Some(order.next(25)).filter(|run| !run.is_empty()));
        assert_eq!(runs.collect::<Vec<_>>(), [0..25, 25..50, 50..60]);
    }

    #[test]
    fn random_runs_stay_among_the_items() {
        let mut order = Order::random(30);
        for _ in 0..1000 {
            let run = order.next(25);
            assert!(run.end <= 30 && run.end - run.start == 25, "{run:?}");
        }
        assert_eq!(Order::random(3).next(25), 0..3);
    }
}

//! Finds the engine's part on the current shard.
//!
//! A message to a shard may carry only what can cross threads, so it names an engine and finds that engine's
//! part here, on the thread that it arrives on. One thread may run several shards (simulation) and several
//! engines (tests), hence the two-part name. Nothing else in the engine is thread-local.
//!
//! The registry keeps nothing alive: a shard's own task does, and when that ends, or its executor is dropped by a
//! simulated crash, the entry is dead and goes at the next registration.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    sync::atomic::{AtomicU64, Ordering},
};

use basalt_runtime::ShardIndex;

use super::{LocalEngine, ShardState};

/// One engine of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EngineNumber(u64);

impl EngineNumber {
    /// A number no other engine of this process has.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

struct Registered {
    engine: EngineNumber,
    shard: ShardIndex,
    state: Weak<ShardState>,
}

thread_local! {
    static REGISTERED: RefCell<Vec<Registered>> = const { RefCell::new(Vec::new()) };
}

/// Makes `local` findable as the part of `engine` on `shard`, which this thread runs.
pub(super) fn register(engine: EngineNumber, shard: ShardIndex, local: &LocalEngine) {
    REGISTERED.with_borrow_mut(|all| {
        all.retain(|one| one.state.strong_count() > 0);
        assert!(
            !all.iter().any(|one| one.engine == engine && one.shard == shard),
            "a shard is registered once"
        );
        all.push(Registered { engine, shard, state: Rc::downgrade(&local.state) });
    });
}

/// The part of `engine` on `shard`, if this thread runs it and it has not ended.
pub(super) fn find(engine: EngineNumber, shard: ShardIndex) -> Option<LocalEngine> {
    REGISTERED.with_borrow(|all| {
        let found = all.iter().find(|one| one.engine == engine && one.shard == shard)?;
        Some(LocalEngine { state: found.state.upgrade()? })
    })
}

//! Which shard the present thread is working for.
//!
//! Set for as long as an executor runs on the thread. A simulation runs the executors of many shards on one thread, in
//! turns; a waker or a timer then asks here whether it is at home.

use std::cell::RefCell;
use std::rc::Rc;

use crate::core::Core;
use crate::ids::ShardIndex;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
}

/// The shard whose task or job is running on this thread, if any.
pub fn current_shard() -> Option<ShardIndex> {
    with(|core| core.map(Core::shard))
}

/// Calls `f` with the executor that runs on this thread.
pub(crate) fn with<R>(f: impl FnOnce(Option<&Core>) -> R) -> R {
    let core = CURRENT.try_with(|current| current.borrow().clone()).ok().flatten();
    f(core.as_deref())
}

/// Makes `core` the thread's executor until the guard goes.
pub(crate) fn enter(core: Rc<Core>) -> Entered {
    Entered { previous: CURRENT.with(|current| current.replace(Some(core))) }
}

pub(crate) struct Entered {
    previous: Option<Rc<Core>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with(|current| current.replace(self.previous.take()));
    }
}

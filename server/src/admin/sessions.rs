//! Snapshots that clients read, each kept until its client ends it or is not heard of for a minute.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use basalt_engine::Snapshot;
use basalt_engine::runtime::{Handle, MonotonicTime};

/// A client that is silent for so long is gone, and what its snapshot keeps is given back.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// The snapshots that there are, by the name that their client knows.
#[derive(Default)]
pub(super) struct Sessions {
    open: RefCell<BTreeMap<String, Session>>,
}

struct Session {
    snapshot: Rc<Snapshot>,
    last_used: MonotonicTime,
}

impl Sessions {
    pub(super) fn begin(&self, name: String, snapshot: Snapshot, now: MonotonicTime) {
        let session = Session { snapshot: Rc::new(snapshot), last_used: now };
        self.open.borrow_mut().insert(name, session);
    }

    /// The snapshot of this name, which is used at the moment.
    pub(super) fn used(&self, name: &str, now: MonotonicTime) -> Option<Rc<Snapshot>> {
        let mut open = self.open.borrow_mut();
        let session = open.get_mut(name)?;
        session.last_used = now;
        Some(Rc::clone(&session.snapshot))
    }

    /// Gives a snapshot back; `None` if there is none of this name.
    pub(super) fn end(&self, name: &str) -> Option<()> {
        self.open.borrow_mut().remove(name).map(|_ended| ())
    }

    pub(super) async fn sweep_forever(&self, handle: &Handle) {
        loop {
            handle.sleep(SWEEP_EVERY).await;
            let now = handle.now();
            self.open.borrow_mut().retain(|name, session| {
                let is_heard_of = session.last_used + SILENCE_MAX > now;
                if !is_heard_of {
                    tracing::warn!(snapshot = name, "nobody reads a snapshot any more: it is given up");
                }
                is_heard_of
            });
        }
    }
}

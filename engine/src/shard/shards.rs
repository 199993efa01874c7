//! All shards of one engine as any thread sees them: where to send work, and the newest catalog.
//!
//! Shared between threads without locks: the senders are the runtime's queues, the catalog is swapped whole.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    task::{Context, Poll, Waker},
};

use arc_swap::ArcSwap;
use basalt_runtime::{Handle, Remote, ShardIndex, current_shard, remote};

use super::{
    LocalEngine,
    registry::{self, EngineNumber},
};
use crate::{catalog::Catalog, error::Error, options::EngineOptions};

/// The shards of one engine.
pub(crate) struct Shards {
    number: EngineNumber,
    remotes: Box<[Remote]>,
    /// What threads that are no shard choose a shard by. A stale one costs a hop, nothing else.
    catalog: ArcSwap<Catalog>,
    /// Spreads the requests of other threads that belong to no shard in particular.
    next_turn: AtomicU16,
    pub(crate) options: EngineOptions,
}

impl Shards {
    /// `remotes` are the shards in their order, at least one.
    pub(crate) fn new(remotes: Box<[Remote]>, options: EngineOptions) -> Self {
        assert!(!remotes.is_empty(), "an engine has a shard");
        Self {
            number: EngineNumber::next(),
            remotes,
            catalog: ArcSwap::default(),
            next_turn: AtomicU16::new(0),
            options,
        }
    }

    pub(crate) fn number(&self) -> EngineNumber {
        self.number
    }

    pub(crate) fn remotes(&self) -> &[Remote] {
        &self.remotes
    }

    pub(crate) fn count(&self) -> u16 {
        u16::try_from(self.remotes.len()).expect("the options bound the shard count")
    }

    pub(crate) fn indexes(&self) -> impl Iterator<Item = ShardIndex> + use<> {
        (0..self.count()).map(ShardIndex)
    }

    /// The newest catalog that every shard has.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// Makes a catalog that every shard has known to all threads.
    pub(crate) fn publish(&self, catalog: Arc<Catalog>) {
        self.catalog.store(catalog);
    }

    /// This engine's part on the shard whose task or job is running now, if it is one of this engine's.
    pub(crate) fn local(&self) -> Option<LocalEngine> {
        registry::find(self.number, current_shard()?)
    }

    /// The shard that the caller runs on, or the next in turn for a caller that runs on none.
    pub(crate) fn near(&self) -> ShardIndex {
        match self.local() {
            Some(local) => local.shard(),
            None => ShardIndex(self.next_turn.fetch_add(1, Ordering::Relaxed) % self.count()),
        }
    }

    /// Runs `work` as a task of shard `target` and brings its result back, whichever thread asks.
    ///
    /// The work goes on when the caller gives up waiting.
    pub(crate) async fn run<T, W, F>(&self, target: ShardIndex, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(LocalEngine) -> F + Send + 'static,
        F: Future<Output = Result<T, Error>> + 'static,
    {
        let number = self.number;
        self.run_with_handle(target, move |handle| async move {
            let local = registry::find(number, handle.shard()).ok_or(Error::Closed)?;
            let _admitted = local.admit()?;
            work(local).await
        })
        .await
    }

    /// Has `work` done on shard `target`, unless that has no room for messages now or has ended.
    pub(crate) fn tell(&self, target: ShardIndex, work: impl FnOnce(LocalEngine) + Send + 'static) {
        let number = self.number;
        let target = self.remotes.get(target.as_usize()).expect("shards are numbered below their count");
        let _untold = target.try_send(Box::new(move |handle| {
            if let Some(local) = registry::find(number, handle.shard()) {
                work(local);
            }
        }));
    }

    /// As [`Shards::run`], for work that is part of operations which have been admitted.
    pub(super) async fn run_admitted<T, W, F>(&self, target: ShardIndex, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(LocalEngine) -> F + Send + 'static,
        F: Future<Output = Result<T, Error>> + 'static,
    {
        let number = self.number;
        self.run_with_handle(target, move |handle| async move {
            let local = registry::find(number, handle.shard()).ok_or(Error::Closed)?;
            work(local).await
        })
        .await
    }

    /// As [`Shards::run`], for work that does not need the engine's part there: the start makes it.
    pub(super) async fn run_with_handle<T, W, F>(&self, target: ShardIndex, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(Handle) -> F + Send + 'static,
        F: Future<Output = Result<T, Error>> + 'static,
    {
        let (reply, answer) = remote::oneshot();
        let job = Box::new(move |handle: &Handle| {
            let mut running = Box::pin(work(handle.clone()));
            // Most reads end without waiting: they need no task. What waits looks again as soon as it is one, so
            // nobody has to call it before.
            let ended = match handle.budget_is_spent() {
                false => running.as_mut().poll(&mut Context::from_waker(Waker::noop())),
                true => Poll::Pending,
            };
            // Nobody may be waiting any more; the work was to be done all the same.
            match ended {
                Poll::Ready(result) => drop(reply.send(result)),
                Poll::Pending => handle.spawn(async move { drop(reply.send(running.await)) }).detach(),
            }
        });
        let target = self.remotes.get(target.as_usize()).expect("shards are numbered below their count");
        target.send(job).await.map_err(|_ended| Error::Closed)?;
        // A shard that ends drops the reply's sender.
        answer.await.map_err(|_ended| Error::Closed)?
    }
}

//! Runs a body on one shard of every backend that this machine has.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use basalt_runtime::{Handle, IoChoice, ShardContext, ShardSet, ShardSetOptions};

/// What a test body starts with.
pub(crate) struct Bench {
    pub(crate) handle: Handle,
    /// An empty directory.
    pub(crate) directory: PathBuf,
    /// Which backend, for messages.
    pub(crate) backend: &'static str,
}

/// Runs `body` on a shard of each backend, one after the other.
pub(crate) fn on_every_backend<F: Future<Output = ()> + 'static>(
    body: impl Fn(Bench) -> F + Send + Sync + Clone + 'static,
) {
    for options in every_backend() {
        on_backend(options, body.clone());
    }
}

/// Runs `body` on one shard.
pub(crate) fn on_backend<F: Future<Output = ()> + 'static>(
    options: ShardSetOptions,
    body: impl Fn(Bench) -> F + Send + Sync + 'static,
) {
    let place = tempfile::tempdir().expect("a temporary directory");
    let directory = if options.in_memory { PathBuf::from("/data") } else { place.path().to_owned() };
    let (done, finished) = mpsc::channel();
    let set = ShardSet::start(options, move |context: ShardContext| {
        let bench = Bench {
            backend: context.handle.backend().name(),
            handle: context.handle,
            directory: directory.clone(),
        };
        let body = body(bench);
        let done = done.clone();
        Box::pin(async move {
            body.await;
            done.send(()).expect("the test waits");
        })
    });
    set.expect("the backend starts").join();
    finished.recv().expect("the body has run to its end");
}

/// The backends of this machine.
pub(crate) fn every_backend() -> Vec<ShardSetOptions> {
    let portable = ShardSetOptions { io: IoChoice::Portable, ..ShardSetOptions::default() };
    let in_memory = ShardSetOptions { in_memory: true, ..ShardSetOptions::default() };
    let uring = ShardSetOptions { io: IoChoice::Uring, ..ShardSetOptions::default() };

    vec![portable, in_memory, uring]
}

/// Makes the test's directory, which on disk is there already.
pub(crate) async fn prepare(bench: &Bench) -> PathBuf {
    bench.handle.create_directory_all(&bench.directory).await.expect("the directory can be made");
    Path::to_owned(&bench.directory)
}

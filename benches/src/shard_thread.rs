//! One shard on a thread of its own, with a state that measurements are run on, one after another.

use std::{any::Any, cell::RefCell, future::Future, marker::PhantomData, path::PathBuf};

use basalt_runtime::{Handle, IoChoice, ShardIndex, ShardSet, ShardSetOptions, remote};

/// Bytes that files in memory may hold together.
const MEMORY_FILES_BYTES_MAX: usize = 4 << 30;

/// Where a shard keeps its files.
#[derive(Debug, Clone)]
pub enum FilePlace {
    /// In memory: what is measured is processor time.
    Memory,
    /// In this directory: what is measured is the device too.
    Directory(PathBuf),
}

impl FilePlace {
    /// The directory, which in memory is a name like any other.
    pub fn directory(&self) -> PathBuf {
        match self {
            FilePlace::Memory => PathBuf::from("/data"),
            FilePlace::Directory(directory) => directory.clone(),
        }
    }
}

thread_local! {
    /// The state of the shard that runs on this thread, and what ends it.
    static STATE: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
    static ENDING: RefCell<Option<remote::Sender<()>>> = const { RefCell::new(None) };
}

/// A running shard whose state is an `S`. Ends with this handle.
pub struct ShardThread<S> {
    set: Option<ShardSet>,
    state: PhantomData<fn() -> S>,
}

impl<S: Clone + 'static> ShardThread<S> {
    /// Starts a shard and makes its state on it.
    pub fn start<F>(place: &FilePlace, make: impl FnOnce(Handle, PathBuf) -> F + Send + 'static) -> Self
    where
        F: Future<Output = S> + 'static,
    {
        let options = ShardSetOptions {
            shard_count: 1,
            io: IoChoice::Auto,
            in_memory: matches!(place, FilePlace::Memory),
            in_memory_bytes_max: MEMORY_FILES_BYTES_MAX,
            pin: false,
        };
        let set = ShardSet::start(options, |_context| {
            let (ending, ended) = remote::oneshot();
            ENDING.set(Some(ending));
            Box::pin(async move { ended.await.expect("the ending is kept until it is used") })
        });
        let set = set.expect("a shard can be started");
        let directory = place.directory();
        wait_for(&set, move |handle| async move {
            let state = make(handle, directory).await;
            STATE.set(Some(Box::new(state)));
        });
        Self { set: Some(set), state: PhantomData }
    }

    /// Runs `work` on the shard and waits for its result.
    pub fn run<T, F>(&self, work: impl FnOnce(S) -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let set = self.set.as_ref().expect("it runs until it is dropped");
        wait_for(set, move |_handle| {
            let state = STATE
                .with_borrow(|state| state.as_ref().and_then(|state| state.downcast_ref::<S>()).cloned());
            work(state.expect("it was made at the start"))
        })
    }
}

impl<S> Drop for ShardThread<S> {
    fn drop(&mut self) {
        let Some(set) = self.set.take() else { return };
        wait_for(&set, |_handle| async {
            drop(STATE.take());
            let ending = ENDING.take().expect("a shard ends once");
            ending.send(()).expect("the shard waits for its ending");
        });
        set.join();
    }
}

fn wait_for<T, F>(set: &ShardSet, work: impl FnOnce(Handle) -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let (reply, answer) = remote::oneshot();
    let job = Box::new(move |handle: &Handle| {
        let running = work(handle.clone());
        let task = handle.spawn(async move {
            let _the_caller_waits = reply.send(running.await);
        });
        task.detach();
    });
    assert!(set.remote(ShardIndex(0)).try_send(job).is_ok(), "one job at a time finds room");
    answer.recv_blocking().expect("the shard answers")
}

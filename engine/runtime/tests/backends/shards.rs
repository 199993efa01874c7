//! Tasks, timers, and jobs between shards.

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "outsiders are ordinary threads")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{every_backend, on_every_backend, prepare};
use basalt_runtime::remote::{self, block_on};
use basalt_runtime::{
    AlignedBuffer, Handle, OpenOptions, Remote, SendError, ShardIndex, ShardSet, ShardSetOptions, join_all,
    timeout,
};

#[test]
fn tasks_run_in_the_order_in_which_they_were_spawned() {
    on_every_backend(|bench| async move {
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks = (0..100).map(|number| {
            let (order, handle) = (Rc::clone(&order), bench.handle.clone());
            bench.handle.spawn(async move {
                order.borrow_mut().push(number);
                handle.yield_now().await;
                order.borrow_mut().push(100 + number);
                number * 2
            })
        });
        let results = join_all(tasks).await;
        assert_eq!(results, (0..100).map(|number| number * 2).collect::<Vec<_>>());
        assert_eq!(*order.borrow(), (0..200).collect::<Vec<_>>());
    });
}

#[test]
fn an_aborted_task_is_dropped_and_a_detached_one_runs_on() {
    on_every_backend(|bench| async move {
        let handle = &bench.handle;
        let (kept, gone) = basalt_runtime::local::oneshot::<()>();
        let aborted = handle.spawn(async move {
            let _kept = kept;
            std::future::pending::<()>().await;
        });
        handle.yield_now().await;
        aborted.abort();
        assert!(gone.await.is_err(), "what the task held is dropped");
        let (sender, receiver) = basalt_runtime::local::oneshot();
        handle.spawn(async move { sender.send(5) }).detach();
        assert_eq!(receiver.await, Ok(5));
        assert_eq!(handle.live_tasks(), 1, "only this one is left");
    });
}

#[test]
fn timers_fire_in_order_and_not_early() {
    on_every_backend(|bench| async move {
        let fired = Rc::new(RefCell::new(Vec::new()));
        let began = bench.handle.now();
        let tasks = [7, 1, 4, 1].into_iter().enumerate().map(|(number, milliseconds)| {
            let (fired, handle) = (Rc::clone(&fired), bench.handle.clone());
            let sleep = handle.sleep(Duration::from_millis(milliseconds));
            bench.handle.spawn(async move {
                sleep.await;
                assert!(handle.now() - began >= Duration::from_millis(milliseconds));
                fired.borrow_mut().push(number);
            })
        });
        join_all(tasks.collect::<Vec<_>>()).await;
        assert_eq!(*fired.borrow(), [1, 3, 2, 0]);
    });
}

#[test]
fn a_sleep_can_be_sent_and_shared() {
    fn check<T: Send + Sync>() {}
    check::<basalt_runtime::Sleep>();
    check::<Remote>();
    check::<basalt_runtime::DetachedStream>();
}

#[test]
fn a_dropped_operation_ends_without_its_waiter() {
    on_every_backend(|bench| async move {
        let directory = prepare(&bench).await;
        let options = OpenOptions::new().read(true).write(true).create(true);
        for number in 0..50 {
            let path = directory.join(format!("file-{}", number % 7));
            // Dropped before its first poll, after it, or not at all.
            let opening = timeout(&bench.handle, Duration::from_nanos(number % 3), async {
                let file = bench.handle.open_file(&path, options).await.unwrap();
                file.write_at(AlignedBuffer::zeroed(4096), 0).await.0.unwrap();
            });
            opening.await;
        }
        let file = bench.handle.open_file(&directory.join("file-0"), options).await.unwrap();
        assert!(file.size_bytes().await.unwrap() <= 4096);
    });
}

/// Starts shards that live until the returned function is called.
fn waiting_shards(options: ShardSetOptions) -> (ShardSet, impl FnOnce()) {
    let (stops, stopped): (Vec<_>, Vec<_>) =
        (0..options.shard_count).map(|_| remote::oneshot::<()>()).unzip();
    let stopped = std::sync::Mutex::new(stopped.into_iter().map(Some).collect::<Vec<_>>());
    let set = ShardSet::start(options, move |context| {
        let stop = stopped.lock().unwrap()[context.handle.shard().as_usize()].take().unwrap();
        Box::pin(async move { stop.await.unwrap() })
    });
    (set.unwrap(), move || stops.into_iter().for_each(|stop| stop.send(()).unwrap()))
}

fn call<T: Send + 'static>(
    remote: &Remote,
    f: impl FnOnce(&Handle) -> T + Send + 'static,
) -> remote::Receiver<T> {
    let (reply, answer) = remote::oneshot();
    let job = move |handle: &Handle| drop(reply.send(f(handle)));
    block_on(remote.send(Box::new(job))).unwrap();
    answer
}

#[test]
fn outsiders_are_answered_by_sleeping_shards() {
    for options in every_backend() {
        let (set, stop) = waiting_shards(ShardSetOptions { shard_count: 2, ..options });
        for round in 0..200_u64 {
            let shard = ShardIndex((round % 2) as u16);
            let answer = call(&set.remote(shard), move |handle| (handle.shard(), round));
            assert_eq!(answer.recv_blocking(), Ok((shard, round)));
        }
        stop();
        set.join();
    }
}

#[test]
fn many_threads_send_more_than_fits_and_all_arrives() {
    const THREADS: usize = 4;
    const JOBS: usize = 5000;
    for options in every_backend() {
        let (set, stop) = waiting_shards(options);
        let count = Arc::new(AtomicUsize::new(0));
        let senders = (0..THREADS).map(|_| {
            let (remote, count) = (set.remote(ShardIndex(0)), Arc::clone(&count));
            thread::spawn(move || {
                for _ in 0..JOBS {
                    let count = Arc::clone(&count);
                    let job = move |_: &Handle| {
                        count.fetch_add(1, Ordering::Relaxed);
                    };
                    block_on(remote.send(Box::new(job))).unwrap();
                }
            })
        });
        senders.collect::<Vec<_>>().into_iter().for_each(|sender| sender.join().unwrap());
        call(&set.remote(ShardIndex(0)), |_| ()).recv_blocking().unwrap();
        assert_eq!(count.load(Ordering::Relaxed), THREADS * JOBS);
        stop();
        set.join();
    }
}

#[test]
fn two_shards_play_ping_pong() {
    const ROUNDS: u32 = 2000;
    for options in every_backend() {
        let set = ShardSet::start(ShardSetOptions { shard_count: 2, ..options }, |context| {
            Box::pin(async move {
                let other = &context.remotes[1 - context.handle.shard().as_usize()];
                for round in 0..ROUNDS {
                    let (reply, answer) = remote::oneshot();
                    let job = move |_: &Handle| reply.send(round).unwrap();
                    other.send(Box::new(job)).await.unwrap();
                    assert_eq!(answer.await, Ok(round));
                }
                FINISHED.with(|finished| finished.set(true));
                // The other may still need this shard, until it says that it does not, or has ended.
                let (reply, answer) = remote::oneshot();
                drop(other.send(Box::new(move |handle: &Handle| wait_for_finish(handle, reply))).await);
                answer.await.ok();
            })
        });
        set.unwrap().join();
    }
}

thread_local! {
    static FINISHED: Cell<bool> = const { Cell::new(false) };
}

fn wait_for_finish(handle: &Handle, reply: remote::Sender<()>) {
    let task_handle = handle.clone();
    handle
        .spawn(async move {
            while !FINISHED.with(Cell::get) {
                task_handle.sleep(Duration::from_micros(50)).await;
            }
            reply.send(()).ok();
        })
        .detach();
}

#[test]
fn an_ended_shard_refuses_jobs_and_drops_their_replies() {
    for options in every_backend() {
        let (set, stop) = waiting_shards(options);
        let remote = set.remote(ShardIndex(0));
        stop();
        set.join();
        let (reply, answer) = remote::oneshot::<()>();
        let refused = remote.try_send(Box::new(move |_| reply.send(()).unwrap()));
        assert!(matches!(&refused, Err(SendError::Closed(_))));
        drop(refused);
        assert!(answer.recv_blocking().is_err());
    }
}

#[test]
fn a_task_is_woken_from_other_threads() {
    on_every_backend(|bench| async move {
        for _ in 0..200 {
            let (sender, receiver) = remote::oneshot();
            let helper = thread::spawn(move || sender.send(1).unwrap());
            assert_eq!(receiver.await, Ok(1));
            helper.join().unwrap();
        }
        bench.handle.yield_now().await;
    });
}

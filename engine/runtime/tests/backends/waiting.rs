//! How tasks of one shard wait for each other: turns are kept, and a dropped waiter gives its turn on.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::support::on_backend;
use basalt_runtime::local::{Event, Semaphore, WaitQueue, oneshot};
use basalt_runtime::{Handle, ShardSetOptions, Task, join_all, timeout};

fn in_memory() -> ShardSetOptions {
    ShardSetOptions { in_memory: true, ..ShardSetOptions::default() }
}

/// Lets every ready task run until it waits.
async fn settle(handle: &Handle) {
    for _ in 0..5 {
        handle.yield_now().await;
    }
}

#[test]
fn waiters_are_called_in_turn() {
    on_backend(in_memory(), |bench| async move {
        let queue = WaitQueue::new();
        let called = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<Task<()>> = (0..3)
            .map(|number| {
                let (turn, called) = (queue.join(), Rc::clone(&called));
                bench.handle.spawn(async move {
                    turn.await;
                    called.borrow_mut().push(number);
                })
            })
            .collect();
        settle(&bench.handle).await;
        assert_eq!(queue.len(), 3);
        assert!(queue.call_one());
        settle(&bench.handle).await;
        assert_eq!(*called.borrow(), [0]);
        queue.call_all();
        join_all(tasks).await;
        assert_eq!(*called.borrow(), [0, 1, 2]);
        assert!(!queue.call_one());
    });
}

#[test]
fn a_turn_that_is_dropped_after_its_call_goes_to_the_next() {
    on_backend(in_memory(), |_| async move {
        let queue = WaitQueue::new();
        let (first, second) = (queue.join(), queue.join());
        queue.call_one();
        drop(first);
        second.await;
    });
}

#[test]
fn an_event_wakes_those_who_wait_and_is_not_stored() {
    on_backend(in_memory(), |bench| async move {
        let event = Event::new();
        event.notify_all();
        let missed = timeout(&bench.handle, Duration::from_millis(1), event.notified()).await;
        assert!(missed.is_none(), "an event before the wait is none");
        let waiting = event.notified();
        event.notify_all();
        waiting.await;
        assert_eq!(event.count(), 2);
    });
}

#[test]
fn a_condition_is_looked_at_after_each_event() {
    on_backend(in_memory(), |bench| async move {
        let (event, value) = (Event::new(), Rc::new(RefCell::new(0)));
        let (telling, changing) = (event.clone(), Rc::clone(&value));
        let handle = bench.handle.clone();
        let changer = bench.handle.spawn(async move {
            for _ in 0..5 {
                *changing.borrow_mut() += 1;
                telling.notify_all();
                handle.yield_now().await;
            }
        });
        event.wait_until(|| *value.borrow() >= 4).await;
        assert!(*value.borrow() >= 4);
        changer.await;
    });
}

#[test]
fn a_value_reaches_its_receiver_or_comes_back() {
    on_backend(in_memory(), |_| async move {
        let (sender, receiver) = oneshot();
        sender.send("value").unwrap();
        assert_eq!(receiver.await, Ok("value"));
        let (sender, receiver) = oneshot::<()>();
        drop(sender);
        assert!(receiver.await.is_err());
        let (sender, receiver) = oneshot();
        drop(receiver);
        assert!(sender.is_closed());
        assert_eq!(sender.send("back"), Err("back"));
    });
}

#[test]
fn who_wants_many_permits_is_not_overtaken() {
    on_backend(in_memory(), |bench| async move {
        let semaphore = Semaphore::new(3);
        let one = semaphore.try_acquire(1).unwrap();
        let many = semaphore.acquire(3);
        assert!(semaphore.try_acquire(1).is_none(), "two are free, and somebody waits");
        let later = semaphore.acquire(1);
        assert_eq!(semaphore.waiting(), 2);
        drop(one);
        let many = timeout(&bench.handle, Duration::from_secs(10), many).await.expect("its turn has come");
        assert_eq!((many.count(), semaphore.available()), (3, 0));
        drop(many);
        later.await.forget();
        assert_eq!(semaphore.available(), 2);
    });
}

#[test]
fn an_abandoned_acquisition_gives_its_permits_back() {
    on_backend(in_memory(), |_| async move {
        let semaphore = Semaphore::new(2);
        let held = semaphore.acquire(2).await;
        let (abandoned, waiting) = (semaphore.acquire(2), semaphore.acquire(1));
        drop(held);
        drop(abandoned);
        assert_eq!(waiting.await.count(), 1);
        assert_eq!(semaphore.available(), 2);
    });
}

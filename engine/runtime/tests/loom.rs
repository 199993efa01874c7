//! Every interleaving of the three places where threads meet without a lock: the sleep/wake flag of a shard, the
//! senders that wait for room in its mailbox, and the flag that keeps a task from being queued twice.
//!
//! Method: loom runs each model under all schedules that its memory model allows; a lost wake is a deadlock, which
//! loom reports. The queues are modelled by relaxed atomics, weaker than any real queue, so that nothing but the
//! protocol itself can order the two sides. The same models without the fences, or with a store in place of the swap,
//! must fail: that is how we know that these tests can.
//!
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p basalt-runtime --test loom --release`
#![cfg(loom)]

use std::sync::atomic::Ordering;
use std::task::{Wake, Waker};

use basalt_runtime::queued_flag::QueuedFlag;
use basalt_runtime::room::RoomWaiters;
use basalt_runtime::sleep::SleepFlag;
use loom::sync::atomic::{AtomicBool, AtomicUsize};
use loom::sync::{Arc, Notify};
use loom::thread;

/// A shard that sleeps until `messages` have arrived, and its senders' view of it.
struct Shard {
    flag: SleepFlag,
    arrived: AtomicUsize,
    event: Notify,
}

impl Shard {
    fn new() -> Arc<Shard> {
        Arc::new(Shard { flag: SleepFlag::new(), arrived: AtomicUsize::new(0), event: Notify::new() })
    }

    fn send(&self) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        if self.flag.must_wake() {
            self.event.notify();
        }
    }

    fn receive(&self, messages: usize) {
        let all_here = || self.arrived.load(Ordering::Relaxed) == messages;
        while !all_here() {
            self.flag.prepare_to_sleep();
            if !all_here() {
                self.event.wait();
            }
            self.flag.awake();
        }
    }
}

#[test]
fn a_message_never_waits_for_a_sleeping_shard() {
    loom::model(|| {
        let shard = Shard::new();
        let sender = Arc::clone(&shard);
        let sending = thread::spawn(move || sender.send());
        shard.receive(1);
        sending.join().unwrap();
    });
}

#[test]
fn two_senders_wake_one_shard() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let shard = Shard::new();
        let senders = [Arc::clone(&shard), Arc::clone(&shard)];
        let sending = senders.map(|sender| thread::spawn(move || sender.send()));
        shard.receive(2);
        sending.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
#[should_panic(expected = "each missed the other")]
fn without_fences_a_wake_is_lost() {
    loom::model(|| {
        let (arrived, sleeping) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let sender = (Arc::clone(&arrived), Arc::clone(&sleeping));
        let sending = thread::spawn(move || {
            let (arrived, sleeping) = sender;
            arrived.store(true, Ordering::Relaxed);
            sleeping.load(Ordering::Relaxed)
        });
        sleeping.store(true, Ordering::Relaxed);
        let saw_message = arrived.load(Ordering::Relaxed);
        let saw_sleeper = sending.join().unwrap();
        assert!(saw_message || saw_sleeper, "each missed the other");
    });
}

struct NotifyWaker(Notify);

impl Wake for NotifyWaker {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.notify();
    }
}

#[test]
fn a_sender_never_waits_when_there_is_room() {
    loom::model(|| {
        let room = Arc::new(AtomicBool::new(false));
        let waiters = Arc::new(RoomWaiters::new());
        let receiver = (Arc::clone(&room), Arc::clone(&waiters));
        let receiving = thread::spawn(move || {
            let (room, waiters) = receiver;
            room.store(true, Ordering::Relaxed);
            waiters.wake_all();
        });
        if !room.load(Ordering::Relaxed) {
            let event = std::sync::Arc::new(NotifyWaker(Notify::new()));
            waiters.register(Waker::from(std::sync::Arc::clone(&event)));
            if !room.load(Ordering::Relaxed) {
                event.0.wait();
            }
        }
        receiving.join().unwrap();
    });
}

/// A task that waits for `ready`, and the shard's queue of one.
struct Task {
    flag: QueuedFlag,
    ready: AtomicBool,
    requeued: Notify,
}

#[test]
fn a_poll_sees_what_its_waker_did() {
    loom::model(|| {
        let ready = AtomicBool::new(false);
        let task = Arc::new(Task { flag: QueuedFlag::new_queued(), ready, requeued: Notify::new() });
        let waker = Arc::clone(&task);
        let waking = thread::spawn(move || {
            waker.ready.store(true, Ordering::Relaxed);
            if waker.flag.mark() {
                waker.requeued.notify();
            }
        });
        task.flag.begin_poll();
        while !task.ready.load(Ordering::Relaxed) {
            task.requeued.wait();
            task.flag.begin_poll();
        }
        waking.join().unwrap();
    });
}

#[test]
#[should_panic(expected = "nobody polls again")]
fn a_plain_store_before_the_poll_loses_a_wake() {
    loom::model(|| {
        let (queued, ready) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let waker = (Arc::clone(&queued), Arc::clone(&ready));
        let waking = thread::spawn(move || {
            let (queued, ready) = waker;
            ready.store(true, Ordering::Relaxed);
            !queued.swap(true, Ordering::AcqRel)
        });
        queued.store(false, Ordering::Release);
        let poll_saw_it = ready.load(Ordering::Relaxed);
        let requeued = waking.join().unwrap();
        assert!(poll_saw_it || requeued, "nobody polls again");
    });
}

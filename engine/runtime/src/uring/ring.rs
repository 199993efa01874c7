//! The ring itself: its setup ladder, pushing entries, entering the kernel, reaping completions.

#![expect(unsafe_code, reason = "the kernel must be able to trust what is pushed")]

use std::io;
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::io::Errno;

use crate::backend::UringRung;

const SUBMISSIONS: u32 = 512;
const COMPLETIONS: u32 = 4096;
/// Descriptors that the ring keeps open for as long as any of its requests may run.
const HELD_FILES_MAX: u32 = 8;

/// The setups, best first.
const LADDER: [UringRung; 3] = [UringRung::DeferTaskrun, UringRung::CoopTaskrun, UringRung::Plain];

#[cfg(test)]
thread_local! {
    /// How often this thread has called the kernel for a ring.
    pub(super) static ENTERED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// A submission and a completion queue shared with the kernel.
pub(super) struct Ring {
    ring: IoUring,
    held_files: u32,
}

/// Finds the best setup that carries a real request here, or the last one's refusal.
pub(crate) fn probe() -> io::Result<UringRung> {
    let mut refusal = None;
    for rung in LADDER {
        match Ring::new(rung).and_then(|mut ring| ring.carry_nothing()) {
            Ok(()) => return Ok(rung),
            Err(error) => {
                tracing::debug!(?rung, %error, "the kernel refuses this ring setup");
                refusal = Some(error);
            }
        }
    }
    Err(refusal.expect("the ladder has a rung"))
}

impl Ring {
    /// To be made on the thread that will use it: with `DeferTaskrun` the kernel takes entries from no other.
    pub(super) fn new(rung: UringRung) -> io::Result<Ring> {
        let mut builder = IoUring::builder();
        builder.dontfork().setup_clamp().setup_cqsize(COMPLETIONS);
        match rung {
            UringRung::DeferTaskrun => {
                builder.setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag().setup_submit_all();
            }
            UringRung::CoopTaskrun => {
                builder.setup_coop_taskrun().setup_taskrun_flag().setup_submit_all();
            }
            UringRung::Plain => {}
        }
        let ring = builder.build(SUBMISSIONS)?;
        let has_all = ring.params().is_feature_ext_arg() && ring.params().is_feature_nodrop();
        if !has_all {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "rings of this kernel lack needed features",
            ));
        }
        Ok(Ring { ring, held_files: 0 })
    }

    /// Sends an empty request through: a sandbox may allow the setup and forbid the rest.
    fn carry_nothing(&mut self) -> io::Result<()> {
        let entry = opcode::Nop::new().build();
        // SAFETY: the entry refers to no memory.
        unsafe { self.push(&[entry]) }?;
        self.enter(Some(Some(Duration::from_secs(1))))?;
        let completion = self.pop().ok_or(io::ErrorKind::TimedOut)?;
        if completion.result() < 0 { Err(io::Error::from_raw_os_error(-completion.result())) } else { Ok(()) }
    }

    /// Pushes entries side by side, so that links among them hold. `WouldBlock` if completions must be reaped first.
    ///
    /// # Safety
    /// What the entries point to must stay valid, and the kernel's alone, until their last completion.
    pub(super) unsafe fn push(&mut self, entries: &[squeue::Entry]) -> io::Result<()> {
        let mut queue = self.ring.submission();
        if queue.capacity() - queue.len() < entries.len() {
            drop(queue);
            self.enter(None)?;
            queue = self.ring.submission();
        }
        // SAFETY: the caller's promise.
        let pushed = unsafe { queue.push_multiple(entries) };
        pushed.map_err(|_| io::ErrorKind::WouldBlock.into())
    }

    /// Submits what was pushed. With a wait it sleeps until a completion has arrived, or the time has passed.
    pub(super) fn enter(&mut self, wait: Option<Option<Duration>>) -> io::Result<()> {
        if wait.is_none() && self.has_nothing_to_say() {
            return Ok(());
        }
        #[cfg(test)]
        ENTERED.set(ENTERED.get() + 1);
        let result = match wait {
            None => self.ring.submit(),
            Some(None) => self.ring.submit_and_wait(1),
            Some(Some(timeout)) => {
                let timeout = Timespec::from(timeout);
                self.ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&timeout))
            }
        };
        match result.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)) {
            // The time has passed, a signal came, or completions must be reaped before more is taken.
            Ok(_) | Err(Errno::TIME | Errno::INTR | Errno::BUSY | Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Nothing was pushed, and the kernel has nothing that it delivers only when asked.
    fn has_nothing_to_say(&mut self) -> bool {
        let queue = self.ring.submission();
        queue.is_empty() && !queue.taskrun() && !queue.cq_overflow()
    }

    /// The next completion that has arrived.
    pub(super) fn pop(&mut self) -> Option<cqueue::Entry> {
        self.ring.completion().next()
    }

    /// Has the ring keep a descriptor's file open until the ring's last request has ended.
    pub(super) fn hold(&mut self, descriptor: i32) -> io::Result<()> {
        if self.held_files == 0 {
            self.ring.submitter().register_files_sparse(HELD_FILES_MAX)?;
        }
        let place = self.held_files;
        if place == HELD_FILES_MAX {
            return Err(io::Error::other("the ring holds as many files as it can"));
        }
        self.ring.submitter().register_files_update(place, &[descriptor])?;
        self.held_files += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rung_from_the_probed_one_down_carries_requests() {
        let best = probe().expect("this machine has io_uring");
        let rungs = LADDER.into_iter().skip_while(|rung| *rung != best);
        for rung in rungs {
            let mut ring = Ring::new(rung).expect("a lower rung asks for less");
            // More than the queue holds, so that pushing has to submit in between.
            for _ in 0..2 * SUBMISSIONS {
                ring.carry_nothing().expect("an empty request is carried");
            }
        }
    }

    #[test]
    fn a_full_queue_is_submitted_and_nothing_is_lost() {
        let mut ring = Ring::new(probe().expect("this machine has io_uring")).expect("it was just probed");
        let pushed = 3 * u64::from(SUBMISSIONS);
        for number in 0..pushed {
            // SAFETY: the entry refers to no memory.
            unsafe { ring.push(&[opcode::Nop::new().build().user_data(number)]) }
                .expect("completions have room");
        }
        let mut completed = Vec::new();
        while completed.len() < pushed as usize {
            ring.enter(Some(None)).expect("a ring can be entered");
            completed.extend(std::iter::from_fn(|| ring.pop()).map(|entry| entry.user_data()));
        }
        completed.sort_unstable();
        assert_eq!(completed, (0..pushed).collect::<Vec<_>>());
    }
}

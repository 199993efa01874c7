//! Who waits for which frame. One durable frame wakes those whose answers were in it, and nobody else: under load as
//! many wait for the next one, and would only look and wait again.

use std::{cell::RefCell, collections::VecDeque};

use basalt_runtime::local::{Turn, WaitQueue};

use crate::ids::FrameSequence;

/// Lines of waiting tasks, one a frame.
#[derive(Default)]
pub(super) struct FrameWaits {
    /// Ascending by frame: the one on its way to the disk, and those that fill behind it.
    lines: RefCell<VecDeque<(FrameSequence, WaitQueue)>>,
}

impl FrameWaits {
    /// Joins the line of a frame that is not durable yet.
    pub(super) fn join(&self, frame: FrameSequence) -> Turn {
        let mut lines = self.lines.borrow_mut();
        let place = lines.partition_point(|(awaited, _)| *awaited < frame);
        if lines.get(place).is_none_or(|(awaited, _)| *awaited != frame) {
            lines.insert(place, (frame, WaitQueue::new()));
        }
        lines[place].1.join()
    }

    /// Calls everybody who waits for `durable` or for a frame before it.
    pub(super) fn call_through(&self, durable: FrameSequence) {
        while let Some(line) = self.pop_through(durable) {
            line.call_all();
        }
    }

    fn pop_through(&self, durable: FrameSequence) -> Option<WaitQueue> {
        let mut lines = self.lines.borrow_mut();
        let is_due = lines.front().is_some_and(|(awaited, _)| *awaited <= durable);
        if is_due { lines.pop_front().map(|(_, line)| line) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future as _,
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    #[test]
    fn a_durable_frame_calls_those_of_it_and_of_frames_before_it() {
        let waits = FrameWaits::default();
        let frames = [7, 5, 6, 5].map(FrameSequence::new);
        let [seventh, fifth, sixth, fifth_too] = frames.map(|frame| waits.join(frame));
        let mut context = Context::from_waker(Waker::noop());
        let mut turns = [pin!(seventh), pin!(fifth), pin!(sixth), pin!(fifth_too)];
        let mut are_called = || turns.each_mut().map(|turn| turn.as_mut().poll(&mut context).is_ready());

        waits.call_through(FrameSequence::new(4));
        assert_eq!(are_called(), [false; 4]);
        waits.call_through(FrameSequence::new(6));
        assert_eq!(are_called(), [false, true, true, true]);
        waits.call_through(FrameSequence::new(7));
        assert_eq!(are_called(), [true; 4]);
        assert!(waits.lines.borrow().is_empty());
    }
}

//! What a session sends: frames ready for the socket, and the requests whose answers are still to come.
//!
//! Shared by a session and the tasks of its requests, all on one shard. Tasks append parts of answers while there is
//! room; what does not fit waits in the tasks, so that a client which takes nothing holds up its own requests alone.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Waker};

use basalt_engine::runtime::local::Event;
use basalt_format::native::frame::{ANSWER_PART_BYTES, FLAG_MORE, FrameHead};

/// So many requests of a connection may be in flight.
pub(super) const REQUESTS_MAX: usize = 256;
/// While so many bytes are ready to be sent, no answer is begun, and no request.
const READY_BYTES_MAX: usize = 256 << 10;
/// While so many are, no answer goes on to its next part: long answers leave room for short ones.
const READY_BYTES_OF_LONG_MAX: usize = ANSWER_PART_BYTES;

/// The outgoing side of one session.
#[derive(Default)]
pub(super) struct Answers {
    ready: RefCell<Vec<u8>>,
    in_flight: RefCell<BTreeMap<u32, Rc<Cell<PageWish>>>>,
    /// Told when what was ready has gone to the socket.
    taken: Event,
    /// The session, which sends what is appended.
    session: RefCell<Option<Waker>>,
    is_closed: Cell<bool>,
}

/// Whether the client wants further pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageWish {
    Wanted,
    Cancelled,
}

/// The number of a request is that of one in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NumberInUse;

impl Answers {
    /// Notes a request in flight; it ends when what is returned is dropped.
    pub(super) fn begin(self: &Rc<Self>, request: u32) -> Result<InFlight, NumberInUse> {
        let wish = Rc::new(Cell::new(PageWish::Wanted));
        let mut in_flight = self.in_flight.borrow_mut();
        if in_flight.contains_key(&request) {
            return Err(NumberInUse);
        }
        in_flight.insert(request, Rc::clone(&wish));
        Ok(InFlight { answers: Rc::clone(self), request, wish })
    }

    /// The client wants no further page. A request that has ended meanwhile is none to cancel.
    pub(super) fn cancel(&self, request: u32) {
        if let Some(wish) = self.in_flight.borrow().get(&request) {
            wish.set(PageWish::Cancelled);
        }
    }

    /// Whether another request may be begun.
    pub(super) fn has_room(&self) -> bool {
        self.ready_bytes() < READY_BYTES_MAX && self.in_flight.borrow().len() < REQUESTS_MAX
    }

    /// Whether no request is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.borrow().is_empty()
    }

    /// Appends a frame at once: those of the handshake and faults, which are few.
    pub(super) fn push(&self, head: FrameHead, body: &[u8]) {
        head.append(body, &mut self.ready.borrow_mut());
    }

    /// Takes what is ready to be sent; `empty` is filled from then on.
    pub(super) fn take_ready(&self, mut empty: Vec<u8>) -> Vec<u8> {
        empty.clear();
        let ready = self.ready.replace(empty);
        self.taken.notify_all();
        ready
    }

    /// Whether there is something to be sent.
    pub(super) fn has_ready(&self) -> bool {
        self.ready_bytes() > 0
    }

    /// Wakes the session of this context when there is something to be sent, or a request has ended.
    pub(super) fn wake_session_of(&self, context: &Context<'_>) {
        let mut session = self.session.borrow_mut();
        match &mut *session {
            Some(waker) => waker.clone_from(context.waker()),
            None => *session = Some(context.waker().clone()),
        }
    }

    /// What is ready is the last that is sent: answers that come later are forgotten, and nobody waits for room.
    pub(super) fn close(&self) {
        self.is_closed.set(true);
        self.taken.notify_all();
    }

    /// Appends an answer or an error, part by part, as there is room.
    async fn send(&self, head: FrameHead, body: &[u8]) {
        let mut rest = body;
        let mut ready_bytes_max = READY_BYTES_MAX;
        loop {
            self.taken.wait_until(|| self.ready_bytes() < ready_bytes_max || self.is_closed.get()).await;
            ready_bytes_max = READY_BYTES_OF_LONG_MAX;
            let (part, behind) = rest.split_at(rest.len().min(ANSWER_PART_BYTES));
            rest = behind;
            if self.is_closed.get() {
                return;
            }
            let flags = if rest.is_empty() { head.flags } else { FLAG_MORE };
            self.push(FrameHead { flags, ..head }, part);
            self.wake_session();
            if rest.is_empty() {
                return;
            }
        }
    }

    fn ready_bytes(&self) -> usize {
        self.ready.borrow().len()
    }

    fn wake_session(&self) {
        if let Some(session) = &*self.session.borrow() {
            session.wake_by_ref();
        }
    }
}

/// A request in flight.
pub(super) struct InFlight {
    answers: Rc<Answers>,
    request: u32,
    wish: Rc<Cell<PageWish>>,
}

impl InFlight {
    /// The request's number.
    pub(super) fn request(&self) -> u32 {
        self.request
    }

    /// Whether the client wants further pages, and anybody is there to take them.
    pub(super) fn wants_pages(&self) -> bool {
        self.wish.get() == PageWish::Wanted && !self.answers.is_closed.get()
    }

    /// Sends an answer or an error of this request.
    pub(super) async fn send(&self, head: FrameHead, body: &[u8]) {
        self.answers.send(head, body).await;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.answers.in_flight.borrow_mut().remove(&self.request);
        // A session that had no room for another request has now.
        self.answers.wake_session();
    }
}

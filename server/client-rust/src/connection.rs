//! A connection and its two threads.
//!
//! Callers append frames to what is to be sent and wake the writer, which sends all there is at once. The reader gives
//! each part to the request that it belongs to. Locks are held for a copy at most, never across a system call.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::{self, BufReader, Write as _};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use basalt_format::native::frame::{FLAG_MORE, FLAG_PAGES, FrameHead, FrameKind};
use basalt_format::native::handshake::Welcome;

use crate::call::{Outcome, Slot};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::handshake;

/// The reader takes so many bytes from the socket at once.
const READ_BYTES: usize = 64 << 10;

/// An open connection. When the last handle goes, it is closed.
#[derive(Debug)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
}

/// What callers and both threads share.
#[derive(Debug)]
struct Shared {
    stream: TcpStream,
    welcome: Welcome,
    outgoing: Mutex<Outgoing>,
    /// Tells the writer.
    appended: Condvar,
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Outgoing {
    frames: Vec<u8>,
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Calls {
    in_flight: BTreeMap<u32, Arc<Slot>>,
    last_number: u32,
    /// Callers for whom there is no room.
    waiting: Vec<Waker>,
    /// Why there will be no further answer.
    ended: Option<Error>,
}

/// A request in flight.
#[derive(Debug)]
pub(crate) struct Call {
    connection: Arc<Connection>,
    number: u32,
    slot: Arc<Slot>,
}

impl Connection {
    /// Connects, proves who the client is, and starts the threads. Blocks.
    pub(crate) fn open(
        address: impl ToSocketAddrs,
        credentials: &Credentials,
    ) -> Result<Arc<Connection>, Error> {
        let mut stream = TcpStream::connect(address).map_err(Error::broken)?;
        stream.set_nodelay(true).map_err(Error::broken)?;
        let welcome = handshake::begin(&mut stream, credentials)?;
        let (to_read, to_write) =
            (stream.try_clone().map_err(Error::broken)?, stream.try_clone().map_err(Error::broken)?);
        let shared = Arc::new(Shared {
            stream,
            welcome,
            outgoing: Mutex::default(),
            appended: Condvar::new(),
            calls: Mutex::default(),
        });
        let (reading, writing) = (Arc::clone(&shared), Arc::clone(&shared));
        start("basalt-read", move || reading.end(reading.read(to_read)))?;
        start("basalt-write", move || writing.write(to_write))?;
        Ok(Arc::new(Connection { shared }))
    }

    /// Sends a request once there is room for it.
    pub(crate) async fn send(
        self: &Arc<Self>,
        kind: FrameKind,
        code: u16,
        flags: u8,
        body: &[u8],
    ) -> Result<Call, Error> {
        let bytes_max = self.shared.welcome.request_bytes_max as usize;
        if body.len() > bytes_max {
            return Err(Error::TooLong { bytes: body.len(), bytes_max });
        }
        let (number, slot) = poll_fn(|context| self.shared.poll_begin(context)).await?;
        self.shared.append(FrameHead { request: number, kind, flags, code }, body);
        Ok(Call { connection: Arc::clone(self), number, slot })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        lock(&self.shared.outgoing).is_closed = true;
        self.shared.appended.notify_all();
        // Both threads end by it, unless they have.
        let _ended = self.shared.stream.shutdown(Shutdown::Both);
    }
}

impl Call {
    /// The next body that belongs to the request.
    pub(crate) async fn next(&self) -> Outcome {
        poll_fn(|context| self.slot.poll(context)).await
    }

    /// Asks for no further page.
    pub(crate) fn cancel(&self) {
        self.connection.shared.append(FrameHead::new(FrameKind::Cancel, self.number), &[]);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.slot.abandon();
    }
}

impl Shared {
    /// Gives a request its number and place, when there is room.
    fn poll_begin(&self, context: &mut Context<'_>) -> Poll<Result<(u32, Arc<Slot>), Error>> {
        let mut calls = lock(&self.calls);
        if let Some(ended) = &calls.ended {
            return Poll::Ready(Err(ended.clone()));
        }
        if calls.in_flight.len() >= self.welcome.requests_max as usize {
            calls.waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        // Round and round: there are far fewer in flight than numbers.
        let mut number = calls.last_number;
        loop {
            number = number.wrapping_add(1);
            if !calls.in_flight.contains_key(&number) {
                break;
            }
        }
        calls.last_number = number;
        let slot = Arc::new(Slot::default());
        calls.in_flight.insert(number, Arc::clone(&slot));
        Poll::Ready(Ok((number, slot)))
    }

    fn append(&self, head: FrameHead, body: &[u8]) {
        let mut outgoing = lock(&self.outgoing);
        head.append(body, &mut outgoing.frames);
        self.appended.notify_one();
    }

    /// Sends what is appended, until the connection ends.
    fn write(&self, mut stream: TcpStream) {
        let mut frames = Vec::new();
        loop {
            let mut outgoing = lock(&self.outgoing);
            while outgoing.frames.is_empty() && !outgoing.is_closed {
                outgoing = self.appended.wait(outgoing).unwrap_or_else(PoisonError::into_inner);
            }
            if outgoing.is_closed {
                return;
            }
            std::mem::swap(&mut outgoing.frames, &mut frames);
            drop(outgoing);
            if stream.write_all(&frames).is_err() {
                // The reader learns of it too, and may still find a fault that says why.
                let _ended = stream.shutdown(Shutdown::Write);
                return;
            }
            frames.clear();
        }
    }

    /// Takes in what the server sends. Returns why that ended.
    fn read(&self, stream: TcpStream) -> Error {
        let mut stream = BufReader::with_capacity(READ_BYTES, stream);
        loop {
            let (head, body) = match handshake::read_frame(&mut stream) {
                Ok(frame) => frame,
                Err(error) => return error,
            };
            let exception = match head.kind {
                FrameKind::Answer => None,
                FrameKind::Error => Some(head.code),
                FrameKind::Fault => return handshake::fault(head, &body),
                _ => return unasked(),
            };
            if head.flags & FLAG_MORE != 0 {
                match lock(&self.calls).in_flight.get(&head.request).cloned() {
                    Some(slot) => slot.add_part(&body),
                    None => return unasked(),
                }
                continue;
            }
            let has_next = head.flags & FLAG_PAGES != 0;
            match self.slot_of(head.request, has_next) {
                Some(slot) => slot.finish_body(&body, exception, has_next),
                None => return unasked(),
            }
        }
    }

    /// The place of a request, which is at its end unless a page follows.
    fn slot_of(&self, request: u32, has_next: bool) -> Option<Arc<Slot>> {
        let mut calls = lock(&self.calls);
        if has_next {
            return calls.in_flight.get(&request).cloned();
        }
        let slot = calls.in_flight.remove(&request);
        // All of them: one that has stopped waiting must not keep another from being told.
        calls.waiting.drain(..).for_each(Waker::wake);
        slot
    }

    /// Tells everybody that there will be no further answer.
    fn end(&self, error: Error) {
        lock(&self.outgoing).is_closed = true;
        self.appended.notify_all();
        let mut calls = lock(&self.calls);
        calls.ended = Some(error.clone());
        std::mem::take(&mut calls.in_flight).into_values().for_each(|slot| slot.fail(error.clone()));
        calls.waiting.drain(..).for_each(Waker::wake);
        let _ended = self.stream.shutdown(Shutdown::Both);
    }
}

fn unasked() -> Error {
    Error::broken(io::Error::other("the server answered what nobody asked"))
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).map_err(Error::broken)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nobody panics while holding one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The backend of Linux: reads, writes, syncs and sockets through one ring a shard.
//!
//! Calls for which the ring has no entry on every kernel, or whose entry may block whoever submits it (opening,
//! renaming, listing, setting a length), go to the pool of file threads.
//!
//! Invariants:
//! - A request, with its buffer, stays in `requests` until its last completion has been reaped, whatever a submit
//!   says: a pushed entry is the kernel's.
//! - At most [`FILE_REQUESTS_MAX`] file requests are in the ring; others wait here, log writes first.
//! - Dropping the backend cancels and reaps everything before the ring and the buffers go.

#![expect(unsafe_code, reason = "buffers are lent to the kernel through the ring")]

mod request;
mod ring;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use io_uring::types::Fd;
use io_uring::{cqueue, opcode, squeue};
use rustix::event::EventfdFlags;
use rustix::io::Errno;
use socket2::Socket;

use crate::backend::{
    AcceptedSocket, AfterWrite, Backend, BackendKind, Completion, DetachedSocket, OpenedFile, Operation,
    Outcome, SharedFile, UringRung, Wait, WakeShard,
};
use crate::ids::{FileId, ListenerId, SlotId, SocketId};
use crate::inbox::ShardSignal;
use crate::system::file_pool::{FileJob, FilePool, Performed, Replies};
use crate::system::{clock, files, sockets};
use crate::table::Table;
use crate::time::{MonotonicTime, UnixTime};
use request::{AcceptMode, Part, Request, Tag};
use ring::Ring;

pub(crate) use ring::probe;

/// More of them make a device slower, not faster, and a log write waits behind them (STORAGE §11).
const FILE_REQUESTS_MAX: usize = 32;
/// Names of entries that are no request's.
const WAKE: u64 = u64::MAX;
const CANCEL: u64 = u64::MAX - 1;

/// One shard's ring.
pub(crate) struct UringBackend {
    rung: UringRung,
    ring: Ring,
    /// By the slot's place.
    requests: Vec<Option<Request>>,
    in_ring: usize,
    file_requests: usize,
    /// File requests beyond the limit.
    waiting: VecDeque<(SlotId, Operation)>,
    accept_mode: AcceptMode,
    wake: WakeListener,
    files: Table<Arc<OwnedFd>>,
    sockets: Table<Socket>,
    pool: Arc<FilePool>,
    replies: Arc<Replies>,
    /// Ended without the ring, to be told at the next poll.
    ended: Vec<Completion>,
}

/// The standing read of the descriptor by which other threads wake the shard.
struct WakeListener {
    handle: Arc<WakeHandle>,
    counter: Box<[u8; 8]>,
    is_listening: bool,
}

struct WakeHandle(OwnedFd);

impl WakeShard for WakeHandle {
    fn wake(&self) {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&self.0, &1_u64.to_ne_bytes()));
        written.expect("an event descriptor can be written as long as it lives");
    }
}

impl UringBackend {
    /// To be made on the shard's thread.
    pub(crate) fn new(
        rung: UringRung,
        pool: Arc<FilePool>,
        signal: Arc<ShardSignal>,
    ) -> io::Result<UringBackend> {
        // Not nonblocking: the ring would end the read at once instead of waiting.
        let event = rustix::event::eventfd(0, EventfdFlags::CLOEXEC)?;
        let mut backend = UringBackend {
            rung,
            ring: Ring::new(rung)?,
            requests: Vec::new(),
            in_ring: 0,
            file_requests: 0,
            waiting: VecDeque::new(),
            accept_mode: AcceptMode::Multishot,
            wake: WakeListener {
                handle: Arc::new(WakeHandle(event)),
                counter: Box::new([0; 8]),
                is_listening: false,
            },
            files: Table::new(),
            sockets: Table::new(),
            pool,
            replies: Replies::new(signal),
            ended: Vec::new(),
        };
        backend.listen_for_wake();
        Ok(backend)
    }

    fn listen_for_wake(&mut self) {
        if self.wake.is_listening {
            return;
        }
        let descriptor = Fd(self.wake.handle.0.as_raw_fd());
        let entry = opcode::Read::new(descriptor, self.wake.counter.as_mut_ptr(), 8).build().user_data(WAKE);
        // SAFETY: the counter is on the heap, and neither touched nor freed while `is_listening`.
        unsafe { self.push(&[entry]) };
        self.wake.is_listening = true;
    }

    /// # Safety
    /// As [`Ring::push`].
    unsafe fn push(&mut self, entries: &[squeue::Entry]) {
        // SAFETY: the caller's promise.
        while let Err(error) = unsafe { self.ring.push(entries) } {
            assert_eq!(
                error.kind(),
                io::ErrorKind::WouldBlock,
                "a ring takes entries as long as it lives: {error}"
            );
            let mut ended = std::mem::take(&mut self.ended);
            self.reap(&mut ended);
            self.ended = ended;
        }
    }

    /// Sends a file operation to the ring, or has it wait for its turn.
    fn submit_to_file(&mut self, slot: SlotId, operation: Operation) {
        if self.file_requests < FILE_REQUESTS_MAX {
            self.start_file_request(slot, operation);
        } else if matches!(operation, Operation::Write { after: AfterWrite::SyncData, .. }) {
            // The log's write, for which clients wait.
            self.waiting.push_front((slot, operation));
        } else {
            self.waiting.push_back((slot, operation));
        }
    }

    fn start_file_request(&mut self, slot: SlotId, operation: Operation) {
        let file = operation.file().and_then(|file| self.files.get(SlotId::from_u64(file.0)));
        let descriptor = file.map(|file| file.as_raw_fd());
        self.file_requests += usize::from(descriptor.is_some());
        self.start(slot, operation, descriptor);
    }

    /// Makes a request of an operation. The descriptor stays open until its end: whoever closes it waits for that.
    fn start(&mut self, slot: SlotId, operation: Operation, descriptor: Option<RawFd>) {
        let Some(descriptor) = descriptor else {
            let outcome = Request::new(slot, operation, -1).refused(Errno::BADF);
            self.ended.push(Completion { slot, outcome, last: true });
            return;
        };
        let mut request = Request::new(slot, operation, descriptor);
        let entries = request.entries(self.accept_mode, self.rung);
        let place = slot.index as usize;
        if self.requests.len() <= place {
            self.requests.resize_with(place + 1, || None);
        }
        assert!(self.requests[place].is_none(), "a slot is in flight once");
        self.requests[place] = Some(request);
        self.in_ring += 1;
        // SAFETY: the request owns the memory that its entries point to, and stays in `requests` until its last
        // completion.
        unsafe { self.push(entries.as_slice()) };
    }

    fn submit_to_pool(&mut self, slot: SlotId, operation: Operation) {
        let file = match &operation {
            Operation::CloseFile { file } => self.files.remove(SlotId::from_u64(file.0)),
            other => other.file().and_then(|file| self.files.get(SlotId::from_u64(file.0)).cloned()),
        };
        self.pool.submit(FileJob { slot, operation, file, replies: Arc::clone(&self.replies) });
    }

    fn end(&mut self, slot: SlotId, outcome: Outcome) {
        self.ended.push(Completion { slot, outcome, last: true });
    }

    /// Takes in what the ring has delivered, and fills its places again.
    fn reap(&mut self, completions: &mut Vec<Completion>) {
        while let Some(entry) = self.ring.pop() {
            match entry.user_data() {
                WAKE => self.wake.is_listening = false,
                CANCEL => {}
                bits => self.complete(Tag::from_u64(bits), &entry, completions),
            }
        }
    }

    fn complete(&mut self, tag: Tag, entry: &cqueue::Entry, completions: &mut Vec<Completion>) {
        let place = &mut self.requests[tag.index as usize];
        let request = place.as_mut().filter(|request| tag.names(request.slot));
        let request = request.expect("a completion's request is kept until its last completion");
        let last = request.complete(tag.part, entry);
        if request.is_accept() {
            self.complete_accept(tag.index, last, entry.result(), completions);
        } else if last {
            let request = place.take().expect("it was just there");
            self.in_ring -= 1;
            let slot = request.slot;
            let outcome = request.outcome();
            self.file_requests -= usize::from(is_of_file(&outcome));
            completions.push(Completion { slot, outcome, last: true });
        }
    }

    fn complete_accept(&mut self, index: u32, last: bool, result: i32, completions: &mut Vec<Completion>) {
        let place = &mut self.requests[index as usize];
        let request = place.as_mut().expect("the accept is kept until its last completion");
        let slot = request.slot;
        let accepted = request.accepted();
        if last {
            let request = place.take().expect("it was just there");
            self.in_ring -= 1;
            if self.accept_mode == AcceptMode::Multishot && result == -Errno::INVAL.raw_os_error() {
                self.accept_mode = AcceptMode::Single;
                self.submit(slot, request.into_operation());
                return;
            }
        }
        let outcome =
            Outcome::Accepted(accepted.and_then(|descriptor| self.take_in(Socket::from(descriptor))));
        completions.push(Completion { slot, outcome, last });
    }

    fn take_in(&mut self, socket: Socket) -> io::Result<AcceptedSocket> {
        let peer = sockets::ip_address(&socket.peer_addr()?)?;
        Ok(AcceptedSocket { socket: SocketId(self.sockets.insert(socket).to_u64()), peer })
    }

    fn collect_replies(&mut self, completions: &mut Vec<Completion>) {
        while let Some((slot, performed)) = self.replies.pop() {
            let outcome = match performed {
                Performed::Other(outcome) => outcome,
                Performed::Opened(opened) => Outcome::Opened(opened.map(|file| OpenedFile {
                    file: FileId(self.files.insert(Arc::new(file.descriptor)).to_u64()),
                    is_direct: file.is_direct,
                })),
            };
            completions.push(Completion { slot, outcome, last: true });
        }
    }

    fn start_waiting(&mut self) {
        while self.file_requests < FILE_REQUESTS_MAX
            && let Some((slot, operation)) = self.waiting.pop_front()
        {
            self.start_file_request(slot, operation);
        }
    }

    fn enter(&mut self, wait: Wait) {
        let wait = match wait {
            Wait::Never => None,
            Wait::Until(until) => Some(until.map(|until| until - clock::now())),
        };
        self.ring.enter(wait).expect("a ring can be entered as long as it lives");
    }

    fn socket(&self, id: u64) -> io::Result<&Socket> {
        self.sockets.get(SlotId::from_u64(id)).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn socket_descriptor(&self, id: u64) -> Option<RawFd> {
        self.sockets.get(SlotId::from_u64(id)).map(AsRawFd::as_raw_fd)
    }

    fn file(&self, file: FileId) -> io::Result<&Arc<OwnedFd>> {
        self.files.get(SlotId::from_u64(file.0)).ok_or_else(|| io::Error::other("the file is not open"))
    }
}

impl Backend for UringBackend {
    fn kind(&self) -> BackendKind {
        BackendKind::Uring(self.rung)
    }

    fn now(&self) -> MonotonicTime {
        clock::now()
    }

    fn unix_time(&self) -> UnixTime {
        clock::unix_time()
    }

    fn fill_entropy(&mut self, bytes: &mut [u8]) {
        clock::fill_entropy(bytes);
    }

    fn submit(&mut self, slot: SlotId, operation: Operation) {
        match &operation {
            Operation::Read { .. }
            | Operation::Write { .. }
            | Operation::Sync { .. }
            | Operation::Allocate { .. }
            | Operation::PunchHole { .. } => self.submit_to_file(slot, operation),
            Operation::FileSize { file } => {
                let size = self.file(*file).and_then(|file| files::size(file));
                self.end(slot, Outcome::Size(size));
            }
            Operation::Accept { listener: ListenerId(id) }
            | Operation::Receive { socket: SocketId(id), .. }
            | Operation::Send { socket: SocketId(id), .. } => {
                let descriptor = self.socket_descriptor(*id);
                self.start(slot, operation, descriptor);
            }
            Operation::CloseSocket { socket: SocketId(id) }
            | Operation::CloseListener { listener: ListenerId(id) } => {
                let closed = self.sockets.remove(SlotId::from_u64(*id)).map(drop);
                self.end(slot, Outcome::Done(closed.ok_or_else(|| io::ErrorKind::NotConnected.into())));
            }
            _ => self.submit_to_pool(slot, operation),
        }
    }

    fn cancel(&mut self, slot: SlotId) {
        if let Some(place) = self.waiting.iter().position(|(waiting, _)| *waiting == slot) {
            let (slot, operation) = self.waiting.remove(place).expect("it was just found");
            let outcome = Request::new(slot, operation, -1).refused(Errno::CANCELED);
            self.ended.push(Completion { slot, outcome, last: true });
            return;
        }
        let request = self.requests.get(slot.index as usize).and_then(Option::as_ref);
        // A file request is short, and its end is certain; a socket's may never come.
        if request.is_some_and(|request| request.slot == slot && request.is_of_socket()) {
            let tag = Tag::new(slot, Part::Main).to_u64();
            let entry = opcode::AsyncCancel::new(tag).build().user_data(CANCEL);
            // SAFETY: the entry refers to no memory.
            unsafe { self.push(&[entry]) };
        }
    }

    fn poll(&mut self, wait: Wait, completions: &mut Vec<Completion>) {
        self.listen_for_wake();
        completions.append(&mut self.ended);
        self.collect_replies(completions);
        self.reap(completions);
        self.start_waiting();
        self.enter(if completions.is_empty() && self.ended.is_empty() { wait } else { Wait::Never });
        self.reap(completions);
        self.start_waiting();
        completions.append(&mut self.ended);
        self.collect_replies(completions);
    }

    fn wake_handle(&self) -> Arc<dyn WakeShard> {
        Arc::clone(&self.wake.handle) as Arc<dyn WakeShard>
    }

    fn try_lock_exclusive(&mut self, file: FileId) -> io::Result<bool> {
        files::try_lock_exclusive(self.file(file)?)
    }

    /// The ring holds the file, and the kernel the ring, until its last request has ended.
    fn hold_for_requests(&mut self, file: FileId) -> io::Result<()> {
        let file = self.share_file(file)?;
        self.hold_shared(&file)
    }

    fn share_file(&mut self, file: FileId) -> io::Result<SharedFile> {
        Ok(SharedFile::System(Arc::clone(self.file(file)?)))
    }

    fn hold_shared(&mut self, file: &SharedFile) -> io::Result<()> {
        if let SharedFile::System(file) = file {
            self.ring.hold(file.as_raw_fd())?;
            self.pool.hold(Arc::clone(file));
        }
        Ok(())
    }

    fn listen(&mut self, address: SocketAddr) -> io::Result<(ListenerId, SocketAddr)> {
        let (socket, address) = sockets::listen(address)?;
        Ok((ListenerId(self.sockets.insert(socket).to_u64()), address))
    }

    /// An answer mostly fits into the socket's buffer: a call costs less than an entry, its completion and the task
    /// that is woken by it, and the peer has the answer before the turn ends.
    fn send_now(&mut self, socket: SocketId, bytes: &[u8]) -> usize {
        self.socket(socket.0).map_or(0, |socket| sockets::send_now(socket, bytes))
    }

    fn set_nodelay(&mut self, socket: SocketId, nodelay: bool) -> io::Result<()> {
        self.socket(socket.0)?.set_tcp_nodelay(nodelay)
    }

    fn shutdown_send(&mut self, socket: SocketId) -> io::Result<()> {
        sockets::shutdown_send(self.socket(socket.0)?)
    }

    fn detach_socket(&mut self, socket: SocketId) -> io::Result<DetachedSocket> {
        let socket = self.sockets.remove(SlotId::from_u64(socket.0)).ok_or(io::ErrorKind::NotConnected)?;
        Ok(DetachedSocket::System(socket.into()))
    }

    fn attach_socket(&mut self, socket: DetachedSocket) -> io::Result<SocketId> {
        let DetachedSocket::System(descriptor) = socket else {
            return Err(io::Error::other("a simulated socket has no place in a ring"));
        };
        Ok(SocketId(self.sockets.insert(Socket::from(descriptor)).to_u64()))
    }
}

/// Whether an outcome is of a request that counts against [`FILE_REQUESTS_MAX`].
fn is_of_file(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Transferred { .. } | Outcome::Done(_))
}

impl Drop for UringBackend {
    fn drop(&mut self) {
        let slots: Vec<SlotId> = self.requests.iter().flatten().map(|request| request.slot).collect();
        slots.into_iter().for_each(|slot| self.cancel(slot));
        if self.wake.is_listening {
            self.wake.handle.wake();
        }
        let mut unheard = Vec::new();
        while self.in_ring > 0 || self.wake.is_listening {
            if let Err(error) = self.ring.enter(Some(None)) {
                // The kernel may still write into the buffers: better lost than given to somebody else.
                tracing::error!(%error, requests = self.in_ring, "a ring could not be drained");
                std::mem::forget(std::mem::take(&mut self.requests));
                std::mem::forget(std::mem::take(&mut self.wake.counter));
                return;
            }
            self.reap(&mut unheard);
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "the client is an ordinary thread")]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use super::*;
    use crate::executor::{Executor, PanicPolicy, SpinPolicy};
    use crate::inbox::Inbox;

    const ECHOES: u64 = 500;

    /// Two calls each are where the entry goes to the kernel first and the wait for its completion follows.
    #[test]
    fn a_message_that_is_waited_for_takes_one_call_of_the_ring() {
        let rung = probe().expect("this machine has io_uring");
        let inbox = Inbox::set(1, 1).remove(0);
        let pool = FilePool::start(1).expect("a thread can be started");
        let backend = UringBackend::new(rung, pool, Arc::clone(inbox.signal())).expect("a ring can be made");
        let executor = Executor::new(inbox, Box::new(backend), PanicPolicy::Propagate, SpinPolicy::Never);
        let handle = executor.handle();
        let called = executor.run_until(async move {
            let listener = handle.listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port is free");
            let address = listener.local_addr();
            let client = std::thread::spawn(move || echo(address));
            let (stream, _peer) = listener.accept().await.expect("the client calls");
            let before = ring::ENTERED.get();
            let mut buffer = Vec::with_capacity(1);
            for _ in 0..ECHOES {
                buffer.push(7);
                buffer = stream.write_all(buffer).await.1;
                buffer.clear();
                let (received, back) = stream.read(buffer).await;
                assert_eq!(received.expect("the client answers"), 1);
                buffer = back;
                buffer.clear();
            }
            drop(stream);
            client.join().expect("the client ends with the connection");
            ring::ENTERED.get() - before
        });
        executor.shut_down();
        assert!(called <= ECHOES + ECHOES / 4, "{called} calls for {ECHOES} messages");
    }

    /// Sends back what comes, after a while that the other side sleeps.
    fn echo(address: SocketAddr) {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        let mut byte = [0];
        while stream.read(&mut byte).expect("the server sends") == 1 {
            std::thread::sleep(std::time::Duration::from_micros(100));
            stream.write_all(&byte).expect("the server receives");
        }
    }
}

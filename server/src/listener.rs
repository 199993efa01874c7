//! Accepts connections and gives each to the less loaded of two shards.
//!
//! One shard accepts for all. A connection then lives on its shard to its end: socket, HTTP state and the requests
//! it parses; the engine takes a request on to the shard that owns its key. Two random candidates are as good as
//! looking at all shards for keeping the loads even (Mitzenmacher, IEEE TPDS 2001), and cost nothing.
//!
//! Each shard keeps the list of its connections, so that a stop can reach all of them. The list is found through a
//! thread-local by (server, shard), because work reaches a shard only as closures that are `Send`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::time::Duration;

use basalt_engine::Engine;
use basalt_engine::runtime::{
    BackendKind, DetachedStream, Handle, Remote, ShardIndex, Task, TcpListener, TcpStream,
};

use crate::dynamodb::{Api, ResourceNames};
use crate::http::connection::{self, ConnectionContext, StopSignal};
use crate::limits::{CONNECTION_BYTES, Limits, MemoryPermit, RequestMemory, TLS_BYTES};
use crate::native::session::{self, SessionContext};
use crate::native::{Answering, Credentials};
use crate::time_limit::TimeLimit;
use crate::transport::{TlsIdentity, TlsStream, Transport};

/// How long accepting rests after the system had no descriptor or memory for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on: in use, not ours, or not allowed.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The engine has ended.
    #[error("the engine is closed")]
    EngineClosed,
}

/// A server that accepts connections. Dropping it does not stop it: the engine's shards run it.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    backend: BackendKind,
}

/// What is spoken on a connection.
#[derive(Debug, Clone)]
enum Protocol {
    Http,
    Https(TlsIdentity),
    Native(Arc<Credentials>),
}

impl Protocol {
    /// What an open connection is charged.
    fn connection_bytes(&self) -> usize {
        match self {
            Protocol::Http | Protocol::Native(_) => CONNECTION_BYTES,
            Protocol::Https(_) => CONNECTION_BYTES + TLS_BYTES,
        }
    }
}

/// What all shards of one server share.
struct Shared {
    number: u64,
    engine: Engine,
    names: ResourceNames,
    limits: Limits,
    memory: Arc<RequestMemory>,
    /// Open connections of each shard.
    loads: Vec<AtomicUsize>,
    refused_count: AtomicU64,
    /// Set as soon as the server listens.
    address: OnceLock<SocketAddr>,
}

impl Server {
    /// Starts to listen on `address` with the shards of `engine`: for HTTPS by `identity`, or else for HTTP. Waits until
    /// it does.
    pub fn start(
        engine: Engine,
        names: ResourceNames,
        (address, identity): (SocketAddr, Option<TlsIdentity>),
        limits: Limits,
    ) -> Result<Server, StartError> {
        static SERVER_COUNT: AtomicU64 = AtomicU64::new(0);
        let shared = Arc::new(Shared {
            number: SERVER_COUNT.fetch_add(1, Ordering::Relaxed),
            names,
            memory: RequestMemory::new(limits.request_memory_bytes),
            limits,
            loads: engine.remotes().iter().map(|_| AtomicUsize::new(0)).collect(),
            refused_count: AtomicU64::new(0),
            address: OnceLock::new(),
            engine,
        });
        let protocol = identity.map_or(Protocol::Http, Protocol::Https);
        let (address, backend) = start_listening(&shared, address, protocol)?;
        Ok(Server { shared, address, backend })
    }

    /// Also listens on `address` for clients of the binary protocol. Waits until it does; returns the address with the
    /// port that it got.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the engine has ended.
    pub fn listen_native(
        &self,
        address: SocketAddr,
        credentials: Credentials,
    ) -> Result<SocketAddr, StartError> {
        let protocol = Protocol::Native(Arc::new(credentials));
        start_listening(&self.shared, address, protocol).map(|(address, _backend)| address)
    }

    /// The address it listens on, with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How the shards drive files and sockets.
    pub fn backend(&self) -> BackendKind {
        self.backend
    }

    /// Open connections, over all shards.
    pub fn connection_count(&self) -> usize {
        self.shared.connection_count()
    }

    /// Accepts nothing more, lets what is in flight finish within the shutdown time, and closes all connections.
    /// Waits until that is done; must not be called on a shard. Returns how many connections had to be cut off.
    pub fn stop(self) -> usize {
        let (sender, receiver) = mpsc::channel();
        for remote in self.shared.engine.remotes() {
            let sender = sender.clone();
            let shared = Arc::clone(&self.shared);
            // A shard that has ended has no connections left.
            let _ = send(remote, move |handle| {
                let shard = ShardServer::of(&shared, handle);
                handle
                    .spawn(async move {
                        let cut_off = shard.stop().await;
                        SHARD_SERVERS.with_borrow_mut(|servers| servers.remove(&shard.key()));
                        let _ = sender.send(cut_off);
                    })
                    .detach();
            });
        }
        drop(sender);
        receiver.iter().sum()
    }
}

impl Shared {
    fn connection_count(&self) -> usize {
        self.loads.iter().map(|load| load.load(Ordering::Relaxed)).sum()
    }

    /// The less loaded of two random shards.
    fn choose_shard(&self, handle: &Handle) -> usize {
        let random = handle.random_u64();
        let count = self.loads.len() as u64;
        let candidates = [random >> 32, random & u64::from(u32::MAX)].map(|half| (half % count) as usize);
        let load = |shard: &usize| self.loads.get(*shard).map_or(0, |load| load.load(Ordering::Relaxed));
        candidates.into_iter().min_by_key(load).unwrap_or_default()
    }

    /// Room for one more connection of `bytes`, or None if the server is full.
    fn admit(self: &Arc<Self>, shard: usize, bytes: usize) -> Option<Admission> {
        if self.connection_count() >= self.limits.connections_max {
            return None;
        }
        let memory = self.memory.permit_for(bytes).ok()?;
        self.loads.get(shard)?.fetch_add(1, Ordering::Relaxed);
        Some(Admission { shared: Arc::clone(self), shard, _memory: memory })
    }
}

/// A connection's place in the counts, given back when dropped.
struct Admission {
    shared: Arc<Shared>,
    shard: usize,
    _memory: MemoryPermit,
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(load) = self.shared.loads.get(self.shard) {
            load.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// One shard's part of a server.
struct ShardServer {
    context: ConnectionContext,
    shared: Arc<Shared>,
    /// What the requests of the binary protocol need.
    answering: Answering,
    acceptors: RefCell<Vec<Task<()>>>,
    connections: RefCell<BTreeMap<u64, Rc<StopSignal>>>,
    next_connection: Cell<u64>,
    /// Who waits for the last connection to end.
    stopper: RefCell<Option<Waker>>,
    is_stopping: Cell<bool>,
}

thread_local! {
    static SHARD_SERVERS: RefCell<BTreeMap<(u64, ShardIndex), Rc<ShardServer>>> = const { RefCell::new(BTreeMap::new()) };
}

impl ShardServer {
    /// This shard's part of the server; made at its first use.
    fn of(shared: &Arc<Shared>, handle: &Handle) -> Rc<ShardServer> {
        SHARD_SERVERS.with_borrow_mut(|servers| {
            let key = (shared.number, handle.shard());
            Rc::clone(servers.entry(key).or_insert_with(|| Rc::new(ShardServer::new(shared, handle))))
        })
    }

    fn key(&self) -> (u64, ShardIndex) {
        (self.shared.number, self.context.handle.shard())
    }

    fn new(shared: &Arc<Shared>, handle: &Handle) -> ShardServer {
        let listening = shared.address.get().copied();
        let local = shared.engine.local().expect("a server runs on the shards of its engine");
        let (engine, names) = (shared.engine.clone(), shared.names.clone());
        let api = Rc::new(Api::new(engine.clone(), local.clone(), names.clone(), listening));
        let documents = Rc::new(Api::in_documents(engine, local, names, listening));
        let memory = Arc::clone(&shared.memory);
        ShardServer {
            answering: Answering { documents, json: Rc::clone(&api), memory },
            context: ConnectionContext {
                handle: handle.clone(),
                api,
                limits: Rc::new(shared.limits.clone()),
                memory: Arc::clone(&shared.memory),
            },
            shared: Arc::clone(shared),
            acceptors: RefCell::default(),
            connections: RefCell::default(),
            next_connection: Cell::new(0),
            stopper: RefCell::new(None),
            is_stopping: Cell::new(false),
        }
    }

    /// Serves a connection on this shard.
    fn spawn_connection(self: Rc<Self>, stream: TcpStream, protocol: Protocol, admission: Admission) {
        if self.is_stopping.get() {
            return;
        }
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone before it was served");
            return;
        }
        let number = self.next_connection.replace(self.next_connection.get() + 1);
        let stop = Rc::new(StopSignal::default());
        self.connections.borrow_mut().insert(number, Rc::clone(&stop));
        let handle = self.context.handle.clone();
        handle
            .spawn(async move {
                self.serve(stream, protocol, stop).await;
                drop(admission);
                self.forget_connection(number);
            })
            .detach();
    }

    async fn serve(&self, stream: TcpStream, protocol: Protocol, stop: Rc<StopSignal>) {
        match protocol {
            Protocol::Http => {
                connection::serve(self.context.clone(), Transport::Plain(stream), stop).await;
            }
            Protocol::Https(identity) => {
                let peer = stream.peer_addr();
                match self.agree(stream, &identity, &stop).await {
                    Ok(stream) => connection::serve(self.context.clone(), stream, stop).await,
                    Err(error) => tracing::debug!(%peer, %error, "no TLS with a client"),
                }
            }
            Protocol::Native(credentials) => {
                session::serve(self.session_context(credentials), stream, stop).await;
            }
        }
    }

    /// Agrees with a client on keys, in the time that a request's head may take.
    async fn agree(
        &self,
        stream: TcpStream,
        identity: &TlsIdentity,
        stop: &StopSignal,
    ) -> io::Result<Transport> {
        let ConnectionContext { handle, limits, .. } = &self.context;
        let mut stream = TlsStream::new(stream, identity)?;
        let mut limit = TimeLimit::default();
        poll_fn(|context| {
            if stop.poll(context) {
                return Poll::Ready(Err(io::ErrorKind::Interrupted.into()));
            }
            stream.poll_handshake((&mut limit, limits.head_time), handle, context)
        })
        .await?;
        Ok(Transport::Tls(Box::new(stream)))
    }

    fn session_context(&self, credentials: Arc<Credentials>) -> SessionContext {
        SessionContext {
            handle: self.context.handle.clone(),
            answering: self.answering.clone(),
            limits: Rc::clone(&self.context.limits),
            credentials,
        }
    }

    fn forget_connection(&self, number: u64) {
        self.connections.borrow_mut().remove(&number);
        if self.connections.borrow().is_empty()
            && let Some(waker) = self.stopper.take()
        {
            waker.wake();
        }
    }

    /// Ends accepting and every connection; returns how many outlived the shutdown time.
    async fn stop(&self) -> usize {
        self.is_stopping.set(true);
        for accepting in self.acceptors.take() {
            accepting.abort();
        }
        let signals: Vec<_> = self.connections.borrow().values().cloned().collect();
        for signal in signals {
            signal.set();
        }
        let mut deadline = self.context.handle.sleep(self.context.limits.shutdown_time);
        poll_fn(|context| {
            self.stopper.replace(Some(context.waker().clone()));
            if self.connections.borrow().is_empty() {
                return Poll::Ready(());
            }
            std::pin::Pin::new(&mut deadline).poll(context)
        })
        .await;
        self.connections.borrow().len()
    }
}

/// Starts to listen and to accept, on the first shard. Waits until it does.
fn start_listening(
    shared: &Arc<Shared>,
    address: SocketAddr,
    protocol: Protocol,
) -> Result<(SocketAddr, BackendKind), StartError> {
    let acceptor = shared.engine.remotes().first().ok_or(StartError::EngineClosed)?;
    let (sender, receiver) = mpsc::sync_channel(1);
    let for_acceptor = Arc::clone(shared);
    send(acceptor, move |handle| {
        // The receiver waits right below.
        let _ = sender.send(listen(&for_acceptor, address, protocol, handle));
    })?;
    let listening = receiver.recv().map_err(|_| StartError::EngineClosed)?;
    listening.map_err(|source| StartError::Listen { address, source })
}

/// Starts to listen and to accept, on this shard.
fn listen(
    shared: &Arc<Shared>,
    address: SocketAddr,
    protocol: Protocol,
    handle: &Handle,
) -> io::Result<(SocketAddr, BackendKind)> {
    let listener = handle.listen(address)?;
    let address = listener.local_addr();
    if matches!(protocol, Protocol::Http | Protocol::Https(_)) {
        shared.address.get_or_init(|| address);
    }
    let shard = ShardServer::of(shared, handle);
    let accepting = handle.spawn(accept_all(Rc::clone(&shard), listener, protocol));
    shard.acceptors.borrow_mut().push(accepting);
    Ok((address, handle.backend()))
}

/// Accepts until the task is aborted.
async fn accept_all(shard: Rc<ShardServer>, listener: TcpListener, protocol: Protocol) {
    let handle = shard.context.handle.clone();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => place(&shard, stream, protocol.clone()),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                handle.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Gives a connection to a shard. What the server has no room for is closed.
fn place(shard: &Rc<ShardServer>, stream: TcpStream, protocol: Protocol) {
    let shared = &shard.shared;
    let chosen = shared.choose_shard(&shard.context.handle);
    let Some(admission) = shared.admit(chosen, protocol.connection_bytes()) else {
        let refused = shared.refused_count.fetch_add(1, Ordering::Relaxed) + 1;
        // A flood must not fill the log: powers of two only.
        if refused.is_power_of_two() {
            tracing::warn!(refused, "no room for another connection");
        }
        return;
    };
    if usize::from(shard.context.handle.shard().0) == chosen {
        Rc::clone(shard).spawn_connection(stream, protocol, admission);
        return;
    }
    match stream.detach() {
        Ok(stream) => send_connection(shared, chosen, stream, protocol, admission),
        Err(error) => tracing::warn!(%error, "a connection could not be moved to another shard"),
    }
}

fn send_connection(
    shared: &Arc<Shared>,
    chosen: usize,
    stream: DetachedStream,
    protocol: Protocol,
    admission: Admission,
) {
    let Some(remote) = shared.engine.remotes().get(chosen) else { return };
    let for_shard = Arc::clone(shared);
    let sent = send(remote, move |handle| match stream.attach(handle) {
        Ok(stream) => ShardServer::of(&for_shard, handle).spawn_connection(stream, protocol, admission),
        Err(error) => tracing::warn!(%error, "a connection was lost on its way to another shard"),
    });
    if sent.is_err() {
        tracing::warn!("a shard takes no more connections");
    }
}

/// Runs `job` on a shard.
fn send(remote: &Remote, job: impl FnOnce(&Handle) + Send + 'static) -> Result<(), StartError> {
    remote.try_send(Box::new(job)).map_err(|_| StartError::EngineClosed)
}

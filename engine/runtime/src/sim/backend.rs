//! One shard's door to the simulated world.

use super::world::World;
use crate::backend::{Backend, BackendKind, Completion, DetachedSocket, Operation, Wait, WakeShard};
use crate::ids::{FileId, ListenerId, ShardIndex, SlotId, SocketId};
use crate::time::{MonotonicTime, UnixTime};
use rustix::io::Errno;
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

/// The simulation's backend. It never sleeps: the simulation moves the clock instead.
pub(super) struct SimulatedBackend {
    world: Rc<RefCell<World>>,
    shard: ShardIndex,
}

impl SimulatedBackend {
    pub(super) fn new(world: &Rc<RefCell<World>>, shard: ShardIndex) -> Self {
        Self { world: Rc::clone(world), shard }
    }
}

impl Backend for SimulatedBackend {
    fn kind(&self) -> BackendKind {
        BackendKind::Simulation
    }

    fn now(&self) -> MonotonicTime {
        self.world.borrow_mut().look_at_clock()
    }

    fn unix_time(&self) -> UnixTime {
        self.world.borrow().clock.unix_time()
    }

    fn fill_entropy(&mut self, bytes: &mut [u8]) {
        self.world.borrow_mut().entropy.fill(bytes);
    }

    fn submit(&mut self, slot: SlotId, operation: Operation) {
        self.world.borrow_mut().submit(self.shard, slot, operation);
    }

    fn cancel(&mut self, slot: SlotId) {
        self.world.borrow_mut().cancel(self.shard, slot);
    }

    fn poll(&mut self, _wait: Wait, completions: &mut Vec<Completion>) {
        self.world.borrow_mut().take_completions(self.shard, completions);
    }

    fn wake_handle(&self) -> Arc<dyn WakeShard> {
        Arc::new(NeverSleeps)
    }

    fn try_lock_exclusive(&mut self, file: FileId) -> io::Result<bool> {
        self.world.borrow_mut().try_lock(file)
    }

    fn hold_for_requests(&mut self, file: FileId) -> io::Result<()> {
        self.world.borrow_mut().hold_for_requests(file)
    }

    fn listen(&mut self, _address: SocketAddr) -> io::Result<(ListenerId, SocketAddr)> {
        Err(Errno::OPNOTSUPP.into())
    }

    fn set_nodelay(&mut self, _socket: SocketId, _nodelay: bool) -> io::Result<()> {
        Err(Errno::NOTSOCK.into())
    }

    fn shutdown_send(&mut self, _socket: SocketId) -> io::Result<()> {
        Err(Errno::NOTSOCK.into())
    }

    fn detach_socket(&mut self, _socket: SocketId) -> io::Result<DetachedSocket> {
        Err(Errno::NOTSOCK.into())
    }

    fn attach_socket(&mut self, _socket: DetachedSocket) -> io::Result<SocketId> {
        Err(Errno::NOTSOCK.into())
    }
}

/// Nobody sleeps in a simulation; who has mail is seen by the scheduler.
struct NeverSleeps;

impl WakeShard for NeverSleeps {
    fn wake(&self) {}
}

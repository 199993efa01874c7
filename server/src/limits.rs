//! What one client, and all of them together, may take: bytes, time, connections.
//!
//! The memory account is shared by all shards, a plain counter; nobody waits for it. A request that does not fit
//! is answered with an error that SDKs retry, because a queue of waiting requests would itself take memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A body, as sent and as inflated, may have so many bytes: DynamoDB's own limit.
pub(crate) const BODY_BYTES_MAX: usize = 16 << 20;
/// The request line and the headers together may have so many bytes.
pub(crate) const HEAD_BYTES_MAX: usize = 16 << 10;
/// What an open connection is charged: the buffers that it and the HTTP layer hold while it is idle.
pub(crate) const CONNECTION_BYTES: usize = 24 << 10;
/// What an open connection within TLS is charged beside that: its session's state, and the buffers for records.
pub(crate) const TLS_BYTES: usize = 24 << 10;
/// The account takes at least so much at a time, so that small growth does not touch the shared counter.
const RESERVE_STEP_BYTES: usize = 64 << 10;

/// Bounds on what clients may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open connections, over all shards.
    pub connections_max: usize,
    /// Bytes that connections, bodies and what is parsed from them may take, over all shards.
    pub request_memory_bytes: usize,
    /// From the first byte of a request to the end of its headers.
    pub head_time: Duration,
    /// From the end of the headers to the end of the body.
    pub body_time: Duration,
    /// From the end of an answer to the next request's first byte.
    pub idle_time: Duration,
    /// How long a peer may refuse to take any byte of an answer.
    pub write_time: Duration,
    /// How long requests in flight may take after a stop was asked for.
    pub shutdown_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections_max: 4096,
            request_memory_bytes: 128 << 20,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(60),
            write_time: Duration::from_secs(30),
            shutdown_time: Duration::from_secs(10),
        }
    }
}

/// There is no room for a request now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("requests in flight use all the memory they may")]
pub(crate) struct MemoryExhausted;

/// The account of memory for requests.
#[derive(Debug)]
pub(crate) struct RequestMemory {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
}

impl RequestMemory {
    /// An account of `limit_bytes`, nothing used.
    pub(crate) fn new(limit_bytes: usize) -> Arc<RequestMemory> {
        Arc::new(RequestMemory { limit_bytes, used_bytes: AtomicUsize::new(0) })
    }

    /// A permit for nothing yet; it grows on demand and gives everything back when dropped.
    pub(crate) fn permit(self: &Arc<Self>) -> MemoryPermit {
        MemoryPermit { account: Arc::clone(self), reserved_bytes: 0, charged_bytes: 0 }
    }

    /// A permit for exactly `bytes`, for what does not grow.
    pub(crate) fn permit_for(self: &Arc<Self>, bytes: usize) -> Result<MemoryPermit, MemoryExhausted> {
        self.reserve(bytes)?;
        Ok(MemoryPermit { account: Arc::clone(self), reserved_bytes: bytes, charged_bytes: bytes })
    }

    /// A permit for nothing yet that has room for `bytes`, and grows on demand: for requests whose usual cost is known,
    /// of which there may be too many at a time to give each a whole step.
    pub(crate) fn permit_with_room(self: &Arc<Self>, bytes: usize) -> Result<MemoryPermit, MemoryExhausted> {
        self.reserve(bytes)?;
        Ok(MemoryPermit { account: Arc::clone(self), reserved_bytes: bytes, charged_bytes: 0 })
    }

    fn reserve(&self, bytes: usize) -> Result<(), MemoryExhausted> {
        let fits = |used: usize| used.checked_add(bytes).filter(|total| *total <= self.limit_bytes);
        self.used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .map(|_| ())
            .map_err(|_| MemoryExhausted)
    }
}

/// One request's share of the account.
#[derive(Debug)]
pub(crate) struct MemoryPermit {
    account: Arc<RequestMemory>,
    reserved_bytes: usize,
    charged_bytes: usize,
}

impl MemoryPermit {
    /// Charges `bytes` more, before they are allocated.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), MemoryExhausted> {
        let charged = self.charged_bytes.checked_add(bytes).ok_or(MemoryExhausted)?;
        if charged > self.reserved_bytes {
            self.grow_to(charged)?;
        }
        self.charged_bytes = charged;
        Ok(())
    }

    fn grow_to(&mut self, charged_bytes: usize) -> Result<(), MemoryExhausted> {
        let missing = charged_bytes - self.reserved_bytes;
        let step = missing.next_multiple_of(RESERVE_STEP_BYTES);
        // Near the limit the exact amount may fit where the rounded one does not.
        let granted = match self.account.reserve(step) {
            Ok(()) => step,
            Err(MemoryExhausted) => self.account.reserve(missing).map(|()| missing)?,
        };
        self.reserved_bytes += granted;
        Ok(())
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        self.account.used_bytes.fetch_sub(self.reserved_bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_give_back_what_they_took() {
        let account = RequestMemory::new(1 << 20);
        let mut permit = account.permit();
        permit.charge(10).unwrap();
        permit.charge(100_000).unwrap();
        assert!(account.used_bytes.load(Ordering::Relaxed) >= 100_010);
        drop(permit);
        assert_eq!(account.used_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn permits_that_do_not_grow_take_no_more_than_they_say() {
        let account = RequestMemory::new(CONNECTION_BYTES * 2);
        let both = [account.permit_for(CONNECTION_BYTES), account.permit_for(CONNECTION_BYTES)];
        assert!(both.iter().all(Result::is_ok));
        assert!(account.permit_for(1).is_err());
        drop(both);
        assert_eq!(account.used_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn permits_with_room_take_what_they_say_until_they_grow() {
        let account = RequestMemory::new(1 << 20);
        let mut permit = account.permit_with_room(4096).unwrap();
        permit.charge(4096).unwrap();
        assert_eq!(account.used_bytes.load(Ordering::Relaxed), 4096);
        permit.charge(1).unwrap();
        assert_eq!(account.used_bytes.load(Ordering::Relaxed), 4096 + RESERVE_STEP_BYTES);
    }

    #[test]
    fn the_limit_is_exact_and_shared() {
        let account = RequestMemory::new(100_000);
        let mut first = account.permit();
        let mut second = account.permit();
        first.charge(60_000).unwrap();
        assert_eq!(second.charge(60_000), Err(MemoryExhausted));
        second.charge(100_000 - account.used_bytes.load(Ordering::Relaxed)).unwrap();
        assert_eq!(account.used_bytes.load(Ordering::Relaxed), 100_000);
        assert_eq!(first.charge(usize::MAX), Err(MemoryExhausted));
    }
}

//! The API without sockets: a request's target and body in, the status and the body of its reply out.
//!
//! For the simulation, whose processes have no network: everything behind HTTP runs as it does in the daemon.

use std::sync::Arc;

use basalt_engine::Engine;

use super::{Api, Call, ResourceNames};
use crate::limits::{Limits, RequestMemory};

/// The API on one shard of an engine.
pub struct Dispatch {
    api: Api,
    memory: Arc<RequestMemory>,
}

impl Dispatch {
    /// The API on the shard that this is called on; None elsewhere.
    pub fn new(engine: &Engine, names: ResourceNames) -> Option<Dispatch> {
        let api = Api::new(engine.clone(), engine.local()?, names, None);
        Some(Dispatch { api, memory: RequestMemory::new(Limits::default().request_memory_bytes) })
    }

    /// Answers a request that is taken for signed; `target` is its `X-Amz-Target`.
    pub async fn answer(&self, target: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let (body, memory) = (body.into(), self.memory.permit());
        let call = Call { target, host: None, signature: Ok(()), body, memory };
        let (status, body) = super::status_and_body(self.api.answer(call).await);
        (status.as_u16(), body)
    }
}

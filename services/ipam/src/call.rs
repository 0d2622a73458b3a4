//! One call on its way in: who asks for what, for the journal and for repetition.

use std::sync::Arc;

use polder_core::id::RequestId;
use polder_proto::convert::ipam::Mutation;
use polder_runtime::context::RequestContext;
use polder_store::Intent;
use prost::Message;
use sha2::{Digest, Sha256};
use tonic::Request;

/// A call that asks for a change.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: &'static str,
    context: Arc<RequestContext>,
    digest: [u8; 32],
    request_id: Option<RequestId>,
    /// Plan and answer, but change nothing.
    pub(crate) validate_only: bool,
    /// The plan that the change must still come to; empty: any.
    pub(crate) plan_etag: String,
}

impl Call {
    /// Takes a request apart. The digest tells a repetition from another request under the same id.
    pub(crate) fn of<M: Message>(method: &'static str, request: Request<M>) -> (Self, M) {
        let context = RequestContext::of(&request);
        let message = request.into_inner();
        let digest = Sha256::digest(message.encode_to_vec()).into();
        (Self { method, context, digest, request_id: None, validate_only: false, plan_etag: String::new() }, message)
    }

    /// The call as the request that was read asks for it, and what it wants.
    pub(crate) fn wants<T>(mut self, mutation: Mutation<T>) -> (Self, T) {
        self.request_id = mutation.request_id;
        self.validate_only = mutation.validate_only;
        self.plan_etag = mutation.plan_etag;
        (self, mutation.wish)
    }

    /// The same call without its id: a step on the way, which is not what the id asks for.
    pub(crate) fn step(&self) -> Self {
        Self { request_id: None, ..self.clone() }
    }

    /// One item of a call that asks for several things, as a call of its own.
    pub(crate) fn item<M: Message>(&self, message: &M) -> Self {
        Self { digest: Sha256::digest(message.encode_to_vec()).into(), ..self.clone() }
    }

    pub(crate) fn intent(&self) -> Intent {
        Intent {
            request_id: self.request_id.clone(),
            digest: self.digest,
            actor: self.context.actor.clone(),
            trace_id: self.context.trace_id.clone(),
            method: self.method,
        }
    }
}

//! One call on its way in, with what it asks for besides its wish.

use polder_core::id::RequestId;
use polder_proto::convert::ipam::Mutation;
use polder_store::Intent;
use prost::Message;
use tonic::Request;

/// A call that asks for a change, and how.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    call: polder_runtime::call::Call,
    request_id: Option<RequestId>,
    /// Plan and answer, but change nothing.
    pub(crate) validate_only: bool,
    /// The plan that the change must still come to; empty: any.
    pub(crate) plan_etag: String,
}

impl Call {
    /// Takes a request apart.
    pub(crate) fn of<M: Message>(method: &'static str, request: Request<M>) -> (Self, M) {
        let (call, message) = polder_runtime::call::Call::of(method, request);
        (Self { call, request_id: None, validate_only: false, plan_etag: String::new() }, message)
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
        Self { call: self.call.item(message), ..self.clone() }
    }

    pub(crate) fn intent(&self) -> Intent {
        self.call.intent(self.request_id.clone())
    }
}

//! One call on its way in: who asks for what, for the journal and for repetition.

use std::sync::Arc;

use polder_core::id::RequestId;
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
}

impl Call {
    /// Takes a request apart. The digest tells a repetition from another request under the same id.
    pub(crate) fn of<M: Message>(method: &'static str, request: Request<M>) -> (Self, M) {
        let context = RequestContext::of(&request);
        let message = request.into_inner();
        let digest = Sha256::digest(message.encode_to_vec()).into();
        (Self { method, context, digest }, message)
    }

    /// What the ledger records of the call.
    pub(crate) fn intent(&self, request_id: Option<RequestId>) -> Intent {
        Intent {
            request_id,
            digest: self.digest,
            actor: self.context.actor.clone(),
            trace_id: self.context.trace_id.clone(),
            method: self.method,
        }
    }
}

//! One call on its way in: who asks for what, for the journal and for repetition.

use std::sync::Arc;

use polder_core::id::RequestId;
use polder_core::schema::Intent;
use prost::Message;
use sha2::{Digest, Sha256};
use tonic::Request;

use crate::context::RequestContext;

/// A call that asks for a change.
#[derive(Debug, Clone)]
pub struct Call {
    method: &'static str,
    context: Arc<RequestContext>,
    digest: [u8; 32],
}

impl Call {
    /// Takes a request apart. The digest tells a repetition from another request under the same id.
    pub fn of<M: Message>(method: &'static str, request: Request<M>) -> (Self, M) {
        let context = RequestContext::of(&request);
        let message = request.into_inner();
        (Self { method, context, digest: digest(&message) }, message)
    }

    /// One item of a call that asks for several things, as a call of its own.
    #[must_use]
    pub fn item<M: Message>(&self, message: &M) -> Self {
        Self { digest: digest(message), ..self.clone() }
    }

    /// What the ledger records of the call.
    #[must_use]
    pub fn intent(&self, request_id: Option<RequestId>) -> Intent {
        Intent {
            request_id,
            digest: self.digest,
            actor: self.context.actor.clone(),
            trace_id: self.context.trace_id.clone(),
            method: self.method,
        }
    }
}

fn digest<M: Message>(message: &M) -> [u8; 32] {
    Sha256::digest(message.encode_to_vec()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_by_its_method_its_caller_and_its_content() {
        let context = RequestContext { actor: "ada".to_owned(), trace_id: "t".to_owned(), ..RequestContext::default() };
        let mut request = Request::new("a".to_owned());
        request.extensions_mut().insert(Arc::new(context));
        let (call, message) = Call::of("CreatePool", request);
        let intent = call.intent("id-1".parse().ok());
        assert_eq!(
            (message.as_str(), intent.method, intent.actor.as_str(), intent.trace_id.as_str()),
            ("a", "CreatePool", "ada", "t")
        );
        assert_eq!(intent.request_id, "id-1".parse().ok());
        assert_eq!(call.item(&"a".to_owned()).intent(None).digest, intent.digest);
        assert_ne!(call.item(&"b".to_owned()).intent(None).digest, intent.digest);
    }
}

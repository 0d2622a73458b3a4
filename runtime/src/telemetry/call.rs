//! The call that a task works on: what its log lines say, and what the calls that it makes continue.
//!
//! This is not a span of the subscriber's, because a span is paid for in every call and a line is logged in few: its fields are
//! formatted when it begins, and it is looked up whenever a task takes it up again. Where spans are exported there is one besides.

use std::sync::Arc;

use http::HeaderMap;
use opentelemetry::trace::SpanContext;
use tracing::field::Empty;
use tracing::instrument::Instrumented;
use tracing::{Instrument, Span};

use super::propagation;
use crate::context::{Peer, RequestContext};
use crate::server::methods::Method;

tokio::task_local! {
    static CURRENT: Arc<Call>;
}

/// See the module.
pub(crate) struct Call {
    pub(crate) method: Arc<Method>,
    pub(crate) context: Arc<RequestContext>,
    trace: SpanContext,
    /// Disabled unless somebody exports it.
    span: Span,
}

impl Call {
    /// The call that arrived with `headers`: it continues its caller's trace, or begins one.
    pub(crate) fn begin(method: Arc<Method>, headers: &HeaderMap, peer: Peer) -> Arc<Self> {
        let span = span(&method);
        let trace = propagation::trace(&span, headers);
        let context = Arc::new(RequestContext::new(headers, peer, trace.trace_id().to_string()));
        span.record("actor", &context.actor);
        Arc::new(Self { method, context, trace, span })
    }

    /// Runs `future` as a part of the call.
    pub(crate) fn scope<F: Future>(self: Arc<Self>, future: F) -> impl Future<Output = F::Output> {
        let instrumented: Instrumented<F> = future.instrument(self.span.clone());
        CURRENT.scope(self, instrumented)
    }

    /// Runs `work` as a part of the call.
    pub(crate) fn within<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(Arc::clone(self), || self.span.in_scope(work))
    }

    /// Notes the code that the call ends with.
    pub(crate) fn ended(&self, code: i32) {
        self.span.record("rpc.grpc.status_code", code);
    }

    /// Notes why the call ends badly, and whether that is the server's fault.
    pub(crate) fn failed(&self, reason: &str, is_error: bool) {
        self.span.record("error.type", reason);
        if is_error {
            self.span.record("otel.status_code", "ERROR");
        }
    }

    /// Reads the current call, if there is one.
    pub(super) fn current<T>(read: impl FnOnce(&Self) -> T) -> Option<T> {
        CURRENT.try_with(|call| read(call)).ok()
    }

    /// The trace of the current call, if the call has no span to ask.
    pub(super) fn unrecorded_trace() -> Option<SpanContext> {
        Self::current(|call| call.span.is_disabled().then(|| call.trace.clone())).flatten()
    }
}

/// The span that is exported. Its level keeps it out of the log, whose lines have [`super::lines`] name the call.
fn span(method: &Method) -> Span {
    tracing::trace_span!(
        "rpc",
        otel.name = method.full_name,
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.service = &*method.service,
        rpc.method = &*method.name,
        rpc.grpc.status_code = Empty,
        error.r#type = Empty,
        actor = Empty,
    )
}

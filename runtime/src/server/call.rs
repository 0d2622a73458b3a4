//! One call: its span, its context, and the record of how it ended.

use std::sync::Arc;

use http::{HeaderMap, Request};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};
use tracing::Span;
use tracing::field::Empty;

use super::methods::Method;
use crate::context::{Peer, RequestContext};
use crate::metrics::Metrics;
use crate::{clock, grpc_timeout, status, telemetry};

/// The span of a call, a child of the caller's.
pub(super) fn span(method: &Method, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        "rpc",
        otel.name = format!("{}/{}", method.service, method.name),
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.service = &*method.service,
        rpc.method = &*method.name,
        rpc.grpc.status_code = Empty,
        error.r#type = Empty,
        actor = Empty,
        trace_id = Empty,
    );
    telemetry::continue_from(&span, headers);
    span
}

/// What the handler will find with [`RequestContext::of`].
pub(super) fn context(request: &Request<Body>, span: &Span, now: Instant) -> Arc<RequestContext> {
    let headers = request.headers();
    let peer = request.extensions().get::<Peer>().cloned().unwrap_or(Peer::InProcess);
    let deadline = grpc_timeout::of(headers).map(|timeout| now + timeout);
    let context = RequestContext::new(headers, peer, telemetry::trace_id(span, headers), deadline);
    span.record("actor", &context.actor);
    span.record("trace_id", &context.trace_id);
    Arc::new(context)
}

/// Counts a call from its arrival to its end. Dropped before the end, it counts as cancelled by the caller.
pub(super) struct Record {
    span: Span,
    metrics: Metrics,
    method: Method,
    began: Instant,
    ended: bool,
}

impl Record {
    pub(super) fn begin(span: Span, metrics: Metrics, method: Method) -> Self {
        metrics.call_began();
        Self { span, metrics, method, began: clock::monotonic(), ended: false }
    }

    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Notes the status that the call ends with. The first one counts.
    pub(super) fn ended(&mut self, status: &Status) {
        if self.ended {
            return;
        }
        self.count(status.code());
        if status.code() != Code::Ok {
            self.log(status);
        }
    }

    fn count(&mut self, code: Code) {
        self.ended = true;
        self.metrics.call_ended(&self.method.service, &self.method.name, code, clock::monotonic() - self.began);
        self.span.record("rpc.grpc.status_code", i32::from(code));
    }

    fn log(&self, status: &Status) {
        let (code, reason) = (i32::from(status.code()), status::decode(status).reason);
        self.span.record("error.type", reason.as_str());
        let _entered = self.span.enter();
        if is_error(status.code()) {
            self.span.record("otel.status_code", "ERROR");
        }
        // A store that is down or a busy process refuses thousands of calls a second; health says so once. Only what should
        // never happen is loud.
        if matches!(status.code(), Code::Unknown | Code::Internal | Code::DataLoss) {
            tracing::error!(method = %self.method.name, code, %reason, "a call has failed: {}", status.message());
        } else {
            tracing::debug!(method = %self.method.name, code, %reason, "a call was refused: {}", status.message());
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            self.count(Code::Cancelled);
        }
    }
}

/// The codes that OpenTelemetry counts as errors of a server.
const fn is_error(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown | Code::DeadlineExceeded | Code::Unimplemented | Code::Internal | Code::Unavailable | Code::DataLoss
    )
}

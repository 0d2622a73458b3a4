//! W3C Trace Context over HTTP headers, which gRPC metadata are: `traceparent` and `tracestate`.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceState};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::Call;
use crate::entropy;

/// Writes the trace of the current span, or else of the current call, into the headers of a call that is about to leave, for
/// whoever makes calls without a [`crate::link::Link`]. Outside of both the headers stay as they are.
pub fn inject(headers: &mut HeaderMap) {
    let context = match Call::unrecorded_trace() {
        // Nobody records a span here, so the next one continues where this one did.
        Some(trace) => Context::new().with_remote_span_context(trace),
        None => Span::current().context(),
    };
    TraceContextPropagator::new().inject_context(&context, &mut Headers(headers));
}

/// The trace that a call is in: its span's when `span` is recorded, else its caller's, else a fresh one.
pub(super) fn trace(span: &Span, headers: &HeaderMap) -> SpanContext {
    let remote = caller(headers);
    if span.is_disabled() {
        return remote.unwrap_or_else(fresh);
    }
    if let Some(remote) = remote.clone() {
        // Refused only for a span that has started already or that nobody exports; both are fine without a parent.
        let _unrecorded = span.set_parent(Context::new().with_remote_span_context(remote));
    }
    let own = span.context().span().span_context().clone();
    if own.is_valid() { own } else { remote.unwrap_or_else(fresh) }
}

fn caller(headers: &HeaderMap) -> Option<SpanContext> {
    headers.get("traceparent")?;
    let remote = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeadersRead(headers));
    let trace = remote.span().span_context().clone();
    trace.is_valid().then_some(trace)
}

/// A trace that begins here. Its one span is recorded by nobody; it is there because the form of the header wants one.
fn fresh() -> SpanContext {
    let (trace, span) = (entropy::draw().0, entropy::draw().0.to_be_bytes());
    let [a, b, c, d, e, f, g, h, ..] = span;
    let span = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    // Zero means "none" in both.
    SpanContext::new(trace.max(1).into(), span.max(1).into(), TraceFlags::SAMPLED, false, TraceState::default())
}

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (key.parse::<HeaderName>(), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

struct HeadersRead<'a>(&'a HeaderMap);

impl Extractor for HeadersRead<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

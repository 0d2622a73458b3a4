//! W3C Trace Context over HTTP headers, which gRPC metadata are: `traceparent` and `tracestate`.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Writes the current span into the headers of a call that is about to leave, for whoever makes calls without a
/// [`crate::link::Link`]. Without an active trace the headers stay as they are.
pub fn inject(headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut Headers(headers));
}

/// Makes `span` a child of the caller's span, if the headers name one.
pub(crate) fn continue_from(span: &Span, headers: &HeaderMap) {
    let remote = TraceContextPropagator::new().extract(&HeadersRead(headers));
    if remote.span().span_context().is_valid() {
        // Refused only for a span that has started already or that nobody records; both are fine without a parent.
        let _unrecorded = span.set_parent(remote);
    }
}

/// The trace id of `span` in 32 hexadecimal digits; that of the caller when nobody records the span; else empty.
pub(crate) fn trace_id(span: &Span, headers: &HeaderMap) -> String {
    let own = span.context();
    let remote = TraceContextPropagator::new().extract(&HeadersRead(headers));
    let contexts = [own.span().span_context().clone(), remote.span().span_context().clone()];
    contexts.iter().find(|context| context.is_valid()).map(|context| context.trace_id().to_string()).unwrap_or_default()
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

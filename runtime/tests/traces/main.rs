//! Traces: continued over hops, exported by OTLP. A program of its own, and one test at a time: whether a span is recorded is
//! decided once per process, by whoever gets there first.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where its expectation does")]

#[path = "../stack/echo.rs"]
#[allow(dead_code, reason = "shared with the tests of the stack, which use all of it")]
mod echo;

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use polder_runtime::telemetry::{Telemetry, TelemetryConfig};
use tonic::{Request, Response, Status};
use tracing_subscriber::util::SubscriberInitExt;

use echo::{Echo, Served, Text, config, say, say_request};

static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Takes spans as an OpenTelemetry collector does.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(&self, request: Request<ExportTraceServiceRequest>) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans;
        let spans = resources.into_iter().flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
        self.0.lock().unwrap().extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let incoming = tonic::transport::server::TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(collector.clone()));
        polder_runtime::tasks::Tasks::new()
            .spawn("collector", |_| async move { server.serve_with_incoming(incoming).await.unwrap() });
        (collector, format!("http://{address}"))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One thread, so that the subscriber of the thread sees the servers too.
#[tokio::test(flavor = "current_thread")]
async fn one_trace_spans_two_hops_and_reaches_the_collector() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let (collector, endpoint) = Collector::start().await;
    let settings = TelemetryConfig { otlp_endpoint: Some(endpoint), log_filter: "error".into(), ..TelemetryConfig::default() };
    let (telemetry, subscriber) = Telemetry::prepare("polder-test", "0.0.1", &settings).unwrap();
    let installed = subscriber.set_default();

    let last = Served::with(config()).await;
    let first = Served::start(config(), Echo::before(last.remote.clone()), |component| component).await;
    let mut request = Request::new(Text::of("forward"));
    request.metadata_mut().insert("traceparent", format!("00-{TRACE}-{PARENT}-01").parse().unwrap());
    let answer = say_request(&first.remote, request).await.unwrap();
    assert_eq!(answer.trace_id, TRACE, "the handler at the end of the chain knows the trace");

    // The record of a call ends with its last byte, which may be after the caller has read it.
    for served in [first, last] {
        served.running.stop_token().cancel();
        served.running.wait().await.unwrap();
    }
    tokio::task::spawn_blocking(move || telemetry.flush()).await.unwrap();
    drop(installed);
    let spans = collector.0.lock().unwrap().clone();
    let spans: Vec<&Span> = spans.iter().filter(|span| hex(&span.trace_id) == TRACE).collect();
    assert_eq!(spans.len(), 2, "{spans:#?}");
    assert!(spans.iter().all(|span| span.name == "polder.test.v1.EchoService/Say"), "{spans:#?}");
    let outer = spans.iter().find(|span| hex(&span.parent_span_id) == PARENT).expect("a child of the caller's span");
    let inner = spans.iter().find(|span| span.parent_span_id == outer.span_id);
    assert!(inner.is_some(), "a child of the first hop: {spans:#?}");
}

#[tokio::test(flavor = "current_thread")]
async fn the_trace_goes_through_a_local_link_too_and_without_a_collector() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let settings = TelemetryConfig { log_filter: "error".into(), ..TelemetryConfig::default() };
    let (_telemetry, subscriber) = Telemetry::prepare("polder-test", "0.0.1", &settings).unwrap();
    let _installed = subscriber.set_default();
    let last = Served::with(config()).await;
    let first = Served::start(config(), Echo::before(last.local.clone()), |component| component).await;
    let mut request = Request::new(Text::of("forward"));
    request.metadata_mut().insert("traceparent", format!("00-{TRACE}-{PARENT}-01").parse().unwrap());
    assert_eq!(say_request(&first.local, request).await.unwrap().trace_id, TRACE);
    let fresh = say(&first.local, Text::of("no caller's trace")).await.unwrap().trace_id;
    assert!(fresh.len() == 32 && fresh != TRACE, "{fresh}");

    // What is no trace context is none, whatever else it is.
    for damaged in ["", "00-0-0-01", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "ff-x"] {
        let mut request = Request::new(Text::of("no caller's trace"));
        request.metadata_mut().insert("traceparent", damaged.parse().unwrap());
        let fresh = say_request(&first.remote, request).await.unwrap().trace_id;
        assert!(fresh.len() == 32 && fresh.bytes().any(|digit| digit != b'0'), "{damaged}: {fresh}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_process_that_exports_nothing_passes_the_trace_on_as_it_got_it() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let last = Served::with(config()).await;
    let first = Served::start(config(), Echo::before(last.remote.clone()), |component| component).await;
    let mut request = Request::new(Text::of("forward headers"));
    for (name, value) in [("traceparent", format!("00-{TRACE}-{PARENT}-00")), ("tracestate", "vendor=opaque".to_owned())] {
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    let answer = say_request(&first.remote, request).await.unwrap();
    assert_eq!(answer.text, format!("00-{TRACE}-{PARENT}-00 vendor=opaque"));
    let answer = say_request(&last.remote, Request::new(Text::of("headers"))).await.unwrap();
    assert_eq!(answer.text, "", "a call outside of any other begins with the server's trace");
}

#[tokio::test]
async fn a_bad_filter_is_named() {
    let settings = TelemetryConfig { log_filter: "loud=!".into(), ..TelemetryConfig::default() };
    let error = Telemetry::prepare("polder-test", "0.0.1", &settings).err().unwrap();
    assert!(error.to_string().contains("`loud=!`"), "{error}");
}

//! The record of how a call ended.

use std::sync::Arc;

use tokio::time::Instant;
use tonic::{Code, Status};

use crate::metrics::Metrics;
use crate::telemetry::Call;
use crate::{clock, status};

/// Counts a call from its arrival to its end. Dropped before the end, it counts as cancelled by the caller.
pub(super) struct Record {
    call: Arc<Call>,
    metrics: Metrics,
    began: Instant,
    ended: bool,
}

impl Record {
    pub(super) fn begin(call: Arc<Call>, metrics: Metrics) -> Self {
        metrics.call_began();
        Self { call, metrics, began: clock::monotonic(), ended: false }
    }

    pub(super) const fn call(&self) -> &Arc<Call> {
        &self.call
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

    /// As [`Record::ended`] with the status OK.
    pub(super) fn ended_well(&mut self) {
        if !self.ended {
            self.count(Code::Ok);
        }
    }

    fn count(&mut self, code: Code) {
        self.ended = true;
        self.metrics.call_ended();
        self.call.method.durations.observe(code, clock::monotonic() - self.began);
        self.call.ended(i32::from(code));
    }

    fn log(&self, status: &Status) {
        let (code, reason) = (i32::from(status.code()), status::decode(status).reason);
        self.call.failed(reason.as_str(), is_error(status.code()));
        // A store that is down or a busy process refuses thousands of calls a second; health says so once. Only what should
        // never happen is loud.
        self.call.within(|| {
            if matches!(status.code(), Code::Unknown | Code::Internal | Code::DataLoss) {
                tracing::error!(code, %reason, "a call has failed: {}", status.message());
            } else {
                tracing::debug!(code, %reason, "a call was refused: {}", status.message());
            }
        });
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use http::HeaderMap;
    use polder_core::reason::{Reason, Refusal};
    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::context::Peer;
    use crate::server::methods::Methods;
    use crate::telemetry::LogFormat;
    use crate::telemetry::lines::lines;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged when a call fails, and then outside of any call.
    fn logged(format: LogFormat) -> [String; 2] {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::Registry::default().with(lines(format, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            Record::begin(call(), metrics()).ended(&status::encode(&Refusal::new(Reason::Internal, "as told")));
            tracing::error!("elsewhere");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.try_into().unwrap()
    }

    fn metrics() -> Metrics {
        Metrics::new("polder-test", "0.0.1")
    }

    fn call() -> Arc<Call> {
        let methods = Methods::of(&[tonic_health::pb::FILE_DESCRIPTOR_SET], &metrics()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01").parse().unwrap());
        headers.insert(crate::context::ACTOR_HEADER, "al\"ice".parse().unwrap());
        Call::begin(Arc::clone(methods.get("/grpc.health.v1.Health/Check")), &headers, Peer::InProcess)
    }

    #[test]
    fn a_failed_call_is_named_in_its_line() {
        let [inside, outside] = logged(LogFormat::Human);
        for part in ["as told", "code=13", "reason=INTERNAL", "rpc=grpc.health.v1.Health/Check", r#"actor="al\"ice""#, TRACE] {
            assert!(inside.contains(part), "`{part}` is missing: {inside}");
        }
        assert!(outside.ends_with("elsewhere"), "{outside}");

        let [inside, outside] = logged(LogFormat::Json).map(|line| serde_json::from_str::<Value>(&line).unwrap());
        assert_eq!(inside["code"], 13, "{inside}");
        assert_eq!(inside["reason"], "INTERNAL", "{inside}");
        assert_eq!(inside["rpc"], json!({ "method": "grpc.health.v1.Health/Check", "actor": "al\"ice", "trace_id": TRACE }));
        assert_eq!((&outside["message"], outside.get("rpc")), (&json!("elsewhere"), None), "{outside}");
    }
}

//! The HTTP side of every process: `/metrics`, `/healthz`, `/readyz`.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::health::Health;
use crate::metrics::{self, Metrics};

/// The three routes, for a listener of their own or to be merged into another router.
pub(crate) fn routes(metrics: Metrics, health: Health) -> Router {
    Router::new()
        .route("/metrics", get(scrape).with_state(metrics))
        // Alive means that the process answers; whether it can work is a matter of readiness.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready).with_state(health))
}

async fn scrape(State(metrics): State<Metrics>) -> Response {
    match metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("a metric cannot be written: {error}\n")).into_response(),
    }
}

async fn ready(State(health): State<Health>) -> Response {
    let answers = health.ask();
    let all = answers.iter().all(|(_, answer)| answer.is_ok());
    let components: Vec<Value> = answers
        .into_iter()
        .map(|(name, answer)| match answer {
            Ok(()) => json!({ "name": name, "ready": true }),
            Err(why) => json!({ "name": name, "ready": false, "reason": why.reason.as_str(), "message": why.message }),
        })
        .collect();
    let status = if all { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(json!({ "ready": all, "components": components }))).into_response()
}

//! What every Polder process is made of, apart from what it does.
//!
//! * [`clock`], [`entropy`]: the only readings of time and randomness.
//! * [`config`]: defaults, file, environment, flags.
//! * [`telemetry`], [`metrics`]: logs and traces; the Prometheus registry.
//! * [`status`]: refusals to gRPC statuses, and back, and to HTTP.
//! * [`server`], [`context`]: what happens to every call before its handler, and what the handler may know.
//! * [`link`]: calls to services, in this process or elsewhere.
//! * [`tasks`]: the only place that spawns; signals.

pub mod clock;
pub mod config;
pub mod context;
pub mod entropy;
mod grpc_timeout;
pub mod link;
pub mod metrics;
pub mod server;
pub mod status;
pub mod tasks;
pub mod telemetry;

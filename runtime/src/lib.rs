//! What every Polder process is made of, apart from what it does.
//!
//! * [`clock`], [`entropy`]: the only readings of time and randomness.
//! * [`config`]: defaults, file, environment, flags.
//! * [`telemetry`], [`metrics`]: logs and traces; the Prometheus registry.
//! * [`status`]: refusals to gRPC statuses, and back, and to HTTP.
//! * [`server`], [`context`]: what happens to every call before its handler, and what the handler may know.
//! * [`call`]: a call that asks for a change, as the journal has it.
//! * [`freshness`]: how old what is read may be.
//! * [`node_stream`]: streams that one node opens, a message and an answer at a time.
//! * [`inherit`]: listening sockets that somebody else had before.
//! * [`link`]: calls to services, in this process or elsewhere.
//! * [`tasks`]: the only place that spawns; signals.
//! * [`component`], [`process`]: parts that are ready to run, and the process that runs them to an orderly end.
//!
//! Nothing here is stored; a crash leaves nothing behind.

/// Every process allocates with mimalloc: a message is made on one thread and freed on another all the time, and at that the
/// system's allocator spends a tenth of the processor waiting for its own locks. It does not ask for huge pages ([`process::run`]).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod call;
pub mod clock;
pub mod component;
pub mod config;
pub mod context;
pub mod entropy;
pub mod freshness;
mod grpc_timeout;
pub mod inherit;
pub mod link;
pub mod metrics;
pub mod node_stream;
pub mod process;
pub mod server;
pub mod status;
pub mod tasks;
pub mod telemetry;

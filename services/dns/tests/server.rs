//! A running name server, asked by programs that other people wrote: `dig`, `kdig`, and the hickory parser.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "server/abuse.rs"]
mod abuse;
#[path = "server/api.rs"]
mod api;
#[path = "server/cold.rs"]
mod cold;
#[path = "server/crowd.rs"]
mod crowd;
#[path = "server/dig.rs"]
mod dig;
#[path = "server/everywhere.rs"]
mod everywhere;
#[path = "server/follow.rs"]
mod follow;
#[path = "server/forward.rs"]
mod forward;
#[path = "server/handover.rs"]
mod handover;
#[path = "server/hostile.rs"]
mod hostile;
#[path = "server/import.rs"]
mod import;
#[path = "server/independent.rs"]
mod independent;
#[path = "server/metrics.rs"]
mod metrics;
#[path = "server/seen.rs"]
mod seen;
#[path = "server/site.rs"]
mod site;
#[path = "server/skydns.rs"]
mod skydns;
#[path = "server/tls.rs"]
mod tls;
#[path = "server/transfer.rs"]
mod transfer;
#[path = "server/views.rs"]
mod views;
#[path = "server/zones.rs"]
mod zones;

//! The load balancer as a process serves it, on the embedded store and on a real etcd.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "suite/agent.rs"]
mod agent;
#[path = "suite/announcing.rs"]
mod announcing;
#[path = "suite/bgp.rs"]
mod bgp;
#[path = "suite/catalog.rs"]
mod catalog;
#[path = "suite/converging.rs"]
mod converging;
#[path = "suite/dataplane.rs"]
mod dataplane;
#[path = "suite/healing.rs"]
mod healing;
#[path = "suite/replicas.rs"]
mod replicas;
#[path = "suite/resting.rs"]
mod resting;
#[path = "suite/site.rs"]
mod site;
#[path = "suite/watches.rs"]
mod watches;

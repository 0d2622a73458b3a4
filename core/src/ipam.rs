//! Addresses of pods and nodes: pools, blocks, allocations, and the decisions about them.

pub mod allocate;
pub mod audit;
pub mod avoid;
pub mod decision;
pub mod evict;
pub mod finding;
pub mod forecast;
pub mod impact;
pub mod liveness;
pub mod lookup;
pub mod namespace;
pub mod neighbors;
pub mod network;
pub mod node;
pub mod pool;
pub mod record;
pub mod release;
pub mod repair;
pub mod reservation;
pub mod sweep;
pub mod usage;
pub mod view;

pub use decision::{Decision, Fields};
pub use evict::Eviction;
pub use finding::{Finding, Severity};
pub use impact::{Action, Impact, basis, impact};
pub use neighbors::{Answer, Neighbors};
pub use network::CLUSTER_DNS;
pub use record::{
    Allocation, AnyOf, Block, Change, ComputeNetwork, Holding, Interface, Liveness, Namespace, Node, Order, Owner, OwnerKind, Pool,
    PoolSelectors, PoolState, Purpose, Quotas, Reservation, Route,
};
pub use view::View;

#[cfg(test)]
mod tests;

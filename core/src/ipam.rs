//! Addresses of pods and nodes: pools, blocks, allocations, and the decisions about them.

pub mod allocate;
pub mod audit;
pub mod decision;
pub mod finding;
pub mod liveness;
pub mod lookup;
pub mod namespace;
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

pub use decision::{Action, Decision, Fields, Impact, impact};
pub use finding::{Finding, Severity};
pub use record::{
    Allocation, AnyOf, Block, Change, ComputeNetwork, Holding, Interface, Liveness, Namespace, Node, Order, Owner, OwnerKind, Pool,
    PoolSelectors, PoolState, Purpose, Quotas, Reservation, Route,
};
pub use view::View;

#[cfg(test)]
mod tests;

//! Addresses of pods and nodes: pools, blocks, allocations, and the decisions about them.

pub mod allocate;
pub mod decision;
pub mod node;
pub mod record;
pub mod usage;
pub mod view;

pub use decision::{Action, Decision, Fields, Impact, impact};
pub use record::{
    Allocation, AnyOf, Block, Change, ComputeNetwork, Holding, Interface, Namespace, Node, Order, Owner, OwnerKind, Pool,
    PoolSelectors, PoolState, Purpose, Quotas, Reservation, Route,
};
pub use view::View;

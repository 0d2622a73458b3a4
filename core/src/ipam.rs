//! Addresses of pods and nodes: pools, blocks, allocations, and the decisions about them.

pub mod record;
pub mod view;

pub use record::{
    Allocation, Block, Change, ComputeNetwork, Holding, Interface, Namespace, Node, Order, Owner, OwnerKind, Pool, PoolSelectors,
    PoolState, Purpose, Quotas, Reservation,
};
pub use view::View;

//! The gRPC services: each method decodes, calls and encodes, and knows no rules.

mod allocations;
mod fields;
mod namespaces;
mod network;
mod nodes;
mod pools;

pub(crate) use allocations::Allocations;
pub(crate) use fields::{AllocationOf, NodeOf, PoolOf};
pub(crate) use namespaces::Namespaces;
pub(crate) use network::ComputeNetwork;
pub(crate) use nodes::Nodes;
pub(crate) use pools::Pools;

use std::str::FromStr;

use polder_core::reason::{Malformed, Refusal, Violations};
use polder_proto::stored::Stored;
use polder_runtime::freshness::aged;
use polder_runtime::status::refuse;
use polder_store::Snapshot;
use tonic::{Response, Status};

/// What a method answers.
type Answered<T> = Result<Response<T>, Status>;

/// The outcome of a change as gRPC has it.
fn answer<T>(outcome: Result<T, Refusal>) -> Answered<T> {
    outcome.map(Response::new).map_err(refuse)
}

/// An answer read from a view, with the view's age.
fn read<T>(snapshot: &Snapshot<Stored>, message: T) -> Answered<T> {
    Ok(aged(snapshot.age(), message))
}

/// The name in a question about one object.
fn name<T: FromStr<Err = Malformed>>(text: &str) -> Result<T, Status> {
    let mut bad = Violations::new();
    let name = bad.take("name", text.parse());
    bad.finish(name).map_err(refuse)
}

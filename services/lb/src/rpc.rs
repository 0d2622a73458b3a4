//! The gRPC services: each method decodes, calls and encodes, and knows no rules.

mod announcements;
mod bgp;
mod dataplane;
mod services;

pub(crate) use announcements::Announcements;
pub(crate) use dataplane::{Dataplane, DataplaneServer};
pub(crate) use services::Services;

use polder_proto::stored::Stored;
use polder_runtime::freshness::aged;
use polder_store::Snapshot;
use tonic::{Response, Status};

/// What a method answers.
type Answered<T> = Result<Response<T>, Status>;

/// An answer read from a view, with the view's age.
fn read<T>(snapshot: &Snapshot<Stored>, message: T) -> Response<T> {
    aged(snapshot.age(), message)
}

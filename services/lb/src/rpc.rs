//! The gRPC services: each method decodes, calls and encodes, and knows no rules.

mod announcements;
mod bgp;
mod dataplane;
mod services;

pub(crate) use announcements::Announcements;
pub(crate) use dataplane::{Dataplane, DataplaneServer};
pub(crate) use services::Services;

use polder_proto::stored::Stored;
use polder_store::Snapshot;
use tonic::{Response, Status};

/// What a method answers.
type Answered<T> = Result<Response<T>, Status>;

/// The metadata key under which a read says how old its view may be, in milliseconds.
const AGE_HEADER: &str = "x-polder-age-ms";

/// An answer read from a view, with the view's age.
fn read<T>(snapshot: &Snapshot<Stored>, message: T) -> Response<T> {
    let mut response = Response::new(message);
    if let Some(age) = snapshot.age() {
        response.metadata_mut().insert(AGE_HEADER, u64::try_from(age.as_millis()).unwrap_or(u64::MAX).into());
    }
    response
}

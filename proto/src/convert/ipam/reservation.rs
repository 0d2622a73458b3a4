//! Reservations.

use std::time::Duration;

use polder_core::ipam::Reservation;
use polder_core::ipam::reservation::{Draft, Update};
use polder_core::net::Name;
use polder_core::reason::{Reason, Refusal, Violations};

use super::Mutation;
use super::values::{disjoint, duration, fields, ranges, show_duration, text};
use crate::convert::common::{labels, parsed, show_labels, show_time};
use crate::ipam::v1 as pb;

/// The longest that a reservation lasts: a hundred years.
const MOST_TTL: Duration = Duration::from_secs(36_500 * 86_400);

/// Reads a request for a new reservation.
///
/// # Errors
/// The refusal that names every bad field.
pub fn create(request: &pb::CreateReservationRequest) -> Result<Mutation<Draft>, Refusal> {
    let mut bad = Violations::new();
    let draft = draft(&request.reservation.clone().unwrap_or_default(), &mut bad);
    Mutation::finish(&request.request_id, request.validate_only, draft, bad)
}

/// Reads a request for a changed reservation.
///
/// # Errors
/// The refusal that names every bad field.
pub fn update(request: &pb::UpdateReservationRequest) -> Result<Mutation<Update>, Refusal> {
    let mut bad = Violations::new();
    let reservation = request.reservation.clone().unwrap_or_default();
    let fields = fields(request.update_mask.as_ref(), &["ranges", "owner", "ttl", "labels"], &mut bad);
    let draft = draft(&reservation, &mut bad);
    let (etag, allow_missing) = (reservation.etag, request.allow_missing);
    let wish = draft.map(|draft| Update { draft, fields, etag, allow_missing });
    Mutation::finish(&request.request_id, request.validate_only, wish, bad)
}

/// Reads a request to delete a reservation: its name and etag.
///
/// # Errors
/// The refusal that names every bad field.
pub fn delete(request: &pb::DeleteReservationRequest) -> Result<Mutation<(Name, String)>, Refusal> {
    let mut bad = Violations::new();
    let name = parsed(&request.name, "name", &mut bad);
    Mutation::finish(&request.request_id, request.validate_only, name.map(|name| (name, request.etag.clone())), bad)
}

fn draft(reservation: &pb::Reservation, bad: &mut Violations) -> Option<Draft> {
    let ranges = disjoint(ranges(&reservation.ranges, "reservation.ranges", bad), "reservation.ranges", bad);
    let owner = text(&reservation.owner, "reservation.owner", bad);
    let ttl = duration(reservation.ttl.as_ref(), "reservation.ttl", bad);
    if ttl.is_some_and(|ttl| ttl.is_zero() || ttl > MOST_TTL) {
        bad.add("reservation.ttl", Reason::CountOutOfBounds, "a reservation lasts more than nothing and at most 36500 days");
    }
    let labels = labels(reservation.labels.clone(), "reservation.labels", bad);
    Some(Draft { name: parsed(&reservation.name, "reservation.name", bad)?, ranges, owner, ttl, labels })
}

/// A reservation as it is stored.
#[must_use]
pub fn show(reservation: &Reservation) -> pb::Reservation {
    pb::Reservation {
        name: reservation.name.to_string(),
        uid: reservation.meta.uid.to_string(),
        etag: reservation.meta.etag(),
        labels: show_labels(&reservation.labels),
        create_time: Some(show_time(reservation.meta.created)),
        update_time: Some(show_time(reservation.meta.updated)),
        ranges: reservation.ranges.iter().map(ToString::to_string).collect(),
        owner: reservation.owner.clone(),
        ttl: reservation.ttl.and_then(show_duration),
        expire_time: reservation.expires.map(show_time),
        system: reservation.system,
    }
}

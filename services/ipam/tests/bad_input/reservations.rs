//! Reservations.

use polder_core::reason::Reason;
use polder_testing::bad_input::{Row, Table, To, bad, good, list, many, refused, table, text};
use serde_json::json;
use tonic::Code;

use crate::rows::*;
use crate::world::{Known, judged};

/// The longest that a reservation lasts: a hundred years.
const MOST_TTL: i64 = 36_500 * 86_400;

fn draft() -> Vec<Row> {
    let at = "reservation.ranges";
    [
        ranges(at),
        required_names("reservation.name"),
        labels("reservation.labels"),
        texts("reservation.owner"),
        durations("reservation.ttl", MOST_TTL),
        vec![
            bad("reservation.ttl", To::Time(0, 0), Reason::CountOutOfBounds),
            bad(at, To::Absent, Reason::FieldRequired),
            bad(at, list(["10.9.0.0/24", "10.9.0.128/25"]), Reason::DuplicateValue).naming("reservation.ranges[1]"),
            refused(at, list(["172.28.0.0/24"]), Code::FailedPrecondition, Reason::RangeOverlap),
            good(at, many(256, |at| format!("10.9.{at}.1"))),
        ],
    ]
    .concat()
}

pub(crate) fn tables(_: &Known) -> Vec<Table> {
    let reservation = |name: &str| json!({"reservation": {"name": name, "ranges": ["10.8.0.0/28"], "owner": "the printer"}});
    let mut made = reservation("new");
    made["reservation"]["ranges"] = json!(["10.9.0.0/28"]);
    vec![
        table(
            "PoolService/CreateReservation",
            made,
            [draft(), request_ids(), vec![refused("reservation.name", text("kept"), Code::AlreadyExists, Reason::AlreadyExists)]],
        ),
        table(
            "PoolService/UpdateReservation",
            reservation("kept"),
            [
                draft(),
                etags("reservation.etag"),
                masks(),
                request_ids(),
                vec![
                    refused("reservation.name", text("nobody"), Code::NotFound, Reason::ReservationNotFound),
                    refused("reservation.name", text("cluster-dns"), Code::FailedPrecondition, Reason::FieldLocked),
                ],
            ],
        ),
        table(
            "PoolService/DeleteReservation",
            json!({"name": "kept"}),
            [
                required_names("name"),
                vec![refused("name", text("nobody"), Code::NotFound, Reason::ReservationNotFound)],
                etags("etag"),
                request_ids(),
            ],
        ),
    ]
}

#[tokio::test]
async fn bad_reservations_are_refused() {
    judged(tables).await;
}

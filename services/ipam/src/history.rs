//! What happened to an address, out of the journals.
//!
//! IPAM's journal tells of allocations and reservations, LB's of virtual IPs. Both are read from the store, backwards from the
//! end of the period, a bounded number of records for one page of events; the next page goes on where it ended.

mod event;
mod journal;
mod trend;

use std::net::IpAddr;

use polder_core::cluster::Change;
use polder_core::ipam::{
    self,
    lookup::{Lookup, lookup},
};
use polder_core::lb;
use polder_core::reason::{Reason, Refusal, Violations};
use polder_core::time::Timestamp;
use polder_proto::convert::common::show_time;
use polder_proto::convert::ipam::lookup::{self as convert, Period};
use polder_proto::ipam::v1 as pb;
use polder_runtime::clock;

use self::event::{Event, EventKey};
use self::journal::{events, oldest, undo};
pub(crate) use self::trend::{Trends, trends};
use crate::page::Page;
use crate::service::Service;

/// Everything that happened to an address in a period, newest first.
///
/// # Errors
/// Bad fields of the request; `STORE_UNAVAILABLE`.
pub(crate) async fn list(
    service: &Service,
    request: &pb::ListAddressHistoryRequest,
) -> Result<pb::ListAddressHistoryResponse, Refusal> {
    let (period, page) = asked(request)?;
    let to = period.to.unwrap_or(Timestamp(u64::MAX)).min(clock::now());
    let to = page.after.as_ref().map_or(to, |after| to.min(Timestamp(after.at().0.saturating_add(1))));
    let from = period.from.unwrap_or_default();
    let found = events(service, period.address, (from, to)).await?;
    let oldest = oldest(service).await?.unwrap_or(found.reaches);
    let later = found.events.into_iter().filter(|event| page.after.as_ref().is_none_or(|after| event.key < *after));
    let (events, mut next_page_token) = page.take(later.map(|event| (event.key.clone(), event)));
    // What lies before the bounds of one answer is on the next page, even where this one has found nothing.
    if next_page_token.is_empty() && found.reaches > from.max(oldest) {
        next_page_token = page.token_after(&EventKey::before(found.reaches));
    }
    Ok(pb::ListAddressHistoryResponse {
        events: events.iter().map(Event::show).collect(),
        next_page_token,
        revision: service.view()?.revision.0,
        oldest: Some(show_time(oldest)),
    })
}

/// The period and the page that are asked for.
fn asked(request: &pb::ListAddressHistoryRequest) -> Result<(Period, Page<EventKey>), Refusal> {
    let mut bad = Violations::new();
    let period = convert::read_history(request, &mut bad);
    let list = ["history", &request.address, &format!("{:?} {:?}", request.start_time, request.end_time)];
    let page = Page::of::<Event>(&list, (request.page_size, &request.page_token, &request.filter), &mut bad);
    bad.finish(period.zip(page))
}

/// Whose an address was at a time in the past: the state of now, from which everything later that concerns the address is taken
/// back, and then the same question as for now.
///
/// # Errors
/// `RESUME_TOKEN_COMPACTED` when the journal does not reach that far back; `STORE_UNAVAILABLE`.
pub(crate) async fn lookup_at(service: &Service, address: IpAddr, at: Timestamp) -> Result<pb::LookupAddressResponse, Refusal> {
    // Exactly at its revision, so that what is taken back is what it has.
    let snapshot = service.ledger().mirror().subscribe().0;
    let from = Timestamp(at.0.saturating_add(1));
    let undo = undo(service, address, snapshot.revision, (from, clock::now())).await?;
    // The journal has a record of then or earlier, so that its silence afterwards means something.
    if undo.reaches > from || oldest(service).await?.is_none_or(|oldest| oldest > at) {
        let message = "The journal does not reach back to that time. ListAddressHistory says how far back it goes.";
        return Err(Refusal::new(Reason::ResumeTokenCompacted, message).with("address", address).with("reaches", undo.reaches.0));
    }
    let mut cluster = snapshot.view.clone();
    undo.records.iter().for_each(|(_, before)| cluster.apply(before));
    let then = lookup(&cluster, address, at);
    // The first later change of whose it is; the configuration around it does not end anything.
    let until = undo.records.iter().rev().find(|(_, before)| is_of_holder(before)).map(|(changed, _)| *changed).or(then.until);
    let message = then.sentence().replace(" is ", " was ");
    Ok(pb::LookupAddressResponse { message, revision: 0, ..convert::show(&cluster.ipam, &Lookup { until, ..then }) })
}

const fn is_of_holder(change: &Change) -> bool {
    matches!(
        change,
        Change::Ipam(ipam::Change::Allocation(..) | ipam::Change::Reservation(..)) | Change::Lb(lb::Change::Service(..))
    )
}

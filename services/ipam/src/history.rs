//! What happened to an address, out of the journals.
//!
//! IPAM's journal tells of allocations and reservations, LB's of virtual IPs. Both are read from the store, backwards from the
//! end of the period, a bounded number of records for one answer; the answer says how far back it reaches.

mod event;
mod journal;

use std::net::IpAddr;

use polder_core::ipam::lookup::{Lookup, Standing, lookup};
use polder_core::reason::{Reason, Refusal};
use polder_core::time::Timestamp;
use polder_proto::convert::common::show_time;
use polder_proto::convert::ipam::lookup as convert;
use polder_proto::ipam::v1 as pb;
use polder_proto::stored::Stored;
use polder_runtime::clock;
use polder_store::Snapshot;

use self::event::{Event, EventKey, Held};
use self::journal::{covers, events};
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
    let period = convert::read_history(request)?;
    let page = Page::<EventKey>::read::<Event>(request.page_size, &request.page_token, &request.filter)?;
    let to = period.to.unwrap_or(Timestamp(u64::MAX)).min(clock::now());
    let to = page.after.as_ref().map_or(to, |after| to.min(Timestamp(after.at().0.saturating_add(1))));
    let found = events(service, period.address, (period.from.unwrap_or_default(), to)).await?;
    let later = found.events.into_iter().filter(|event| page.after.as_ref().is_none_or(|after| event.key < *after));
    let (events, next_page_token) = page.take(later.map(|event| (event.key.clone(), event)));
    Ok(pb::ListAddressHistoryResponse {
        events: events.iter().map(Event::show).collect(),
        next_page_token,
        revision: service.view()?.revision.0,
        oldest: Some(show_time(found.reaches)),
    })
}

/// Whose an address was at a time in the past.
///
/// # Errors
/// `RESUME_TOKEN_COMPACTED` when the journal does not reach that far back; `STORE_UNAVAILABLE`.
pub(crate) async fn lookup_at(
    service: &Service,
    snapshot: &Snapshot<Stored>,
    address: IpAddr,
    at: Timestamp,
) -> Result<pb::LookupAddressResponse, Refusal> {
    let now = clock::now();
    let found = events(service, address, (Timestamp(at.0.saturating_add(1)), now)).await?;
    if found.reaches.0 > at.0.saturating_add(1) || !covers(service, at).await? {
        let message = "The journal does not reach back to that time. ListAddressHistory says how far back it goes.";
        return Err(Refusal::new(Reason::ResumeTokenCompacted, message).with("address", address).with("reaches", found.reaches.0));
    }
    let current = lookup(&snapshot.view, address, now);
    let then = match found.events.last() {
        None => current,
        Some(first_after) => as_before(current, first_after),
    };
    let message = then.sentence().replace(" is ", " was ");
    Ok(pb::LookupAddressResponse { message, revision: 0, ..convert::show(&snapshot.view.ipam, &then) })
}

/// What an address was before an event, where pools are taken to be as they are now.
fn as_before(current: Lookup, event: &Event) -> Lookup {
    let nobody = if current.pool.is_some() { Standing::Free } else { Standing::Outside };
    let empty = Lookup {
        standing: nobody,
        allocation: None,
        reservation: None,
        services: Vec::new(),
        since: None,
        until: Some(event.at),
        ..current
    };
    match &event.before {
        Held::By(allocation) => {
            let since = Some(allocation.meta.created);
            Lookup { standing: Standing::Allocated, allocation: Some(allocation.clone()), since, ..empty }
        }
        Held::Service(service) => {
            let since = Some(service.meta.created);
            Lookup { standing: Standing::Service, services: vec![service.clone()], since, ..empty }
        }
        Held::Reserved(kept) => {
            let since = Some(kept.meta.created);
            Lookup { standing: Standing::Reserved, reservation: Some(kept.clone()), since, ..empty }
        }
        Held::Nobody => empty,
    }
}

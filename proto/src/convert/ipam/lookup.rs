//! Whose an address is, now and in the past.

use std::net::IpAddr;

use polder_core::ipam::View;
use polder_core::ipam::lookup::{Lookup, Standing};
use polder_core::net::parse_addr;
use polder_core::reason::{Reason, Refusal, Violations};
use polder_core::time::Timestamp;

use super::{allocation, values};
use crate::convert::common::{object, show_time};
use crate::ipam::v1 as pb;
use crate::types::v1 as types;

/// Reads a question about an address: which, and at what time.
///
/// # Errors
/// The refusal that names every bad field.
pub fn read(request: &pb::LookupAddressRequest) -> Result<(IpAddr, Option<Timestamp>), Refusal> {
    let mut bad = Violations::new();
    let address = bad.take("address", parse_addr(&request.address));
    let at = values::time(request.at.as_ref(), "at", &mut bad);
    bad.finish(address.map(|address| (address, at)))
}

/// The period that a question about an address's history is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The address.
    pub address: IpAddr,
    /// The first moment; `None`: as far back as is known.
    pub from: Option<Timestamp>,
    /// The moment after the last; `None`: now.
    pub to: Option<Timestamp>,
}

/// Reads a question about an address's history; every bad field is noted.
pub fn read_history(request: &pb::ListAddressHistoryRequest, bad: &mut Violations) -> Option<Period> {
    let address = bad.take("address", parse_addr(&request.address));
    let from = values::time(request.start_time.as_ref(), "start_time", bad);
    let to = values::time(request.end_time.as_ref(), "end_time", bad);
    if from.zip(to).is_some_and(|(from, to)| to < from) {
        bad.add("end_time", Reason::RangeReversed, "the period ends before it begins");
    }
    address.map(|address| Period { address, from, to })
}

/// A standing as the API names it.
#[must_use]
pub const fn show_standing(standing: Standing) -> pb::AddressStanding {
    match standing {
        Standing::Outside => pb::AddressStanding::Outside,
        Standing::Free => pb::AddressStanding::Free,
        Standing::Reserved => pb::AddressStanding::Reserved,
        Standing::Allocated => pb::AddressStanding::Allocated,
        Standing::Service => pb::AddressStanding::Service,
        Standing::Cooling => pb::AddressStanding::Cooling,
        Standing::Avoided => pb::AddressStanding::Avoided,
        Standing::Quarantined => pb::AddressStanding::Quarantined,
    }
}

/// Everything known about an address.
#[must_use]
pub fn show(view: &View, found: &Lookup) -> pb::LookupAddressResponse {
    let service = |service: &std::sync::Arc<polder_core::lb::Service>| -> types::ObjectRef {
        object("service", service.key.namespace.as_str(), service.key.name.as_str(), &service.meta.uid.to_string())
    };
    pb::LookupAddressResponse {
        address: found.address.to_string(),
        standing: show_standing(found.standing).into(),
        pool: found.pool.as_ref().map(|pool| pool.name.to_string()).unwrap_or_default(),
        block: found.block.as_ref().map(|block| block.cidr.to_string()).unwrap_or_default(),
        block_node: found.block.as_ref().map(|block| block.node.to_string()).unwrap_or_default(),
        allocation: found.allocation.as_ref().map(|held| allocation::show(view, held)),
        reservation: found.reservation.as_ref().map(|kept| kept.name.to_string()).unwrap_or_default(),
        services: found.services.iter().map(service).collect(),
        since: found.since.map(show_time),
        until: found.until.map(show_time),
        message: found.sentence(),
        revision: 0,
    }
}

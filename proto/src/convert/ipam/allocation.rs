//! Allocations: what is asked for, what was given, and why.

use std::collections::BTreeSet;
use std::sync::Arc;

use polder_core::id::Uid;
use polder_core::ipam::allocate::{Allocated, Explanation, PoolTrace, Request};
use polder_core::ipam::liveness::is_orphan;
use polder_core::ipam::node::OWN_HANDLES;
use polder_core::ipam::release::{Key, Release, Released, Update};
use polder_core::ipam::repair::REPAIRABLE;
use polder_core::ipam::{Allocation, Holding, Owner, OwnerKind, View};
use polder_core::net::{Family, Label, parse_addr};
use polder_core::reason::{Reason, Refusal, Violations, shown};
use sha2::{Digest, Sha256};

use super::Mutation;
use super::values::{addresses, few, fields, names, show_count, text};
use crate::convert::common::{known, labels, optional, parsed, port, show_family, show_labels, show_time};
use crate::ipam::v1 as pb;
use crate::types::v1 as types;

/// The most bytes of a handle.
const MOST_HANDLE: usize = 253;
/// The most addresses of one family in one allocation.
const MOST_ADDRESSES: u32 = 64;
/// The most addresses released in one call.
const MOST_CLAIMS: usize = 1000;
/// The most allocations asked for in one call.
const MOST_BATCH: usize = 1000;
/// The most named ports.
const MOST_PORTS: usize = 100;

/// Reads a request for addresses.
///
/// # Errors
/// The refusal that names every bad field.
pub fn allocate(request: &pb::AllocateAddressesRequest) -> Result<Mutation<Request>, Refusal> {
    let mut bad = Violations::new();
    let wish = wish(request.spec.as_ref(), "spec", &mut bad);
    Mutation::finish(&request.request_id, request.validate_only, wish, bad)
}

/// Reads a request that is only to be explained.
///
/// # Errors
/// The refusal that names every bad field.
pub fn explain(request: &pb::ExplainAllocationRequest) -> Result<Request, Refusal> {
    let mut bad = Violations::new();
    let wish = wish(request.spec.as_ref(), "spec", &mut bad);
    bad.finish(wish)
}

/// Reads a batch into requests of their own. A caller's id gives each item an id of its own.
///
/// # Errors
/// The refusal that names every bad field of the batch itself; bad items stand alone.
pub fn batch(request: &pb::BatchAllocateAddressesRequest) -> Result<Vec<pb::AllocateAddressesRequest>, Refusal> {
    let mut bad = Violations::new();
    let few = few(request.specs.len(), MOST_BATCH, "specs", &mut bad);
    if request.specs.is_empty() {
        bad.add("specs", Reason::FieldRequired, "at least one item is required");
    }
    let mut handles = BTreeSet::new();
    for (at, spec) in request.specs.iter().enumerate().filter(|_| few) {
        if !handles.insert(spec.handle.as_str()) {
            let why = format!("handle `{}` stands in the batch twice", shown(&spec.handle));
            bad.add(format!("specs[{at}].handle"), Reason::DuplicateValue, why);
        }
    }
    let id = crate::convert::common::request_id(&request.request_id, &mut bad);
    bad.finish(Some(()))?;
    let items = request.specs.iter().enumerate().map(|(at, spec)| pb::AllocateAddressesRequest {
        spec: Some(spec.clone()),
        request_id: id.as_ref().map(|id| item_id(id.as_str(), at)).unwrap_or_default(),
        validate_only: request.validate_only,
    });
    Ok(items.collect())
}

/// Reads a request to repair: the reasons of the findings that are meant.
///
/// # Errors
/// The refusal that names every bad field.
pub fn repair(request: &pb::CheckConsistencyRequest) -> Result<Mutation<Vec<Reason>>, Refusal> {
    let mut bad = Violations::new();
    let mut reasons = Vec::new();
    if few(request.reasons.len(), REPAIRABLE.len(), "reasons", &mut bad) {
        for (at, text) in request.reasons.iter().enumerate() {
            match text.parse::<Reason>().ok().filter(|reason| REPAIRABLE.contains(reason)) {
                Some(reason) => reasons.push(reason),
                None => {
                    let can = REPAIRABLE.map(Reason::as_str).join(", ");
                    let why = format!("`{}` is not repaired without a doubt; these are: {can}", shown(text));
                    bad.add(format!("reasons[{at}]"), Reason::InvalidArgument, why);
                }
            }
        }
    }
    Mutation::finish(&request.request_id, request.validate_only, Some(reasons), bad)
}

/// The id of one item of a batch. A digest stands for an id that would be longer with the number than ids may be.
fn item_id(id: &str, at: usize) -> String {
    const ROOM: usize = polder_core::id::RequestId::MOST - 5;
    if id.len() <= ROOM {
        return format!("{id}#{at}");
    }
    let digest: String = Sha256::digest(id).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digest}#{at}")
}

fn wish(spec: Option<&pb::AllocationSpec>, field: &str, bad: &mut Violations) -> Option<Request> {
    let spec = spec.cloned().unwrap_or_default();
    let at = |name: &str| format!("{field}.{name}");
    let handle = handle(&spec.handle, &at("handle"), bad);
    let owner = owner(&spec.owner.unwrap_or_default(), &at("owner"), bad);
    let labels = labels(spec.labels, &at("labels"), bad);
    let families = families(&spec.families, &at("families"), bad);
    let addresses = addresses(&spec.addresses, MOST_ADDRESSES as usize, &at("addresses"), bad);
    let pools = names(&spec.pools, &at("pools"), bad);
    let reservation = optional(&spec.reservation, at("reservation"), bad);
    if spec.count > MOST_ADDRESSES {
        bad.add(at("count"), Reason::CountOutOfBounds, format!("{} are too many; at most {MOST_ADDRESSES} are taken", spec.count));
    }
    if reservation.is_some() && (!addresses.is_empty() || !pools.is_empty()) {
        bad.add(at("reservation"), Reason::ConflictingFields, "a reservation excludes addresses and pools");
    }
    let hostname = optional(&spec.hostname, at("hostname"), bad);
    let subdomain = optional(&spec.subdomain, at("subdomain"), bad);
    let named_ports = ports(&spec.ports, &at("ports"), bad);
    Some(Request {
        handle: handle?,
        owner: owner?,
        labels,
        families,
        addresses,
        pools,
        reservation,
        count: spec.count.max(1) as usize,
        allow_partial: spec.allow_partial,
        ready: spec.ready,
        hostname,
        subdomain,
        named_ports,
        node_labels: None,
    })
}

/// A handle of a caller's own.
fn handle(text: &str, field: &str, bad: &mut Violations) -> Option<Arc<str>> {
    if text.starts_with(OWN_HANDLES) {
        bad.add(field, Reason::NameMalformed, format!("handles that begin with `{OWN_HANDLES}` are Polder's own"));
        return None;
    }
    any_handle(text, field, bad)
}

/// A handle that somebody may have.
fn any_handle(text: &str, field: &str, bad: &mut Violations) -> Option<Arc<str>> {
    let legal = text.len() <= MOST_HANDLE && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if text.is_empty() {
        bad.add(field, Reason::FieldRequired, "a handle is required: the caller's own key, such as a container id and interface");
    } else if !legal {
        bad.add(
            field,
            Reason::NameMalformed,
            format!("`{}` is not a handle: 1 to {MOST_HANDLE} printable ASCII characters", shown(text)),
        );
    } else {
        return Some(text.into());
    }
    None
}

fn owner(owner: &pb::Owner, field: &str, bad: &mut Violations) -> Option<Owner> {
    let kind = match known(owner.kind, &format!("{field}.kind"), bad) {
        pb::OwnerKind::Unspecified | pb::OwnerKind::Pod => OwnerKind::Pod,
        pb::OwnerKind::Other => OwnerKind::Other,
        pb::OwnerKind::Node | pb::OwnerKind::Service | pb::OwnerKind::Reservation | pb::OwnerKind::System => {
            let other = "nodes, services and reservations get their addresses by calls of their own";
            bad.add(format!("{field}.kind"), Reason::ConflictingFields, other);
            OwnerKind::Other
        }
    };
    let namespace: Option<Label> = optional(&owner.namespace, format!("{field}.namespace"), bad);
    if kind == OwnerKind::Pod && owner.namespace.is_empty() {
        bad.add(format!("{field}.namespace"), Reason::FieldRequired, "a pod is in a namespace");
    }
    let name = parsed(&owner.name, format!("{field}.name"), bad);
    let node = optional(&owner.node, format!("{field}.node"), bad);
    let interface = text(&owner.interface, &format!("{field}.interface"), bad);
    let container = text(&owner.container_id, &format!("{field}.container_id"), bad);
    let uid = text(&owner.uid, &format!("{field}.uid"), bad);
    Some(Owner { kind, namespace, name: name?, node, interface, container, uid })
}

fn families(given: &[i32], field: &str, bad: &mut Violations) -> Vec<Family> {
    if !few(given.len(), 2, field, bad) {
        return Vec::new();
    }
    let mut read = Vec::new();
    for (at, number) in given.iter().enumerate() {
        let field = format!("{field}[{at}]");
        let family = match types::AddressFamily::try_from(*number) {
            Ok(types::AddressFamily::Ipv4) => Family::V4,
            Ok(types::AddressFamily::Ipv6) => Family::V6,
            Ok(types::AddressFamily::Unspecified) => {
                bad.add(field, Reason::FieldRequired, "say IPV4 or IPV6");
                continue;
            }
            Err(_) => {
                bad.add(field, Reason::InvalidArgument, format!("{number} is no family; say IPV4 or IPV6"));
                continue;
            }
        };
        if read.contains(&family) {
            bad.add(field, Reason::DuplicateValue, format!("{family} is given twice"));
        } else {
            read.push(family);
        }
    }
    read
}

fn ports(given: &std::collections::BTreeMap<String, u32>, field: &str, bad: &mut Violations) -> Vec<(Label, u16)> {
    if !few(given.len(), MOST_PORTS, field, bad) {
        return Vec::new();
    }
    let read = given.iter().filter_map(|(name, number)| {
        let field = format!("{field}[{}]", shown(name));
        Some((parsed(name, field.as_str(), bad)?, port(*number, field, bad)?))
    });
    read.collect()
}

/// Reads a request to release addresses.
///
/// # Errors
/// The refusal that names every bad field.
pub fn release(request: &pb::ReleaseAddressesRequest) -> Result<Mutation<Release>, Refusal> {
    let mut bad = Violations::new();
    let given = [!request.handle.is_empty(), !request.uid.is_empty(), !request.addresses.is_empty()];
    let wish = match given {
        [true, false, false] => any_handle(&request.handle, "handle", &mut bad).map(Release::Handle),
        [false, true, false] => parsed(&request.uid, "uid", &mut bad).map(Release::Allocation),
        [false, false, true] => Some(Release::Addresses(claims(&request.addresses, &mut bad))),
        [false, false, false] => {
            bad.add("handle", Reason::FieldRequired, "give a handle, a uid, or addresses with their uids");
            None
        }
        _ => {
            bad.add("handle", Reason::ConflictingFields, "give only one of handle, uid and addresses");
            None
        }
    };
    Mutation::finish(&request.request_id, request.validate_only, wish, bad)
}

fn claims(given: &[pb::AddressClaim], bad: &mut Violations) -> Vec<(std::net::IpAddr, Uid)> {
    if !few(given.len(), MOST_CLAIMS, "addresses", bad) {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let read = given.iter().enumerate().filter_map(|(at, claim)| {
        let address = bad.take(format!("addresses[{at}].address"), parse_addr(&claim.address));
        let uid = parsed(&claim.uid, format!("addresses[{at}].uid"), bad);
        let claim = (address?, uid?);
        if !seen.insert(claim) {
            bad.add(format!("addresses[{at}]"), Reason::DuplicateValue, format!("{} is given twice", claim.0));
        }
        Some(claim)
    });
    read.collect()
}

/// Reads which allocation is meant: by uid, or by handle.
///
/// # Errors
/// The refusal that names every bad field.
pub fn key(uid: &str, handle: &str) -> Result<Key, Refusal> {
    let mut bad = Violations::new();
    let key = key_at((uid, "uid"), (handle, "handle"), &mut bad);
    bad.finish(key)
}

fn key_at(uid: (&str, &str), handle: (&str, &str), bad: &mut Violations) -> Option<Key> {
    match (uid.0, handle.0) {
        ("", "") => {
            bad.add(uid.1, Reason::FieldRequired, "give a uid or a handle");
            None
        }
        ("", text) => any_handle(text, handle.1, bad).map(Key::Handle),
        (text, _) => parsed(text, uid.1, bad).map(Key::Uid),
    }
}

/// Reads a request for a changed allocation.
///
/// # Errors
/// The refusal that names every bad field.
pub fn update(request: &pb::UpdateAllocationRequest) -> Result<Mutation<Update>, Refusal> {
    let mut bad = Violations::new();
    let allocation = request.allocation.clone().unwrap_or_default();
    let key = key_at((&allocation.uid, "allocation.uid"), (&allocation.handle, "allocation.handle"), &mut bad);
    let fields = fields(request.update_mask.as_ref(), &["labels", "ready", "hostname", "subdomain", "ports"], &mut bad);
    let labels = labels(allocation.labels, "allocation.labels", &mut bad);
    let hostname = optional(&allocation.hostname, "allocation.hostname", &mut bad);
    let subdomain = optional(&allocation.subdomain, "allocation.subdomain", &mut bad);
    let named_ports = ports(&allocation.ports, "allocation.ports", &mut bad);
    let (etag, ready) = (allocation.etag, allocation.ready);
    let wish = key.map(|key| Update { key, etag, fields, labels, ready, hostname, subdomain, named_ports });
    Mutation::finish(&request.request_id, request.validate_only, wish, bad)
}

/// An allocation, with the pools of its addresses and whether they are borrowed.
#[must_use]
pub fn show(view: &View, allocation: &Allocation) -> pb::Allocation {
    let owner = &allocation.owner;
    let state = match allocation.is_held() {
        false => pb::AllocationState::Cooling,
        true if is_orphan(view, allocation) => pb::AllocationState::Orphaned,
        true => pb::AllocationState::Active,
    };
    pb::Allocation {
        uid: allocation.meta.uid.to_string(),
        handle: allocation.handle.to_string(),
        etag: allocation.meta.etag(),
        addresses: allocation.holdings.iter().map(|holding| show_address(view, owner, holding)).collect(),
        owner: Some(show_owner(owner)),
        labels: show_labels(&allocation.labels),
        ready: allocation.ready,
        hostname: allocation.hostname.as_ref().map(ToString::to_string).unwrap_or_default(),
        subdomain: allocation.subdomain.as_ref().map(ToString::to_string).unwrap_or_default(),
        state: state.into(),
        create_time: Some(show_time(allocation.meta.created)),
        update_time: Some(show_time(allocation.meta.updated)),
        ports: allocation.named_ports.iter().map(|(name, number)| (name.to_string(), (*number).into())).collect(),
    }
}

fn show_address(view: &View, owner: &Owner, holding: &Holding) -> pb::AllocatedAddress {
    // The block as it is now: it may have been lent after the address was given. One that is lent together with the address is not
    // in the view yet.
    let block = view.block_of(holding.address);
    let lent_to = block.map(|block| &block.node);
    let block = block.map(|block| block.cidr).or(holding.block);
    pb::AllocatedAddress {
        address: holding.address.to_string(),
        pool: view.pool_of(holding.address).map(|pool| pool.name.to_string()).unwrap_or_default(),
        block: block.map(|block| block.to_string()).unwrap_or_default(),
        borrowed: lent_to.is_some_and(|node| owner.node.as_ref() != Some(node)),
    }
}

fn show_owner(owner: &Owner) -> pb::Owner {
    let kind = match owner.kind {
        OwnerKind::Pod => pb::OwnerKind::Pod,
        OwnerKind::Node => pb::OwnerKind::Node,
        OwnerKind::Other => pb::OwnerKind::Other,
    };
    pb::Owner {
        kind: kind.into(),
        namespace: owner.namespace.as_ref().map(ToString::to_string).unwrap_or_default(),
        name: owner.name.to_string(),
        node: owner.node.as_ref().map(ToString::to_string).unwrap_or_default(),
        interface: owner.interface.clone(),
        container_id: owner.container.clone(),
        uid: owner.uid.clone(),
    }
}

/// The answer to a request for addresses.
#[must_use]
pub fn show_allocated(view: &View, allocated: &Allocated) -> pb::AllocateAddressesResponse {
    let short = |(family, count): &(Family, usize)| types::Finding {
        severity: types::Severity::Warning.into(),
        reason: Reason::PoolExhausted.as_str().to_owned(),
        field: "spec.count".to_owned(),
        message: format!("{count} {family} addresses are missing"),
        ..types::Finding::default()
    };
    pb::AllocateAddressesResponse {
        allocation: Some(show(view, &allocated.allocation)),
        existing: allocated.existing,
        shortfalls: allocated.missing.iter().map(short).collect(),
        ..pb::AllocateAddressesResponse::default()
    }
}

/// The answer to a request to release addresses.
#[must_use]
pub fn show_released(released: &Released) -> pb::ReleaseAddressesResponse {
    pb::ReleaseAddressesResponse {
        released: released.released.iter().map(ToString::to_string).collect(),
        not_held: released.not_held.clone(),
        ..pb::ReleaseAddressesResponse::default()
    }
}

/// A decision with how every pool was judged. `code` gives the gRPC code of a refusal.
#[must_use]
pub fn show_explanation(view: &View, explained: &Explanation, code: impl FnOnce(&Refusal) -> u32) -> pb::ExplainAllocationResponse {
    let (allocation, refusal) = match &explained.outcome {
        Ok(decision) => (Some(show(view, &decision.answer.allocation)), None),
        Err(refusal) => (None, Some(show_refusal(refusal, code(refusal)))),
    };
    let pools = explained.pools.iter().map(show_trace).collect();
    pb::ExplainAllocationResponse { allocation, refusal, pools, revision: 0 }
}

fn show_trace(trace: &PoolTrace) -> pb::PoolTrace {
    let steps = trace.given().iter().map(|(address, step)| format!("{address}: {}", step.describe()));
    pb::PoolTrace {
        pool: trace.pool.to_string(),
        eligible: trace.eligible(),
        reason: trace.reason().map_or("", Reason::as_str).to_owned(),
        message: trace.describe(),
        family: show_family(trace.family).into(),
        free: trace.usage.and_then(|usage| show_count(usage.free)),
        address: trace.given().first().map(|(address, _)| address.to_string()).unwrap_or_default(),
        steps: steps.collect(),
    }
}

/// A refusal inside an answer.
#[must_use]
pub fn show_refusal(refusal: &Refusal, code: u32) -> types::Refusal {
    let obstacles = refusal.obstacles.iter().map(|obstacle| types::Obstacle {
        reason: obstacle.reason.as_str().to_owned(),
        subject: obstacle.subject.clone(),
        description: obstacle.description.clone(),
    });
    types::Refusal {
        code,
        reason: refusal.reason.as_str().to_owned(),
        message: refusal.message.clone(),
        metadata: refusal.metadata.clone(),
        obstacles: obstacles.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_long_batch_ids_that_end_alike_have_ids_of_their_own() {
        let (one, other) = (format!("a{}", "x".repeat(127)), format!("b{}", "x".repeat(127)));
        assert_ne!(item_id(&one, 999), item_id(&other, 999));
        assert!(item_id(&one, 999).len() <= polder_core::id::RequestId::MOST);
        assert_eq!(item_id("short", 7), "short#7");
    }
}

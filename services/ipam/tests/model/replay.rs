//! Deciding a request again on a given state: what was committed was decided on exactly the state before it.

use std::sync::Arc;

use polder_core::cluster::Cluster;
use polder_core::id::{Entropy, Uid};
use polder_core::ipam::node::Extent;
use polder_core::ipam::{Allocation, Change, Decision, allocate, namespace, node, pool, release, repair, reservation};
use polder_core::reason::Refusal;
use polder_core::schema::PlanContext;
use polder_core::time::Timestamp;
use polder_proto::convert::ipam as convert;

use crate::calls::Ask;

/// The most records that one repair of the service mends.
const MOST_REPAIRED: usize = 100;

/// What the request would change on this state.
///
/// # Errors
/// The refusal it would get.
pub(crate) fn decide(ask: &Ask, cluster: &Cluster, now: Timestamp) -> Result<Vec<Change>, Refusal> {
    let context = PlanContext { now, entropy: Entropy(0) };
    fn changes<A>(decision: Decision<A>) -> Vec<Change> {
        decision.changes
    }
    match ask {
        Ask::CreatePool(request) => pool::create(cluster, &convert::pool::create(request)?.wish, context).map(changes),
        Ask::UpdatePool(request) => pool::update(cluster, &convert::pool::update(request)?.wish, context).map(changes),
        Ask::DeletePool(request) => {
            let (name, etag) = convert::pool::delete(request)?.wish;
            pool::delete(cluster, &name, &etag, context).map(changes)
        }
        Ask::ApplyPools(request) => {
            let (wish, eviction) = convert::pool::apply(request)?.wish;
            pool::apply(cluster, &wish, eviction, context).map(changes)
        }
        Ask::CreateReservation(request) => {
            reservation::create(cluster, &convert::reservation::create(request)?.wish, context).map(changes)
        }
        Ask::UpdateReservation(request) => {
            reservation::update(cluster, &convert::reservation::update(request)?.wish, context).map(changes)
        }
        Ask::DeleteReservation(request) => {
            let (name, etag) = convert::reservation::delete(request)?.wish;
            reservation::delete(cluster, &name, &etag).map(changes)
        }
        Ask::CreateNamespace(request) => {
            namespace::create(cluster, &convert::namespace::create(request)?.wish, context).map(changes)
        }
        Ask::UpdateNamespace(request) => {
            namespace::update(cluster, &convert::namespace::update(request)?.wish, context).map(changes)
        }
        Ask::DeleteNamespace(request) => {
            let (name, etag) = convert::namespace::delete(request)?.wish;
            namespace::delete(cluster, &name, &etag).map(changes)
        }
        Ask::RegisterNode(request) => node::register(cluster, &convert::node::register(request)?.wish, context).map(changes),
        Ask::UpdateNode(request) => node::update(cluster, &convert::node::update(request)?.wish, context).map(changes),
        Ask::DrainNode(request) => node::update(cluster, &convert::node::drain(request)?.wish, context).map(changes),
        Ask::DeleteNode(request) => {
            node::delete(cluster, &convert::node::delete(request)?.wish, Extent::Step, context).map(changes)
        }
        Ask::AllocateAddresses(request) => {
            allocate::plan(cluster, &convert::allocation::allocate(request)?.wish, context).map(changes)
        }
        // Its items are decided one by one.
        Ask::BatchAllocateAddresses(_) => Ok(Vec::new()),
        Ask::ReleaseAddresses(request) => {
            release::release(cluster, &convert::allocation::release(request)?.wish, context).map(changes)
        }
        Ask::UpdateAllocation(request) => {
            release::update(cluster, &convert::allocation::update(request)?.wish, context).map(changes)
        }
        Ask::CheckConsistency(request) => {
            let reasons = convert::allocation::repair(request)?.wish;
            Ok(changes(repair::repair(cluster, &reasons, MOST_REPAIRED, context)))
        }
    }
}

/// Changes in a form in which two decisions of the same request on the same state are equal: new identities are random.
pub(crate) fn shape(before: &Cluster, changes: &[Change]) -> Vec<String> {
    let mut shapes: Vec<String> = changes.iter().map(|change| format!("{:?}", without_chance(before, change))).collect();
    shapes.sort_unstable();
    shapes
}

fn without_chance(before: &Cluster, change: &Change) -> Change {
    let view = &before.ipam;
    match change.clone() {
        Change::Allocation(uid, Some(record)) if view.allocation(uid).is_none() => {
            let mut record = Allocation::clone(&record);
            record.meta.uid = Uid(0);
            Change::Allocation(Uid(0), Some(Arc::new(record)))
        }
        Change::Pool(name, Some(mut record)) if view.pools().all(|pool| pool.meta.uid != record.meta.uid) => {
            Arc::make_mut(&mut record).meta.uid = Uid(0);
            Change::Pool(name, Some(record))
        }
        Change::Reservation(name, Some(mut record)) if view.reservation(&name).is_none() => {
            Arc::make_mut(&mut record).meta.uid = Uid(0);
            Change::Reservation(name, Some(record))
        }
        Change::Namespace(name, Some(mut record)) if view.namespace(&name).is_none() => {
            Arc::make_mut(&mut record).meta.uid = Uid(0);
            Change::Namespace(name, Some(record))
        }
        Change::Node(name, Some(mut record)) if view.node(&name).is_none() => {
            Arc::make_mut(&mut record).meta.uid = Uid(0);
            Change::Node(name, Some(record))
        }
        other => other,
    }
}

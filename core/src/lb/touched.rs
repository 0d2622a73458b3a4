//! Which services look different after a change.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::record::{Change as LbChange, Service, ServiceKey};
use crate::cluster::{Change, Cluster};
use crate::ipam::{Allocation, Change as IpamChange};

/// Adds the services whose addresses, sharers or endpoints the change may alter. `before` is the state that the change has not
/// moved yet.
pub fn touched(before: &Cluster, change: &Change, services: &mut BTreeSet<ServiceKey>) {
    match change {
        Change::Lb(LbChange::Service(key, after)) => {
            services.insert(key.clone());
            let was = before.lb.service(key);
            let vips = [was, after.as_ref()].into_iter().flatten().flat_map(|service: &Arc<Service>| service.vips());
            services.extend(vips.flat_map(|vip| before.lb.holders(vip.address)).map(|holder| holder.key.clone()));
        }
        Change::Ipam(IpamChange::Allocation(uid, after)) => {
            let was = before.ipam.allocation(*uid);
            [was, after.as_ref()].into_iter().flatten().for_each(|allocation| behind(before, allocation, services));
        }
        Change::Ipam(_) | Change::Lb(LbChange::Rest(..)) => {}
    }
}

/// The services that the allocation stands behind.
fn behind(cluster: &Cluster, allocation: &Allocation, services: &mut BTreeSet<ServiceKey>) {
    let Some(namespace) = &allocation.owner.namespace else { return };
    let here = cluster.lb.services_in(namespace).filter(|service| !service.spec.selector.is_empty());
    services.extend(here.filter(|service| service.spec.selector.matches(&allocation.labels)).map(|service| service.key.clone()));
}

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
        Change::Lb(LbChange::Announcement(address, _)) => {
            services.extend(before.lb.holders(*address).map(|holder| holder.key.clone()));
        }
        Change::Lb(_) | Change::Ipam(_) | Change::Dns(_) => {}
    }
}

/// The services that the allocation stands behind.
fn behind(cluster: &Cluster, allocation: &Allocation, services: &mut BTreeSet<ServiceKey>) {
    let Some(namespace) = &allocation.owner.namespace else { return };
    services.extend(cluster.lb.selecting(namespace, &allocation.labels).map(|service| service.key.clone()));
}

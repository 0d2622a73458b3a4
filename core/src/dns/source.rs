//! Sources: the objects from which records follow, and which of them a change touches.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::cluster::{Change, Cluster};
use crate::ipam::Allocation;
use crate::lb::ServiceKey;
use crate::net::{Label, Selector};
use crate::{ipam, lb};

/// The object whose records these are. Every computed record has exactly one, and follows from it and the cluster's state alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The zones themselves: their apexes, the name servers, the schema's version. It also rests on the pools.
    Zones,
    /// A namespace: its name exists under `svc`.
    Namespace(Label),
    /// A service with its endpoints.
    Service(ServiceKey),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zones => f.write_str("zones"),
            Self::Namespace(name) => write!(f, "namespace/{name}"),
            Self::Service(key) => write!(f, "service/{key}"),
        }
    }
}

/// Adds the sources whose records the change may alter. `before` is the state that the change has not moved yet.
pub fn touched(before: &Cluster, change: &Change, sources: &mut BTreeSet<Source>) {
    match change {
        Change::Lb(lb::Change::Service(key, _)) => {
            sources.insert(Source::Service(key.clone()));
        }
        Change::Ipam(ipam::Change::Pool(..)) => {
            sources.insert(Source::Zones);
        }
        Change::Ipam(ipam::Change::Namespace(name, _)) => {
            sources.insert(Source::Namespace(name.clone()));
        }
        Change::Ipam(ipam::Change::Allocation(uid, after)) => {
            let was = before.ipam.allocation(*uid);
            [was, after.as_ref()].into_iter().flatten().for_each(|held| touched_by_allocation(before, held, sources));
        }
        Change::Ipam(_) | Change::Lb(lb::Change::Rest(..)) => {}
    }
}

fn touched_by_allocation(cluster: &Cluster, allocation: &Arc<Allocation>, sources: &mut BTreeSet<Source>) {
    let Some(namespace) = &allocation.owner.namespace else { return };
    sources.insert(Source::Namespace(namespace.clone()));
    let chosen = |selector: &Selector| !selector.is_empty() && selector.matches(&allocation.labels);
    let behind = cluster.lb.services_in(namespace).filter(|service| chosen(&service.spec.selector));
    sources.extend(behind.map(|service| Source::Service(service.key.clone())));
}

//! The sources of a state, and those that stand at one name.

use std::collections::BTreeSet;
use std::slice;
use std::sync::Arc;

use super::super::settings::{PodRecords, Settings};
use super::super::source::Source;
use crate::cluster::Cluster;
use crate::ipam::OwnerKind;
use crate::net::Label;

/// Every source that has records at this state but services in brief, each once; others that have none may be among them.
pub(super) fn apart_from_briefs(settings: &Settings, cluster: &Cluster) -> impl Iterator<Item = Source> {
    let stored = cluster.ipam.namespaces().map(|namespace| &namespace.name);
    let namespaces: BTreeSet<Label> = stored.chain(cluster.ipam.namespaces_in_use()).cloned().collect();
    let namespaces = namespaces.into_iter().map(Source::Namespace);
    let services = cluster.lb.services().map(|service| Source::Service(service.key.clone()));
    let zones = cluster.dns.zones().map(|zone| Source::Zone(zone.name.clone()));
    let sets = cluster.dns.all_sets().map(|set| Source::RecordSet(Arc::clone(&set.key)));
    let publishes = cluster.dns.zones().any(|zone| zone.spec.publish_services);
    let outside = publishes.then(|| cluster.lb.keys().map(Source::External)).into_iter().flatten();
    let verified = settings.pods == PodRecords::Verified;
    let pods = cluster.ipam.allocations(None).filter(move |(_, held)| verified && held.owner.kind == OwnerKind::Pod);
    let services = services.chain(outside).chain(pods.map(|(uid, _)| Source::Pod(uid)));
    namespaces.chain(services).chain(zones).chain(sets).chain([Source::Zones, Source::Views])
}

/// The sources of one name, sorted. Nearly every name has one: it is shared by all names that follow from it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Sources {
    /// The name exists for those below it.
    #[default]
    None,
    One(Arc<Source>),
    Several(Arc<Vec<Arc<Source>>>),
}

impl Sources {
    /// These, which are sorted.
    pub(super) fn of(mut sources: Vec<Arc<Source>>) -> Self {
        match (sources.len(), sources.pop()) {
            (_, None) => Self::None,
            (1, Some(one)) => Self::One(one),
            (_, Some(last)) => {
                sources.push(last);
                Self::Several(Arc::new(sources))
            }
        }
    }

    fn as_slice(&self) -> &[Arc<Source>] {
        match self {
            Self::None => &[],
            Self::One(source) => slice::from_ref(source),
            Self::Several(sources) => sources.as_slice(),
        }
    }

    pub(super) fn iter(&self) -> slice::Iter<'_, Arc<Source>> {
        self.as_slice().iter()
    }

    pub(super) const fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }
}

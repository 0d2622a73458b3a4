//! Sources: the objects from which records follow, and which of them a change touches.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::record::RecordType;
use super::resolver::Resolver;
use super::skydns;
use super::zones::{self, RecordSetKey, Zone, ZoneName};
use crate::cluster::{Change, Cluster};
use crate::id::Uid;
use crate::ipam::Allocation;
use crate::lb::ServiceKey;
use crate::net::Label;
use crate::{ipam, lb};

/// The object whose records these are. Every record has exactly one, and follows from it and the cluster's state alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The zones themselves: their apexes, the name servers, the schema's version. It also rests on the pools.
    Zones,
    /// Who sees what: no records follow from it.
    Views,
    /// A namespace: its name exists under `svc`.
    Namespace(Label),
    /// A service with its endpoints.
    Service(ServiceKey),
    /// A service, in the zones of operators that have the names of services.
    External(ServiceKey),
    /// A pod, under its address.
    Pod(Uid),
    /// A zone that is stored: its apex.
    Zone(ZoneName),
    /// A record set that is stored. It also rests on its zone, for the time to live.
    RecordSet(Arc<RecordSetKey>),
    /// What another program stored in the way of SkyDNS, by its key. It also rests on the zone, and on what is stored at its names.
    SkyDns(skydns::Key),
}

impl Source {
    /// Whether its names lie in zones that operators stored.
    #[must_use]
    pub const fn in_stored_zone(&self) -> bool {
        matches!(self, Self::Zone(_) | Self::RecordSet(_) | Self::External(_) | Self::SkyDns(_))
    }

    /// The view that its names are seen in; `None`: everywhere. Those of services for outside may be seen in any.
    #[must_use]
    pub fn view(&self) -> Option<&Label> {
        match self {
            Self::Zone(name) => name.view(),
            Self::RecordSet(key) => key.zone().view(),
            Self::Zones
            | Self::Views
            | Self::Namespace(_)
            | Self::Service(_)
            | Self::External(_)
            | Self::Pod(_)
            | Self::SkyDns(_) => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zones => f.write_str("zones"),
            Self::Views => f.write_str("views"),
            Self::Namespace(name) => write!(f, "namespace/{name}"),
            Self::Service(key) | Self::External(key) => write!(f, "service/{key}"),
            Self::Pod(uid) => write!(f, "allocation/{uid}"),
            Self::Zone(name) => write!(f, "zone/{name}"),
            Self::RecordSet(key) => write!(f, "record-set/{key}"),
            Self::SkyDns(key) => write!(f, "skydns:{key}"),
        }
    }
}

/// Adds the sources whose records the change may alter. `before` is the state that the change has not moved yet.
pub fn touched(before: &Cluster, change: &Change, sources: &mut BTreeSet<Source>) {
    match change {
        Change::Lb(lb::Change::Service(key, _) | lb::Change::Brief(key, _)) => {
            sources.extend([Source::Service(key.clone()), Source::External(key.clone())]);
        }
        Change::Ipam(ipam::Change::Pool(..)) => {
            sources.insert(Source::Zones);
        }
        Change::Ipam(ipam::Change::Namespace(name, _)) => {
            sources.insert(Source::Namespace(name.clone()));
        }
        Change::Ipam(ipam::Change::Allocation(uid, after)) => {
            let was = before.ipam.allocation(*uid);
            sources.insert(Source::Pod(*uid));
            [was, after.as_ref()].into_iter().flatten().for_each(|held| touched_by_allocation(before, held, sources));
        }
        Change::Dns(zones::Change::Zone(name, after)) => {
            sources.insert(Source::Zone(name.clone()));
            touched_by_zone(before, name, after.as_ref(), sources);
        }
        Change::Dns(zones::Change::RecordSet(key, _)) => {
            sources.insert(Source::RecordSet(Arc::clone(key)));
            touched_by_set(before, key, sources);
        }
        Change::Dns(zones::Change::Resolver(after)) => {
            let views = |settings: Option<&Arc<Resolver>>| settings.map(|settings| settings.spec.views.clone()).unwrap_or_default();
            // Whom we ask about other names changes none.
            if views(before.dns.resolver()) != views(after.as_ref()) {
                sources.insert(Source::Views);
            }
        }
        // Who answers for an address changes no name.
        Change::Lb(_) | Change::Ipam(_) => {}
    }
}

/// The services whose name in the zone a set takes the place of, or gives to other servers.
fn touched_by_set(before: &Cluster, key: &RecordSetKey, sources: &mut BTreeSet<Source>) {
    if !before.dns.zone(key.zone().as_str()).is_some_and(|zone| zone.spec.publish_services) {
        return;
    }
    let mut labels = key.owner().as_str().rsplit('.').map(str::parse::<Label>);
    let namespace = labels.next().and_then(Result::ok);
    let name = labels.next().map(|label| label.ok());
    match (namespace, name, labels.next()) {
        (Some(namespace), Some(Some(name)), None) => _ = sources.insert(Source::External(ServiceKey { namespace, name })),
        (Some(namespace), None, None) if key.rtype() == RecordType::NS => {
            sources.extend(before.lb.keys_in(&namespace).map(Source::External));
        }
        _ => {}
    }
}

/// The sets that take their time to live from the zone; when it comes or goes also those of the zone around it that lead there. And
/// the services that come to have names in it, or have them no longer.
fn touched_by_zone(before: &Cluster, name: &ZoneName, after: Option<&Arc<Zone>>, sources: &mut BTreeSet<Source>) {
    let was = before.dns.zone(name.as_str());
    let publishes = |zone: Option<&Arc<Zone>>| zone.is_some_and(|zone| zone.spec.publish_services);
    // A zone that comes may also lie in one with names of services, and take some of these over.
    if publishes(was) != publishes(after)
        || (was.is_some() != after.is_some() && before.dns.zones().any(|zone| publishes(Some(zone))))
    {
        sources.extend(before.lb.keys().map(Source::External));
    }
    let ttl = |zone: Option<&Arc<Zone>>| zone.map(|zone| zone.spec.ttl);
    if ttl(was) == ttl(after) {
        return;
    }
    let outer = name.domain().parent().and_then(|above| before.dns.zone_of(&above, name.view()));
    let leading = outer.into_iter().filter(|_| was.is_some() != after.is_some()).flat_map(|outer| before.dns.sets(&outer.name));
    let leading = leading.filter(|set| set.key.domain().is_under(name.domain()));
    sources.extend(before.dns.sets(name).chain(leading).map(|set| Source::RecordSet(Arc::clone(&set.key))));
}

fn touched_by_allocation(cluster: &Cluster, allocation: &Arc<Allocation>, sources: &mut BTreeSet<Source>) {
    let Some(namespace) = &allocation.owner.namespace else { return };
    sources.insert(Source::Namespace(namespace.clone()));
    sources.extend(cluster.lb.keys_selecting(namespace, &allocation.labels).map(Source::Service));
}

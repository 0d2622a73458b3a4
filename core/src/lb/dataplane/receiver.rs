//! Objects that each node has of its own.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Duty, Endpoints, Object, Target};
use crate::cluster::Cluster;
use crate::lb::bgp::{Advertised, BgpPeer, Speaker};
use crate::lb::record::ServiceKey;
use crate::net::Name;

/// What nodes' own objects under a key follow from, apart from the node: two states in which it is the same, and the node is, have the
/// same objects. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// What stands behind a service, for each node what is on it.
    Endpoints(ServiceKey, Arc<BTreeMap<Name, Vec<Target>>>),
    /// Who answers for an external address.
    Announcement(Duty),
    /// A router that nodes may have a session with.
    BgpSession(Arc<BgpPeer>),
    /// What may be advertised for an external address.
    BgpRoutes(IpAddr, Arc<Advertised>),
}

/// A node that is told, in one state.
#[derive(Debug)]
pub struct Receiver<'c> {
    cluster: &'c Cluster,
    name: &'c Name,
    /// The node as a speaker of BGP, once that is asked; `None` when there is no such node.
    speaker: OnceCell<Option<Speaker>>,
}

impl<'c> Receiver<'c> {
    /// The node with this name, whether it exists or not.
    #[must_use]
    pub const fn of(cluster: &'c Cluster, name: &'c Name) -> Self {
        Self { cluster, name, speaker: OnceCell::new() }
    }

    /// Whether objects of its own may look different to it than to `other`, where their bases are the same.
    #[must_use]
    pub fn differs(&self, other: &Receiver<'_>) -> bool {
        self.speaker() != other.speaker()
    }

    /// The object of its own that follows from the basis.
    #[must_use]
    pub fn object(&self, basis: &Basis) -> Option<Object> {
        match basis {
            Basis::Endpoints(key, on) => {
                let targets = on.get(self.name).cloned().unwrap_or_default();
                Some(Object::Endpoints(Endpoints { key: key.clone(), targets }))
            }
            Basis::Announcement(duty) => {
                let record = &duty.announcement;
                let concerned = record.node == *self.name || record.previous.as_ref() == Some(self.name);
                concerned.then(|| Object::Announcement(duty.clone()))
            }
            Basis::BgpSession(peer) => {
                let has = self.speaker()?.sessions().iter().any(|other| other.name == peer.name);
                has.then(|| Object::BgpSession(Arc::clone(peer)))
            }
            Basis::BgpRoutes(address, advertised) => {
                let routes = self.speaker()?.routes(advertised);
                (!routes.is_empty()).then_some(Object::BgpRoutes(*address, routes))
            }
        }
    }

    fn speaker(&self) -> Option<&Speaker> {
        let find = || self.cluster.ipam.node(self.name).map(|node| Speaker::of(self.cluster, node));
        self.speaker.get_or_init(find).as_ref()
    }
}

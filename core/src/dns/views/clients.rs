//! Which view a client is in.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::View;
use crate::cluster::Cluster;
use crate::hash::{Seed, Table};
use crate::id::Uid;
use crate::ipam::{Holding, OwnerKind};
use crate::net::Label;

/// A view, ready to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dns) struct Seen {
    pub(super) name: Label,
    /// The labels of the namespaces whose names it has, sorted; `None`: of all.
    pub(super) visible: Option<Box<[Label]>>,
}

/// Who is in which view. Cheap to clone; without views there is nothing in it, and pods cost nothing.
#[derive(Debug, Clone)]
pub(in crate::dns) struct Clients {
    views: Arc<[Seen]>,
    networks: Arc<[(IpNet, usize)]>,
    spaces: Arc<BTreeMap<Label, usize>>,
    /// The addresses of pods in these namespaces, with the view.
    pods: Table<IpAddr, (Uid, usize)>,
    held: Table<Uid, Arc<[IpAddr]>>,
}

impl Clients {
    /// Nobody is in any view.
    pub(in crate::dns) fn none(seed: Seed) -> Self {
        let (pods, held) = (Table::with_hasher(seed), Table::with_hasher(seed));
        Self { views: Arc::default(), networks: Arc::default(), spaces: Arc::default(), pods, held }
    }

    /// Those of the cluster's state.
    pub(in crate::dns) fn of(cluster: &Cluster, seed: Seed) -> Self {
        let views: &[View] = cluster.dns.resolver().map_or(&[], |settings| &settings.spec.views);
        let networks = views.iter().enumerate().flat_map(|(nth, view)| view.clients.iter().map(move |network| (*network, nth)));
        let spaces = views.iter().enumerate();
        let spaces: BTreeMap<Label, usize> =
            spaces.flat_map(|(nth, view)| view.client_namespaces.iter().map(move |space| (space.clone(), nth))).collect();
        let pods: Vec<Uid> = spaces.keys().flat_map(|space| cluster.ipam.allocations_in(space)).map(|held| held.meta.uid).collect();
        let mut clients = Self {
            views: views.iter().map(Seen::of).collect(),
            networks: networks.collect(),
            spaces: Arc::new(spaces),
            ..Self::none(seed)
        };
        pods.into_iter().for_each(|uid| clients.follow(cluster, uid));
        clients
    }

    /// Takes in what a pod holds now.
    pub(in crate::dns) fn follow(&mut self, cluster: &Cluster, uid: Uid) {
        if self.spaces.is_empty() {
            return;
        }
        let held = cluster.ipam.allocation(uid).filter(|held| held.is_held() && held.owner.kind == OwnerKind::Pod);
        let within = held.and_then(|held| Some((*self.spaces.get(held.owner.namespace.as_ref()?)?, held)));
        // A pod that is gone does not take an address along that another one has got meanwhile.
        for address in self.held.remove(&uid).iter().flat_map(|before| before.iter()) {
            if self.pods.get(address).is_some_and(|(holder, _)| *holder == uid) {
                self.pods.remove(address);
            }
        }
        if let Some((view, held)) = within {
            let addresses: Arc<[IpAddr]> = held.holdings.iter().map(|Holding { address, .. }| *address).collect();
            addresses.iter().for_each(|address| _ = self.pods.insert(*address, (uid, view)));
            self.held.insert(uid, addresses);
        }
    }

    /// The view that a client is in.
    pub(in crate::dns) fn view_of(&self, client: IpAddr) -> Option<&Seen> {
        if self.views.is_empty() {
            return None;
        }
        let client = client.to_canonical();
        let by_network = self.networks.iter().find(|(network, _)| network.contains(&client)).map(|(_, view)| *view);
        let first = self.pods.get(&client).map(|(_, view)| *view).into_iter().chain(by_network).min()?;
        self.views.get(first)
    }

    /// The view that the pods of a namespace are in, wherever they are.
    pub(in crate::dns) fn view_in(&self, namespace: &Label) -> Option<&Seen> {
        self.views.get(*self.spaces.get(namespace)?)
    }
}

impl Seen {
    fn of(view: &View) -> Self {
        let mut visible = view.visible_namespaces.clone();
        visible.sort_unstable();
        Self { name: view.name.clone(), visible: (!visible.is_empty()).then(|| visible.into()) }
    }
}

//! The state of LB in memory: the records, and the indexes that follow from them.
//!
//! Every index is a function of the records alone, so records of different services may be applied in any order. In the middle
//! of a batch two services may therefore stand under one address; after the batch they do so only where they share it.

use std::convert::identity;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::announce::Board;
use super::bgp::Book;
use super::brief::Briefs;
use super::record::{Change, Rest, Service, ServiceKey, Vip};
use super::rest::Rests;
use super::runs::Runs;
use super::selecting::{Selecting, path};
use crate::net::{AddrRange, Label, Labels};
use crate::time::Timestamp;

/// Addresses, each with the number of services that hold it.
type Counted = OrdMap<IpAddr, u32>;

/// The services of one namespace and the external addresses that they hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tenant {
    services: OrdMap<Label, Arc<Service>>,
    external: Counted,
}

/// The state of LB. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    tenants: OrdMap<Label, Tenant>,
    holders: OrdMap<IpAddr, Arc<[ServiceKey]>>,
    held: Runs,
    sharers: OrdMap<Arc<str>, Counted>,
    waiting: OrdSet<(Timestamp, ServiceKey)>,
    board: Board,
    selecting: Selecting<u64, ServiceKey>,
    pub(super) briefs: Briefs,
    pub(super) bgp: Book,
    pub(super) resting: Rests,
}

impl View {
    /// Every service, by namespace and name.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.tenants.values().flat_map(|tenant| tenant.services.values())
    }

    /// Every service after a key, by namespace and name; all of them without a key.
    pub fn services_after(&self, after: Option<&ServiceKey>) -> impl Iterator<Item = &Arc<Service>> + use<'_> {
        let (namespace, name) = after.map(|key| (key.namespace.clone(), key.name.clone())).unzip();
        let rest = namespace.as_ref().map_or(Bound::Unbounded, |namespace| Bound::Excluded(namespace.clone()));
        let here = namespace.and_then(|namespace| self.tenants.get(&namespace)).zip(name);
        let here = here.into_iter().flat_map(|(tenant, name)| tenant.services.range((Bound::Excluded(name), Bound::Unbounded)));
        let others = self.tenants.range((rest, Bound::Unbounded)).flat_map(|(_, tenant)| tenant.services.values());
        here.map(|(_, service)| service).chain(others)
    }

    /// One service.
    #[must_use]
    pub fn service(&self, key: &ServiceKey) -> Option<&Arc<Service>> {
        self.tenants.get(&key.namespace)?.services.get(&key.name)
    }

    /// The services of one namespace, by name.
    pub fn services_in(&self, namespace: &Label) -> impl Iterator<Item = &Arc<Service>> + use<'_> {
        self.tenants.get(namespace).into_iter().flat_map(|tenant| tenant.services.values())
    }

    /// The services of a namespace whose selectors match the labels; one without a selector selects nothing.
    pub fn selecting<'v>(&'v self, namespace: &Label, labels: &'v Labels) -> impl Iterator<Item = &'v Arc<Service>> + use<'v> {
        let namespace = namespace.clone();
        let candidates = self.selecting.candidates(namespace.as_str(), labels, identity).into_iter();
        let candidates = candidates.filter(move |key| key.namespace == namespace).filter_map(|key| self.service(key));
        candidates.filter(|service| service.spec.selector.matches(labels))
    }

    /// How many services a namespace has.
    #[must_use]
    pub fn count_in(&self, namespace: &Label) -> u64 {
        self.tenants.get(namespace).map_or(0, |tenant| tenant.services.len() as u64)
    }

    /// How many external addresses the services of a namespace hold; one that they share counts once.
    #[must_use]
    pub fn external_count_in(&self, namespace: &Label) -> u64 {
        self.tenants.get(namespace).map_or(0, |tenant| tenant.external.len() as u64)
    }

    /// How many services of the namespace hold the external address.
    #[must_use]
    pub(super) fn external_holders_in(&self, namespace: &Label, address: IpAddr) -> u32 {
        self.tenants.get(namespace).and_then(|tenant| tenant.external.get(&address)).copied().unwrap_or(0)
    }

    /// The services that hold an address as a virtual IP, by key; more than one only where they share it.
    pub fn holders(&self, address: IpAddr) -> impl Iterator<Item = &Arc<Service>> + use<'_> {
        self.holders.get(&address).into_iter().flat_map(|keys| keys.iter()).filter_map(|key| self.service(key))
    }

    /// The held addresses inside a range, in order.
    pub fn held_in(&self, range: AddrRange) -> impl Iterator<Item = IpAddr> + use<'_> {
        self.holders.range(range.start()..=range.end()).map(|(address, _)| *address)
    }

    /// The held addresses after one, in order; every one without it.
    pub fn held_after(&self, address: Option<IpAddr>) -> impl Iterator<Item = IpAddr> + use<'_> {
        let from = address.map_or(Bound::Unbounded, Bound::Excluded);
        self.holders.range((from, Bound::Unbounded)).map(|(address, _)| *address)
    }

    /// The last of the held addresses that follow each other from `address` on; `None` when `address` is not held.
    pub(super) fn held_until(&self, address: IpAddr) -> Option<IpAddr> {
        self.held.last_of_run(address)
    }

    /// How many addresses of the range are held.
    #[must_use]
    pub fn count_held(&self, range: AddrRange) -> u128 {
        self.held.count_in(range)
    }

    /// The external addresses held under a sharing key, in order.
    pub(super) fn shared_under(&self, key: &str) -> impl Iterator<Item = IpAddr> + use<'_> {
        self.sharers.get(key).into_iter().flat_map(|addresses| addresses.keys().copied())
    }

    /// The services that lack addresses, the longest waiting first.
    pub fn waiting(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.waiting.iter().filter_map(|(_, key)| self.service(key))
    }

    /// When a service gave the address up, and which.
    #[must_use]
    pub fn rest(&self, address: IpAddr) -> Option<&Arc<Rest>> {
        self.resting.get(address)
    }

    /// The addresses of a range that services gave up, in order.
    pub fn rests_in(&self, range: AddrRange) -> impl Iterator<Item = (IpAddr, &Arc<Rest>)> + use<'_> {
        self.resting.within(range)
    }

    /// Every address that a service gave up and since when, the longest free first.
    pub fn rests(&self) -> impl Iterator<Item = (Timestamp, IpAddr)> + use<'_> {
        self.resting.oldest()
    }

    /// Which node answers for which address.
    #[must_use]
    pub const fn board(&self) -> &Board {
        &self.board
    }

    /// Moves the view by one committed change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Service(key, record) => self.put(key, record.as_ref()),
            Change::Brief(key, record) => self.put_brief(key, record.as_ref()),
            Change::Announcement(address, record) => self.board.put(*address, record.as_ref()),
            Change::Drain(node, record) => self.board.put_drain(node, record.as_ref()),
            Change::Epoch(epoch) => self.board.put_epoch(*epoch),
            Change::BgpPeer(name, record) => self.bgp.put_peer(name, record.as_ref()),
            Change::BgpAdvertisement(name, record) => self.bgp.put_advertisement(name, record.as_ref()),
            Change::Rest(address, record) => self.resting.put(*address, record.as_ref()),
        }
    }

    fn put(&mut self, key: &ServiceKey, record: Option<&Arc<Service>>) {
        if let Some(old) = self.service(key).cloned() {
            self.remove(key, &old);
        }
        if let Some(service) = record {
            self.insert(key, service);
        }
    }

    fn insert(&mut self, key: &ServiceKey, service: &Arc<Service>) {
        let tenant = self.tenants.entry(key.namespace.clone()).or_default();
        tenant.services.insert(key.name.clone(), Arc::clone(service));
        for vip in &service.external {
            count(&mut tenant.external, vip.address);
        }
        if let Some(sharing) = sharing_key(service) {
            let shared = self.sharers.entry(Arc::from(sharing)).or_default();
            service.external.iter().for_each(|vip| count(shared, vip.address));
        }
        for Vip { address, .. } in service.vips() {
            self.held.insert(*address);
            let mut keys: Vec<ServiceKey> = self.holders.get(address).map_or_else(Vec::new, |keys| keys.to_vec());
            let place = keys.partition_point(|other| other < key);
            keys.insert(place, key.clone());
            self.holders.insert(*address, keys.into());
        }
        if let Some(since) = service.waiting_since() {
            self.waiting.insert((since, key.clone()));
        }
        self.selecting.insert(&path(key.namespace.as_str(), &service.spec.selector, identity), key.clone());
    }

    fn remove(&mut self, key: &ServiceKey, service: &Service) {
        if let Some(tenant) = self.tenants.get_mut(&key.namespace) {
            tenant.services.remove(&key.name);
            service.external.iter().for_each(|vip| discount(&mut tenant.external, vip.address));
            if tenant.services.is_empty() {
                self.tenants.remove(&key.namespace);
            }
        }
        if let Some((sharing, shared)) = sharing_key(service).and_then(|sharing| Some((sharing, self.sharers.get_mut(sharing)?))) {
            service.external.iter().for_each(|vip| discount(shared, vip.address));
            if shared.is_empty() {
                self.sharers.remove(sharing);
            }
        }
        for Vip { address, .. } in service.vips() {
            let left: Vec<ServiceKey> =
                self.holders.get(address).into_iter().flat_map(|keys| keys.iter()).filter(|other| *other != key).cloned().collect();
            if left.is_empty() {
                self.holders.remove(address);
                self.held.remove(*address);
            } else {
                self.holders.insert(*address, left.into());
            }
        }
        if let Some(since) = service.waiting_since() {
            self.waiting.remove(&(since, key.clone()));
        }
        self.selecting.remove(&path(key.namespace.as_str(), &service.spec.selector, identity), key.clone());
    }
}

/// The sharing key under which the service holds its external addresses.
fn sharing_key(service: &Service) -> Option<&str> {
    let key = service.spec.external.sharing_key.as_str();
    (!key.is_empty() && !service.external.is_empty()).then_some(key)
}

fn count(counted: &mut Counted, address: IpAddr) {
    *counted.entry(address).or_default() += 1;
}

fn discount(counted: &mut Counted, address: IpAddr) {
    match counted.get(&address).copied() {
        Some(more) if more > 1 => counted.insert(address, more - 1),
        _ => counted.remove(&address),
    };
}

//! The services that are kept in brief, and what is asked about them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;

use imbl::OrdSet;

use super::super::record::{Service, ServiceKey};
use super::super::selecting::{self, Selecting};
use super::super::view::View;
use super::{Brief, BriefRef};
use crate::hash::Seed;
use crate::net::{Label, Labels};
use crate::packed::{Near, Packed};

/// Services in brief, with what leads to them: everything packed, for there are as many as in the cluster.
#[derive(Debug, Clone)]
pub(in crate::lb) struct Briefs {
    /// Nobody can choose names that lie in one bucket.
    seed: Seed,
    /// Each as [`BriefRef`] has it, by its name.
    services: Packed,
    /// Hashes of virtual IPs inside the cluster, each with that of the service.
    holders: OrdSet<(u32, u32)>,
    /// Hashes of services by hashes of the paths of their selectors.
    selecting: Selecting<u32, u32>,
}

impl Default for Briefs {
    fn default() -> Self {
        Self { seed: Seed::secret(), services: Packed::default(), holders: OrdSet::new(), selecting: Selecting::default() }
    }
}

impl PartialEq for Briefs {
    fn eq(&self, other: &Self) -> bool {
        let has = |one: BriefRef<'_>| other.find(one.name()).is_some_and(|found| found == one);
        self.services.len() == other.services.len() && self.iter().all(has)
    }
}

impl Eq for Briefs {}

impl Briefs {
    fn iter(&self) -> impl Iterator<Item = BriefRef<'_>> {
        self.services.iter().filter_map(BriefRef::read)
    }

    fn with_hash(&self, hash: u32) -> impl Iterator<Item = BriefRef<'_>> {
        self.services.with_hash(hash).filter_map(BriefRef::read)
    }

    fn find(&self, name: &[u8]) -> Option<BriefRef<'_>> {
        let same = |entry: &&[u8]| entry.starts_with(name);
        self.services.with_hash(self.seed.short(name)).find(same).and_then(BriefRef::read)
    }

    /// Puts one or removes it.
    fn put(&mut self, key: &ServiceKey, brief: Option<&Brief>) {
        let name = key.to_wire();
        let hash = self.seed.short(&name[..]);
        let before = self.services.remove(hash, |entry| entry.starts_with(&name));
        if let Some(before) = before.as_deref().and_then(BriefRef::read) {
            self.unlink(hash, before);
        }
        if let Some(after) = brief {
            let entry = [&name[..], &after.0].concat();
            self.services.insert(hash, &entry);
            if let Some(after) = BriefRef::read(&entry) {
                self.hold(hash, after);
                self.selecting.insert(&self.path(after), hash);
            }
        }
    }

    /// The path of a service's selector.
    fn path(&self, service: BriefRef<'_>) -> Vec<u32> {
        selecting::path(service.namespace(), &service.selector(), |path| self.seed.short(&path))
    }

    fn hold(&mut self, hash: u32, service: BriefRef<'_>) {
        self.holders.extend(service.cluster().map(|address| (self.seed.short(&address), hash)));
    }

    fn unlink(&mut self, hash: u32, service: BriefRef<'_>) {
        for address in service.cluster() {
            self.holders.remove(&(self.seed.short(&address), hash));
        }
        self.selecting.remove(&self.path(service), hash);
        // Others with this hash, of which there is hardly ever one, may have been led to by the same.
        let others: Vec<Vec<u8>> = self.services.with_hash(hash).map(<[u8]>::to_vec).collect();
        for other in others.iter().filter_map(|entry| BriefRef::read(entry)) {
            self.hold(hash, other);
            self.selecting.restore(&self.path(other), hash);
        }
    }
}

/// A view has a service whole or in brief, and never both: it is fed by one kind of change. What follows from services here sees
/// those of either kind.
impl View {
    /// Moves the view by a service in brief.
    pub(in crate::lb) fn put_brief(&mut self, key: &ServiceKey, brief: Option<&Brief>) {
        self.briefs.put(key, brief);
    }

    /// A service with everything that names follow from; perhaps with nothing else.
    #[must_use]
    pub fn named(&self, key: &ServiceKey) -> Option<Cow<'_, Service>> {
        let whole = self.service(key).map(|service| Cow::Borrowed(AsRef::as_ref(service)));
        whole.or_else(|| self.brief(key)?.service().map(Cow::Owned))
    }

    /// A service in brief, where that is all that is known of it.
    #[must_use]
    pub fn brief(&self, key: &ServiceKey) -> Option<BriefRef<'_>> {
        self.briefs.find(&key.to_wire())
    }

    /// The same by its name as [`ServiceKey::to_wire`] has it.
    #[must_use]
    pub fn brief_by_wire(&self, name: &[u8]) -> Option<BriefRef<'_>> {
        self.briefs.find(name)
    }

    /// Where [`Self::brief_by_wire`] is going to look.
    #[must_use]
    pub fn near_brief(&self, name: &[u8]) -> Option<Near<'_>> {
        self.briefs.services.near(self.briefs.seed.short(name))
    }

    /// All services in brief, in no order.
    pub fn briefs(&self) -> impl Iterator<Item = BriefRef<'_>> {
        self.briefs.iter()
    }

    /// Whether no service is there whole.
    #[must_use]
    pub fn is_in_brief(&self) -> bool {
        self.services().next().is_none()
    }

    /// The services in brief that hold this address as a virtual IP inside the cluster: one, but in the middle of a batch.
    pub fn briefs_at(&self, address: IpAddr) -> impl Iterator<Item = BriefRef<'_>> {
        let here = self.briefs.seed.short(&address);
        let hashes = self.briefs.holders.range((here, 0)..=(here, u32::MAX));
        let found = hashes.flat_map(|(_, hash)| self.briefs.with_hash(*hash));
        found.filter(move |brief| brief.cluster().any(|held| held == address))
    }

    /// The keys of all services, in no order.
    pub fn keys(&self) -> impl Iterator<Item = ServiceKey> + '_ {
        self.services().map(|service| service.key.clone()).chain(self.briefs().filter_map(BriefRef::key))
    }

    /// The keys of the services of one namespace, in no order. Of those in brief every one is looked at.
    pub fn keys_in(&self, namespace: &Label) -> impl Iterator<Item = ServiceKey> + use<'_> {
        let wanted = namespace.clone();
        let briefs = self.briefs().filter(move |brief| brief.namespace() == wanted.as_str());
        self.services_in(namespace).map(|service| service.key.clone()).chain(briefs.filter_map(BriefRef::key))
    }

    /// The keys of the services of a namespace whose selectors match the labels, in no order.
    pub fn keys_selecting(&self, namespace: &Label, labels: &Labels) -> impl Iterator<Item = ServiceKey> + use<> {
        let whole = self.selecting(namespace, labels).map(|service| service.key.clone());
        let seed = self.briefs.seed;
        let hashes = self.briefs.selecting.candidates(namespace.as_str(), labels, |path| seed.short(&path));
        let hashes: BTreeSet<u32> = hashes.into_iter().copied().collect();
        let briefs = hashes.into_iter().flat_map(|hash| self.briefs.with_hash(hash));
        let here = briefs.filter(|brief| brief.namespace() == namespace.as_str());
        let selecting = here.filter(|brief| brief.selector().matches(labels)).filter_map(BriefRef::key);
        whole.chain(selecting).collect::<Vec<_>>().into_iter()
    }
}

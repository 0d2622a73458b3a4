//! A small cluster for tests, and short words for what happens in it.

use std::net::IpAddr;
use std::sync::Arc;

use crate::cluster::Cluster;
use crate::id::Entropy;
use crate::ipam::{self, AnyOf, Namespace, Pool, Purpose, Quotas, Reservation};
use crate::lb::plan::{self, Decision, Draft, Wishes};
use crate::lb::*;
use crate::net::Labels;
use crate::reason::Refusal;
use crate::schema::PlanContext;
use crate::testing;
pub(super) use crate::testing::META;
use crate::time::Timestamp;

pub(super) fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn key(text: &str) -> ServiceKey {
    let (namespace, name) = text.split_once('/').unwrap();
    ServiceKey { namespace: namespace.parse().unwrap(), name: name.parse().unwrap() }
}

pub(super) fn port(protocol: Protocol, port: u16) -> ServicePort {
    let name = Some(format!("p{port}-{}", protocol.as_str().to_lowercase()).parse().unwrap());
    ServicePort { name, protocol, port, target: TargetPort::Number(8080), app_protocol: String::new() }
}

/// A cluster with a clock that moves with every request.
#[derive(Debug, Clone, Default)]
pub(super) struct Site {
    pub(super) cluster: Cluster,
    pub(super) wishes: Option<Wishes>,
    seconds: u64,
}

impl Site {
    /// The pools of the seed scenario: eight external addresses, a service subnet.
    pub(super) fn usual() -> Self {
        let mut site = Self::default();
        site.pool("service", Purpose::ClusterService, &["172.28.0.2-172.28.0.100"], |_| {});
        site.pool("external", Purpose::ExternalService, &["10.0.0.13-10.0.0.20"], |_| {});
        site
    }

    pub(super) fn ctx(&mut self) -> PlanContext {
        self.seconds += 1;
        self.again()
    }

    /// The moment of the last request once more.
    pub(super) fn again(&self) -> PlanContext {
        PlanContext { now: Timestamp(self.seconds * 1_000_000), entropy: Entropy(u128::from(self.seconds) << 96) }
    }

    pub(super) fn pool(&mut self, name: &str, purpose: Purpose, ranges: &[&str], with: impl FnOnce(&mut Pool)) {
        let mut pool = testing::pool(name, purpose, ranges);
        with(&mut pool);
        self.put(ipam::Change::Pool(pool.name.clone(), Some(Arc::new(pool))));
    }

    pub(super) fn drop_pool(&mut self, name: &str) {
        self.put(ipam::Change::Pool(name.parse().unwrap(), None));
    }

    pub(super) fn reserve(&mut self, name: &str, range: &str, owner: &str) {
        let reservation = Reservation {
            name: name.parse().unwrap(),
            meta: META,
            ranges: vec![range.parse().unwrap()],
            owner: owner.to_owned(),
            expires: None,
            ttl: None,
            labels: Labels::default(),
            system: false,
        };
        self.put(ipam::Change::Reservation(reservation.name.clone(), Some(Arc::new(reservation))));
    }

    pub(super) fn namespace(&mut self, name: &str, labels: &[(&str, &str)], quotas: Quotas) {
        let namespace = Namespace { name: name.parse().unwrap(), meta: META, labels: testing::labels(labels), quotas };
        self.put(ipam::Change::Namespace(namespace.name.clone(), Some(Arc::new(namespace))));
    }

    pub(super) fn put(&mut self, change: ipam::Change) {
        self.cluster.apply(&change.into());
    }

    pub(super) fn create(&mut self, name: &str, with: impl FnOnce(&mut ServiceSpec)) -> Result<Service, Refusal> {
        self.create_labelled(name, &[], with)
    }

    /// A LoadBalancer service with TCP port 80, unless `with` says otherwise.
    pub(super) fn create_labelled(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        with: impl FnOnce(&mut ServiceSpec),
    ) -> Result<Service, Refusal> {
        let ports = vec![port(Protocol::Tcp, 80)];
        let selector = "app=WS".parse().unwrap();
        let mut spec = ServiceSpec { service_type: ServiceType::LoadBalancer, ports, selector, ..ServiceSpec::default() };
        with(&mut spec);
        let draft = Draft { key: key(name), labels: testing::labels(labels), annotations: [].into(), spec };
        let ctx = self.ctx();
        let decision = plan::create(&self.cluster, draft, self.wishes.unwrap_or(Wishes::MetOrRefused), ctx)?;
        Ok(self.commit(&decision).unwrap())
    }

    pub(super) fn update(&mut self, name: &str, with: impl FnOnce(&mut ServiceSpec)) -> Result<Service, Refusal> {
        let Service { key, labels, annotations, mut spec, .. } = self.get(name);
        with(&mut spec);
        let ctx = self.ctx();
        let draft = Draft { key, labels, annotations, spec };
        let decision = plan::update(&self.cluster, draft, self.wishes.unwrap_or(Wishes::MetOrRefused), ctx)?;
        Ok(self.commit(&decision).unwrap())
    }

    pub(super) fn delete(&mut self, name: &str, etag: &str) -> Result<(), Refusal> {
        let ctx = self.ctx();
        let decision = plan::delete(&self.cluster, &key(name), etag, ctx)?;
        self.commit(&decision);
        Ok(())
    }

    /// Lets the reconciler work until it has nothing more to do; the services that it changed.
    pub(super) fn heal(&mut self) -> Vec<String> {
        let mut changed = Vec::new();
        for _ in 0..100 {
            let ctx = self.ctx();
            let decisions = reassign(&self.cluster, Scope::All, 3, ctx);
            if decisions.is_empty() {
                return changed;
            }
            for decision in &decisions {
                changed.push(self.commit(decision).unwrap().key.to_string());
            }
        }
        panic!("the reconciler does not come to rest: {changed:?}");
    }

    pub(super) fn commit(&mut self, decision: &Decision) -> Option<Service> {
        decision.changes().for_each(|change| self.cluster.apply(&change.into()));
        decision.after.as_deref().cloned()
    }

    pub(super) fn get(&self, name: &str) -> Service {
        Service::clone(self.cluster.lb.service(&key(name)).unwrap())
    }

    /// Nothing is wrong, and the indexes are what the records alone give.
    pub(super) fn check(&self) {
        assert_eq!(audit(&self.cluster), []);
        let mut rebuilt = View::default();
        let services: Vec<_> = self.cluster.lb.services().collect();
        for (_, address) in self.cluster.lb.rests() {
            assert!(self.cluster.lb.holders(address).next().is_none(), "{address} is held and counts as given up");
            rebuilt.apply(&Change::Rest(address, self.cluster.lb.rest(address).cloned()));
        }
        for service in services.into_iter().rev() {
            rebuilt.apply(&Change::Service(service.key.clone(), Some(Arc::clone(service))));
        }
        assert_eq!(rebuilt, self.cluster.lb);
    }
}

/// Selectors of pools.
pub(super) fn any_of(text: &str) -> AnyOf {
    AnyOf(vec![text.parse().unwrap()])
}

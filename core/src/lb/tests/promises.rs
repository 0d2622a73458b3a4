//! What holds after every step of a random history, by rules written down here once more: nothing of this asks the code that
//! decides, other than for its decision.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;

use super::fixture::{Site, key};
use super::world::{Op, name, op, pools, step};
use super::*;
use crate::cluster::Cluster;
use crate::lb::plan;
use crate::net::Family;
use crate::schema::PlanContext;
use crate::time::Timestamp;

/// Two services may stand under one external address.
fn may_share(one: &Service, two: &Service) -> bool {
    let ports = |service: &Service| service.spec.ports.iter().map(|port| (port.protocol, port.port)).collect::<BTreeSet<_>>();
    let backend =
        |service: &Service| (service.spec.external_policy == TrafficPolicy::Local).then(|| service.spec.selector.to_string());
    let (key, other) = (&one.spec.external.sharing_key, &two.spec.external.sharing_key);
    !key.is_empty() && key == other && ports(one).is_disjoint(&ports(two)) && backend(one) == backend(two)
}

/// Nobody holds what another holds, but for what they may share.
fn nothing_twice(cluster: &Cluster) {
    let mut held: BTreeMap<IpAddr, Vec<(&Service, bool)>> = BTreeMap::new();
    for service in cluster.lb.services() {
        for (vips, outside) in [(&service.cluster, false), (&service.external, true)] {
            vips.iter().for_each(|vip| held.entry(vip.address).or_default().push((service, outside)));
        }
    }
    for (address, holders) in held {
        for (at, (one, outside)) in holders.iter().enumerate() {
            for (two, other_outside) in &holders[at + 1..] {
                assert!(*outside && *other_outside && may_share(one, two), "{address}: {} and {}", one.key, two.key);
            }
        }
    }
}

/// A side has what its policy asks for, or says why not.
fn nothing_half(service: &Service) {
    for side in [Side::Cluster, Side::External] {
        let held = side.held(service);
        let families: BTreeSet<_> = held.iter().map(|vip| Family::of(vip.address)).collect();
        assert_eq!(families.len(), held.len(), "one address a family: {service:?}");
        let foreign = side == Side::External && !service.spec.external.class.is_empty();
        let least = match (side.belongs_to(service.spec.service_type) && !foreign, service.spec.family_policy) {
            (false, _) => 0,
            (true, FamilyPolicy::RequireDualStack) => 2,
            (true, FamilyPolicy::SingleStack | FamilyPolicy::PreferDualStack) => 1,
        };
        let said = service.condition(side.condition()).is_some();
        assert!(held.len() >= least || said, "half addressed without a word: {service:?}");
        assert!(least > 0 || held.is_empty(), "an address that its type has not: {service:?}");
    }
}

/// What changed about a service changed as a whole: with a failure nothing new is given, and what is given by choice had rested,
/// in a pool that gives, within the quota.
fn well_given(before: &Cluster, after: &Service, now: Timestamp) {
    let old = before.lb.service(&after.key);
    for side in [Side::Cluster, Side::External] {
        let had: Vec<IpAddr> = old.map(|old| side.held(old).iter().map(|vip| vip.address).collect()).unwrap_or_default();
        let new: Vec<&Vip> = side.held(after).iter().filter(|vip| !had.contains(&vip.address)).collect();
        if after.condition(side.condition()).is_some() {
            assert!(new.is_empty(), "half of a wish was met: {after:?}");
        }
        for vip in new {
            let pool = before.ipam.pool(&vip.pool).unwrap();
            assert_eq!(pool.state, crate::ipam::PoolState::Enabled, "{after:?}");
            assert!(pool.ranges.iter().any(|range| range.contains(vip.address)), "{after:?}");
            let external = &after.spec.external;
            assert!(!is_disputed(before, vip.address, now), "a stranger answers for it: {after:?}");
            let named = after.spec.cluster_ips.contains(&vip.address) || external.addresses.contains(&vip.address);
            if named || external.reservation.is_some() || before.lb.holders(vip.address).next().is_some() {
                continue;
            }
            assert!(before.ipam.reservation_of(vip.address).is_none(), "a reserved address: {after:?}");
            let rest = before.lb.rest(vip.address);
            assert!(rest.is_none_or(|rest| rest.since.after(pool.cooldown) <= now), "it rests: {after:?}");
        }
    }
}

/// Nobody holds it, and a stranger answers for it.
fn is_disputed(cluster: &Cluster, address: IpAddr, now: Timestamp) -> bool {
    cluster.lb.holders(address).next().is_none() && crate::ipam::neighbors::stranger(&cluster.ipam, address, now).is_some()
}

/// The same service asked for once more, as the reconciler does it.
fn again(cluster: &Cluster, service: &Service, ctx: PlanContext) -> Option<Arc<Service>> {
    let Service { key, labels, annotations, spec, .. } = service.clone();
    plan::update(cluster, Draft { key, labels, annotations, spec }, Wishes::MayWait, ctx).ok()?.after
}

/// The state from the same records, the last first.
fn rebuilt(cluster: &Cluster) -> Cluster {
    let mut lb = View::default();
    let records: Vec<_> = cluster.lb.services().cloned().collect();
    cluster.lb.rests().for_each(|(_, address)| lb.apply(&Change::Rest(address, cluster.lb.rest(address).cloned())));
    records.into_iter().rev().for_each(|service| lb.apply(&Change::Service(service.key.clone(), Some(service))));
    Cluster { lb, ..cluster.clone() }
}

/// The explanation of every service tells what happens to it on this very state, on any copy of it, every time.
fn explained(site: &mut Site) {
    let ctx = site.ctx();
    let copy = rebuilt(&site.cluster);
    for service in site.cluster.lb.services() {
        let Some(next) = again(&site.cluster, service, ctx) else { continue };
        let told = explain(&site.cluster, &service.key, ctx.now).unwrap().outcome;
        assert_eq!((&told.cluster, &told.external, &told.conditions), (&next.cluster, &next.external, &next.conditions));
        assert_eq!(again(&copy, service, ctx), Some(next), "the answer depends on more than the records");
    }
    let (one, two) = (reassign(&site.cluster, Scope::All, 5, ctx), reassign(&copy, Scope::All, 5, ctx));
    assert_eq!(one, two);
}

/// Nobody waits for what can be had, and who holds something that is disputed says so.
fn healed(site: &mut Site) {
    site.heal();
    site.check();
    let ctx = site.again();
    for service in site.cluster.lb.services() {
        let Some(next) = again(&site.cluster, service, ctx) else { continue };
        assert_eq!((&next.cluster, &next.external), (&service.cluster, &service.external), "it waits for what there is");
    }
    assert!(reassign(&site.cluster, Scope::All, 1, ctx).is_empty());
}

fn touched(op: &Op) -> Option<String> {
    match op {
        Op::Create { name: number, .. } | Op::Update { name: number, .. } | Op::Delete { name: number } => Some(name(*number)),
        _ => None,
    }
}

fn held(cluster: &Cluster, but: &str) -> BTreeMap<String, Vec<Vip>> {
    let others = cluster.lb.services().filter(|service| service.key.to_string() != but);
    others.map(|service| (service.key.to_string(), service.vips().cloned().collect())).collect()
}

/// No namespace has more outside addresses than its quota allows, but those it had when the quota was less.
fn within_quota(before: &Cluster, after: &Cluster) {
    for number in 0..3 {
        let namespace = format!("ns{number}").parse().unwrap();
        let limit =
            after.ipam.namespace(&format!("ns{number}").parse().unwrap()).and_then(|record| record.quotas.external_addresses);
        let (was, is) = (before.lb.external_count_in(&namespace), after.lb.external_count_in(&namespace));
        assert!(limit.is_none_or(|limit| is <= limit.max(was)), "{namespace}: {was} became {is}, {limit:?} are allowed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn every_step_keeps_every_promise(start in pools(), ops in prop::collection::vec(op(), 1..50)) {
        let mut site = Site::default();
        step(&mut site, &start).unwrap();
        for op in ops {
            let before = site.cluster.clone();
            let mut twin = site.clone();
            twin.cluster = rebuilt(&site.cluster);
            let answer = step(&mut site, &op);
            prop_assert_eq!(&answer, &step(&mut twin, &op), "the answer depends on more than the records");
            prop_assert_eq!(&site.cluster.lb, &twin.cluster.lb);
            let (refused, now) = (answer.is_err(), site.again().now);
            if refused {
                prop_assert_eq!(&before.lb, &site.cluster.lb, "a refusal changed something");
            }
            if let Some(name) = touched(&op) {
                prop_assert_eq!(held(&before, &name), held(&site.cluster, &name), "a request moved somebody else's address");
                if let Some(service) = site.cluster.lb.service(&key(&name)).filter(|_| !refused) {
                    well_given(&before, service, now);
                    let told = explain(&site.cluster, &service.key, now).unwrap().outcome;
                    prop_assert_eq!(&told.conditions, &service.conditions, "the explanation is another than the decision");
                    prop_assert_eq!((&told.cluster, &told.external), (&service.cluster, &service.external));
                }
                within_quota(&before, &site.cluster);
            }
            nothing_twice(&site.cluster);
            site.cluster.lb.services().for_each(|service| nothing_half(service));
            explained(&mut site);
            let before = site.cluster.clone();
            if matches!(op, Op::Pools { .. } | Op::Heal) {
                healed(&mut site);
                within_quota(&before, &site.cluster);
                nothing_twice(&site.cluster);
            }
        }
        healed(&mut site);
    }
}

//! Random histories: after every step nothing is held twice, nothing is half-addressed, and the explanation tells what happens.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::fixture::{Site, addr, key, port};
use super::*;
use crate::ipam::PoolState;
use crate::reason::Refusal;

/// One step of a history.
#[derive(Debug, Clone)]
enum Op {
    Create { name: u8, sharing: u8, port: u16, policy: FamilyPolicy, wish: Option<u8>, may_wait: bool },
    Update { name: u8, sharing: u8, port: u16, policy: FamilyPolicy, wish: Option<u8>, may_wait: bool },
    Retype { name: u8, service_type: ServiceType },
    Delete { name: u8 },
    Resize { external: u8, service: u8, state: PoolState },
    Heal,
}

fn policy() -> impl Strategy<Value = FamilyPolicy> {
    prop_oneof![
        4 => Just(FamilyPolicy::SingleStack),
        1 => Just(FamilyPolicy::PreferDualStack),
        1 => Just(FamilyPolicy::RequireDualStack),
    ]
}

fn wanted() -> impl Strategy<Value = (u8, u8, u16, FamilyPolicy, Option<u8>, bool)> {
    (0u8..12, 0u8..3, 1u16..4, policy(), prop::option::weighted(0.3, 0u8..8), any::<bool>())
}

fn op() -> impl Strategy<Value = Op> {
    let types = prop_oneof![Just(ServiceType::ClusterIp), Just(ServiceType::LoadBalancer), Just(ServiceType::ExternalName)];
    let states = prop_oneof![3 => Just(PoolState::Enabled), 1 => Just(PoolState::Draining)];
    prop_oneof![
        6 => wanted().prop_map(|(name, sharing, port, policy, wish, may_wait)| Op::Create { name, sharing, port, policy, wish, may_wait }),
        4 => wanted().prop_map(|(name, sharing, port, policy, wish, may_wait)| Op::Update { name, sharing, port, policy, wish, may_wait }),
        2 => (0u8..12, types).prop_map(|(name, service_type)| Op::Retype { name, service_type }),
        3 => (0u8..12).prop_map(|name| Op::Delete { name }),
        2 => (1u8..8, 1u8..12, states).prop_map(|(external, service, state)| Op::Resize { external, service, state }),
        2 => Just(Op::Heal),
    ]
}

fn name(number: u8) -> String {
    format!("ns{}/s{number}", number % 2)
}

fn specify(spec: &mut ServiceSpec, sharing: u8, number: u16, policy: FamilyPolicy, wish: Option<u8>) {
    spec.external.sharing_key = if sharing == 0 { String::new() } else { format!("key{sharing}") };
    spec.ports = vec![port(Protocol::Tcp, number)];
    spec.family_policy = policy;
    spec.external.addresses = wish.map(|last| addr(&format!("10.0.0.{last}"))).into_iter().collect();
}

fn resize(site: &mut Site, external: u8, service: u8, state: PoolState) {
    let (v4, v6) = (format!("10.0.0.0-10.0.0.{external}"), format!("2001:db8::-2001:db8::{external}"));
    site.pool("external", Purpose::ExternalService, &[&v4, &v6], |pool| pool.state = state);
    let (v4, v6) = (format!("172.28.0.0-172.28.0.{service}"), format!("fd00::-fd00::{service}"));
    site.pool("service", Purpose::ClusterService, &[&v4, &v6], |_| {});
}

fn step(site: &mut Site, op: Op) -> Result<(), Refusal> {
    let wishes = |may_wait| Some(if may_wait { Wishes::MayWait } else { Wishes::MetOrRefused });
    match op {
        Op::Create { name: number, sharing, port, policy, wish, may_wait } => {
            site.wishes = wishes(may_wait);
            site.create(&name(number), |spec| specify(spec, sharing, port, policy, wish)).map(drop)
        }
        Op::Update { name: number, sharing, port, policy, wish, may_wait } => {
            site.wishes = wishes(may_wait);
            let known = site.cluster.lb.service(&key(&name(number))).is_some();
            let change = |spec: &mut ServiceSpec| specify(spec, sharing, port, policy, wish);
            if known { site.update(&name(number), change).map(drop) } else { Ok(()) }
        }
        Op::Retype { name: number, service_type } => {
            let known = site.cluster.lb.service(&key(&name(number))).is_some();
            let retype = |spec: &mut ServiceSpec| spec.service_type = service_type;
            if known { site.update(&name(number), retype).map(drop) } else { Ok(()) }
        }
        Op::Delete { name: number } => site.delete(&name(number), ""),
        Op::Resize { external, service, state } => {
            resize(site, external, service, state);
            site.heal();
            Ok(())
        }
        Op::Heal => {
            heal_as_explained(site);
            Ok(())
        }
    }
}

/// What the explanation of every service says is what the reconciler then does for the first of them.
fn heal_as_explained(site: &mut Site) {
    let ctx = site.ctx();
    let Some(decision) = reassign(&site.cluster, Scope::All, 1, ctx).pop() else { return };
    let after = decision.after.clone().unwrap();
    let told = explain(&site.cluster, &after.key, ctx.now).unwrap().outcome;
    assert_eq!((&told.cluster, &told.external, &told.conditions), (&after.cluster, &after.external, &after.conditions));
    site.commit(&decision);
    site.heal();
}

/// What every service holds.
fn held(site: &Site) -> BTreeMap<String, Vec<String>> {
    let vips = |service: &Service| service.vips().map(|vip| vip.address.to_string()).collect();
    site.cluster.lb.services().map(|service| (service.key.to_string(), vips(service))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn no_address_twice_and_nothing_half_done(ops in prop::collection::vec(op(), 1..60)) {
        let mut site = Site::default();
        resize(&mut site, 4, 8, PoolState::Enabled);
        for op in ops {
            let (before, held_before) = (site.cluster.lb.clone(), held(&site));
            let touched = match &op {
                Op::Create { name: number, .. } | Op::Update { name: number, .. } | Op::Retype { name: number, .. }
                | Op::Delete { name: number } => Some(name(*number)),
                Op::Resize { .. } | Op::Heal => None,
            };
            if step(&mut site, op).is_err() {
                prop_assert_eq!(&before, &site.cluster.lb);
            }
            site.check();
            if let Some(touched) = touched {
                let (mut old, mut new) = (held_before, held(&site));
                old.remove(&touched);
                new.remove(&touched);
                prop_assert_eq!(old, new, "a request moved somebody else's address");
            }
        }
        // Whatever waits now has a reason that holds: with room for everybody, everybody without a wish is served.
        resize(&mut site, 60, 60, PoolState::Enabled);
        site.heal();
        for service in site.cluster.lb.services().filter(|service| service.spec.external.addresses.is_empty()) {
            prop_assert!(service.conditions.is_empty(), "{service:?}");
        }
    }

    #[test]
    fn the_order_in_which_records_are_applied_does_not_matter(ops in prop::collection::vec(op(), 1..40), seed in any::<u64>()) {
        let mut site = Site::default();
        resize(&mut site, 4, 8, PoolState::Enabled);
        for op in ops {
            let _ = step(&mut site, op);
        }
        let mut services: Vec<_> = site.cluster.lb.services().cloned().collect();
        services.sort_by_key(|service| service.meta.uid.0.wrapping_mul(u128::from(seed) | 1));
        let mut rebuilt = View::default();
        for service in &services {
            let other = Service { external: site.cluster.lb.services().next().unwrap().external.clone(), ..Service::clone(service) };
            rebuilt.apply(&Change::Service(service.key.clone(), Some(other.into())));
            rebuilt.apply(&Change::Service(service.key.clone(), Some(service.clone())));
        }
        prop_assert_eq!(rebuilt, site.cluster.lb);
    }
}

//! The indexes between services and pods answer what a walk over all records answers, in whatever order the records came.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::fixture::META;
use super::*;
use crate::cluster::{Change as Any, Cluster};
use crate::id::Uid;
use crate::ipam::{self, Allocation};
use crate::net::{Label, Labels, Selector};
use crate::testing;
use crate::time::Timestamp;

/// Selectors of every kind of condition.
const SELECTORS: [&str; 12] = [
    "a=1",
    "a=1,b=1",
    "a=1,b=2,c=1",
    "b=2",
    "b in (1,2)",
    "a=1,b in (1,2)",
    "a=1,c",
    "!c",
    "a notin (1)",
    "a=1,a=2",
    "c=1,!b",
    "b in (1),c=1",
];

#[derive(Debug, Clone)]
enum Op {
    Pod { number: u8, there: bool, held: bool, namespace: bool, node: u8, labels: [u8; 3] },
    Service { number: u8, there: bool, selector: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let pod = (0u8..12, prop::bool::weighted(0.8), prop::bool::weighted(0.9), any::<bool>(), 0u8..3, prop::array::uniform3(0u8..3));
    let service = (0u8..12, prop::bool::weighted(0.8), 0..SELECTORS.len());
    prop_oneof![
        pod.prop_map(|(number, there, held, namespace, node, labels)| Op::Pod { number, there, held, namespace, node, labels }),
        service.prop_map(|(number, there, selector)| Op::Service { number, there, selector }),
    ]
}

fn namespace(other: bool) -> Label {
    (if other { "bank" } else { "shop" }).parse().unwrap()
}

/// A label with the value 0 is not there.
fn labels(values: [u8; 3]) -> Labels {
    let pairs = ["a", "b", "c"].into_iter().zip(values).filter(|(_, value)| *value > 0);
    Labels::new(pairs.map(|(key, value)| (key.to_owned(), value.to_string()))).unwrap()
}

fn change(op: &Op) -> Any {
    match *op {
        Op::Pod { number, there, held, namespace: other, node, labels: values } => {
            let mut pod = testing::on(&format!("node-{node}"), testing::pod(number.into()));
            pod.owner.namespace = Some(namespace(other));
            pod.labels = labels(values);
            pod.released = (!held).then_some(Timestamp(1));
            ipam::Change::Allocation(pod.meta.uid, there.then(|| Arc::new(pod))).into()
        }
        Op::Service { number, there, selector } => {
            let key = ServiceKey { namespace: namespace(number % 3 == 0), name: format!("s{number}").parse().unwrap() };
            let spec = ServiceSpec { selector: SELECTORS[selector].parse().unwrap(), ..ServiceSpec::default() };
            let service = Service {
                key: key.clone(),
                meta: META,
                labels: Labels::default(),
                annotations: [].into(),
                spec,
                cluster: Vec::new(),
                external: Vec::new(),
                conditions: Vec::new(),
            };
            Change::Service(key, there.then(|| Arc::new(service))).into()
        }
    }
}

fn uids<'a>(found: impl Iterator<Item = &'a Arc<Allocation>>) -> Vec<Uid> {
    found.map(|allocation| allocation.meta.uid).collect()
}

/// Every index answers as a walk does.
fn check(cluster: &Cluster) {
    for (namespace, selector) in SELECTORS.iter().flat_map(|text| [(namespace(false), text), (namespace(true), text)]) {
        let selector: Selector = selector.parse().unwrap();
        let walked = uids(cluster.ipam.allocations_in(&namespace).filter(|pod| selector.matches(&pod.labels)));
        assert_eq!(uids(cluster.ipam.selected(&namespace, &selector)), walked, "{namespace} {selector}");
    }
    for (_, pod) in cluster.ipam.allocations(None) {
        let namespace = pod.owner.namespace.as_ref().unwrap();
        let walked = cluster.lb.services_in(namespace).filter(|service| service.spec.selector.matches(&pod.labels));
        let walked: BTreeSet<_> = walked.map(|service| service.key.clone()).collect();
        let found: Vec<_> = cluster.lb.selecting(namespace, &pod.labels).map(|service| service.key.clone()).collect();
        assert_eq!((found.len(), found.into_iter().collect::<BTreeSet<_>>()), (walked.len(), walked));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_the_indexes_find_is_what_a_walk_finds(ops in prop::collection::vec(op(), 1..60)) {
        let mut cluster = Cluster::default();
        for op in &ops {
            cluster.apply(&change(op));
            check(&cluster);
        }
        let records: Vec<Any> = cluster.ipam.changes().map(Any::Ipam).collect();
        let services: Vec<_> = cluster.lb.services().map(Arc::clone).collect();
        let mut backwards = Cluster::default();
        for service in services.iter().rev() {
            backwards.apply(&Change::Service(service.key.clone(), Some(Arc::clone(service))).into());
        }
        records.iter().rev().for_each(|record| backwards.apply(record));
        prop_assert_eq!((&backwards.ipam, &backwards.lb), (&cluster.ipam, &cluster.lb));
        for service in services {
            cluster.apply(&Change::Service(service.key.clone(), None).into());
        }
        prop_assert_eq!(&cluster.lb, &View::default());
    }
}

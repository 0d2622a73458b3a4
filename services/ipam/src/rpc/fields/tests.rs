//! Lists of allocations through the indexes against lists by looking at every record.

use std::net::{IpAddr, Ipv4Addr};

use polder_core::id::Uid;
use polder_core::ipam::pool::{self, Draft};
use polder_core::ipam::{Change, Holding};
use polder_core::net::{AddrRange, Name};
use polder_core::reason::Refusal;
use polder_core::schema::PlanContext;
use polder_core::{cluster::Cluster, id::Entropy, testing, time::Timestamp};
use proptest::prelude::*;

use super::*;
use crate::page::Page;

/// One change of a random state. Small numbers, so that records meet.
#[derive(Debug, Clone)]
enum Op {
    Put { uid: u8, node: u8, namespace: u8, address: u8, held: bool },
    Delete { uid: u8 },
    Pool { name: u8, from: u8, to: u8 },
    NoPool { name: u8 },
}

fn op() -> impl Strategy<Value = Op> {
    let put = (any::<u8>(), 0u8..4, 0u8..3, any::<u8>(), prop::bool::weighted(0.8));
    prop_oneof![
        20 => put.prop_map(|(uid, node, namespace, address, held)| Op::Put { uid, node, namespace, address, held }),
        4 => any::<u8>().prop_map(|uid| Op::Delete { uid }),
        2 => (0u8..3, any::<u8>(), any::<u8>()).prop_map(|(name, a, b)| Op::Pool { name, from: a.min(b), to: a.max(b) }),
        1 => (0u8..3).prop_map(|name| Op::NoPool { name }),
    ]
}

fn address(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, number).into()
}

fn pool_of(name: u8, from: u8, to: u8) -> Arc<Pool> {
    let range = AddrRange::new(address(from), address(to)).unwrap();
    let draft = Draft::new(format!("pool-{name}").parse().unwrap(), Purpose::Pod, [range]);
    let context = PlanContext { now: Timestamp(1), entropy: Entropy(0) };
    pool::create(&Cluster::default(), &draft, context).unwrap().answer
}

fn allocation(uid: Uid, node: u8, namespace: u8, at: u8, held: bool) -> Arc<Allocation> {
    let mut owner = testing::owner("team", &format!("pod-{node}"));
    owner.namespace = (namespace > 0).then(|| format!("team-{namespace}").parse().unwrap());
    owner.node = (node > 0).then(|| format!("node-{node}").parse().unwrap());
    // Two addresses, so that one allocation may be in two pools.
    let holdings = [at, at.wrapping_add(40)].map(|number| Holding { address: address(number), block: None });
    let handle: Arc<str> = format!("handle-{}", at % 16).into();
    Arc::new(Allocation {
        handle,
        meta: testing::meta(uid.0),
        holdings: holdings.to_vec(),
        owner,
        labels: testing::labels(&[("app", &format!("app-{}", at % 3))]),
        ready: at.is_multiple_of(2),
        released: (!held).then_some(Timestamp(u64::from(at))),
        ..testing::pod(0)
    })
}

fn state(ops: &[Op]) -> View {
    let mut view = View::default();
    for op in ops {
        let name = |number: &u8| format!("pool-{number}").parse::<Name>().unwrap();
        view.apply(&match op {
            Op::Put { uid, node, namespace, address, held } => {
                let uid = Uid((*uid).into());
                Change::Allocation(uid, Some(allocation(uid, *node, *namespace, *address, *held)))
            }
            Op::Delete { uid } => Change::Allocation(Uid((*uid).into()), None),
            Op::Pool { name: number, from, to } => Change::Pool(name(number), Some(pool_of(*number, *from, *to))),
            Op::NoPool { name: number } => Change::Pool(name(number), None),
        });
    }
    view
}

fn condition() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        (0u8..4).prop_map(|n| format!("node=node-{n}")),
        (0u8..3).prop_map(|n| format!("namespace=team-{n}")),
        (0u8..3).prop_map(|n| format!("pool=pool-{n}")),
        (0u8..16).prop_map(|n| format!("handle=handle-{n}")),
        any::<u8>().prop_map(|n| format!("address={}", address(n))),
        any::<u8>().prop_map(|n| format!("uid={}", Uid(n.into()))),
        (0u8..3).prop_map(|n| format!("labels.app=app-{n}")),
    ];
    prop_oneof![
        12 => value,
        1 => Just("ready=true".to_owned()),
        1 => Just("node=node-*".to_owned()),
        1 => Just("pool!=pool-1".to_owned()),
        1 => Just("node=\"No Name\"".to_owned()),
        1 => Just("address:10.0.0.1".to_owned()),
        1 => Just("uid=000000000000000000000000000000AA".to_owned()),
    ]
}

fn text() -> impl Strategy<Value = String> {
    condition().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("({})", parts.join(" AND "))),
            3 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("({})", parts.join(" OR "))),
            1 => inner.prop_map(|part| format!("NOT {part}")),
        ]
    })
}

/// The uids that pass, by looking at every record.
fn scanned(view: &View, filter: &Filter) -> Vec<Uid> {
    let held = view.changes().filter_map(|change| match change {
        Change::Allocation(_, record) => record.filter(|record| record.is_held()),
        _ => None,
    });
    let passing = held.filter(|record| {
        let object = AllocationOf { view, record: Arc::clone(record) };
        filter.matches(|field| object.values(field))
    });
    let mut uids: Vec<Uid> = passing.map(|record| record.meta.uid).collect();
    uids.sort_unstable();
    uids
}

/// One page as the service makes it: its uids, the next token, and what the walk touched.
fn page(view: &View, size: u32, token: &str, filter: &str) -> Result<(Vec<Uid>, String, u64), Refusal> {
    let page = Page::<Uid>::read::<AllocationOf<'_>>("ListAllocations", size, token, filter)?;
    let mut walk = view.walk(AllocationOf::terms(&page.filter), page.after);
    let objects = walk.by_ref().map(|one| (one.meta.uid, AllocationOf { view, record: Arc::clone(one) }));
    let (found, next) = page.take(objects);
    Ok((found.iter().map(|object| object.record.meta.uid).collect(), next, walk.touched()))
}

/// The most that a walk over groups may touch: every list about twice for every entry of the shortest.
fn bound(view: &View, filter: &Filter) -> u64 {
    let groups = AllocationOf::terms(filter);
    let sizes = groups.iter().map(|group| view.walk(vec![group.clone()], None).count());
    let shortest = sizes.min().unwrap_or_else(|| view.allocations(None).count()) as u64;
    let terms = groups.iter().map(Vec::len).sum::<usize>() as u64;
    terms * (2 * shortest + 2) + shortest + 1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn pages_through_the_indexes_are_those_of_a_scan(ops in prop::collection::vec(op(), 0..150), text in text(), size in 1u32..9) {
        let view = state(&ops);
        let filter = Filter::parse(&text, AllocationOf::KNOWN).unwrap();
        let expected = scanned(&view, &filter);
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let (uids, next, touched) = page(&view, size, &token, &text).unwrap();
            let full = uids.len() == size as usize;
            prop_assert!(full || next.is_empty(), "a page that is not full is the last");
            prop_assert!(touched <= bound(&view, &filter), "{touched} entries for {text}");
            found.extend(uids);
            token = next;
            if token.is_empty() {
                break;
            }
        }
        prop_assert_eq!(found, expected, "{}", text);
    }
}

#[test]
fn a_page_costs_what_is_on_it_wherever_it_begins() {
    const NODES: u64 = 20;
    const HELD: u64 = 20_000;
    let mut view = View::default();
    view.apply(&Change::Pool("pool-0".parse().unwrap(), Some(pool_of(0, 0, 255))));
    for number in 0..HELD {
        let uid = Uid(number.into());
        let mut held = Allocation::clone(&allocation(uid, 1, 1, u8::try_from(number % 256).unwrap(), true));
        held.owner.node = Some(format!("node-{}", number % NODES).parse().unwrap());
        view.apply(&Change::Allocation(uid, Some(Arc::new(held))));
    }
    // As many that were released lately: they cost nothing.
    for number in HELD..2 * HELD {
        let uid = Uid(number.into());
        view.apply(&Change::Allocation(uid, Some(allocation(uid, 1, 1, 0, false))));
    }
    let begin = |number: u64, filter: &str| {
        let first = Page::<Uid>::read::<AllocationOf<'_>>("ListAllocations", 10, "", filter).unwrap();
        first.token_after(&Uid(number.into()))
    };
    for at in [0, HELD / 2, HELD - 30 * NODES] {
        for (filter, most) in [
            ("", 12),
            ("node=node-7", 2 * 12),
            ("node=node-7 pool=pool-0 namespace=team-1", 6 * 12),
            ("node=node-7 OR node=node-8", 3 * 12),
            ("node=node-7 handle=nobody", 6),
            ("node=\"No Name\"", 2),
        ] {
            let (found, _, touched) = page(&view, 10, &begin(at, filter), filter).unwrap();
            assert!(touched <= most, "`{filter}` after {at}: {touched} entries for {} allocations", found.len());
            assert_eq!(found.len(), if most < 12 { 0 } else { 10 }, "{filter}");
        }
    }
    let (last, next, touched) = page(&view, 10, &begin(2 * HELD - 1, ""), "").unwrap();
    assert!(last.is_empty() && next.is_empty() && touched <= 2, "{touched}");
    assert_eq!(view.released(Timestamp(0)).count() as u64, HELD);
}

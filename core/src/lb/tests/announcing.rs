//! Which node answers for which address.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::fixture::{Site, addr, any_of, key};
use super::*;
use crate::ipam::{self, Allocation, Interface, Liveness, Node, PoolState};
use crate::lb::announce::{Announcement, Presence, Turn, Willing, operate, presence, reconcile, target};
use crate::net::Name;
use crate::testing;
use crate::time::Timestamp;

const TURN: Turn = Turn { most: 100, spread: false };

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn names(all: &[&str]) -> BTreeSet<Name> {
    all.iter().map(|text| name(text)).collect()
}

impl Site {
    /// A node with an interface on the outside network, whose agent lives.
    pub(super) fn add_node(&mut self, text: &str, with: impl FnOnce(&mut Node)) {
        let outside = testing::interface("lan0", &["10.0.0.200/24", "2001:db8::200/64"]);
        let mut node = Node { interfaces: vec![outside], ..testing::node(text) };
        with(&mut node);
        self.put(ipam::Change::Node(node.name.clone(), Some(Arc::new(node))));
    }

    fn edit_node(&mut self, text: &str, edit: impl FnOnce(&mut Node)) {
        let mut node = Node::clone(self.cluster.ipam.node(&name(text)).unwrap());
        edit(&mut node);
        self.put(ipam::Change::Node(node.name.clone(), Some(Arc::new(node))));
    }

    /// Turns until nothing changes; the number of assignments that changed.
    fn turn(&mut self, willing: &Willing, spread: bool) -> usize {
        let mut changed = 0;
        for _ in 0..1000 {
            let ctx = self.ctx();
            let changes = reconcile(&self.cluster, willing, Turn { most: 3, spread }, ctx);
            if changes.is_empty() {
                assert_eq!(audit(&self.cluster), []);
                return changed;
            }
            changed += changes.iter().filter(|change| matches!(change, Change::Announcement(..))).count();
            self.assign(changes);
        }
        panic!("the assignments do not come to rest");
    }

    pub(super) fn assign(&mut self, changes: Vec<Change>) {
        let epoch = self.cluster.lb.board().epoch();
        for change in changes {
            if let Change::Announcement(_, Some(record)) = &change {
                let before = self.cluster.lb.board().of(record.address);
                let moved = before.is_none_or(|before| before.node != record.node);
                assert!(!moved || record.epoch > epoch, "a new node has an epoch greater than any before: {record:?}");
            }
            self.cluster.apply(&change.into());
        }
    }

    fn on(&self, address: &str) -> Option<String> {
        self.cluster.lb.board().of(addr(address)).map(|record| record.node.to_string())
    }

    fn loads(&self) -> BTreeMap<String, usize> {
        let board = self.cluster.lb.board();
        board.nodes().map(|node| (node.to_string(), board.load(node))).collect()
    }

    fn pod_on(&mut self, number: u32, node: &str, ready: bool) {
        let allocation = Allocation { ready, ..testing::on(node, testing::pod(number)) };
        self.put(ipam::Change::Allocation(allocation.meta.uid, Some(Arc::new(allocation))));
    }
}

fn three_nodes(services: usize) -> (Site, Willing) {
    let mut site = Site::usual();
    for node in ["node-a", "node-b", "node-c"] {
        site.add_node(node, |_| {});
    }
    for n in 0..services {
        site.create(&format!("shop/s{n}"), |_| {}).unwrap();
    }
    (site, Willing { nodes: names(&["node-a", "node-b", "node-c"]), ..Willing::default() })
}

#[test]
fn addresses_spread_evenly_and_stay_where_they_are() {
    let (mut site, mut willing) = three_nodes(8);
    assert_eq!(site.turn(&willing, true), 8);
    let mut loads: Vec<usize> = site.loads().into_values().collect();
    loads.sort_unstable();
    assert_eq!(loads, [2, 3, 3]);
    let before: Vec<_> = site.cluster.lb.board().announcements().cloned().collect();
    assert!(before.iter().all(|record| record.previous.is_none() && record.epoch > 0));

    site.add_node("node-d", |_| {});
    willing.nodes.insert(name("node-d"));
    assert_eq!(site.turn(&willing, false), 0, "a new node moves nothing by itself");
    assert_eq!(site.turn(&willing, true), 2, "evening out moves no more than it must");
    assert_eq!(site.loads().into_values().collect::<Vec<_>>(), [2, 2, 2, 2]);
    let kept = before.iter().filter(|record| site.cluster.lb.board().of(record.address) == Some(record)).count();
    assert_eq!(kept, 6);
}

#[test]
fn the_audit_sees_an_epoch_given_twice_or_never() {
    let (mut site, willing) = three_nodes(2);
    site.turn(&willing, false);
    let first = Announcement::clone(site.cluster.lb.board().of(addr("10.0.0.13")).unwrap());
    let second = Announcement { address: addr("10.0.0.14"), ..first.clone() };
    site.cluster.apply(&Change::Announcement(second.address, Some(Arc::new(second))).into());
    assert_eq!(audit(&site.cluster).len(), 1);
    let third = Announcement { epoch: 99, ..first };
    site.cluster.apply(&Change::Announcement(third.address, Some(Arc::new(third))).into());
    let found = audit(&site.cluster);
    assert!(found.len() == 1 && found[0].message.contains("the newest ever given is 2"), "{found:?}");
}

#[test]
fn a_silent_node_loses_what_others_can_take_and_keeps_the_rest() {
    let (mut site, mut willing) = three_nodes(6);
    site.turn(&willing, true);
    willing.nodes.remove(&name("node-a"));
    assert_eq!(site.turn(&willing, false), 2);
    assert_eq!(site.loads(), BTreeMap::from([("node-b".to_owned(), 3), ("node-c".to_owned(), 3)]));
    let moved = site.cluster.lb.board().announcements().filter(|record| record.previous == Some(name("node-a"))).count();
    assert_eq!(moved, 2, "the node before is known");

    let nobody = Willing::default();
    assert_eq!(site.turn(&nobody, false), 0, "whoever comes back goes on");
    let still = Willing { nodes: names(&["node-a"]), still: true, ..Willing::default() };
    assert_eq!(site.turn(&still, true), 0, "when most are silent at once nothing moves");
}

#[test]
fn a_node_that_may_not_answer_any_more_gives_up() {
    type Edit = fn(&mut Node);
    let edits: [(&str, Edit); 5] = [
        ("excluded", |node| node.excluded_from_external = true),
        ("removing", |node| node.removing = Some(Timestamp(9))),
        ("link down", |node| node.interfaces[0].up = false),
        ("other subnet", |node| node.interfaces[0].addresses = vec!["10.0.1.200/24".parse().unwrap()]),
        ("draining", |node| node.draining = true),
    ];
    for (what, edit) in edits {
        let (mut site, willing) = three_nodes(1);
        site.turn(&willing, false);
        let first = site.on("10.0.0.13").unwrap();
        site.edit_node(&first, edit);
        site.turn(&willing, false);
        let second = site.on("10.0.0.13").unwrap();
        assert_ne!(second, first, "{what}");
        for other in willing.nodes.iter().filter(|node| node.as_str() != first) {
            site.edit_node(other.as_str(), edit);
        }
        site.turn(&willing, false);
        let last = if what == "draining" { Some(second) } else { None };
        assert_eq!(site.on("10.0.0.13"), last, "{what}: a node being drained keeps what nobody can take");
    }
}

#[test]
fn pools_say_where_their_addresses_are_answered_for() {
    let (mut site, willing) = three_nodes(1);
    site.edit_node("node-b", |node| node.labels = testing::labels(&[("edge", "yes")]));
    let pool = |site: &mut Site, with: &dyn Fn(&mut ipam::Pool)| {
        site.pool("external", Purpose::ExternalService, &["10.0.0.13-10.0.0.20"], with);
    };
    pool(&mut site, &|pool| pool.selectors.nodes = any_of("edge"));
    site.turn(&willing, false);
    assert_eq!(site.on("10.0.0.13").as_deref(), Some("node-b"));
    pool(&mut site, &|pool| pool.announce_interfaces = vec!["lan1".to_owned()]);
    site.turn(&willing, false);
    assert_eq!(site.on("10.0.0.13"), None, "nobody has that interface");
    site.edit_node("node-c", |node| {
        let other = Interface { name: "lan1".to_owned(), addresses: Vec::new(), ..node.interfaces[0].clone() };
        node.interfaces.push(other);
    });
    site.turn(&willing, false);
    assert_eq!(site.on("10.0.0.13").as_deref(), Some("node-c"), "an interface by name needs no address of the subnet");
    for with in [|pool: &mut ipam::Pool| pool.bgp_only = true, |pool: &mut ipam::Pool| pool.state = PoolState::Disabled] {
        pool(&mut site, &|_| {});
        site.turn(&willing, false);
        assert!(site.on("10.0.0.13").is_some());
        pool(&mut site, &with);
        site.turn(&willing, false);
        assert_eq!(site.on("10.0.0.13"), None);
        assert_eq!(target::Target::at(&site.cluster, addr("10.0.0.13")).unwrap_err().reason, Reason::AnnouncementNotFound);
    }
    site.pool("external", Purpose::ExternalService, &["10.0.0.13-10.0.0.20"], |_| {});
    site.turn(&willing, false);
    let epoch = site.cluster.lb.board().epoch();
    site.delete("shop/s0", "").unwrap();
    site.turn(&willing, false);
    assert_eq!((site.on("10.0.0.13"), site.cluster.lb.board().epoch()), (None, epoch), "the epoch outlives the announcement");
}

#[test]
fn local_traffic_needs_a_ready_endpoint_of_every_service_on_the_node() {
    let (mut site, willing) = three_nodes(0);
    site.create("shop/web", |spec| spec.external_policy = TrafficPolicy::Local).unwrap();
    site.turn(&willing, false);
    assert_eq!(site.on("10.0.0.13"), None);
    site.pod_on(1, "node-c", true);
    site.pod_on(2, "node-a", false);
    site.turn(&willing, false);
    assert_eq!(site.on("10.0.0.13").as_deref(), Some("node-c"));
    site.pod_on(2, "node-a", true);
    site.turn(&willing, true);
    assert_eq!(site.on("10.0.0.13").as_deref(), Some("node-c"));
    site.pod_on(1, "node-c", false);
    site.turn(&willing, false);
    assert_eq!(site.on("10.0.0.13").as_deref(), Some("node-a"));
    let target = target::Target::at(&site.cluster, addr("10.0.0.13")).unwrap();
    let refusal = target.check(site.cluster.ipam.node(&name("node-b")).unwrap()).unwrap_err();
    assert_eq!(refusal.reason, Reason::NoReadyEndpoints);
    assert_eq!(site.cluster.lb.service(&key("shop/web")).unwrap().external.len(), 1);
}

#[test]
fn an_operator_moves_pins_and_lets_go() {
    let (mut site, willing) = three_nodes(3);
    site.turn(&willing, true);
    let record = |site: &Site| Announcement::clone(site.cluster.lb.board().of(addr("10.0.0.13")).unwrap());
    let before = record(&site);
    let other = willing.nodes.iter().find(|node| **node != before.node).unwrap().clone();
    let ask = |site: &mut Site, node: Option<&Name>, etag: &str| {
        let ctx = site.ctx();
        operate::move_to(&site.cluster, addr("10.0.0.13"), node, etag, ctx)
    };
    assert_eq!(ask(&mut site, Some(&other), "old").unwrap_err().reason, Reason::EtagMismatch);
    assert_eq!(ask(&mut site, Some(&name("nowhere")), "").unwrap_err().reason, Reason::NodeNotFound);
    let changes = ask(&mut site, Some(&other), &before.meta.etag()).unwrap();
    site.assign(changes);
    let moved = record(&site);
    assert_eq!((&moved.node, &moved.previous, moved.pinned), (&other, &Some(before.node.clone()), true));
    assert_eq!(ask(&mut site, Some(&other), "").unwrap(), [], "it is there");
    assert_eq!(site.turn(&willing, true), 1, "the spread is evened out with another one");
    assert_eq!(record(&site), moved, "a pinned one stays");
    let changes = ask(&mut site, None, "").unwrap();
    site.assign(changes);
    assert!(!record(&site).pinned);
    assert_eq!(record(&site).epoch, moved.epoch, "letting go moves nothing");
    assert_eq!(ask(&mut site, None, "").unwrap(), []);
    for (edit, reason) in [
        ((|node| node.liveness = Liveness::Lost(Timestamp(3))) as fn(&mut Node), Reason::NodeLost),
        (|node| node.liveness = Liveness::NotSeen, Reason::NodeNotSeen),
        (|node| node.draining = true, Reason::NodeDraining),
        (|node| node.excluded_from_external = true, Reason::NodeNotEligible),
    ] {
        let mut site = site.clone();
        site.edit_node(before.node.as_str(), edit);
        assert_eq!(ask(&mut site, Some(&before.node), "").unwrap_err().reason, reason);
    }
    site.delete("shop/s0", "").unwrap();
    assert_eq!(ask(&mut site, None, "").unwrap_err().reason, Reason::AnnouncementNotFound);
}

#[test]
fn a_drain_moves_all_that_others_can_take_and_lasts_until_it_ends() {
    let (mut site, willing) = three_nodes(6);
    site.turn(&willing, true);
    let ctx = site.ctx();
    let changes = operate::drain(&site.cluster, &name("node-a"), ctx).unwrap();
    site.assign(changes);
    assert_eq!(site.loads(), BTreeMap::from([("node-b".to_owned(), 3), ("node-c".to_owned(), 3)]));
    assert_eq!(operate::drain(&site.cluster, &name("node-a"), ctx).unwrap(), [], "drained is drained");
    assert_eq!(site.turn(&willing, true), 0, "nothing comes back while it lasts");
    let changes = operate::end_drain(&site.cluster, &name("node-a")).unwrap();
    site.assign(changes);
    assert_eq!(operate::end_drain(&site.cluster, &name("node-a")).unwrap(), []);
    assert_eq!(site.turn(&willing, true), 2);
    assert_eq!(operate::drain(&site.cluster, &name("nowhere"), ctx).unwrap_err().reason, Reason::NodeNotFound);

    let ctx = site.ctx();
    site.assign(operate::drain(&site.cluster, &name("node-b"), ctx).unwrap());
    site.put(ipam::Change::Node(name("node-b"), None));
    site.turn(&willing, false);
    assert_eq!(site.cluster.lb.board().drains().count(), 0, "a node that is gone needs no drain");
}

#[test]
fn most_nodes_silent_at_once_is_not_most_nodes_dead() {
    use std::time::Duration;
    let (mut site, _) = three_nodes(6);
    let (ttl, at) = (Duration::from_secs(1), Duration::from_millis);
    let mut presence = Presence::new(ttl, [], Duration::ZERO, at(0));
    let all = [name("node-a"), name("node-b"), name("node-c")];
    all.iter().for_each(|node| presence.hear(node, at(0)));
    assert_eq!(presence.willing(at(999)), Willing { nodes: all.iter().cloned().collect(), ..Willing::default() });
    site.turn(&presence.willing(at(999)), true);
    presence.hear(&all[0], at(900));
    presence.hear(&all[1], at(900));
    assert_eq!(presence.next_silence(at(950)), Some(at(1000)));
    assert_eq!(
        presence.willing(at(1000)),
        Willing { nodes: names(&["node-a", "node-b"]), ..Willing::default() },
        "one of three may die"
    );
    presence.hear(&all[0], at(1900));
    assert!(presence.willing(at(1950)).still, "two of three at once are a broken network");
    let much_later = at(1000) + presence::WINDOW * 100;
    presence.hear(&all[0], much_later);
    presence.forget(&site.cluster, much_later);
    assert!(presence.willing(much_later).still, "they are not given up while addresses are assigned to them");
    let lost = site.cluster.lb.board().on(&all[1]).next().unwrap().address;
    presence.unanswered(lost, much_later);
    site.turn(&presence.willing(much_later), false);
    assert_eq!(site.on(&lost.to_string()).as_deref(), Some("node-a"), "but for an address that nobody answers for");
    assert!(site.cluster.lb.board().load(&all[1]) > 0);
    let ctx = site.ctx();
    let changes = operate::drain(&site.cluster, &all[1], ctx).unwrap();
    site.assign(changes);
    presence.forget(&site.cluster, much_later);
    assert!(!presence.willing(much_later).still, "an operator who drains a node says that it is gone");

    let mut alone = Presence::new(ttl, &all, Duration::from_secs(3), at(0));
    assert_eq!(alone.willing(at(2999)).nodes.len(), 3, "nodes have the time to find a new lead");
    assert!(alone.willing(at(3000)).still);
    alone.hear(&all[0], at(100));
    assert_eq!(alone.willing(at(2999)).nodes.len(), 3, "an early word is no reason for an early end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happened before: after the turns every address that can be answered for is, by a node that may, and one more
    /// turn finds nothing to do.
    #[test]
    fn turns_come_to_rest_with_everything_answered_for(
        services in 0usize..8,
        steps in prop::collection::vec((0usize..3, 0u8..6), 0..20),
        spread in any::<bool>(),
    ) {
        let (mut site, mut willing) = three_nodes(services);
        let nodes: Vec<Name> = willing.nodes.iter().cloned().collect();
        site.turn(&willing, spread);
        for (which, what) in steps {
            let node = &nodes[which];
            match what {
                0 => drop(willing.nodes.remove(node)),
                1 => drop(willing.nodes.insert(node.clone())),
                2 => site.edit_node(node.as_str(), |node| node.draining = !node.draining),
                3 => site.edit_node(node.as_str(), |node| node.interfaces[0].up = !node.interfaces[0].up),
                4 => { let ctx = site.ctx(); let changes = operate::drain(&site.cluster, node, ctx).unwrap(); site.assign(changes); }
                _ => { let changes = operate::end_drain(&site.cluster, node).unwrap(); site.assign(changes); }
            }
            site.turn(&willing, spread);
            for target in target::targets(&site.cluster) {
                let able = willing.nodes.iter().filter_map(|name| site.cluster.ipam.node(name));
                let able: Vec<_> = able.filter(|node| target.check(node).is_ok()).collect();
                let free = able.iter().filter(|node| target::leaving(&site.cluster, node).is_none()).count();
                let record = site.cluster.lb.board().of(target.address);
                let holder = record.and_then(|record| site.cluster.ipam.node(&record.node));
                prop_assert!(holder.is_none_or(|node| target.check(node).is_ok()));
                if free > 0 {
                    let holder = holder.expect("somebody answers");
                    prop_assert!(willing.nodes.contains(&holder.name) && target::leaving(&site.cluster, holder).is_none());
                }
            }
        }
        let ctx = site.ctx();
        prop_assert_eq!(reconcile(&site.cluster, &willing, TURN, ctx), []);
    }
}

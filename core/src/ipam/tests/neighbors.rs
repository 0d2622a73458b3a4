//! Strangers that answer for addresses: what nodes report, and what follows from it for everybody who asks for an address.

use super::*;
use crate::ipam::lookup::{Standing, lookup};
use crate::ipam::neighbors::{Answer, Report, VALID, report};
use crate::ipam::network::{self, Draft};
use crate::ipam::usage;
use crate::ipam::{Severity, sweep};
use crate::net::Family;

const STRANGER: &str = "00:15:5d:01:02:03";

impl World {
    fn sees(&mut self, node: &str, answers: &[(&str, &str)]) -> usize {
        let uid = self.cluster.ipam.node(&node.parse().unwrap()).unwrap().meta.uid;
        let answers = answers.iter().map(|(address, mac)| Answer { address: ip(address), mac: mac.parse().unwrap() });
        let context = self.context();
        let request = Report { node: node.parse().unwrap(), uid, answers: answers.collect() };
        let decision = report(&self.cluster, &request, context).unwrap();
        let written = decision.changes.len();
        self.commit(decision);
        written
    }

    fn standing(&mut self, address: &str) -> Standing {
        let now = self.context().now;
        lookup(&self.cluster, ip(address), now).standing
    }

    fn quarantined(&mut self) -> (u128, u128) {
        let now = self.context().now;
        let pool = self.cluster.ipam.pool(&"node".parse().unwrap()).unwrap();
        let usage = usage::of_pool(&self.cluster, pool, Family::V4, now);
        assert_eq!(usage.total, usage.used + usage.reserved + usage.cooling + usage.quarantined + usage.avoided + usage.free);
        (usage.quarantined, usage.free)
    }
}

#[test]
fn an_address_that_a_stranger_answers_for_is_not_given() {
    let mut world = World::usual();
    world.sees("node-a", &[("10.0.0.12", STRANGER), ("10.0.0.11", STRANGER), ("192.0.2.1", STRANGER)]);
    assert_eq!(world.standing("10.0.0.12"), Standing::Quarantined);
    assert_eq!(world.standing("10.0.0.11"), Standing::Allocated, "who holds an address keeps it");
    assert_eq!(world.standing("192.0.2.1"), Standing::Outside);
    assert_eq!(world.quarantined(), (1, 7));

    let context = world.context();
    let wish = node::Registration { addresses: vec![ip("10.0.0.12")], ..registration("node-c") };
    let refusal = node::register(&world.cluster, &wish, context).unwrap_err();
    assert_eq!(refusal.reason, Reason::AddressQuarantined);
    assert!(refusal.message.contains(STRANGER) && refusal.message.contains("node-a"), "{refusal:?}");
    world.node("node-c");
    assert_eq!(world.cluster.ipam.node_addresses(&"node-c".parse().unwrap()).next(), Some(ip("10.0.0.13")));

    world.sees("node-a", &[]);
    assert_eq!((world.standing("10.0.0.12"), world.quarantined()), (Standing::Free, (0, 7)), "the host was taken off the network");
}

#[test]
fn own_nodes_and_proxies_say_nothing() {
    let mut world = World::usual();
    let own = crate::ipam::Interface {
        name: "eth0".to_owned(),
        addresses: Vec::new(),
        mac: "02:00:00:00:00:AA".to_owned(),
        mtu: 1500,
        gateways: Vec::new(),
        up: true,
    };
    let context = world.context();
    let wish = node::Registration { interfaces: vec![own], ..registration("node-b") };
    let decision = node::register(&world.cluster, &wish, context).unwrap();
    world.commit(decision);
    world.sees("node-a", &[("10.0.0.12", "02:00:00:00:00:aa")]);
    assert_eq!(world.standing("10.0.0.12"), Standing::Free, "a node of ours, whatever the case of its letters");

    let all: Vec<String> = (12..20).map(|n| format!("10.0.0.{n}")).collect();
    let seven: Vec<(&str, &str)> = all[1..].iter().map(|address| (address.as_str(), STRANGER)).collect();
    world.sees("node-a", &seven);
    assert_eq!(world.quarantined(), (7, 1));
    let eight: Vec<(&str, &str)> = all.iter().map(|address| (address.as_str(), STRANGER)).collect();
    world.sees("node-a", &eight);
    assert_eq!(world.quarantined(), (0, 8), "one that answers for so many is a gateway");
}

#[test]
fn a_report_counts_for_an_hour_and_is_written_when_it_says_something_new() {
    let mut world = World::usual();
    let seen = [("10.0.0.12", STRANGER)];
    assert_eq!((world.sees("node-a", &seen), world.sees("node-a", &seen)), (1, 0));
    world.wait(VALID / 2);
    assert_eq!(world.sees("node-a", &seen), 1, "before it is too old");
    world.wait(VALID);
    assert_eq!(world.standing("10.0.0.12"), Standing::Free);
    let context = world.context();
    let swept = sweep::plan(&world.cluster.ipam, 100, context);
    assert_eq!(swept.answer.reports, 1);
    world.commit(swept);
    assert_eq!(world.cluster.ipam.neighbors().count(), 0);

    world.sees("node-a", &seen);
    let decision = node::delete(&world.cluster, &removal(&"node-a".parse().unwrap(), true), node::Extent::Step, context).unwrap();
    world.commit(decision);
    assert_eq!(world.cluster.ipam.neighbors().count(), 0, "a node takes its report with it");
}

#[test]
fn a_pool_may_ignore_what_nodes_see() {
    let mut world = World::usual();
    world.sees("node-a", &[("10.0.0.12", STRANGER)]);
    let context = world.context();
    let request = pool::Update {
        draft: pool::Draft { ignore_neighbors: true, ..draft("node", Purpose::Node, &[]) },
        fields: crate::ipam::Fields::new(["ignore_neighbors".to_owned()]),
        etag: String::new(),
        allow_missing: false,
        eviction: Eviction::Refused,
    };
    let decision = pool::update(&world.cluster, &request, context).unwrap();
    world.commit(decision);
    assert_eq!(world.standing("10.0.0.12"), Standing::Free);
    world.node("node-c");
    assert_eq!(world.cluster.ipam.node_addresses(&"node-c".parse().unwrap()).next(), Some(ip("10.0.0.12")));
}

#[test]
fn a_network_over_a_stranger_has_to_be_accepted() {
    let mut world = World::default();
    let context = world.context();
    let network = |external: &str, accepted: &[Reason]| Draft {
        node_ranges: vec!["10.0.0.10-10.0.0.19".parse().unwrap()],
        external_ranges: vec![external.parse().unwrap()],
        accepted: accepted.to_vec(),
        ..Draft::default()
    };
    let decision = network::apply(&world.cluster, &network("10.0.0.20", &[]), context).unwrap();
    world.commit(decision);
    world.node("node-a");
    world.sees("node-a", &[("10.0.0.23", STRANGER), ("10.0.0.20", "00:15:5d:0a:0b:0c")]);

    let wider = network("10.0.0.20-10.0.0.29", &[]);
    let checked = network::check(&world.cluster, &wider, context).unwrap().answer;
    let warned: Vec<_> = checked.findings.iter().map(|found| (found.severity, found.reason, found.field.as_str())).collect();
    assert_eq!(warned, [(Severity::Warning, Reason::AddressAnswersArp, "network.external_range[0]")], "only what is new: .23");
    assert!(!checked.acceptable());
    let refusal = network::apply(&world.cluster, &wider, context).unwrap_err();
    assert_eq!(refusal.reason, Reason::AddressAnswersArp);
    let accepted = network("10.0.0.20-10.0.0.29", &[Reason::AddressAnswersArp]);
    let decision = network::apply(&world.cluster, &accepted, context).unwrap();
    world.commit(decision);
    assert_eq!(world.standing("10.0.0.23"), Standing::Quarantined, "accepted into the range, and still not given by itself");

    let all: Vec<String> = (20..30).map(|n| format!("10.0.0.{n}")).collect();
    let proxied: Vec<(&str, &str)> = all.iter().map(|address| (address.as_str(), STRANGER)).collect();
    world.sees("node-a", &proxied);
    let checked = network::check(&world.cluster, &network("10.0.0.20-10.0.0.31", &[]), context).unwrap().answer;
    assert!(checked.findings.is_empty() && checked.acceptable(), "nobody was seen at .30 and .31: {checked:?}");
    world.sees("node-a", &[proxied.clone(), vec![("10.0.0.31", STRANGER)]].concat());
    let checked = network::check(&world.cluster, &network("10.0.0.20-10.0.0.31", &[]), context).unwrap().answer;
    assert_eq!(checked.findings[0].reason, Reason::ProxyArpSuspected);
    assert!(checked.acceptable(), "a check that cannot be trusted forbids nothing");
}

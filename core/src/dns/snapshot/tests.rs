//! An updated snapshot is the snapshot built anew; publishing costs what changed, not what is there. What is implied is answered as what
//! is kept.

mod changes;

use std::collections::BTreeMap;

use proptest::prelude::*;

use self::changes::arbitrary_change;
use super::super::answer::{Client, Transport, answer};
use super::super::fixture::{Pod, drop_service, pod, settings, shop, snapshot};
use super::super::source::touched;
use super::super::wire::encode_query;
use super::*;
use crate::cluster::Change;
use crate::hash::Seed;
use crate::lb::Change as LbChange;

/// Everything that can be asked of a snapshot, and how many names that are.
fn content(snapshot: &Snapshot) -> (BTreeMap<String, Node>, usize) {
    let kept: BTreeMap<String, Node> = snapshot.names.iter().map(|(name, node)| (name.to_string(), node.clone())).collect();
    let implied = snapshot.implied_nodes().map(|(name, node)| (name.to_string(), node));
    let both = implied.fold(kept, |mut all, (name, node)| {
        assert_eq!(all.insert(name.clone(), node), None, "{name}");
        all
    });
    (both, snapshot.len())
}

/// The same change with a service whole.
fn whole(change: &Change) -> Change {
    let Change::Lb(LbChange::Brief(key, brief)) = change else { return change.clone() };
    let service = brief.as_ref().and_then(|brief| brief.service(key)).map(Arc::new);
    Change::Lb(LbChange::Service(key.clone(), service))
}

/// Every source of a state.
fn all(cluster: &Cluster) -> BTreeSet<Source> {
    let briefs = cluster.lb.briefs().filter_map(BriefRef::key).map(Source::Service);
    apart_from_briefs(&settings(), cluster).chain(briefs).collect()
}

impl Snapshot {
    /// Whether the same can be asked of both, with the same answers.
    pub(in crate::dns) fn same_names(&self, other: &Self) -> bool {
        let all = |snapshot: &Self| snapshot.with_layers().map(|names| (names.view.clone(), content(names))).collect::<Vec<_>>();
        let zones = |snapshot: &Self| snapshot.with_layers().map(|names| names.zones.clone()).collect::<Vec<_>>();
        all(self) == all(other) && self.reverse == other.reverse && zones(self) == zones(other)
    }
}

fn same(updated: &Snapshot, cluster: &Cluster) -> Result<(), TestCaseError> {
    let rebuilt = snapshot(cluster, updated.revision().0);
    prop_assert_eq!(content(updated), content(&rebuilt));
    prop_assert!(updated.same_names(&rebuilt));
    let records = |names: &Snapshot| names.with_layers().map(|names| names.records().collect::<BTreeSet<_>>()).collect::<Vec<_>>();
    prop_assert_eq!(records(updated), records(&rebuilt));
    Ok(())
}

/// Whether two snapshots have one answer for a name, whoever asks for whichever type.
fn same_answers(one: &Snapshot, other: &Snapshot, name: &DomainName) -> Result<(), TestCaseError> {
    let types = ["A", "AAAA", "SRV", "PTR", "NS", "SOA", "CNAME", "ANY"];
    for (rtype, client) in
        types.iter().flat_map(|rtype| [None, Some("10.0.0.1"), Some("172.27.0.9")].map(|client| (*rtype, client)))
    {
        let rtype: RecordType = rtype.parse().unwrap();
        let answered = |names: &Snapshot| {
            let (query, mut out) = (encode_query(7, name, rtype), [0; 1232]);
            let client = Client { transport: Transport::Udp, turn: 0, address: client.map(|client| client.parse().unwrap()) };
            let outcome = answer(names, client, &query, &mut out);
            (outcome, outcome.sent().map(|sent| out[..sent.length].to_vec()))
        };
        prop_assert_eq!(answered(one), answered(other), "{} {}", name, rtype);
    }
    Ok(())
}

fn apply(snapshot: &mut Snapshot, cluster: &mut Cluster, changes: &[Change]) {
    let mut sources = BTreeSet::new();
    for change in changes {
        touched(cluster, change, &mut sources);
        cluster.apply(change);
    }
    let heads = Heads::at(Revision(snapshot.revision().0 + 1));
    snapshot.update(cluster, &sources, heads);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn updating_is_building_anew(batches in prop::collection::vec(prop::collection::vec(arbitrary_change(), 1..6), 1..12)) {
        let mut cluster = Cluster::default();
        let mut names = snapshot(&cluster, 0);
        let empty = content(&names);
        for batch in &batches {
            apply(&mut names, &mut cluster, batch);
            same(&names, &cluster)?;
        }
        // Taking everything away again leaves nothing behind.
        let sources = all(&cluster);
        names.update(&Cluster::default(), &sources, Heads::at(Revision(99)));
        prop_assert_eq!(content(&names), empty);
        prop_assert!(names.layers.is_empty());
    }

    #[test]
    fn services_in_brief_are_answered_as_whole_ones(batches in prop::collection::vec(prop::collection::vec(arbitrary_change(), 1..6), 1..8)) {
        let (mut brief, mut other) = (Cluster::default(), Cluster::default());
        let (mut implied, mut kept) = (snapshot(&brief, 0), snapshot(&other, 0));
        for batch in &batches {
            apply(&mut implied, &mut brief, batch);
            apply(&mut kept, &mut other, &batch.iter().map(whole).collect::<Vec<_>>());
            prop_assert_eq!(implied.len(), kept.len());
            for (name, node) in kept.names.iter() {
                let found = implied.node(name);
                prop_assert!(found.as_ref().is_some_and(|found| found.sets == node.sets && found.sources == node.sources), "{name}: {found:?} {node:?}");
                let near = ["x", "_x", "_tcp", "*"].map(|label| name.child(label));
                for name in near.iter().flatten().chain([name]) {
                    same_answers(&implied, &kept, name)?;
                }
            }
        }
    }

    #[test]
    fn absence_is_nxdomain_and_everything_above_a_name_exists(changes in prop::collection::vec(arbitrary_change(), 1..20)) {
        let mut cluster = Cluster::default();
        let mut names = snapshot(&cluster, 0);
        apply(&mut names, &mut cluster, &changes);
        for (name, _) in names.names.iter() {
            for above in suffixes(name.as_wire()) {
                prop_assert!(names.contains(above), "{name}");
            }
        }
        for (_, record) in names.records() {
            let set = record.data.record_type().map(|rtype| names.node(&record.name).is_some_and(|node| node.set(rtype).is_some()));
            prop_assert!(set.is_none_or(|is_there| is_there), "{record:?}");
        }
    }
}

#[test]
fn a_clone_is_not_moved_by_an_update() {
    let mut cluster = shop();
    let mut names = snapshot(&cluster, 5);
    let before = names.clone();
    apply(&mut names, &mut cluster, &[drop_service("shop/db")]);
    assert_eq!(content(&before), content(&snapshot(&shop(), 5)));
    assert_ne!(content(&before), content(&names));
    let zone = names.settings().zone();
    assert_eq!((before.serial(zone), names.serial(zone)), (5, 6));
}

#[test]
fn the_address_behind_an_unchanged_srv_target_is_renewed() {
    let mut cluster = shop();
    let mut names = snapshot(&cluster, 1);
    let moved = Pod { name: "shop/p0", addresses: &["172.27.0.99"], labels: "app=peer", host: "p0.peers", ready: true };
    apply(&mut names, &mut cluster, &[pod(&moved)]);
    let name: DomainName = "_http._tcp.peers.shop.svc.cluster.local".parse().unwrap();
    let node = names.node(&name).unwrap();
    let (additional, _) = node.set(RecordType::SRV).unwrap().additional();
    assert!(additional.windows(4).any(|bytes| bytes == [172, 27, 0, 99]));
    assert!(!additional.windows(4).any(|bytes| bytes == [172, 27, 0, 20]));
}

#[test]
fn the_seed_changes_no_name() {
    let mut other = (*settings()).clone();
    other.seed = Seed(8);
    assert_eq!(content(&Snapshot::build(Arc::new(other), &shop(), Heads::at(Revision(1)))), content(&snapshot(&shop(), 1)));
}

#[test]
fn a_name_shows_its_records_with_their_sources_and_its_zone() {
    let names = snapshot(&shop(), 1);
    let name: DomainName = "3.0.28.172.in-addr.arpa".parse().unwrap();
    let found: Vec<String> = names.records_at(&name).map(|(source, record)| format!("{source} {}", record.data)).collect();
    assert_eq!(found, ["service/shop/db db.shop.svc.cluster.local."]);
    assert_eq!(names.zone_containing(&name).unwrap().to_string(), "28.172.in-addr.arpa.");
    assert_eq!(names.zone_containing(&"example.com".parse().unwrap()), None);
}

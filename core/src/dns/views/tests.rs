//! Who sees what, answered as a client would be.

use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::prelude::*;

use super::super::fixture::{pool, public, ready, set, shop, snapshot, view, views, zone};
use super::super::message::Message;
use super::super::wire::encode_query;
use super::super::{Client, DomainName, Heads, Outcome, Rcode, RecordType, Snapshot, Transport, answer, touched};
use super::check::{MOST_ENTRIES, Texts};
use super::*;
use crate::cluster::{Change, Cluster};
use crate::id::Revision;
use crate::ipam::{Change as IpamChange, Purpose};
use crate::reason::{Reason, Violations};

/// The shop, with view `branch` of a network and of namespace `bare`, which sees only `bare`; and zones of the operator.
fn site(more: &[Change]) -> Cluster {
    let mut cluster = shop();
    let changes = [
        views(vec![view("lab", "192.0.2.128/25", "", ""), view("branch", "192.0.2.0/24 2001:db8::/32", "bare", "bare")]),
        zone("corp.example"),
        set("corp.example/www/A", &["198.51.100.1"]),
        set("corp.example/all/A", &["198.51.100.2"]),
        set("corp.example/lead/CNAME", &["www.corp.example."]),
        zone("corp.example@branch"),
        set("corp.example@branch/www/A", &["10.0.0.1"]),
        set("corp.example@branch/lead/CNAME", &["db.shop.svc.cluster.local."]),
        zone("only.example@branch"),
        set("only.example@branch/www/A", &["10.0.0.2"]),
        zone("sub.corp.example"),
        set("sub.corp.example/www/A", &["198.51.100.3"]),
    ];
    changes.iter().chain(more).for_each(|change| cluster.apply(change));
    cluster
}

fn ask(names: &Snapshot, from: &str, name: &str, rtype: RecordType) -> Option<Message> {
    let (name, mut out): (DomainName, _) = (name.parse().unwrap(), [0; 1232]);
    let client = Client { transport: Transport::Udp, turn: 0, address: (!from.is_empty()).then(|| from.parse().unwrap()) };
    match answer(names, client, &encode_query(1, &name, rtype), &mut out) {
        Outcome::Sent(sent) => Message::read(&out[..sent.length]),
        Outcome::Forward(_) => None,
        other => panic!("{other:?}"),
    }
}

/// The data of the answers, or what there is instead.
fn said(names: &Snapshot, from: &str, name: &str, rtype: RecordType) -> String {
    match ask(names, from, name, rtype) {
        None => "elsewhere".to_owned(),
        Some(message) if message.answer.is_empty() => message.rcode.to_string(),
        Some(message) => {
            let rcode = Some(message.rcode).filter(|rcode| *rcode != Rcode::NoError).map(|rcode| rcode.to_string());
            message.answer.iter().map(|record| record.data.clone()).chain(rcode).collect::<Vec<_>>().join(" ")
        }
    }
}

const NOBODY: &str = "203.0.113.1";
const BRANCH: &str = "192.0.2.1";

#[test]
fn a_view_has_its_own_zones() {
    let names = snapshot(&site(&[]), 7);
    let a = |from: &str, name: &str| said(&names, from, name, RecordType::A);
    for from in ["", NOBODY, "192.0.2.129", "172.27.0.5"] {
        assert_eq!(a(from, "www.corp.example"), "198.51.100.1", "{from}");
        assert_eq!(a(from, "lead.corp.example"), "www.corp.example. 198.51.100.1", "{from}");
        assert_eq!(a(from, "www.only.example"), "elsewhere", "{from}");
    }
    // By network, and the pods of a namespace by their addresses.
    for from in [BRANCH, "::ffff:192.0.2.1", "2001:db8::9", "172.27.0.40"] {
        assert_eq!(a(from, "www.corp.example"), "10.0.0.1", "{from}");
        assert_eq!(a(from, "www.only.example"), "10.0.0.2", "{from}");
        // The zone of the view stands for the other one, whole.
        assert_eq!(a(from, "all.corp.example"), "NXDOMAIN", "{from}");
        // A zone further in is everybody's.
        assert_eq!(a(from, "www.sub.corp.example"), "198.51.100.3", "{from}");
        assert_eq!(said(&names, from, "corp.example", RecordType::SOA).split(' ').count(), 7, "{from}");
    }
    let missing = ask(&names, BRANCH, "all.corp.example", RecordType::A).unwrap();
    assert_eq!((missing.authority.len(), missing.authority[0].name.to_string()), (1, "corp.example.".to_owned()));
}

#[test]
fn a_view_sees_the_namespaces_that_it_may() {
    let names = snapshot(&site(&[]), 7);
    for (name, rtype) in [
        ("db.shop.svc.cluster.local", RecordType::A),
        ("db.shop.svc.cluster.local", RecordType::TXT),
        ("_http._tcp.db.shop.svc.cluster.local", RecordType::SRV),
        ("shop.svc.cluster.local", RecordType::A),
        ("172-27-0-5.shop.pod.cluster.local", RecordType::A),
        ("3.0.28.172.in-addr.arpa", RecordType::PTR),
        ("3.0.28.172.in-addr.arpa", RecordType::TXT),
    ] {
        assert_ne!(said(&names, NOBODY, name, rtype), "NXDOMAIN", "{name} {rtype}");
        assert_eq!(said(&names, BRANCH, name, rtype), "NXDOMAIN", "{name} {rtype}");
    }
    for (name, rtype) in [
        ("172-27-0-40.bare.pod.cluster.local", RecordType::A),
        ("bare.svc.cluster.local", RecordType::A),
        ("dns-version.cluster.local", RecordType::TXT),
        ("svc.cluster.local", RecordType::A),
        ("ns.dns.cluster.local", RecordType::A),
    ] {
        assert_eq!(said(&names, BRANCH, name, rtype), said(&names, NOBODY, name, rtype), "{name} {rtype}");
        assert_ne!(said(&names, BRANCH, name, rtype), "NXDOMAIN", "{name} {rtype}");
    }
    // An alias does not lead around it.
    assert_eq!(said(&names, BRANCH, "lead.corp.example", RecordType::A), "db.shop.svc.cluster.local. NXDOMAIN");
}

#[test]
fn the_first_view_that_has_a_client_counts() {
    let overlapping = views(vec![view("lab", "172.27.0.0/28", "", ""), view("branch", "172.27.0.0/16", "bare", "bare")]);
    let names = snapshot(&site(&[overlapping]), 7);
    let seen = |address: &str| names.seen_by(Some(address.parse().unwrap())).view().map(ToString::to_string);
    assert_eq!(seen("172.27.0.5").as_deref(), Some("lab"));
    assert_eq!(seen("172.27.0.40").as_deref(), Some("branch"));
    assert_eq!(seen("10.0.0.1"), None);
    assert_eq!(names.seen_in(&"bare".parse().unwrap()).view().unwrap().as_str(), "branch");
    assert_eq!(names.seen_in(&"shop".parse().unwrap()).view(), None);
}

#[test]
fn an_address_that_moves_to_another_namespace_moves_to_its_view() {
    let mut cluster = site(&[]);
    let mut names = snapshot(&cluster, 7);
    let moved = "172.27.0.40";
    let Change::Ipam(IpamChange::Allocation(gone, _)) = ready("bare/pod", moved, "") else { panic!("it is one") };
    let seen = |names: &Snapshot| names.seen_by(Some(moved.parse::<IpAddr>().unwrap())).view().is_some();
    let mut apply = |changes: &[Change], names: &mut Snapshot| {
        let mut sources = BTreeSet::new();
        for change in changes {
            touched(&cluster, change, &mut sources);
            cluster.apply(change);
        }
        names.update(&cluster, &sources, Heads::at(Revision(8)));
    };
    let free = Change::Ipam(IpamChange::Allocation(gone, None));
    apply(&[free.clone(), ready("shop/next", moved, "")], &mut names);
    assert!(!seen(&names));
    let Change::Ipam(IpamChange::Allocation(next, _)) = ready("shop/next", moved, "") else { panic!("it is one") };
    apply(&[Change::Ipam(IpamChange::Allocation(next, None)), ready("bare/pod", moved, "")], &mut names);
    assert!(seen(&names));
    apply(&[free], &mut names);
    assert!(!seen(&names));
}

#[test]
fn names_of_services_are_published_in_the_zone_that_is_seen() {
    let exposed = super::super::fixture::exposed("shop/front", &["192.0.2.80"]);
    let outside = pool("external", Purpose::ExternalService, &["192.0.2.64/27"]);
    let names = snapshot(&site(&[outside, exposed, public("pub.example"), public("pub.example@lab")]), 7);
    for from in [NOBODY, BRANCH, "192.0.2.129"] {
        assert_eq!(said(&names, from, "front.shop.pub.example", RecordType::A), "192.0.2.80", "{from}");
    }
    let lab = names.layer(&"lab".parse().unwrap()).unwrap();
    assert_eq!(lab.serial(&"pub.example".parse().unwrap()), 7);
}

#[test]
fn every_bad_field_of_a_view_is_named() {
    let strings = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let before = [view("branch", "192.0.2.0/24", "bare", "")];
    let read = |name: &str, clients: &[&str], spaces: &[&str], visible: &[&str]| {
        let (clients, spaces, visible) = (strings(clients), strings(spaces), strings(visible));
        let texts = Texts { name, clients: &clients, client_namespaces: &spaces, visible_namespaces: &visible };
        let mut bad = Violations::new();
        let view = check::view(texts, &before, "views[1]", &mut bad);
        let named =
            |refusal: crate::reason::Refusal| refusal.violations.iter().map(|bad| (bad.field.clone(), bad.reason)).collect();
        bad.finish(view).map_err(named)
    };
    assert_eq!(
        read("lab", &["192.0.2.9", "10.0.0.0/8"], &["shop"], &["shop", "bare"]).unwrap(),
        view("lab", "192.0.2.9/32 10.0.0.0/8", "shop", "shop bare")
    );
    let named = |bad: Result<View, Vec<(String, Reason)>>| bad.unwrap_err();
    let one = |field: &str, reason| vec![(format!("views[1].{field}"), reason)];
    assert_eq!(named(read("", &["10.0.0.1"], &[], &[])), one("name", Reason::FieldRequired));
    assert_eq!(named(read("No", &["10.0.0.1"], &[], &[])), one("name", Reason::NameMalformed));
    assert_eq!(named(read("branch", &["10.0.0.1"], &[], &[])), one("name", Reason::DuplicateValue));
    assert_eq!(named(read("lab", &[], &[], &[])), one("clients", Reason::FieldRequired));
    assert_eq!(named(read("lab", &["10.0.0.1/8"], &[], &[])), one("clients[0]", Reason::RangeMalformed));
    assert_eq!(named(read("lab", &["10.0.0.1"; MOST_ENTRIES + 1], &[], &[])), one("clients", Reason::CountOutOfBounds));
    assert_eq!(named(read("lab", &[], &["A"], &[])), one("client_namespaces[0]", Reason::NameMalformed));
    assert_eq!(named(read("lab", &[], &["bare"], &[])), one("client_namespaces[0]", Reason::DuplicateValue));
    assert_eq!(named(read("lab", &["10.0.0.1"], &[], &["a", "a"])), one("visible_namespaces[1]", Reason::DuplicateValue));
}

/// The pods of the property below: three, in as many namespaces.
const PODS: [&str; 3] = ["shop/a", "yard/b", "bare/c"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// No address has two holders at once: that is how addresses are allocated.
    #[test]
    fn following_clients_is_reading_them_anew(steps in prop::collection::vec((0..4_usize, 0..5_u8, 0..4_usize), 1..30)) {
        let (mut cluster, mut names) = (Cluster::default(), snapshot(&Cluster::default(), 0));
        let mut held: [Option<u8>; 3] = [None; 3];
        for batch in steps.chunks(3) {
            let mut sources = BTreeSet::new();
            for (who, at, spaces) in batch {
                let change = match held.get(*who) {
                    None => {
                        let spaces = ["", "shop", "shop bare", "bare"][*spaces];
                        views(vec![view("net", "172.27.0.2/32", "", ""), view("pods", "172.27.0.3/32", spaces, "")])
                    }
                    Some(_) if held.contains(&Some(*at)) => {
                        held[*who] = None;
                        let Change::Ipam(IpamChange::Allocation(uid, _)) = ready(PODS[*who], "10.0.0.1", "") else { panic!("it is one") };
                        Change::Ipam(IpamChange::Allocation(uid, None))
                    }
                    Some(_) => {
                        held[*who] = Some(*at);
                        ready(PODS[*who], &format!("172.27.0.{at}"), "")
                    }
                };
                touched(&cluster, &change, &mut sources);
                cluster.apply(&change);
            }
            names.update(&cluster, &sources, Heads::at(Revision(1)));
            let rebuilt = snapshot(&cluster, 1);
            for at in 0..5 {
                let address = Some(format!("172.27.0.{at}").parse().unwrap());
                prop_assert_eq!(names.seen_by(address).view(), rebuilt.seen_by(address).view(), "172.27.0.{}", at);
            }
        }
    }
}

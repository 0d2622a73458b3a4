//! The search path, completed on this side.

use super::super::super::fixture::{set, zone};
use super::*;
use crate::dns::PodRecords;

fn names(autopath: bool) -> Snapshot {
    let mut cluster = shop();
    for change in [zone("example.com"), set("example.com/www/A", &["10.0.0.80"]), set("example.com/alias/CNAME", &["www"])] {
        cluster.apply(&change);
    }
    let mut settings = settings_with(PodRecords::Verified);
    settings.autopath = autopath;
    Snapshot::build(Arc::new(settings), &cluster, Heads::at(Revision(77)))
}

/// What a pod of the namespace `bare` is told of a name with its search path behind it.
fn told(name: &str, rtype: &str) -> Message {
    ask_with(&names(true), UDP, &query(&format!("{name}.bare.svc.cluster.local"), rtype)).unwrap().1
}

#[test]
fn what_a_pod_means_is_found_under_the_name_that_it_asks_for() {
    for (name, address) in [
        ("web.shop", "172.28.0.2"),
        ("web.shop.svc", "172.28.0.2"),
        ("web.shop.svc.cluster.local", "172.28.0.2"),
        ("p0.peers.shop", "172.27.0.20"),
        ("www.example.com", "10.0.0.80"),
    ] {
        let owner = format!("{name}.bare.svc.cluster.local.");
        let ttl = if name.contains("example") { 300 } else { 5 };
        let message = told(name, "A");
        assert_eq!(lines(&message.answer), [format!("{owner} {ttl} A {address}")]);
        assert!(message.authoritative && message.authority.is_empty());
        is_negative(&told(name, "AAAA"), Rcode::NoError, "cluster.local.");
    }
    let both = told("db.shop", "AAAA");
    assert_eq!(lines(&both.answer), ["db.shop.bare.svc.cluster.local. 5 AAAA fd00:28::3"]);
    let alias = told("alias.example.com", "A");
    assert_eq!(
        lines(&alias.answer),
        ["alias.example.com.bare.svc.cluster.local. 300 CNAME www.example.com.", "www.example.com. 300 A 10.0.0.80"]
    );
}

#[test]
fn other_names_are_missing_as_before() {
    for (name, rtype) in [
        ("web", "A"),
        ("nothing", "A"),
        ("nothing.example.com", "A"),
        ("nothing.shop.svc.cluster.local", "A"),
        ("web.shop", "MX"),
        ("web.shop", "SRV"),
    ] {
        is_negative(&told(name, rtype), Rcode::NxDomain, "cluster.local.");
    }
    for name in ["web.shop.nobody.svc.cluster.local", "web.shop.bare.pod.cluster.local", "web.shop.cluster.local"] {
        is_negative(&ask_with(&names(true), UDP, &query(name, "A")).unwrap().1, Rcode::NxDomain, "cluster.local.");
    }
    let off = ask_with(&names(false), UDP, &query("web.shop.bare.svc.cluster.local", "A")).unwrap().1;
    is_negative(&off, Rcode::NxDomain, "cluster.local.");
}

#[test]
fn a_name_that_may_be_outside_says_which_part_of_it_that_is() {
    let mut out = vec![0; 512];
    let name = "www.example.org.bare.svc.cluster.local";
    let outcome = answer(&names(true), UDP, &query(name, "AAAA"), &mut out);
    let Outcome::Searches(sent, length) = outcome else { panic!("{outcome:?}") };
    assert_eq!((sent.rcode, length), (Rcode::NxDomain, b"\x03www\x07example\x03org".len()));
    is_negative(&Message::read(&out[..sent.length]).unwrap(), Rcode::NxDomain, "cluster.local.");
    for name in ["www.example.org.bare.svc.cluster.local", "example.bare.svc.cluster.local"] {
        let outcome = answer(&names(false), UDP, &query(name, "A"), &mut out);
        assert!(matches!(outcome, Outcome::Sent(_)), "{outcome:?}");
    }
}

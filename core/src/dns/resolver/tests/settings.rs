use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::check;
use super::super::plan::{check_etag, update};
use super::super::route::order;
use super::super::settings::{Policy, Spec, Stub};
use super::super::upstream::Upstream;
use super::name;
use crate::cluster::{Change, Cluster};
use crate::dns::zones;
use crate::id::Entropy;
use crate::reason::{Reason, Violations};
use crate::schema::PlanContext;
use crate::time::Timestamp;

fn context(now: u64) -> PlanContext {
    PlanContext { now: Timestamp(now), entropy: Entropy(1) }
}

#[test]
fn servers_are_addresses_with_or_without_a_port() {
    for (text, shown) in [
        ("192.0.2.53", "192.0.2.53"),
        ("192.0.2.53:53", "192.0.2.53"),
        ("192.0.2.53:5353", "192.0.2.53:5353"),
        ("2001:db8::53", "2001:db8::53"),
        ("[2001:db8::53]", "2001:db8::53"),
        ("[2001:db8::53]:5353", "[2001:db8::53]:5353"),
        ("tls://192.0.2.53", "tls://192.0.2.53"),
        ("tls://192.0.2.53:853#dns.example", "tls://192.0.2.53#dns.example"),
        ("tls://192.0.2.53:53#DNS.Example.", "tls://192.0.2.53:53#dns.example"),
        ("tls://2001:db8::53#dns.example", "tls://[2001:db8::53]#dns.example"),
        ("tls://[2001:db8::53]:8853", "tls://[2001:db8::53]:8853"),
    ] {
        let server: Upstream = text.parse().unwrap();
        assert_eq!(server.to_string(), shown);
        assert_eq!(shown.parse::<Upstream>().unwrap(), server);
    }
    for (text, label) in [
        ("192.0.2.53", "192.0.2.53:53"),
        ("tls://2001:db8::53", "tls://[2001:db8::53]:853"),
        ("tls://192.0.2.53#dns.example", "tls://192.0.2.53:853#dns.example"),
    ] {
        assert_eq!(text.parse::<Upstream>().unwrap().label(), label);
    }
    for (text, reason) in [
        ("", Reason::AddressMalformed),
        ("dns.example", Reason::AddressMalformed),
        ("192.0.2.53:", Reason::AddressMalformed),
        ("192.0.2.53:65536", Reason::AddressMalformed),
        ("192.0.2.53:0", Reason::PortMalformed),
        ("0.0.0.0", Reason::AddressMalformed),
        ("255.255.255.255", Reason::AddressMalformed),
        ("ff02::1", Reason::AddressMalformed),
        ("192.0.2.53#dns.example", Reason::AddressMalformed),
        ("https://192.0.2.53", Reason::NotImplemented),
        ("tls://", Reason::AddressMalformed),
        ("tls://dns.example", Reason::AddressMalformed),
        ("tls://[::]", Reason::AddressMalformed),
        ("tls://192.0.2.53:0", Reason::PortMalformed),
        ("tls://192.0.2.53#", Reason::NameMalformed),
        ("tls://192.0.2.53#.", Reason::NameMalformed),
        ("tls://192.0.2.53#a..b", Reason::NameMalformed),
        ("tls://192.0.2.53#-a.example", Reason::NameMalformed),
        ("tls://192.0.2.53#a\\.b", Reason::NameMalformed),
        ("tls://192.0.2.53#192.0.2.53", Reason::NameMalformed),
        ("tls://192.0.2.53#*.example", Reason::NameMalformed),
        ("tls://192.0.2.53#a#b", Reason::NameMalformed),
    ] {
        assert_eq!(text.parse::<Upstream>().unwrap_err().reason, reason, "{text}");
    }
}

#[test]
fn every_bad_server_is_named() {
    let texts = ["192.0.2.1", "x", "192.0.2.1:53", "quic://192.0.2.2", "tls://192.0.2.1"].map(str::to_owned);
    let mut bad = Violations::new();
    check::upstreams(&texts, "settings.upstreams", &mut bad);
    let refusal = bad.finish(None::<()>).unwrap_err();
    let fields: Vec<(&str, Reason)> = refusal.violations.iter().map(|bad| (bad.field.as_str(), bad.reason)).collect();
    assert_eq!(
        fields,
        [
            ("settings.upstreams[1]", Reason::AddressMalformed),
            ("settings.upstreams[2]", Reason::DuplicateValue),
            ("settings.upstreams[3]", Reason::NotImplemented),
        ]
    );
    for (domain, servers, expected) in
        [(".", &["192.0.2.1"][..], "s.domain"), ("Corp.Example", &["192.0.2.1"], "s.domain"), ("other.example", &[], "s.upstreams")]
    {
        let before = [Stub { domain: name("corp.example"), upstreams: Vec::new() }];
        let servers: Vec<String> = servers.iter().map(|text| (*text).to_owned()).collect();
        let mut bad = Violations::new();
        check::stub(domain, &servers, &before, "s", &mut bad);
        assert!(bad.names(expected) && bad.count() == 1, "{domain}");
    }
}

#[test]
fn settings_are_made_changed_and_left_alone() {
    let domain = name("cluster.local");
    let mut cluster = Cluster::default();
    let spec = Spec { upstreams: vec!["192.0.2.53".parse().unwrap()], ..Spec::default() };
    let made = update(&cluster, &domain, spec.clone(), context(5)).unwrap();
    assert!(made.before.is_none() && made.moves());
    cluster.apply(&Change::Dns(zones::Change::Resolver(made.after.clone())));
    assert_eq!(cluster.dns.resolver(), made.after.as_ref());
    let same = update(&cluster, &domain, spec.clone(), context(6)).unwrap();
    assert!(!same.moves());
    let changed = update(&cluster, &domain, Spec { tries: 1, ..spec.clone() }, context(7)).unwrap();
    let (before, after) = (changed.before.unwrap(), changed.after.unwrap());
    assert_eq!((after.meta.uid, after.meta.version, after.meta.updated), (before.meta.uid, 2, Timestamp(7)));
    let inner = Stub { domain: name("shop.svc.cluster.local"), upstreams: spec.upstreams.clone() };
    let refused = update(&cluster, &domain, Spec { stubs: vec![inner], ..spec }, context(8)).unwrap_err();
    assert_eq!(refused.reason, Reason::ZoneOverlap);
    let current = Some(&after);
    assert!(check_etag(current, "").is_ok() && check_etag(current, &after.meta.etag()).is_ok());
    assert_eq!(check_etag(current, &before.meta.etag()).unwrap_err().reason, Reason::EtagMismatch);
    assert_eq!(check_etag(None, "x").unwrap_err().reason, Reason::EtagMismatch);
    assert!(check_etag(None::<&Arc<_>>, "").is_ok());
}

#[test]
fn the_longest_domain_is_taken() {
    let server = |n: u8| format!("192.0.2.{n}").parse::<Upstream>().unwrap();
    let stub = |domain: &str, n| Stub { domain: name(domain), upstreams: vec![server(n)] };
    let stubs = vec![stub("example", 1), stub("corp.example", 2)];
    let spec = Spec { upstreams: vec![server(3)], stubs, timeout: Duration::from_secs(1), ..Spec::default() };
    let taken = |text: &str| {
        let route = spec.routes().into_iter().find(|route| name(text).is_under(&route.domain));
        route.map(|route| route.upstreams[0].to_string())
    };
    assert_eq!(taken("www.corp.example").as_deref(), Some("192.0.2.2"));
    assert_eq!(taken("corp.example").as_deref(), Some("192.0.2.2"));
    assert_eq!(taken("xcorp.example").as_deref(), Some("192.0.2.1"));
    assert_eq!(taken("example.com").as_deref(), Some("192.0.2.3"));
    let without = Spec { upstreams: Vec::new(), ..spec.clone() };
    assert_eq!(without.routes().len(), 2);
    assert!(Spec::default().routes().is_empty());
}

#[test]
fn servers_are_asked_in_the_order_of_the_policy() {
    assert_eq!(order(Policy::Sequential, &[true; 3], 8, 5), [0, 1, 2]);
    assert_eq!(order(Policy::RoundRobin, &[true; 3], 4, 5), [1, 2, 0]);
    assert_eq!(order(Policy::Sequential, &[false, true, false, true], 0, 0), [1, 3, 0, 2], "those that are down come last");
    assert_eq!(order(Policy::Sequential, &[false, false], 0, 0), [0, 1], "all down: they are asked anyway");
    let mut firsts = [0; 3];
    (0..600).for_each(|random| firsts[order(Policy::Random, &[true; 3], 0, random)[0]] += 1);
    assert_eq!(firsts, [200; 3], "each one is first as often");
}

proptest! {
    #[test]
    fn every_server_is_in_the_order_once(up in prop::collection::vec(any::<bool>(), 0..16), turn in any::<u64>(), random in any::<u64>()) {
        for policy in [Policy::Random, Policy::RoundRobin, Policy::Sequential] {
            let mut places = order(policy, &up, turn, random);
            let down = places.iter().position(|place| !up[*place]).unwrap_or(up.len());
            prop_assert!(places[down..].iter().all(|place| !up[*place]));
            places.sort_unstable();
            prop_assert_eq!(places, (0..up.len()).collect::<Vec<_>>());
        }
    }
}

//! Advertisements.

use super::conditions::Standing;
use super::*;
use crate::ipam::Purpose;
use crate::reason::Reason;

fn preference(number: u32) -> impl Fn(&mut AdvertisementSpec) {
    move |spec| spec.local_pref = number.try_into().ok()
}

/// The fields that a refusal names, each with its reason.
fn named(refusal: &Refusal) -> Vec<(&str, Reason)> {
    refusal.violations.iter().map(|bad| (bad.field.as_str(), bad.reason)).collect()
}

#[test]
fn everything_that_is_not_there_is_named_at_once() {
    let mut site = Site::usual();
    let refused = site.advertise("a", |spec| {
        spec.pools = ["external", "nowhere", "service"].map(|name| name.parse().unwrap()).into();
        spec.peers = vec!["nobody".parse().unwrap()];
        spec.length_v4 = 24;
    });
    assert_eq!(
        named(&refused.unwrap_err()),
        [
            ("bgp_advertisement.peers[0]", Reason::BgpPeerNotFound),
            ("bgp_advertisement.pools[1]", Reason::PoolNotFound),
            ("bgp_advertisement.pools[2]", Reason::ConflictingFields),
            ("bgp_advertisement.aggregation_length_v4", Reason::CountOutOfBounds),
        ]
    );
    assert!(site.cluster.lb.bgp_advertisements().next().is_none());
}

#[test]
fn an_aggregate_is_no_wider_than_the_widest_prefix_of_the_pool() {
    let mut site = Site::usual();
    // .13, .14/31, .16/30, .20
    for (length, good) in [(29, false), (30, true), (31, true)] {
        let made = site.advertise(&format!("l{length}"), |spec| spec.length_v4 = length);
        assert_eq!(made.is_ok(), good, "{made:?}");
    }
    site.pool("six", Purpose::ExternalService, &["2001:db8::/64"], |pool| pool.labels = labels(&[("net", "six")]));
    let six = |length| move |spec: &mut AdvertisementSpec| (spec.length_v4, spec.length_v6) = (30, length);
    assert!(site.advertise("wide", six(63)).is_err());
    site.advertise("right", six(64)).unwrap();
    // Only the pools that it is about count.
    let wide = |spec: &mut AdvertisementSpec| (spec.length_v4, spec.pool_selectors) = (8, either(&["net=six"]));
    site.advertise("labelled", wide).unwrap();
    assert!(site.change_advertisement("labelled", |spec| spec.pools = vec!["external".parse().unwrap()]).is_err());
}

#[test]
fn one_prefix_to_one_peer_has_one_preference() {
    let mut site = Site::usual();
    site.node("a", &[("rack", "1")], |_| {});
    site.peer("inside", "10.0.0.1", |_| {}).unwrap();
    site.peer("other", "10.0.0.2", |spec| spec.nodes = either(&["rack=7"])).unwrap();
    site.peer("outside", "10.0.0.3", |spec| spec.peer_asn = Asn::new(64_999).unwrap()).unwrap();
    site.advertise("low", preference(100)).unwrap();
    let refused = site.advertise("high", preference(200)).unwrap_err();
    assert_eq!((refused.reason, refused.metadata["other"].as_str()), (Reason::BgpAdvertisementConflict, "low"));
    assert_eq!(site.advertise("none", |_| {}).unwrap_err().reason, Reason::BgpAdvertisementConflict);
    site.advertise("same", preference(100)).unwrap();
    site.end("same");
    // Parted by peers, nodes, pools, lengths or services.
    site.advertise("peer", |spec| {
        preference(7)(spec);
        (spec.peers, spec.nodes) = (vec!["other".parse().unwrap()], either(&["rack=1"]));
    })
    .unwrap();
    site.end("peer");
    site.change_advertisement("low", |spec| spec.nodes = either(&["rack=2"])).unwrap();
    site.advertise("nodes", |spec| (spec.local_pref, spec.nodes) = (7.try_into().ok(), either(&["rack=1"]))).unwrap();
    site.end("nodes");
    site.change_advertisement("low", |spec| spec.nodes = AnyOf::default()).unwrap();
    site.pool("second", Purpose::ExternalService, &["10.1.0.0/24"], |_| {});
    site.change_advertisement("low", |spec| spec.pools = vec!["second".parse().unwrap()]).unwrap();
    site.advertise("pools", |spec| (spec.local_pref, spec.pools) = (7.try_into().ok(), vec!["external".parse().unwrap()])).unwrap();
    let wide = |spec: &mut AdvertisementSpec| {
        (spec.local_pref, spec.pools, spec.length_v4) = (7.try_into().ok(), vec!["second".parse().unwrap()], 24);
    };
    site.advertise("lengths", wide).unwrap();
}

#[test]
fn lengths_that_are_too_short_for_a_range_meet() {
    let mut site = Site::usual();
    site.peer("inside", "10.0.0.1", |_| {}).unwrap();
    // 10.0.0.13 is a prefix of its own whether /30 or /31 is wanted.
    site.advertise("thirty", |spec| (spec.local_pref, spec.length_v4) = (1.try_into().ok(), 30)).unwrap();
    let other = site.advertise("thirty-one", |spec| (spec.local_pref, spec.length_v4) = (2.try_into().ok(), 31));
    assert_eq!(other.unwrap_err().reason, Reason::BgpAdvertisementConflict);
}

#[test]
fn services_part_advertisements_as_far_as_there_are_any() {
    let mut site = Site::usual();
    site.peer("inside", "10.0.0.1", |_| {}).unwrap();
    let of = |selector: &'static str, number: u32| {
        move |spec: &mut AdvertisementSpec| (spec.services, spec.local_pref) = (either(&[selector]), number.try_into().ok())
    };
    site.advertise("gold", of("class=gold", 200)).unwrap();
    site.advertise("blue", of("colour=blue", 100)).unwrap();
    site.end("blue");
    site.create_labelled("shop/web", &[("class", "gold"), ("colour", "blue")], |_| {}).unwrap();
    assert_eq!(site.advertise("blue", of("colour=blue", 100)).unwrap_err().reason, Reason::BgpAdvertisementConflict);
    site.advertise("red", of("colour=red", 100)).unwrap();
}

#[test]
fn a_preference_that_nobody_hears_is_refused_and_one_that_some_do_not_hear_is_noted() {
    let mut site = Site::usual();
    site.peer("inside", "10.0.0.1", |_| {}).unwrap();
    site.peer("outside", "10.0.0.2", |spec| spec.peer_asn = Asn::new(64_999).unwrap()).unwrap();
    let to = |peers: &'static [&'static str]| {
        move |spec: &mut AdvertisementSpec| {
            preference(100)(spec);
            spec.peers = peers.iter().map(|name| name.parse().unwrap()).collect();
        }
    };
    let refused = site.advertise("deaf", to(&["outside"])).unwrap_err();
    assert_eq!(named(&refused), [("bgp_advertisement.local_pref", Reason::ConflictingFields)]);
    let said = |site: &Site, made: &BgpAdvertisement| conditions::of_advertisement(&site.cluster, made);
    let all = site.advertise("all", to(&[])).unwrap();
    let conditions = said(&site, &all);
    assert_eq!((conditions[0].name, conditions[0].standing), ("Valid", Standing::Well));
    assert_eq!((conditions[1].name, conditions[1].standing), ("LocalPreferenceSent", Standing::Wrong(Reason::ConflictingFields)));
    assert!(conditions[1].message.contains("`outside`"), "{conditions:?}");
    let inside = site.change_advertisement("all", to(&["inside"])).unwrap();
    assert!(said(&site, &inside).iter().all(|condition| condition.standing == Standing::Well));
    let silent = site.change_advertisement("all", |spec| spec.local_pref = None).unwrap();
    assert_eq!(said(&site, &silent).len(), 1);
}

#[test]
fn what_becomes_of_pools_is_said_by_a_condition() {
    let mut site = Site::usual();
    site.pool("more", Purpose::ExternalService, &["10.1.0.0/24"], |_| {});
    let pools = |spec: &mut AdvertisementSpec| {
        (spec.pools, spec.length_v4) = (["more", "external"].map(|name| name.parse().unwrap()).into(), 30);
    };
    let made = site.advertise("a", pools).unwrap();
    let standing = |site: &Site| conditions::of_advertisement(&site.cluster, &made)[0].standing;
    assert_eq!(standing(&site), Standing::Well);
    site.pool("external", Purpose::ExternalService, &["10.0.0.13-10.0.0.14"], |_| {});
    assert_eq!(standing(&site), Standing::Wrong(Reason::CountOutOfBounds));
    site.drop_pool("external");
    assert_eq!(standing(&site), Standing::Wrong(Reason::PoolNotFound));
    let labelled = AdvertisementDraft { name: made.name.clone(), labels: labels(&[("a", "b")]), spec: made.spec.clone() };
    let ctx = site.ctx();
    assert!(BgpAdvertisement::update(&site.cluster, labelled, ctx).is_ok(), "labels may change all the same");
    assert!(site.change_advertisement("a", |spec| spec.length_v4 = 31).is_err(), "the specification may not");
    site.pool("external", Purpose::Node, &["10.0.0.12-10.0.0.15"], |_| {});
    assert_eq!(standing(&site), Standing::Wrong(Reason::ConflictingFields));
    site.pool("external", Purpose::ExternalService, &["10.0.0.12-10.0.0.15"], |_| {});
    assert_eq!(standing(&site), Standing::Well);
}

#[test]
fn an_advertisement_that_names_a_peer_which_is_not_there_is_found() {
    let mut site = Site::usual();
    let mut made = BgpAdvertisement::clone(&site.advertise("a", |_| {}).unwrap());
    made.spec.peers = vec!["nobody".parse().unwrap()];
    site.cluster.lb.apply(&BgpAdvertisement::change(made.name.clone(), Some(made.into())));
    let found = crate::lb::audit(&site.cluster);
    assert_eq!((found.len(), found[0].reason), (1, Reason::BgpPeerNotFound));
}

impl Site {
    fn end(&mut self, name: &str) {
        let decision = BgpAdvertisement::delete(&self.cluster, &name.parse().unwrap(), "");
        self.settle(decision).unwrap();
    }
}

//! Routes of small clusters, by hand.

use super::super::fixture::key;
use super::*;
use crate::ipam::{PoolState, Purpose};
use crate::lb::TrafficPolicy;
use crate::lb::explain::{Check, Verdict, explain};
use crate::reason::Reason;
use crate::time::Timestamp;

/// Two nodes, a peer inside and one outside, a service with a pod on node `a`.
fn site() -> (Site, Node, Node) {
    let mut site = Site::usual();
    let (a, b) = (site.node("a", &[("rack", "1")], |_| {}), site.node("b", &[("rack", "2")], |_| {}));
    site.peer("inside", "10.0.0.1", |_| {}).unwrap();
    site.peer("outside", "10.0.0.2", |spec| spec.peer_asn = Asn::new(64_999).unwrap()).unwrap();
    site.create_labelled("shop/web", &[("class", "gold")], |_| {}).unwrap();
    site.put(pod(5, "a", true));
    site.put(pod(6, "b", false));
    (site, a, b)
}

#[test]
fn an_address_is_told_to_every_peer_from_every_node_while_something_is_ready() {
    let (mut site, a, b) = site();
    assert!(site.told(&a, "inside").is_empty(), "nothing is advertised without an advertisement");
    site.advertise("all", |_| {}).unwrap();
    for node in [&a, &b] {
        assert_eq!(
            (site.told(node, "inside"), site.told(node, "outside")),
            (vec!["10.0.0.13/32".into()], vec!["10.0.0.13/32".into()])
        );
    }
    site.put(pod(5, "a", false));
    assert!(site.told(&a, "inside").is_empty());
}

#[test]
fn under_policy_local_only_nodes_with_a_ready_pod_tell() {
    let (mut site, a, b) = site();
    site.advertise("all", |_| {}).unwrap();
    site.update("shop/web", |spec| spec.external_policy = TrafficPolicy::Local).unwrap();
    assert_eq!((site.told(&a, "inside").len(), site.told(&b, "inside").len()), (1, 0));
    site.put(pod(6, "b", true));
    assert_eq!(site.told(&b, "inside").len(), 1);
}

#[test]
fn nodes_that_are_going_and_pools_that_are_disabled_are_silent() {
    let (mut site, a, b) = site();
    site.advertise("all", |_| {}).unwrap();
    let silent: [fn(&mut Node); 3] =
        [|node| node.draining = true, |node| node.excluded_from_external = true, |node| node.removing = Some(Timestamp(1))];
    for with in silent {
        let a = site.node("a", &[("rack", "1")], with);
        assert!(site.told(&a, "inside").is_empty());
        assert_eq!(sessions(&site.cluster, &a).len(), 2, "it takes its routes back on open sessions");
    }
    for (state, count) in [(PoolState::Draining, 1), (PoolState::Disabled, 0), (PoolState::Enabled, 1)] {
        site.pool("external", Purpose::ExternalService, &["10.0.0.13-10.0.0.20"], |pool| pool.state = state);
        assert_eq!((site.told(&b, "inside").len(), site.told(&a, "inside").len()), (count, count), "{state:?}");
    }
}

#[test]
fn selectors_choose_nodes_peers_pools_and_services() {
    let (mut site, a, b) = site();
    site.advertise("a", |spec| spec.nodes = either(&["rack=1", "rack=9"])).unwrap();
    assert_eq!((site.told(&a, "inside").len(), site.told(&b, "inside").len()), (1, 0));
    site.change_advertisement("a", |spec| (spec.nodes, spec.peers) = (AnyOf::default(), vec!["outside".parse().unwrap()])).unwrap();
    assert_eq!((site.told(&a, "inside").len(), site.told(&a, "outside").len()), (0, 1));
    let classes = |site: &mut Site, class: &'static str| {
        site.change_advertisement("a", |spec| spec.services = either(&[class])).unwrap();
        site.told(&a, "outside").len()
    };
    assert_eq!((classes(&mut site, "class=silver"), classes(&mut site, "class")), (0, 1));
    site.pool("other", Purpose::ExternalService, &["10.1.0.0/24"], |pool| pool.labels = labels(&[("net", "other")]));
    let chosen = site.change_advertisement("a", |spec| spec.pool_selectors = either(&["net=other"]));
    assert!(chosen.is_ok() && site.told(&a, "outside").is_empty());
    site.change_advertisement("a", |spec| spec.pools = vec!["external".parse().unwrap()]).unwrap();
    assert_eq!(site.told(&a, "outside").len(), 1, "a pool is named or selected");
    site.change_peer("outside", |draft| draft.spec.nodes = either(&["rack=2"])).unwrap();
    assert_eq!((site.told(&a, "outside").len(), site.told(&b, "outside").len()), (0, 1));
}

#[test]
fn aggregates_stay_inside_the_pool_and_are_told_once() {
    let (mut site, a, _) = site();
    for name in ["shop/b", "shop/c", "shop/d", "shop/e", "shop/f"] {
        site.create(name, |_| {}).unwrap();
    }
    site.advertise("thirty", |spec| {
        (spec.length_v4, spec.communities) = (30, vec!["1:2".parse().unwrap(), "no-export".parse().unwrap()]);
    })
    .unwrap();
    assert_eq!(site.told(&a, "inside"), ["10.0.0.13/32 1:2 no-export", "10.0.0.14/31 1:2 no-export", "10.0.0.16/30 1:2 no-export"]);
    // The pool shrinks: the aggregate does so too.
    site.pool("external", Purpose::ExternalService, &["10.0.0.13-10.0.0.17"], |_| {});
    assert_eq!(site.told(&a, "inside").last().unwrap(), "10.0.0.16/31 1:2 no-export");
    site.drop_pool("external");
    assert!(site.told(&a, "inside").is_empty());
}

#[test]
fn what_advertisements_say_of_one_prefix_is_put_together() {
    let (mut site, a, _) = site();
    let says = |name: &'static str, preference: u32, community: &'static str| {
        move |site: &mut Site| {
            site.advertise(name, |spec| {
                (spec.local_pref, spec.communities) = (preference.try_into().ok(), vec![community.parse().unwrap()]);
                spec.services = either(&["class=gold"]);
            })
        }
    };
    says("one", 100, "9:9")(&mut site).unwrap();
    says("two", 100, "large:1:2:3")(&mut site).unwrap();
    says("three", 100, "1:1")(&mut site).unwrap();
    assert_eq!(site.told(&a, "inside"), ["10.0.0.13/32 100 1:1 9:9 large:1:2:3"]);
    assert_eq!(site.told(&a, "outside"), ["10.0.0.13/32 1:1 9:9 large:1:2:3"], "a preference stays inside");
    // What came to be by a change elsewhere is settled in one way, and said.
    let mut three = BgpAdvertisement::clone(site.cluster.lb.bgp_advertisement(&"three".parse().unwrap()).unwrap());
    three.spec.local_pref = 300.try_into().ok();
    site.cluster.lb.apply(&BgpAdvertisement::change(three.name.clone(), Some(three.clone().into())));
    assert_eq!(site.told(&a, "inside"), ["10.0.0.13/32 300 1:1 9:9 large:1:2:3"]);
    let said = conditions::of_advertisement(&site.cluster, &three);
    assert_eq!(said[0].standing, conditions::Standing::Wrong(Reason::BgpAdvertisementConflict));
}

#[test]
fn an_address_that_is_shared_needs_one_service_that_lives() {
    let (mut site, a, _) = site();
    site.advertise("all", |_| {}).unwrap();
    let key = |spec: &mut crate::lb::ServiceSpec| spec.external.sharing_key = "k".to_owned();
    site.update("shop/web", key).unwrap();
    let sharer = site.create("shop/dead", |spec| {
        key(spec);
        (spec.ports, spec.selector) =
            (vec![super::super::fixture::port(crate::lb::Protocol::Tcp, 81)], "app=none".parse().unwrap());
        spec.external.addresses = vec!["10.0.0.13".parse().unwrap()];
    });
    assert_eq!(sharer.unwrap().external[0].address.to_string(), "10.0.0.13");
    assert_eq!(site.told(&a, "inside"), ["10.0.0.13/32"]);
    site.delete("shop/web", "").unwrap();
    assert!(site.told(&a, "inside").is_empty());
}

#[test]
fn an_explanation_says_who_tells_whom_or_why_nobody_does() {
    let (mut site, ..) = site();
    let said = |site: &Site| {
        let explanation = explain(&site.cluster, &key("shop/web"), Timestamp(1)).unwrap();
        let step = explanation.steps.into_iter().find(|step| step.check == Check::Bgp);
        step.map(|step| (step.verdict, step.message))
    };
    assert_eq!(said(&site), None, "BGP is nothing to this service");
    site.pool("external", Purpose::ExternalService, &["10.0.0.13-10.0.0.20"], |pool| pool.bgp_only = true);
    let (verdict, message) = said(&site).unwrap();
    assert_eq!(verdict, Verdict::Bad(Reason::NotAnnounced));
    assert!(message.contains("no BGP advertisement selects pool `external`"), "{message}");
    site.advertise("all", |_| {}).unwrap();
    let well = "10.0.0.13 is advertised by 2 nodes to `inside`, `outside`".to_owned();
    assert_eq!(said(&site), Some((Verdict::Well, well)));
    for name in ["inside", "outside"] {
        site.change_peer(name, |draft| draft.spec.nodes = either(&["rack=7"])).unwrap();
    }
    let (verdict, message) = said(&site).unwrap();
    assert!(verdict == Verdict::Bad(Reason::NotAnnounced) && message.contains("has a session with a peer"), "{message}");
    site.put(pod(5, "a", false));
    assert_eq!(said(&site).unwrap().0, Verdict::Unknown);
}

//! Peers.

use super::conditions::Standing;
use super::*;
use crate::ipam::Liveness;
use crate::net::Name;
use crate::reason::Reason;
use crate::time::Timestamp;

#[test]
fn a_peer_comes_changes_and_goes_under_its_etag() {
    let mut site = Site::usual();
    let made = site.peer("tor", "10.0.0.1", |_| {}).unwrap();
    assert_eq!((made.meta.version, made.is_internal()), (1, true));
    assert_eq!(site.peer("tor", "10.0.0.2", |_| {}).unwrap_err().reason, Reason::AlreadyExists);
    let same = site.change_peer("tor", |_| {}).unwrap();
    assert_eq!(same, made, "nothing new is no new version");
    let changed = site.change_peer("tor", |draft| draft.spec.hold = 9).unwrap();
    assert_eq!((changed.meta.version, changed.spec.hold), (2, 9));
    assert_eq!(site.end_peer("tor", &made.meta.etag()).unwrap_err().reason, Reason::EtagMismatch);
    site.end_peer("tor", &changed.meta.etag()).unwrap();
    assert_eq!(site.end_peer("tor", "").unwrap_err().reason, Reason::BgpPeerNotFound);
    assert_eq!(site.cluster.lb, Site::usual().cluster.lb, "nothing is left of it");
}

#[test]
fn a_password_stays_until_it_is_named_and_is_never_printed() {
    let mut site = Site::usual();
    site.peer("tor", "10.0.0.1", |_| {}).unwrap();
    let set = |draft: &mut PeerDraft| draft.secret = Secret::Set("hunter2".parse().unwrap());
    let with = site.change_peer("tor", set).unwrap();
    assert!(!format!("{with:?} {:?}", Secret::Set("hunter2".parse().unwrap())).contains("hunter2"));
    assert_eq!(site.change_peer("tor", set).unwrap(), with);
    let kept = site.change_peer("tor", |draft| draft.spec.hold = 9).unwrap();
    assert_eq!(kept.password.as_ref().map(Password::reveal), Some("hunter2"));
    let removed = site.change_peer("tor", |draft| draft.secret = Secret::Remove).unwrap();
    assert_eq!((removed.password.as_ref(), removed.meta.version), (None, 4));
    for bad in ["", "a\nb", &"x".repeat(81)] {
        assert!(bad.parse::<Password>().is_err(), "{bad:?}");
    }
    assert!("x".repeat(80).parse::<Password>().is_ok());
}

#[test]
fn one_router_is_one_peer_of_a_node() {
    let mut site = Site::usual();
    site.node("a", &[("rack", "1")], |_| {});
    let rack = |rack: &'static str| move |spec: &mut PeerSpec| spec.nodes = either(&[rack]);
    site.peer("one", "10.0.0.1", rack("rack=1")).unwrap();
    let refused = site.peer("two", "10.0.0.1", |_| {}).unwrap_err();
    assert_eq!((refused.reason, refused.metadata["bgp-peer"].as_str()), (Reason::BgpPeerDuplicate, "one"));
    assert_eq!(site.peer("two", "10.0.0.1", rack("rack")).unwrap_err().reason, Reason::BgpPeerDuplicate);
    site.peer("other-port", "10.0.0.1", |spec| spec.port = 1179).unwrap();
    site.peer("other-rack", "10.0.0.1", rack("rack=2")).unwrap();
    let moved = site.change_peer("other-rack", |draft| draft.spec.nodes = AnyOf::default());
    assert_eq!(moved.unwrap_err().reason, Reason::BgpPeerDuplicate);
    // A node that comes later matches both: what else is said of the peers can change.
    site.change_peer("other-rack", |draft| draft.spec.nodes = either(&["spare"])).unwrap();
    site.node("b", &[("rack", "1"), ("spare", "")], |_| {});
    site.change_peer("other-rack", |draft| draft.spec.hold = 9).unwrap();
    let behind = |name: &'static str| move |spec: &mut PeerSpec| spec.router = Router::Interface(name.to_owned());
    site.peer("eth0", "10.0.0.1", behind("eth0")).unwrap();
    site.peer("eth1", "10.0.0.1", behind("eth1")).unwrap();
    assert_eq!(site.peer("again", "10.0.0.1", behind("eth1")).unwrap_err().reason, Reason::BgpPeerDuplicate);
}

#[test]
fn a_peer_that_is_named_stays() {
    let mut site = Site::usual();
    site.peer("tor", "10.0.0.1", |_| {}).unwrap();
    for name in ["b", "a"] {
        site.advertise(name, |spec| spec.peers = vec!["tor".parse().unwrap()]).unwrap();
    }
    site.advertise("everybody", |_| {}).unwrap();
    let refused = site.end_peer("tor", "").unwrap_err();
    let subjects: Vec<_> = refused.obstacles.iter().map(|obstacle| obstacle.subject.as_str()).collect();
    assert_eq!((refused.reason, subjects), (Reason::BgpPeerInUse, vec!["bgp-advertisements/a", "bgp-advertisements/b"]));
    assert_eq!(crate::lb::audit(&site.cluster), []);
}

#[test]
fn a_peer_that_would_set_advertisements_against_each_other_is_refused() {
    let mut site = Site::usual();
    site.advertise("low", |spec| spec.local_pref = 100.try_into().ok()).unwrap();
    site.advertise("high", |spec| spec.local_pref = 200.try_into().ok()).unwrap();
    let refused = site.peer("inside", "10.0.0.1", |_| {}).unwrap_err();
    assert_eq!(refused.reason, Reason::BgpAdvertisementConflict);
    assert!(refused.message.contains("`low`") && refused.message.contains("`high`"), "{refused}");
    // Nobody outside hears of a preference.
    site.peer("outside", "10.0.0.2", |spec| spec.peer_asn = Asn::new(64_999).unwrap()).unwrap();
    let inside = site.change_peer("outside", |draft| draft.spec.peer_asn = draft.spec.local_asn);
    assert_eq!(inside.unwrap_err().reason, Reason::BgpAdvertisementConflict);
}

#[test]
fn a_condition_says_whether_anybody_has_a_session() {
    let mut site = Site::usual();
    let peer = site.peer("tor", "10.0.0.1", |spec| spec.nodes = either(&["rack=1", "rack=2"])).unwrap();
    let said = |site: &Site| conditions::of_peer(&site.cluster, &peer).remove(0);
    assert_eq!(said(&site).standing, Standing::Wrong(Reason::NodeNotFound));
    site.node("a", &[("rack", "3")], |_| {});
    let two = site.node("b", &[("rack", "2")], |node| node.draining = true);
    assert_eq!((said(&site).standing, said(&site).message.as_str()), (Standing::Well, "1 node has a session"));
    assert_eq!(sessions(&site.cluster, &two), std::slice::from_ref(&peer));
    assert!(sessions(&site.cluster, &node("a", &[("rack", "3")])).is_empty());
}

#[test]
fn a_condition_says_on_which_nodes_the_session_is_not_established() {
    let mut site = Site::usual();
    let peer = site.peer("tor", "10.0.0.1", |spec| spec.nodes = either(&["rack"])).unwrap();
    let said = |site: &Site, heard: Option<&BTreeMap<Name, SessionReport>>| {
        conditions::established(&site.cluster, &peer, heard).map(|said| (said.standing, said.message))
    };
    site.node("dead", &[("rack", "1")], |node| node.liveness = Liveness::NotSeen);
    site.node("other", &[], |node| node.liveness = Liveness::Alive(Timestamp(1)));
    assert_eq!(said(&site, None), None, "no live node has a session");
    for name in ["a", "b", "c"] {
        site.node(name, &[("rack", "1")], |node| node.liveness = Liveness::Alive(Timestamp(1)));
    }
    assert_eq!(said(&site, None).unwrap().0, Standing::Unknown);
    let report = |state, error: &str| SessionReport {
        peer: peer.name.clone(),
        state,
        since: None,
        advertised: 3,
        last_error: error.to_owned(),
    };
    let mut heard: BTreeMap<Name, SessionReport> =
        [("a", SessionState::Established, ""), ("b", SessionState::Active, "hold timer expired")]
            .map(|(node, state, error)| (node.parse().unwrap(), report(state, error)))
            .into();
    let (standing, message) = said(&site, Some(&heard)).unwrap();
    assert_eq!(standing, Standing::Wrong(Reason::BgpSessionDown));
    let why = "`b` is in state Active: hold timer expired, `c` has not reported on it";
    assert_eq!(message, format!("established on 1 of 3 live nodes that have a session: {why}"));
    heard.extend(["b", "c"].map(|node| (node.parse().unwrap(), report(SessionState::Established, "it was down once"))));
    let all = "established on all 3 live nodes that have a session; prefixes advertised by each: 3";
    assert_eq!(said(&site, Some(&heard)), Some((Standing::Well, all.to_owned())));
}

#[test]
fn states_of_sessions_are_those_of_the_standard() {
    for name in ["Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"] {
        assert_eq!(name.parse::<SessionState>().unwrap().to_string(), name);
    }
    assert_eq!("established".parse::<SessionState>().unwrap_err().reason, Reason::InvalidArgument);
}

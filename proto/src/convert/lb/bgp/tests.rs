use polder_core::lb::bgp::{BgpPeer, Secret};
use polder_core::meta::Meta;
use polder_core::reason::{Reason, Refusal};

use super::*;
use crate::convert::written::{Creation, Revision};
use crate::lb::v1 as pb;

fn peer() -> pb::BgpPeer {
    pb::BgpPeer {
        name: "tor".to_owned(),
        peer_address: "10.0.0.1".to_owned(),
        peer_asn: 64_513,
        local_asn: 64_512,
        ..pb::BgpPeer::default()
    }
}

fn stored(message: pb::BgpPeer) -> BgpPeer {
    let creation = Creation::read(Some(message), "", false).unwrap().draft;
    let meta = Meta { uid: Default::default(), version: 1, created: Default::default(), updated: Default::default() };
    let password = match creation.secret {
        Secret::Set(password) => Some(password),
        Secret::Keep | Secret::Remove => None,
    };
    BgpPeer { name: creation.name, meta, labels: creation.labels, spec: creation.spec, password }
}

fn revised(current: &BgpPeer, message: pb::BgpPeer, paths: &[&str]) -> Result<polder_core::lb::bgp::PeerDraft, Refusal> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    Revision::read(Some(message), paths, false, ("", false))?.draft(Some(current))
}

#[test]
fn what_is_shown_can_be_sent_back_and_is_the_same() {
    let selector = types::LabelSelector { expression: "rack in (a,b)".to_owned(), ..Default::default() };
    let full = pb::BgpPeer {
        source_address: "10.0.0.9".to_owned(),
        router_id: "1.1.1.1".to_owned(),
        hold_time: Some(prost_types::Duration { seconds: 9, nanos: 0 }),
        keepalive_time: Some(prost_types::Duration { seconds: 2, nanos: 0 }),
        ebgp_multihop: true,
        graceful_restart: true,
        node_selectors: vec![selector.clone()],
        bfd: Some(pb::BfdSettings { minimum_ttl: 250, ..Default::default() }),
        ..peer()
    };
    for message in [peer(), full, pb::BgpPeer { peer_address: String::new(), interface: "eth0".to_owned(), ..peer() }] {
        let first = stored(message);
        assert_eq!(stored(pb::BgpPeer::asked(&first)), first);
    }
    let message = pb::BgpAdvertisement {
        name: "all".to_owned(),
        pools: vec!["external".to_owned()],
        pool_selectors: vec![selector.clone()],
        node_selectors: vec![selector],
        peers: vec!["tor".to_owned()],
        aggregation_length_v4: 24,
        local_pref: 7,
        communities: vec!["large:1:2:3".to_owned(), "65535:65281".to_owned()],
        ..Default::default()
    };
    let draft = Creation::read(Some(message), "", false).unwrap().draft;
    let made = polder_core::lb::bgp::BgpAdvertisement {
        name: draft.name.clone(),
        meta: stored(peer()).meta,
        labels: draft.labels.clone(),
        spec: draft.spec.clone(),
    };
    let shown = pb::BgpAdvertisement::asked(&made);
    assert_eq!((shown.communities.join(" ").as_str(), shown.aggregation_length_v6), ("no-export large:1:2:3", 128));
    assert_eq!(Creation::read(Some(shown), "", false).unwrap().draft, draft);
}

#[test]
fn the_password_is_kept_set_or_removed_and_never_shown() {
    let with = |password: &str| pb::BgpPeer { password: password.to_owned(), ..peer() };
    let current = stored(with("old"));
    let shown = pb::BgpPeer::asked(&current);
    assert_eq!((shown.password.as_str(), shown.has_password), ("", true));
    let secret = |password: &str, paths: &[&str]| revised(&current, with(password), paths).unwrap().secret;
    assert_eq!(secret("", &[]), Secret::Keep);
    assert_eq!(secret("new", &[]), Secret::Set("new".parse().unwrap()));
    assert_eq!(secret("new", &["peer_asn"]), Secret::Keep);
    assert_eq!(secret("new", &["password"]), Secret::Set("new".parse().unwrap()));
    assert_eq!(secret("", &["password", "peer_asn"]), Secret::Remove);
    let new = Revision::read(Some(with("new")), vec!["labels".to_owned()], true, ("", false)).unwrap().draft(None).unwrap();
    assert_eq!(new.secret, Secret::Set("new".parse().unwrap()), "a new peer has everything that was sent");
}

#[test]
fn a_hold_time_can_change_alone_where_the_keepalive_follows_it() {
    let current = stored(peer());
    let hold = pb::BgpPeer { hold_time: Some(prost_types::Duration { seconds: 3, nanos: 0 }), ..peer() };
    let draft = revised(&current, hold, &["hold_time"]).unwrap();
    assert_eq!((draft.spec.hold, draft.spec.keepalive), (3, None));
}

#[test]
fn a_mask_names_fields_that_can_be_set() {
    let current = stored(peer());
    let good = revised(&current, peer(), &["bfd.passive", "labels"]);
    assert!(good.is_ok(), "{good:?}");
    let bad = revised(&current, peer(), &["name", "uid", "has_password", "bfd.nothing", "conditions", "labels.app"]).unwrap_err();
    assert_eq!((bad.reason, bad.violations.len()), (Reason::InvalidArgument, 6));
}

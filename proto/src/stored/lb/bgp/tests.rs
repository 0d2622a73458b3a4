use std::sync::Arc;

use polder_core::id::Uid;
use polder_core::lb::bgp::{Community, Record};
use polder_core::lb::{Change, View};
use polder_core::meta::Meta;
use polder_core::net::Labels;
use polder_core::time::Timestamp;

use super::super::{PREFIX, VERSION, before, decode, encode, journaled};
use super::*;

const META: Meta =
    Meta { uid: Uid(0x0102), version: 3, created: Timestamp(1_700_000_000_000_000), updated: Timestamp(1_700_000_000_000_001) };

fn labels() -> Labels {
    Labels::new([("rack".to_owned(), "1".to_owned())]).unwrap()
}

fn selectors(texts: &[&str]) -> polder_core::ipam::AnyOf {
    polder_core::ipam::AnyOf(texts.iter().map(|text| text.parse().unwrap()).collect())
}

/// A peer with every field set.
fn peer() -> BgpPeer {
    BgpPeer {
        name: "tor".parse().unwrap(),
        meta: META,
        labels: labels(),
        spec: PeerSpec {
            router: Router::Address("10.0.0.1".parse().unwrap()),
            peer_asn: Asn::new(64_512).unwrap(),
            local_asn: Asn::new(4_200_000_000).unwrap(),
            port: 1179,
            source: Some("10.0.0.10".parse().unwrap()),
            router_id: Some("1.2.3.4".parse().unwrap()),
            hold: 9,
            keepalive: Some(3),
            multihop: true,
            graceful_restart: true,
            nodes: selectors(&["rack in (1,2)", "!spare"]),
            bfd: Some(Bfd { transmit: 10, receive: 60_000, multiplier: 2, passive: true, minimum_ttl: Some(254) }),
        },
        password: Some("secret".parse().unwrap()),
    }
}

/// An advertisement with every field set.
fn advertisement() -> BgpAdvertisement {
    BgpAdvertisement {
        name: "all".parse().unwrap(),
        meta: META,
        labels: labels(),
        spec: AdvertisementSpec {
            pools: vec!["external".parse().unwrap()],
            pool_selectors: selectors(&["net=dmz"]),
            services: selectors(&["class=gold"]),
            nodes: selectors(&["rack=1", "rack=2"]),
            peers: vec!["tor".parse().unwrap()],
            length_v4: 24,
            length_v6: 64,
            local_pref: NonZeroU32::new(100),
            communities: ["65000:100", "no-export", "large:1:2:3"].map(|text| text.parse::<Community>().unwrap()).into(),
        },
    }
}

fn put<T: Record>(record: &T) -> Change {
    T::change(record.name().clone(), Some(Arc::new(record.clone())))
}

fn again(change: &Change) -> Result<Option<Change>, polder_core::schema::Corrupt> {
    let write = encode(change);
    let key = String::from_utf8(write.key).unwrap();
    decode(key.strip_prefix(PREFIX).unwrap(), write.value.as_deref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_field_comes_back() {
    let bare_peer = |router| BgpPeer {
        spec: PeerSpec {
            router,
            source: None,
            router_id: None,
            hold: 0,
            keepalive: None,
            nodes: selectors(&[]),
            bfd: None,
            ..peer().spec
        },
        password: None,
        ..peer()
    };
    let bare = AdvertisementSpec {
        pools: Vec::new(),
        pool_selectors: selectors(&[]),
        services: selectors(&[""]),
        nodes: selectors(&[]),
        peers: Vec::new(),
        length_v4: 32,
        length_v6: 128,
        local_pref: None,
        communities: Vec::new(),
    };
    for change in [
        put(&peer()),
        put(&bare_peer(Router::Interface("eth0".to_owned()))),
        put(&bare_peer(Router::Address("2001:db8::1".parse().unwrap()))),
        put(&advertisement()),
        put(&BgpAdvertisement { spec: bare, ..advertisement() }),
        BgpPeer::change("tor".parse().unwrap(), None),
        BgpAdvertisement::change("all".parse().unwrap(), None),
    ] {
        assert_eq!(again(&change).unwrap().as_ref(), Some(&change));
    }
}

#[test]
fn the_bytes_of_version_1_stay_what_they_are() {
    let mut view = View::default();
    for (change, key, golden) in [
        (put(&peer()), "/polder/lb/bgp-peers/tor", include_str!("golden_peer_v1.hex")),
        (put(&advertisement()), "/polder/lb/bgp-advertisements/all", include_str!("golden_advertisement_v1.hex")),
    ] {
        let write = encode(&change);
        assert_eq!(
            (String::from_utf8(write.key).unwrap().as_str(), hex(&write.value.clone().unwrap()).as_str()),
            (key, golden.trim())
        );
        assert_eq!(before(&view, &change), None);
        view.apply(&change);
        assert_eq!(before(&view, &change), write.value);
    }
}

#[test]
fn the_journal_keeps_everything_but_the_password() {
    let write = encode(&put(&peer()));
    let bytes = write.value.unwrap();
    let kept = journaled("bgp-peers/tor", &bytes).unwrap();
    assert!(hex(&bytes).contains(&hex(b"secret")) && !hex(&kept).contains(&hex(b"secret")));
    let without = BgpPeer { password: None, ..peer() };
    assert_eq!(decode("bgp-peers/tor", Some(&kept)).unwrap(), Some(put(&without)));
    for (key, value) in [
        ("bgp-peers/tor", encode(&put(&without)).value.unwrap()),
        ("bgp-advertisements/all", encode(&put(&advertisement())).value.unwrap()),
        ("services/shop/web", bytes),
        ("bgp-peers/tor", b"\xff".to_vec()),
    ] {
        assert_eq!(journaled(key, &value), None, "{key}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let peer_form = |with: fn(&mut pb::BgpPeer)| {
        let mut form = write_peer(&peer(), VERSION);
        with(&mut form);
        form.encode_to_vec()
    };
    let mut length = write_advertisement(&advertisement(), VERSION);
    length.aggregation_length_v4 = 256;
    for (key, value) in [
        ("bgp-peers/Tor", peer_form(|_| {})),
        ("bgp-peers/a/b", peer_form(|_| {})),
        ("bgp-peers/tor", peer_form(|form| form.version = 2)),
        ("bgp-peers/tor", peer_form(|form| form.peer_asn = 0)),
        ("bgp-peers/tor", peer_form(|form| form.interface = "eth0".to_owned())),
        ("bgp-peers/tor", peer_form(|form| form.peer_address.clear())),
        ("bgp-peers/tor", peer_form(|form| form.router_id = vec![0; 16])),
        ("bgp-peers/tor", peer_form(|form| form.hold_time = 1)),
        ("bgp-peers/tor", peer_form(|form| form.meta = None)),
        ("bgp-peers/tor", b"\xff".to_vec()),
        ("bgp-advertisements/", write_advertisement(&advertisement(), VERSION).encode_to_vec()),
        ("bgp-advertisements/all", length.encode_to_vec()),
    ] {
        let corrupt = decode(key, Some(&value)).unwrap_err();
        assert_eq!(corrupt.key, format!("{PREFIX}{key}"));
        assert!(!corrupt.why.contains("secret"));
    }
}

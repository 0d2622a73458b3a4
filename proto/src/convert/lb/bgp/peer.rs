//! A BGP peer.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use polder_core::cluster::Cluster;
use polder_core::lb::bgp::check::{self, HOLD, PORT};
use polder_core::lb::bgp::conditions::Heard;
use polder_core::lb::bgp::{Asn, Bfd, BgpPeer, PeerDraft, PeerSpec, Router, Secret, conditions};
use polder_core::net::parse_addr;
use polder_core::reason::{Reason, Violations};

use super::super::super::common::{labels, parsed, port, show_labels, show_time};
use super::super::super::ipam::values::{duration, show_selectors};
use super::{Shown, selectors, show_condition};
use crate::lb::v1 as pb;
use crate::types::v1 as types;

impl Shown for pb::BgpPeer {
    type Record = BgpPeer;
    type Changed = pb::UpdateBgpPeerResponse;
    const MESSAGE: &'static str = "polder.lb.v1.BgpPeer";
    const FIELD: &'static str = "bgp_peer";
    const SETTABLE: &'static [&'static str] = &[
        "labels",
        "peer_address",
        "interface",
        "peer_asn",
        "local_asn",
        "peer_port",
        "source_address",
        "router_id",
        "hold_time",
        "keepalive_time",
        "ebgp_multihop",
        "graceful_restart",
        "password",
        "node_selectors",
        "bfd",
    ];

    fn name(&self) -> &str {
        &self.name
    }

    fn etag(&self) -> &str {
        &self.etag
    }

    fn asked(record: &BgpPeer) -> Self {
        let spec = &record.spec;
        let (peer_address, interface) = match &spec.router {
            Router::Address(address) => (address.to_string(), String::new()),
            Router::Interface(name) => (String::new(), name.clone()),
        };
        let seconds = |seconds: u16| prost_types::Duration { seconds: seconds.into(), nanos: 0 };
        Self {
            name: record.name.to_string(),
            uid: record.meta.uid.to_string(),
            etag: record.meta.etag(),
            labels: show_labels(&record.labels),
            create_time: Some(show_time(record.meta.created)),
            update_time: Some(show_time(record.meta.updated)),
            peer_address,
            interface,
            peer_asn: spec.peer_asn.number(),
            local_asn: spec.local_asn.number(),
            peer_port: spec.port.into(),
            source_address: spec.source.map(|address| address.to_string()).unwrap_or_default(),
            router_id: spec.router_id.map(|id| id.to_string()).unwrap_or_default(),
            hold_time: Some(seconds(spec.hold)),
            keepalive_time: spec.keepalive.map(seconds),
            ebgp_multihop: spec.multihop,
            graceful_restart: spec.graceful_restart,
            password: String::new(),
            has_password: record.password.is_some(),
            node_selectors: show_selectors(&spec.nodes),
            bfd: spec.bfd.map(show_bfd),
            conditions: Vec::new(),
        }
    }

    fn show(cluster: &Cluster, record: &BgpPeer) -> Self {
        let conditions = conditions::of_peer(cluster, record).into_iter().map(show_condition).collect();
        Self { conditions, ..Self::asked(record) }
    }

    fn observe(mut self, cluster: &Cluster, record: &BgpPeer, heard: Option<&Heard>) -> Self {
        self.conditions.extend(conditions::established(cluster, record, heard).map(show_condition));
        self
    }

    fn draft(self, said: &[String], bad: &mut Violations) -> Option<PeerDraft> {
        let name = parsed(&self.name, at("name"), bad);
        let spec = spec(&self, bad);
        let secret = secret(&self.password, said, bad);
        let labels = labels(self.labels, &at("labels"), bad);
        Some(PeerDraft { name: name?, labels, spec: spec?, secret })
    }

    fn line(record: &BgpPeer) -> String {
        let spec = &record.spec;
        format!("BGP peer {} at {} port {}, {}, from {}", record.name, spec.router, spec.port, spec.peer_asn, spec.local_asn)
    }

    fn changed(shown: Option<Self>, impact: Vec<types::Impact>) -> Self::Changed {
        pb::UpdateBgpPeerResponse { bgp_peer: shown, revision: 0, impact }
    }

    fn parts(changed: Self::Changed) -> (Option<Self>, Vec<types::Impact>) {
        (changed.bgp_peer, changed.impact)
    }
}

fn at(field: &str) -> String {
    format!("bgp_peer.{field}")
}

fn spec(peer: &pb::BgpPeer, bad: &mut Violations) -> Option<PeerSpec> {
    let place = Place::read(peer, bad);
    let peer_asn = bad.take(at("peer_asn"), Asn::new(peer.peer_asn));
    let local_asn = bad.take(at("local_asn"), Asn::new(peer.local_asn));
    let port = match peer.peer_port {
        0 => Some(PORT),
        number => port(number, at("peer_port"), bad),
    };
    if peer.ebgp_multihop {
        bad.take(at("ebgp_multihop"), check::multihop(peer_asn.zip(local_asn), place.behind_interface));
    }
    let (hold, keepalive) = timers(peer, bad);
    let read = PeerSpec {
        source: source(peer, &place, bad),
        router_id: router_id(&peer.router_id, bad),
        nodes: selectors(&peer.node_selectors, &at("node_selectors"), bad),
        bfd: peer.bfd.as_ref().map(|given| bfd(given, peer.ebgp_multihop, bad)),
        router: place.router()?,
        peer_asn: peer_asn?,
        local_asn: local_asn?,
        port: port?,
        hold: hold?,
        keepalive,
        multihop: peer.ebgp_multihop,
        graceful_restart: peer.graceful_restart,
    };
    Some(read)
}

/// Where the router is, as far as it can be read: at this address, or behind an interface.
struct Place {
    address: Option<IpAddr>,
    interface: Option<String>,
    behind_interface: bool,
}

impl Place {
    fn read(peer: &pb::BgpPeer, bad: &mut Violations) -> Self {
        let given = |text: &str| !text.is_empty();
        let address = given(&peer.peer_address)
            .then(|| bad.take(at("peer_address"), parse_addr(&peer.peer_address).and_then(check::peer_address)))
            .flatten();
        let interface = given(&peer.interface).then(|| bad.take(at("interface"), check::interface(&peer.interface))).flatten();
        match (given(&peer.peer_address), given(&peer.interface)) {
            (false, false) => {
                let why = "a router is found at an address or behind an interface; give peer_address or interface";
                bad.add(at("peer_address"), Reason::FieldRequired, why);
            }
            (true, true) => {
                let why = "a router is found at an address or behind an interface; give one of peer_address and interface";
                bad.add(at("interface"), Reason::ConflictingFields, why);
            }
            (true, false) | (false, true) => {}
        }
        Self { address, interface, behind_interface: given(&peer.interface) && !given(&peer.peer_address) }
    }

    fn router(self) -> Option<Router> {
        self.address.map(Router::Address).or_else(|| self.interface.map(Router::Interface))
    }
}

fn source(peer: &pb::BgpPeer, place: &Place, bad: &mut Violations) -> Option<IpAddr> {
    if peer.source_address.is_empty() {
        return None;
    }
    let address = parse_addr(&peer.source_address).and_then(check::host);
    bad.take(at("source_address"), address.and_then(|address| check::source(address, place.address, place.behind_interface)))
}

fn router_id(text: &str, bad: &mut Violations) -> Option<Ipv4Addr> {
    match text {
        "" => None,
        text => bad.take(at("router_id"), parse_addr(text).and_then(check::router_id)),
    }
}

/// The hold time, and the keepalive time where one is given.
fn timers(peer: &pb::BgpPeer, bad: &mut Violations) -> (Option<u16>, Option<u16>) {
    let mut time = |given: &Option<prost_types::Duration>, field: &str| -> Option<Option<Duration>> {
        let read = duration(given.as_ref(), &at(field), bad);
        (given.is_some() == read.is_some()).then_some(read)
    };
    let (hold, keepalive) = (time(&peer.hold_time, "hold_time"), time(&peer.keepalive_time, "keepalive_time"));
    let hold = match hold {
        Some(Some(time)) => bad.take(at("hold_time"), check::hold(time)),
        Some(None) => Some(HOLD),
        None => None,
    };
    let keepalive = keepalive.flatten().and_then(|time| bad.take(at("keepalive_time"), check::keepalive(time, hold)).flatten());
    (hold, keepalive)
}

fn bfd(given: &pb::BfdSettings, multihop: bool, bad: &mut Violations) -> Bfd {
    let at = |field: &str| at(&format!("bfd.{field}"));
    let transmit = bad.take(at("transmit_interval_ms"), check::interval(given.transmit_interval_ms));
    let receive = bad.take(at("receive_interval_ms"), check::interval(given.receive_interval_ms));
    let multiplier = bad.take(at("detect_multiplier"), check::multiplier(given.detect_multiplier));
    let minimum_ttl = bad.take(at("minimum_ttl"), check::minimum_ttl(given.minimum_ttl, multihop));
    Bfd {
        // Where one is missing, the request is refused.
        transmit: transmit.unwrap_or(check::INTERVAL),
        receive: receive.unwrap_or(check::INTERVAL),
        multiplier: multiplier.unwrap_or(check::MULTIPLIER),
        passive: given.passive,
        minimum_ttl: minimum_ttl.flatten(),
    }
}

fn show_bfd(bfd: Bfd) -> pb::BfdSettings {
    pb::BfdSettings {
        transmit_interval_ms: bfd.transmit.into(),
        receive_interval_ms: bfd.receive.into(),
        detect_multiplier: bfd.multiplier.into(),
        passive: bfd.passive,
        minimum_ttl: bfd.minimum_ttl.map_or(0, u32::from),
    }
}

/// What a request says of the password. Who does not speak of it at all keeps it.
fn secret(text: &str, said: &[String], bad: &mut Violations) -> Secret {
    let named = said.iter().any(|path| path == "password");
    match (text.is_empty(), said.is_empty() || named) {
        (true, _) if named => Secret::Remove,
        (true, _) | (false, false) => Secret::Keep,
        (false, true) => parsed(text, at("password"), bad).map_or(Secret::Keep, Secret::Set),
    }
}

//! BGP peers and advertisements in their stored form.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use polder_core::lb::bgp::{AdvertisementSpec, Asn, Bfd, BgpAdvertisement, BgpPeer, PeerSpec, Router};
use polder_core::net::Label;
use prost::Message as _;

use crate::state::v1 as pb;
use crate::stored::fields::{
    read_each, read_labels, read_meta, read_number, read_optional, read_optional_address, read_port, read_selectors, read_text,
    write_address, write_duration, write_labels, write_meta, write_optional_address, write_selectors,
};

/// The stored form of a peer without its password, if it has one: how the journal keeps it.
pub(super) fn without_password(bytes: &[u8]) -> Option<Vec<u8>> {
    let stored = pb::BgpPeer::decode(bytes).ok().filter(|stored| !stored.password.is_empty())?;
    Some(pb::BgpPeer { password: String::new(), ..stored }.encode_to_vec())
}

pub(super) fn write_peer(peer: &BgpPeer, version: u32) -> pb::BgpPeer {
    let spec = &peer.spec;
    let (peer_address, interface) = match &spec.router {
        Router::Address(address) => (write_address(*address), String::new()),
        Router::Interface(name) => (Vec::new(), name.clone()),
    };
    pb::BgpPeer {
        version,
        meta: Some(write_meta(&peer.meta)),
        labels: write_labels(&peer.labels),
        peer_address,
        interface,
        peer_asn: spec.peer_asn.number(),
        local_asn: spec.local_asn.number(),
        peer_port: spec.port.into(),
        source_address: write_optional_address(spec.source),
        router_id: write_optional_address(spec.router_id.map(IpAddr::V4)),
        hold_time: write_duration(Duration::from_secs(spec.hold.into())),
        keepalive_time: write_duration(Duration::from_secs(spec.keepalive.unwrap_or(0).into())),
        ebgp_multihop: spec.multihop,
        graceful_restart: spec.graceful_restart,
        password: peer.password.as_ref().map(|password| password.reveal().to_owned()).unwrap_or_default(),
        node_selectors: write_selectors(&spec.nodes),
        bfd: spec.bfd.as_ref().map(write_bfd),
    }
}

pub(super) fn read_peer(name: Label, stored: pb::BgpPeer) -> Result<BgpPeer, String> {
    let router = match (read_optional_address(&stored.peer_address)?, stored.interface) {
        (Some(address), interface) if interface.is_empty() => Router::Address(address),
        (None, interface) if !interface.is_empty() => Router::Interface(interface),
        _ => return Err("it does not say in one way where the router is".to_owned()),
    };
    let asn = |number| Asn::new(number).map_err(|error| error.to_string());
    let spec = PeerSpec {
        router,
        peer_asn: asn(stored.peer_asn)?,
        local_asn: asn(stored.local_asn)?,
        port: read_port(stored.peer_port)?,
        source: read_optional_address(&stored.source_address)?,
        router_id: read_optional_address(&stored.router_id)?.map(read_router_id).transpose()?,
        hold: read_seconds(stored.hold_time)?,
        keepalive: Some(read_seconds(stored.keepalive_time)?).filter(|seconds| *seconds != 0),
        multihop: stored.ebgp_multihop,
        graceful_restart: stored.graceful_restart,
        nodes: read_selectors(&stored.node_selectors)?,
        bfd: stored.bfd.map(|bfd| read_bfd(&bfd)).transpose()?,
    };
    let (meta, labels) = (read_meta(stored.meta)?, read_labels(stored.labels)?);
    Ok(BgpPeer { name, meta, labels, spec, password: read_optional(&stored.password)? })
}

fn read_router_id(address: IpAddr) -> Result<Ipv4Addr, String> {
    match address {
        IpAddr::V4(id) => Ok(id),
        IpAddr::V6(_) => Err("its router id has 16 bytes".to_owned()),
    }
}

fn read_seconds(micros: u64) -> Result<u16, String> {
    let seconds = u16::try_from(micros / 1_000_000).ok().filter(|_| micros.is_multiple_of(1_000_000));
    seconds.ok_or_else(|| format!("{micros} microseconds are no whole seconds that BGP has"))
}

fn write_bfd(bfd: &Bfd) -> pb::BfdSettings {
    pb::BfdSettings {
        transmit_interval_ms: bfd.transmit.into(),
        receive_interval_ms: bfd.receive.into(),
        detect_multiplier: bfd.multiplier.into(),
        passive: bfd.passive,
        minimum_ttl: bfd.minimum_ttl.unwrap_or(0).into(),
    }
}

fn read_bfd(stored: &pb::BfdSettings) -> Result<Bfd, String> {
    Ok(Bfd {
        transmit: read_number(stored.transmit_interval_ms)?,
        receive: read_number(stored.receive_interval_ms)?,
        multiplier: read_number(stored.detect_multiplier)?,
        passive: stored.passive,
        minimum_ttl: Some(read_number(stored.minimum_ttl)?).filter(|ttl| *ttl != 0),
    })
}

pub(super) fn write_advertisement(advertisement: &BgpAdvertisement, version: u32) -> pb::BgpAdvertisement {
    let spec = &advertisement.spec;
    pb::BgpAdvertisement {
        version,
        meta: Some(write_meta(&advertisement.meta)),
        labels: write_labels(&advertisement.labels),
        pools: spec.pools.iter().map(ToString::to_string).collect(),
        pool_selectors: write_selectors(&spec.pool_selectors),
        service_selectors: write_selectors(&spec.services),
        node_selectors: write_selectors(&spec.nodes),
        peers: spec.peers.iter().map(ToString::to_string).collect(),
        aggregation_length_v4: spec.length_v4.into(),
        aggregation_length_v6: spec.length_v6.into(),
        local_pref: spec.local_pref.map_or(0, NonZeroU32::get),
        communities: spec.communities.iter().map(ToString::to_string).collect(),
    }
}

pub(super) fn read_advertisement(name: Label, stored: pb::BgpAdvertisement) -> Result<BgpAdvertisement, String> {
    let spec = AdvertisementSpec {
        pools: read_each(&stored.pools, |text| read_text(text))?,
        pool_selectors: read_selectors(&stored.pool_selectors)?,
        services: read_selectors(&stored.service_selectors)?,
        nodes: read_selectors(&stored.node_selectors)?,
        peers: read_each(&stored.peers, |text| read_text(text))?,
        length_v4: read_number(stored.aggregation_length_v4)?,
        length_v6: read_number(stored.aggregation_length_v6)?,
        local_pref: NonZeroU32::new(stored.local_pref),
        communities: read_each(&stored.communities, |text| read_text(text))?,
    };
    Ok(BgpAdvertisement { name, meta: read_meta(stored.meta)?, labels: read_labels(stored.labels)?, spec })
}

#[cfg(test)]
mod tests;

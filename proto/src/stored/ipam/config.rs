//! Namespaces, pools, reservations and the compute network in their stored form.

use std::time::Duration;

use polder_core::ipam::{ComputeNetwork, Namespace, Order, Pool, PoolSelectors, PoolState, Purpose, Quotas, Reservation};
use polder_core::net::{Label, Name};
use polder_core::time::Timestamp;

use crate::state::v1 as pb;
use crate::stored::fields::{
    read_labels, read_meta, read_number, read_optional_address, read_prefix, read_prefixes, read_ranges, read_selectors, read_text,
    write_duration, write_labels, write_meta, write_optional_address, write_prefix, write_prefixes, write_ranges, write_selectors,
};

pub(super) fn write_namespace(namespace: &Namespace, version: u32) -> pb::Namespace {
    pb::Namespace {
        version,
        meta: Some(write_meta(&namespace.meta)),
        labels: write_labels(&namespace.labels),
        pod_addresses_quota: namespace.quotas.pod_addresses,
        external_addresses_quota: namespace.quotas.external_addresses,
        services_quota: namespace.quotas.services,
    }
}

pub(super) fn read_namespace(name: Label, stored: pb::Namespace) -> Result<Namespace, String> {
    let quotas = Quotas {
        pod_addresses: stored.pod_addresses_quota,
        external_addresses: stored.external_addresses_quota,
        services: stored.services_quota,
    };
    Ok(Namespace { name, meta: read_meta(stored.meta)?, labels: read_labels(stored.labels)?, quotas })
}

pub(super) fn write_pool(pool: &Pool, version: u32) -> pb::Pool {
    let purpose = match pool.purpose {
        Purpose::Node => pb::Purpose::Node,
        Purpose::Pod => pb::Purpose::Pod,
        Purpose::ClusterService => pb::Purpose::ClusterService,
        Purpose::ExternalService => pb::Purpose::ExternalService,
    };
    let state = match pool.state {
        PoolState::Enabled => pb::PoolState::Unspecified,
        PoolState::Draining => pb::PoolState::Draining,
        PoolState::Disabled => pb::PoolState::Disabled,
    };
    let order = match pool.order {
        Order::Lowest => pb::Order::Lowest,
        Order::LongestFree => pb::Order::LongestFree,
    };
    pb::Pool {
        version,
        meta: Some(write_meta(&pool.meta)),
        purpose: purpose.into(),
        ranges: write_ranges(&pool.ranges),
        state: state.into(),
        priority: pool.priority,
        node_selectors: write_selectors(&pool.selectors.nodes),
        namespaces: pool.selectors.namespaces.iter().map(ToString::to_string).collect(),
        namespace_selectors: write_selectors(&pool.selectors.namespace_labels),
        owner_selectors: write_selectors(&pool.selectors.objects),
        explicit_only: !pool.auto_assign,
        avoid_first_last: pool.avoid_first_last,
        avoid_buggy_ips: pool.avoid_buggy_ips,
        block_length_v4: pool.block_len_v4.into(),
        block_length_v6: pool.block_len_v6.into(),
        max_blocks_per_node: pool.max_blocks_per_node,
        strict_affinity: pool.strict_affinity,
        order: order.into(),
        cooldown: write_duration(pool.cooldown),
        share_across_namespaces: pool.share_across_namespaces,
        announce_interfaces: pool.announce_interfaces.clone(),
        bgp_only: pool.bgp_only,
        ignore_neighbors: pool.ignore_neighbors,
        labels: write_labels(&pool.labels),
        description: pool.description.clone(),
    }
}

pub(super) fn read_pool(name: Name, stored: pb::Pool) -> Result<Pool, String> {
    let purpose = match stored.purpose() {
        pb::Purpose::Node => Purpose::Node,
        pb::Purpose::Pod => Purpose::Pod,
        pb::Purpose::ClusterService => Purpose::ClusterService,
        pb::Purpose::ExternalService => Purpose::ExternalService,
        pb::Purpose::Unspecified => return Err("it has no purpose".to_owned()),
    };
    let state = match stored.state() {
        pb::PoolState::Unspecified => PoolState::Enabled,
        pb::PoolState::Draining => PoolState::Draining,
        pb::PoolState::Disabled => PoolState::Disabled,
    };
    let order = match stored.order() {
        pb::Order::Lowest => Order::Lowest,
        pb::Order::LongestFree => Order::LongestFree,
        pb::Order::Unspecified => return Err("it has no order".to_owned()),
    };
    let selectors = PoolSelectors {
        nodes: read_selectors(&stored.node_selectors)?,
        namespaces: stored.namespaces.iter().map(|text| read_text(text)).collect::<Result<_, _>>()?,
        namespace_labels: read_selectors(&stored.namespace_selectors)?,
        objects: read_selectors(&stored.owner_selectors)?,
    };
    Ok(Pool {
        name,
        meta: read_meta(stored.meta)?,
        purpose,
        ranges: read_ranges(&stored.ranges)?,
        state,
        priority: stored.priority,
        selectors,
        auto_assign: !stored.explicit_only,
        avoid_first_last: stored.avoid_first_last,
        avoid_buggy_ips: stored.avoid_buggy_ips,
        block_len_v4: read_number(stored.block_length_v4)?,
        block_len_v6: read_number(stored.block_length_v6)?,
        max_blocks_per_node: stored.max_blocks_per_node,
        strict_affinity: stored.strict_affinity,
        order,
        cooldown: Duration::from_micros(stored.cooldown),
        share_across_namespaces: stored.share_across_namespaces,
        announce_interfaces: stored.announce_interfaces,
        bgp_only: stored.bgp_only,
        ignore_neighbors: stored.ignore_neighbors,
        labels: read_labels(stored.labels)?,
        description: stored.description,
    })
}

pub(super) fn write_reservation(reservation: &Reservation, version: u32) -> pb::Reservation {
    pb::Reservation {
        version,
        meta: Some(write_meta(&reservation.meta)),
        ranges: write_ranges(&reservation.ranges),
        owner: reservation.owner.clone(),
        expires: reservation.expires.map_or(0, |expires| expires.0),
        labels: write_labels(&reservation.labels),
        system: reservation.system,
        ttl: reservation.ttl.map_or(0, write_duration),
    }
}

pub(super) fn read_reservation(name: Name, stored: pb::Reservation) -> Result<Reservation, String> {
    Ok(Reservation {
        name,
        meta: read_meta(stored.meta)?,
        ranges: read_ranges(&stored.ranges)?,
        owner: stored.owner,
        expires: (stored.expires > 0).then_some(Timestamp(stored.expires)),
        ttl: (stored.ttl > 0).then(|| Duration::from_micros(stored.ttl)),
        labels: read_labels(stored.labels)?,
        system: stored.system,
    })
}

pub(super) fn write_network(network: &ComputeNetwork, version: u32) -> pb::ComputeNetwork {
    pb::ComputeNetwork {
        version,
        meta: Some(write_meta(&network.meta)),
        interface: network.interface.clone(),
        subnet: network.subnet.as_ref().map(write_prefix).unwrap_or_default(),
        gateway: write_optional_address(network.gateway),
        node_ranges: write_ranges(&network.node_ranges),
        external_ranges: write_ranges(&network.external_ranges),
        pod_subnets: write_prefixes(&network.pod_subnets),
        service_subnets: write_prefixes(&network.service_subnets),
    }
}

pub(super) fn read_network(stored: pb::ComputeNetwork) -> Result<ComputeNetwork, String> {
    Ok(ComputeNetwork {
        meta: read_meta(stored.meta)?,
        interface: stored.interface,
        subnet: (!stored.subnet.is_empty()).then(|| read_prefix(&stored.subnet)).transpose()?,
        gateway: read_optional_address(&stored.gateway)?,
        node_ranges: read_ranges(&stored.node_ranges)?,
        external_ranges: read_ranges(&stored.external_ranges)?,
        pod_subnets: read_prefixes(&stored.pod_subnets)?,
        service_subnets: read_prefixes(&stored.service_subnets)?,
    })
}

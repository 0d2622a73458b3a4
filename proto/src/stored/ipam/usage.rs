//! Nodes, blocks and allocations in their stored form.

use ipnet::IpNet;
use polder_core::id::Uid;
use polder_core::ipam::node::number::MOST;
use polder_core::ipam::{Allocation, Block, Holding, Interface, Liveness, Node, Owner, OwnerKind, Route};
use polder_core::net::Name;
use polder_core::time::Timestamp;

use crate::state::v1 as pb;
use crate::stored::fields::{
    read_address, read_labels, read_meta, read_meta_of, read_number, read_optional, read_optional_address, read_prefix,
    read_prefixes, read_text, write_address, write_labels, write_meta, write_meta_without_uid, write_optional,
    write_optional_address, write_prefix, write_prefixes,
};

pub(super) fn write_node(node: &Node, version: u32) -> pb::Node {
    let (liveness, since) = match node.liveness {
        Liveness::NotSeen => (pb::Liveness::Unspecified, Timestamp::default()),
        Liveness::Alive(since) => (pb::Liveness::Alive, since),
        Liveness::Lost(since) => (pb::Liveness::Lost, since),
    };
    pb::Node {
        version,
        meta: Some(write_meta(&node.meta)),
        labels: write_labels(&node.labels),
        zone: node.zone.clone(),
        interfaces: node.interfaces.iter().map(write_interface).collect(),
        routes: node.routes.iter().map(write_route).collect(),
        agent_version: node.agent_version.clone(),
        tunnel_mac: node.tunnel_mac.clone(),
        unschedulable: node.unschedulable,
        draining: node.draining,
        excluded_from_external: node.excluded_from_external,
        operator_labels: node.operator_labels.clone(),
        liveness: liveness.into(),
        liveness_since: since.0,
        removing_since: node.removing.map_or(0, |since| since.0),
        number: node.number.into(),
    }
}

fn read_liveness(stored: &pb::Node) -> Result<Liveness, String> {
    let since = Timestamp(stored.liveness_since);
    match pb::Liveness::try_from(stored.liveness) {
        Ok(pb::Liveness::Unspecified) => Ok(Liveness::NotSeen),
        Ok(pb::Liveness::Alive) => Ok(Liveness::Alive(since)),
        Ok(pb::Liveness::Lost) => Ok(Liveness::Lost(since)),
        Err(error) => Err(error.to_string()),
    }
}

fn write_interface(interface: &Interface) -> pb::Interface {
    pb::Interface {
        name: interface.name.clone(),
        addresses: write_prefixes(&interface.addresses),
        mac: interface.mac.clone(),
        mtu: interface.mtu,
        gateways: interface.gateways.iter().copied().map(write_address).collect(),
        up: interface.up,
    }
}

fn write_route(route: &Route) -> pb::Route {
    pb::Route {
        destination: write_prefix(&route.destination),
        gateway: write_optional_address(route.gateway),
        interface: route.interface.clone(),
    }
}

pub(super) fn read_node(name: Name, stored: pb::Node) -> Result<Node, String> {
    let liveness = read_liveness(&stored)?;
    Ok(Node {
        name,
        liveness,
        meta: read_meta(stored.meta)?,
        labels: read_labels(stored.labels)?,
        zone: stored.zone,
        interfaces: stored.interfaces.into_iter().map(read_interface).collect::<Result<_, _>>()?,
        agent_version: stored.agent_version,
        routes: stored.routes.into_iter().map(read_route).collect::<Result<_, _>>()?,
        tunnel_mac: stored.tunnel_mac,
        unschedulable: stored.unschedulable,
        draining: stored.draining,
        excluded_from_external: stored.excluded_from_external,
        operator_labels: stored.operator_labels,
        removing: Some(Timestamp(stored.removing_since)).filter(|since| since.0 > 0),
        number: read_node_number(stored.number)?,
    })
}

fn read_node_number(stored: u32) -> Result<u16, String> {
    let number = u16::try_from(stored).ok().filter(|number| *number <= MOST);
    number.ok_or_else(|| format!("{stored} is no number of a node: 0 to {MOST}"))
}

fn read_interface(stored: pb::Interface) -> Result<Interface, String> {
    Ok(Interface {
        name: stored.name,
        addresses: read_prefixes(&stored.addresses)?,
        mac: stored.mac,
        mtu: stored.mtu,
        gateways: stored.gateways.iter().map(|bytes| read_address(bytes)).collect::<Result<_, _>>()?,
        up: stored.up,
    })
}

fn read_route(stored: pb::Route) -> Result<Route, String> {
    let destination = read_prefix(&stored.destination)?;
    Ok(Route { destination, gateway: read_optional_address(&stored.gateway)?, interface: stored.interface })
}

pub(super) fn write_block(block: &Block, version: u32) -> pb::Block {
    pb::Block { version, pool: block.pool.to_string(), node: block.node.to_string(), claimed: block.claimed.0 }
}

pub(super) fn read_block(cidr: IpNet, stored: &pb::Block) -> Result<Block, String> {
    let (pool, node) = (read_text(&stored.pool)?, read_text(&stored.node)?);
    Ok(Block { cidr, pool, node, claimed: Timestamp(stored.claimed) })
}

pub(super) fn write_allocation(allocation: &Allocation, version: u32) -> pb::Allocation {
    let owner = &allocation.owner;
    let kind = match owner.kind {
        OwnerKind::Pod => pb::OwnerKind::Unspecified,
        OwnerKind::Node => pb::OwnerKind::Node,
        OwnerKind::Other => pb::OwnerKind::Other,
    };
    let ports = allocation.named_ports.iter();
    pb::Allocation {
        version,
        meta: Some(write_meta_without_uid(&allocation.meta)),
        handle: allocation.handle.to_string(),
        holdings: allocation.holdings.iter().map(write_holding).collect(),
        owner_kind: kind.into(),
        namespace: write_optional(owner.namespace.as_ref()),
        name: owner.name.to_string(),
        node: write_optional(owner.node.as_ref()),
        interface: owner.interface.clone(),
        container: owner.container.clone(),
        owner_uid: owner.uid.clone(),
        labels: write_labels(&allocation.labels),
        ready: allocation.ready,
        hostname: write_optional(allocation.hostname.as_ref()),
        subdomain: write_optional(allocation.subdomain.as_ref()),
        released: allocation.released.map_or(0, |released| released.0),
        named_ports: ports.map(|(name, number)| pb::NamedPort { name: name.to_string(), number: (*number).into() }).collect(),
    }
}

fn write_holding(holding: &Holding) -> pb::Holding {
    let block_length = holding.block.map_or(0, |block| block.prefix_len().into());
    pb::Holding { address: write_address(holding.address), block_length }
}

pub(super) fn read_allocation(uid: Uid, stored: pb::Allocation) -> Result<Allocation, String> {
    let owner = Owner {
        kind: match stored.owner_kind() {
            pb::OwnerKind::Unspecified => OwnerKind::Pod,
            pb::OwnerKind::Node => OwnerKind::Node,
            pb::OwnerKind::Other => OwnerKind::Other,
        },
        namespace: read_optional(&stored.namespace)?,
        name: read_text(&stored.name)?,
        node: read_optional(&stored.node)?,
        interface: stored.interface,
        container: stored.container,
        uid: stored.owner_uid,
    };
    let port = |port: &pb::NamedPort| Ok((read_text(&port.name)?, read_number(port.number)?));
    Ok(Allocation {
        handle: stored.handle.into(),
        meta: read_meta_of(uid, &stored.meta.ok_or("it has no times")?),
        holdings: stored.holdings.iter().map(read_holding).collect::<Result<_, _>>()?,
        owner,
        labels: read_labels(stored.labels)?,
        ready: stored.ready,
        hostname: read_optional(&stored.hostname)?,
        subdomain: read_optional(&stored.subdomain)?,
        named_ports: stored.named_ports.iter().map(port).collect::<Result<_, String>>()?,
        released: (stored.released > 0).then_some(Timestamp(stored.released)),
    })
}

fn read_holding(stored: &pb::Holding) -> Result<Holding, String> {
    let address = read_address(&stored.address)?;
    let block = match stored.block_length {
        0 => None,
        length => Some(IpNet::new(address, read_number(length)?).map_err(|error| error.to_string())?.trunc()),
    };
    Ok(Holding { address, block })
}

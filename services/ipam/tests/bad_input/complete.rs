//! The tables are complete.

use polder_proto::dynamic::descriptors;
use polder_testing::bad_input::{Complete, Table, Why};

use crate::world::{Known, PACKAGE};

/// Fields of which every value is good, wherever they stand.
const ANY: Why = &[
    ("polder.ipam.v1.Pool.priority", "every number is a rank"),
    ("polder.ipam.v1.Pool.max_blocks_per_node", "every number is a limit"),
    ("polder.ipam.v1.NamespaceQuotas.pod_addresses", "every number is a limit"),
    ("polder.ipam.v1.NamespaceQuotas.external_addresses", "every number is a limit"),
    ("polder.ipam.v1.NamespaceQuotas.services", "every number is a limit"),
    ("polder.ipam.v1.NetworkInterface.mtu", "an agent reports what its kernel says"),
    ("polder.ipam.v1.KeepAliveRequest.sequence", "it is only carried back"),
];

/// Fields that a method does not read, as it says: they stand in its request because the object has them.
const UNREAD: Why = &[
    ("CreateNamespaceRequest.namespace.etag", "there is no object yet whose version it could be"),
    ("CreatePoolRequest.pool.etag", "there is no object yet whose version it could be"),
    ("CreateReservationRequest.reservation.etag", "there is no object yet whose version it could be"),
    ("UpdateNodeRequest.node.interfaces", "the agent reports it by RegisterNode"),
    ("UpdateNodeRequest.node.routes", "the agent reports it by RegisterNode"),
    ("UpdateNodeRequest.node.agent_version", "the agent reports it by RegisterNode"),
    ("UpdateNodeRequest.node.tunnel_mac", "the agent reports it by RegisterNode"),
    ("UpdateAllocationRequest.allocation.owner", "the owner of an allocation does not change"),
];

fn tables() -> Vec<Table> {
    let known = Known::default();
    let all: [fn(&Known) -> Vec<Table>; 7] = [
        crate::allocations::tables,
        crate::namespaces::tables,
        crate::network::tables,
        crate::nodes::tables,
        crate::pools::tables,
        crate::questions::tables,
        crate::reservations::tables,
    ];
    all.iter().flat_map(|tables| tables(&known)).collect()
}

#[test]
fn every_field_has_a_row_or_a_reason() {
    let services = descriptors().services().filter(|service| service.package_name() == PACKAGE);
    let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
    Complete { package: PACKAGE, methods, tables: tables(), any: ANY, unread: UNREAD }.assert(200);
}

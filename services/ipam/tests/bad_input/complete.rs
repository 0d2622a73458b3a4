//! The tables are complete: every field that a caller may set has a row, or a reason why it needs none.

use std::collections::BTreeSet;

use polder_proto::dynamic::descriptors;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use crate::request::{method_of, without_places};
use crate::table::{Expect, Table};
use crate::world::Known;

/// Fields of which every value is good, wherever they stand.
const ANY: &[(&str, &str)] = &[
    ("polder.ipam.v1.Pool.priority", "every number is a rank"),
    ("polder.ipam.v1.Pool.max_blocks_per_node", "every number is a limit"),
    ("polder.ipam.v1.NamespaceQuotas.pod_addresses", "every number is a limit"),
    ("polder.ipam.v1.NamespaceQuotas.external_addresses", "every number is a limit"),
    ("polder.ipam.v1.NamespaceQuotas.services", "every number is a limit"),
    ("polder.ipam.v1.NetworkInterface.mtu", "an agent reports what its kernel says"),
    ("polder.ipam.v1.KeepAliveRequest.sequence", "it is only carried back"),
];

/// Fields that a method does not read, as it says: they stand in its request because the object has them.
const UNREAD: &[(&str, &str)] = &[
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

fn methods() -> impl Iterator<Item = MethodDescriptor> {
    let services = descriptors().services().filter(|service| service.package_name() == "polder.ipam.v1");
    services.flat_map(|service| service.methods().collect::<Vec<_>>())
}

#[test]
fn every_field_has_a_row_or_a_reason() {
    let rowed: BTreeSet<String> = tables()
        .iter()
        .flat_map(|table| {
            let input = method_of(table.method).input();
            let wrong = table.rows.iter().filter(|row| !matches!(row.expect, Expect::Good));
            wrong.map(move |row| format!("{}.{}", input.name(), without_places(&row.field))).collect::<Vec<_>>()
        })
        .collect();
    let mut fields = Vec::new();
    for method in methods() {
        settable(&method.input(), method.input().name(), 0, &mut fields);
    }
    assert!(fields.len() > 200, "the descriptors have been read");
    let missing: Vec<&str> = fields
        .iter()
        .filter(|(path, field)| !rowed.contains(path) && !any(field) && unread(path).is_none())
        .map(|(path, _)| path.as_str())
        .collect();
    assert!(missing.is_empty(), "{} fields have no row:\n{}", missing.len(), missing.join("\n"));
    let paths: BTreeSet<&str> = fields.iter().map(|(path, _)| path.as_str()).collect();
    for (name, _) in ANY {
        let met: Vec<_> = fields.iter().filter(|(_, field)| field.full_name() == *name).collect();
        assert!(!met.is_empty(), "{name} needs no reason: there is no such field");
        assert!(met.iter().all(|(path, _)| !rowed.contains(path)), "{name} has rows, and a reason why it needs none");
    }
    for (path, _) in UNREAD {
        assert!(paths.iter().any(|known| unread(known) == Some(path)), "{path} needs no reason: there is no such field");
        assert!(rowed.iter().all(|row| unread(row) != Some(path)), "{path} has rows, and a reason why it needs none");
    }
}

fn any(field: &FieldDescriptor) -> bool {
    // Both values of a flag mean something.
    field.kind() == Kind::Bool || ANY.iter().any(|(name, _)| *name == field.full_name())
}

fn unread(path: &str) -> Option<&'static str> {
    UNREAD
        .iter()
        .map(|(unread, _)| *unread)
        .find(|unread| path.strip_prefix(unread).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// Every field that a caller may set in a message: values, lists, maps, and what stands in messages below it.
fn settable(message: &MessageDescriptor, above: &str, depth: usize, found: &mut Vec<(String, FieldDescriptor)>) {
    assert!(depth < 10, "{above} goes round in circles");
    for field in message.fields().filter(|field| !is_output_only(field)) {
        let path = format!("{above}.{}", field.name());
        let below = match field.kind() {
            Kind::Message(below) if !field.is_map() && below.package_name().starts_with("polder.") => Some(below),
            _ => None,
        };
        if below.is_none() || field.is_list() {
            found.push((path.clone(), field.clone()));
        }
        if let Some(below) = below {
            settable(&below, &path, depth + 1, found);
        }
    }
}

/// Whether the field's comment says that only answers carry it.
fn is_output_only(field: &FieldDescriptor) -> bool {
    let file = field.parent_message().parent_file();
    let comments = file.file_descriptor_proto().source_code_info.as_ref().unwrap();
    let comment = comments.location.iter().find(|location| location.path == field.path()).unwrap();
    comment.leading_comments().trim_start().starts_with("Output only.")
}

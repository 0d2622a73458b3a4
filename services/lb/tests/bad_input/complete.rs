//! The tables are complete: every field that a caller may set has a row, or a reason why it needs none.

use std::collections::BTreeSet;

use polder_proto::dynamic::descriptors;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use crate::request::{method_of, without_places};
use crate::table::{Expect, Table};
use crate::world::Known;

/// Fields that a method does not read, as it says: they stand in its request because the object has them.
const UNREAD: &[(&str, &str)] = &[
    ("CreateBgpPeerRequest.bgp_peer.etag", "there is no object yet whose version it could be"),
    ("CreateBgpAdvertisementRequest.bgp_advertisement.etag", "there is no object yet whose version it could be"),
];

fn tables() -> Vec<Table> {
    let known = Known::default();
    [crate::advertisements::tables(&known), crate::peers::tables(&known)].concat()
}

/// The methods about BGP.
fn methods() -> impl Iterator<Item = MethodDescriptor> {
    let service = descriptors().get_service_by_name("polder.lb.v1.AnnouncementService").unwrap();
    service.methods().filter(|method| method.name().contains("Bgp")).collect::<Vec<_>>().into_iter()
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
    assert!(fields.len() > 80, "the descriptors have been read");
    let missing: Vec<&str> = fields
        .iter()
        .filter(|(path, field)| !rowed.contains(path) && !any(field) && unread(path).is_none())
        .map(|(path, _)| path.as_str())
        .collect();
    assert!(missing.is_empty(), "{} fields have no row:\n{}", missing.len(), missing.join("\n"));
    let paths: BTreeSet<&str> = fields.iter().map(|(path, _)| path.as_str()).collect();
    for (path, _) in UNREAD {
        assert!(paths.iter().any(|known| unread(known) == Some(path)), "{path} needs no reason: there is no such field");
        assert!(rowed.iter().all(|row| unread(row) != Some(path)), "{path} has rows, and a reason why it needs none");
    }
}

/// Both values of a flag mean something.
fn any(field: &FieldDescriptor) -> bool {
    field.kind() == Kind::Bool
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

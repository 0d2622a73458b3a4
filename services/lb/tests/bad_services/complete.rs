//! The tables are complete: every field that a caller may set has a row, or a reason why it needs none.

use std::collections::BTreeSet;

use polder_proto::dynamic::descriptors;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use crate::table::Expect;
use crate::world::method_of;

/// Fields of which no value is wrong, or that are not read, each below every request that has it.
const NEED_NONE: &[(&str, &str)] = &[
    ("CreateServiceRequest.service.etag", "there is no object yet whose version it could be"),
    ("service.spec.endpoints.pod.kind", "a pod is refused as a whole"),
    ("service.spec.endpoints.pod.namespace", "a pod is refused as a whole"),
    ("service.spec.endpoints.pod.uid", "a pod is refused as a whole"),
];

/// Every field that a caller may set in a message, below `above`.
fn settable(message: &MessageDescriptor, above: &str, found: &mut Vec<(String, FieldDescriptor)>) {
    assert!(above.matches('.').count() < 10, "{above} goes round in circles");
    for field in message.fields().filter(|field| !is_output_only(field)) {
        let path = format!("{above}.{}", field.name());
        let kind = field.kind();
        let below = kind.as_message().filter(|below| !field.is_map() && below.package_name().starts_with("polder."));
        if below.is_none() || field.is_list() {
            found.push((path.clone(), field.clone()));
        }
        if let Some(below) = below {
            settable(below, &path, found);
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

/// A path without the places in lists.
fn without_places(path: &str) -> String {
    path.split('.').map(|step| step.split('[').next().unwrap_or(step)).collect::<Vec<_>>().join(".")
}

#[test]
fn every_field_has_a_row_or_a_reason() {
    let tables = crate::services::tables().into_iter().chain(crate::questions::tables());
    let rowed: BTreeSet<String> = tables
        .flat_map(|table| {
            let input = method_of(table.method).input().name().to_owned();
            let wrong = table.rows.into_iter().filter(|row| !matches!(row.expect, Expect::Good));
            wrong.map(move |row| format!("{input}.{}", without_places(&row.field))).collect::<Vec<_>>()
        })
        .collect();
    let catalogue = descriptors().get_service_by_name("polder.lb.v1.ServiceCatalogService").unwrap();
    let mut fields = Vec::new();
    for method in catalogue.methods() {
        settable(&method.input(), method.input().name(), &mut fields);
    }
    assert!(fields.len() > 80, "the descriptors have been read");
    // Both values of a flag mean something.
    let asked: Vec<&String> = fields.iter().filter(|(_, field)| field.kind() != Kind::Bool).map(|(path, _)| path).collect();
    let excused = |path: &str| NEED_NONE.iter().find(|(end, _)| path.ends_with(end)).map(|(end, _)| *end);
    let missing: Vec<&&String> = asked.iter().filter(|path| !rowed.contains(**path) && excused(path).is_none()).collect();
    assert!(missing.is_empty(), "{} fields have no row: {missing:#?}", missing.len());
    for (end, _) in NEED_NONE {
        assert!(asked.iter().any(|path| excused(path) == Some(end)), "{end} needs no reason: there is no such field");
        assert!(rowed.iter().all(|path| excused(path) != Some(end)), "{end} has rows, and a reason why it needs none");
    }
}
